"""How a result of rustnet is compared with that of Keras on JAX, for sweeps over many calls.

A sweep makes cases from a seed, computes each with both libraries, and keeps what differs. A difference that
is meant has an entry, with its reason, in a table of the sweep; any other is a fault.
"""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "jax")

import numpy as np

from rustnet.core import structure

Array = np.ndarray


@dataclass
class Outcome:
    """What a call gave: its arrays, or the error that it raised."""

    arrays: list[Array] | None
    error: BaseException | None = None

    def __str__(self) -> str:
        if self.arrays is None:
            first = (str(self.error).splitlines() or [""])[0]
            return f"{type(self.error).__name__}: {first[:160]}"
        return "; ".join(f"{array.dtype}{list(array.shape)} {_short(array)}" for array in self.arrays)


@dataclass
class Case:
    """One call, to be made with each library; `name` groups cases and finds them in the table of reasons."""

    name: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    def __str__(self) -> str:
        parts = [*map(_shown, self.args), *(f"{key}={_shown(value)}" for key, value in self.kwargs.items())]
        return f"{self.name}({', '.join(parts)})"

    def arrays(self) -> list[Array]:
        return [leaf for leaf in structure.flatten((self.args, self.kwargs)) if isinstance(leaf, np.ndarray)]


@dataclass
class Difference:
    case: Case
    what: str
    ours: Outcome
    theirs: Outcome

    def __str__(self) -> str:
        return f"{self.case}\n  {self.what}\n  ours:  {self.ours}\n  Keras: {self.theirs}"


# For which cases of which names (None: of any) a difference is meant, and why.
@dataclass
class Reason:
    why: str
    names: frozenset[str] | None
    applies: Callable[[Difference], bool]


def outcome(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Outcome:
    """Calls a function of either library."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            result = function(*args, **kwargs)
            leaves = structure.flatten(result) if isinstance(result, (list, tuple, dict)) else [result]
            return Outcome([np.asarray(leaf) for leaf in leaves])
        except Exception as error:
            return Outcome(None, error)


def compare(
    case: Case,
    ours: Outcome,
    theirs: Outcome,
    rtol: float = 2e-5,
    atol: float = 1e-6,
    checks_dtypes: bool = True,
) -> Difference | None:
    """The first thing in which two outcomes differ: errors, number, shape, dtype, special values, values.

    `atol` counts in units of the largest finite element, or of 1 if that is greater.
    """

    def differ(what: str) -> Difference:
        return Difference(case, what, ours, theirs)

    if ours.arrays is None or theirs.arrays is None:
        if ours.arrays is None and theirs.arrays is None:
            return None
        return differ("only ours raises" if ours.arrays is None else "only Keras raises")
    if len(ours.arrays) != len(theirs.arrays):
        return differ("another number of results")
    for one, other in zip(ours.arrays, theirs.arrays, strict=True):
        if one.shape != other.shape:
            return differ("another shape")
        if checks_dtypes and one.dtype != other.dtype:
            return differ("another dtype")
        if not _is_close(one, other, rtol, atol):
            return differ("other values")
    return None


def _is_close(one: Array, other: Array, rtol: float, atol: float) -> bool:
    if one.dtype.kind != "f" and other.dtype.kind != "f":
        return bool(np.array_equal(one, other))
    one, other = one.astype("float64"), other.astype("float64")
    if not np.array_equal(np.isnan(one), np.isnan(other)):
        return False
    finite = np.abs(other[np.isfinite(other)])
    scale = max(1.0, finite.max(initial=0.0))
    with np.errstate(invalid="ignore", over="ignore"):
        return bool(np.allclose(one, other, rtol=rtol, atol=atol * scale, equal_nan=True))


@dataclass
class Report:
    """What a sweep found: differences without a reason, and how often each reason was needed."""

    cases: int
    faults: list[Difference]
    reasons: Counter[str]

    def __str__(self) -> str:
        lines = [f"{self.cases} cases, {len(self.faults)} differences without a reason"]
        lines += [str(fault) for fault in self.faults]
        lines += [f"{count:6} {why}" for why, count in self.reasons.most_common()]
        return "\n".join(lines)


def sweep(
    cases: Iterable[Case],
    differences: Callable[[Case], Iterator[Difference]],
    reasons: Iterable[Reason],
    most_faults: int = 500,
) -> Report:
    """Compares case by case."""
    report = Report(0, [], Counter())
    reasons = list(reasons)
    for case in cases:
        report.cases += 1
        for difference in differences(case):
            for reason in reasons:
                if (reason.names is None or case.name in reason.names) and reason.applies(difference):
                    report.reasons[reason.why] += 1
                    break
            else:
                report.faults.append(difference)
        if len(report.faults) >= most_faults:
            break
    return report


def _short(array: Array) -> str:
    text = np.array2string(array, threshold=24, separator=",", precision=7).replace("\n", "")
    return text if len(text) < 300 else text[:300] + "…"


def _shown(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype}{list(value.shape)}{_short(value)}"
    if isinstance(value, (list, tuple)):
        return type(value).__name__ + "(" + ", ".join(map(_shown, value)) + ")"
    return repr(value)
