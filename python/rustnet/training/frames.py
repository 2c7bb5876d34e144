"""Columns of data frames (pandas, or what has the same `to_numpy`) as arrays of numbers."""

from __future__ import annotations

import numbers
from typing import Any

import numpy as np

_NUMBERS = (numbers.Real, np.number, np.bool_)


def to_array(frame: Any, name: str) -> np.ndarray[Any, Any]:
    """The numbers of a frame, series or extension array; missing ones are NaN.

    What pandas gives as objects (nullable and categorical columns, columns of several types) becomes bools,
    integers or floats, whichever holds them all.

    Raises:
        ValueError: something is no number, such as a string, also one that could be read as a number.
    """
    array = np.asarray(frame.to_numpy())
    if array.dtype != object:
        return array
    kinds = set(map(type, array.ravel()))
    missing = {kind for kind in kinds if kind is type(None) or kind.__name__ == "NAType"}
    for kind in kinds - missing:
        if not issubclass(kind, _NUMBERS):
            position = next(index for index, one in np.ndenumerate(array) if type(one) is kind)
            column = f" in column {frame.columns[position[1]]!r}" if hasattr(frame, "columns") else ""
            raise ValueError(
                f"expected {name} to hold numbers or bools. Received: {array[position]!r} of type "
                f"{kind.__name__}{column}"
            )
    if missing:
        return np.asarray(frame.to_numpy(dtype="float64", na_value=np.nan))
    if all(issubclass(kind, (bool, np.bool_)) for kind in kinds):
        return array.astype(bool)
    # uint64 and Python's own integers of any size too: the reader says where they do not fit.
    integers = all(issubclass(kind, (numbers.Integral, np.bool_)) for kind in kinds)
    try:
        return array.astype("int64" if integers else "float64")
    except OverflowError:
        return array.astype("float64")
