"""What is pickled or deep-copied is the same thing again, with state of its own."""

import copy
import pickle

import numpy as np
import pytest

import rustnet
from rustnet import Input, Sequential, layers

X = np.random.default_rng(0).normal(size=(6, 3)).astype("float32")
Y = X.sum(1, keepdims=True)

COPIES = {
    **{f"protocol {n}": lambda one, n=n: pickle.loads(pickle.dumps(one, n)) for n in range(2, 6)},
    "deepcopy": copy.deepcopy,
}


@pytest.mark.parametrize("how", COPIES)
@pytest.mark.parametrize("dtype", ["bool", "int32", "float32", "float64"])
def test_a_variable(how, dtype):
    variable = rustnet.Variable(np.ones((2, 1), dtype), dtype=dtype, trainable=False, name="state")
    twin = COPIES[how](variable)
    assert (twin.name, twin.path, twin.dtype, twin.shape) == ("state", "state", dtype, (2, 1))
    assert not twin.trainable
    twin.assign(np.zeros((2, 1), dtype))
    assert twin.numpy().sum() == 0 and variable.numpy().sum() == 2


@pytest.mark.parametrize("how", COPIES)
def test_a_layer_built_and_not(how):
    layer = layers.Dense(2, activation="relu", kernel_regularizer="l2", name="head")
    assert not COPIES[how](layer).built
    wanted = layer(X).numpy()
    twin = COPIES[how](layer)
    assert twin.name == "head" and float(twin.losses[0]) == float(layer.losses[0])
    np.testing.assert_array_equal(twin(X), wanted)
    layer.set_weights([0 * one for one in layer.get_weights()])
    np.testing.assert_array_equal(twin(X), wanted)


@pytest.mark.parametrize("how", COPIES)
def test_a_model(how):
    model = Sequential([Input((3,)), layers.Dense(4, activation="relu"), layers.Dense(1)])
    model.compile("sgd", "mse", metrics=["mae"])
    model.fit(X, Y, verbose=0)
    twin = COPIES[how](model)
    np.testing.assert_array_equal(twin.predict(X, verbose=0), model.predict(X, verbose=0))
    assert twin.evaluate(X, Y, verbose=0) == model.evaluate(X, Y, verbose=0)
