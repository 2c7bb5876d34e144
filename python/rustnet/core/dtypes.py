"""Element types: the four that the engine computes in, and how every other one maps to them."""

from __future__ import annotations

from typing import Any

import numpy as np

# From weak to strong: the result type of mixed operands is the rightmost.
ORDER = ("bool", "int32", "float32", "float64")

_ENGINE_DTYPE = {
    **{name: name for name in ORDER},
    **dict.fromkeys(["int", "int8", "int16", "int64", "uint8", "uint16", "uint32", "uint64"], "int32"),
    **dict.fromkeys(["half", "float16", "bfloat16", "mixed_float16", "mixed_bfloat16"], "float32"),
    "double": "float64",
}

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
    """The engine's name of a dtype: a name, a NumPy dtype or type, or a policy; `None` means `floatx()`."""
    if dtype is None or dtype is float or dtype == "float":
        return _floatx
    name = dtype if isinstance(dtype, str) else getattr(dtype, "compute_dtype", None)
    if name is None:
        try:
            name = np.dtype(dtype).name
        except TypeError:
            name = str(dtype)
    try:
        return _ENGINE_DTYPE[name]
    except KeyError:
        raise ValueError(f"expected a dtype among {', '.join(ORDER)}. Received: dtype={dtype!r}") from None


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
