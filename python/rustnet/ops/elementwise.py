"""Elementwise arithmetic, comparison and logic. Operands broadcast as in NumPy and meet in one dtype."""

from __future__ import annotations

import builtins
import math
from typing import Any

import numpy as np

from rustnet.core.convert import (
    as_float,
    as_int,
    dtype_or_none,
    promoted,
    promoted_floats,
    promoted_numbers,
    tensor,
)
from rustnet.core.convert import cast as cast_tensor
from rustnet.core.dtypes import is_float, requested_dtype
from rustnet.core.operation import operation, renamed
from rustnet.core.promotion import dtype_of, result_dtype
from rustnet.core.tensors import TracedTensor
from rustnet.core.trace import record

__all__ = [
    "abs",
    "absolute",
    "add",
    "cast",
    "ceil",
    "clip",
    "convert_to_tensor",
    "cos",
    "cosh",
    "divide",
    "divide_no_nan",
    "dtype",
    "equal",
    "erf",
    "erfc",
    "exp",
    "expm1",
    "floor",
    "floor_divide",
    "greater",
    "greater_equal",
    "hypot",
    "isclose",
    "isfinite",
    "isinf",
    "isnan",
    "less",
    "less_equal",
    "log",
    "log10",
    "log1p",
    "log2",
    "logaddexp",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "maximum",
    "minimum",
    "mod",
    "multiply",
    "negative",
    "not_equal",
    "power",
    "reciprocal",
    "round",
    "rsqrt",
    "sign",
    "sin",
    "sinh",
    "sqrt",
    "square",
    "stop_gradient",
    "subtract",
    "tan",
    "true_divide",
    "trunc",
    "where",
]


def _arithmetic(name: str, of_bools: str, x1: Any, x2: Any) -> TracedTensor:
    """An op of two numbers that bools have too, as logic."""
    operands = promoted(x1, x2)
    return record(of_bools if operands[0].dtype == "bool" else name, operands)


@operation
def add(x1: Any, x2: Any) -> Any:
    """`x1 + x2`; of bools, whether either is true."""
    return _arithmetic("add", "logical_or", x1, x2)


@operation
def subtract(x1: Any, x2: Any) -> Any:
    """`x1 - x2`."""
    return record("subtract", promoted(x1, x2))


@operation
def multiply(x1: Any, x2: Any) -> Any:
    """`x1 · x2`; of bools, whether both are true."""
    return _arithmetic("multiply", "logical_and", x1, x2)


@operation
def divide(x1: Any, x2: Any) -> Any:
    """`x1 / x2`; integers are divided as floats."""
    return record("divide", promoted_floats(x1, x2))


true_divide = renamed(divide, "true_divide")


@operation
def divide_no_nan(x1: Any, x2: Any) -> Any:
    """`x1 / x2`, and 0 where `x2` is 0; the gradient there is 0 too."""
    x1, x2 = promoted_floats(x1, x2)
    is_zero = record("equal", [x2, tensor(0.0, x2.dtype)])
    safe = record("select", [is_zero, tensor(1.0, x2.dtype), x2])
    return record("select", [is_zero, tensor(0.0, x2.dtype), record("divide", [x1, safe])])


@operation
def floor_divide(x1: Any, x2: Any) -> Any:
    """`⌊x1 / x2⌋`."""
    return record("floor_divide", promoted_numbers(x1, x2))


@operation
def mod(x1: Any, x2: Any) -> Any:
    """The remainder of `⌊x1 / x2⌋`, with the sign of `x2`."""
    return record("mod", promoted_numbers(x1, x2))


@operation
def power(x1: Any, x2: Any) -> Any:
    """`x1 ** x2`. Raises `ValueError` for integers and a negative constant, which have no integer result."""
    base, exponent = promoted_numbers(x1, x2)
    is_constant = isinstance(x2, (int, np.integer, np.ndarray))
    if is_constant and not is_float(base.dtype) and np.any(np.less(x2, 0)):
        raise ValueError(f"expected an exponent of 0 or more for integers. Received: x2={x2}")
    return record("power", [base, exponent])


@operation
def hypot(x1: Any, x2: Any) -> Any:
    """`√(x1² + x2²)`, without overflow.

    Args:
        x1: a tensor; integers and bools count as floats of `floatx()`.
        x2: a tensor whose shape broadcasts with that of `x1`.

    >>> hypot([3.0, 5.0], [4.0, 12.0]).numpy()
    array([ 5., 13.], dtype=float32)

    Source: https://keras.io/api/ops/numpy/#hypot-function
    """
    return record("hypot", promoted_floats(x1, x2))


@operation
def maximum(x1: Any, x2: Any) -> Any:
    """The larger of each pair."""
    return _arithmetic("maximum", "logical_or", x1, x2)


