"""Convolution and pooling layers against Keras with weights copied: outputs, gradients, shapes."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from oracle import assert_close, keras, recording
from rustnet import Input, layers, ops
from rustnet.core.convert import tensor
from rustnet.core.trace import Trace

random = np.random.default_rng(5)


def normal(*shape):
    return random.normal(size=shape).astype("float32")


STEPS, IMAGES = normal(3, 11, 4), normal(2, 9, 10, 4)
# name, arguments, inputs
CASES = [
    ("Conv1D", {"filters": 5, "kernel_size": 3}, STEPS),
    ("Conv1D", {"filters": 5, "kernel_size": 3, "padding": "causal", "dilation_rate": 2}, STEPS),
    ("Conv1D", {"filters": 6, "kernel_size": 4, "padding": "same", "strides": 2, "groups": 2}, STEPS),
    ("Conv1D", {"filters": 5, "kernel_size": 7, "padding": "SAME", "activation": "relu"}, STEPS),
    ("Conv2D", {"filters": 5, "kernel_size": 3}, IMAGES),
    ("Conv2D", {"filters": 33, "kernel_size": (3, 2), "padding": "same", "use_bias": False}, IMAGES),
    ("Conv2D", {"filters": 4, "kernel_size": 1, "activation": "tanh"}, IMAGES),
    ("Conv2D", {"filters": 4, "kernel_size": 3, "strides": (2, 3), "padding": "same"}, IMAGES),
    ("Conv2D", {"filters": 4, "kernel_size": 2, "strides": 3}, IMAGES),
    ("Conv2D", {"filters": 8, "kernel_size": 3, "groups": 4, "padding": "same"}, IMAGES),
    ("Conv2D", {"filters": 3, "kernel_size": (2, 3), "dilation_rate": (3, 2), "padding": "same"}, IMAGES),
    (
        "Conv2D",
        {"filters": 3, "kernel_size": 3, "kernel_regularizer": "l2", "bias_initializer": "ones"},
        IMAGES,
    ),
    ("MaxPooling1D", {}, STEPS),
    ("MaxPooling1D", {"pool_size": 3, "strides": 1, "padding": "same"}, STEPS),
    ("AveragePooling1D", {"pool_size": 2}, STEPS),
    ("AveragePooling1D", {"pool_size": 3, "strides": 2, "padding": "same"}, STEPS),
    ("MaxPooling2D", {}, IMAGES),
    ("MaxPooling2D", {"pool_size": (3, 2), "strides": (1, 2), "padding": "same"}, IMAGES),
    ("MaxPooling2D", {"pool_size": 3, "strides": 2}, IMAGES),
    ("AveragePooling2D", {"pool_size": (2, 3)}, IMAGES),
    ("AveragePooling2D", {"pool_size": 3, "strides": 2, "padding": "same"}, IMAGES),
    ("GlobalMaxPooling1D", {}, STEPS),
    ("GlobalMaxPooling1D", {"keepdims": True}, STEPS),
    ("GlobalMaxPooling2D", {}, IMAGES),
    ("GlobalAveragePooling1D", {}, STEPS),
    ("GlobalAveragePooling2D", {"keepdims": True}, IMAGES),
    ("GlobalAveragePooling2D", {}, IMAGES),
]
IDS = [f"{name}-{index}" for index, (name, *_) in enumerate(CASES)]


def pair(name, arguments, inputs):
    """The layer of both libraries with the same weights."""
    ours, theirs = getattr(layers, name)(**arguments), getattr(keras.layers, name)(**arguments)
    ours.build(inputs.shape)
    theirs.build(inputs.shape)
    weights = [random.normal(size=weight.shape).astype("float32") for weight in ours.weights]
    ours.set_weights(weights)
    theirs.set_weights(weights)
    return ours, theirs


@pytest.mark.parametrize("name, arguments, inputs", CASES, ids=IDS)
def test_output_equals_keras(name, arguments, inputs):
    ours, theirs = pair(name, arguments, inputs)
    # Sums of up to 36 products of order 1.
    assert_close(ours(inputs), theirs(inputs), atol=1e-5)
    assert_close(sum(map(float, ours.losses)), sum(map(float, theirs.losses)))


@pytest.mark.parametrize("name, arguments, inputs", CASES, ids=IDS)
def test_gradients_equal_keras(name, arguments, inputs):
    ours, theirs = pair(name, arguments, inputs)
    with recording(Trace(binds_arrays=True)) as trace:
        x = tensor(inputs)
        loss = ops.sum(ops.square(ours(x)))
        gradients = trace.gradients(loss, [x, *ours.weights])
    actual = trace.run_once(gradients)

    def loss_of(x, weights):
        y, _ = theirs.stateless_call(weights, [], x)
        return keras.ops.sum(keras.ops.square(y))

    weights = [weight.value for weight in theirs.weights]
    dx, dweights = jax.grad(loss_of, argnums=(0, 1))(inputs, weights)
    for one, other in zip(actual, [dx, *dweights], strict=True):
        # Sums of some hundred products, in another order.
        assert_close(one, other, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name, arguments, inputs", CASES, ids=IDS)
def test_symbolic_shape_equals_keras(name, arguments, inputs):
    for shape in (inputs.shape[1:], (None,) * (inputs.ndim - 2) + inputs.shape[-1:]):
        ours, theirs = getattr(layers, name)(**arguments), getattr(keras.layers, name)(**arguments)
        assert ours(Input(shape=shape)).shape == tuple(theirs(keras.Input(shape=shape)).shape)


@pytest.mark.parametrize("name, arguments, inputs", CASES, ids=IDS)
def test_configuration_round_trip(name, arguments, inputs):
    layer = getattr(layers, name)(**arguments)
    again = type(layer).from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    layer(inputs), again(inputs)
    again.set_weights(layer.get_weights())
    np.testing.assert_array_equal(again(inputs), layer(inputs))


@pytest.mark.parametrize(
    "alias, name",
    [
        ("Convolution1D", "Conv1D"),
        ("Convolution2D", "Conv2D"),
        ("MaxPool1D", "MaxPooling1D"),
        ("MaxPool2D", "MaxPooling2D"),
        ("AvgPool1D", "AveragePooling1D"),
        ("AvgPool2D", "AveragePooling2D"),
        ("GlobalMaxPool1D", "GlobalMaxPooling1D"),
        ("GlobalMaxPool2D", "GlobalMaxPooling2D"),
        ("GlobalAvgPool1D", "GlobalAveragePooling1D"),
        ("GlobalAvgPool2D", "GlobalAveragePooling2D"),
    ],
)
def test_aliases(alias, name):
    assert getattr(layers, alias) is getattr(layers, name)


def test_the_mean_over_steps_heeds_the_mask():
    mask = np.arange(11) < np.array([[2], [11], [5]])
    ours = layers.GlobalAveragePooling1D()(STEPS, mask=mask)
    assert_close(ours, keras.layers.GlobalAveragePooling1D()(STEPS, mask=mask))


@pytest.mark.parametrize("function", ["conv", "max_pool", "average_pool"])
@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("inputs", [STEPS, IMAGES], ids=["steps", "images"])
def test_functions_equal_keras(function, padding, inputs):
    rank = inputs.ndim - 2
    window = normal(*(3, 2)[:rank], 2, 6) if function == "conv" else (3, 2)[:rank]
    for strides in (1, (2, 3)[:rank]):
        ours = getattr(ops, function)(inputs, window, strides, padding)
        assert_close(ours, getattr(keras.ops, function)(inputs, window, strides, padding), atol=1e-5)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: layers.Conv2D(0, 3), "filters=0"),
        (lambda: layers.Conv2D(4, (3, 3, 3)), r"kernel_size=\(3, 3, 3\)"),
        (lambda: layers.Conv2D(4, 3, strides=0), "strides=0"),
        (lambda: layers.Conv2D(4, 3, padding="causal"), "padding='causal'"),
        (lambda: layers.Conv2D(4, 3, data_format="channels_first"), "data_format='channels_first'"),
        (lambda: layers.Conv2D(4, 3, groups=3), "filters=4, groups=3"),
        (lambda: layers.Conv2D(4, 3, groups=2)(normal(1, 5, 5, 3)), r"^conv2d.*groups=2"),
        (lambda: layers.Conv2D(4, 3)(normal(2, 2, 9, 1)), r"^conv2d.*inputs.shape=\(2, 2, 9, 1\)"),
        (lambda: layers.Conv2D(4, 3)(Input(shape=(2, 9, 1))), r"^conv2d.*\(None, 2, 9, 1\)"),
        (lambda: layers.Conv2D(4, 3)(normal(5, 9, 1)), r"conv2d.*rank 4.*\(5, 9, 1\)"),
        (lambda: layers.Conv1D(4, 3, dilation_rate=4)(STEPS[:, :8]), r"^conv1d.*dilation_rate=\(4,\)"),
        (lambda: layers.MaxPooling2D(3)(normal(1, 2, 2, 1)), r"^max_pooling2d.*pool size=\(3, 3\)"),
        (lambda: layers.MaxPooling2D(padding="full"), "padding='full'"),
        (lambda: layers.AveragePooling1D(-1), "pool_size=-1"),
        (lambda: ops.conv(STEPS, IMAGES), "kernel of rank 3"),
        (lambda: ops.conv(STEPS, normal(3, 3, 2)), r"kernel.shape=\(3, 3, 2\)"),
        (lambda: ops.max_pool(normal(3, 3), 2), r"inputs.shape=\(3, 3\)"),
    ],
)
def test_what_does_not_fit_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
