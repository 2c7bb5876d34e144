"""The base class of callbacks, and the list that calls them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Logs = Mapping[str, Any] | None

# The hooks that are called for each batch; `on_batch_begin` and `on_batch_end` are older names for training.
BATCH_HOOKS = (
    "on_train_batch_begin",
    "on_train_batch_end",
    "on_batch_begin",
    "on_batch_end",
    "on_test_batch_begin",
    "on_test_batch_end",
    "on_predict_batch_begin",
    "on_predict_batch_end",
)


# What the hooks call by default.
_OLDER_NAMES = {"on_train_batch_begin": "on_batch_begin", "on_train_batch_end": "on_batch_end"}


class Callback:
    """Base class of callbacks: hooks that `fit`, `evaluate` and `predict` call.

    Attributes:
        model: the model, which also has `model.stop_training` and `model.optimizer`.
        params: a dictionary with `verbose`, `epochs` and `steps`.

    `logs` holds the metrics as floats, sorted by name: the running means of the epoch after a batch, and
    those of the whole epoch, with `val_` before the names of the validation's, at its end. A callback that
    overrides no hook of a batch lets the engine run many batches in one go.

    Example:
        >>> class Announce(Callback):
        ...     def on_epoch_end(self, epoch, logs=None):
        ...         print(f"epoch {epoch}: loss {logs['loss']:.2f}")
        >>> Announce().on_epoch_end(0, {"loss": 0.25})
        epoch 0: loss 0.25

    Source: https://keras.io/api/callbacks/base_callback/
    """

    # False where it is enough to see some of the batches, as for a progress bar.
    needs_every_batch = True

    def __init__(self) -> None:
        self.model: Any = None
        self.params: dict[str, Any] = {}

    def set_model(self, model: Any) -> None:
        self.model = model

    def set_params(self, params: dict[str, Any]) -> None:
        self.params = params

    def on_train_begin(self, logs: Logs = None) -> None:
        """At the beginning of `fit`."""

    def on_train_end(self, logs: Logs = None) -> None:
        """At the end of `fit`, with the logs of the last epoch."""

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """Before the epoch of this index, from 0."""

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """After the epoch of this index and its validation."""

    def on_batch_begin(self, batch: int, logs: Logs = None) -> None:
        """The older name of `on_train_batch_begin`."""

    def on_batch_end(self, batch: int, logs: Logs = None) -> None:
        """The older name of `on_train_batch_end`."""

    def on_train_batch_begin(self, batch: int, logs: Logs = None) -> None:
        """Before the training batch of this index, from 0 in each epoch."""
        self.on_batch_begin(batch, logs)

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        """After the training batch of this index."""
        self.on_batch_end(batch, logs)

    def on_test_begin(self, logs: Logs = None) -> None:
        """At the beginning of `evaluate`, and of the validation in `fit`."""

    def on_test_end(self, logs: Logs = None) -> None:
        """At the end of `evaluate`, and of the validation in `fit`."""

    def on_test_batch_begin(self, batch: int, logs: Logs = None) -> None:
        """Before an evaluation batch."""

    def on_test_batch_end(self, batch: int, logs: Logs = None) -> None:
        """After an evaluation batch."""

    def on_predict_begin(self, logs: Logs = None) -> None:
        """At the beginning of `predict`."""

    def on_predict_end(self, logs: Logs = None) -> None:
        """At the end of `predict`."""

    def on_predict_batch_begin(self, batch: int, logs: Logs = None) -> None:
        """Before a prediction batch."""

    def on_predict_batch_end(self, batch: int, logs: Logs = None) -> None:
        """After a prediction batch."""

    def overrides(self, hook: str) -> bool:
        """Whether this callback does anything in that hook."""
        if getattr(getattr(self, hook), "__func__", None) is not getattr(Callback, hook):
            return True
        return hook in _OLDER_NAMES and self.overrides(_OLDER_NAMES[hook])


def plain_logs(logs: Logs) -> dict[str, Any]:
    """The logs sorted by name, with numbers as floats; nested dictionaries are merged into one."""
    if not logs:
        return {}
    flat: dict[str, Any] = {}
    for name, value in logs.items():
        if type(value) is float:
            flat[name] = value
        elif isinstance(value, Mapping):
            flat.update(plain_logs(value))
        elif getattr(value, "ndim", 0):
            # Predictions of a batch; a metric with a value for each class.
            flat[name] = value
        else:
            try:
                flat[name] = float(value)
            except (TypeError, ValueError):
                flat[name] = value
    return {name: flat[name] for name in sorted(flat)}
