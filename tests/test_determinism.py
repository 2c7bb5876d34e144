"""The same seed gives the same bits: on every run, and at any number of threads."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import rustnet
from rustnet import layers


def dense() -> Any:
    return [
        layers.Input((300,)),
        layers.Dense(200, activation="relu"),
        layers.BatchNormalization(),
        layers.Dropout(0.3),
        layers.Dense(10, activation="softmax"),
    ]


def convolutional() -> Any:
    return [
        layers.Input((300,)),
        layers.Reshape((10, 10, 3)),
        layers.Conv2D(32, 3, activation="relu", padding="same"),
        layers.MaxPooling2D(2),
        layers.Conv2D(48, 3, activation="relu"),
        layers.AveragePooling2D(2),
        layers.Flatten(),
        layers.Dense(10, activation="softmax"),
    ]


def recurrent() -> Any:
    return [
        layers.Input((300,)),
        layers.Reshape((20, 15)),
        layers.Bidirectional(layers.LSTM(24, return_sequences=True)),
        layers.LayerNormalization(),
        layers.GRU(24, dropout=0.2),
        layers.Dense(10, activation="softmax"),
    ]


def embedding() -> Any:
    return [
        layers.Input((300,)),
        layers.Embedding(50, 16),
        layers.Conv1D(32, 5, activation="relu"),
        layers.GlobalMaxPooling1D(),
        layers.Dense(10, activation="softmax"),
    ]


STACKS = [dense, convolutional, recurrent, embedding]


@pytest.fixture
def threads():
    """Sets the number of threads; the former number is set again at the end."""
    before = rustnet.config.get_num_threads()
    yield rustnet.config.set_num_threads
    rustnet.config.set_num_threads(before)


def train(stack: Any, seed: int = 5) -> dict[str, list[bytes]]:
    """Everything that two epochs of training leave behind, as bytes."""
    generator = np.random.default_rng(0)
    x = generator.integers(0, 50, (150, 300)).astype("float32")
    y = generator.integers(0, 10, 150)
    rustnet.utils.set_random_seed(seed)
    model = rustnet.Sequential(stack())
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(x, y, batch_size=64, epochs=2, validation_split=0.2, verbose=0)
    return {
        "weights": [weight.tobytes() for weight in model.get_weights()],
        "history": [np.float64(value).tobytes() for values in history.history.values() for value in values],
        "predictions": [model.predict(x, verbose=0).tobytes()],
    }


@pytest.mark.parametrize("stack", STACKS)
def test_the_number_of_threads_changes_no_bit(stack, threads):
    threads(1)
    alone = train(stack)
    for count in (2, 4):
        threads(count)
        together = train(stack)
        for what, values in alone.items():
            assert together[what] == values, f"{what} with {count} threads"


@pytest.mark.parametrize("stack", STACKS)
def test_the_seed_decides_every_bit(stack):
    assert train(stack) == train(stack)
    assert train(stack)["weights"] != train(stack, seed=6)["weights"]
