"""How many floating-point operations a training step takes, from the shapes of its layers."""

from __future__ import annotations

import math
from typing import Any

from workloads import Workload


def positions(layer: Any) -> int:
    """How often a sample meets a kernel of the layer: once a time step, or once a position of the output."""
    if hasattr(layer, "return_sequences"):
        return layer.input.shape[1]
    return math.prod(layer.output.shape[1:-1])


def flops_per_step(workload: Workload, api: Any) -> int:
    """Multiply-adds of matrix products and convolutions, times two; `api` is keras or rustnet.

    Counted are the forward pass, the gradients of all kernels, and the gradients of the inputs of all layers
    but the first; in a chain of layers, that is. The previous state of a recurrent layer needs its gradient
    also in the first.
    """
    # Its layers know their shapes while it is there.
    model = workload.model(api)
    layers = model.layers
    total = 0
    for layer in layers:
        for weight in layer.weights:
            if weight.name in ("kernel", "recurrent_kernel"):
                needs_input_gradient = layer is not layers[0] or weight.name == "recurrent_kernel"
                passes = 3 if needs_input_gradient else 2
                total += 2 * passes * math.prod(weight.shape) * positions(layer)
    return total * workload.batch_size
