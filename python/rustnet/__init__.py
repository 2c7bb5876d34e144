"""rustnet: the Keras API on a Rust engine made for CPUs.

Submodules and names are imported on first use, so that `import rustnet` costs next to nothing.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING, Any

from rustnet.core import late_binding

if TYPE_CHECKING:
    from rustnet import (
        activations,
        backend,
        callbacks,
        config,
        constraints,
        datasets,
        effects,
        initializers,
        layers,
        losses,
        metrics,
        models,
        ops,
        optimizers,
        random,
        regularizers,
        utils,
    )
    from rustnet._core import InternalError
    from rustnet.core.gradients import gradients
    from rustnet.core.tensors import KerasTensor, Tensor
    from rustnet.core.variable import Variable
    from rustnet.layers.input_layer import Input
    from rustnet.layers.input_spec import InputSpec
    from rustnet.layers.layer import Layer
    from rustnet.losses import Loss
    from rustnet.metrics import Metric
    from rustnet.models.model import Model
    from rustnet.models.sequential import Sequential
    from rustnet.optimizers import Optimizer

_SUBMODULES = (
    "activations",
    "backend",
    "callbacks",
    "config",
    "constraints",
    "datasets",
    "effects",
    "initializers",
    "layers",
    "losses",
    "metrics",
    "models",
    "ops",
    "optimizers",
    "random",
    "regularizers",
    "utils",
)

_HOMES = {
    "Input": "rustnet.layers.input_layer",
    "InputSpec": "rustnet.layers.input_spec",
    "InternalError": "rustnet._core",
    "KerasTensor": "rustnet.core.tensors",
    "Layer": "rustnet.layers.layer",
    "Loss": "rustnet.losses",
    "Metric": "rustnet.metrics",
    "Model": "rustnet.models.model",
    "Optimizer": "rustnet.optimizers",
    "Sequential": "rustnet.models.sequential",
    "Tensor": "rustnet.core.tensors",
    "Variable": "rustnet.core.variable",
    "gradients": "rustnet.core.gradients",
}

__all__ = [
    "Input",
    "InputSpec",
    "InternalError",
    "KerasTensor",
    "Layer",
    "Loss",
    "Metric",
    "Model",
    "Optimizer",
    "Sequential",
    "Tensor",
    "Variable",
    "__version__",
    "activations",
    "backend",
    "callbacks",
    "config",
    "constraints",
    "datasets",
    "effects",
    "gradients",
    "initializers",
    "layers",
    "losses",
    "metrics",
    "models",
    "ops",
    "optimizers",
    "random",
    "regularizers",
    "utils",
]


def _binding(module: str) -> Callable[[], ModuleType]:
    return functools.cache(lambda: importlib.import_module(module))


late_binding.ops = _binding("rustnet.ops")
late_binding.initializers = _binding("rustnet.initializers")
late_binding.masks = _binding("rustnet.core.masks")


def __getattr__(name: str) -> Any:
    if name in _SUBMODULES:
        return importlib.import_module(f"rustnet.{name}")
    if name == "__version__":
        from importlib.metadata import version

        value: Any = version("rustnet")
    elif name in _HOMES:
        value = getattr(importlib.import_module(_HOMES[name]), name)
    else:
        raise AttributeError(f"module 'rustnet' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
