"""Checks of what `fit`, `evaluate` and `predict` are told, each with an error that names the argument."""

from __future__ import annotations

from typing import Any


def count(value: Any, name: str, least: int = 1) -> int:
    """An int of at least `least`."""
    if isinstance(value, bool) or not hasattr(value, "__index__") or value.__index__() < least:
        raise ValueError(f"expected {name} to be an int of {least} or more. Received: {name}={value!r}")
    return int(value.__index__())


def batch_size_for(batch_size: Any, steps: Any, rows: int) -> int:
    """The batch size: as given, else so that `steps` batches cover the rows, else 32."""
    if batch_size is not None:
        return count(batch_size, "batch_size")
    if steps is not None:
        return max(1, -(-rows // count(steps, "steps")))
    return 32


def verbosity(verbose: Any) -> int:
    """0, 1 or 2; `"auto"` is 1."""
    if verbose == "auto":
        return 1
    if verbose in (0, 1, 2):
        return int(verbose)
    raise ValueError(f"expected verbose to be 0, 1, 2 or 'auto'. Received: verbose={verbose!r}")


def no_rows(rows: int) -> None:
    if rows == 0:
        raise ValueError("expected at least one sample. Received: x with 0 rows")
