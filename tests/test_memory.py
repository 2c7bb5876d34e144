"""Memory: what is used once is used again, and what a program never touches takes up none."""

from __future__ import annotations

import gc
import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy as np
import pytest

import rustnet
from rustnet import layers

X = np.random.default_rng(0).normal(size=(64, 20)).astype("float32")
Y = np.random.default_rng(1).normal(size=(64, 1)).astype("float32")


def resident() -> int:
    """Bytes of memory that this process has in use."""
    gc.collect()
    with open("/proc/self/statm") as status:
        return int(status.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def make_model() -> Any:
    model = rustnet.Sequential(
        [layers.Input((20,)), layers.Dense(64, activation="relu"), layers.Dropout(0.1), layers.Dense(1)]
    )
    model.compile("adam", "mse", metrics=["mae"])
    return model


def training() -> Callable[[], Any]:
    return lambda: make_model().fit(X, Y, batch_size=16, verbose=0)


def prediction() -> Callable[[], Any]:
    model = make_model()
    return lambda: model.predict(X[:5], verbose=0)


def call() -> Callable[[], Any]:
    model = make_model()
    return lambda: model(X[:5])


def growth(make: Callable[[], Callable[[], Any]], times: int) -> int:
    """Bytes by which `times` runs grow this process, after as many that it starts with."""
    run = make()
    for _ in range(times):
        run()
    before = resident()
    for _ in range(times):
        run()
    return resident() - before


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="the system does not tell")
@pytest.mark.parametrize(
    "make, times", [(training, 50), (prediction, 2000), (call, 2000)], ids=["training", "prediction", "call"]
)
def test_memory_does_not_grow(make, times):
    # In a process of its own: in this one, other frameworks' threads and caches grow as they like.
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as processes:
        # Half a megabyte is 10 kB a training and 250 bytes a prediction; the arena of one program has more.
        assert processes.submit(growth, make, times).result() < 1 << 19
