"""What the hyperparameters of optimizers may be: checks that return the value as it is kept, or raise."""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable
from typing import Any

import numpy as np

Check = Callable[[str, Any], Any]


def _checked(name: str, value: Any, expected: str, fits: Callable[[float], bool]) -> float:
    if isinstance(value, bool) or not isinstance(value, numbers.Real) or not fits(float(value)):
        raise ValueError(f"expected {name} to be {expected}. Received: {name}={value!r}")
    return float(value)


def fraction(name: str, value: Any) -> float:
    """A decay rate or momentum, in [0, 1]."""
    return _checked(name, value, "a number in [0, 1]", lambda number: 0.0 <= number <= 1.0)


def beta(name: str, value: Any) -> float:
    """The decay rate of an average that is corrected for its start by `1 - betaᵗ`: in [0, 1)."""
    return _checked(name, value, "a number in [0, 1)", lambda number: 0.0 <= number < 1.0)


def amount(name: str, value: Any) -> float:
    """A finite number of 0 or more."""
    return _checked(name, value, "a finite number of 0 or more", lambda number: 0.0 <= number < math.inf)


def limit(name: str, value: Any) -> float:
    """A number above 0."""
    return _checked(name, value, "a number above 0", lambda number: number > 0.0)


def factor(name: str, value: Any) -> float:
    """A finite number above 0."""
    return _checked(name, value, "a finite number above 0", lambda number: 0.0 < number < math.inf)


def count(name: str, value: Any) -> int:
    """An int of 1 or more."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < 1:
        raise ValueError(f"expected {name} to be an int of 1 or more. Received: {name}={value!r}")
    return int(value)


def flag(name: str, value: Any) -> bool:
    """True or False."""
    if not isinstance(value, (bool, np.bool_, int)) or value not in (0, 1):
        raise ValueError(f"expected {name} to be True or False. Received: {name}={value!r}")
    return bool(value)


def unsupported(name: str, value: Any) -> None:
    """None, since nothing else is supported."""
    if value is not None:
        raise ValueError(
            f"expected no {name}, which is not offered: use a larger batch. Received: {name}={value!r}"
        )


def optional(check: Check) -> Check:
    """None, or what passes the check."""
    return lambda name, value: None if value is None else check(name, value)


def learning_rate(name: str, value: Any) -> float:
    """A finite number of 0 or more; a tensor or array of one element counts as a number."""
    try:
        rate = math.nan if isinstance(value, (bool, str)) else float(value)
    except (TypeError, ValueError):
        rate = math.nan
    if not 0.0 <= rate < math.inf:
        raise ValueError(
            f"expected {name} to be a finite number of 0 or more, a LearningRateSchedule or a function. "
            f"Received: {name}={value!r}"
        )
    return rate
