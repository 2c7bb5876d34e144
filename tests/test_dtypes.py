"""Dtypes: those asked for are those given, or refused by name; data of any dtype are read exactly."""

import warnings

import numpy as np
import pytest

import rustnet
from rustnet import layers, ops

MISSING = [
    "float16",
    "bfloat16",
    "half",
    "mixed_float16",
    "int8",
    "uint8",
    "int16",
    "uint64",
    "complex64",
    np.float16,
]

ASKED = {
    "a layer": lambda dtype: layers.Dense(2, dtype=dtype),
    "an activation layer": lambda dtype: layers.ReLU(dtype=dtype),
    "an Input": lambda dtype: rustnet.Input((3,), dtype=dtype),
    "a symbolic tensor": lambda dtype: rustnet.KerasTensor((3,), dtype=dtype),
    "a variable": lambda dtype: rustnet.Variable([1.0], dtype=dtype),
    "a weight": lambda dtype: layers.Layer().add_weight((2,), dtype=dtype),
    "cast": lambda dtype: ops.cast([1.0], dtype),
    "convert_to_tensor": lambda dtype: ops.convert_to_tensor([1.0], dtype),
    "zeros": lambda dtype: ops.zeros(2, dtype),
    "full": lambda dtype: ops.full(2, 1, dtype),
    "arange": lambda dtype: ops.arange(2, dtype=dtype),
    "one_hot": lambda dtype: ops.one_hot([1], 2, dtype=dtype),
    "cumsum": lambda dtype: ops.cumsum([1.0], dtype=dtype),
    "prod": lambda dtype: ops.prod([1.0], dtype=dtype),
    "random numbers": lambda dtype: rustnet.random.normal((2,), dtype=dtype),
    "zeros of an initializer": lambda dtype: rustnet.initializers.Zeros()((2,), dtype=dtype),
    "numbers of an initializer": lambda dtype: rustnet.initializers.GlorotUniform()((2, 2), dtype=dtype),
    "floatx": lambda dtype: rustnet.config.set_floatx(dtype),
    "a loss": lambda dtype: rustnet.losses.MeanSquaredError(dtype=dtype),
    "a metric": lambda dtype: rustnet.metrics.Mean(dtype=dtype),
}


@pytest.mark.parametrize("asked", ASKED)
def test_a_dtype_that_is_missing_is_refused_by_name(asked):
    for dtype in MISSING:
        with pytest.raises(ValueError, match=r"expected.*float32.*Received: \w+=") as raised:
            ASKED[asked](dtype)
        assert repr(dtype) in str(raised.value)


@pytest.mark.parametrize("asked", ASKED)
def test_float64_is_given_where_it_is_asked_for(asked):
    try:
        result = ASKED[asked]("float64")
    finally:
        rustnet.config.set_floatx("float32")
    assert result is None or result.dtype == "float64"


def test_an_input_of_int64_shows_it_and_computes_in_int32():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        x = rustnet.Input((2,), dtype="int64")
        assert x.dtype == "int64"
        model = rustnet.Model(x, [layers.Embedding(9, 1)(x), ops.add(x, 1)])
        assert model.layers[0].get_config()["dtype"] == "int64"
        assert rustnet.models.clone_model(model).inputs[0].dtype == "int64"
        ids = np.array([[1, 8]])
        assert model(ids)[1].dtype == "int32"
        np.testing.assert_array_equal(model.predict(ids, verbose=0)[1], [[2, 9]])
        for call in (model, lambda data: model.predict(data, verbose=0)):
            with pytest.raises(ValueError, match="5000000000"):
                call(np.array([[1, 5_000_000_000]]))


def test_an_op_asked_for_int64_warns():
    with pytest.warns(UserWarning, match="int64.*int32"):
        assert ops.cast([1.5], "int64").dtype == "int32"
    with pytest.warns(UserWarning, match="int64"):
        assert ops.zeros(2, "int64").dtype == "int32"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert ops.add(np.array([1]), np.array([2], "uint8")).dtype == "int32"


