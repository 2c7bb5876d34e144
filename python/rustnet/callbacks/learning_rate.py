"""Callbacks that change the learning rate between epochs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from rustnet.callbacks.callback import Callback, Logs
from rustnet.callbacks.monitor import MonitorCallback
from rustnet.utils.progress import print_line


class LearningRateScheduler(Callback):
    """Sets the learning rate before each epoch.

    Arguments:
        schedule: a function of the epoch's index and the present learning rate (or of the epoch alone) that
            returns the new one as a float.
        verbose: 1 to print it, default 0.

    Raises:
        ValueError: the function returned something else than a float.

    Example:
        >>> scheduler = LearningRateScheduler(lambda epoch, rate: rate if epoch < 10 else rate * 0.9)
        >>> scheduler.schedule(10, 1.0)
        0.9

    Source: https://keras.io/api/callbacks/learning_rate_scheduler/
    """

    def __init__(self, schedule: Callable[..., Any], verbose: int = 0) -> None:
        super().__init__()
        self.schedule = schedule
        self.verbose = verbose

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        optimizer = self.model.optimizer
        try:
            rate = self.schedule(epoch, float(optimizer.learning_rate))
        except TypeError:
            rate = self.schedule(epoch)
        if not isinstance(rate, (float, np.floating)):
            raise ValueError(
                "expected the schedule of LearningRateScheduler to return a float. "
                f"Received: {rate!r} of type {type(rate).__name__}"
            )
        optimizer.learning_rate = rate
        if self.verbose:
            print_line(f"\nEpoch {epoch + 1}: LearningRateScheduler sets the learning rate to {rate}.")

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if logs is not None:
            logs["learning_rate"] = float(self.model.optimizer.learning_rate)


class ReduceLROnPlateau(MonitorCallback):
    """Multiplies the learning rate by a factor when a metric has not improved for some epochs.

    Arguments:
        monitor: the metric's name in the logs, default `"val_loss"`.
        factor: below 1, default 0.1.
        patience: epochs without improvement after which the rate is reduced, default 10.
        verbose: 1 to print it, default 0.
        mode: `"min"`, `"max"` or `"auto"` (default).
        min_delta: the least change that counts as an improvement, default 1e-4.
        cooldown: epochs after a reduction that are not watched, default 0.
        min_lr: the least rate, default 0.

    Raises:
        ValueError: a factor of 1 or more, or another mode.

    Example:
        >>> ReduceLROnPlateau(factor=0.2, patience=5, min_lr=0.001).factor
        0.2

    Source: https://keras.io/api/callbacks/reduce_lr_on_plateau/
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        verbose: int = 0,
        mode: str = "auto",
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
    ) -> None:
        super().__init__(monitor, mode, min_delta=min_delta)
        if not 0 < factor < 1:
            raise ValueError(f"expected factor to be above 0 and below 1. Received: factor={factor!r}")
        self.factor = factor
        self.patience = patience
        self.verbose = verbose
        self.cooldown = cooldown
        self.min_lr = min_lr
        self.on_train_begin()

    def on_train_begin(self, logs: Logs = None) -> None:
        self.best = None
        self.wait = 0
        self.cooldown_counter = 0

    def in_cooldown(self) -> bool:
        return self.cooldown_counter > 0

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        logs = {} if logs is None else logs
        current = self.current(logs)
        logs["learning_rate"] = float(self.model.optimizer.learning_rate)
        if current is None:
            return
        if self.in_cooldown():
            self.cooldown_counter -= 1
            self.wait = 0
        if self.improves(current, self.best):
            self.best = current
            self.wait = 0
        elif not self.in_cooldown():
            self.wait += 1
            if self.wait >= self.patience and self._reduce(epoch):
                self.cooldown_counter = self.cooldown
                self.wait = 0

    def _reduce(self, epoch: int) -> bool:
        optimizer = self.model.optimizer
        old = float(optimizer.learning_rate)
        # The variable is float32: compared as such, the least rate is not reduced again and again.
        if old <= np.float32(self.min_lr):
            return False
        rate = max(old * self.factor, self.min_lr)
        optimizer.learning_rate = rate
        if self.verbose:
            print_line(f"\nEpoch {epoch + 1}: ReduceLROnPlateau reduces the learning rate to {rate}.")
        return True
