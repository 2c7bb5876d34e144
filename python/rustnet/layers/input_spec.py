"""What a layer expects of its inputs' shapes, and the check of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rustnet.core import structure
from rustnet.core.convert import tensor
from rustnet.core.dtypes import standardize_dtype


class InputSpec:
    """The rank, sizes and dtype that a layer expects of one input.

    Arguments: `dtype`; `shape` (None: any size); `ndim`, `min_ndim`, `max_ndim`; `axes`, a dict axis: size.

    >>> import rustnet
    >>> rustnet.InputSpec(min_ndim=2, axes={-1: 784}).expectation((None, 783))
    'last dimension 784'

    Source: https://keras.io/api/layers/base_layer
    """

    def __init__(
        self,
        dtype: Any = None,
        shape: Any = None,
        ndim: int | None = None,
        max_ndim: int | None = None,
        min_ndim: int | None = None,
        axes: Mapping[int, int | None] | None = None,
        allow_last_axis_squeeze: bool = False,
        name: str | None = None,
        optional: bool = False,
    ) -> None:
        self.dtype = None if dtype is None else standardize_dtype(dtype)
        self.shape = None if shape is None else tuple(shape)
        self.ndim = len(self.shape) if self.shape is not None else ndim
        self.max_ndim = max_ndim
        self.min_ndim = min_ndim
        self.axes = {int(axis): size for axis, size in (axes or {}).items()}
        self.allow_last_axis_squeeze = allow_last_axis_squeeze
        self.name = name
        self.optional = optional

    def get_config(self) -> dict[str, Any]:
        return dict(vars(self))

    def expectation(self, shape: tuple[int | None, ...]) -> str | None:
        """What was expected of an input whose shape does not fit; None where it fits."""
        rank = len(shape)
        if self.ndim is not None and rank != self.ndim and not self.allow_last_axis_squeeze:
            return f"an input of rank {self.ndim}"
        if self.min_ndim is not None and rank < self.min_ndim:
            return f"an input of rank {self.min_ndim} or more"
        if self.max_ndim is not None and rank > self.max_ndim:
            return f"an input of rank {self.max_ndim} or less"
        for axis, size in self.axes.items():
            if size is not None and shape[axis] not in (size, None):
                return (
                    f"last dimension {size}" if axis in (-1, rank - 1) else f"dimension {size} at axis {axis}"
                )
        if self.shape is not None:
            for expected, size in zip(self.shape, shape, strict=False):
                if expected is not None and size is not None and expected != size:
                    return f"an input of shape {self.shape}"
        return None


def one_tensor(inputs: Any, layer_name: str) -> Any:
    """The tensor that a layer of one tensor is called on; one in a list is read as NumPy reads such a list.

    Raises `ValueError` naming the layer for a dictionary or several tensors.
    """
    if isinstance(inputs, Mapping):
        raise ValueError(
            f"layer '{layer_name}' expected one tensor. Received: a dictionary of {sorted(map(str, inputs))}"
        )
    if type(inputs) not in (list, tuple):
        return inputs
    if len(inputs) != 1:
        raise ValueError(f"layer '{layer_name}' expected 1 input(s). Received: {len(inputs)} tensors")
    return tensor(inputs)


def check_inputs(input_spec: Any, inputs: Any, layer_name: str) -> None:
    """Raises `ValueError` naming the layer where the inputs do not fit its `input_spec`."""
    specs = structure.flatten(input_spec)
    tensors = structure.flatten(inputs)
    if len(tensors) != len(specs):
        raise ValueError(
            f"layer '{layer_name}' expected {len(specs)} input(s). Received: {len(tensors)} tensors"
        )
    for one, spec in zip(tensors, specs, strict=True):
        if spec is None or (one is None and spec.optional):
            continue
        expectation = spec.expectation(tuple(one.shape))
        if expectation is not None:
            raise ValueError(
                f"layer '{layer_name}' expected {expectation}. Received: shape {tuple(one.shape)}"
            )
        if spec.dtype is not None and one.dtype != spec.dtype:
            raise ValueError(f"layer '{layer_name}' expected dtype {spec.dtype}. Received: dtype={one.dtype}")
