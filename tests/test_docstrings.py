"""The examples in the docstrings run and show what they say."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import numpy as np
import pytest

import rustnet

MODULES = [
    module.name
    for module in pkgutil.walk_packages(rustnet.__path__, "rustnet.")
    if not module.name.endswith("_core")
]


def names():
    """What a reader has at hand: NumPy, rustnet, its parts and layers, a model and data for it."""
    parts = {name: getattr(rustnet, name) for name in rustnet.__all__ if name[0] != "_"}
    parts.update({name: getattr(rustnet.layers, name) for name in rustnet.layers.__all__})
    model = rustnet.Sequential([rustnet.Input((4,)), rustnet.layers.Dense(3, activation="softmax")])
    model.compile(loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    x, y = np.random.default_rng(0).normal(size=(12, 4)).astype("float32"), np.arange(12) % 3
    data = {"x_train": x, "y_train": y, "x_test": x, "y_test": y}
    return {"np": np, "rustnet": rustnet, **parts, "model": model, **data}


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    module = importlib.import_module(name)
    options = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    result = doctest.testmod(module, globs={**names(), **vars(module)}, optionflags=options)
    assert result.failed == 0
