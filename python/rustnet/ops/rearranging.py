"""Elements repeated, reversed, shifted, and put around a tensor."""

from __future__ import annotations

from typing import Any

import numpy as np

from rustnet.core.convert import as_ints, axes_of, axis_of, tensor
from rustnet.core.dtypes import is_float
from rustnet.core.operation import operation
from rustnet.core.trace import record
from rustnet.ops.gather import take
from rustnet.ops.shaping import broadcast_to, concatenate, expand_dims, ravel, reshape, take_range
from rustnet.ops.slicing import getitem

__all__ = ["flip", "pad", "repeat", "roll", "tile"]


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
            x = concatenate([take_range(x, place, cut, length), take_range(x, place, 0, cut)], place)
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
