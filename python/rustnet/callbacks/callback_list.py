"""The callbacks of one call of `fit`, `evaluate` or `predict`, called as one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rustnet.callbacks.callback import BATCH_HOOKS, Callback, Logs, plain_logs
from rustnet.callbacks.history import History
from rustnet.callbacks.progbar_logger import ProgbarLogger


class CallbackList(Callback):
    """Calls each hook of several callbacks, with the logs sorted by name and as floats.

    Arguments:
        callbacks: a callback, or a list of them.
        add_history: adds a `History` where there is none, default False.
        add_progbar: adds a `ProgbarLogger` where there is none, default False.
        model: set on each of them.
        params: `verbose`, `epochs`, `steps`.

    Example:
        >>> from rustnet.callbacks import LambdaCallback
        >>> hooks = CallbackList(LambdaCallback(on_epoch_end=lambda epoch, logs: print(epoch, logs)))
        >>> hooks.on_epoch_end(0, {"loss": 1, "accuracy": 0.5})
        0 {'accuracy': 0.5, 'loss': 1.0}

    Source: https://keras.io/api/callbacks/
    """

    def __init__(
        self,
        callbacks: Any = None,
        add_history: bool = False,
        add_progbar: bool = False,
        model: Any = None,
        **params: Any,
    ) -> None:
        super().__init__()
        self.callbacks = list(_flat(callbacks))
        for callback in self.callbacks:
            if not isinstance(callback, Callback):
                raise ValueError(
                    "expected callbacks to be instances of Callback. "
                    f"Received: {callback!r} of type {type(callback).__name__}"
                )
        self.history: Any = None
        self._watching: list[Callback] | None = None
        # The callbacks' methods for each hook, without those that do nothing.
        self._methods: dict[str, list[Any]] = {}
        if self.callbacks or add_history or add_progbar:
            self._add_defaults(add_history, add_progbar)
        if model is not None:
            self.set_model(model)
        self.set_params(params)

    def _add_defaults(self, add_history: bool, add_progbar: bool) -> None:
        self.history = next((each for each in self.callbacks if isinstance(each, History)), None)
        if self.history is None and add_history:
            self.history = History()
            self.callbacks.append(self.history)
        if add_progbar and not any(isinstance(each, ProgbarLogger) for each in self.callbacks):
            self.callbacks.append(ProgbarLogger())

    def append(self, callback: Callback) -> None:
        self.callbacks.append(callback)
        self._watching = None
        self._methods = {}

    def set_model(self, model: Any) -> None:
        super().set_model(model)
        if self.history is not None:
            model.history = self.history
        for callback in self.callbacks:
            callback.set_model(model)

    def set_params(self, params: dict[str, Any]) -> None:
        super().set_params(params)
        if params:
            for callback in self.callbacks:
                callback.set_params(params)

    def _see_batches(self) -> list[Callback]:
        """The callbacks that do something after or before a batch."""
        if self._watching is None:
            self._watching = [one for one in self.callbacks if any(map(one.overrides, BATCH_HOOKS))]
        return self._watching

    @property
    def sees_batches(self) -> bool:
        """Whether a callback looks at batches at all."""
        return bool(self._see_batches())

    @property
    def needs_batches(self) -> bool:
        """Whether a callback must see every batch, so that batches cannot be run many at once."""
        return any(callback.needs_every_batch for callback in self._see_batches())

    def _call(self, hook: str, *position: int, logs: Logs) -> None:
        methods = self._methods.get(hook)
        if methods is None:
            methods = [getattr(one, hook) for one in self.callbacks if one.overrides(hook)]
            self._methods[hook] = methods
        if methods:
            plain = plain_logs(logs)
            for method in methods:
                # Hooks of scripts may lack the default, or the name, of the last argument.
                method(*position, plain)

    def on_train_begin(self, logs: Logs = None) -> None:
        self._call("on_train_begin", logs=logs)

    def on_train_end(self, logs: Logs = None) -> None:
        self._call("on_train_end", logs=logs)

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        self._call("on_epoch_begin", epoch, logs=logs)

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        self._call("on_epoch_end", epoch, logs=logs)

    def on_batch_begin(self, batch: int, logs: Logs = None) -> None:
        self._call("on_batch_begin", batch, logs=logs)

    def on_batch_end(self, batch: int, logs: Logs = None) -> None:
        self._call("on_batch_end", batch, logs=logs)

    def on_train_batch_begin(self, batch: int, logs: Logs = None) -> None:
        self._call("on_train_batch_begin", batch, logs=logs)

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        self._call("on_train_batch_end", batch, logs=logs)

    def on_test_begin(self, logs: Logs = None) -> None:
        self._call("on_test_begin", logs=logs)

    def on_test_end(self, logs: Logs = None) -> None:
        self._call("on_test_end", logs=logs)

    def on_test_batch_begin(self, batch: int, logs: Logs = None) -> None:
        self._call("on_test_batch_begin", batch, logs=logs)

    def on_test_batch_end(self, batch: int, logs: Logs = None) -> None:
        self._call("on_test_batch_end", batch, logs=logs)

    def on_predict_begin(self, logs: Logs = None) -> None:
        self._call("on_predict_begin", logs=logs)

    def on_predict_end(self, logs: Logs = None) -> None:
        self._call("on_predict_end", logs=logs)

    def on_predict_batch_begin(self, batch: int, logs: Logs = None) -> None:
        self._call("on_predict_batch_begin", batch, logs=logs)

    def on_predict_batch_end(self, batch: int, logs: Logs = None) -> None:
        self._call("on_predict_batch_end", batch, logs=logs)


def _flat(callbacks: Any) -> Iterable[Any]:
    if callbacks is None:
        return
    if isinstance(callbacks, (list, tuple)):
        for each in callbacks:
            yield from _flat(each)
    else:
        yield callbacks
