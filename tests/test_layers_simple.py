"""The simple layers against Keras with weights copied: outputs, penalties, shapes, configurations."""

from __future__ import annotations

import numpy as np
import pytest

from oracle import assert_close, keras
from rustnet import Input, layers, ops

random = np.random.default_rng(3)


def normal(*shape):
    return random.normal(size=shape).astype("float32")


TWO = [normal(4, 3), normal(4, 3)]
# name, arguments, input(s)
CASES = [
    ("Dense", {"units": 5}, normal(4, 3)),
    ("Dense", {"units": 5, "activation": "relu", "use_bias": False}, normal(2, 6, 3)),
    ("Dense", {"units": 5, "activation": "softmax", "bias_initializer": "ones"}, normal(4, 3)),
    ("Activation", {"activation": "tanh"}, normal(4, 3)),
    ("Identity", {}, normal(4, 3)),
    ("Flatten", {}, normal(4, 3, 2, 5)),
    ("Flatten", {}, normal(4)),
    ("Reshape", {"target_shape": (6, 2)}, normal(4, 3, 4)),
    ("Reshape", {"target_shape": (-1, 2)}, normal(4, 3, 4)),
    ("Permute", {"dims": (3, 1, 2)}, normal(4, 3, 2, 5)),
    ("RepeatVector", {"n": 3}, normal(4, 5)),
    ("Dropout", {"rate": 0.5}, normal(4, 3)),
    ("SpatialDropout1D", {"rate": 0.5}, normal(4, 3, 2)),
    ("SpatialDropout2D", {"rate": 0.5}, normal(4, 3, 2, 2)),
    ("GaussianNoise", {"stddev": 0.5}, normal(4, 3)),
    ("GaussianDropout", {"rate": 0.5}, normal(4, 3)),
    ("ActivityRegularization", {"l1": 0.1, "l2": 0.2}, normal(4, 3)),
    ("ReLU", {}, normal(4, 3)),
    ("ReLU", {"max_value": 0.5, "negative_slope": 0.1, "threshold": 0.2}, normal(4, 3)),
    ("LeakyReLU", {}, normal(4, 3)),
    ("ELU", {"alpha": 0.7}, normal(4, 3)),
    ("Softmax", {}, normal(4, 3)),
    ("Softmax", {"axis": 1}, normal(4, 3, 2)),
    ("Softmax", {"axis": (1, 2)}, normal(4, 3, 2)),
    ("PReLU", {"alpha_initializer": "ones"}, normal(4, 3)),
    ("PReLU", {"alpha_initializer": "random_normal", "shared_axes": [1]}, normal(4, 3, 2)),
    ("Rescaling", {"scale": 0.5, "offset": 1.0}, normal(4, 3)),
    ("Rescaling", {"scale": 1 / 255}, random.integers(0, 256, (4, 3)).astype("uint8")),
    ("Rescaling", {"scale": [1.0, 2.0, 3.0], "offset": [0.0, 1.0, 2.0]}, normal(4, 3)),
    ("Add", {}, TWO),
    ("Add", {}, [normal(4, 3), normal(4, 3), normal(4, 1)]),
    ("Subtract", {}, TWO),
    ("Multiply", {}, TWO),
    ("Average", {}, [*TWO, normal(4, 3)]),
    ("Maximum", {}, TWO),
    ("Minimum", {}, TWO),
    ("Concatenate", {}, [normal(4, 3), normal(4, 2)]),
    ("Concatenate", {"axis": 1}, [normal(4, 3, 2), normal(4, 1, 2), normal(4, 2, 2)]),
    ("Dot", {"axes": 1}, TWO),
    ("Dot", {"axes": -1, "normalize": True}, TWO),
    ("Dot", {"axes": (2, 1)}, [normal(4, 3, 2), normal(4, 2, 5)]),
    ("Dot", {"axes": 2}, [normal(4, 3, 2), normal(4, 5, 2)]),
]
IDS = [f"{name}-{index}" for index, (name, *_) in enumerate(CASES)]


def pair(name, arguments, inputs):
    """The layer of both libraries with the same weights."""
    ours, theirs = getattr(layers, name)(**arguments), getattr(keras.layers, name)(**arguments)
    ours(inputs)
    theirs(inputs)
    assert [weight.shape for weight in ours.weights] == [tuple(weight.shape) for weight in theirs.weights]
    theirs.set_weights(ours.get_weights())
    return ours, theirs


@pytest.mark.parametrize("name, arguments, inputs", CASES, ids=IDS)
def test_output_equals_keras(name, arguments, inputs):
    ours, theirs = pair(name, arguments, inputs)
    assert_close(ours(inputs), theirs(inputs))
    assert_close(ours(inputs, training=False), theirs(inputs, training=False))
    assert_close(sum(map(float, ours.losses)), sum(map(float, theirs.losses)))


