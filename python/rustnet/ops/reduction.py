"""Reductions over axes: sums, means, extremes, norms."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from typing import Any

from rustnet.core.convert import as_float, axes_of, axis_of, promoted_floats, tensor
from rustnet.core.operation import operation, renamed
from rustnet.core.tensors import TracedTensor
from rustnet.core.trace import record, record_several
from rustnet.ops.elementwise import abs as absolute
from rustnet.ops.elementwise import (
    cast,
    divide,
    exp,
    log,
    logical_not,
    maximum,
    minimum,
    not_equal,
    sqrt,
    square,
    where,
)
from rustnet.ops.shaping import broadcast_to, moveaxis, ravel, reshape, squeeze

__all__ = [
    "all",
    "amax",
    "amin",
    "any",
    "argmax",
    "argmin",
    "average",
    "count_nonzero",
    "logsumexp",
    "max",
    "mean",
    "min",
    "norm",
    "prod",
    "std",
    "sum",
    "var",
]


def _reduce(name: str, x: TracedTensor, axis: Any, keepdims: bool) -> TracedTensor:
    axes = axes_of(axis, x.ndim)
    return record(name, [x], axes=axes, keepdims=bool(keepdims)) if axes else x


def _countable(x: Any) -> TracedTensor:
    """Bools are counted as integers."""
    x = tensor(x)
    return cast(x, "int32") if x.dtype == "bool" else x


@operation
def sum(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """`Σ x`."""
    return _reduce("reduce_sum", _countable(x), axis, keepdims)


@operation
def mean(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """`Σ x / n`, in floats."""
    return _reduce("reduce_mean", as_float(x), axis, keepdims)


@operation
def max(x: Any, axis: Any = None, keepdims: bool = False, initial: Any = None) -> Any:
    """The largest element."""
    return _extreme("reduce_max", maximum, x, axis, keepdims, initial)


@operation
def min(x: Any, axis: Any = None, keepdims: bool = False, initial: Any = None) -> Any:
    """The smallest element."""
    return _extreme("reduce_min", minimum, x, axis, keepdims, initial)


def _extreme(
    name: str, combine: Callable[..., Any], x: Any, axis: Any, keepdims: bool, initial: Any
) -> TracedTensor:
    x = tensor(x)
    if initial is not None and _is_empty(x, axis):
        # No element is above or below the one to begin with.
        return cast(sum(x, axis, keepdims), x.dtype) + cast(initial, x.dtype)
    result = cast(_reduce(name, _countable(x), axis, keepdims), x.dtype)
    return result if initial is None else combine(result, initial)


def _is_empty(x: TracedTensor, axis: Any) -> bool:
    """Whether there is nothing to reduce along these axes."""
    return builtins.any(x.shape[one] == 0 for one in axes_of(axis, x.ndim))


amax = renamed(max, "amax")
amin = renamed(min, "amin")


@operation
def prod(x: Any, axis: Any = None, keepdims: bool = False, dtype: Any = None) -> Any:
    """`Π x`."""
    x = _countable(x)
    return _reduce("reduce_prod", x if dtype is None else cast(x, dtype), axis, keepdims)


@operation
def var(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """`mean((x - mean(x))²)`, the biased variance."""
    x = as_float(x)
    return mean(square(x - mean(x, axis, keepdims=True)), axis, keepdims)


@operation
def std(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """`√var(x)`."""
    return sqrt(var(x, axis, keepdims))


@operation
def all(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """True where every element is non-zero."""
    return logical_not(any(logical_not(x), axis, keepdims))


@operation
def any(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """True where some element is non-zero."""
    x = cast(cast(x, "bool"), "int32")
    # The sum, unlike the maximum, is that of nothing too.
    return cast(_reduce("reduce_sum" if _is_empty(x, axis) else "reduce_max", x, axis, keepdims), "bool")


@operation
def count_nonzero(x: Any, axis: Any = None) -> Any:
    """The number of non-zero elements, int32."""
    return sum(not_equal(x, 0), axis)


@operation
def argmax(x: Any, axis: int | None = None, keepdims: bool = False) -> Any:
    """The index of the largest element, the first of equals, int32."""
    return _arg_reduce("argmax", x, axis, keepdims)


@operation
def argmin(x: Any, axis: int | None = None, keepdims: bool = False) -> Any:
    """The index of the smallest element, the first of equals, int32."""
    return _arg_reduce("argmin", x, axis, keepdims)


def _arg_reduce(name: str, x: Any, axis: int | None, keepdims: bool) -> TracedTensor:
    x = _countable(x)
    rank = x.ndim
    if axis is None:
        index = record(name, [ravel(x)], axis=0)
        return reshape(index, [1] * rank) if keepdims else index
    axis = axis_of(axis, rank)
    index = record(name, [x], axis=axis)
    sizes = list(x.shape)
    sizes[axis] = 1
    return reshape(index, sizes) if keepdims else index


@operation
def logsumexp(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """`log Σ eˣ`, without overflow."""
    x = as_float(x)
    if _is_empty(x, axis):
        return log(sum(x, axis, keepdims))
    largest = record("stop_gradient", [max(x, axis, keepdims=True)])
    # An infinite maximum would give inf - inf.
    largest = where(absolute(largest) < float("inf"), largest, 0.0)
    result = log(sum(exp(x - largest), axis, keepdims=True)) + largest
    return result if keepdims else squeeze(result, axes_of(axis, x.ndim))


@operation
def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """The norm of order `ord` of vectors along one axis, or of matrices over two.

    Of a vector: 2 (the default), 1, inf, -inf, 0 or any number. Of a matrix: `"fro"` (the default), `"nuc"`,
    and the largest (1, 2, inf) or smallest (-1, -2, -inf) sum of a column, singular value or sum of a row.
    `axis=None` means all axes, any number of them without `ord`. Singular values are computed in float64.

    Source: https://keras.io/api/ops/numpy/#norm-function
    """
    x = as_float(x)
    axes = list(range(x.ndim)) if axis is None else list(axis) if isinstance(axis, (list, tuple)) else [axis]
    axes = [axis_of(one, x.ndim) for one in axes]
    if ord is None or ord == "fro" and len(axes) == 2:
        return _euclidean(x, axes, keepdims)
    if len(axes) == 2:
        result = _matrix_norm(x, ord, *axes)
        return (
            reshape(result, [1 if place in axes else n for place, n in enumerate(x.shape)])
            if keepdims
            else result
        )
    if len(axes) != 1 or isinstance(ord, (bool, str)) or not isinstance(ord, (int, float)):
        raise ValueError(
            "expected a number as the order of a vector's norm, and one or two axes. "
            f"Received: ord={ord!r}, axis={axis}, x.shape={x.shape}"
        )
    if ord == 2:
        return _euclidean(x, axes, keepdims)
    if ord == float("inf"):
        return max(absolute(x), axes, keepdims, initial=0.0)
    if ord == float("-inf"):
        return min(absolute(x), axes, keepdims)
    if ord == 0:
        return sum(cast(not_equal(x, 0), x.dtype), axes, keepdims)
    if ord == 1:
        return sum(absolute(x), axes, keepdims)
    return sum(absolute(x) ** float(ord), axes, keepdims) ** (1.0 / ord)


def _euclidean(x: TracedTensor, axes: list[int], keepdims: bool) -> TracedTensor:
    return sqrt(record("reduce_sum_of_squares", [x], axes=axes, keepdims=keepdims))


def _matrix_norm(x: TracedTensor, ord: Any, rows: int, columns: int) -> TracedTensor:
    """The norm of the matrices that the two axes hold."""
    if rows == columns:
        raise ValueError(f"expected each axis once. Received: axis={(rows, columns)}")
    if ord in (1, -1, float("inf"), float("-inf")):
        summed, other = (rows, columns) if builtins.abs(ord) == 1 else (columns, rows)
        sums = sum(absolute(x), summed)
        return (max if ord > 0 else min)(sums, other - (summed < other))
    if ord not in (2, -2, "nuc"):
        raise ValueError(
            "expected the order of a matrix norm: 'fro', 'nuc', 1, -1, 2, -2, inf or -inf. "
            f"Received: ord={ord!r}"
        )
    _, singular, _ = record_several("svd", [moveaxis(x, (rows, columns), (-2, -1))])
    return sum(singular, -1) if ord == "nuc" else (max if ord > 0 else min)(singular, -1)


@operation
def average(x: Any, axis: Any = None, weights: Any = None) -> Any:
    """`Σ w·x / Σ w`, with weights of the shape of `x` or one for each row of an axis; without, the mean."""
    if weights is None:
        return mean(x, axis)
    x, weights = promoted_floats(x, weights)
    if weights.shape != x.shape:
        if not isinstance(axis, int) or weights.shape != (x.shape[axis_of(axis, x.ndim)],):
            raise ValueError(
                "expected weights of the shape of x, or one for each row of a single axis. "
                f"Received: weights.shape={weights.shape}, x.shape={x.shape}, axis={axis}"
            )
        place = axis_of(axis, x.ndim)
        weights = broadcast_to(reshape(weights, (-1, *[1] * (x.ndim - place - 1))), x.shape)
    return divide(sum(x * weights, axis), sum(weights, axis))
