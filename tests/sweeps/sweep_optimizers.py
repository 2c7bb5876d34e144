"""Optimizers with random options beside Keras: twenty steps each, then weights and state.

`python tests/sweeps/sweep_optimizers.py [cases] [seed]` runs as many cases as wanted and prints what differs.
"""

from __future__ import annotations

import os
import sys
from typing import Any

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(__file__), os.pardir))

from oracle import keras  # noqa: E402
from rustnet import Variable, optimizers  # noqa: E402

OWN: dict[str, dict[str, list[Any]]] = {
    "SGD": {"momentum": [0.0, 0.5, 0.9], "nesterov": [False, True]},
    "RMSprop": {
        "rho": [0.9, 0.5],
        "momentum": [0.0, 0.9],
        "epsilon": [1e-7, 1e-2],
        "centered": [False, True],
    },
    "Adam": {"beta_1": [0.9, 0.0], "beta_2": [0.999, 0.5], "epsilon": [1e-7, 1e-2], "amsgrad": [False, True]},
    "AdamW": {"weight_decay": [0.004, 0.1], "beta_1": [0.9, 0.5], "amsgrad": [False, True]},
    "Adagrad": {"initial_accumulator_value": [0.1, 0.0, 1.0], "epsilon": [1e-7, 1e-2]},
    "Adadelta": {"rho": [0.95, 0.5], "epsilon": [1e-7, 1e-2]},
    "Adamax": {"beta_1": [0.9, 0.5], "beta_2": [0.999, 0.5], "epsilon": [1e-7, 1e-2]},
    "Nadam": {"beta_1": [0.9, 0.5], "beta_2": [0.999, 0.5], "epsilon": [1e-7, 1e-2]},
}
CLIPS: list[dict[str, float]] = [{}, {}, {"clipnorm": 0.5}, {"clipvalue": 0.3}, {"global_clipnorm": 1.0}]
AVERAGES: list[dict[str, Any]] = [
    {},
    {},
    {"use_ema": True, "ema_momentum": 0.9},
    {"use_ema": True, "ema_momentum": 0.5, "ema_overwrite_frequency": 3},
]
SHAPES = [(3, 4), (4,), (), (2, 3, 2)]
STEPS = 20


def draw(random: np.random.Generator, options: list[Any]) -> Any:
    return options[random.integers(len(options))]


def case(random: np.random.Generator) -> tuple[str, dict[str, Any]]:
    """A class and its arguments."""
    name = draw(random, list(OWN))
    arguments = {key: draw(random, values) for key, values in OWN[name].items()}
    if name != "AdamW":
        arguments["weight_decay"] = draw(random, [None, None, 0.01])
    schedule = draw(random, [None, None, "ExponentialDecay", "CosineDecay"])
    rate = draw(random, [0.001, 0.1])
    arguments["learning_rate"] = rate if schedule is None else (schedule, rate)
    arguments["loss_scale_factor"] = draw(random, [None, None, 16.0])
    return name, {**arguments, **draw(random, CLIPS), **draw(random, AVERAGES)}


def make(library: Any, name: str, arguments: dict[str, Any]) -> Any:
    rate = arguments["learning_rate"]
    if isinstance(rate, tuple):
        schedule = getattr(library.schedules, rate[0])
        rate = schedule(rate[1], 7, 0.5)
    return getattr(library, name)(**{**arguments, "learning_rate": rate})


def difference(random: np.random.Generator, name: str, arguments: dict[str, Any]) -> str | None:
    """Where weights or state differ after twenty steps, or None."""
    ours, theirs = make(optimizers, name, arguments), make(keras.optimizers, name, arguments)
    start = [random.normal(size=shape).astype("float32") for shape in SHAPES]
    weights = [Variable(value) for value in start]
    expected = [keras.Variable(value) for value in start]
    for _ in range(STEPS):
        gradients = [random.normal(size=shape).astype("float32") for shape in SHAPES]
        ours.apply(gradients, weights)
        theirs.apply([keras.ops.convert_to_tensor(gradient) for gradient in gradients], expected)
    ours.finalize_variable_values(weights)
    theirs.finalize_variable_values(expected)
    state, known = list(ours.variables), list(theirs.variables)
    if len(state) != len(known):
        return f"{len(state)} variables, Keras {len(known)}"
    for index, (a, b) in enumerate(zip([*weights, *state], [*expected, *known], strict=True)):
        if not np.allclose(a.numpy(), np.asarray(b), rtol=1e-4, atol=1e-5):
            return f"variable {index} {a.name}: {a.numpy().tolist()}, Keras {np.asarray(b).tolist()}"
    return None


def sweep(cases: int, seed: int) -> list[str]:
    """What differs."""
    random = np.random.default_rng(seed)
    found = []
    for _ in range(cases):
        name, arguments = case(random)
        text = difference(random, name, arguments)
        if text is not None:
            found.append(f"{name} {arguments}: {text}")
    return found


if __name__ == "__main__":
    count, seed = (int(value) for value in [*sys.argv[1:], *["100", "0"][len(sys.argv) - 1 :]])
    print("\n".join(text[:600] for text in sweep(count, seed)))
