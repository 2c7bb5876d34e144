"""rustnet, and Keras on each of its backends: the same program, timed through `fit`."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable
from typing import Any

from workloads import Workload


def trainer(module: str, workload: Workload) -> Callable[[], float]:
    """A function that trains one epoch and returns its seconds; the model has been warmed up."""
    api: Any = importlib.import_module(module)
    x, y = workload.data()
    model = workload.model(api)

    class EpochTimer(api.callbacks.Callback):
        seconds = 0.0
        start = 0.0

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            self.start = time.perf_counter()

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            self.seconds = time.perf_counter() - self.start

    timer = EpochTimer()

    def train() -> float:
        # The first epoch of a call to `fit` pays for its setup; the second one is a steady state.
        model.fit(x, y, batch_size=workload.batch_size, epochs=2, verbose=0, callbacks=[timer])
        return timer.seconds

    train()
    return train
