"""Shapes: reshape, reorder, join, split, repeat, pad."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from rustnet.core.convert import as_int, as_ints, axes_of, axis_of, promoted, stacked, tensor
from rustnet.core.operation import operation
from rustnet.core.tensors import KerasTensor, TracedTensor
from rustnet.core.trace import record

__all__ = [
    "broadcast_shapes",
    "broadcast_to",
    "concatenate",
    "expand_dims",
    "is_keras_tensor",
    "is_tensor",
    "moveaxis",
    "ndim",
    "ravel",
    "reshape",
    "shape",
    "size",
    "split",
    "squeeze",
    "stack",
    "swapaxes",
    "transpose",
    "unstack",
]


def shape(x: Any) -> tuple[int | None, ...]:
    """The shape as a tuple; `None` for sizes a symbolic tensor leaves open."""
    if hasattr(x, "shape"):
        return tuple(x.shape)
    return np.shape(x)


def ndim(x: Any) -> int:
    """The number of axes."""
    return len(shape(x))


def size(x: Any) -> int | None:
    """The number of elements, `None` where a size is open."""
    sizes = [one for one in shape(x) if one is not None]
    return math.prod(sizes) if len(sizes) == ndim(x) else None


@operation
def reshape(x: Any, newshape: Any) -> Any:
    """The same elements in row-major order under another shape; one size may be -1.

    `None` means the size that the input has at the same place, as `ops.shape` gives it for a symbolic tensor.
    """
    x = tensor(x)
    sizes = (
        list(newshape) if isinstance(newshape, (list, tuple)) or hasattr(newshape, "__len__") else [newshape]
    )
    wanted = [
        (x.shape[place] if place < x.ndim else -1) if one is None else as_int(one, "newshape")
        for place, one in enumerate(sizes)
    ]
    known = math.prod(one for one in wanted if one != -1)
    if wanted.count(-1) == 1 and known and x.size % known == 0:
        wanted[wanted.index(-1)] = x.size // known
    if -1 in wanted or math.prod(wanted) != x.size or any(one < 0 for one in wanted):
        raise ValueError(
            f"expected a shape of {x.size} elements for a tensor of shape {x.shape}. "
            f"Received: newshape={newshape}"
        )
    return x if tuple(wanted) == x.shape else record("reshape", [x], shape=wanted)


@operation
def ravel(x: Any) -> Any:
    """All elements along one axis."""
    return reshape(x, (-1,))


@operation
def transpose(x: Any, axes: Any = None) -> Any:
    """The axes in another order, by default reversed."""
    x = tensor(x)
    order = list(range(x.ndim))[::-1] if axes is None else [axis_of(axis, x.ndim, "axes") for axis in axes]
    if sorted(order) != list(range(x.ndim)):
        raise ValueError(f"expected axes to be a permutation of {x.ndim} axes. Received: axes={axes}")
    return x if order == list(range(x.ndim)) else record("transpose", [x], axes=order)


@operation
def swapaxes(x: Any, axis1: int, axis2: int) -> Any:
    """Two axes exchanged."""
    x = tensor(x)
    order = list(range(x.ndim))
    first, second = axis_of(axis1, x.ndim, "axis1"), axis_of(axis2, x.ndim, "axis2")
    order[first], order[second] = order[second], order[first]
    return transpose(x, order)


@operation
def moveaxis(x: Any, source: Any, destination: Any) -> Any:
    """Axes moved to new places, the others in their order."""
    x = tensor(x)
    sources = source if isinstance(source, (list, tuple)) else [source]
    targets = destination if isinstance(destination, (list, tuple)) else [destination]
    moved = [axis_of(axis, x.ndim, "source") for axis in sources]
    places = [axis_of(one, x.ndim, "destination") for one in targets]
    if not len(set(moved)) == len(set(places)) == len(sources) == len(targets):
        raise ValueError(
            "expected as many destinations as sources, each once. "
            f"Received: source={source}, destination={destination}"
        )
    order = [axis for axis in range(x.ndim) if axis not in moved]
    for target, axis in sorted(zip(places, moved, strict=True)):
        order.insert(target, axis)
    return transpose(x, order)


@operation
def expand_dims(x: Any, axis: Any) -> Any:
    """A new axis of size 1 at each given place of the result."""
    x = tensor(x)
    axes = axis if isinstance(axis, (list, tuple)) else [axis]
    rank = x.ndim + len(axes)
    places = [axis_of(one, rank) for one in axes]
    if len(set(places)) != len(places):
        raise ValueError(f"expected each new axis once. Received: axis={axis}")
    sizes = iter(x.shape)
    return reshape(x, [1 if place in places else next(sizes) for place in range(rank)])


@operation
def squeeze(x: Any, axis: Any = None) -> Any:
    """Without the given axes, which must have size 1; by default all of size 1."""
    x = tensor(x)
    axes = [place for place, one in enumerate(x.shape) if one == 1] if axis is None else axes_of(axis, x.ndim)
    for place in axes:
        if x.shape[place] != 1:
            raise ValueError(f"expected axis {place} to have size 1. Received: shape={x.shape}, axis={axis}")
    return reshape(x, [one for place, one in enumerate(x.shape) if place not in axes])


@operation
def broadcast_to(x: Any, shape: Any) -> Any:
    """Repeated along axes of size 1 and new leading axes, up to `shape`."""
    x = tensor(x)
    wanted = tuple(as_ints(shape, "shape"))
    return x if wanted == x.shape else record("broadcast_to", [x], shape=list(wanted))


@operation
def concatenate(xs: Any, axis: int = 0) -> Any:
    """Tensors one after the other along an existing axis."""
    tensors = promoted(*xs)
    if not tensors:
        raise ValueError(f"expected at least one tensor. Received: xs={xs}")
    axis = axis_of(axis, tensors[0].ndim)
    return tensors[0] if len(tensors) == 1 else record("concatenate", tensors, axis=axis)


@operation
def stack(x: Any, axis: int = 0) -> Any:
    """Tensors of one shape along a new axis."""
    return stacked(x, axis)


def take_range(x: TracedTensor, axis: int, start: int, stop: int) -> TracedTensor:
    starts = [0] * x.ndim
    stops = list(x.shape)
    starts[axis], stops[axis] = start, stop
    return record("slice", [x], starts=starts, stops=stops, steps=[1] * x.ndim)


@operation
def unstack(x: Any, num: int | None = None, axis: int = 0) -> Any:
    """The list of slices along an axis, which disappears."""
    x = tensor(x)
    axis = axis_of(axis, x.ndim)
    if num is not None and num != x.shape[axis]:
        raise ValueError(f"expected num to be the size of axis {axis}, {x.shape[axis]}. Received: num={num}")
    return [squeeze(take_range(x, axis, row, row + 1), axis) for row in range(x.shape[axis])]


@operation
def split(x: Any, indices_or_sections: Any, axis: int = 0) -> Any:
    """A list of equal sections, or of the pieces between the given indices."""
    x = tensor(x)
    axis = axis_of(axis, x.ndim)
    length = x.shape[axis]
    if isinstance(indices_or_sections, int):
        if indices_or_sections < 1 or length % indices_or_sections:
            raise ValueError(
                f"expected a number of sections that divides axis {axis} of size {length}. "
                f"Received: indices_or_sections={indices_or_sections}"
            )
        step = length // indices_or_sections
        bounds = list(range(0, length + 1, step)) if step else [0] * (indices_or_sections + 1)
    else:
        indices = as_ints(indices_or_sections, "indices_or_sections")
        bounds = [0, *(min(index, length) for index in indices), length]
    return [
        take_range(x, axis, start, max(start, stop)) for start, stop in zip(bounds, bounds[1:], strict=False)
    ]


def broadcast_shapes(shape1: Any, shape2: Any) -> tuple[int | None, ...]:
    """The shape that two shapes broadcast to; `None` meets anything."""
    first, second = list(shape1)[::-1], list(shape2)[::-1]
    sizes: list[int | None] = []
    for place in range(max(len(first), len(second))):
        one = first[place] if place < len(first) else 1
        other = second[place] if place < len(second) else 1
        if one == 1 or one is None:
            sizes.append(other if other != 1 else one)
        elif other in (1, None, one):
            sizes.append(one)
        else:
            raise ValueError(f"expected shapes that broadcast. Received: {tuple(shape1)} and {tuple(shape2)}")
    return tuple(sizes[::-1])


def is_tensor(x: Any) -> bool:
    """True for tensors of any kind."""
    return hasattr(x, "shape") and isinstance(getattr(x, "dtype", None), str)


def is_keras_tensor(x: Any) -> bool:
    """True for a symbolic tensor of a functional model."""
    return isinstance(x, KerasTensor)
