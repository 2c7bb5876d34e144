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


def wide(*before: Any) -> Any:
    """Layers, then units that fill vectors."""
    return [*before[:-1], layers.Dense(16)]


@pytest.mark.parametrize(
    "make",
    [
        lambda: wide(*dense()),
        lambda: wide(*convolutional()),
        lambda: wide(*recurrent()),
        lambda: [layers.Input((300,)), layers.Dense(48, activation="tanh"), layers.Dense(1)],
        lambda: [layers.Input((300,)), layers.Dense(32), layers.Dense(10)],
    ],
)
def test_a_row_is_predicted_alike_alone_and_in_any_batch(make):
    model = rustnet.Sequential(make())
    x = np.random.default_rng(5).normal(size=(99, 300)).astype("float32")
    whole = model.predict(x, batch_size=99, verbose=0)
    for batch_size in (1, 2, 7, 31, 32, 50):
        rows = model.predict(x, batch_size=batch_size, verbose=0)
        np.testing.assert_array_equal(rows, whole, err_msg=f"batches of {batch_size}")
    np.testing.assert_array_equal(model(x[:1]), whole[:1])


def test_a_row_of_a_narrow_layer_is_predicted_alike_but_for_rounding():
    """The exception in docs/architecture.md: ten sums of 784 products, in another order from 32 rows on."""
    model = rustnet.Sequential([layers.Input((784,)), layers.Dense(10)])
    x = np.random.default_rng(6).normal(size=(64, 784)).astype("float32")
    whole, alone = (model.predict(x, batch_size=size, verbose=0) for size in (64, 1))
    # Each way is within 784 roundings of half a unit of 2^-24, of sums of magnitudes of about 25.
    np.testing.assert_allclose(alone, whole, rtol=0, atol=1e-4)
    exact = x.astype("float64") @ model.get_weights()[0].astype("float64")
    for found in (whole, alone):
        np.testing.assert_allclose(found, exact, rtol=0, atol=1e-4)
