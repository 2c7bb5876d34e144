"""PyTorch with a hand-written loop: no metrics, no shuffling, data already in tensors."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from workloads import Workload


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


def trainer(name: str, workload: Workload) -> Callable[[], float]:
    """A function that trains one epoch and returns its seconds; the model has been warmed up."""
    torch.manual_seed(0)
    x, y = workload.data()
    if x.ndim == 4:
        x = np.ascontiguousarray(x.transpose(0, 3, 1, 2))
    inputs = torch.from_numpy(x)
    targets = torch.from_numpy(y.astype(np.int64) if y.dtype == np.int32 else y)
    batches = list(zip(inputs.split(workload.batch_size), targets.split(workload.batch_size), strict=True))
    model, loss = MODELS[name](), LOSSES[workload.loss]()
    if workload.optimizer == "adam":
        optimizer: torch.optim.Optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, eps=1e-7)
    else:
        optimizer = torch.optim.RMSprop(model.parameters(), lr=1e-3, alpha=0.9, eps=1e-7)

    def train() -> float:
        start = time.perf_counter()
        for batch, target in batches:
            optimizer.zero_grad()
            loss(model(batch), target).backward()
            optimizer.step()
        return time.perf_counter() - start

    train()
    return train
