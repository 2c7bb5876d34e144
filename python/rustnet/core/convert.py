"""How the arguments of an op become tensors of the trace that records it."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from rustnet.core import structure
from rustnet.core.dtypes import floatx, is_float, requested_dtype
from rustnet.core.promotion import dtype_of, result_dtype
from rustnet.core.tensors import ConcreteValue, KerasTensor, TracedTensor
from rustnet.core.trace import current_trace, record


def is_tensor(value: Any) -> bool:
    """True for every kind of tensor and for variables."""
    return isinstance(value, (ConcreteValue, TracedTensor, KerasTensor))


def tensor(value: Any, dtype: str | None = None) -> TracedTensor:
    """`value` (tensor, variable, array-like, scalar, list of tensors) in the active trace."""
    trace = current_trace()
    assert trace is not None, "ops convert their arguments inside a trace"
    if isinstance(value, TracedTensor):
        return cast(value, dtype)
    if isinstance(value, ConcreteValue):
        return cast(value.traced_in(trace), dtype)
    if isinstance(value, (bool, int, float)):
        return trace.constant(value, dtype or dtype_of(value))
    if isinstance(value, (list, tuple)) and any(map(is_tensor, structure.flatten(value))):
        return cast(stacked(value), dtype)
    return trace.constant(value, dtype)


def stacked(values: Any, axis: int = 0) -> TracedTensor:
    """Tensors of one shape along a new axis. Raises `ValueError` where shapes differ or there is none."""
    tensors = promoted(*values)
    if not tensors or any(one.shape != tensors[0].shape for one in tensors):
        raise ValueError(f"expected tensors of one shape. Received: shapes {[one.shape for one in tensors]}")
    axis = axis_of(axis, tensors[0].ndim + 1)
    shape = [*tensors[0].shape[:axis], 1, *tensors[0].shape[axis:]]
    return record("concatenate", [record("reshape", [one], shape=shape) for one in tensors], axis=axis)


def cast(value: TracedTensor, dtype: str | None) -> TracedTensor:
    """The tensor itself where it has that dtype already."""
    if dtype is None or value.dtype == dtype:
        return value
    return record("cast", [value], dtype=dtype)


def promoted(*values: Any) -> list[TracedTensor]:
    """The operands in the one dtype in which they meet."""
    dtype = result_dtype(*values)
    return [tensor(value, dtype) for value in values]


def promoted_numbers(*values: Any) -> list[TracedTensor]:
    """The operands in the one dtype in which they meet, bools as integers."""
    dtype = result_dtype(*values)
    return [tensor(value, "int32" if dtype == "bool" else dtype) for value in values]


def as_index(value: Any, size: int | None = None, from_end: bool = False) -> TracedTensor:
    """Whole numbers of any dtype as int32, below `size` if given; `from_end` lets negative ones count back.

    An element that is none raises `ValueError` when it is met, named as it was given.
    """
    value = tensor(value)
    if value.dtype == "bool":
        value = cast(value, "int32")
    if value.dtype == "int32" and size is None:
        return value
    limit = {} if size is None else {"size": size}
    return record("index", [value], from_end=from_end, **limit)


def as_float(value: Any) -> TracedTensor:
    """The operand as floats: integers and bools in `floatx()`."""
    dtype = dtype_of(value)
    return tensor(value, dtype if is_float(dtype) else floatx())


def promoted_floats(*values: Any) -> list[TracedTensor]:
    """The operands in the one float dtype in which they meet."""
    dtype = result_dtype(*values)
    return [tensor(value, dtype if is_float(dtype) else floatx()) for value in values]


def as_int(value: Any, name: str) -> int:
    """An int from anything that is one. Raises `ValueError` for floats, which would have to be cut off."""
    try:
        if not isinstance(value, (bool, np.bool_)):
            return operator.index(value)
    except TypeError:
        pass
    raise ValueError(f"expected {name} to be an int. Received: {name}={value!r}")


def as_ints(values: Any, name: str) -> list[int]:
    """Ints from a sequence of them, or from one."""
    listed = values if hasattr(values, "__len__") and np.ndim(values) else [values]
    try:
        return [as_int(one, name) for one in listed]
    except ValueError:
        raise ValueError(f"expected ints as {name}. Received: {name}={values!r}") from None


def axis_of(axis: int, rank: int, name: str = "axis") -> int:
    """An axis counted from the front. Raises `ValueError` where it is out of range."""
    axis = as_int(axis, name)
    if not -rank <= axis < rank:
        raise ValueError(
            f"expected {name} in [{-rank}, {rank}) for a tensor of rank {rank}. Received: {name}={axis}"
        )
    return axis % rank if rank else 0


def axes_of(axis: Any, rank: int) -> list[int]:
    """The axes of a reduction, in order; `None` means all."""
    if axis is None:
        return list(range(rank))
    axes = [axis_of(one, rank) for one in (axis if isinstance(axis, (list, tuple)) else [axis])]
    if len(set(axes)) != len(axes):
        raise ValueError(f"expected each axis once. Received: axis={axis}")
    return sorted(axes)


def dtype_or_none(dtype: Any) -> str | None:
    return None if dtype is None else requested_dtype(dtype)
