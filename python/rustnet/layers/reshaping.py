"""Layers that change the shape and keep the values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from rustnet import ops
from rustnet.core.trace import unknown_size
from rustnet.layers.core import positive_int
from rustnet.layers.input_spec import InputSpec
from rustnet.layers.layer import Layer
from rustnet.ops.nn_spatial import channels_last


class Flatten(Layer):
    """(batch, a, b, …) to (batch, a·b·…); (batch,) to (batch, 1).

    Arguments:
        data_format: `"channels_last"`, the one format there is.
        kwargs: see `Layer`.

    Example:
        >>> Flatten()(ops.ones((2, 3, 4))).shape
        (2, 12)

    Source: https://keras.io/api/layers/reshaping_layers/flatten/
    """

    def __init__(self, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.data_format = channels_last(data_format)
        self.input_spec = InputSpec(min_ndim=1)

    def call(self, inputs: Any) -> Any:
        return ops.reshape(inputs, (inputs.shape[0], math.prod(inputs.shape[1:])))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "data_format": self.data_format}


class Reshape(Layer):
    """(batch, …) to (batch, *target_shape).

    Arguments:
        target_shape: without the batch; one size may be -1, which is found from the others.
        kwargs: see `Layer`.

    Raises:
        ValueError: sizes that are no ints of 1 or more, or more than one -1; when it is called, another
            number of elements.

    Example:
        >>> Reshape((3, -1))(ops.ones((2, 12))).shape
        (2, 3, 4)

    Source: https://keras.io/api/layers/reshaping_layers/reshape/
    """

    _is_built_from_start = True
    _takes_one_tensor = True

    def __init__(self, target_shape: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        sizes: tuple[Any, ...] = tuple(target_shape) if hasattr(target_shape, "__len__") else (target_shape,)
        if sum(size == -1 for size in sizes) > 1 or any(
            not hasattr(size, "__index__") or size < -1 for size in sizes
        ):
            raise ValueError(
                f"expected target_shape to hold ints of 0 or more, and -1 at most once. "
                f"Received: target_shape={sizes}"
            )
        self.target_shape = tuple(int(size) for size in sizes)

    def call(self, inputs: Any) -> Any:
        if unknown_size() in inputs.shape[1:]:
            return self._outline(inputs)
        elements = math.prod(inputs.shape[1:])
        known = math.prod(size for size in self.target_shape if size != -1)
        if known != elements if -1 not in self.target_shape else known == 0 or elements % known:
            raise ValueError(
                f"expected a target_shape of the {elements} elements of a sample. "
                f"Received: target_shape={self.target_shape}, inputs.shape={tuple(inputs.shape)}"
            )
        sizes = [elements // known if size == -1 else size for size in self.target_shape]
        return ops.reshape(inputs, (inputs.shape[0], *sizes))

    def _outline(self, inputs: Any) -> Any:
        """A tensor of the outputs' shape, where only shapes are asked for and a size is left open."""
        sizes = [unknown_size() if size == -1 else size for size in self.target_shape]
        return ops.zeros((inputs.shape[0], *sizes), inputs.dtype)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "target_shape": self.target_shape}


class Permute(Layer):
    """Reorders the axes after the batch.

    Arguments:
        dims: a permutation of 1, 2, …; the batch is axis 0 and stays.
        kwargs: see `Layer`.

    Raises:
        ValueError: `dims` is no such permutation.

    Example:
        >>> Permute((2, 1))(ops.ones((2, 3, 4))).shape
        (2, 4, 3)

    Source: https://keras.io/api/layers/reshaping_layers/permute/
    """

    def __init__(self, dims: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dims = tuple(dims)
        if sorted(self.dims) != list(range(1, len(self.dims) + 1)):
            raise ValueError(f"expected dims to be a permutation of 1, 2, … Received: dims={self.dims}")
        self.input_spec = InputSpec(ndim=len(self.dims) + 1)

    def call(self, inputs: Any) -> Any:
        return ops.transpose(inputs, (0, *self.dims))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "dims": self.dims}


class RepeatVector(Layer):
    """(batch, features) to (batch, n, features).

    Arguments:
        n: 1 or more.
        kwargs: see `Layer`.

    Example:
        >>> RepeatVector(3)(ops.ones((2, 4))).shape
        (2, 3, 4)

    Source: https://keras.io/api/layers/reshaping_layers/repeat_vector/
    """

    def __init__(self, n: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.n = positive_int("n", n)
        self.input_spec = InputSpec(ndim=2)

    def call(self, inputs: Any) -> Any:
        batch, features = inputs.shape
        return ops.broadcast_to(ops.expand_dims(inputs, 1), (batch, self.n, features))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "n": self.n}
