"""The progress bar of `fit`, `evaluate` and `predict`."""

from __future__ import annotations

from typing import Any

from rustnet.callbacks.callback import Callback, Logs
from rustnet.utils.progress import ProgressBar, print_line


class ProgbarLogger(Callback):
    """Shows the steps of an epoch, and the metrics, on standard output; validation inside `fit` is silent.

    Example:
        >>> bar = ProgbarLogger(); bar.set_params({"verbose": 0, "epochs": 1, "steps": 10})
        >>> bar.on_train_begin(); bar.on_epoch_begin(0); bar.on_epoch_end(0, {"loss": 0.5})

    Source: https://keras.io/api/callbacks/
    """

    # It draws every 50 ms at most.
    needs_every_batch = False

    def __init__(self) -> None:
        super().__init__()
        self._bar: ProgressBar | None = None
        self._in_fit = False

    def on_train_begin(self, logs: Logs = None) -> None:
        self._in_fit = True

    def on_train_end(self, logs: Logs = None) -> None:
        self._in_fit = False

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        epochs = self.params.get("epochs") or 1
        if self.params.get("verbose", "auto") != 0 and epochs > 1:
            print_line(f"Epoch {epoch + 1}/{epochs}")
        self._start()

    def on_test_begin(self, logs: Logs = None) -> None:
        if not self._in_fit:
            self._start()

    def on_predict_begin(self, logs: Logs = None) -> None:
        self._start()

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        self._update(batch, logs)

    def on_test_batch_end(self, batch: int, logs: Logs = None) -> None:
        if not self._in_fit:
            self._update(batch, logs)

    def on_predict_batch_end(self, batch: int, logs: Logs = None) -> None:
        self._update(batch, None)

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        self._finish(logs)

    def on_test_end(self, logs: Logs = None) -> None:
        if not self._in_fit:
            self._finish(logs)

    def on_predict_end(self, logs: Logs = None) -> None:
        self._finish(None)

    def _start(self) -> None:
        self._bar = ProgressBar(self.params.get("steps"), self.params.get("verbose", "auto"))

    def _update(self, batch: int, logs: Logs) -> None:
        if self._bar is not None:
            self._bar.update(batch + 1, logs)

    def _finish(self, logs: Any) -> None:
        if self._bar is None:
            return
        self._bar.finish(logs)
        self._bar = None
