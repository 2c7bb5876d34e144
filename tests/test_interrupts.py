"""Interrupts, exceptions and threads while a model is built: it is whole afterwards, and made once."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

import rustnet
from rustnet import layers
from sweeps.interrupts import MODELS, Sweep, X

# Lines of the first fit that are tried of each model, spread over all of them; the sweep tries every one.
SAMPLE = 40


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("name", MODELS)
def test_an_interrupt_at_any_line_of_the_first_fit_leaves_a_whole_model(name):
    sweep = Sweep(name)
    struck = sum(sweep.check(line) for line in np.linspace(1, sweep.lines, SAMPLE, dtype=int).tolist())
    assert struck >= SAMPLE - 2


def test_a_build_that_raises_leaves_the_layer_as_it_was():
    class Own(layers.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.kernels: list[Any] = []
            self.inner = layers.Dense(2)
            self.fails = True

        def build(self, input_shape: Any) -> None:
            self.inner.build(input_shape)
            self.kernels.append(self.add_weight(shape=(2,), name="first"))
            if self.fails:
                raise RuntimeError("not now")
            self.kernels.append(self.add_weight(shape=(2,), name="second"))

        def call(self, x: Any) -> Any:
            return self.inner(x) + self.kernels[0] + self.kernels[1]

    layer = Own()
    for _ in range(2):
        with pytest.raises(RuntimeError, match="not now"):
            layer(X)
        assert not layer.built and not layer.inner.built
        assert layer.weights == [] and layer.kernels == []
    layer.fails = False
    assert layer(X).shape == (6, 2)
    assert len(layer.weights) == 4


def together(count: int, run: Any) -> None:
    """Runs a function in several threads that begin at the same time; raises what one of them raised."""
    barrier = threading.Barrier(count)
    errors: list[BaseException] = []

    def work(index: int) -> None:
        barrier.wait()
        try:
            run(index)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(index,)) for index in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


@pytest.mark.parametrize("name", MODELS)
def test_threads_that_call_a_new_model_at_once_make_its_weights_once(name):
    make, _, _ = MODELS[name]
    expected = make()
    expected.predict(X, verbose=0)
    for _ in range(10):
        model = make()
        together(8, lambda index, m=model: m(X) if index % 2 else m.predict(X, verbose=0))
        assert len(model.weights) == len(expected.weights)


def test_threads_that_call_a_new_layer_at_once_make_its_weights_once():
    for _ in range(20):
        layer = layers.Dense(3)
        together(8, lambda _, one=layer: one(X))
        assert len(layer.weights) == 2


def test_a_model_that_is_built_elsewhere_does_not_hold_up_a_forked_child():
    import multiprocessing
    import os

    if not hasattr(os, "fork"):
        pytest.skip("this system has no fork")
    inside, leave = threading.Event(), threading.Event()

    class Slow(layers.Layer):
        def build(self, input_shape: Any) -> None:
            inside.set()
            leave.wait(30)

        def call(self, x: Any) -> Any:
            return x

    thread = threading.Thread(target=lambda: Slow()(X))
    thread.start()
    inside.wait(30)
    receiver, sender = multiprocessing.get_context("fork").Pipe(duplex=False)
    child = multiprocessing.get_context("fork").Process(
        target=lambda: sender.send(rustnet.Sequential([layers.Dense(2)]).predict(X, verbose=0).shape)
    )
    child.start()
    answered = receiver.poll(30)
    leave.set()
    thread.join()
    if not answered:
        child.kill()
    assert answered, "the child hangs"
    assert receiver.recv() == (6, 2)
    child.join(30)
