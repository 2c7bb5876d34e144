"""Ten models of other kinds, so that rules and kernels are judged on more than what they were made for."""

from __future__ import annotations

from typing import Any

import numpy as np

from workloads.workload import BINARY, LABELS, Data, Workload, labelled, sequential, tokens

WORDS, LENGTH = 10_000, 64


def normalized(layers: Any) -> list[Any]:
    stack = [layers.Input(shape=(784,))]
    for _ in range(3):
        stack += [layers.Dense(512, use_bias=False), layers.BatchNormalization(), layers.Activation("relu")]
        stack.append(layers.Dropout(0.3))
    return [*stack, layers.Dense(10, activation="softmax")]


def wide(layers: Any) -> list[Any]:
    hidden = [layers.Dense(2048, activation="relu") for _ in range(3)]
    return [layers.Input(shape=(784,)), *hidden, layers.Dense(10, activation="softmax")]


def averaged(layers: Any) -> list[Any]:
    return [
        layers.Input(shape=(200,), dtype="int32"),
        layers.Embedding(WORDS, 64),
        layers.GlobalAveragePooling1D(),
        layers.Dense(64, activation="relu"),
        layers.Dense(1, activation="sigmoid"),
    ]


def over_time(layers: Any) -> list[Any]:
    return [
        layers.Input(shape=(512, 8)),
        layers.Conv1D(32, 5, activation="relu"),
        layers.MaxPooling1D(2),
        layers.Conv1D(64, 5, activation="relu"),
        layers.MaxPooling1D(2),
        layers.Conv1D(64, 5, activation="relu"),
        layers.GlobalMaxPooling1D(),
        layers.Dense(10, activation="softmax"),
    ]


def gated(layers: Any) -> list[Any]:
    return [
        layers.Input(shape=(120, 14)),
        layers.GRU(64, dropout=0.2, recurrent_dropout=0.2, return_sequences=True),
        layers.GRU(64, dropout=0.2, recurrent_dropout=0.2),
        layers.Dense(10, activation="softmax"),
    ]


def pictures(layers: Any) -> list[Any]:
    stack = [layers.Input(shape=(150, 150, 3))]
    for filters in (32, 64, 128, 128):
        stack += [layers.Conv2D(filters, 3, activation="relu"), layers.MaxPooling2D(2)]
    return [
        *stack,
        layers.Flatten(),
        layers.Dense(512, activation="relu"),
        layers.Dense(1, activation="sigmoid"),
    ]


def residual(api: Any) -> Any:
    """Three stages of two residual blocks."""
    layers = api.layers

    def convolved(x: Any, filters: int, strides: int = 1, size: int = 3) -> Any:
        x = layers.Conv2D(filters, size, strides=strides, padding="same", use_bias=False)(x)
        return layers.BatchNormalization()(x)

    inputs = layers.Input(shape=(32, 32, 3))
    x = layers.Activation("relu")(convolved(inputs, 16))
    for filters in (16, 32, 64):
        for block in range(2):
            strides = 2 if filters > 16 and block == 0 else 1
            y = layers.Activation("relu")(convolved(x, filters, strides))
            y = convolved(y, filters)
            if strides > 1:
                x = convolved(x, filters, strides, size=1)
            x = layers.Activation("relu")(layers.add([x, y]))
    x = layers.GlobalAveragePooling2D()(x)
    return api.Model(inputs, layers.Dense(10, activation="softmax")(x))


def separable(layers: Any) -> list[Any]:
    """Depthwise convolutions, each followed by a pointwise one."""
    stack = [layers.Input(shape=(64, 64, 3)), layers.Conv2D(32, 3, strides=2, padding="same", use_bias=False)]
    stack += [layers.BatchNormalization(), layers.ReLU(max_value=6.0)]
    for filters, strides in ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1)):
        stack.append(layers.DepthwiseConv2D(3, strides=strides, padding="same", use_bias=False))
        stack += [layers.BatchNormalization(), layers.ReLU(max_value=6.0)]
        stack.append(layers.Conv2D(filters, 1, use_bias=False))
        stack += [layers.BatchNormalization(), layers.ReLU(max_value=6.0)]
    return [*stack, layers.GlobalAveragePooling2D(), layers.Dense(10, activation="softmax")]


