"""What `fit` returns: the metrics of each epoch."""

from __future__ import annotations

import weakref
from collections.abc import Callable
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

    # Not among the other attributes, which the model keeps: see `KeptHistory`.
    __slots__ = ("_model",)

    @property
    def model(self) -> Any:
        return self._model

    @model.setter
    def model(self, model: Any) -> None:
        self._model = model

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


class KeptHistory:
    """A `History` as its model keeps it: without the way back to the model, which would be a circle.

    The history itself is made again, of the same attributes, where nobody has it any more.
    """

    def __init__(self, history: History) -> None:
        self._class = type(history)
        self._attributes = vars(history)
        self._living: Callable[[], History | None] = weakref.ref(history)

    def of(self, model: Any) -> History:
        history = self._living()
        if history is None:
            history = self._class.__new__(self._class)
            history.__dict__ = self._attributes
            history.model = model
            self._living = weakref.ref(history)
        return history

    def __getstate__(self) -> tuple[type[History], dict[str, Any]]:
        return self._class, self._attributes

    def __setstate__(self, state: tuple[type[History], dict[str, Any]]) -> None:
        self._class, self._attributes = state
        self._living = _nobody


def _nobody() -> None:
    return None
