"""Layers that make one tensor of several."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

from rustnet import ops
from rustnet.core.masks import any_mask, masks_of
from rustnet.core.trace import unknown_size
from rustnet.layers.layer import Layer
from rustnet.layers.masks import fitting_mask


class Merge(Layer):
    """Base of the layers that combine a list of tensors element by element.

    The tensors' shapes must broadcast, where tensors of fewer axes get axes of size 1 after the batch. Where
    all have masks, a step of the result is masked if it is masked in all of them; otherwise there is no mask.
    """

    least_inputs = 2

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True

    def merge(self, inputs: list[Any]) -> Any:
        """The inputs, of one rank, as one tensor."""
        raise NotImplementedError(f"expected {type(self).__name__} to define `merge(self, inputs)`.")

    def merge_masked(self, inputs: list[Any], masks: list[Any]) -> Any:
        """The same where inputs have masks (bool, or None for some); by default masks change no value."""
        return self.merge(inputs)

    def call(self, inputs: Any) -> Any:
        tensors = _list(inputs, self.name, self.least_inputs)
        rank = max(len(tensor.shape) for tensor in tensors)
        tensors = _with_agreed_sizes([_with_rank(tensor, rank) for tensor in tensors])
        if not all(map(_broadcasts, zip(*(tensor.shape for tensor in tensors), strict=True))):
            raise ValueError(
                f"'{self.name}' expected inputs whose shapes broadcast. "
                f"Received: shapes {[tuple(tensor.shape) for tensor in inputs]}"
            )
        masks = self._aligned_masks(inputs, masks_of(inputs))
        return self.merge_masked(tensors, masks) if any_mask(masks) else self.merge(tensors)

    def _aligned_masks(self, inputs: Any, masks: Any) -> list[Any]:
        """The masks, or None, with axes of size 1 after the batch where their tensors get such axes."""
        masks = _masks_of_inputs(inputs, masks, self.name)
        rank = max(len(tensor.shape) for tensor in inputs)
        masks = [
            None if mask is None else _with_rank(mask, len(mask.shape) + rank - len(tensor.shape))
            for mask, tensor in zip(masks, inputs, strict=True)
        ]
        known = [mask for mask in masks if mask is not None]
        if len({len(mask.shape) for mask in known}) == 1:
            agreed = iter(_with_agreed_sizes(known))
            masks = [None if mask is None else next(agreed) for mask in masks]
        return masks

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        if previous_mask is None:
            return None
        masks = self._aligned_masks(inputs, previous_mask)
        if any(mask is None for mask in masks):
            return None
        shapes = [tuple(mask.shape) for mask in masks]
        if len({len(shape) for shape in shapes}) > 1 or not all(map(_broadcasts, zip(*shapes, strict=True))):
            raise ValueError(
                f"'{self.name}' expected masks whose shapes broadcast. Received: shapes {shapes}"
            )
        return functools.reduce(ops.logical_or, masks)


class Add(Merge):
    """The sum of its inputs.

    Arguments:
        kwargs: see `Layer`.

    Raises:
        ValueError: when it is called, something else than a list of tensors, or shapes that do not broadcast.

    Example:
        >>> Add()([ops.ones((2, 3)), ops.ones((2, 3))]).numpy().tolist()
        [[2.0, 2.0, 2.0], [2.0, 2.0, 2.0]]

    Source: https://keras.io/api/layers/merging_layers/add/
    """

    def merge(self, inputs: list[Any]) -> Any:
        return functools.reduce(ops.add, inputs)


class Subtract(Merge):
    """The first of two inputs minus the second.

    Arguments:
        kwargs: see `Layer`.

    Raises:
        ValueError: when it is called, another number of inputs.

    Example:
        >>> Subtract()([ops.ones((1, 2)), ops.ones((1, 2))]).numpy().tolist()
        [[0.0, 0.0]]

    Source: https://keras.io/api/layers/merging_layers/subtract/
    """

    def merge(self, inputs: list[Any]) -> Any:
        if len(inputs) != 2:
            raise ValueError(f"'{self.name}' expected two inputs. Received: {len(inputs)} inputs")
        return inputs[0] - inputs[1]


class Multiply(Merge):
    """The product of its inputs, element by element.

    A masked step of one input leaves the others as they are; where all are masked, the product is 0.

    Arguments:
        kwargs: see `Layer`.

    Example:
        >>> Multiply()([ops.ones((1, 2)) * 3.0, ops.ones((1, 2)) * 2.0]).numpy().tolist()
        [[6.0, 6.0]]

    Source: https://keras.io/api/layers/merging_layers/multiply/
    """

    def merge(self, inputs: list[Any]) -> Any:
        return functools.reduce(ops.multiply, inputs)

    def merge_masked(self, inputs: list[Any], masks: list[Any]) -> Any:
        kept = [_spread(mask, tensor) for mask, tensor in zip(masks, inputs, strict=True)]
        product = self.merge(
            [
                tensor if keep is None else ops.where(keep, tensor, 1.0)
                for keep, tensor in zip(kept, inputs, strict=True)
            ]
        )
        if any(keep is None for keep in kept):
            return product
        return ops.where(functools.reduce(ops.logical_or, kept), product, 0.0)


class Average(Merge):
    """The mean of its inputs.

    Arguments:
        kwargs: see `Layer`.

    Example:
        >>> Average()([ops.ones((1, 2)) * 3.0, ops.ones((1, 2))]).numpy().tolist()
        [[2.0, 2.0]]

    Source: https://keras.io/api/layers/merging_layers/average/
    """

    def merge(self, inputs: list[Any]) -> Any:
        return functools.reduce(ops.add, inputs) / float(len(inputs))


class _Extremum(Merge):
    def choose(self, first: Any, second: Any) -> Any:
        raise NotImplementedError

    def merge(self, inputs: list[Any]) -> Any:
        return functools.reduce(self.choose, inputs)

    def merge_masked(self, inputs: list[Any], masks: list[Any]) -> Any:
        output, kept = inputs[0], _spread(masks[0], inputs[0])
        for tensor, mask in zip(inputs[1:], masks[1:], strict=True):
            keep = _spread(mask, tensor)
            other = tensor if keep is None else ops.where(keep, tensor, output)
            output = self.choose(output if kept is None else ops.where(kept, output, other), other)
            kept = None if kept is None or keep is None else ops.logical_or(kept, keep)
        return output


class Maximum(_Extremum):
    """The largest of its inputs, element by element. A masked step of one input leaves the others.

    Arguments:
        kwargs: see `Layer`.

    Example:
        >>> Maximum()([ops.ones((1, 2)) * 3.0, ops.ones((1, 2))]).numpy().tolist()
        [[3.0, 3.0]]

    Source: https://keras.io/api/layers/merging_layers/maximum/
    """

    def choose(self, first: Any, second: Any) -> Any:
        return ops.maximum(first, second)


class Minimum(_Extremum):
    """The smallest of its inputs, element by element. A masked step of one input leaves the others.

    Arguments:
        kwargs: see `Layer`.

    Example:
        >>> Minimum()([ops.ones((1, 2)) * 3.0, ops.ones((1, 2))]).numpy().tolist()
        [[1.0, 1.0]]

    Source: https://keras.io/api/layers/merging_layers/minimum/
    """

    def choose(self, first: Any, second: Any) -> Any:
        return ops.minimum(first, second)


class Concatenate(Layer):
    """Its inputs side by side along one axis.

    Arguments:
        axis: counted with the batch as 0, default the last.
        kwargs: see `Layer`.

    Raises:
        ValueError: when it is called, something else than a list of tensors, or shapes that differ elsewhere.

    Example:
        >>> Concatenate()([ops.ones((2, 3)), ops.ones((2, 4))]).shape
        (2, 7)

    Source: https://keras.io/api/layers/merging_layers/concatenate/
    """

    def __init__(self, axis: int = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = axis
        self.supports_masking = True

    def call(self, inputs: Any) -> Any:
        tensors = _list(inputs, self.name, 1)
        shapes = [tuple(tensor.shape) for tensor in tensors]
        rank = len(shapes[0])
        if any(len(shape) != rank for shape in shapes) or not -rank <= self.axis < rank:
            raise ValueError(
                f"'{self.name}' expected inputs of one rank, which have axis {self.axis}. "
                f"Received: shapes {shapes}"
            )
        tensors = _with_agreed_sizes(tensors, self.axis % rank)
        shapes = [tuple(tensor.shape) for tensor in tensors]
        others = {shape[: self.axis % rank] + shape[self.axis % rank + 1 :] for shape in shapes}
        if len(others) > 1:
            raise ValueError(
                f"'{self.name}' expected inputs of the same sizes along all axes but {self.axis}. "
                f"Received: shapes {shapes}"
            )
        return ops.concatenate(tensors, axis=self.axis)

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        if previous_mask is None:
            return None
        masks = _masks_of_inputs(inputs, previous_mask, self.name)
        if all(mask is None for mask in masks):
            return None
        full = []
        for tensor, mask in zip(inputs, masks, strict=True):
            # The mask lacks the trailing axes: it is spread over them, joined, and reduced again.
            if mask is None:
                mask = ops.ones(tensor.shape, dtype="bool")
            else:
                mask = ops.broadcast_to(_spread(mask, tensor), tensor.shape)
            full.append(mask)
        full = _with_agreed_sizes(full, self.axis % len(full[0].shape))
        return ops.any(ops.concatenate(full, axis=self.axis), axis=-1)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "axis": self.axis}


class Dot(Layer):
    """The products of the samples of two tensors, summed over one axis of each.

    (batch, a, n) and (batch, b, n) with `axes=-1` become (batch, a, b); (batch, n) and (batch, n) become
    (batch, 1).

    Arguments:
        axes: an int for both or a pair, counted with the batch as 0.
        normalize: True to divide the vectors by their norms first (the cosine), default False.
        kwargs: see `Layer`.

    Raises:
        ValueError: when it is called, another number of inputs, or sizes that differ.

    Example:
        >>> Dot(axes=1)([ops.ones((2, 3)), ops.ones((2, 3))]).numpy().tolist()
        [[3.0], [3.0]]

    Source: https://keras.io/api/layers/merging_layers/dot/
    """

    def __init__(self, axes: Any, normalize: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        pair = (axes, axes) if isinstance(axes, int) else tuple(axes)
        if len(pair) != 2 or not all(isinstance(axis, int) for axis in pair):
            raise ValueError(f"expected axes to be an int or a pair of ints. Received: axes={axes!r}")
        self.axes = axes
        self.normalize = normalize

    def call(self, inputs: Any) -> Any:
        tensors = _list(inputs, self.name, 2)
        if len(tensors) != 2:
            raise ValueError(f"'{self.name}' expected two inputs. Received: {len(tensors)} inputs")
        pair = (self.axes, self.axes) if isinstance(self.axes, int) else tuple(self.axes)
        vectors = []
        for tensor, axis in zip(tensors, pair, strict=True):
            if len(tensor.shape) < 2 or not 0 < axis % len(tensor.shape) < len(tensor.shape):
                raise ValueError(
                    f"'{self.name}' expected axes after the batch. "
                    f"Received: axes={self.axes}, shapes {[tuple(each.shape) for each in tensors]}"
                )
            if self.normalize:
                tensor = ops.normalize(tensor, axis=axis)
            # (batch, rows, n), where a vector is one row
            tensor = ops.moveaxis(tensor, axis, -1)
            vectors.append((tensor, tensor.shape[1:-1]))
        (left, left_rest), (right, right_rest) = vectors
        if left.shape[0] != right.shape[0] or left.shape[-1] != right.shape[-1]:
            raise ValueError(
                f"'{self.name}' expected inputs of one batch size, and of one size along axes {self.axes}. "
                f"Received: shapes {[tuple(tensor.shape) for tensor in tensors]}"
            )
        batch, size = left.shape[0], left.shape[-1]
        left = ops.reshape(left, (batch, math.prod(left_rest), size))
        right = ops.reshape(right, (batch, math.prod(right_rest), size))
        product = ops.matmul(left, ops.transpose(right, (0, 2, 1)))
        return ops.reshape(product, (batch, *((*left_rest, *right_rest) or (1,))))

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        return None

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "axes": self.axes, "normalize": self.normalize}


def _masks_of_inputs(inputs: Any, masks: Any, name: str) -> list[Any]:
    if not isinstance(masks, (list, tuple)) or len(masks) != len(inputs):
        raise ValueError(
            f"'{name}' expected one mask, or None, for each of its inputs. Received: mask={masks!r}"
        )
    return [
        None if mask is None else fitting_mask(mask, tensor, name, axes=len(mask.shape))
        for mask, tensor in zip(masks, inputs, strict=True)
    ]


def _with_agreed_sizes(tensors: list[Any], but_axis: int | None = None) -> list[Any]:
    """The tensors, of one rank, where only shapes are asked for with sizes left open that others know."""
    unknown = unknown_size()
    if unknown is None:
        return tensors
    shapes = [list(tensor.shape) for tensor in tensors]
    for axis, sizes in enumerate(zip(*shapes, strict=True)):
        known = set(sizes) - {1, unknown}
        if axis != but_axis and len(known) == 1:
            for shape in shapes:
                shape[axis] = known.copy().pop() if shape[axis] == unknown else shape[axis]
    agreed = []
    for tensor, shape in zip(tensors, shapes, strict=True):
        agreed.append(tensor if list(tensor.shape) == shape else ops.zeros(shape, tensor.dtype))
    return agreed


def _spread(mask: Any, tensor: Any) -> Any:
    """A mask (or None) with axes of size 1 at the end, so that it broadcasts to its tensor."""
    if mask is None:
        return None
    return ops.reshape(mask, (*mask.shape, *(1,) * (len(tensor.shape) - len(mask.shape))))


def _broadcasts(sizes: tuple[int, ...]) -> bool:
    return len({size for size in sizes if size != 1}) <= 1


def _list(inputs: Any, name: str, least: int) -> list[Any]:
    if not isinstance(inputs, (list, tuple)) or len(inputs) < least:
        raise ValueError(
            f"'{name}' expected a list of {least} or more tensors. "
            f"Received: {len(inputs) if isinstance(inputs, (list, tuple)) else type(inputs).__name__}"
        )
    return list(inputs)


def _with_rank(tensor: Any, rank: int) -> Any:
    missing = rank - len(tensor.shape)
    if not missing:
        return tensor
    return ops.reshape(tensor, (tensor.shape[0], *(1,) * missing, *tensor.shape[1:]))


def _function(layer: Callable[..., Layer]) -> Callable[..., Any]:
    def merge(inputs: Any, **kwargs: Any) -> Any:
        return layer(**kwargs)(inputs)

    merge.__name__ = merge.__qualname__ = layer.__name__.lower()
    merge.__doc__ = f"`{layer.__name__}(**kwargs)(inputs)`."
    return merge


add = _function(Add)
subtract = _function(Subtract)
multiply = _function(Multiply)
average = _function(Average)
maximum = _function(Maximum)
minimum = _function(Minimum)


def concatenate(inputs: Any, axis: int = -1, **kwargs: Any) -> Any:
    """`Concatenate(axis, **kwargs)(inputs)`."""
    return Concatenate(axis, **kwargs)(inputs)


def dot(inputs: Any, axes: Any = -1, **kwargs: Any) -> Any:
    """`Dot(axes, **kwargs)(inputs)`."""
    return Dot(axes, **kwargs)(inputs)
