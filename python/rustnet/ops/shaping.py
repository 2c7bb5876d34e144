"""Shapes: reshape, reorder, join, split, repeat, pad."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from rustnet.core.convert import as_int, as_ints, axes_of, axis_of, promoted, tensor
from rustnet.core.dtypes import is_float
from rustnet.core.operation import operation
from rustnet.core.tensors import KerasTensor, TracedTensor
from rustnet.core.trace import record

__all__ = [
    "broadcast_shapes",
    "broadcast_to",
    "concatenate",
    "expand_dims",
    "flip",
    "is_keras_tensor",
    "is_tensor",
    "moveaxis",
    "ndim",
    "pad",
    "ravel",
    "repeat",
    "reshape",
    "roll",
    "shape",
    "size",
    "split",
    "squeeze",
    "stack",
    "swapaxes",
    "tile",
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
    tensors = promoted(*x)
    if not tensors or any(one.shape != tensors[0].shape for one in tensors):
        raise ValueError(f"expected tensors of one shape. Received: shapes {[one.shape for one in tensors]}")
    place = axis_of(axis, tensors[0].ndim + 1)
    return concatenate([expand_dims(one, place) for one in tensors], place)


def _take_range(x: TracedTensor, axis: int, start: int, stop: int) -> TracedTensor:
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
    return [squeeze(_take_range(x, axis, row, row + 1), axis) for row in range(x.shape[axis])]


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
        _take_range(x, axis, start, max(start, stop)) for start, stop in zip(bounds, bounds[1:], strict=False)
    ]


@operation
def tile(x: Any, repeats: Any) -> Any:
    """The whole tensor repeated along each axis."""
    x = tensor(x)
    counts = _counts(repeats)
    rank = max(len(counts), x.ndim)
    counts = [1] * (rank - len(counts)) + counts
    sizes = [1] * (rank - x.ndim) + list(x.shape)
    interleaved = [one for pair in zip(counts, sizes, strict=True) for one in pair]
    spread = reshape(x, [one for pair in zip([1] * rank, sizes, strict=True) for one in pair])
    return reshape(broadcast_to(spread, interleaved), [a * b for a, b in zip(counts, sizes, strict=True)])


@operation
def repeat(x: Any, repeats: Any, axis: int | None = None) -> Any:
    """Each element repeated along an axis (of the flattened tensor by default)."""
    x = tensor(x)
    if axis is None:
        x, axis = ravel(x), 0
    axis = axis_of(axis, x.ndim)
    length = x.shape[axis]
    if hasattr(repeats, "__len__"):
        from rustnet.ops.gather import take

        counts = _counts(repeats)
        if len(counts) not in (1, length):
            raise ValueError(f"expected one repeat for each of {length} rows. Received: repeats={repeats}")
        counts = counts * (length if len(counts) == 1 else 1)
        return take(x, [row for row, count in enumerate(counts) for _ in range(count)], axis)
    (count,) = _counts(repeats)
    wide = broadcast_to(expand_dims(x, axis + 1), (*x.shape[: axis + 1], count, *x.shape[axis + 1 :]))
    return reshape(wide, (*x.shape[:axis], length * count, *x.shape[axis + 1 :]))


def _counts(repeats: Any) -> list[int]:
    """How often, one number or several. Raises `ValueError` where one is negative or no integer."""
    counts = as_ints(repeats, "repeats")
    if any(count < 0 for count in counts):
        raise ValueError(f"expected repeats of 0 or more. Received: repeats={repeats}")
    return counts


@operation
def flip(x: Any, axis: Any = None) -> Any:
    """The order of elements reversed along the given axes, by default all."""
    x = tensor(x)
    axes = axes_of(axis, x.ndim)
    from rustnet.ops.slicing import getitem

    return getitem(x, tuple(slice(None, None, -1 if place in axes else None) for place in range(x.ndim)))


@operation
def roll(x: Any, shift: Any, axis: Any = None) -> Any:
    """Elements shifted along an axis, the last ones coming back at the front."""
    x = tensor(x)
    if axis is None:
        return reshape(roll(ravel(x), shift, 0), x.shape)
    axes = [axis_of(one, x.ndim) for one in (axis if isinstance(axis, (list, tuple)) else [axis])]
    shifts = as_ints(shift, "shift")
    if len(axes) != len(shifts) and 1 not in (len(axes), len(shifts)):
        raise ValueError(f"expected a shift for each axis, or one. Received: shift={shift}, axis={axis}")
    # One shift is for all axes; several along one axis add up.
    for place, amount in np.broadcast(axes, shifts):
        length = x.shape[place]
        cut = length - amount % length if length else 0
        if cut != length:
            x = concatenate([_take_range(x, place, cut, length), _take_range(x, place, 0, cut)], place)
    return x


@operation
def pad(x: Any, pad_width: Any, mode: str = "constant", constant_values: Any = None) -> Any:
    """`pad_width` (before, after) for each axis, or one for all, with 0 or `constant_values`.

    `mode` is `"constant"`, `"reflect"` (without the edge), `"symmetric"` (with it), `"edge"` or `"wrap"`.
    """
    x = tensor(x)
    widths = _pad_widths(pad_width, x.ndim)
    if mode == "constant":
        value = 0.0 if constant_values is None else float(constant_values)
        if x.dtype == "bool":
            value = float(value != 0)
        if not is_float(x.dtype) and not value.is_integer():
            raise ValueError(
                f"expected a whole number to pad integers with. Received: constant_values={constant_values}"
            )
        before, after = [one for one, _ in widths], [one for _, one in widths]
        return record("pad", [x], before=before, after=after, value=value)
    if constant_values is not None:
        raise ValueError(
            "expected constant_values with mode 'constant' alone. "
            f"Received: mode={mode!r}, constant_values={constant_values}"
        )
    if mode not in ("reflect", "symmetric", "edge", "wrap"):
        raise ValueError(
            f"expected mode 'constant', 'reflect', 'symmetric', 'edge' or 'wrap'. Received: mode={mode!r}"
        )
    from rustnet.ops.gather import take

    for axis, width in enumerate(widths):
        if width != (0, 0):
            if not x.shape[axis]:
                raise ValueError(
                    f"expected something to repeat along axis {axis}. "
                    f"Received: x.shape={x.shape}, pad_width={pad_width}, mode={mode!r}"
                )
            x = take(x, np.pad(np.arange(x.shape[axis]), width, mode=mode), axis)  # type: ignore[call-overload]
    return x


def _pad_widths(pad_width: Any, rank: int) -> list[tuple[int, int]]:
    given = np.asarray(pad_width)
    if given.dtype.kind not in "iu" or given.shape not in ((), (1,), (2,), (1, 2), (rank, 1), (rank, 2)):
        given = np.full(1, -1)
    widths = np.broadcast_to(given, (rank, 2)).tolist()
    if min(map(min, widths), default=0) < 0:
        raise ValueError(
            f"expected ints of 0 or more, (before, after) for each of {rank} axes. "
            f"Received: pad_width={pad_width}"
        )
    return [(before, after) for before, after in widths]


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
