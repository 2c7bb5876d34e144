"""PyTorch with a hand-written loop: no metrics, no shuffling, data already in tensors.

The peer's name says the mode: `torch-compile` compiles the model, `torch-channels-last` keeps images and
filters with the channels last, `torch` and `torch-tuned` (whose environment differs) do neither.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

from peers import Measurement
from timing import Stopwatch, calls
from workloads import Workload, channels_first


class LastOutput(nn.Module):
    """An LSTM whose output is that of the last time step."""

    def __init__(self, inputs: int, units: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(inputs, units, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.lstm(x)[0][:, -1]


class Sequences(LastOutput):
    """An LSTM whose output is that of every time step."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.lstm(x)[0]


class GlobalAverage(nn.Module):
    """The mean over height and width."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean(dim=(2, 3))


def dense(*sizes: int) -> nn.Module:
    stack: list[nn.Module] = []
    for inputs, outputs in zip(sizes, sizes[1:], strict=False):
        stack += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*stack[:-1])


def small_convnet() -> nn.Module:
    pool = nn.MaxPool2d(2)
    return nn.Sequential(
        *(nn.Conv2d(1, 32, 3), nn.ReLU(), pool, nn.Conv2d(32, 64, 3), nn.ReLU(), pool),
        *(nn.Conv2d(64, 64, 3), nn.ReLU(), nn.Flatten(), nn.Linear(576, 64), nn.ReLU(), nn.Linear(64, 10)),
    )


def large_convnet() -> nn.Module:
    stack: list[nn.Module] = []
    channels = 3
    for filters in (64, 128, 256):
        for inputs in (channels, filters):
            stack += [nn.Conv2d(inputs, filters, 3, padding=1), nn.ReLU()]
        stack.append(GlobalAverage() if filters == 256 else nn.MaxPool2d(2))
        channels = filters
    return nn.Sequential(*stack, nn.Linear(256, 10))


MODELS: dict[str, Callable[[], nn.Module]] = {
    "W1": lambda: dense(784, 512, 10),
    "W2": lambda: dense(10_000, 16, 16, 1),
    "W2b": lambda: dense(13, 64, 64, 1),
    "W3": small_convnet,
    "W4": large_convnet,
    "W5": lambda: nn.Sequential(nn.Embedding(10_000, 32), LastOutput(32, 32), nn.Linear(32, 1)),
    "W6": lambda: nn.Sequential(Sequences(64, 128), LastOutput(128, 128), nn.Linear(128, 10)),
}
LOSSES: dict[str, Callable[[], nn.Module]] = {
    "sparse_categorical_crossentropy": nn.CrossEntropyLoss,
    "binary_crossentropy": nn.BCEWithLogitsLoss,
    "mse": nn.MSELoss,
}


def in_mode(peer: str, model: nn.Module) -> Any:
    if peer == "torch-channels-last":
        return model.to(memory_format=torch.channels_last)
    return torch.compile(model) if peer == "torch-compile" else model


def tensor(peer: str, x: np.ndarray) -> torch.Tensor:
    inputs = torch.from_numpy(channels_first(x))
    return inputs.contiguous(memory_format=torch.channels_last) if peer == "torch-channels-last" else inputs


def trainer(peer: str, workload: Workload) -> Measurement:
    torch.manual_seed(0)
    x, y = workload.data()
    inputs = tensor(peer, x)
    targets = torch.from_numpy(y.astype(np.int64) if y.dtype == np.int32 else y)
    batches = list(zip(inputs.split(workload.batch_size), targets.split(workload.batch_size), strict=True))
    model, loss = in_mode(peer, MODELS[workload.name]()), LOSSES[workload.loss]()
    if workload.optimizer == "adam":
        optimizer: torch.optim.Optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, eps=1e-7)
    else:
        optimizer = torch.optim.RMSprop(model.parameters(), lr=1e-3, alpha=0.9, eps=1e-7)

    def measure() -> dict[str, float]:
        stopwatch = Stopwatch()
        for _ in range(workload.epochs):
            for batch, target in batches:
                optimizer.zero_grad()
                loss(model(batch), target).backward()
                optimizer.step()
        return stopwatch.training(workload.steps * workload.epochs)

    measure()
    return measure


def predictor(peer: str, workload: Workload, inputs: dict[int, np.ndarray]) -> Measurement:
    """Predicts without recording gradients, from a tensor to another."""
    model = in_mode(peer, nn.Sequential(MODELS[workload.name](), nn.Softmax(dim=1)).eval())

    def call(x: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode():
            return model(x)

    return calls({"inference_mode": call}, {batch: tensor(peer, x) for batch, x in inputs.items()})
