"""What measurements share: timing training and calls, and what the system says about the process."""

from __future__ import annotations

import resource
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from peers import Measurement

SECONDS_OF_CALLS = 0.3
# A processor that has rested needs a tenth of a second until it works as it does in a long training.
SECONDS_OF_TRAINING = 0.5


def page_faults() -> int:
    """Pages that the system has given to this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt


def peak_megabytes() -> float:
    """The largest resident memory that this process has had; Linux says it in KiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


class Stopwatch:
    """Milliseconds and page faults between two moments."""

    def __init__(self) -> None:
        self.faults = page_faults()
        self.start = time.perf_counter()

    def training(self, steps: int) -> dict[str, float]:
        """The time and the faults of a step, and what memory the process has needed."""
        milliseconds = 1000 * (time.perf_counter() - self.start) / steps
        faults = (page_faults() - self.faults) / steps
        return {"milliseconds": milliseconds, "faults": faults, "megabytes": peak_megabytes()}


def for_a_while(measure: Measurement) -> Measurement:
    """Measures again and again until a training's seconds are over: the mean of each number."""

    def mean() -> dict[str, float]:
        end = time.perf_counter() + SECONDS_OF_TRAINING
        samples = [measure()]
        while time.perf_counter() < end:
            samples.append(measure())
        return {name: statistics.fmean(sample[name] for sample in samples) for name in samples[0]}

    return mean


def calls(ways: dict[str, Callable[[Any], Any]], inputs: dict[int, Any]) -> Measurement:
    """Measures the microseconds of one call, for each way to call and each batch size: the median of many."""

    def microseconds(call: Callable[[Any], Any], x: Any) -> float:
        samples: list[float] = []
        end = time.perf_counter() + SECONDS_OF_CALLS
        while time.perf_counter() < end or len(samples) < 3:
            start = time.perf_counter()
            call(x)
            samples.append(1e6 * (time.perf_counter() - start))
        return statistics.median(samples)

    for call in ways.values():
        for x in inputs.values():
            call(x)
            call(x)
    return lambda: {
        f"{batch} {way}": microseconds(call, x) for way, call in ways.items() for batch, x in inputs.items()
    }
