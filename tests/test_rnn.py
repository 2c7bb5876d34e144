"""Recurrent layers and the wrappers around them, against Keras with the same weights."""

import numpy as np
import pytest

import rustnet
from oracle import recording
from rustnet import Input, Layer, ops
from rustnet.core.trace import Trace
from rustnet.layers import (
    GRU,
    LSTM,
    RNN,
    Bidirectional,
    Dense,
    GRUCell,
    LSTMCell,
    Masking,
    SimpleRNN,
    SimpleRNNCell,
    TimeDistributed,
)

LAYERS = {"LSTM": LSTM, "GRU": GRU, "SimpleRNN": SimpleRNN}
X = np.random.default_rng(0).standard_normal((3, 5, 4)).astype("float32")
MASK = np.array([[1, 1, 1, 0, 0], [0, 1, 1, 1, 0], [1, 1, 0, 1, 1]], bool)

# return_sequences, go_backwards, masked, an initial state: every pair of values occurs.
OPTIONS = [
    (False, False, False, False),
    (False, True, True, True),
    (True, False, True, True),
    (True, True, False, True),
    (True, True, True, False),
]

# Every cell; activations that the engine's kernels know, and one that they do not.
CASES = [
    ("LSTM", {}),
    ("LSTM", {"use_bias": False, "unit_forget_bias": False}),
    ("LSTM", {"activation": "relu", "recurrent_activation": "hard_sigmoid"}),
    ("LSTM", {"activation": "swish"}),
    ("GRU", {}),
    ("GRU", {"use_bias": False}),
    ("GRU", {"reset_after": False}),
    ("GRU", {"reset_after": False, "recurrent_activation": "softplus"}),
    ("GRU", {"activation": "elu", "recurrent_activation": "softsign"}),
    ("SimpleRNN", {}),
    ("SimpleRNN", {"activation": None, "use_bias": False}),
]


def as_arrays(outputs):
    return [np.asarray(output) for output in (outputs if isinstance(outputs, (list, tuple)) else [outputs])]


def assert_same(received, expected, tolerance=2e-5):
    received, expected = as_arrays(received), as_arrays(expected)
    assert len(received) == len(expected)
    for mine, theirs in zip(received, expected, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=tolerance, atol=tolerance / 10)


def with_weights_of(oracle, layer, seed=1):
    """Gives both built layers the same random weights."""
    random = np.random.default_rng(seed)
    weights = [
        random.standard_normal(weight.shape).astype("float32") * 0.5 for weight in oracle.get_weights()
    ]
    oracle.set_weights(weights)
    layer.set_weights(weights)


@pytest.mark.parametrize(("name", "arguments"), CASES)
def test_outputs_and_states_are_those_of_keras(keras, name, arguments):
    random = np.random.default_rng(2)
    for sequences, backwards, masked, given_state in OPTIONS:
        options = {
            "return_sequences": sequences,
            "go_backwards": backwards,
            "return_state": True,
            **arguments,
        }
        oracle, layer = getattr(keras.layers, name)(6, **options), LAYERS[name](6, **options)
        call = {"mask": MASK} if masked else {}
        if given_state:
            states = 2 if name == "LSTM" else 1
            call["initial_state"] = [random.standard_normal((3, 6)).astype("float32") for _ in range(states)]
        oracle(X), layer(X)
        with_weights_of(oracle, layer)
        assert_same(layer(X, **call), oracle(X, **call))


@pytest.mark.parametrize(("name", "arguments"), CASES)
def test_gradients_are_those_of_keras(keras, name, arguments):
    import jax

    oracle = getattr(keras.layers, name)(6, return_sequences=True, **arguments)
    layer = LAYERS[name](6, return_sequences=True, **arguments)
    oracle(X), layer(X)
    with_weights_of(oracle, layer)
    importance = np.random.default_rng(3).standard_normal((3, 5, 6)).astype("float32")

    def loss(weights, x):
        outputs, _ = oracle.stateless_call(
            weights, [v.value for v in oracle.non_trainable_variables], x, mask=MASK
        )
        return (outputs * importance).sum()

    expected, expected_dx = jax.grad(loss, (0, 1))([weight.value for weight in oracle.trainable_variables], X)
    for training in (True, False):
        with recording(Trace(binds_arrays=True)) as trace:
            x = ops.convert_to_tensor(X)
            outputs = layer(x, mask=ops.convert_to_tensor(MASK), training=training)
            gradients = trace.gradients(ops.sum(outputs * importance), [*layer.trainable_weights, x])
        assert_same(trace.run_once(gradients), [*expected, expected_dx], tolerance=2e-4)


