"""Sorting, the largest elements, and running sums."""

from __future__ import annotations

from typing import Any

from rustnet.core.convert import as_float, as_index, as_int, axis_of, cast, dtype_or_none, tensor
from rustnet.core.operation import operation
from rustnet.core.tensors import TracedTensor
from rustnet.core.trace import record, record_several
from rustnet.ops.elementwise import logical_not
from rustnet.ops.gather import take_along_axis
from rustnet.ops.reduction import sum as reduce_sum
from rustnet.ops.shaping import expand_dims, ravel

__all__ = [
    "argsort",
    "cumprod",
    "cumsum",
    "in_top_k",
    "sort",
    "top_k",
]


@operation
def sort(x: Any, axis: int | None = -1) -> Any:
    """Ascending order along an axis (`None`: of the flattened tensor)."""
    x, axis = _along(x, axis)
    return record("sort", [x], axis=axis)


@operation
def argsort(x: Any, axis: int | None = -1) -> Any:
    """The int32 indices that sort an axis; equals keep their order."""
    x, axis = _along(x, axis)
    return record("argsort", [x], axis=axis)


def _along(x: Any, axis: int | None) -> tuple[TracedTensor, int]:
    x = tensor(x)
    return (ravel(x), 0) if axis is None else (x, axis_of(axis, x.ndim))


@operation
def top_k(x: Any, k: int, sorted: bool = True) -> Any:
    """The `k` largest elements of the last axis, largest first, and their int32 indices."""
    del sorted  # always sorted
    x, k = tensor(x), as_int(k, "k")
    if not 1 <= k <= (x.shape[-1] if x.ndim else 0):
        raise ValueError(f"expected k from 1 to the last size of shape {x.shape}. Received: k={k}")
    values, indices = record_several("top_k", [x], k=k)
    return values, indices


@operation
def in_top_k(targets: Any, predictions: Any, k: int) -> Any:
    """True where fewer than `k` predictions of the row (last axis), NaN among them, exceed the target's."""
    predictions = as_float(predictions)
    if predictions.ndim < 1:
        raise ValueError(f"expected predictions of rank 1 or more. Received: shape={predictions.shape}")
    targets = expand_dims(as_index(targets, predictions.shape[-1]), -1)
    chosen = take_along_axis(predictions, targets, -1)
    return reduce_sum(logical_not(predictions <= chosen), -1) < k


@operation
def cumsum(x: Any, axis: int | None = None, dtype: Any = None) -> Any:
    """The running sum along an axis (of the flattened tensor by default)."""
    return _cumulate("cumsum", x, axis, dtype)


@operation
def cumprod(x: Any, axis: int | None = None, dtype: Any = None) -> Any:
    """The running product along an axis (of the flattened tensor by default)."""
    return _cumulate("cumprod", x, axis, dtype)


def _cumulate(name: str, x: Any, axis: int | None, dtype: Any) -> TracedTensor:
    x, axis = _along(x, axis)
    x = cast(x, dtype_or_none(dtype) or ("int32" if x.dtype == "bool" else None))
    return record(name, [x], axis=axis, reverse=False)
