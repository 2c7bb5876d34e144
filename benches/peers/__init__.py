"""Who is compared: the modules that a peer needs, its environment, and what it takes part in."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass, field

# A function that measures once and returns numbers by name.
Measurement = Callable[[], dict[str, float]]

# The workloads that the peers without Keras have written by hand.
BY_HAND = ("W1", "W2", "W2b", "W3", "W4", "W5", "W6")
CONVOLUTIONAL = ("W3", "W4")
# XLA leaves convolutions in a loop to slow code: 5 (W3) to 40 (W4) times the time of a step compiled alone.
WITHOUT_CONVOLUTIONS = ("W1", "W2", "W2b", "W5", "W6")
# An allocator that asks the system for memory once and never gives it back.
KEEP_FREED_MEMORY = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(1 << 40),
    "MALLOC_TOP_PAD_": str(64 << 20),
    "MALLOC_ARENA_MAX": "1",
}


@dataclass(frozen=True)
class Peer:
    """One framework in one mode. `script` is a module of this package, told the mode by the peer's name."""

    script: str
    modules: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict)
    # The only workloads that the mode is for; None: all of them.
    workloads: tuple[str, ...] | None = None
    trains: bool = True
    predicts: bool = True
    # As its users run it; other peers are shown, but none of them can be the best peer.
    as_used: bool = True

    @property
    def missing(self) -> list[str]:
        """The modules that are not installed."""
        return [module for module in self.modules if importlib.util.find_spec(module) is None]

    def can(self, kind: str, workload: str) -> bool:
        """Whether it is installed and takes part in the training or the prediction of a workload."""
        takes_part = self.trains if kind == "training" else self.predicts
        return takes_part and not self.missing and (self.workloads is None or workload in self.workloads)


def keras(backend: str, **environment: str) -> Peer:
    return Peer("keras_api", ("keras", backend), {"KERAS_BACKEND": backend, **environment})


PEERS = {
    "rustnet": Peer("keras_api", ("rustnet",)),
    "keras-jax": keras("jax"),
    "keras-tensorflow": keras("tensorflow", TF_ENABLE_ONEDNN_OPTS="1"),
    "keras-torch": keras("torch"),
    "torch": Peer("raw_torch", ("torch",), workloads=BY_HAND),
    "torch-channels-last": Peer("raw_torch", ("torch",), workloads=CONVOLUTIONAL),
    "torch-compile": Peer("raw_torch", ("torch",), workloads=BY_HAND),
    "jax": Peer("raw_jax", ("jax",), workloads=BY_HAND),
    "jax-scan": Peer("raw_jax", ("jax",), workloads=WITHOUT_CONVOLUTIONS, predicts=False),
    "onnxruntime": Peer("onnx_runtime", ("onnx", "onnxruntime"), workloads=BY_HAND, trains=False),
    "torch-tuned": Peer(
        "raw_torch", ("torch",), KEEP_FREED_MEMORY, workloads=BY_HAND, predicts=False, as_used=False
    ),
}
