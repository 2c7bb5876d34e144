"""to_categorical, normalize and pad_sequences: what Keras computes, and what they refuse."""

import numpy as np
import pytest

import rustnet
from rustnet.utils import normalize, pad_sequences, to_categorical

LABELS = [
    pytest.param(([0, 2, 1],), id="list"),
    pytest.param(([0, 2, 1], 5), id="num_classes"),
    pytest.param((np.array([[0], [2], [1]]),), id="column"),
    pytest.param((np.array([[0, 1], [2, 3]], dtype=np.uint8),), id="matrix of uint8"),
    pytest.param((np.array([1.0, 0.0, 3.0]),), id="whole floats"),
    pytest.param((np.array([True, False]),), id="bool"),
    pytest.param((3,), id="scalar"),
    pytest.param((np.zeros(0, np.int32), 4), id="empty"),
]


@pytest.mark.parametrize("arguments", LABELS)
def test_to_categorical_is_that_of_keras(keras, arguments):
    ours, theirs = to_categorical(*arguments), keras.utils.to_categorical(*arguments)
    np.testing.assert_array_equal(ours, theirs)
    assert ours.dtype == theirs.dtype == np.float64


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([0, 3], 3), "label 3 with num_classes=3"),
        (([0, -1],), "label -1"),
        (([0.5],), "x with 0.5"),
        (([np.nan],), "x with nan"),
        ((["a"],), "dtype=<U1"),
        (([],), r"x.shape=\(0,\)"),
    ],
)
def test_to_categorical_refuses(arguments, message):
    with pytest.raises(ValueError, match=f"Received: .*{message}"):
        to_categorical(*arguments)


@pytest.mark.parametrize("axis", [-1, 1])
@pytest.mark.parametrize("order", [1, 2, np.inf])
def test_normalize_is_that_of_keras(keras, axis, order):
    x = np.random.default_rng(0).normal(size=(3, 4, 5))
    x[0] = 0
    np.testing.assert_allclose(normalize(x, axis, order), keras.utils.normalize(x, axis, order), rtol=1e-15)


SEQUENCES = [[1], [2, 3, 4], [], [5, 6, 7, 8]]
VECTORS = [np.arange(6).reshape(3, 2), np.arange(2).reshape(1, 2)]


@pytest.mark.parametrize("padding", ["pre", "post"])
@pytest.mark.parametrize("truncating", ["pre", "post"])
@pytest.mark.parametrize("maxlen", [None, 2, 6])
@pytest.mark.parametrize("sequences", [SEQUENCES, VECTORS], ids=["numbers", "vectors"])
@pytest.mark.parametrize(("dtype", "value"), [("int32", 0), ("float32", -1.5)])
def test_pad_sequences_is_that_of_keras(keras, sequences, maxlen, padding, truncating, dtype, value):
    arguments = {
        "maxlen": maxlen,
        "dtype": dtype,
        "padding": padding,
        "truncating": truncating,
        "value": value,
    }
    ours = pad_sequences(sequences, **arguments)
    theirs = keras.utils.pad_sequences(sequences, **arguments)
    np.testing.assert_array_equal(ours, theirs)
    assert ours.dtype == theirs.dtype


def test_pad_sequences_of_nothing():
    assert pad_sequences([]).shape == (0, 0)
    assert pad_sequences([[], []]).shape == (2, 0)
    assert pad_sequences([[1, 2]], maxlen=0).shape == (1, 0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"padding": "left"}, "padding='left'"),
        ({"truncating": "right"}, "truncating='right'"),
        ({"maxlen": -1}, "maxlen=-1"),
        ({"sequences": [1, 2]}, "1 at position 0"),
        ({"sequences": 3}, "sequences=3"),
        ({"sequences": [[[1, 2]], [[1, 2, 3]]]}, r"shape \(3,\) at position 1"),
    ],
)
def test_pad_sequences_refuses(arguments, message):
    with pytest.raises(ValueError, match=f"Received: .*{message}"):
        pad_sequences(**{"sequences": SEQUENCES, **arguments})


def test_tensors_give_tensors():
    labels = rustnet.ops.convert_to_tensor([[0], [2]])
    encoded = to_categorical(labels)
    assert isinstance(encoded, rustnet.Tensor) and encoded.dtype == "float32"
    np.testing.assert_array_equal(encoded, [[1, 0, 0], [0, 0, 1]])
    with pytest.raises(ValueError, match="label 2"):
        to_categorical(labels, 2)
    symbol = rustnet.Input((1,), dtype="int32")
    assert to_categorical(symbol, 3).shape == (None, 3)
    with pytest.raises(ValueError, match="num_classes"):
        to_categorical(symbol)
    for x in (rustnet.ops.convert_to_tensor([[3.0, 4.0]]), [[3, 4]]):
        scaled = normalize(x)
        assert isinstance(scaled, rustnet.Tensor)
        np.testing.assert_allclose(scaled, [[0.6, 0.8]], rtol=1e-6)
    assert normalize(rustnet.Input((2,))).shape == (None, 2)
