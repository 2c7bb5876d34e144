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
from rustnet.core.trace import Trace

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


def convolutions(shape: tuple[int | None, ...]) -> Any:
    model = rustnet.Sequential(
        [
            layers.Input(shape),
            layers.Conv1D(128, 3, padding="same", activation="relu"),
            layers.Conv1D(128, 3, padding="same"),
            layers.GlobalAveragePooling1D(),
            layers.Dense(1),
        ]
    )
    model.compile("adam", "mse")
    return model


def training_on_lengths(largest_alone: bool) -> Any:
    model = convolutions((None, 8))
    # From short to long and back: each batch must be cast.
    for length in [300] if largest_alone else [*range(20, 300, 14), *range(300, 20, -31)]:
        model.train_on_batch(np.ones((32, length, 8)), np.ones(32))
    return model


def batches_of_all_sizes(largest_alone: bool) -> Any:
    model = convolutions((100, 8))
    for rows in [128] if largest_alone else range(4, 129, 4):
        model.train_on_batch(np.ones((rows, 100, 8)), np.ones(rows))
    return model


def predictions_of_lengths(largest_alone: bool) -> Any:
    model = rustnet.Sequential([layers.Input((None, 8)), layers.Conv1D(16, 3), layers.GlobalMaxPooling1D()])
    x = np.ones((16, 10_100, 8))
    # More lengths than programs are kept.
    for length in [10_100] if largest_alone else range(10_000, 10_101):
        model.predict(x[:, :length], verbose=0)
    return model


def constants(largest_alone: bool) -> Any:
    table = np.random.default_rng(0).normal(size=(1000, 1000)).astype("float32")

    class Encoding(layers.Layer):
        def call(self, inputs):
            return inputs + rustnet.ops.convert_to_tensor(table)[:1, :]

    model = rustnet.Sequential([layers.Input((1000,)), Encoding()])
    for rows in [40] if largest_alone else range(1, 41):
        model.predict(np.ones((rows, 1000)), verbose=0)
    return model


def needed(use: Callable[[bool], Any], largest_alone: bool) -> int:
    """Bytes by which `use` grows a process that has run a model before."""
    make_model().fit(X, Y, batch_size=16, verbose=0)
    before = resident()
    kept = use(largest_alone)
    grown = resident() - before
    del kept
    return grown


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="the system does not tell")
@pytest.mark.parametrize(
    "use",
    [training_on_lengths, batches_of_all_sizes, predictions_of_lengths, constants],
    ids=lambda use: use.__name__,
)
def test_programs_of_one_model_share_memory(use):
    grown = []
    for largest_alone in (True, False):
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as processes:
            grown.append(processes.submit(needed, use, largest_alone).result())
    # Four megabytes for the plans of up to 64 programs.
    assert grown[1] < 2 * grown[0] + (4 << 20), grown


def faults_of_steps() -> int:
    """Page faults of steps of two sizes in turns, once each has run."""
    import resource

    model = convolutions((100, 8))
    batches = [(np.ones((rows, 100, 8)), np.ones(rows)) for rows in (128, 64)]

    def steps(count: int) -> None:
        for index in range(count):
            model.train_on_batch(*batches[index % 2])

    steps(20)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    steps(20)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="the system does not tell")
def test_steps_of_several_programs_touch_no_new_memory():
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as processes:
        # The arena of either has thousands of pages.
        assert processes.submit(faults_of_steps).result() < 200


def test_a_check_recorded_late_does_not_keep_updates_from_being_in_place():
    size = 100_000
    variable = rustnet.Variable(np.zeros(size, "float32"))
    trace = Trace()
    y = trace.input("float32", [8])

    def record() -> Any:
        variable.assign_add(rustnet.ops.ones(size))
        return rustnet.losses.hinge(y, rustnet.ops.ones(8))

    # With a copy of the new content, the arena would be as large as the variable.
    assert trace.compile([trace.call(record)]).arena_bytes < size