def test_training_is_that_of_keras(keras):
    def model_of(front):
        layers = front.layers
        return front.Sequential(
            [
                front.Input((5, 4)),
                layers.Masking(),
                layers.Bidirectional(layers.LSTM(5, return_sequences=True)),
                layers.TimeDistributed(layers.Dense(6, activation="relu")),
                layers.GRU(5, return_sequences=True, kernel_regularizer="l2"),
                layers.SimpleRNN(4, go_backwards=True),
                layers.Dense(1),
            ]
        )

    data, targets = np.tile(X * MASK[..., None], (4, 1, 1)), np.arange(12, dtype="float32") / 12
    oracle, model = model_of(keras), model_of(rustnet)
    with_weights_of(oracle, model)
    histories = []
    for each in (oracle, model):
        each.compile(optimizer="rmsprop", loss="mse")
        histories.append(each.fit(data, targets, batch_size=5, epochs=3, shuffle=False, verbose=0).history)
    assert_same(histories[1]["loss"], histories[0]["loss"], tolerance=1e-4)
    assert_same(model.get_weights(), oracle.get_weights(), tolerance=2e-3)


def test_defaults_are_those_of_keras(keras):
    for name, layer_class in LAYERS.items():
        oracle, layer = getattr(keras.layers, name)(6), layer_class(6)
        mine, theirs = layer.get_config(), oracle.get_config()
        known = {"name", "dtype", "trainable", "seed", "use_cudnn", "implementation"}
        for key in set(theirs) - known:
            value, expected = mine[key], theirs[key]
            if isinstance(expected, dict):
                value, expected = value["class_name"], expected["class_name"]
            assert value == expected, (name, key)
        oracle(X), layer(X)
        assert [w.shape for w in layer.weights] == [tuple(w.shape) for w in oracle.weights]
        kernel = layer.cell.recurrent_kernel.numpy()
        assert np.allclose(kernel @ kernel.T, np.eye(6), atol=1e-5)
    assert np.array_equal(LSTM(2).cell.bias_initial_values((8,), "float32"), [0, 0, 1, 1, 0, 0, 0, 0])


@pytest.mark.parametrize("merge_mode", ["concat", "sum", "mul", "ave", None])
@pytest.mark.parametrize("sequences", [False, True])
@pytest.mark.parametrize("masked", [False, True])
def test_both_directions_are_merged_as_in_keras(keras, merge_mode, sequences, masked):
    options = {"return_sequences": sequences, "return_state": True}
    oracle = keras.layers.Bidirectional(keras.layers.LSTM(4, **options), merge_mode=merge_mode)
    layer = Bidirectional(LSTM(4, **options), merge_mode=merge_mode)
    oracle(X), layer(X)
    with_weights_of(oracle, layer)
    call = {"mask": MASK} if masked else {}
    call["initial_state"] = [np.full((3, 4), value, "float32") for value in (0.1, -0.2, 0.3, 0.4)]
    assert_same(layer(X, **call), oracle(X, **call))


def test_a_backward_layer_of_its_own(keras):
    oracle = keras.layers.Bidirectional(
        keras.layers.GRU(4), backward_layer=keras.layers.SimpleRNN(4, go_backwards=True)
    )
    layer = Bidirectional(GRU(4), backward_layer=SimpleRNN(4, go_backwards=True))
    oracle(X), layer(X)
    with_weights_of(oracle, layer)
    assert_same(layer(X), oracle(X))
    fresh = Bidirectional(GRU(4))
    fresh(X)
    assert_same(Bidirectional(GRU(4), weights=fresh.get_weights())(X), fresh(X))


