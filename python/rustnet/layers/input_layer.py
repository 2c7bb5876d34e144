"""Where a functional model begins."""

from __future__ import annotations

from typing import Any

from rustnet.core.dtypes import declared_dtype
from rustnet.core.node import Node
from rustnet.core.tensors import KerasTensor
from rustnet.layers.layer import Layer


class InputLayer(Layer):
    """The layer behind `Input`: its output is the symbolic tensor of the model's input.

    Arguments: `shape` without the batch, or `batch_shape` with it; `batch_size`; `dtype`; `name`.
    """

    def __init__(
        self,
        shape: Any = None,
        batch_size: int | None = None,
        dtype: Any = None,
        sparse: bool | None = None,
        ragged: bool | None = None,
        batch_shape: Any = None,
        input_tensor: Any = None,
        optional: bool = False,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        if sparse or ragged:
            raise ValueError(f"expected a dense input. Received: sparse={sparse}, ragged={ragged}")
        if input_tensor is not None:
            if not isinstance(input_tensor, KerasTensor):
                raise ValueError(f"expected a symbolic tensor. Received: input_tensor={input_tensor!r}")
            shape, batch_shape, dtype = None, input_tensor.shape, input_tensor.dtype
        super().__init__(name=name, dtype=dtype, **kwargs)
        # As it was declared: int64 is shown, and computed in int32.
        self._dtype = declared_dtype(dtype)
        if batch_shape is None:
            batch_shape = self._batch_input_shape
        if batch_shape is None:
            if shape is None:
                raise ValueError(f"expected a shape for Input '{self.name}'. Received: shape=None")
            batch_shape = (batch_size, *_sizes(shape, self.name))
        self.batch_shape = _sizes(batch_shape, self.name)
        self.optional = optional
        self.built = True

    @property
    def _nodes(self) -> list[Node]:
        # Made again where nobody held the tensor: to own it would be a circle.
        return super()._nodes or [Node(self, (), {}, KerasTensor(self.batch_shape, self.dtype, self.name))]

    def call(self, *args: Any, **kwargs: Any) -> Any:
        raise ValueError(f"expected no call of the input layer '{self.name}': its output is `Input(...)`")

    def get_config(self) -> dict[str, Any]:
        return {
            "batch_shape": self.batch_shape,
            "dtype": self.dtype,
            "name": self.name,
            "optional": self.optional,
        }


def _sizes(shape: Any, name: str) -> tuple[int | None, ...]:
    sizes = tuple(shape) if hasattr(shape, "__len__") else (shape,)
    for size in sizes:
        if size is not None and (isinstance(size, bool) or not hasattr(size, "__index__") or size < 0):
            raise ValueError(
                f"expected sizes of 0 or more, or None, for Input '{name}'. Received: shape={shape!r}"
            )
    return sizes


def Input(
    shape: Any = None,
    batch_size: int | None = None,
    dtype: Any = None,
    sparse: bool | None = None,
    ragged: bool | None = None,
    batch_shape: Any = None,
    name: str | None = None,
    tensor: Any = None,
    optional: bool = False,
) -> Any:
    """The symbolic input of a functional model.

    Arguments: `shape` without the batch, `None` for sizes left open; `batch_size`; `dtype`, by default
    `floatx()`, where int64 is computed in int32; `batch_shape`, the shape with the batch; `name`.
    Raises `ValueError` for a negative or non-integer size.

    >>> import rustnet
    >>> rustnet.Input(shape=(784,)).shape
    (None, 784)

    Source: https://keras.io/api/layers/core_layers/input
    """
    layer = InputLayer(shape, batch_size, dtype, sparse, ragged, batch_shape, tensor, optional, name)
    return layer.output