def transformer(api: Any) -> Any:
    """Two encoder blocks over words and their positions."""
    layers, ops = api.layers, api.ops

    class Positions(layers.Layer):  # type: ignore[name-defined]
        """Adds a vector for each position."""

        def __init__(self) -> None:
            super().__init__()
            self.vectors = layers.Embedding(LENGTH, 128)

        def call(self, x: Any) -> Any:
            return x + self.vectors(ops.arange(LENGTH))

    inputs = layers.Input(shape=(LENGTH,), dtype="int32")
    x = Positions()(layers.Embedding(WORDS, 128)(inputs))
    for _ in range(2):
        attended = layers.MultiHeadAttention(num_heads=4, key_dim=32, dropout=0.1)(x, x)
        x = layers.LayerNormalization()(layers.add([x, attended]))
        y = layers.Dense(128)(layers.Dense(256, activation="relu")(x))
        x = layers.LayerNormalization()(layers.add([x, layers.Dropout(0.1)(y)]))
    x = layers.GlobalAveragePooling1D()(x)
    return api.Model(inputs, layers.Dense(1, activation="sigmoid")(x))


def branches(api: Any) -> Any:
    """Tickets: title, text and tags as bags of words; a priority and a department come out."""
    layers = api.layers
    sizes = {"title": 1000, "text": 5000, "tags": 100}
    inputs = {name: layers.Input(shape=(size,), name=name) for name, size in sizes.items()}
    read = [layers.Dense(64, activation="relu")(one) for one in inputs.values()]
    x = layers.Dense(64, activation="relu")(layers.concatenate(read))
    outputs = {
        "priority": layers.Dense(1, activation="sigmoid", name="priority")(x),
        "department": layers.Dense(4, activation="softmax", name="department")(x),
    }
    return api.Model(inputs, outputs)


def tickets(generator: np.random.Generator, samples: int) -> Data:
    x = {
        name: (generator.random((samples, size)) < 0.02).astype(np.float32)
        for name, size in (("title", 1000), ("text", 5000), ("tags", 100))
    }
    y = {
        "priority": generator.random((samples, 1), np.float32),
        "department": generator.integers(0, 4, samples, dtype=np.int32),
    }
    return x, y


def photographs(generator: np.random.Generator, samples: int) -> Data:
    x = generator.random((samples, 150, 150, 3), np.float32)
    return x, generator.integers(0, 2, (samples, 1)).astype(np.float32)


FURTHER = (
    Workload(
        "normalized",
        "dense 512 three times, batch normalization, dropout",
        128,
        5120,
        1,
        "adam",
        *LABELS,
        sequential(normalized),
        labelled(784),
    ),
    Workload(
        "residual",
        "ResNet of 6 blocks, 16–64 filters, 32×32×3",
        32,
        320,
        1,
        "adam",
        *LABELS,
        residual,
        labelled(32, 32, 3),
    ),
    Workload(
        "separable",
        "depthwise and pointwise convolutions, 64×64×3",
        32,
        320,
        1,
        "adam",
        *LABELS,
        sequential(separable),
        labelled(64, 64, 3),
    ),
    Workload(
        "transformer",
        "2 encoder blocks of 4 heads, 64 words, width 128",
        32,
        640,
        1,
        "adam",
        *BINARY,
        transformer,
        tokens(LENGTH),
    ),
    Workload(
        "averaged",
        "Embedding 10000×64 averaged over 200 words, dense 64",
        128,
        2560,
        1,
        "rmsprop",
        *BINARY,
        sequential(averaged),
        tokens(200),
    ),
    Workload(
        "wide", "dense 784-2048-2048-2048-10", 128, 1280, 1, "adam", *LABELS, sequential(wide), labelled(784)
    ),
    Workload(
        "gated",
        "GRU 64 twice with both dropouts, 120 steps",
        64,
        640,
        1,
        "rmsprop",
        *LABELS,
        sequential(gated),
        labelled(120, 14),
    ),
    Workload(
        "over-time",
        "Conv1D 32, 64, 64 over 512 steps",
        64,
        1280,
        1,
        "adam",
        *LABELS,
        sequential(over_time),
        labelled(512, 8),
    ),
    Workload(
        "branches",
        "three inputs, two outputs, dense 64",
        64,
        1280,
        1,
        "rmsprop",
        {"priority": "mean_squared_error", "department": "sparse_categorical_crossentropy"},
        {"priority": ["mean_absolute_error"], "department": ["accuracy"]},
        branches,
        tickets,
        loss_weights={"priority": 1.0, "department": 0.5},
    ),
    Workload(
        "pictures",
        "convolutions of 32–128 filters, 150×150×3",
        20,
        80,
        1,
        "rmsprop",
        *BINARY,
        sequential(pictures),
        photographs,
    ),
)
