"""What is compared: a model built with the Keras API, its data, and how it is trained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

# Inputs and targets: arrays, or lists and dictionaries of arrays.
Data = tuple[Any, Any]


@dataclass(frozen=True)
class Workload:
    """One model, its data, and the number of epochs that are timed together."""

    name: str
    title: str
    batch_size: int
    samples: int
    epochs: int
    optimizer: str
    # As `compile` takes them.
    loss: Any
    metrics: Any
    # (api) -> the model, not compiled; `api` is keras or rustnet.
    build: Callable[[Any], Any]
    # (generator, samples) -> inputs, targets
    make_data: Callable[[np.random.Generator, int], Data]
    loss_weights: Any = None

    @property
    def steps(self) -> int:
        """Training steps an epoch; the last batch may be smaller."""
        return -(-self.samples // self.batch_size)

    def data(self) -> Data:
        """Inputs and targets of one epoch."""
        return self.make_data(np.random.default_rng(0), self.samples)

    def model(self, api: Any) -> Any:
        """The compiled model, built with this implementation of the Keras API."""
        model = self.build(api)
        model.compile(self.optimizer, self.loss, metrics=self.metrics, loss_weights=self.loss_weights)
        return model


def sequential(layers: Callable[[Any], list[Any]]) -> Callable[[Any], Any]:
    """Builds a Sequential model of the layers that a function makes with `api.layers`."""
    return lambda api: api.Sequential(layers(api.layers))


LABELS = ("sparse_categorical_crossentropy", ["accuracy"])
BINARY = ("binary_crossentropy", ["accuracy"])


def labelled(*shape: int) -> Callable[[np.random.Generator, int], Any]:
    """Normal inputs of ten classes, at random."""

    def make(generator: np.random.Generator, samples: int) -> tuple[np.ndarray, np.ndarray]:
        x = generator.standard_normal((samples, *shape), dtype=np.float32)
        return x, generator.integers(0, 10, samples, dtype=np.int32)

    return make


def tokens(length: int) -> Callable[[np.random.Generator, int], Data]:
    """Reviews as so many of 10,000 word numbers, good or bad."""

    def make(generator: np.random.Generator, samples: int) -> Data:
        x = generator.integers(0, 10_000, (samples, length), dtype=np.int32)
        return x, generator.integers(0, 2, (samples, 1)).astype(np.float32)

    return make
