"""What is done around training steps must not slow them: `python benches/around_a_step.py [--rounds N]`.

A row is a loop of steps with something done around each, and the same loop without. Both are measured in
turn in one process; the figures are microseconds a step, medians of the rounds, and the median of the
rounds' ratios.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import rustnet
from rustnet import layers
from tables import figure, markdown

Loop = Callable[[], int]

GENERATOR = np.random.default_rng(0)
FEATURES = 64
PIXELS = 784
X = GENERATOR.normal(size=(2000, FEATURES)).astype("float32")
Y = X.sum(axis=1, keepdims=True)


class Nothing(rustnet.callbacks.Callback):
    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        pass


class Note(rustnet.callbacks.Callback):
    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.model.last_batch = batch


def dense(units: int = 256, features: int = FEATURES) -> Any:
    model = rustnet.Sequential(
        [layers.Input((features,)), layers.Dense(units, activation="relu"), layers.Dense(1)]
    )
    model.compile("adam", "mse")
    return model


def fit(model: Any, x: Any, y: Any, batch_size: int, callback: Any) -> int:
    callbacks = [] if callback is None else [callback]
    model.fit(x, y, batch_size=batch_size, callbacks=callbacks, verbose=0)
    return -(-len(x) // batch_size)


def note_on_the_model() -> tuple[Loop, Loop]:
    model = dense(64)
    return lambda: fit(model, X, Y, 1, Nothing()), lambda: fit(model, X, Y, 1, Note())


def callback_over_many_rows() -> tuple[Loop, Loop]:
    model = dense()
    x = GENERATOR.normal(size=(2_000_000, FEATURES)).astype("float32")
    y = x.sum(axis=1, keepdims=True)
    return lambda: fit(model, x, y, 256, None), lambda: fit(model, x, y, 256, Nothing())


def layer_made_at_each_step() -> tuple[Loop, Loop]:
    model = dense()

    def loop(at_each_step: bool) -> int:
        # The same layers are made either way.
        starts = range(0, len(X), 200)
        if not at_each_step:
            for _ in starts:
                layers.Dense(3)
        for start in starts:
            if at_each_step:
                layers.Dense(3)
            model.train_on_batch(X[start : start + 200], Y[start : start + 200])
        return len(starts)

    return lambda: loop(False), lambda: loop(True)


def trainable_to_and_fro() -> tuple[Loop, Loop]:
    """Two models that share a layer, as those of a generative adversarial network do."""
    critic = dense(features=PIXELS)
    inputs = rustnet.Input((FEATURES,))
    critic.trainable = False
    both = rustnet.Model(inputs, critic(layers.Dense(PIXELS, activation="tanh")(inputs)))
    both.compile("adam", "mse")
    critic.trainable = True
    critic.compile("adam", "mse")

    images = GENERATOR.normal(size=(len(X), PIXELS)).astype("float32")

    def loop(toggles: bool) -> int:
        for start in range(0, len(X), 200):
            rows = slice(start, start + 200)
            if toggles:
                critic.trainable = True
            critic.train_on_batch(images[rows], Y[rows])
            if toggles:
                critic.trainable = False
            both.train_on_batch(X[rows], Y[rows])
        return 2 * (len(X) // 200)

    return lambda: loop(False), lambda: loop(True)


CASES: dict[str, Callable[[], tuple[Loop, Loop]]] = {
    "a callback notes something on the model, beside one that does nothing; batches of 1": note_on_the_model,
    "a callback that does nothing, 2·10⁶ shuffled rows, batches of 256": callback_over_many_rows,
    "an unrelated layer is made, beside as many made before": layer_made_at_each_step,
    "`trainable` is set to and fro, two models": trainable_to_and_fro,
}


def microseconds(loop: Loop) -> float:
    """The time of a step, over a quarter of a second or more."""
    steps, start = 0, time.perf_counter()
    while time.perf_counter() < start + 0.25:
        steps += loop()
    return 1e6 * (time.perf_counter() - start) / steps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    rows = [["around each step", "without, µs", "with, µs", "ratio"]]
    for name, make in CASES.items():
        without, around = make()
        microseconds(without), microseconds(around)
        pairs = [(microseconds(without), microseconds(around)) for _ in range(rounds)]
        plain, changed = (statistics.median(column) for column in zip(*pairs, strict=True))
        ratio = statistics.median(with_it / without_it for without_it, with_it in pairs)
        rows.append([name, figure(plain), figure(changed), f"{ratio:.2f}"])
    print(markdown(rows))


if __name__ == "__main__":
    main()
