"""Ctrl-C, threads, forked processes, a closed standard output: training goes on, or stops and can resume."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from typing import Any

import numpy as np
import pytest

import rustnet
from rustnet import layers

X = np.random.default_rng(0).normal(size=(4096, 64)).astype("float32")
Y = np.random.default_rng(1).integers(0, 10, 4096)


def make_model(units: int = 32) -> Any:
    model = rustnet.Sequential(
        [
            layers.Input((64,)),
            layers.Dense(units, activation="relu"),
            layers.Dropout(0.1),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def trained_weights(seed: int) -> list[np.ndarray]:
    rustnet.utils.set_random_seed(seed)
    model = make_model()
    model.fit(X, Y, batch_size=32, epochs=3, verbose=0)
    return model.get_weights()


@pytest.fixture
def interruptible():
    """Python's own answer to SIGINT, also where the tests run in the background and inherit another."""
    inherited = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, inherited)


@pytest.mark.parametrize("delay", [0.05, 0.3, 0.6])
def test_an_interrupt_leaves_a_usable_model(interruptible, delay):
    model = make_model()
    model.fit(X[:64], Y[:64], verbose=0)
    sent = []

    def interrupt() -> None:
        time.sleep(delay)
        sent.append(time.perf_counter())
        os.kill(os.getpid(), signal.SIGINT)

    timer = threading.Thread(target=interrupt)
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, Y, batch_size=32, epochs=100_000, verbose=0)
    waited = time.perf_counter() - sent[0]
    timer.join()
    # The engine lets Python look every 100 ms; the rest is for a busy machine.
    assert waited < 2.0
    assert all(np.isfinite(weight).all() for weight in model.get_weights())
    np.testing.assert_allclose(model.predict(X, verbose=0).sum(axis=1), 1.0, rtol=1e-5)
    assert np.isfinite(model.fit(X, Y, verbose=0).history["loss"]).all()


def test_a_callback_that_raises_leaves_a_usable_model():
    class Stop(Exception):
        pass

    class Raising(rustnet.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            if batch == 3:
                raise Stop

    model = make_model()
    with pytest.raises(Stop):
        model.fit(X, Y, verbose=0, callbacks=[Raising()])
    model.fit(X, Y, verbose=0)


def test_two_models_train_in_two_threads():
    """Two models get the weights in two threads that they get one after the other."""

    def pair() -> list[Any]:
        rustnet.utils.set_random_seed(7)
        return [make_model(), make_model(48)]

    def train(model: Any, part: slice) -> None:
        model.fit(X[part], Y[part], batch_size=50, epochs=4, shuffle=False, verbose=0)

    parts = [slice(0, 1000), slice(1000, 3000)]
    serial, parallel = pair(), pair()
    for model, part in zip(serial, parts, strict=True):
        train(model, part)
    threads = [threading.Thread(target=train, args=pair) for pair in zip(parallel, parts, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one, other in zip(serial, parallel, strict=True):
        for actual, expected in zip(other.get_weights(), one.get_weights(), strict=True):
            np.testing.assert_array_equal(actual, expected)


def test_many_threads_predict_with_one_model():
    model = make_model()
    expected = model.predict(X[:256], verbose=0)
    results: list[Any] = [None] * 8

    def predict(index: int) -> None:
        results[index] = model.predict(X[:256], verbose=0)

    threads = [threading.Thread(target=predict, args=(index,)) for index in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for result in results:
        np.testing.assert_array_equal(result, expected)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork.*:DeprecationWarning")
def test_a_forked_child_predicts_and_trains():
    model = make_model()
    model.fit(X, Y, verbose=0)
    expected = model.predict(X, verbose=0), trained_weights(seed=3)
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)

    def work() -> None:
        sender.send((model.predict(X, verbose=0), trained_weights(seed=3)))

    child = context.Process(target=work, daemon=True)
    child.start()
    assert receiver.poll(60), "the child hangs"
    predictions, weights = receiver.recv()
    child.join(60)
    np.testing.assert_array_equal(predictions, expected[0])
    for actual, wanted in zip(weights, expected[1], strict=True):
        np.testing.assert_array_equal(actual, wanted)


def test_a_broken_standard_output_does_not_stop_training():
    script = """
import numpy as np, rustnet, sys
model = rustnet.Sequential([rustnet.Input((4,)), rustnet.layers.Dense(1)])
model.compile("sgd", "mse")
model.fit(np.zeros((64, 4)), np.zeros((64, 1)), epochs=50)
sys.stderr.write("trained")
sys.stderr.flush()
import os
os._exit(0)
"""
    reader, writer = os.pipe()
    os.close(reader)
    process = subprocess.run(
        [sys.executable, "-c", script], stdout=writer, stderr=subprocess.PIPE, timeout=60
    )
    os.close(writer)
    assert process.stderr.decode() == "trained"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system does not fork")
def test_a_process_forked_while_a_thread_trains_has_a_model_that_works():
    model = make_model()
    model.fit(X[:64], Y[:64], verbose=0)
    stop = threading.Event()

    class StopWhenAsked(rustnet.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = stop.is_set()

    def train() -> None:
        model.fit(X, Y, batch_size=32, epochs=100_000, verbose=0, callbacks=[StopWhenAsked()])

    def use_it() -> None:
        assert all(np.isfinite(weight).all() for weight in model.get_weights())
        np.testing.assert_allclose(model.predict(X[:100], verbose=0).sum(axis=1), 1.0, rtol=1e-5)
        np.testing.assert_allclose(np.sum(model(X[:5]), axis=1), 1.0, rtol=1e-5)
        model.set_weights(model.get_weights())
        assert np.isfinite(model.fit(X[:256], Y[:256], verbose=0).history["loss"]).all()

    training = threading.Thread(target=train)
    training.start()
    children = []
    try:
        for _ in range(9):
            time.sleep(0.03)
            child = os.fork()
            if child == 0:
                try:
                    use_it()
                    os._exit(0)
                finally:
                    os._exit(1)
            children.append(child)
        # Two processors and nine children with two threads each: a child that hangs never ends.
        deadline = time.monotonic() + 60
        codes: dict[int, int] = {}
        while len(codes) < len(children) and time.monotonic() < deadline:
            for child in children:
                if child not in codes and (ended := os.waitpid(child, os.WNOHANG))[0]:
                    codes[child] = os.waitstatus_to_exitcode(ended[1])
            time.sleep(0.01)
    finally:
        for child in children:
            if child not in codes:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
        stop.set()
        training.join(30)
    assert [codes.get(child, "hangs") for child in children] == [0] * len(children)
    # The parent's training was not disturbed.
    assert all(np.isfinite(weight).all() for weight in model.get_weights())
