"""Activations, regularizers and constraints against Keras, and how they are found by name."""

from __future__ import annotations

import numpy as np
import pytest

from oracle import assert_close, keras
from rustnet import activations, constraints, regularizers

X = np.concatenate(
    [np.linspace(-9, 9, 37), [0.0, -0.0, 1e-6, 30.0, -30.0, 88.0, -88.0, 3.0, -3.0, 0.5, 6.0]]
).astype("float32")
X = X.reshape(6, 8)
W = np.random.default_rng(4).normal(size=(3, 4)).astype("float32") * 2

ACTIVATIONS = [
    ("linear", {}),
    ("relu", {}),
    ("relu", {"negative_slope": 0.1}),
    ("relu", {"max_value": 2.0}),
    ("relu", {"negative_slope": 0.1, "max_value": 2.0, "threshold": 0.5}),
    ("leaky_relu", {}),
    ("leaky_relu", {"negative_slope": 0.5}),
    ("relu6", {}),
    ("elu", {}),
    ("elu", {"alpha": 0.5}),
    ("selu", {}),
    ("softplus", {}),
    ("softsign", {}),
    ("silu", {}),
    ("gelu", {}),
    ("gelu", {"approximate": True}),
    ("tanh", {}),
    ("sigmoid", {}),
    ("hard_sigmoid", {}),
    ("hard_silu", {}),
    ("exponential", {}),
    ("mish", {}),
    ("softmax", {}),
    ("softmax", {"axis": 0}),
    ("log_softmax", {}),
]


@pytest.mark.parametrize(
    "name, arguments", ACTIVATIONS, ids=[f"{n}-{i}" for i, (n, _) in enumerate(ACTIVATIONS)]
)
def test_activation_equals_keras(name, arguments):
    ours, theirs = getattr(activations, name), getattr(keras.activations, name)
    assert_close(ours(X, **arguments), theirs(keras.ops.convert_to_tensor(X), **arguments), rtol=2e-6)
    assert activations.get(name) is ours
    assert activations.deserialize(activations.serialize(ours)) is ours


def test_names_of_activations():
    assert {name for name, _ in ACTIVATIONS} == set(activations._registry.objects) - {"swish", "hard_swish"}
    assert activations.get(None) is activations.linear
    assert activations.get("swish") is activations.silu
    assert activations.get(np.tanh) is np.tanh
    with pytest.raises(ValueError, match="Did you mean 'sigmoid'.*Received: activation='sigmoyd'"):
        activations.get("sigmoyd")


@pytest.mark.parametrize(
    "name, arguments",
    [
        ("L1", {}),
        ("L1", {"l1": 0.3}),
        ("L2", {}),
        ("L2", {"l2": 0.3}),
        ("L1L2", {"l1": 0.1, "l2": 0.2}),
        ("L1L2", {}),
    ],
)
def test_regularizer_equals_keras(name, arguments):
    ours, theirs = getattr(regularizers, name)(**arguments), getattr(keras.regularizers, name)(**arguments)
    assert_close(ours(W), theirs(keras.ops.convert_to_tensor(W)))
    again = regularizers.deserialize(regularizers.serialize(ours))
    assert type(again) is type(ours) and again.get_config() == ours.get_config()


def test_names_of_regularizers():
    for name in ("l1", "l2", "l1_l2", "L1", "L2", "L1L2"):
        assert type(regularizers.get(name)).__name__.lower() == name.lower().replace("_", "")
    assert regularizers.get(None) is None
    with pytest.raises(ValueError, match="Received: regularizer='l3'"):
        regularizers.get("l3")
    for bad in (-0.1, float("nan"), float("inf"), "much"):
        with pytest.raises(ValueError, match="l2="):
            regularizers.L2(bad)
    assert regularizers.L2(np.float32(0.5)).l2 == regularizers.L1L2(l2=np.float64(0.5)).l2 == 0.5


@pytest.mark.parametrize(
    "name, arguments",
    [
        ("MaxNorm", {}),
        ("MaxNorm", {"max_value": 1.5, "axis": [0, 1]}),
        ("NonNeg", {}),
        ("UnitNorm", {"axis": 1}),
        ("MinMaxNorm", {"min_value": 0.5, "max_value": 1.5}),
        ("MinMaxNorm", {"min_value": 0.5, "max_value": 1.5, "rate": 0.3}),
    ],
)
def test_constraint_equals_keras(name, arguments):
    ours, theirs = getattr(constraints, name)(**arguments), getattr(keras.constraints, name)(**arguments)
    assert_close(ours(W), theirs(W))
    again = constraints.deserialize(constraints.serialize(ours))
    assert type(again) is type(ours) and again.get_config() == ours.get_config()
    assert type(constraints.get(name)) is type(ours)
