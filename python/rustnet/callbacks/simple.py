"""Callbacks from functions, against NaN, and into a CSV file."""

from __future__ import annotations

import csv
import math
import os
import warnings
from collections.abc import Callable
from typing import Any, TextIO

from rustnet.callbacks.callback import Callback, Logs
from rustnet.utils.progress import print_line

HOOKS = [name for name in vars(Callback) if name.startswith("on_")]


class LambdaCallback(Callback):
    """A callback from functions.

    Arguments:
        hooks: by the names of the hooks, e.g. `on_epoch_end=lambda epoch, logs: ...`; hooks of a batch or
            epoch get its index and the logs, the others the logs.

    Raises:
        ValueError: a name that is no hook.

    Example:
        >>> LambdaCallback(on_epoch_begin=lambda epoch, logs: print(f"epoch {epoch}")).on_epoch_begin(3, {})
        epoch 3

    Source: https://keras.io/api/callbacks/lambda_callback/
    """

    def __init__(self, **hooks: Callable[..., Any] | None) -> None:
        super().__init__()
        unknown = [name for name in hooks if name not in HOOKS]
        if unknown:
            raise ValueError(
                f"LambdaCallback expected hooks among {', '.join(HOOKS)}. Received: {', '.join(unknown)}"
            )
        for name, function in hooks.items():
            if function is not None:
                setattr(self, name, function)


class TerminateOnNaN(Callback):
    """Stops training after a batch whose loss is NaN or infinite.

    Arguments:
        raise_error: True to raise a RuntimeError instead, default False.

    Example:
        >>> TerminateOnNaN().needs_every_batch
        True

    Source: https://keras.io/api/callbacks/terminate_on_nan/
    """

    def __init__(self, raise_error: bool = False) -> None:
        super().__init__()
        self.raise_error = raise_error

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        loss = (logs or {}).get("loss")
        if loss is None or math.isfinite(loss):
            return
        if self.raise_error:
            raise RuntimeError(f"expected a finite loss of batch {batch}. Received: loss={loss}")
        print_line(f"Batch {batch}: the loss is {loss}, training stops.")
        self.model.stop_training = True


class CSVLogger(Callback):
    """Writes the metrics of each epoch as a row of a CSV file.

    The columns are `epoch` and the metrics of the first epoch, and where `fit` validates, but not in that
    epoch (`validation_freq`), their `val_` forms. What an epoch lacks reads `NA`; a file that is appended to
    keeps the columns of its header.

    Arguments:
        filename: of the file.
        separator: default `","`.
        append: True to add to a file that exists, default False: it is replaced.

    Example:
        >>> import pathlib, tempfile
        >>> path = pathlib.Path(tempfile.mkdtemp(), "log.csv")
        >>> logger = CSVLogger(path); logger.on_train_begin()
        >>> logger.on_epoch_end(0, {"loss": 0.5}); logger.on_train_end()
        >>> path.read_text().split()
        ['epoch,loss', '0,0.5']

    Source: https://keras.io/api/callbacks/csv_logger/
    """

    def __init__(self, filename: str | os.PathLike[str], separator: str = ",", append: bool = False) -> None:
        super().__init__()
        self.filename = os.fspath(filename)
        self.separator = separator
        self.append = append
        self.file: TextIO | None = None
        self.keys: list[str] | None = None

    def on_train_begin(self, logs: Logs = None) -> None:
        self._close()
        self.keys = self._header() if self.append else None
        self._needs_header, self._has_row = self.keys is None, False
        self.file = open(self.filename, "a" if self.append else "w", newline="", encoding="utf-8")

    def _header(self) -> list[str] | None:
        """The metrics in the first line of a file that is there and not empty."""
        if not os.path.exists(self.filename):
            return None
        with open(self.filename, newline="", encoding="utf-8") as file:
            names = next(csv.reader(file, delimiter=self.separator), None)
        return names and names[1:]

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        logs = logs or {}
        if self.file is None:
            raise RuntimeError("CSVLogger writes between on_train_begin and on_train_end.")
        if self.keys is None:
            self.keys = sorted(logs)
            if getattr(self.model, "_validates", False) and not any(
                key.startswith("val_") for key in self.keys
            ):
                self.keys += [f"val_{key}" for key in self.keys]
        if not self._needs_header and not self._has_row:
            left_out = sorted(set(logs) - set(self.keys))
            if left_out:
                warnings.warn(
                    f"CSVLogger adds to '{self.filename}', which has no column for {', '.join(left_out)}.",
                    stacklevel=2,
                )
        self._has_row = True
        writer = csv.writer(self.file, delimiter=self.separator)
        if self._needs_header:
            writer.writerow(["epoch", *self.keys])
            self._needs_header = False
        writer.writerow([epoch, *(logs.get(key, "NA") for key in self.keys)])
        self.file.flush()

    def on_train_end(self, logs: Logs = None) -> None:
        self._close()

    def __getstate__(self) -> dict[str, Any]:
        # An open file stays with this process.
        return {**vars(self), "file": None}

    def _close(self) -> None:
        if self.file is not None:
            self.file.close()
        self.file = None