def test_a_layer_applied_to_every_timestep(keras):
    oracle, layer = keras.layers.TimeDistributed(keras.layers.Dense(7)), TimeDistributed(Dense(7))
    oracle(X), layer(X)
    with_weights_of(oracle, layer)
    assert_same(layer(X), oracle(X))
    # A layer with an axis of timesteps of its own, and masks.
    frames = np.random.default_rng(4).standard_normal((2, 3, 5, 4)).astype("float32")
    oracle, layer = keras.layers.TimeDistributed(keras.layers.LSTM(6)), TimeDistributed(LSTM(6))
    oracle(frames), layer(frames)
    with_weights_of(oracle, layer)
    assert_same(layer(frames), oracle(frames))
    assert TimeDistributed(Dense(7))(Input((None, 4))).shape == (None, None, 7)


def test_masked_timesteps_are_skipped_by_the_layers_that_follow(keras):
    data = X * MASK[..., None]
    for sequences in (False, True):
        oracle = keras.Sequential(
            [
                keras.layers.Input((5, 4)),
                keras.layers.Masking(),
                keras.layers.GRU(3, return_sequences=True),
                keras.layers.Bidirectional(keras.layers.LSTM(3, return_sequences=sequences)),
            ]
        )
        layers = [
            Masking(),
            GRU(3, return_sequences=True),
            Bidirectional(LSTM(3, return_sequences=sequences)),
        ]
        model = rustnet.Sequential([Input((5, 4)), *layers])
        with_weights_of(oracle, model)
        assert_same(model(data), oracle(data))
    assert np.array_equal(Masking(mask_value=-1.0)(np.where(MASK[..., None], X, -1.0))._keras_mask, MASK)


def test_states_are_kept_between_batches(keras):
    oracle = keras.layers.LSTM(4, stateful=True, return_sequences=True)
    layer = LSTM(4, stateful=True, return_sequences=True)
    oracle(X), layer(X)
    with_weights_of(oracle, layer)
    oracle.reset_state(), layer.reset_state()
    for _ in range(3):
        assert_same(layer(X), oracle(X))
    assert len(layer.weights) == 3
    layer.reset_states()
    assert all(np.all(state.numpy() == 0) for state in layer.states)
    with pytest.raises(ValueError, match=r"expected the batch size it was built with, 3\..*Received: .*2"):
        layer(X[:2])
    with pytest.raises(ValueError, match="expected a known batch size"):
        LSTM(4, stateful=True)(Input((5, 4)))


def test_symbolic_shapes():
    x = Input((None, 4))
    assert LSTM(6)(x).shape == (None, 6)
    assert GRU(6, return_sequences=True)(x).shape == (None, None, 6)
    assert SimpleRNN(6, activation="swish", return_sequences=True)(x).shape == (None, None, 6)
    outputs = Bidirectional(LSTM(6, return_state=True))(x)
    assert [output.shape for output in outputs] == [(None, 12)] + [(None, 6)] * 4
    encoded, *states = LSTM(6, return_state=True)(x)
    decoded = LSTM(6, return_sequences=True)(Input((7, 2)), initial_state=states)
    assert encoded.shape == (None, 6) and decoded.shape == (None, 7, 6)
    with pytest.raises(ValueError, match="unroll=True expected a known number of timesteps"):
        LSTM(6, unroll=True)(x)


@pytest.mark.parametrize(
    ("cell", "name"), [(LSTMCell, "LSTM"), (GRUCell, "GRU"), (SimpleRNNCell, "SimpleRNN")]
)
def test_a_cell_alone_and_in_a_layer(keras, cell, name):
    oracle = keras.layers.RNN(getattr(keras.layers, f"{name}Cell")(6), return_state=True)
    layer = RNN(cell(6), return_state=True)
    oracle(X), layer(X)
    with_weights_of(oracle, layer)
    assert_same(layer(X), oracle(X))
    states = [np.ones((3, 6), "float32")] * len(layer.state_size)
    output, new_states = layer.cell(X[:, 0], states)
    expected, expected_states = oracle.cell(X[:, 0], states)
    assert_same([output, *new_states], [expected, *expected_states])


