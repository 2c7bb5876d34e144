"""rustnet, and Keras on each of its backends: the same program."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from peers import Measurement
from timing import Stopwatch, calls
from workloads import Workload


def api_of(peer: str) -> Any:
    return importlib.import_module("rustnet" if peer == "rustnet" else "keras")


def trainer(peer: str, workload: Workload) -> Measurement:
    """Trains through `fit`, with shuffling and metrics."""
    api = api_of(peer)
    x, y = workload.data()
    model = workload.model(api)
    stopwatch = Stopwatch()
    measured: dict[str, float] = {}

    def on_epoch_end(epoch: int, logs: Any = None) -> None:
        """Times from the end of the first epoch, which pays for the setup of `fit`, to that of the last."""
        nonlocal stopwatch, measured
        if epoch == 0:
            stopwatch = Stopwatch()
        elif epoch == workload.epochs:
            measured = stopwatch.training(workload.steps * workload.epochs)

    timer = api.callbacks.LambdaCallback(on_epoch_end=on_epoch_end)

    def fit(epochs: int) -> None:
        model.fit(x, y, batch_size=workload.batch_size, epochs=epochs, verbose=0, callbacks=[timer])

    def measure() -> dict[str, float]:
        fit(1 + workload.epochs)
        return measured

    fit(1)
    return measure


def predictor(peer: str, workload: Workload, inputs: dict[int, np.ndarray]) -> Measurement:
    """Predicts with NumPy arrays in and out: with Keras by its fastest way, with rustnet by all of them."""
    model = workload.model(api_of(peer))
    ways = {"predict_on_batch": model.predict_on_batch}
    if peer == "rustnet":
        ways = {"model(x)": model, **ways, "predict": lambda x: model.predict(x, len(x), verbose=0)}
    return calls(ways, inputs)
