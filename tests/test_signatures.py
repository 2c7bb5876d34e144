"""Arguments in Keras's order: what is given by position means the same in both libraries."""

from __future__ import annotations

import inspect

import pytest

import rustnet
from oracle import keras

MODULES = [
    "activations", "callbacks", "constraints", "initializers", "layers", "losses", "metrics", "models", "ops",
    "optimizers", "optimizers.schedules", "random", "regularizers", "utils",
]  # fmt: skip

# What is given by position is the same under another name.
SAME = {"serialize": "value", "deserialize": "config"}
# On JAX, Keras hands the state of the model through these; elsewhere they take the data alone, as here.
ELSEWHERE = {"train_step", "test_step", "predict_step"}


def attribute(root, path):
    for name in path.split("."):
        root = getattr(root, name)
    return root


def positional(function):
    """The names of the arguments that can be given by position, or None where Python does not know them."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return None
    return [parameter.name for parameter in parameters if parameter.kind.name.startswith("POSITIONAL")]


def pairs(module):
    ours, theirs = attribute(rustnet, module), attribute(keras, module)
    for name in dir(ours):
        if not name.startswith("_") and callable(getattr(ours, name)) and hasattr(theirs, name):
            yield f"{module}.{name}", getattr(ours, name), getattr(theirs, name)


def differences(module):
    for name, ours, theirs in pairs(module):
        ours, theirs = positional(ours), positional(theirs)
        if ours is None or theirs is None or name.rpartition(".")[2] in ELSEWHERE:
            continue
        if ours and ours[0] == SAME.get(name.rpartition(".")[2]):
            ours[0] = theirs[0]
        # Where one library knows more arguments, those come last.
        common = min(len(ours), len(theirs))
        if ours[:common] != theirs[:common]:
            yield f"{name}{tuple(ours)}, Keras: {tuple(theirs)}"


CLASSES = [
    "Model", "Sequential", "Variable", "callbacks.Callback", "layers.Layer", "losses.Loss", "metrics.Metric",
    "optimizers.Optimizer",
]  # fmt: skip


@pytest.mark.parametrize("owner", [*MODULES, *CLASSES])
def test_arguments_are_in_the_order_of_keras(owner):
    found = list(differences(owner))
    assert not found, "\n".join(found)


@pytest.mark.parametrize("library", [rustnet, keras])
def test_names_by_position(library):
    layers = library.layers
    named = [
        layers.MaxPooling1D(2, None, "valid", None, "given"),
        layers.AveragePooling2D(2, None, "valid", None, "given"),
        layers.SpatialDropout1D(0.5, None, "given", "float64"),
        layers.SpatialDropout2D(0.5, None, None, "given", "float64"),
    ]
    assert [layer.name for layer in named] == ["given"] * 4
    assert [layer.compute_dtype for layer in named[2:]] == ["float64"] * 2
