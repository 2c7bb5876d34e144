"""Sequences of many lengths as one array."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np


def pad_sequences(
    sequences: Sequence[Sequence[Any] | np.ndarray],
    maxlen: int | None = None,
    dtype: Any = "int32",
    padding: str = "pre",
    truncating: str = "pre",
    value: Any = 0.0,
) -> np.ndarray:
    """Brings sequences to one length, by cutting the long ones and filling up the short ones.

    Arguments:
        sequences: n sequences of numbers, or of equally shaped vectors.
        maxlen: length T of the result; None means that of the longest sequence.
        dtype: dtype of the result, default `"int32"`.
        padding: `"pre"` (default) fills up before a sequence, `"post"` after it.
        truncating: `"pre"` (default) cuts from the front of a sequence, `"post"` from its end.
        value: what to fill up with, default 0.

    Returns:
        An array of shape (n, T, …).

    Raises:
        ValueError: `padding` or `truncating` is unknown, an entry is not a sequence, or entries differ in
            shape.

    Example:
        >>> pad_sequences([[1], [2, 3, 4]], maxlen=2)
        array([[0, 1],
               [3, 4]], dtype=int32)

    Source: https://keras.io/api/data_loading/timeseries/#pad_sequences-function
    """
    for name, choice in (("padding", padding), ("truncating", truncating)):
        if choice not in ("pre", "post"):
            raise ValueError(f"expected {name} to be 'pre' or 'post'. Received: {name}={choice!r}")
    if maxlen is not None and maxlen < 0:
        raise ValueError(f"expected maxlen to be None or an integer from 0 on. Received: maxlen={maxlen}")
    rows = [_as_row(sequence, position, dtype) for position, sequence in enumerate(_listed(sequences))]
    length = max((len(row) for row in rows), default=0) if maxlen is None else maxlen
    sample_shape = next((row.shape[1:] for row in rows if len(row)), ())
    result = np.full((len(rows), length, *sample_shape), value, dtype=dtype)
    for position, row in enumerate(rows):
        kept = row[max(0, len(row) - length) :] if truncating == "pre" else row[:length]
        if not len(kept):
            continue
        if kept.shape[1:] != sample_shape:
            raise ValueError(
                f"expected sequences to hold entries of one shape, {sample_shape} as in the first. "
                f"Received: shape {kept.shape[1:]} at position {position}"
            )
        start = length - len(kept) if padding == "pre" else 0
        result[position, start : start + len(kept)] = kept
    return result


def _listed(sequences: Iterable[Any]) -> list[Any]:
    if not isinstance(sequences, Iterable):
        raise ValueError(f"expected sequences to be a list of sequences. Received: sequences={sequences!r}")
    return list(sequences)


def _as_row(sequence: Any, position: int, dtype: Any) -> np.ndarray:
    if not hasattr(sequence, "__len__"):
        raise ValueError(
            f"expected sequences to hold sequences. Received: {sequence!r} at position {position}"
        )
    return np.asarray(sequence, dtype=dtype)
