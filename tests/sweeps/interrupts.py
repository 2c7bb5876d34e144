"""An interrupt at every line of a first `fit`: what it leaves must be whole, and train to the same bits.

`python tests/sweeps/interrupts.py [--model NAME] [--first N] [--step N]` tries every `step`-th line from the
first on; the tests take a sample. A failure prints the number of the line event, which `--first` repeats.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

import rustnet
from rustnet import layers
from rustnet.core.trace import current_trace
from rustnet.training.isolation import _running

X = np.random.default_rng(0).normal(size=(6, 3)).astype("float32")
Y = X.sum(axis=1, keepdims=True)


class Block(layers.Layer):
    """A layer of layers, one of which it builds itself."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = layers.Dense(2, activation="relu")
        self.norm = layers.LayerNormalization()

    def build(self, input_shape: Any) -> None:
        self.inner.build(input_shape)
        self.kernel = self.add_weight(shape=(2, 2))

    def call(self, x: Any) -> Any:
        return self.norm(self.inner(x) @ self.kernel)


class Subclassed(rustnet.Model):
    def __init__(self) -> None:
        super().__init__()
        self.block = Block()
        self.out = layers.Dense(1)

    def call(self, x: Any) -> Any:
        return self.out(self.block(x))


def deferred() -> Any:
    return rustnet.Sequential([layers.Dense(2), layers.BatchNormalization(), layers.Dense(1)])


def functional() -> Any:
    inputs = rustnet.Input((3,))
    hidden = layers.Dense(2, activation="tanh")(inputs)
    return rustnet.Model(inputs, {"a": layers.Dense(1)(hidden), "b": Block()(hidden)})


# Each with the targets and the metrics of its outputs.
MODELS: dict[str, tuple[Callable[[], Any], Any, Any]] = {
    "deferred": (deferred, Y, ["mae"]),
    "functional": (functional, {"a": Y, "b": np.tile(Y, (1, 2))}, {"a": ["mae"], "b": ["mse"]}),
    "subclassed": (Subclassed, Y, ["mae"]),
}


class Sweep:
    """What a first `fit` gives when nothing interrupts it, and the check of one that is interrupted."""

    def __init__(self, name: str) -> None:
        self._make, self._targets, self._metrics = MODELS[name]
        reference = self._compiled(self._make())
        reference.predict(X, verbose=0)
        self._first = reference.get_weights()
        self._fit(reference)
        self._trained = reference.get_weights()
        # The first time, modules are imported and caches filled.
        self._interrupted(self._compiled(self._make()), sys.maxsize)
        self.lines, _ = self._interrupted(self._compiled(self._make()), sys.maxsize)

    def check(self, line: int) -> bool:
        """Interrupts a first `fit` at its `line`-th line; False where it ended before."""
        model = self._compiled(self._make())
        _, struck = self._interrupted(model, line)
        assert current_trace() is None
        assert _running.get() == ()
        assert float(rustnet.ops.add(1.0, 2.0)) == 3.0
        model.predict(X, verbose=0)
        self._check_training(self._compiled(model))
        fresh = self._compiled(self._make())
        fresh.predict(X, verbose=0)
        self._check_training(fresh)
        return struck

    def _check_training(self, model: Any) -> None:
        assert len(model.weights) == len(self._first), f"{len(model.weights)} weights"
        model.set_weights(self._first)
        self._fit(model)
        for actual, expected in zip(model.get_weights(), self._trained, strict=True):
            np.testing.assert_array_equal(actual, expected)

    def _compiled(self, model: Any) -> Any:
        model.compile(rustnet.optimizers.Adam(0.01), "mse", metrics=self._metrics)
        return model

    def _fit(self, model: Any) -> None:
        model.fit(X, self._targets, batch_size=4, shuffle=False, verbose=0)

    def _interrupted(self, model: Any, line: int) -> tuple[int, bool]:
        """The number of lines that a `fit` ran, and whether it was interrupted at the `line`-th."""
        lines = 0

        def trace(frame: Any, event: str, argument: Any) -> Any:
            nonlocal lines
            if "rustnet" not in frame.f_code.co_filename:
                return None
            if event == "line":
                lines += 1
                if lines == line:
                    raise KeyboardInterrupt
            return trace

        before = sys.gettrace()
        sys.settrace(trace)
        try:
            self._fit(model)
        except KeyboardInterrupt:
            return lines, True
        finally:
            sys.settrace(before)
        return lines, False


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", choices=MODELS, action="append")
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--step", type=int, default=1)
    arguments = parser.parse_args()
    # An interrupt within a generator that is dropped is not raised, only shown.
    sys.unraisablehook = lambda unraisable: None
    for name in arguments.model or MODELS:
        sweep = Sweep(name)
        print(f"{name}: {sweep.lines} lines", flush=True)
        failures = 0
        for line in range(arguments.first, sweep.lines + 1, arguments.step):
            try:
                sweep.check(line)
            except Exception as error:
                failures += 1
                print(f"{name}, line {line}: {type(error).__name__}: {str(error)[:200]}", flush=True)
        print(f"{name}: {failures} failures", flush=True)


if __name__ == "__main__":
    main()
