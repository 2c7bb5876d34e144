"""BatchNormalization and LayerNormalization: Keras's outputs, gradients, moving averages and refusals."""

from __future__ import annotations

import numpy as np
import pytest

from oracle import recording
from rustnet import ops
from rustnet.core.trace import Trace
from rustnet.layers import BatchNormalization, LayerNormalization

RANDOM = np.random.default_rng(0)
SHAPES = {2: (6, 4), 3: (3, 5, 4), 4: (2, 3, 5, 4)}


def inputs(rank):
    return (RANDOM.standard_normal(SHAPES[rank]) * 3 + 1).astype("float32")


def pair(keras, name, layer, x, **arguments):
    """The layer and Keras's with the same arguments and the same random weights."""
    ours, theirs = layer(**arguments), getattr(keras.layers, name)(**arguments)
    ours.build(x.shape)
    theirs.build(x.shape)
    assert [one.name for one in ours.weights] == [one.name for one in theirs.weights]
    weights = [RANDOM.uniform(0.5, 1.5, one.shape).astype("float32") for one in theirs.weights]
    ours.set_weights(weights)
    theirs.set_weights(weights)
    return ours, theirs


def gradients(layer, x, weights, **kwargs):
    """d Σ weights · layer(x) by x and by the layer's trainable weights."""
    with recording(Trace(binds_arrays=True)) as trace:
        x = ops.convert_to_tensor(x)
        loss = ops.sum(layer(x, **kwargs) * weights)
        found = trace.gradients(loss, [x, *layer.trainable_variables])
    return [np.asarray(one) for one in trace.run_once(found)]


def keras_gradients(layer, x, weights, **kwargs):
    import jax

    trainable = [one.value for one in layer.trainable_variables]
    frozen = [one.value for one in layer.non_trainable_variables]

    def loss(x, trainable):
        outputs, _ = layer.stateless_call(trainable, frozen, x, **kwargs)
        return (outputs * weights).sum()

    by_input, by_weights = jax.grad(loss, argnums=(0, 1))(x, trainable)
    return [np.asarray(one) for one in (by_input, *by_weights)]


def assert_close(ours, theirs, tolerance=2e-5):
    np.testing.assert_allclose(np.asarray(ours), np.asarray(theirs), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(
    ("rank", "arguments"),
    [
        (2, {}),
        (4, {"momentum": 0.5, "epsilon": 1e-2}),
        (3, {"axis": 1}),
        (4, {"axis": 1, "scale": False}),
        (2, {"center": False}),
        (3, {"center": False, "scale": False}),
    ],
)
def test_batch_normalization_is_that_of_keras(keras, rank, arguments, training):
    x = inputs(rank)
    ours, theirs = pair(keras, "BatchNormalization", BatchNormalization, x, **arguments)
    weights = RANDOM.standard_normal(x.shape).astype("float32")
    expected = keras_gradients(theirs, x, weights, training=training)
    assert_close(ours(x, training=training), theirs(x, training=training))
    for mine, other in zip(ours.weights, theirs.weights, strict=True):
        assert_close(mine.numpy(), np.asarray(other))
    for mine, other in zip(gradients(ours, x, weights, training=training), expected, strict=True):
        assert_close(mine, other, 2e-4)


def test_masked_elements_do_not_count(keras):
    x = inputs(3)
    mask = RANDOM.random(x.shape[:2]) < 0.6
    ours, theirs = pair(keras, "BatchNormalization", BatchNormalization, x)
    assert_close(ours(x, training=True, mask=mask), theirs(x, training=True, mask=mask))
    for mine, other in zip(ours.weights, theirs.weights, strict=True):
        assert_close(mine.numpy(), np.asarray(other))
    with pytest.raises(ValueError, match="expected a mask of shape"):
        ours(x, training=True, mask=mask[0])


def test_frozen_batch_normalization_keeps_its_statistics(keras):
    x = inputs(2)
    ours, theirs = pair(keras, "BatchNormalization", BatchNormalization, x)
    before = ours.get_weights()
    ours.trainable = theirs.trainable = False
    assert_close(ours(x, training=True), theirs(x, training=True))
    for mine, kept in zip(ours.get_weights(), before, strict=True):
        np.testing.assert_array_equal(mine, kept)


@pytest.mark.parametrize(
    ("rank", "arguments"),
    [
        (2, {}),
        (3, {"epsilon": 1e-2}),
        (3, {"axis": 1}),
        (4, {"axis": [-2, -1]}),
        (4, {"axis": (3, 1)}),
        (3, {"scale": False}),
        (3, {"center": False}),
    ],
)
def test_layer_normalization_is_that_of_keras(keras, rank, arguments):
    x = inputs(rank)
    ours, theirs = pair(keras, "LayerNormalization", LayerNormalization, x, **arguments)
    weights = RANDOM.standard_normal(x.shape).astype("float32")
    assert_close(ours(x), theirs(x))
    for mine, other in zip(gradients(ours, x, weights), keras_gradients(theirs, x, weights), strict=True):
        assert_close(mine, other, 2e-4)


@pytest.mark.parametrize("layer", [BatchNormalization, LayerNormalization])
def test_a_configuration_makes_the_layer_again(layer):
    first = layer(axis=1, epsilon=0.02, scale=False)
    second = layer.from_config(first.get_config())
    assert second.get_config() == first.get_config()
    assert set(first.get_config()) >= {"axis", "epsilon", "center", "scale", "beta_initializer"}


@pytest.mark.parametrize(
    ("layer", "arguments", "message"),
    [
        (BatchNormalization, {"epsilon": -1.0}, "epsilon=-1.0"),
        (BatchNormalization, {"momentum": 1.5}, "momentum=1.5"),
        (BatchNormalization, {"renorm": True}, "renorm=True"),
        (LayerNormalization, {"axis": 1.5}, "axis=1.5"),
        (LayerNormalization, {"axis": []}, r"axis=\[\]"),
    ],
)
def test_bad_arguments_are_named(layer, arguments, message):
    with pytest.raises(ValueError, match=message):
        layer(**arguments)


@pytest.mark.parametrize("layer", [BatchNormalization, LayerNormalization])
def test_an_axis_that_the_inputs_lack_is_named(layer):
    with pytest.raises(ValueError, match="axis=3"):
        layer(axis=3)(np.ones((2, 4), "float32"))
