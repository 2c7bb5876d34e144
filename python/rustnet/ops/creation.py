"""Tensors from nothing: constants, ranges, identity."""

from __future__ import annotations

from typing import Any

import numpy as np

from rustnet.core.convert import as_int, as_ints, axis_of, tensor
from rustnet.core.dtypes import floatx, requested_dtype
from rustnet.core.operation import operation
from rustnet.core.promotion import dtype_of
from rustnet.core.tensors import TracedTensor
from rustnet.core.trace import record
from rustnet.ops.shaping import broadcast_to

__all__ = [
    "arange",
    "convert_to_numpy",
    "eye",
    "full",
    "full_like",
    "identity",
    "linspace",
    "ones",
    "ones_like",
    "tri",
    "tril",
    "triu",
    "zeros",
    "zeros_like",
]


def _sizes(shape: Any) -> list[int]:
    sizes = as_ints(shape, "shape")
    if any(size < 0 for size in sizes):
        raise ValueError(f"expected sizes of 0 or more. Received: shape={shape}")
    return sizes


def _size(value: Any, name: str) -> int:
    size = as_int(value, name)
    if size < 0:
        raise ValueError(f"expected {name} to be 0 or more. Received: {name}={value!r}")
    return size


def _number(value: Any, name: str) -> Any:
    """The NumPy scalar. Raises `ValueError` for what is no finite number."""
    number = np.asarray(value)
    if number.ndim or number.dtype.kind not in "biuf" or not np.isfinite(number):
        raise ValueError(f"expected {name} to be a finite number. Received: {name}={value!r}")
    return number[()]


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
    """`start, start + step, …` up to but without `stop`; int32 where all arguments are integers.

    One argument alone is `stop`, and `start` is then 0.
    """
    start = _number(start, "start")
    start, stop = (0, start) if stop is None else (start, _number(stop, "stop"))
    step = 1 if step is None else _number(step, "step")
    if not step:
        raise ValueError(f"expected a step other than 0. Received: step={step}")
    integers = not any(isinstance(one, np.floating) for one in (start, stop, step))
    dtype = ("int32" if integers else floatx()) if dtype is None else requested_dtype(dtype)
    return tensor(np.arange(start, stop, step), dtype)


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
    ends = np.asarray(start), np.asarray(stop)
    if any(end.dtype.kind not in "biuf" for end in ends):
        raise ValueError(f"expected numbers as start and stop. Received: start={start!r}, stop={stop!r}")
    axis = axis_of(axis, 1 + max(end.ndim for end in ends))
    values, step = np.linspace(*ends, _size(num, "num"), endpoint=endpoint, retstep=True, axis=axis)
    result = tensor(values, requested_dtype(dtype))
    return (result, tensor(step, result.dtype)) if retstep else result


@operation
def eye(N: int, M: int | None = None, k: int = 0, dtype: Any = None) -> Any:
    """Ones on the `k`-th diagonal, zeros elsewhere."""
    return tensor(np.eye(*_matrix(N, M, k)), requested_dtype(dtype))


@operation
def identity(n: int, dtype: Any = None) -> Any:
    """The identity matrix."""
    return eye(n, dtype=dtype)


@operation
def tri(N: int, M: int | None = None, k: int = 0, dtype: Any = None) -> Any:
    """Ones on and below the `k`-th diagonal."""
    return tensor(np.tri(*_matrix(N, M, k)), requested_dtype(dtype))


def _matrix(rows: Any, columns: Any, k: Any) -> tuple[int, int, int]:
    rows = _size(rows, "N")
    return rows, rows if columns is None else _size(columns, "M"), as_int(k, "k")


@operation
def tril(x: Any, k: int = 0) -> Any:
    """The lower triangle of the last two axes, zeros elsewhere."""
    return _triangle(x, as_int(k, "k"), False)


@operation
def triu(x: Any, k: int = 0) -> Any:
    """The upper triangle of the last two axes, zeros elsewhere."""
    return _triangle(x, as_int(k, "k") - 1, True)


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
