"""Stops training when a metric no longer improves."""

from __future__ import annotations

from typing import Any

from rustnet.callbacks.callback import Logs
from rustnet.callbacks.monitor import MonitorCallback
from rustnet.utils.progress import print_line


class EarlyStopping(MonitorCallback):
    """Stops training when a metric has not improved for some epochs.

    Arguments:
        monitor: the metric's name in the logs, default `"val_loss"`.
        min_delta: the least change that counts as an improvement, default 0.
        patience: epochs without improvement after which training stops, default 0.
        verbose: 1 to print when it stops, default 0.
        mode: `"min"`, `"max"` or `"auto"` (default).
        baseline: a value to be better than, default none.
        restore_best_weights: True to end with the weights of the best epoch, default False.
        start_from_epoch: the first epoch that is watched, default 0.

    Raises:
        ValueError: another mode; in training, `"auto"` with a metric whose direction is not known.

    Example:
        >>> stopping = EarlyStopping(monitor="val_loss", patience=3, restore_best_weights=True)
        >>> stopping.patience
        3

    Source: https://keras.io/api/callbacks/early_stopping/
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0,
        patience: int = 0,
        verbose: int = 0,
        mode: str = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
    ) -> None:
        super().__init__(monitor, mode, min_delta=min_delta)
        self.patience = patience
        self.verbose = verbose
        self.baseline = baseline
        self.restore_best_weights = restore_best_weights
        self.start_from_epoch = start_from_epoch
        self.on_train_begin()

    def on_train_begin(self, logs: Logs = None) -> None:
        self.wait = 0
        self.stopped_epoch = 0
        self.best = None
        self.best_epoch = 0
        self.best_weights: list[Any] | None = None

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        current = self.current(logs)
        if current is None or epoch < self.start_from_epoch:
            return
        if self.restore_best_weights and self.best_weights is None:
            # Until one is better, the first is the best, even if it is NaN.
            self.best_weights = self.model.get_weights()
            self.best_epoch = epoch
        self.wait += 1
        if self.improves(current, self.best):
            self.best = current
            self.best_epoch = epoch
            if self.restore_best_weights:
                self.best_weights = self.model.get_weights()
            if self.baseline is None or self.improves(current, self.baseline):
                self.wait = 0
            return
        if self.wait >= self.patience and epoch > 0:
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def on_train_end(self, logs: Logs = None) -> None:
        if self.stopped_epoch > 0 and self.verbose:
            print_line(f"Epoch {self.stopped_epoch + 1}: early stopping")
        if self.restore_best_weights and self.best_weights is not None:
            if self.verbose:
                print_line(f"Restoring the weights of the best epoch: {self.best_epoch + 1}.")
            self.model.set_weights(self.best_weights)
