"""What callbacks that watch one metric share: which direction is better, and by how much."""

from __future__ import annotations

import operator
import warnings

from rustnet.callbacks.callback import Callback, Logs


class MonitorCallback(Callback):
    """Base of callbacks that watch whether a metric improves.

    Arguments:
        monitor: the metric's name in the logs, default `"val_loss"`.
        mode: `"min"` if smaller is better, `"max"` if larger is, `"auto"` (default) to ask the metric.
        min_delta: the least change that counts, default 0.
        baseline: the value to beat at first, default none.

    Raises:
        ValueError: another mode; in training, `"auto"` with a metric whose direction is not known.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        mode: str = "auto",
        baseline: float | None = None,
        min_delta: float = 0,
    ) -> None:
        super().__init__()
        if mode not in ("auto", "min", "max"):
            raise ValueError(f"expected mode to be 'auto', 'min' or 'max'. Received: mode={mode!r}")
        self.monitor = monitor
        self.mode = mode
        self.best = baseline
        self.min_delta = abs(min_delta)

    def improves(self, value: float, reference: float | None) -> bool:
        """Whether `value` is better than `reference` by more than `min_delta`."""
        larger_is_better = self.larger_is_better()
        if reference is None:
            return True
        if larger_is_better:
            return value - self.min_delta > reference
        return value + self.min_delta < reference

    def larger_is_better(self) -> bool:
        if self.mode != "auto":
            return self.mode == "max"
        name = self.monitor.removeprefix("val_")
        if name == "loss" or name.endswith("_loss"):
            return False
        name_of = getattr(self.model, "_metric_name", operator.attrgetter("name"))
        for metric in getattr(self.model, "metrics", ()):
            if name_of(metric) == name and getattr(metric, "_direction", None):
                return metric._direction == "up"
        raise ValueError(
            f"{type(self).__name__} expected a mode that says whether a larger '{self.monitor}' is better: "
            f"pass mode='max' or mode='min'. Received: monitor={self.monitor!r}, mode='auto'"
        )

    def current(self, logs: Logs) -> float | None:
        """The watched value, or None with a warning where the logs lack it."""
        value = (logs or {}).get(self.monitor)
        if value is None:
            warnings.warn(
                f"{type(self).__name__} watches '{self.monitor}', which is not among the metrics: "
                f"{', '.join(logs or {})}.",
                stacklevel=3,
            )
        return value
