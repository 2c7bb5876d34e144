"""Data from outside: anything array-like becomes a contiguous NumPy array of an engine dtype, or an error."""

from __future__ import annotations

from typing import Any

import numpy as np

from rustnet.core.dtypes import array_dtype, standardize_dtype

Array = np.ndarray[Any, Any]

_INT32 = np.iinfo(np.int32)


def as_array(value: Any, dtype: str | None = None, name: str = "x") -> Array:
    """A C-contiguous, native-endian array of an engine dtype.

    `dtype` defaults to the nearest engine dtype of the content. Raises `ValueError` for ragged lists,
    objects, strings, complex numbers, masked entries, and what int32 does not hold where it is the dtype.
    """
    array = _numbers(value, name)
    target = array_dtype(array.dtype) if dtype is None else standardize_dtype(dtype)
    if target == "int32" and not fits_int32(array):
        low, high = array.min(), array.max()
        values = f"{high}" if low == high else f"values {low} to {high}"
        raise ValueError(f"expected integers of {name} to fit int32. Received: {values}")
    return np.require(array, target, ["C_CONTIGUOUS", "ALIGNED"])


def as_data(value: Any, takes_float64: bool, name: str = "x") -> Array:
    """`as_array` of a model's data: what computes in float64 gets float64 numbers unrounded.

    Integers that int32 does not hold become float64: an error only where integers are meant.
    """
    array = _numbers(value, name)
    is_wide = takes_float64 and array.dtype.kind == "f" and array.dtype.itemsize >= 8
    is_wide = is_wide or (array.dtype.kind in "iu" and not fits_int32(array))
    return as_array(array, "float64" if is_wide else None, name)


def _numbers(value: Any, name: str) -> Array:
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ValueError(
            f"expected {name} to be an array-like whose rows have one length. "
            f"Received: {name}={type(value).__name__} ({error})"
        ) from None
    if array.dtype.kind not in "fiub":
        raise ValueError(
            f"expected {name} to hold numbers or bools (not objects, strings, dates or complex numbers; "
            f"rows of unequal length also become objects). Received: {name}.dtype={array.dtype}"
        )
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        raise ValueError(f"expected {name} without masked entries. Received: {name}=a masked array")
    return array


def fits_int32(array: Array) -> bool:
    """Whether int32 holds all elements, but for the fractions of floats."""
    if array.dtype == np.int32 or array.dtype.itemsize < 4 and array.dtype.kind != "f" or not array.size:
        return True
    return bool(_INT32.min <= array.min() and array.max() <= _INT32.max)
