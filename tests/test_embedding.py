"""Embedding: Keras's outputs, gradients and masks, and an error where an id is out of range."""

from __future__ import annotations

import numpy as np
import pytest

from oracle import recording
from rustnet import Sequential, ops
from rustnet.core.trace import Trace
from rustnet.layers import GRU, LSTM, Dense, Embedding, SimpleRNN

TABLE = np.random.default_rng(0).standard_normal((5, 3)).astype("float32")
IDS = np.array([[0, 4, 4], [2, 0, 1]], "int32")


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint8", "float32"])
def test_rows_are_those_of_keras(keras, dtype):
    theirs = keras.layers.Embedding(5, 3, weights=TABLE)
    ids = IDS.astype(dtype)
    np.testing.assert_array_equal(np.asarray(Embedding(5, 3, weights=[TABLE])(ids)), np.asarray(theirs(ids)))


def test_rows_met_twice_add_their_gradients():
    layer = Embedding(5, 3, weights=TABLE)
    weights = np.arange(18, dtype="float32").reshape(2, 3, 3)
    with recording(Trace(binds_arrays=True)) as trace:
        loss = ops.sum(layer(ops.convert_to_tensor(IDS)) * weights)
        found = trace.gradients(loss, layer.trainable_variables)
    expected = np.zeros_like(TABLE)
    np.add.at(expected, IDS, weights)
    np.testing.assert_array_equal(np.asarray(trace.run_once(found)[0]), expected)


def test_id_zero_is_masked_on_request():
    layer = Embedding(5, 3, mask_zero=True)
    np.testing.assert_array_equal(np.asarray(layer(IDS)._keras_mask), IDS != 0)
    assert getattr(Embedding(5, 3)(IDS), "_keras_mask", None) is None


@pytest.mark.parametrize("bad", [-1, 5, 99])
def test_an_id_out_of_range_is_named(bad):
    ids = IDS.copy()
    ids[1, 2] = bad
    with pytest.raises(ValueError, match=rf"index {bad} at position \[1, 2\]; expected 0 <= index < 5"):
        Embedding(5, 3)(ids)


@pytest.mark.parametrize("layer", [LSTM, GRU, SimpleRNN])
def test_an_id_out_of_range_below_a_recurrent_layer_leaves_the_model_as_it_was(layer):
    # Many more ids than rows: the layer reads the table by itself.
    model = Sequential([Embedding(5, 3, mask_zero=True), layer(4), Dense(1)])
    model.compile(optimizer="adam", loss="mse")
    ids, y = np.arange(16 * 10, dtype="int32").reshape(16, 10) % 5, np.ones((16, 1), "float32")
    model.train_on_batch(ids, y)
    before = model.get_weights()
    ids[3, 7] = 5
    with pytest.raises(ValueError, match=r"index 5 at position \[3, 7\]; expected 0 <= index < 5"):
        model.train_on_batch(ids, y)
    for expected, found in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [((0, 3), "input_dim=0"), ((5, 2.5), "output_dim=2.5"), ((True, 3), "input_dim=True")],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        Embedding(*arguments)


def test_a_configuration_makes_the_layer_again(keras):
    config = Embedding(5, 3, mask_zero=True).get_config()
    assert Embedding.from_config(config).get_config() == config
    not_offered = {"lora_alpha", "lora_rank", "quantization_config"}
    assert set(keras.layers.Embedding(5, 3).get_config()) - not_offered <= set(config)
