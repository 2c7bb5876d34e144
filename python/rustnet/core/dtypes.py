"""Element types: the four that the engine computes in, and what other names mean.

A dtype that is asked for is the one that is given, or an error. int64 alone is computed in int32, as Keras
does on JAX, and values beyond int32 are errors. Data may come in any dtype of numbers and are read exactly.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

# From weak to strong: the result type of mixed operands is the rightmost.
ORDER = ("bool", "int32", "float32", "float64")

_ENGINE_DTYPE = {**{name: name for name in ORDER}, "int": "int32", "int64": "int32", "double": "float64"}

_floatx = "float32"


def floatx() -> str:
    """The default float dtype, `"float32"` unless changed by `set_floatx`."""
    return _floatx


def set_floatx(value: str) -> None:
    """Sets the default float dtype to `"float32"` or `"float64"`."""
    global _floatx
    if value not in ("float32", "float64"):
        raise ValueError(f"expected 'float32' or 'float64'. Received: value={value!r}")
    _floatx = value


def standardize_dtype(dtype: Any) -> str:
    """The engine's name of a dtype: a name, a NumPy dtype or type, or a policy; `None` means `floatx()`.

    Raises `ValueError` for a dtype that there is not, such as float16 or uint8.
    """
    name = _name(dtype)
    try:
        return _ENGINE_DTYPE[name]
    except KeyError:
        raise ValueError(
            "expected float32 or float64, bool, int32, or int64 (computed in int32). "
            f"Received: dtype={dtype!r}"
        ) from None


def declared_dtype(dtype: Any) -> str:
    """The dtype that a symbolic tensor shows: as `standardize_dtype`, but int64 stays int64."""
    engine_dtype = standardize_dtype(dtype)
    return "int64" if _name(dtype) == "int64" else engine_dtype


def requested_dtype(dtype: Any) -> str:
    """The engine's dtype where an op is asked for one. Warns that int64 is int32, as JAX does."""
    if _name(dtype) == "int64":
        warnings.warn("Asked for int64, computed in int32, the one integer dtype there is.", stacklevel=2)
    return standardize_dtype(dtype)


def _name(dtype: Any) -> str:
    if dtype is None or dtype is float or isinstance(dtype, str) and dtype == "float":
        return _floatx
    if dtype is int:
        return "int32"
    name = dtype if isinstance(dtype, str) else getattr(dtype, "compute_dtype", None)
    if name is None:
        try:
            name = np.dtype(dtype).name
        except TypeError:
            name = str(dtype)
    return name


def is_float(dtype: str) -> bool:
    return dtype.startswith("float")


def array_dtype(dtype: np.dtype[Any]) -> str:
    """The engine's dtype for the content of a NumPy array; NumPy's default float64 means `floatx()`."""
    if dtype.kind == "f":
        return _floatx if dtype.itemsize >= 8 else "float32"
    if dtype.kind == "b":
        return "bool"
    if dtype.kind in "iu":
        return "int32"
    raise ValueError(f"expected an array of numbers or bools. Received: dtype={dtype}")
