"""Checks of what `fit`, `evaluate` and `predict` are told, each with an error that names the argument."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np


def count(value: Any, name: str, least: int = 1) -> int:
    """An int of at least `least`."""
    if isinstance(value, bool) or not hasattr(value, "__index__") or value.__index__() < least:
        raise ValueError(f"expected {name} to be an int of {least} or more. Received: {name}={value!r}")
    return int(value.__index__())


def optional_count(value: Any, name: str) -> int | None:
    return None if value is None else count(value, name)


def batch_size_for(batch_size: Any, steps: int | None, rows: int) -> int:
    """The batch size: as given, else so that `steps` batches cover the rows, else 32."""
    if batch_size is not None:
        return count(batch_size, "batch_size")
    if steps is not None:
        return max(1, -(-rows // steps))
    return 32


def verbosity(verbose: Any) -> int:
    """0, 1 or 2; `"auto"` is 1."""
    if verbose == "auto":
        return 1
    if verbose in (0, 1, 2):
        return int(verbose)
    raise ValueError(f"expected verbose to be 0, 1, 2 or 'auto'. Received: verbose={verbose!r}")


def check_execution(run_eagerly: Any, steps: Any, jit_compile: Any, auto_scale_loss: Any) -> None:
    """The arguments of `compile` that say how steps are run."""
    for name, flag in (("run_eagerly", run_eagerly), ("auto_scale_loss", auto_scale_loss)):
        if not isinstance(flag, (bool, np.bool_)):
            raise ValueError(f"expected {name} to be True or False. Received: {name}={flag!r}")
    if not (isinstance(jit_compile, bool) or jit_compile == "auto"):
        raise ValueError(
            f"expected jit_compile to be True, False or 'auto'. Received: jit_compile={jit_compile!r}"
        )
    count(steps, "steps_per_execution")


def check_frequency(validation_freq: Any) -> None:
    """An int from 1 on, or a collection of epochs."""
    if not isinstance(validation_freq, (list, tuple, set)):
        count(validation_freq, "validation_freq")


def batches_alone(**others: Any) -> None:
    """Batches that arrive one by one come with their targets, weights and size."""
    given = [name for name, value in others.items() if value is not None]
    if given:
        raise ValueError(
            "expected a generator alone: it gives batches (x, y) or (x, y, sample_weight). "
            f"Received: also {', '.join(given)}"
        )


def no_rows(rows: int) -> None:
    if rows == 0:
        raise ValueError("expected at least one sample. Received: x with 0 rows")


def ran_out(taken: int, steps: int | None) -> None:
    """Warns of an epoch that ended early."""
    wanted = "a whole pass" if steps is None else f"{steps} steps"
    warnings.warn(f"The data ran out: expected {wanted}. Received: {taken} batches", stacklevel=2)
