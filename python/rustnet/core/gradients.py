"""The gradient of a loss that is being recorded, for a step that trains."""

from __future__ import annotations

from typing import Any

from rustnet.core import structure
from rustnet.core.dtypes import is_float
from rustnet.core.tensors import TracedTensor
from rustnet.core.trace import current_trace
from rustnet.core.variable import Variable


def gradients(loss: Any, variables: Any) -> Any:
    """d loss / d variable for each variable, inside a step that is recorded, such as `train_step`.

    The gradients are tensors like any other: they can be clipped, added up, given to an optimizer's `apply`,
    and be part of another loss that is differentiated again. What `assign` or an optimizer gave a variable
    before is a new value: no gradient leads back through an assignment, except within a layer's `call`.

    Arguments:
        loss: a scalar tensor of floats.
        variables: variables or tensors that the loss was computed from; nested, or one alone.

    Returns: the gradients, each of its variable's shape, nested likewise; None where the loss does not depend
    on a variable.

    Raises:
        ValueError: a loss that is no scalar of the step being recorded, or something else than a variable or
            tensor among `variables`.

    >>> import numpy as np
    >>> import rustnet
    >>> class Descent(rustnet.Sequential):
    ...     def train_step(self, data):
    ...         x, y = data
    ...         loss = rustnet.ops.mean((self(x, training=True) - y) ** 2)
    ...         weights = self.trainable_weights
    ...         for weight, gradient in zip(weights, rustnet.gradients(loss, weights)):
    ...             weight.assign_sub(0.1 * gradient)
    ...         return {"error": loss}
    >>> dense = rustnet.layers.Dense(1, use_bias=False, kernel_initializer="zeros")
    >>> model = Descent([rustnet.Input((1,)), dense])
    >>> model.compile()
    >>> history = model.fit(np.ones((4, 1)), np.ones((4, 1)), epochs=2, verbose=0)
    >>> [round(error, 4) for error in history.history["error"]]
    [1.0, 0.64]

    Source: https://www.tensorflow.org/api_docs/python/tf/gradients
    """
    trace = current_trace()
    if trace is None or not isinstance(loss, TracedTensor) or loss.trace is not trace:
        raise ValueError(
            "expected a loss computed in the step that is being recorded (train_step, for one). "
            f"Received: loss={loss!r}"
        )
    if loss.shape or not is_float(loss.dtype):
        raise ValueError(f"expected a scalar loss of floats. Received: loss={loss!r}")
    sources = structure.flatten(variables)
    for source in sources:
        if not isinstance(source, (Variable, TracedTensor)):
            raise ValueError(
                f"expected variables or tensors of the step. Received: variables with {source!r}"
            )
    return structure.pack(variables, trace.gradients(loss, sources))
