"""What memory programs of many shapes take: `python benches/many_shapes.py`.

A row is a model that meets many shapes, in a process of its own; the figures are megabytes of resident memory
beyond that of the import, after the largest shape alone and after all.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

import rustnet
from rustnet import layers
from tables import figure, markdown

Run = Callable[[int], Any]


def zeros(*shape: int) -> Any:
    return np.zeros(shape, "float32")


def compiled(*stack: Any) -> Any:
    model = rustnet.Sequential(list(stack))
    model.compile("adam", "mse")
    return model


def train_lengths() -> tuple[Run, Iterable[int]]:
    convolutions = [layers.Conv1D(256, 3, padding="same") for _ in range(2)]
    model = compiled(
        layers.Input((None, 64)), *convolutions, layers.GlobalAveragePooling1D(), layers.Dense(1)
    )
    return lambda size: model.train_on_batch(zeros(64, size, 64), zeros(64, 1)), range(100, 160)


def predict_lengths() -> tuple[Run, Iterable[int]]:
    model = compiled(
        layers.Input((None, 8)),
        layers.Conv1D(16, 3, padding="same", activation="relu"),
        layers.GlobalAveragePooling1D(),
        layers.Dense(1),
    )
    return lambda size: model.predict(zeros(32, size, 8), verbose=0), range(1, 1001)


def train_batch_sizes() -> tuple[Run, Iterable[int]]:
    model = compiled(
        layers.Input((32, 32, 3)),
        layers.Conv2D(32, 3, activation="relu"),
        layers.MaxPooling2D(),
        layers.Conv2D(64, 3, activation="relu"),
        layers.Flatten(),
        layers.Dense(10),
    )
    return lambda size: model.train_on_batch(zeros(size, 32, 32, 3), zeros(size, 10)), range(1, 65)


CASES: dict[str, Callable[[], tuple[Run, Iterable[int]]]] = {
    "training on 60 lengths (100 to 159), two convolutions of 256 filters, batches of 64": train_lengths,
    "prediction of 1,000 lengths (1 to 1,000), a convolution of 16 filters, batches of 32": predict_lengths,
    "training on 64 batch sizes (1 to 64), a small convolutional net on 32×32×3": train_batch_sizes,
}


def resident() -> float:
    """Megabytes that this process has in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def measured(case: str) -> list[float]:
    before = resident()
    run, sizes = CASES[case]()
    run(max(sizes))
    alone = resident() - before
    for size in sizes:
        run(size)
    return [alone, resident() - before]


def main() -> None:
    rows = [["", "largest alone, MB", "all, MB"]]
    for case in CASES:
        with multiprocessing.get_context("spawn").Pool(1) as process:
            rows.append([case, *map(figure, process.apply(measured, (case,)))])
    print(markdown(rows))


if __name__ == "__main__":
    main()
