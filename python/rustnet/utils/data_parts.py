"""The parts of a batch: inputs, targets and weights in one value, as a training step gets them."""

from __future__ import annotations

from typing import Any


def unpack_x_y_sample_weight(data: Any) -> tuple[Any, Any, Any]:
    """Inputs, targets and sample weights, None for those that a batch does not have.

    Arguments:
        data: `(x,)`, `(x, y)` or `(x, y, sample_weight)`, a tuple or list; anything else is `x` itself.

    Raises:
        ValueError: a tuple or list of no or of more than three items.

    >>> unpack_x_y_sample_weight(("inputs", "targets"))
    ('inputs', 'targets', None)

    Source: https://github.com/keras-team/keras/blob/master/keras/src/trainers/data_adapters/data_adapter_utils.py
    """
    if not isinstance(data, (list, tuple)):
        return data, None, None
    if not 1 <= len(data) <= 3:
        raise ValueError(
            f"expected x, (x,), (x, y) or (x, y, sample_weight). Received: data with {len(data)} parts"
        )
    x, y, sample_weight = (*data, None, None)[:3]
    return x, y, sample_weight


def pack_x_y_sample_weight(x: Any, y: Any = None, sample_weight: Any = None) -> Any:
    """The parts as the value that `fit` gives to a step: `x`, `(x, y)` or `(x, y, sample_weight)`.

    A list or tuple of inputs alone becomes `(x,)`. Weights without targets are left out.

    >>> pack_x_y_sample_weight("inputs", "targets")
    ('inputs', 'targets')

    Source: https://github.com/keras-team/keras/blob/master/keras/src/trainers/data_adapters/data_adapter_utils.py
    """
    if y is None:
        return (x,) if isinstance(x, (list, tuple)) else x
    return (x, y) if sample_weight is None else (x, y, sample_weight)
