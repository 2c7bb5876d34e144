"""The user's data as columns: arrays with one row a sample, read where they lie."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from rustnet.core import structure
from rustnet.core.arrays import as_data, fits_int32
from rustnet.core.dtypes import array_dtype
from rustnet.training import class_weights, frames

# What the engine's feed reads and casts itself, in native byte order; anything else is converted once.
_READ_IN_PLACE = frozenset(
    np.dtype(name)
    for name in "bool uint8 int8 uint16 int16 uint32 int32 uint64 int64 float32 float64".split()
)

Array = np.ndarray[Any, Any]


class Data:
    """Samples: nested inputs, and where they are known nested targets and weights. Leaves are columns."""

    def __init__(self, x: Any, y: Any = None, sample_weight: Any = None) -> None:
        self.x = x
        self.y = y
        self.sample_weight = sample_weight
        # All columns; parts that are not there are left out.
        self.columns: list[Array] = []
        # Where the leaves of each part are and which are missing, as something to compare.
        nestings: list[Any] = []
        for part in (x, y, sample_weight):
            if isinstance(part, np.ndarray):
                self.columns.append(part)
                nestings.append(False)
            elif part is None:
                nestings.append(True)
            else:
                self.columns += [leaf for leaf in structure.flatten(part) if leaf is not None]
                nestings.append(repr(structure.map_structure(lambda leaf: leaf is None, part)))
        # What a step is compiled for, beside the number of rows: the columns' nesting and types.
        types = [(column.dtype, column.shape[1:]) for column in self.columns]
        self.signature: tuple[Any, ...] = (*nestings, *types)

    @property
    def parts(self) -> tuple[Any, Any, Any]:
        return (self.x, self.y, self.sample_weight)

    @property
    def rows(self) -> int:
        return len(self.columns[0])

    def slice(self, rows: slice) -> Data:
        """Some of the rows, as views."""
        return self.map(lambda column: column[rows])

    def map(self, function: Any) -> Data:
        """Every column replaced by `function(column)`."""
        return Data(
            *structure.map_structure(lambda leaf: None if leaf is None else function(leaf), self.parts)
        )


def make_data(
    x: Any,
    y: Any = None,
    sample_weight: Any = None,
    class_weight: dict[int, float] | None = None,
    are_all: bool = False,
) -> Data:
    """Checks the arguments of `fit`, `evaluate` or `predict` and makes columns of them.

    `class_weight` is checked already; `are_all` says that the targets are not those of one batch.

    Raises `ValueError` where something is no array of numbers, or lengths differ.
    """
    given, x = x, _columns(x, "x")
    if x is None or (not isinstance(x, np.ndarray) and all(leaf is None for leaf in structure.flatten(x))):
        raise ValueError(f"expected x to hold at least one array. Received: x={given!r}")
    if y is None and sample_weight is None and class_weight is None:
        return _with_equal_rows(Data(x))
    y = _columns(y, "y")
    if class_weight is not None:
        if sample_weight is not None:
            raise ValueError("expected class_weight or sample_weight, not both. Received: both")
        sample_weight = class_weights.sample_weights(class_weight, y, are_all)
    weights = _columns(sample_weight, "sample_weight")
    for column in structure.flatten(weights):
        if column is not None and not np.isfinite(column).all():
            raise ValueError("expected finite weights. Received: sample_weight=an array with NaN or infinity")
    return _with_equal_rows(Data(x, y, weights))


def _with_equal_rows(data: Data) -> Data:
    columns = data.columns
    if len(columns) > 1 and len({len(leaf) for leaf in columns}) > 1:
        counts = {
            name: sorted({len(leaf) for leaf in structure.flatten(part) if leaf is not None})
            for name, part in zip(("x", "y", "sample_weight"), data.parts, strict=True)
        }
        listed = ", ".join(f"{name}: {many} rows" for name, many in counts.items() if many)
        raise ValueError(f"expected the same number of rows in all arrays. Received: {listed}")
    return data


def _columns(value: Any, name: str) -> Any:
    """The nesting of arrays in `value`, each a column."""
    if value is None or isinstance(value, np.ndarray):
        return None if value is None else column(value, name)
    if isinstance(value, Mapping):
        return {key: _columns(item, f"{name}[{key!r}]") for key, item in value.items()}
    if isinstance(value, (list, tuple)) and all(map(_holds_arrays, value)):
        items = [_columns(item, f"{name}[{index}]") for index, item in enumerate(value)]
        return items if isinstance(value, list) else tuple(items)
    return column(value, name)


def _holds_arrays(value: Any) -> bool:
    """Whether an item of a list is a column, or a nesting of columns, and not a row."""
    if isinstance(value, (list, tuple)):
        return bool(value) and all(map(_holds_arrays, value))
    return value is None or isinstance(value, Mapping) or (hasattr(value, "shape") and len(value.shape) > 0)


def column(value: Any, name: str) -> Array:
    """One array with an axis of samples, as it lies where the engine can read that."""
    if type(value) is not np.ndarray:
        if hasattr(value, "to_numpy"):
            value = frames.to_array(value, name)
        if not isinstance(value, np.ndarray) or isinstance(value, np.ma.MaskedArray):
            value = as_data(value, True, name)
        value = value.view(np.ndarray)
    array: Array = value
    is_read_in_place = array.dtype in _READ_IN_PLACE and array.flags.aligned
    if not is_read_in_place or (array.dtype.kind in "iu" and not fits_int32(array)):
        array = as_data(array, True, name)
    if array.ndim == 0:
        raise ValueError(f"expected {name} to have an axis of samples. Received: {name}.shape=()")
    return array


def engine_dtype(array: Array, takes_float64: bool) -> str:
    """The dtype in which the engine takes a column whose reader does not ask for another."""
    return "float64" if takes_float64 and array.dtype == np.float64 else array_dtype(array.dtype)


def split(data: Data, fraction: float) -> tuple[Data, Data]:
    """The first rows to train on and the last `fraction` to validate on."""
    if not 0.0 < fraction < 1.0:
        raise ValueError(f"expected validation_split between 0 and 1. Received: validation_split={fraction}")
    first = int(np.floor(data.rows * (1.0 - fraction)))
    if first in (0, data.rows):
        raise ValueError(
            "expected samples on both sides of the split. "
            f"Received: validation_split={fraction} of {data.rows} rows"
        )
    return data.slice(slice(None, first)), data.slice(slice(first, None))
