"""Attention computes what Keras computes, forward and in training, with every kind of mask."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import rustnet
from op_cases import booleans, numbers
from rustnet import layers

QUERY = numbers(3, 4, 6).astype("float32")
VALUE = numbers(3, 5, 3, seed=1).astype("float32")
KEY = numbers(3, 5, 7, seed=2).astype("float32")
# What each layer is made with; whether it is called with keys of their own; further arguments of the call.
CASES: dict[str, tuple[dict[str, Any], bool, dict[str, Any]]] = {
    "plain": ({}, False, {}),
    "keys": ({}, True, {}),
    # With dropout Keras takes the way that can do it.
    "values of another size": ({"value_dim": 4, "dropout": 0.5}, True, {}),
    "without biases": ({"use_bias": False, "output_shape": 5}, False, {}),
    "output of rank 2": ({"output_shape": (2, 3)}, False, {}),
    "gated": ({"use_gate": True}, False, {}),
    "window": ({"sliding_window": 2}, False, {}),
    "causal": ({}, False, {"use_causal_mask": True}),
    "causal window": ({"sliding_window": 3}, True, {"use_causal_mask": True}),
    "mask": ({}, False, {"attention_mask": booleans(3, 4, 5) | (np.arange(5) == 1)}),
    "mask of rank 4": ({}, False, {"attention_mask": booleans(3, 2, 4, 5) | (np.arange(5) == 2)}),
    "mask of ints": ({}, True, {"attention_mask": (booleans(1, 4, 5) | (np.arange(5) == 0)).astype("int32")}),
    "mask of values": ({}, False, {"value_mask": np.arange(5) < [[5], [3], [1]]}),
    "key mask": ({}, True, {"key_mask": np.arange(5) < [[2], [4], [5]], "use_causal_mask": True}),
    "nothing to see": ({}, False, {"attention_mask": np.zeros((3, 4, 5), bool)}),
    "scores": ({"key_dim": 5}, False, {"return_attention_scores": True, "use_causal_mask": True}),
    "dropout outside training": ({"dropout": 0.5}, False, {}),
}


def made(module: Any, options: dict[str, Any]) -> Any:
    return module.MultiHeadAttention(**{"num_heads": 2, "key_dim": 3, **options})


def tensors(has_keys: bool) -> list[np.ndarray]:
    return [QUERY, VALUE, KEY] if has_keys else [QUERY, VALUE]


def listed(outputs: Any) -> list[Any]:
    return list(outputs) if isinstance(outputs, tuple) else [outputs]


def moved(layer: Any) -> Any:
    """The built layer with weights, biases too, that differ from one another."""
    generator = np.random.default_rng(3)
    layer.set_weights([weight + generator.uniform(-0.4, 0.4, weight.shape) for weight in layer.get_weights()])
    return layer


@pytest.mark.parametrize("name", CASES)
def test_outputs_are_those_of_keras(keras, name):
    options, has_keys, arguments = CASES[name]
    ours, theirs = made(layers, options), made(keras.layers, options)
    inputs = tensors(has_keys)
    ours(*inputs), theirs(*inputs)
    moved(ours)
    assert [w.path.split("/", 1)[1] for w in ours.weights] == [
        w.path.split("/", 1)[1] for w in theirs.weights
    ]
    theirs.set_weights(ours.get_weights())
    pairs = zip(listed(ours(*inputs, **arguments)), listed(theirs(*inputs, **arguments)), strict=True)
    for actual, expected in pairs:
        assert actual.shape == expected.shape
        np.testing.assert_allclose(actual, np.asarray(expected), rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("name", ["plain", "keys", "gated", "causal window", "without biases"])
def test_the_weights_after_training_are_those_of_keras(keras, name):
    options, has_keys, arguments = CASES[name]
    inputs = tensors(has_keys)

    def model(api: Any) -> Any:
        symbolic = [api.Input(x.shape[1:]) for x in inputs]
        model = api.Model(symbolic, made(api.layers, options)(*symbolic, **arguments))
        model.compile(api.optimizers.SGD(0.1), "mse")
        return model

    ours, theirs = moved(model(rustnet)), model(keras)
    theirs.set_weights(ours.get_weights())
    targets = np.random.default_rng(4).normal(size=(3, *ours.output_shape[1:])).astype("float32")
    for _ in range(3):
        expected = theirs.train_on_batch(inputs, targets)
        np.testing.assert_allclose(ours.train_on_batch(inputs, targets), expected, rtol=2e-5)
    for actual, wanted in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(actual, wanted, rtol=1e-4, atol=1e-5)


def test_the_mask_of_the_queries_goes_on(keras):
    def outputs(api: Any) -> Any:
        embedded = api.layers.Embedding(5, 4, mask_zero=True)(np.array([[1, 2, 0], [3, 0, 0]]))
        return api.layers.MultiHeadAttention(2, 3)(embedded, embedded)

    np.testing.assert_array_equal(outputs(rustnet)._keras_mask, outputs(keras)._keras_mask)


def test_dropout_is_there_in_training_alone():
    layer = made(layers, {"dropout": 0.5, "seed": 1})
    still = layer(QUERY, VALUE)
    np.testing.assert_array_equal(layer(QUERY, VALUE), still)
    first, second = layer(QUERY, VALUE, training=True), layer(QUERY, VALUE, training=True)
    assert np.abs(np.asarray(first) - np.asarray(still)).max() > 1e-3
    assert np.abs(np.asarray(first) - np.asarray(second)).max() > 1e-3


def test_projections_are_found_by_the_names_of_keras(keras):
    ours, theirs = layers.MultiHeadAttention(2, 3), keras.layers.MultiHeadAttention(2, 3)
    ours(QUERY, VALUE, KEY), theirs(QUERY, VALUE, KEY)
    for name in ("query_dense", "key_dense", "value_dense", "output_dense"):
        own, other = getattr(ours, name), getattr(theirs, name)
        assert own.kernel.path.split("/")[1:] == other.kernel.path.split("/")[1:]
        assert own.kernel.shape == other.kernel.shape


def test_projections_start_from_numbers_of_their_own():
    layer = layers.MultiHeadAttention(2, 3)
    layer(QUERY, QUERY)
    kernels = [weight.numpy().ravel() for weight in layer.weights if weight.name == "kernel"]
    assert all(not np.allclose(one, other) for one, other in zip(kernels, kernels[1:], strict=False))


@pytest.mark.parametrize("name", ["plain", "keys", "gated", "window", "output of rank 2"])
def test_a_configuration_makes_the_same_layer(name):
    options, has_keys, arguments = CASES[name]
    layer = made(layers, options)
    expected = layer(*tensors(has_keys), **arguments)
    twin = layers.MultiHeadAttention.from_config(layer.get_config())
    twin(*tensors(has_keys))
    twin.set_weights(layer.get_weights())
    assert twin.get_config() == layer.get_config()
    np.testing.assert_array_equal(twin(*tensors(has_keys), **arguments), expected)


@pytest.mark.parametrize(
    "options",
    [
        {"num_heads": 0},
        {"key_dim": 2.5},
        {"value_dim": -1},
        {"attention_axes": 2},
        {"flash_attention": True},
        {"sliding_window": 0},
        {"dropout": 2.0},
    ],
)
def test_bad_arguments_are_named(options):
    name = next(iter(options)).replace("dropout", "rate")
    with pytest.raises(ValueError, match=f"Received: {name}="):
        made(layers, options)


def test_bad_inputs_are_named():
    layer = layers.MultiHeadAttention(2, 3, name="mixer")
    with pytest.raises(ValueError, match=r"'mixer' expected query of shape .*Received: query.shape=\(3, 6\)"):
        layer(QUERY[:, 0], VALUE)
    with pytest.raises(ValueError, match="'mixer' expected keys and values of one length"):
        layer(QUERY, VALUE, KEY[:, :4])
    assert layer(QUERY, VALUE).shape == QUERY.shape
