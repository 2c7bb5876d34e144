"""Reductions over axes: sums, means, extremes, norms."""

from __future__ import annotations

from typing import Any

from rustnet.core.convert import as_float, axes_of, axis_of, tensor
from rustnet.core.operation import operation
from rustnet.core.tensors import TracedTensor
from rustnet.core.trace import record
from rustnet.ops.elementwise import abs as absolute
from rustnet.ops.elementwise import cast, exp, log, logical_not, maximum, not_equal, sqrt, square, where
from rustnet.ops.shaping import ravel, reshape, squeeze


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
    x = tensor(x)
    result = cast(_reduce("reduce_max", _countable(x), axis, keepdims), x.dtype)
    return result if initial is None else maximum(result, initial)


@operation
def min(x: Any, axis: Any = None, keepdims: bool = False, initial: Any = None) -> Any:
    """The smallest element."""
    from rustnet.ops.elementwise import minimum

    x = tensor(x)
    result = cast(_reduce("reduce_min", _countable(x), axis, keepdims), x.dtype)
    return result if initial is None else minimum(result, initial)


amax = max
amin = min


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
    return cast(_reduce("reduce_max", cast(cast(x, "bool"), "int32"), axis, keepdims), "bool")


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
    largest = record("stop_gradient", [max(x, axis, keepdims=True)])
    # An infinite maximum would give inf - inf.
    largest = where(absolute(largest) < float("inf"), largest, 0.0)
    result = log(sum(exp(x - largest), axis, keepdims=True)) + largest
    return result if keepdims else squeeze(result, axes_of(axis, x.ndim))


@operation
def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """The vector norm of order `ord` (2 by default; 1, inf, 0 or any number) over the given axes."""
    x = as_float(x)
    if ord is None or ord in (2, "fro", "euclidean"):
        return sqrt(sum(square(x), axis, keepdims))
    if isinstance(axis, (list, tuple)) and len(axis) > 1 or axis is None and x.ndim > 1:
        raise ValueError(
            f"expected ord None or 'fro' for more than one axis. Received: ord={ord!r}, axis={axis}"
        )
    if ord == float("inf"):
        return max(absolute(x), axis, keepdims)
    if ord == float("-inf"):
        return min(absolute(x), axis, keepdims)
    if ord == 0:
        return sum(cast(not_equal(x, 0), x.dtype), axis, keepdims)
    if ord == 1:
        return sum(absolute(x), axis, keepdims)
    if not isinstance(ord, (int, float)):
        raise ValueError(f"expected a number, 'fro' or 'euclidean'. Received: ord={ord!r}")
    return sum(absolute(x) ** ord, axis, keepdims) ** (1.0 / ord)


@operation
def average(x: Any, axis: Any = None, weights: Any = None) -> Any:
    """`Σ w·x / Σ w`; the mean without weights."""
    if weights is None:
        return mean(x, axis)
    weighted = as_float(x) * weights
    return sum(weighted, axis) / sum(cast(weights, weighted.dtype) + weighted * 0, axis)
