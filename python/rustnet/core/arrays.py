"""Data from outside: anything array-like becomes a contiguous NumPy array of an engine dtype, or an error."""

from __future__ import annotations

from typing import Any

import numpy as np

from rustnet.core.dtypes import array_dtype, standardize_dtype

_INT32 = np.iinfo(np.int32)


def as_array(value: Any, dtype: str | None = None, name: str = "x") -> np.ndarray[Any, Any]:
    """A C-contiguous, native-endian array of an engine dtype.

    `dtype` defaults to the nearest engine dtype of the content. Raises `ValueError` for ragged lists,
    objects, strings, complex numbers, masked entries, and integers beyond int32.
    """
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
    target = array_dtype(array.dtype) if dtype is None else standardize_dtype(dtype)
    if target == "int32" and array.dtype.kind in "iu" and array.dtype.itemsize >= 4 and array.size:
        low, high = int(array.min()), int(array.max())
        if low < _INT32.min or high > _INT32.max:
            raise ValueError(f"expected integers of {name} to fit int32. Received: values {low} to {high}")
    return np.require(array, target, ["C_CONTIGUOUS", "ALIGNED"])
