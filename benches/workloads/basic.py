"""The seven models that are also written by hand for the peers: dense, convolutional and recurrent ones."""

from __future__ import annotations

from typing import Any

import numpy as np

from workloads.workload import BINARY, LABELS, Workload, labelled, sequential, tokens


def channels_first(x: np.ndarray) -> np.ndarray:
    """Images (B, H, W, C) as (B, C, H, W); anything else as it is."""
    return np.ascontiguousarray(x.transpose(0, 3, 1, 2)) if x.ndim == 4 else x


def multi_hot(generator: np.random.Generator, samples: int) -> tuple[np.ndarray, np.ndarray]:
    """Reviews as bags of 10,000 words, 2% of them present, good or bad."""
    x = np.zeros((samples, 10_000), np.float32)
    np.put_along_axis(x, generator.integers(0, 10_000, (samples, 200)), 1, axis=1)
    return x, generator.integers(0, 2, (samples, 1)).astype(np.float32)


def regression(generator: np.random.Generator, samples: int) -> tuple[np.ndarray, np.ndarray]:
    """13 features and a price."""
    x = generator.standard_normal((samples, 13), dtype=np.float32)
    return x, x.sum(axis=1, keepdims=True)


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


BASIC = (
    Workload(
        "W1",
        "dense 784-512-10",
        128,
        25_600,
        1,
        "rmsprop",
        *LABELS,
        sequential(dense_classifier),
        labelled(784),
    ),
    Workload(
        "W2", "dense 10000-16-16-1", 512, 5120, 1, "rmsprop", *BINARY, sequential(bag_of_words), multi_hot
    ),
    Workload(
        "W2b",
        "dense 13-64-64-1",
        16,
        404,
        50,
        "rmsprop",
        "mse",
        ["mae"],
        sequential(small_regression),
        regression,
    ),
    Workload(
        "W3",
        "convolutional, 28×28×1",
        64,
        2560,
        1,
        "rmsprop",
        *LABELS,
        sequential(small_convnet),
        labelled(28, 28, 1),
    ),
    Workload(
        "W4",
        "convolutional, 32×32×3",
        32,
        160,
        1,
        "adam",
        *LABELS,
        sequential(large_convnet),
        labelled(32, 32, 3),
    ),
    Workload(
        "W5",
        "embedding, LSTM 32, 500 steps",
        128,
        640,
        1,
        "rmsprop",
        *BINARY,
        sequential(review_lstm),
        tokens(500),
    ),
    Workload(
        "W6",
        "LSTM 128 twice, 100 steps",
        64,
        512,
        1,
        "adam",
        *LABELS,
        sequential(stacked_lstm),
        labelled(100, 64),
    ),
)
