"""The user's data as columns: arrays with one row a sample, read where they lie."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from rustnet.core import structure
from rustnet.core.arrays import as_data, fits_int32
from rustnet.core.dtypes import array_dtype
from rustnet.training import class_weights, frames
from rustnet.utils.data_parts import pack_x_y_sample_weight, unpack_x_y_sample_weight

# What the engine's feed reads and casts itself, in native byte order; anything else is converted once.
_READ_IN_PLACE = frozenset(
    np.dtype(name)
    for name in "bool uint8 int8 uint16 int16 uint32 int32 uint64 int64 float32 float64".split()
)

Array = np.ndarray[Any, Any]


class Data:
    """What steps are given, all of it or one batch: nested arrays, None where one is left out.

    Arguments:
        nested: `x`, `(x, y)` or `(x, y, sample_weight)`, or any other nesting for a step of the user's own.
        has_rows: whether the arrays have a row for each sample, of which a batch takes some; otherwise they
            are one batch, and may be of any shapes.
    """

    def __init__(self, nested: Any, has_rows: bool = True) -> None:
        self.nested = nested
        self.has_rows = has_rows
        # All arrays; those that are not there are left out.
        self.columns: list[Array] = []
        # Where the leaves of each part are and which are missing, as something to compare.
        parts = nested if type(nested) is tuple else (nested,)
        nestings: list[Any] = [type(nested) is tuple]
        for part in parts:
            if isinstance(part, np.ndarray):
                self.columns.append(part)
                nestings.append(False)
            elif part is None:
                nestings.append(True)
            else:
                self.columns += [leaf for leaf in structure.flatten(part) if leaf is not None]
                nestings.append(repr(structure.map_structure(lambda leaf: leaf is None, part)))
        # What a step is compiled for, beside the number of rows: the arrays' nesting and types.
        first = 1 if has_rows else 0
        types = [(column.dtype, column.shape[first:]) for column in self.columns]
        self.signature: tuple[Any, ...] = (has_rows, *nestings, *types)

    @property
    def whole(self) -> list[int]:
        """The arrays that a batch takes as they are, by their position."""
        return [] if self.has_rows else list(range(len(self.columns)))

    @property
    def x(self) -> Any:
        return self.parts[0]

    @property
    def parts(self) -> tuple[Any, Any, Any]:
        """Inputs, targets and weights."""
        return unpack_x_y_sample_weight(self.nested)

    @property
    def rows(self) -> int:
        """The number of samples; 1 where there is one batch as a whole."""
        return len(self.columns[0]) if self.has_rows else 1

    def slice(self, rows: slice) -> Data:
        """Some of the rows, as views."""
        return Data(structure.map_structure(lambda leaf: None if leaf is None else leaf[rows], self.nested))


def of_parts(x: Any, y: Any = None, sample_weight: Any = None) -> Data:
    """Inputs, targets and weights that are checked already."""
    if y is None and sample_weight is not None:
        return Data((x, None, sample_weight))
    return Data(pack_x_y_sample_weight(x, y, sample_weight))


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
        return _with_equal_rows(of_parts(x))
    y = _columns(y, "y")
    if class_weight is not None:
        if sample_weight is not None:
            raise ValueError("expected class_weight or sample_weight, not both. Received: both")
        sample_weight = class_weights.sample_weights(class_weight, y, are_all)
    weights = _columns(sample_weight, "sample_weight")
    for column in structure.flatten(weights):
        if column is not None and not np.isfinite(column).all():
            raise ValueError("expected finite weights. Received: sample_weight=an array with NaN or infinity")
    return _with_equal_rows(of_parts(x, y, weights))


def make_batch(batch: Any) -> Data:
    """One batch for a step of the user's own: any nesting of arrays of any shapes, numbers and None.

    Raises `ValueError` where something is no array of numbers, or nothing is there.
    """
    nested = _columns(batch, "the batch", of_rows=False)
    data = Data(nested, has_rows=False)
    if not data.columns:
        raise ValueError(f"expected batches that hold at least one array. Received: {batch!r}")
    if all(column.ndim for column in data.columns) and len({len(column) for column in data.columns}) == 1:
        return Data(nested)
    return data


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


def _columns(value: Any, name: str, of_rows: bool = True) -> Any:
    """The nesting of arrays in `value`; `of_rows` says that each has an axis of samples."""
    if value is None or isinstance(value, np.ndarray):
        return None if value is None else column(value, name, of_rows)
    if isinstance(value, Mapping):
        return {key: _columns(item, f"{name}[{key!r}]", of_rows) for key, item in value.items()}
    if isinstance(value, (list, tuple)) and _is_nesting(value, of_rows):
        items = [_columns(item, f"{name}[{index}]", of_rows) for index, item in enumerate(value)]
        return items if isinstance(value, list) else tuple(items)
    return column(value, name, of_rows)


def _is_nesting(value: list[Any] | tuple[Any, ...], of_rows: bool) -> bool:
    """Whether a list holds arrays, and is not rows of numbers itself."""
    return all(map(_holds_arrays, value)) or (not of_rows and any(map(_holds_arrays, value)))


def _holds_arrays(value: Any) -> bool:
    """Whether an item of a list is a column, or a nesting of columns, and not a row."""
    if isinstance(value, (list, tuple)):
        return bool(value) and all(map(_holds_arrays, value))
    return value is None or isinstance(value, Mapping) or (hasattr(value, "shape") and len(value.shape) > 0)


def column(value: Any, name: str, of_rows: bool = True) -> Array:
    """One array, with an axis of samples or of any shape, as it lies where the engine can read that."""
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
    if of_rows and array.ndim == 0:
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
