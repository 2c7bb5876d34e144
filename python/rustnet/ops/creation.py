"""Tensors from nothing: constants, ranges, identity."""

from __future__ import annotations

from typing import Any

import numpy as np

from rustnet.core.convert import as_int, as_ints, tensor
from rustnet.core.dtypes import floatx, requested_dtype
from rustnet.core.operation import operation
from rustnet.core.promotion import dtype_of
from rustnet.core.tensors import TracedTensor
from rustnet.core.trace import record
from rustnet.ops.shaping import broadcast_to


def _sizes(shape: Any) -> list[int]:
    sizes = as_ints(shape, "shape")
    if any(size < 0 for size in sizes):
        raise ValueError(f"expected sizes of 0 or more. Received: shape={shape}")
    return sizes


@operation
def full(shape: Any, fill_value: Any, dtype: Any = None) -> Any:
    """A tensor of `shape` filled with one value, in `floatx()` by default."""
    return broadcast_to(tensor(fill_value, requested_dtype(dtype)), _sizes(shape))


@operation
def zeros(shape: Any, dtype: Any = None) -> Any:
    """Zeros of `shape`, in `floatx()` by default."""
    return full(shape, 0.0, requested_dtype(dtype))


@operation
def ones(shape: Any, dtype: Any = None) -> Any:
    """Ones of `shape`, in `floatx()` by default."""
    return full(shape, 1.0, requested_dtype(dtype))


@operation
def full_like(x: Any, fill_value: Any, dtype: Any = None) -> Any:
    """A tensor with the shape and dtype of `x`, filled with one value."""
    return full(x.shape if hasattr(x, "shape") else np.shape(x), fill_value, dtype or dtype_of(x))


@operation
def zeros_like(x: Any, dtype: Any = None) -> Any:
    """Zeros with the shape and dtype of `x`."""
    return full_like(x, 0, dtype)


@operation
def ones_like(x: Any, dtype: Any = None) -> Any:
    """Ones with the shape and dtype of `x`."""
    return full_like(x, 1, dtype)


@operation
def arange(start: Any, stop: Any = None, step: Any = None, dtype: Any = None) -> Any:
    """`start, start + step, …` up to but without `stop`; int32 where all arguments are integers."""
    if step is not None and not step:
        raise ValueError(f"expected a step other than 0. Received: step={step}")
    arguments = [one for one in (start, stop, step) if one is not None]
    integers = all(isinstance(one, (int, np.integer)) for one in arguments)
    dtype = ("int32" if integers else floatx()) if dtype is None else requested_dtype(dtype)
    step = 1 if step is None else step
    values = np.arange(0, start, step) if stop is None else np.arange(start, stop, step)
    return tensor(values, dtype)


@operation
def linspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: Any = None,
    axis: int = 0,
) -> Any:
    """`num` evenly spaced numbers from `start` to `stop`."""
    values, step = np.linspace(start, stop, num, endpoint=endpoint, retstep=True, axis=axis)
    result = tensor(values, requested_dtype(dtype))
    return (result, tensor(step, result.dtype)) if retstep else result


@operation
def eye(N: int, M: int | None = None, k: int = 0, dtype: Any = None) -> Any:
    """Ones on the `k`-th diagonal, zeros elsewhere."""
    return tensor(np.eye(N, M, k), requested_dtype(dtype))


@operation
def identity(n: int, dtype: Any = None) -> Any:
    """The identity matrix."""
    return eye(n, dtype=dtype)


@operation
def tri(N: int, M: int | None = None, k: int = 0, dtype: Any = None) -> Any:
    """Ones on and below the `k`-th diagonal."""
    return tensor(np.tri(as_int(N, "N"), M, k), requested_dtype(dtype))


@operation
def tril(x: Any, k: int = 0) -> Any:
    """The lower triangle of the last two axes, zeros elsewhere."""
    return _triangle(x, k, False)


@operation
def triu(x: Any, k: int = 0) -> Any:
    """The upper triangle of the last two axes, zeros elsewhere."""
    return _triangle(x, k - 1, True)


def _triangle(x: Any, k: int, above: bool) -> TracedTensor:
    """What lies on and below the `k`-th diagonal, or what lies above it. Selected: a product keeps NaN."""
    x = tensor(x)
    if x.ndim < 2:
        raise ValueError(f"expected a tensor of rank 2 or more. Received: shape={x.shape}")
    inside = np.tri(x.shape[-2], x.shape[-1], k, dtype=bool) ^ above
    return record("select", [tensor(inside), x, tensor(0, x.dtype)])


def convert_to_numpy(x: Any) -> np.ndarray[Any, Any]:
    """The values of a tensor or variable as a NumPy array."""
    return np.asarray(x)