@operation
def minimum(x1: Any, x2: Any) -> Any:
    """The smaller of each pair."""
    return _arithmetic("minimum", "logical_and", x1, x2)


@operation
def negative(x: Any) -> Any:
    """`-x`."""
    return record("negative", [tensor(x)])


@operation
def abs(x: Any) -> Any:
    """`|x|`."""
    x = tensor(x)
    return x if x.dtype == "bool" else record("abs", [x])


absolute = abs


@operation
def sign(x: Any) -> Any:
    """-1, 0 or 1."""
    return record("sign", [tensor(x)])


@operation
def square(x: Any) -> Any:
    """`x²`; bools count as integers."""
    return record("square", promoted_numbers(x))


@operation
def sqrt(x: Any) -> Any:
    """`√x`."""
    return record("sqrt", [as_float(x)])


@operation
def rsqrt(x: Any) -> Any:
    """`1 / √x`."""
    return record("rsqrt", [as_float(x)])


@operation
def reciprocal(x: Any) -> Any:
    """`1 / x`."""
    return record("reciprocal", [as_float(x)])


@operation
def exp(x: Any) -> Any:
    """`eˣ`."""
    return record("exp", [as_float(x)])


@operation
def expm1(x: Any) -> Any:
    """`eˣ - 1`, exact near 0."""
    return record("expm1", [as_float(x)])


@operation
def log(x: Any) -> Any:
    """The natural logarithm."""
    return record("log", [as_float(x)])


@operation
def log1p(x: Any) -> Any:
    """`log(1 + x)`, exact near 0."""
    return record("log1p", [as_float(x)])


@operation
def log2(x: Any) -> Any:
    """The logarithm to base 2."""
    return log(x) / math.log(2.0)


@operation
def log10(x: Any) -> Any:
    """The logarithm to base 10."""
    return log(x) / math.log(10.0)


@operation
def logaddexp(x1: Any, x2: Any) -> Any:
    """`log(e^x1 + e^x2)`, without overflow."""
    x1, x2 = promoted_floats(x1, x2)
    # Equal infinities have no difference.
    distance = where(equal(x1, x2), 0.0, x1 - x2)
    return maximum(x1, x2) + log1p(exp(-abs(distance)))


@operation
def sin(x: Any) -> Any:
    """The sine of radians."""
    return record("sin", [as_float(x)])


@operation
def cos(x: Any) -> Any:
    """The cosine of radians."""
    return record("cos", [as_float(x)])


@operation
def tan(x: Any) -> Any:
    """The tangent of radians."""
    x = as_float(x)
    return sin(x) / cos(x)


@operation
def cosh(x: Any) -> Any:
    """The hyperbolic cosine `(eˣ + e⁻ˣ) / 2`.

    Args:
        x: a tensor of any shape; integers and bools count as floats of `floatx()`.

    >>> cosh([0.0, 1.0]).numpy()
    array([1.       , 1.5430806], dtype=float32)

    Source: https://keras.io/api/ops/numpy/#cosh-function
    """
    return record("cosh", [as_float(x)])


@operation
def sinh(x: Any) -> Any:
    """The hyperbolic sine `(eˣ - e⁻ˣ) / 2`.

    Args:
        x: a tensor of any shape; integers and bools count as floats of `floatx()`.

    >>> sinh([0.0, 1.0]).numpy()
    array([0.       , 1.1752012], dtype=float32)

    Source: https://keras.io/api/ops/numpy/#sinh-function
    """
    return record("sinh", [as_float(x)])


@operation
def erf(x: Any) -> Any:
    """The error function `2/√π ∫₀ˣ e^(-t²) dt`."""
    return record("erf", [as_float(x)])


@operation
def erfc(x: Any) -> Any:
    """`1 - erf(x)`, accurate where that is small.

    Args:
        x: a tensor of any shape; integers and bools count as floats of `floatx()`.

    >>> erfc([-1.0, 0.0]).numpy()
    array([1.8427008, 1.       ], dtype=float32)

    Source: https://keras.io/api/ops/core/#erfc-function
    """
    return record("erfc", [as_float(x)])


@operation
def floor(x: Any) -> Any:
    """The largest integer not above `x`, as a float."""
    return record("floor", [as_float(x)])


@operation
def ceil(x: Any) -> Any:
    """The smallest integer not below `x`, as a float."""
    return record("ceil", [as_float(x)])


@operation
def trunc(x: Any) -> Any:
    """The next integer towards 0, as a float; integers and bools stay as they are.

    Args:
        x: a tensor of any shape.

    >>> trunc([-1.7, 1.7]).numpy()
    array([-1.,  1.], dtype=float32)

    Source: https://keras.io/api/ops/numpy/#trunc-function
    """
    x = tensor(x)
    return record("trunc", [x]) if is_float(x.dtype) else x