@pytest.mark.parametrize("name, arguments, inputs", CASES, ids=IDS)
def test_symbolic_shape_equals_keras(name, arguments, inputs):
    def symbols(library):
        each = [
            library(shape=array.shape[1:]) for array in (inputs if isinstance(inputs, list) else [inputs])
        ]
        return each if isinstance(inputs, list) else each[0]

    ours, theirs = getattr(layers, name)(**arguments), getattr(keras.layers, name)(**arguments)
    assert ours(symbols(Input)).shape == tuple(theirs(symbols(keras.Input)).shape)


@pytest.mark.parametrize("name, arguments, inputs", CASES, ids=IDS)
def test_configuration_round_trip(name, arguments, inputs):
    layer = getattr(layers, name)(**arguments)
    again = type(layer).from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    layer(inputs), again(inputs)
    again.set_weights(layer.get_weights())
    assert_close(again(inputs), layer(inputs))


def test_every_public_class_has_a_case():
    import rustnet.layers as module

    own = {"core", "reshaping", "regularization", "activations", "merging", "preprocessing"}
    classes = {
        name
        for name in module.__all__
        if isinstance(getattr(module, name), type)
        and getattr(module, name).__module__.removeprefix("rustnet.layers.") in own
    }
    assert classes - {"Lambda"} == {name for name, *_ in CASES}


@pytest.mark.parametrize(
    "name", ["add", "subtract", "multiply", "average", "maximum", "minimum", "concatenate"]
)
def test_functions_of_layers(name):
    assert_close(getattr(layers, name)(TWO), getattr(keras.layers, name)(TWO))
    assert_close(layers.dot(TWO, axes=1), keras.layers.dot(TWO, axes=1))


def test_lambda():
    layer = layers.Lambda(lambda x, power: ops.square(x) ** power, arguments={"power": 2})
    assert layer(np.array([2.0], "float32")).numpy().tolist() == [16.0]
    assert layer(Input(shape=(3,))).shape == (None, 3)


@pytest.mark.parametrize("rate", [0.2, 0.5, 0.9])
def test_dropout_keeps_the_mean(rate):
    layer, inputs = layers.Dropout(rate, seed=1), np.ones((200, 200), "float32")
    output = layer(inputs, training=True).numpy()
    assert abs((output == 0).mean() - rate) < 0.01
    np.testing.assert_allclose(output[output != 0], 1 / (1 - rate), rtol=1e-6)
    assert (layer(inputs, training=True).numpy() != output).any(), "each call draws anew"
    assert (layers.Dropout(rate, seed=1)(inputs, training=True).numpy() == output).all(), "seeded"


def test_dropout_of_whole_channels_and_steps():
    output = layers.SpatialDropout1D(0.5, seed=1)(np.ones((8, 5, 6), "float32"), training=True).numpy()
    assert set(np.unique(output)) == {0.0, 2.0} and (output == output[:, :1]).all()
    output = layers.Dropout(0.5, noise_shape=(None, 1, 6), seed=1)(
        np.ones((8, 5, 6), "float32"), training=True
    )
    assert (output.numpy() == output.numpy()[:, :1]).all()
    assert (layers.Dropout(1.0)(np.ones((3, 3)), training=True).numpy() == 0).all()


def test_noise():
    inputs = np.zeros((200, 200), "float32")
    noise = layers.GaussianNoise(0.5, seed=1)(inputs, training=True).numpy()
    assert abs(noise.mean()) < 0.01 and abs(noise.std() - 0.5) < 0.01
    scaled = layers.GaussianDropout(0.2, seed=1)(inputs + 1, training=True).numpy()
    assert abs(scaled.mean() - 1) < 0.01 and abs(scaled.std() - 0.5) < 0.01


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: layers.Dense(-3), "units=-3"),
        (lambda: layers.Dense(2.5), "units=2.5"),
        (lambda: layers.Dense(3, activation="relux"), "Did you mean 'relu'"),
        (lambda: layers.Dense(3, speed=1), "speed=1"),
        (lambda: layers.Dropout(1.5), "rate=1.5"),
        (lambda: layers.Permute((0, 1)), r"dims=\(0, 1\)"),
        (lambda: layers.Reshape((-1, -1)), r"target_shape=\(-1, -1\)"),
        (lambda: layers.Reshape((5, 2))(normal(4, 3)), r"target_shape=\(5, 2\)"),
        (lambda: layers.RepeatVector(0), "n=0"),
        (lambda: layers.LeakyReLU(-1.0), "negative_slope=-1.0"),
        (lambda: layers.Add()(normal(4, 3)), "list of 2 or more"),
        (lambda: layers.Add()([normal(4, 3), normal(4, 2)]), "broadcast"),
        (lambda: layers.Subtract()([*TWO, *TWO]), "two inputs"),
        (lambda: layers.Concatenate()([normal(4, 3), normal(5, 3)]), r"\(5, 3\)"),
        (lambda: layers.Dot(axes=1)([normal(4, 3), normal(4, 2)]), r"\(4, 2\)"),
        (lambda: layers.Lambda(3), "function=3"),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_layer_called_on_another_size():
    layer = layers.Dense(2)
    layer(normal(4, 3))
    with pytest.raises(ValueError, match=r"(?s)dense.*3.*\(4, 5\)"):
        layer(normal(4, 5))