class Decay(Layer):
    """A cell of a user's own."""

    state_size = 4

    def call(self, inputs, states):
        state = 0.5 * states[0] + inputs
        return state * 2.0, [state]


def test_a_cell_of_ones_own():
    outputs, state = RNN(Decay(), return_sequences=True, return_state=True)(X)
    expected = np.zeros((3, 4), "float32")
    for step in range(5):
        expected = 0.5 * expected + X[:, step]
        np.testing.assert_allclose(outputs.numpy()[:, step], 2 * expected, rtol=1e-6)
    np.testing.assert_allclose(state, expected, rtol=1e-6)


@pytest.mark.parametrize(
    "layer",
    [
        LSTM(3, recurrent_dropout=0.3, unit_forget_bias=False, go_backwards=True, name="a"),
        GRU(3, reset_after=False, kernel_regularizer="l2", seed=4),
        SimpleRNN(3, return_sequences=True, stateful=True, activation="relu"),
        RNN(GRUCell(3), zero_output_for_mask=True),
        Bidirectional(LSTM(3, return_sequences=True), merge_mode="sum"),
        Bidirectional(GRU(3), backward_layer=GRU(3, go_backwards=True, activation="relu")),
        TimeDistributed(LSTM(3)),
        Masking(2.0),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_a_layer_is_made_again_from_its_configuration(layer):
    config = layer.get_config()
    again = type(layer).from_config(config)
    assert again.get_config() == config


@pytest.mark.parametrize("layer_class", [LSTM, GRU, SimpleRNN])
@pytest.mark.parametrize("activation", ["tanh", "swish"])
def test_dropout_is_the_same_at_every_timestep(layer_class, activation):
    """Without weights on h, equal inputs give equal outputs only if the same inputs are dropped each time."""
    x = np.ones((64, 4, 8), "float32")
    for recurrent_dropout in (0.0, 0.5):
        layer = layer_class(
            16,
            dropout=0.5,
            recurrent_dropout=recurrent_dropout,
            recurrent_initializer="zeros",
            activation=activation,
            return_sequences=True,
        )
        assert np.array_equal(layer(x).numpy()[0], layer(x).numpy()[1])
        outputs = layer(x, training=True).numpy()
        assert not np.allclose(outputs[0], outputs[1])
        if layer_class is SimpleRNN:
            np.testing.assert_allclose(outputs[:, 0], outputs[:, 3], rtol=1e-6)
        assert not np.array_equal(outputs, layer(x, training=True).numpy())


def test_recurrent_dropout_scales_what_it_keeps():
    """With U = 1 and no inputs, an h of 1 becomes 0 where it is dropped and 2 where it is kept."""
    layer = SimpleRNN(
        1000,
        activation=None,
        recurrent_dropout=0.5,
        kernel_initializer="zeros",
        recurrent_initializer="identity",
        seed=3,
    )
    outputs = layer(
        np.ones((1, 1, 1), "float32"), initial_state=[np.ones((1, 1000), "float32")], training=True
    )
    assert set(np.unique(outputs)) == {0.0, 2.0} and 0.9 < np.mean(outputs) < 1.1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LSTM(0), r"expected units to be an int of 1 or more.*Received: units=0"),
        (lambda: GRU(3, activation="tang"), "tanh"),
        (lambda: SimpleRNN(3, colour="red"), "colour='red'"),
        (lambda: LSTM(3)(X[0]), r"(?s)ndim|axes|rank"),
        (lambda: LSTM(3)(X, initial_state=[X[:, 0]]), "expected initial_state of shapes"),
        (lambda: RNN(Layer()), "expected cell to have `state_size`"),
        (lambda: Bidirectional(Masking()), "to be a recurrent layer"),
        (lambda: Bidirectional(LSTM(3), merge_mode="max"), "merge_mode='max'"),
        (lambda: Bidirectional(LSTM(3), backward_layer=LSTM(3)), "different directions"),
        (lambda: TimeDistributed(3), "expected layer to be a layer"),
        (lambda: TimeDistributed(Masking())(X[0]), "3 axes or more"),
    ],
)
def test_mistakes_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