FLOAT64_MODELS = {
    "functional": lambda: _functional(),
    "sequential": lambda: rustnet.Sequential([layers.Dense(2, dtype="float64")]),
    "sequential with input": lambda: rustnet.Sequential(
        [rustnet.Input((3,), dtype="float64"), layers.Dense(2, dtype="float64")]
    ),
    "subclassed": lambda: _Subclassed(dtype="float64"),
}


def _functional():
    x = rustnet.Input((3,), dtype="float64")
    return rustnet.Model(x, layers.Dense(2, dtype="float64")(x))


class _Subclassed(rustnet.Model):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.dense = layers.Dense(2, dtype="float64")

    def call(self, x):
        return self.dense(x)


@pytest.mark.parametrize("kind", FLOAT64_MODELS)
def test_float64_data_reach_a_float64_model_unrounded(kind):
    model = FLOAT64_MODELS[kind]()
    x = np.random.default_rng(0).normal(size=(4, 3))
    results = [model(x), model(x), model(x.tolist()), model.predict(x, verbose=0)]
    kernel, bias = model.get_weights()
    assert kernel.dtype == "float64"
    for result in results:
        assert np.asarray(result).dtype == "float64"
        np.testing.assert_allclose(np.asarray(result), x @ kernel + bias, rtol=0, atol=1e-15)
    # One step of plain descent on the sum of the outputs: the gradient of the kernel is the sum of the rows.
    model.compile(rustnet.optimizers.SGD(1.0), lambda t, p: ops.sum(p, -1))
    model.fit(x, np.zeros((4, 2)), verbose=0)
    np.testing.assert_allclose(model.get_weights()[0], kernel - x.mean(0)[:, None], rtol=0, atol=1e-7)


def test_a_float64_layer_computes_from_float64_data():
    layer = layers.Dense(2, dtype="float64")
    x = np.random.default_rng(0).normal(size=(4, 3))
    y = np.asarray(layer(x))
    kernel, bias = layer.get_weights()
    assert abs(y - (x @ kernel + bias)).max() < 1e-15


def echo(loss="mae"):
    model = rustnet.Sequential(
        [rustnet.Input((1,)), layers.Dense(1, use_bias=False, kernel_initializer="ones")]
    )
    model.compile("sgd", loss)
    return model


BIG = np.array([[5_000_000_000]])


def test_integers_of_a_float_model_may_be_of_any_size():
    assert float(echo()(BIG)[0, 0]) == 5e9
    assert echo().predict(BIG, verbose=0)[0, 0] == 5e9
    assert echo().evaluate(np.zeros((1, 1)), BIG, verbose=0) == 5e9
    assert echo().train_on_batch(np.zeros((1, 1)), BIG) == 5e9
    assert float(layers.Dense(1, use_bias=False, kernel_initializer="ones")(BIG)[0, 0]) == 5e9
    assert float(rustnet.losses.MeanAbsoluteError()(BIG, [[0.0]])) == 5e9


IDS = {
    "beyond int32": (np.array([[2**40]]), "1099511627776"),
    "not exact in float32": (np.array([[2**24 + 2]]), "16777218.*float32"),
    "no number": (np.array([[np.nan]]), "NaN"),
    "no whole number": (np.array([[1.5]]), "1.5"),
    "negative": (np.array([[-1]]), "-1"),
}


@pytest.mark.parametrize("ids", IDS)
def test_an_id_that_is_none_is_named(ids):
    data, message = IDS[ids]
    model = rustnet.Sequential(
        [rustnet.Input((1,)), layers.Embedding(2**25, 1, embeddings_initializer="zeros")]
    )
    for call in (model, lambda data: model.predict(data, verbose=0)):
        with pytest.raises(ValueError, match=message):
            call(data)
    if data.dtype.kind == "i" and ids != "not exact in float32":
        with pytest.raises(ValueError, match=message):
            layers.Embedding(4, 1)(data)


@pytest.mark.parametrize("dtype", "float16 uint8 int8 int16 uint16 int64 uint32 uint64 bool float64".split())
def test_data_of_any_dtype_are_read_exactly(dtype):
    data = np.array([[0], [1], [100]]).astype(dtype)
    model = echo()
    for result in (model(data), model.predict(data, verbose=0), layers.Identity()(data), ops.add(data, 0)):
        np.testing.assert_array_equal(np.asarray(result), data.astype("float64"))