@operation
def round(x: Any, decimals: int = 0) -> Any:
    """The nearest number of `decimals` decimals (-1: tens, …); halves go to the even one."""
    x, decimals = tensor(x), as_int(decimals, "decimals")
    if not is_float(x.dtype):
        # float64 holds every int32.
        return x if decimals >= 0 else cast(round(cast(x, "float64"), decimals), x.dtype)
    if decimals == 0:
        return record("round", [x])
    scale = 10.0 ** builtins.abs(decimals)
    if decimals < 0:
        return record("round", [x / scale]) * scale
    scaled = x * scale
    # A number so large that scaling overflows has no decimals.
    return where(isfinite(scaled), record("round", [scaled]) / scale, x)


@operation
def clip(x: Any, x_min: Any = None, x_max: Any = None) -> Any:
    """`x` limited to `[x_min, x_max]`; `None` is no limit. Bools become integers."""
    (x,) = promoted_numbers(x)
    dtype = result_dtype(x, *(limit for limit in (x_min, x_max) if limit is not None))
    x = cast_tensor(x, dtype)
    if x_min is not None:
        x = maximum(x, tensor(x_min, dtype))
    return x if x_max is None else minimum(x, tensor(x_max, dtype))


@operation
def isnan(x: Any) -> Any:
    """True where `x` is not a number."""
    return record("isnan", [as_float(x)])


@operation
def isfinite(x: Any) -> Any:
    """True where `x` is neither infinite nor NaN."""
    return record("isfinite", [as_float(x)])


@operation
def isinf(x: Any) -> Any:
    """True where `x` is infinite."""
    return equal(abs(as_float(x)), float("inf"))


@operation
def equal(x1: Any, x2: Any) -> Any:
    """`x1 == x2`."""
    return record("equal", promoted(x1, x2))


@operation
def not_equal(x1: Any, x2: Any) -> Any:
    """`x1 != x2`."""
    return record("not_equal", promoted(x1, x2))


@operation
def less(x1: Any, x2: Any) -> Any:
    """`x1 < x2`."""
    return record("less", promoted(x1, x2))


@operation
def less_equal(x1: Any, x2: Any) -> Any:
    """`x1 <= x2`."""
    return record("less_equal", promoted(x1, x2))


@operation
def greater(x1: Any, x2: Any) -> Any:
    """`x1 > x2`."""
    return record("greater", promoted(x1, x2))


@operation
def greater_equal(x1: Any, x2: Any) -> Any:
    """`x1 >= x2`."""
    return record("greater_equal", promoted(x1, x2))


@operation
def logical_and(x1: Any, x2: Any) -> Any:
    """True where both are non-zero."""
    return record("logical_and", [tensor(x1, "bool"), tensor(x2, "bool")])


@operation
def logical_or(x1: Any, x2: Any) -> Any:
    """True where either is non-zero."""
    return record("logical_or", [tensor(x1, "bool"), tensor(x2, "bool")])


@operation
def logical_xor(x1: Any, x2: Any) -> Any:
    """True where exactly one is non-zero."""
    return record("not_equal", [tensor(x1, "bool"), tensor(x2, "bool")])


@operation
def logical_not(x: Any) -> Any:
    """True where `x` is zero."""
    return record("logical_not", [tensor(x, "bool")])


@operation
def isclose(x1: Any, x2: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Any:
    """`|x1 - x2| <= atol + rtol · |x2|`."""
    x1, x2 = promoted_floats(x1, x2)
    near = logical_and(abs(x1 - x2) <= atol + rtol * abs(x2), isfinite(x2))
    close = logical_or(near, equal(x1, x2))
    return logical_or(close, logical_and(isnan(x1), isnan(x2))) if equal_nan else close


@operation
def where(condition: Any, x1: Any = None, x2: Any = None) -> Any:
    """`x1` where the condition holds, else `x2`."""
    if x1 is None or x2 is None:
        raise ValueError(
            f"expected both x1 and x2: shapes must not depend on values. Received: x1={x1}, x2={x2}"
        )
    return record("select", [tensor(condition, "bool"), *promoted(x1, x2)])


@operation
def cast(x: Any, dtype: Any) -> Any:
    """`x` in another dtype; floats are truncated to integers."""
    dtype = requested_dtype(dtype)
    # Floats are made of the data themselves, not of what they are in another dtype.
    return tensor(x, dtype) if is_float(dtype) else cast_tensor(tensor(x), dtype)


@operation
def convert_to_tensor(x: Any, dtype: Any = None) -> Any:
    """A tensor of anything array-like, in `dtype` if given."""
    return tensor(x, dtype_or_none(dtype))


@operation
def stop_gradient(variable: Any) -> Any:
    """The same values, through which no gradient flows."""
    return record("stop_gradient", [tensor(variable)])


def dtype(x: Any) -> str:
    """The dtype of a tensor, variable, array or scalar, by name."""
    return dtype_of(x)
