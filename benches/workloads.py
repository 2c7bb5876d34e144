"""The models that are compared: sizes, random data, and how each is built with the Keras API."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Workload:
    """One model, its data, and the number of epochs that are timed together."""

    name: str
    title: str
    batch_size: int
    samples: int
    epochs: int
    optimizer: str
    loss: str
    metrics: tuple[str, ...]
    # (api) -> the layers of a Sequential model; `api` is keras or rustnet.
    layers: Callable[[Any], list[Any]]
    # (generator, samples) -> inputs, targets
    make_data: Callable[[np.random.Generator, int], tuple[np.ndarray, np.ndarray]]

    @property
    def steps(self) -> int:
        """Training steps an epoch; the last batch may be smaller."""
        return -(-self.samples // self.batch_size)

    def data(self) -> tuple[np.ndarray, np.ndarray]:
        """Inputs and targets of one epoch."""
        return self.make_data(np.random.default_rng(0), self.samples)

    def model(self, api: Any) -> Any:
        """The compiled model, built with this implementation of the Keras API."""
        model = api.Sequential(self.layers(api.layers))
        model.compile(optimizer=self.optimizer, loss=self.loss, metrics=list(self.metrics))
        return model


def channels_first(x: np.ndarray) -> np.ndarray:
    """Images (B, H, W, C) as (B, C, H, W); anything else as it is."""
    return np.ascontiguousarray(x.transpose(0, 3, 1, 2)) if x.ndim == 4 else x


def labelled(*shape: int) -> Callable[[np.random.Generator, int], Any]:
    """Normal inputs of ten classes, at random."""

    def make(generator: np.random.Generator, samples: int) -> tuple[np.ndarray, np.ndarray]:
        x = generator.standard_normal((samples, *shape), dtype=np.float32)
        return x, generator.integers(0, 10, samples, dtype=np.int32)

    return make


def multi_hot(generator: np.random.Generator, samples: int) -> tuple[np.ndarray, np.ndarray]:
    """Reviews as bags of 10,000 words, 2% of them present, good or bad."""
    x = np.zeros((samples, 10_000), np.float32)
    np.put_along_axis(x, generator.integers(0, 10_000, (samples, 200)), 1, axis=1)
    return x, generator.integers(0, 2, (samples, 1)).astype(np.float32)


def regression(generator: np.random.Generator, samples: int) -> tuple[np.ndarray, np.ndarray]:
    """13 features and a price."""
    x = generator.standard_normal((samples, 13), dtype=np.float32)
    return x, x.sum(axis=1, keepdims=True)


def tokens(generator: np.random.Generator, samples: int) -> tuple[np.ndarray, np.ndarray]:
    """Reviews as 500 word numbers, good or bad."""
    x = generator.integers(0, 10_000, (samples, 500), dtype=np.int32)
    return x, generator.integers(0, 2, (samples, 1)).astype(np.float32)


def dense_classifier(layers: Any) -> list[Any]:
    return [
        layers.Input(shape=(784,)),
        layers.Dense(512, activation="relu"),
        layers.Dense(10, activation="softmax"),
    ]


def bag_of_words(layers: Any) -> list[Any]:
    return [
        layers.Input(shape=(10_000,)),
        layers.Dense(16, activation="relu"),
        layers.Dense(16, activation="relu"),
        layers.Dense(1, activation="sigmoid"),
    ]


def small_regression(layers: Any) -> list[Any]:
    return [
        layers.Input(shape=(13,)),
        layers.Dense(64, activation="relu"),
        layers.Dense(64, activation="relu"),
        layers.Dense(1),
    ]


def small_convnet(layers: Any) -> list[Any]:
    return [
        layers.Input(shape=(28, 28, 1)),
        layers.Conv2D(32, 3, activation="relu"),
        layers.MaxPooling2D(2),
        layers.Conv2D(64, 3, activation="relu"),
        layers.MaxPooling2D(2),
        layers.Conv2D(64, 3, activation="relu"),
        layers.Flatten(),
        layers.Dense(64, activation="relu"),
        layers.Dense(10, activation="softmax"),
    ]


def large_convnet(layers: Any) -> list[Any]:
    stack = [layers.Input(shape=(32, 32, 3))]
    for filters in (64, 128, 256):
        stack += [layers.Conv2D(filters, 3, padding="same", activation="relu") for _ in range(2)]
        stack.append(layers.GlobalAveragePooling2D() if filters == 256 else layers.MaxPooling2D(2))
    return [*stack, layers.Dense(10, activation="softmax")]


def review_lstm(layers: Any) -> list[Any]:
    return [
        layers.Input(shape=(500,), dtype="int32"),
        layers.Embedding(10_000, 32),
        layers.LSTM(32),
        layers.Dense(1, activation="sigmoid"),
    ]


def stacked_lstm(layers: Any) -> list[Any]:
    return [
        layers.Input(shape=(100, 64)),
        layers.LSTM(128, return_sequences=True),
        layers.LSTM(128),
        layers.Dense(10, activation="softmax"),
    ]


LABELS = ("sparse_categorical_crossentropy", ("accuracy",))
BINARY = ("binary_crossentropy", ("accuracy",))

WORKLOADS = {
    workload.name: workload
    for workload in (
        Workload(
            "W1", "dense 784-512-10", 128, 25_600, 1, "rmsprop", *LABELS, dense_classifier, labelled(784)
        ),
        Workload("W2", "dense 10000-16-16-1", 512, 5120, 1, "rmsprop", *BINARY, bag_of_words, multi_hot),
        Workload(
            "W2b", "dense 13-64-64-1", 16, 404, 50, "rmsprop", "mse", ("mae",), small_regression, regression
        ),
        Workload(
            "W3",
            "convolutional, 28×28×1",
            64,
            2560,
            1,
            "rmsprop",
            *LABELS,
            small_convnet,
            labelled(28, 28, 1),
        ),
        Workload(
            "W4", "convolutional, 32×32×3", 32, 160, 1, "adam", *LABELS, large_convnet, labelled(32, 32, 3)
        ),
        Workload("W5", "embedding, LSTM 32, 500 steps", 128, 640, 1, "rmsprop", *BINARY, review_lstm, tokens),
        Workload(
            "W6", "LSTM 128 twice, 100 steps", 64, 512, 1, "adam", *LABELS, stacked_lstm, labelled(100, 64)
        ),
    )
}
# The models that are asked for predictions.
PREDICTED = ("W1", "W3", "W6")
