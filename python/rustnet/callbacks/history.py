"""What `fit` returns: the metrics of each epoch."""

from __future__ import annotations

from typing import Any

from rustnet.callbacks.callback import Callback, Logs

_LONG_NAMES = {
    "acc": "accuracy",
    "mae": "mean_absolute_error",
    "mse": "mean_squared_error",
    "mape": "mean_absolute_percentage_error",
    "msle": "mean_squared_logarithmic_error",
    "bce": "binary_crossentropy",
    "kld": "kl_divergence",
}
_OTHER_NAMES = {**_LONG_NAMES, **{long: short for short, long in _LONG_NAMES.items()}}


class Metrics(dict[str, list[Any]]):
    """Lists by the metrics' names; a metric is also found by the other of its two usual names.

    `history["acc"]` finds `accuracy`, and `history["val_mean_absolute_error"]` finds `val_mae`, where the
    name asked for is not there itself. Keys, iteration and `in` know the names of `compile` only.
    """

    def __missing__(self, name: str) -> list[Any]:
        prefix = "val_" if name.startswith("val_") else ""
        other = prefix + _OTHER_NAMES.get(name[len(prefix) :], "")
        if other in self:
            return self[other]
        raise KeyError(name)


class History(Callback):
    """Records the metrics of each epoch; `fit` adds one and returns it.

    Attributes:
        history: lists by the metrics' names, one value for each epoch.
        epoch: the indices of the epochs.
        params: `verbose`, `epochs`, `steps`.

    Example:
        >>> from rustnet.models import Model
        >>> history = History(); history.set_model(Model()); history.on_train_begin()
        >>> history.on_epoch_end(0, {"accuracy": 0.5}); history.history["acc"]
        [0.5]

    Source: https://keras.io/api/callbacks/
    """

    def __init__(self) -> None:
        super().__init__()
        self.history: dict[str, list[Any]] = Metrics()
        self.epoch: list[int] = []

    def on_train_begin(self, logs: Logs = None) -> None:
        self.epoch = []

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            # setdefault, and not [], so that a second name gets its own list.
            self.history.setdefault(name, []).append(value)
        if getattr(self.model, "history", None) is not self:
            self.model.history = self
