"""Rewrites of the engine: each can be switched off, and none changes what a model learns."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

import rustnet
from rustnet import _core, config, layers


@pytest.fixture(autouse=True)
def all_rules():
    yield
    config.disable_rules()


def convolutional():
    return [
        layers.Input((9, 9, 2)),
        layers.Conv2D(4, 3, activation="relu"),
        layers.MaxPooling2D(2),
        layers.Conv2D(4, 2, activation="tanh"),
        layers.MaxPooling2D(2),
        layers.Flatten(),
        layers.Dense(3),
    ], np.random.default_rng(0).normal(size=(16, 9, 9, 2)).astype("float32")


def recurrent():
    return [
        layers.Input((12,), dtype="int32"),
        layers.Embedding(7, 4),
        layers.LSTM(5),
        layers.Dense(3),
    ], np.random.default_rng(1).integers(0, 7, (16, 12), dtype=np.int32)


def embedded():
    return [
        layers.Input((12,), dtype="int32"),
        layers.Embedding(5, 4),
        layers.Dense(6, activation="relu"),
        layers.Dense(4, activation="tanh"),
        layers.Flatten(),
        layers.Dense(3),
    ], np.random.default_rng(5).integers(0, 5, (16, 12), dtype=np.int32)


def normalized():
    return [
        layers.Input((6,)),
        layers.Dense(8, activation="relu"),
        layers.BatchNormalization(),
        layers.LayerNormalization(),
        layers.Dropout(0.0),
        layers.Dense(3, activation="softmax"),
    ], np.random.default_rng(2).normal(size=(16, 6)).astype("float32")


def trained(build):
    """Losses of a few steps, and predictions after them."""
    rustnet.utils.set_random_seed(3)
    stack, x = build()
    model = rustnet.Sequential(stack)
    model.compile(rustnet.optimizers.Adam(0.01), "mse")
    y = np.random.default_rng(4).normal(size=(16, 3)).astype("float32")
    losses = [model.train_on_batch(x, y) for _ in range(5)]
    return np.array(losses), model.predict(x, verbose=0)


@pytest.mark.parametrize("build", [convolutional, recurrent, embedded, normalized])
def test_models_learn_the_same_without_any_rule(build):
    expected = trained(build)
    for disabled in [*([name] for name in _core.rule_names()), _core.rule_names()]:
        config.disable_rules(*disabled)
        for found, right in zip(trained(build), expected, strict=True):
            np.testing.assert_allclose(found, right, rtol=2e-4, atol=2e-5, err_msg=str(disabled))


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match=r"expected names of rules: unchanged, .*Received: 'biass'"):
        config.disable_rules("bias", "biass")
    assert config.disabled_rules() == ()
    with pytest.raises(ValueError, match=r'names of rules: .*Received: "biass"'):
        _core.Graph().compile([], disabled_rules=["biass"])


@pytest.mark.parametrize(("given", "prints"), [("bias, neutral", "('bias', 'neutral')"), ("", "()")])
def test_the_environment_names_rules(given, prints):
    code = "from rustnet import config; print(config.disabled_rules())"
    environment = os.environ | {"RUSTNET_DISABLE_RULES": given}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.stdout.strip() == prints, done.stderr


def test_an_unknown_name_in_the_environment_is_named():
    environment = os.environ | {"RUSTNET_DISABLE_RULES": "biass"}
    done = subprocess.run(
        [sys.executable, "-c", "import rustnet.config"], env=environment, capture_output=True, text=True
    )
    assert done.returncode != 0
    assert "RUSTNET_DISABLE_RULES: expected names of rules: unchanged, " in done.stderr
