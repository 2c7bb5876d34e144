"""Only the sizes that weights depend on are fixed: what else Keras takes, the same layer takes too."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import rustnet
from layer_cases import CASES
from rustnet import layers

# One case of each kind of layer: how it is made does not change which sizes it takes.
KINDS = {case.kind: case for case in reversed(CASES)}
# Keras splits the channels into groups of the kernel's where a wrapped layer checks nothing.
STRICTER = {("TimeDistributed", "axis 2")}


def listed(values):
    return list(values) if isinstance(values, (list, tuple)) else [values]


def longer(x, axis):
    return np.concatenate([x, np.take(x, [0, 0], axis)], axis)


def variants(inputs):
    """The inputs with other sizes, of other ranks, and with no rows."""
    rank = inputs[0].ndim
    for axis in range(rank):
        yield f"axis {axis}", [longer(x, axis) for x in inputs]
    yield "one axis more", [np.repeat(x[:, None], 2, axis=1) for x in inputs]
    if rank > 2:
        yield "one axis less", [x[:, 0] for x in inputs]
    yield "no rows", [x[:0] for x in inputs]


def attempt(function):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return listed(function())
        except Exception:  # Keras raises whatever its backend raises
            return None


@pytest.mark.parametrize("kind", KINDS)
def test_a_layer_takes_the_shapes_that_it_takes_in_keras(keras, kind):
    case = KINDS[kind]
    inputs = listed(case.inputs)
    pack = (lambda xs: xs) if isinstance(case.inputs, list) else (lambda xs: xs[0])
    ours, theirs = case.make(layers), case.make(keras.layers)
    ours(case.inputs), theirs(case.inputs)
    ours.set_weights(theirs.get_weights()[: len(ours.weights)])
    for name, other in variants(inputs):
        expected = attempt(lambda other=other: theirs(pack(other)))
        actual = attempt(lambda other=other: ours(pack(other)))
        if (kind, name) in STRICTER:
            assert actual is None
            continue
        assert (actual is None) == (expected is None), name
        for one, two in zip(actual or [], expected or [], strict=True):
            np.testing.assert_allclose(one, two, rtol=1e-4, atol=1e-5, err_msg=name)


# Ids are not multiplied; Keras cuts normalised integers off, and compares integers with 0.0 as floats.
# On JAX it has no convolutions of integers channel by channel.
BY_CHANNEL = {"DepthwiseConv1D", "DepthwiseConv2D", "SeparableConv1D", "SeparableConv2D"}


@pytest.mark.parametrize(
    "kind", sorted(set(KINDS) - {"Embedding", "Masking", "LayerNormalization"} - BY_CHANNEL)
)
def test_a_layer_takes_integers_as_in_keras(keras, kind):
    case = KINDS[kind]
    inputs = [(x * 3).astype("int32") for x in listed(case.inputs)]
    given = inputs if isinstance(case.inputs, list) else inputs[0]
    ours, theirs = case.make(layers), case.make(keras.layers)
    expected = attempt(lambda: theirs(given))
    ours(case.inputs)
    ours.set_weights(theirs.get_weights()[: len(ours.weights)])
    for one, two in zip(attempt(lambda: ours(given)) or [], expected or [], strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-4, atol=1e-5)


def test_a_layer_normalization_counts_its_axes_from_the_end(keras):
    ours, theirs = layers.LayerNormalization(axis=-2), keras.layers.LayerNormalization(axis=-2)
    x = np.random.default_rng(0).normal(size=(3, 4, 2)).astype("float32")
    np.testing.assert_allclose(ours(x), theirs(x), rtol=1e-4, atol=1e-5)
    assert ours.get_config()["axis"] == theirs.get_config()["axis"] == [-2]
    np.testing.assert_allclose(ours(x[:, None]), theirs(x[:, None]), rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match="expected dimension 4 at axis -2. Received: shape"):
        ours(x[:, :3])
    with pytest.raises(ValueError, match="expected an input of rank 2 or more. Received: shape"):
        ours(x[0, 0])


def test_a_shape_may_be_asked_for_before_a_layer_is_built():
    for make, shape, expected in (
        (lambda: layers.Dense(3), (None, 4), (None, 3)),
        (lambda: layers.Bidirectional(layers.LSTM(3)), (2, None, 4), (2, 6)),
        (lambda: rustnet.Sequential([layers.Dense(3), layers.Dense(2)]), (None, 4), (None, 2)),
    ):
        layer = make()
        assert layer.compute_output_shape(shape) == expected
        assert not layer.built and not layer.weights
        layer(np.ones([3 if size is None else size for size in shape]))
        assert layer.compute_output_shape(shape) == expected


def test_asking_for_a_shape_leaves_the_losses_of_the_last_call():
    layer = layers.ActivityRegularization(l2=1.0)
    layer.compute_output_shape((2, 3))
    assert layer.losses == []
    layer(np.ones((1, 3)))
    layer.compute_output_shape((2, 3))
    assert [float(loss) for loss in layer.losses] == [3.0]


@pytest.mark.parametrize(
    ("batch_shape", "target", "expected"),
    [
        ((2, None), (3, 5), (2, 3, 5)),
        ((None, None), (3, 5), (None, 3, 5)),
        ((2, None), (3, -1), (2, 3, None)),
        ((2, None, 4), (-1,), (2, None)),
        ((None, 15), (3, -1), (None, 3, 5)),
    ],
)
def test_reshape_of_a_size_left_open(batch_shape, target, expected):
    assert layers.Reshape(target)(layers.Input(batch_shape=batch_shape)).shape == expected


def test_a_reshape_that_does_not_fit_is_an_error_when_it_runs():
    symbol = layers.Input(batch_shape=(2, None))
    model = rustnet.Model(symbol, layers.Reshape((3, 5))(symbol))
    assert model.predict(np.ones((2, 15)), verbose=0).shape == (2, 3, 5)
    with pytest.raises(ValueError, match="target_shape of the 14 elements of a sample"):
        model.predict(np.ones((2, 14)), verbose=0)


@pytest.mark.parametrize(
    "make",
    [
        lambda: layers.Dense(3),
        lambda: layers.Activation("relu"),
        lambda: layers.ReLU(),
        lambda: layers.Softmax(),
        lambda: layers.PReLU(),
        lambda: layers.BatchNormalization(),
        lambda: layers.LayerNormalization(),
        lambda: layers.Rescaling(2.0),
    ],
)
def test_an_array_in_a_list_is_read_as_numpy_reads_it(make):
    x = np.linspace(-1, 1, 8, dtype="float32").reshape(1, 2, 4)
    for inputs in ([x[0]], (x[0],), [rustnet.ops.convert_to_tensor(x[0])]):
        layer = make()
        np.testing.assert_array_equal(layer(inputs), layer(x))


def test_one_tensor_is_not_a_dictionary():
    for layer in (layers.Dense(3), layers.BatchNormalization(), layers.LSTM(2), layers.Softmax()):
        with pytest.raises(ValueError, match=r"expected one tensor. Received: a dictionary of \['a'\]"):
            layer({"a": np.ones((2, 4), "float32")})


def test_ops_join_lists_of_traced_tensors():
    class Joined(layers.Layer):
        def call(self, inputs):
            ops = rustnet.ops
            return ops.exp([inputs, inputs]) + ops.multiply([inputs, inputs], 2)

    x = np.float32(0.5)
    got = Joined()(np.full((3,), x))
    np.testing.assert_allclose(got, np.full((2, 3), np.exp(x) + 2 * x), rtol=1e-6)


@pytest.mark.parametrize("cells", [layers.LSTM, layers.GRU, layers.SimpleRNN])
def test_recurrent_layers_take_integers(cells):
    layer, x = cells(3), np.arange(24).reshape(2, 3, 4)
    np.testing.assert_array_equal(layer(x), layer(x.astype("float32")))
    model = rustnet.Sequential([rustnet.Input((3, 4), dtype="int32"), layer])
    np.testing.assert_allclose(model.predict(x, verbose=0), layer(x), rtol=1e-5)


def test_lengths_may_vary_within_one_fit():
    def batches(shape_of):
        for length in (5, 9, 7):
            yield np.ones(shape_of(length), "float32"), np.ones((3, 1), "float32")

    for chain, shape_of in (
        ([layers.LSTM(2), layers.Dense(1)], lambda length: (3, length, 4)),
        ([layers.Embedding(5, 2), layers.GRU(2), layers.Dense(1)], lambda length: (3, length)),
        ([layers.Conv1D(2, 3), layers.GlobalMaxPooling1D(), layers.Dense(1)], lambda length: (3, length, 4)),
        (
            [layers.Conv2D(2, 3), layers.GlobalAveragePooling2D(), layers.Dense(1)],
            lambda length: (3, length, 7, 1),
        ),
        (
            [layers.LayerNormalization(), layers.GlobalAveragePooling1D(), layers.Dense(1)],
            lambda length: (3, length, 4),
        ),
    ):
        model = rustnet.Sequential(chain)
        model.compile("sgd", "mse")
        model.fit(batches(shape_of), verbose=0)
        assert model(np.ones(shape_of(11))).shape == (3, 1)
