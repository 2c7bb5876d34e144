"""Selecting and adding by index. An index out of range is an error, named by position."""

from __future__ import annotations

import math
from typing import Any

from rustnet.core.convert import as_index, as_ints, axis_of, promoted, tensor
from rustnet.core.dtypes import is_float
from rustnet.core.operation import operation
from rustnet.core.tensors import TracedTensor
from rustnet.core.trace import record
from rustnet.ops.elementwise import where
from rustnet.ops.shaping import broadcast_to, ravel, reshape

__all__ = [
    "scatter",
    "segment_sum",
    "select",
    "take",
    "take_along_axis",
]


@operation
def take(x: Any, indices: Any, axis: int | None = None) -> Any:
    """The slices `x[..., indices, ...]` along an axis (of the flattened tensor by default).

    A negative index counts from the end; one out of range raises `ValueError` when it is met.
    """
    x, indices = tensor(x), _integers(indices)
    if axis is None:
        x, axis = ravel(x), 0
    axis = axis_of(axis, x.ndim)
    return record("gather", [x, as_index(indices, x.shape[axis], from_end=True)], axis=axis)


@operation
def take_along_axis(x: Any, indices: Any, axis: int | None = -1) -> Any:
    """`x[..., indices[..., i, ...], ...]`: one index for each element of the result."""
    x, indices = tensor(x), _integers(indices)
    if axis is None:
        x, indices, axis = ravel(x), ravel(indices), 0
    axis = axis_of(axis, x.ndim)
    sizes = [max(a, b) for a, b in zip(x.shape, indices.shape, strict=True)]
    x = broadcast_to(x, [*sizes[:axis], x.shape[axis], *sizes[axis + 1 :]])
    indices = broadcast_to(indices, [*sizes[:axis], indices.shape[axis], *sizes[axis + 1 :]])
    return record("take_along_axis", [x, as_index(indices, x.shape[axis], from_end=True)], axis=axis)


def _integers(indices: Any) -> TracedTensor:
    """Indices as a tensor. Raises `ValueError` for floats, which would have to be cut off."""
    indices = tensor(indices)
    if is_float(indices.dtype) and indices.size:
        raise ValueError(f"expected integers as indices. Received: indices of dtype {indices.dtype}")
    return tensor(indices, "int32")


@operation
def scatter(indices: Any, values: Any, shape: Any) -> Any:
    """Zeros of `shape` with `values` added at `indices` (N, rank of the indexed leading axes).

    A negative index counts from the end; one out of range raises `ValueError` when it is met.
    """
    indices, values = _integers(indices), tensor(values)
    sizes = as_ints(shape, "shape")
    if indices.ndim < 1 or not 0 < indices.shape[-1] <= len(sizes):
        raise ValueError(
            "expected indices (..., number of axes) for one axis of the shape or more. "
            f"Received: indices.shape={indices.shape}, shape={shape}"
        )
    indexed = sizes[: indices.shape[-1]]
    rest = sizes[len(indexed) :]
    flat: Any = 0
    for axis, size in enumerate(indexed):
        flat = flat * size + as_index(indices[..., axis], size, from_end=True)
    total = math.prod(indexed)
    updates = reshape(values, (-1, *rest))
    return reshape(record("scatter_add", [reshape(flat, (-1,)), updates], size=total, axis=0), sizes)


@operation
def segment_sum(data: Any, segment_ids: Any, num_segments: int, sorted: bool = False) -> Any:
    """The sum of the rows of each segment: `out[s] = Σ data[i], segment_ids[i] = s`."""
    del sorted
    return record("scatter_add", [_integers(segment_ids), tensor(data)], size=num_segments, axis=0)


@operation
def select(condlist: Any, choicelist: Any, default: Any = 0) -> Any:
    """The first choice whose condition holds, else `default`."""
    *choices, result = promoted(*choicelist, default)
    for condition, choice in reversed(list(zip(condlist, choices, strict=True))):
        result = where(condition, choice, result)
    return result
