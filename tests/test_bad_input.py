"""Bad input is an exception that says what was expected and what was received, and the model stays usable."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import rustnet
from rustnet import layers, losses, metrics, models, optimizers

X = np.random.default_rng(0).normal(size=(20, 4)).astype("float32")
Y = np.random.default_rng(1).integers(0, 3, 20)
TARGETS = np.zeros((20, 3), "float32")


def make_model(loss: str = "sparse_categorical_crossentropy") -> Any:
    model = models.Sequential([layers.Input((4,)), layers.Dense(3, activation="softmax", name="scores")])
    model.compile("sgd", loss)
    return model


def token_model() -> Any:
    model = models.Sequential(
        [layers.Input((6,), dtype="int32"), layers.Embedding(5, 2, name="words"), layers.GlobalMaxPooling1D()]
    )
    model.compile("sgd", "mse")
    return model


# What is done with a fresh model, and what the message says.
FIT: dict[str, tuple[Callable[[Any], Any], str]] = {
    "too many features": (lambda m: m.fit(np.zeros((20, 5)), Y), r"4.*Received.*5"),
    "rank 3 for rank 2": (lambda m: m.fit(np.zeros((20, 4, 2)), Y), r"Received.*\(\w+, 4, 2\)"),
    "different lengths": (lambda m: m.fit(X, Y[:19]), r"Received.*20.*19|Received.*19.*20"),
    "a weight too few": (lambda m: m.fit(X, Y, sample_weight=np.ones(19)), "Received"),
    "ragged lists": (lambda m: m.fit([[1.0, 2.0], [3.0]], [0, 1]), "Received"),
    "an array of objects": (lambda m: m.fit(X.astype(object), Y), "Received.*object"),
    "an array of strings": (lambda m: m.fit(X.astype(str), Y), "Received.*<U"),
    "complex numbers": (lambda m: m.fit(X + 1j, Y), "Received.*complex"),
    "no data": (lambda m: m.fit(X[:0], Y[:0]), "Received"),
    "x of None": (lambda m: m.fit(None, Y), "Received"),
    "y of None": (lambda m: m.fit(X), "Received"),
    "batch_size 0": (lambda m: m.fit(X, Y, batch_size=0), "Received: batch_size=0"),
    "batch_size -1": (lambda m: m.fit(X, Y, batch_size=-1), "Received: batch_size=-1"),
    "batch_size 2.5": (lambda m: m.fit(X, Y, batch_size=2.5), "Received: batch_size=2.5"),
    "epochs -1": (lambda m: m.fit(X, Y, epochs=-1), "Received: epochs=-1"),
    "validation_split 1": (lambda m: m.fit(X, Y, validation_split=1.0), "Received: validation_split=1"),
    "validation_split -0.1": (
        lambda m: m.fit(X, Y, validation_split=-0.1),
        "Received: validation_split=-0.1",
    ),
    "a label too large": (lambda m: m.fit(X, Y + 1), r"label 3 at row \d+; output has 3 classes"),
    "a negative label": (lambda m: m.fit(X, Y - 1), r"label -1 at row \d+; output has 3 classes"),
    "NaN labels": (lambda m: m.fit(X, np.where(Y == 1, np.nan, Y)), "(?i)nan"),
    "an unknown verbose": (lambda m: m.fit(X, Y, verbose=3), "Received: verbose=3"),
    "callbacks that are none": (lambda m: m.fit(X, Y, callbacks=[3]), "Received"),
    "predict on other features": (lambda m: m.predict(np.zeros((3, 7))), r"4.*Received.*7"),
    "evaluate on other lengths": (lambda m: m.evaluate(X, Y[:3]), "Received"),
    "weights of other shapes": (lambda m: m.set_weights([np.zeros((3, 3)), np.zeros(3)]), "Received"),
    "a weight missing": (lambda m: m.set_weights([np.zeros((4, 3))]), "Received"),
}


@pytest.mark.parametrize("case", FIT)
def test_training_refuses(case):
    act, message = FIT[case]
    model = make_model()
    before = model.get_weights()
    with pytest.raises((ValueError, TypeError), match=message):
        act(model)
    for weight, former in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, former)
    assert np.isfinite(model.fit(X, Y, verbose=0).history["loss"][0])


@pytest.mark.parametrize(
    ("loss", "shape"),
    [
        ("mse", (20, 1)),
        ("mse", (20,)),
        ("mae", (20, 2)),
        ("categorical_crossentropy", (20, 1)),
        ("mse", (20, 3, 3)),
    ],
)
def test_targets_that_would_only_broadcast_are_refused(loss, shape):
    model = make_model(loss)
    with pytest.raises(ValueError, match=r"Received"):
        model.fit(X, np.zeros(shape), verbose=0)
    model.fit(X, TARGETS, verbose=0)


@pytest.mark.parametrize("token", [5, -1, 1000])
def test_tokens_out_of_range_are_refused(token):
    model, tokens = token_model(), np.ones((4, 6), "int32")
    tokens[2, 3] = token
    for act in (model.predict, lambda x: model.fit(x, np.zeros((4, 2)))):
        with pytest.raises(ValueError, match=rf"(?s){token}.*5"):
            act(tokens)
    model.fit(np.ones((4, 6)), np.zeros((4, 2)), verbose=0)


# What cannot be made.
MAKE: dict[str, tuple[Callable[[], Any], str]] = {
    "units -3": (lambda: layers.Dense(-3), "Received: units=-3"),
    "units 0": (lambda: layers.Dense(0), "Received: units=0"),
    "units 2.5": (lambda: layers.Dense(2.5), "Received: units=2.5"),
    "rate 1.5": (lambda: layers.Dropout(1.5), "Received: rate=1.5"),
    "filters 0": (lambda: layers.Conv2D(0, 3), "Received: filters=0"),
    "kernel_size 0": (lambda: layers.Conv2D(3, 0), "Received: kernel_size=0"),
    "padding": (lambda: layers.Conv2D(3, 3, padding="full"), "Received: padding='full'"),
    "strides": (lambda: layers.MaxPooling2D(2, strides=-1), "Received: strides=-1"),
    "groups": (lambda: layers.Conv2D(3, 3, groups=2), "Received.*groups=2"),
    "LSTM units": (lambda: layers.LSTM(0), "Received: units=0"),
    "an unknown keyword": (lambda: layers.Dense(3, unit=4), "Received: unit=4"),
    "an unknown activation": (lambda: layers.Dense(3, activation="rulu"), "(?s)relu.*Received.*rulu"),
    "an unknown initializer": (lambda: layers.Dense(3, kernel_initializer="glorot"), "Received.*'glorot'"),
    "an unknown regularizer": (lambda: layers.Dense(3, kernel_regularizer="l3"), "Received.*'l3'"),
    "an unknown loss": (lambda: make_model("mze"), "(?s)ms?e.*Received.*mze"),
    "an unknown optimizer": (lambda: make_model().compile("adem", "mse"), "(?s)adam.*Received.*adem"),
    "an unknown metric": (
        lambda: make_model().compile("sgd", "mse", metrics=["acuracy"]),
        "Received.*acuracy",
    ),
    "a negative learning rate": (lambda: optimizers.SGD(learning_rate=-1.0), "Received.*-1"),
    "momentum 2": (lambda: optimizers.SGD(momentum=2.0), "Received: momentum=2"),
    "two clippings": (lambda: optimizers.Adam(clipnorm=1.0, clipvalue=1.0), "Received"),
    "delta": (lambda: losses.Huber(delta=-1.0), "Received: delta=-1"),
    "reduction": (lambda: losses.MeanSquaredError(reduction="median"), "Received: reduction='median'"),
    "thresholds": (lambda: metrics.Precision(thresholds=2.0), "Received"),
    "no last axis": (lambda: layers.Dense(3)(layers.Input(())), "Received"),
    "an image too small": (lambda: layers.Conv2D(3, 5)(layers.Input((4, 4, 1))), "Received"),
    "shapes that do not fit": (
        lambda: layers.Add()([layers.Input((3,)), layers.Input((4,))]),
        "Received",
    ),
    "no layer": (lambda: models.Sequential([3]), "Received"),
    "two layers of one name": (
        lambda: models.Sequential([layers.Dense(3, name="a"), layers.Dense(3, name="a")]),
        "a",
    ),
    "outputs that do not depend on the inputs": (
        lambda: models.Model(layers.Input((3,)), layers.Dense(2)(layers.Input((3,)))),
        "(?i)input",
    ),
    "a seed": (lambda: rustnet.utils.set_random_seed(-1), "Received: seed=-1"),
    "threads": (lambda: rustnet.config.set_num_threads(0), "Received: threads=0"),
    "floatx": (lambda: rustnet.config.set_floatx("float8"), "Received.*float8"),
}


@pytest.mark.parametrize("case", MAKE)
def test_making_refuses(case):
    make, message = MAKE[case]
    with pytest.raises((ValueError, TypeError), match=message):
        make()


def test_fit_before_compile():
    model = models.Sequential([layers.Input((4,)), layers.Dense(3)])
    with pytest.raises((ValueError, RuntimeError), match="compile"):
        model.fit(X, Y)


def test_a_layer_called_on_two_shapes():
    layer = layers.Dense(3, name="scores")
    layer(np.zeros((2, 4)))
    with pytest.raises(ValueError, match=r"(?s)scores.*4.*Received.*5"):
        layer(np.zeros((2, 5)))
    assert layer(np.zeros((2, 4))).shape == (2, 3)


def test_a_layer_that_calls_itself():
    class Cycle(layers.Layer):
        def call(self, x: Any) -> Any:
            return self(x)

    with pytest.raises((ValueError, RuntimeError), match="(?i)itself|cycle|recurs"):
        Cycle()(np.zeros((2, 4)))


GOOD = {
    "not contiguous": np.repeat(X, 2, axis=1)[:, ::2],
    "Fortran order": np.asfortranarray(X),
    "reversed rows": X[::-1].copy()[::-1],
    "big-endian": X.astype(">f4"),
    "float64": X.astype("float64"),
    "a list": X.tolist(),
    "a subclass": X.view(np.matrix),
    "broadcast": np.broadcast_to(X, (1, 20, 4))[0],
}


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
@pytest.mark.parametrize("form", GOOD)
def test_any_form_of_the_same_numbers_trains_alike(form):
    histories, weights = [], []
    start = make_model().get_weights()
    for x, y in (
        (X, Y),
        (GOOD[form], Y.astype(">i8")),
        (GOOD[form], Y.astype("float16")),
        (GOOD[form], Y.tolist()),
    ):
        model = make_model()
        model.set_weights(start)
        histories.append(model.fit(x, y, shuffle=False, epochs=2, verbose=0).history["loss"])
        weights.append(model.get_weights())
    assert all(history == histories[0] for history in histories)
    for others in weights[1:]:
        for actual, expected in zip(others, weights[0], strict=True):
            np.testing.assert_array_equal(actual, expected)


@pytest.mark.parametrize("dtype", ["float16", "int8", "uint8", "int16", "int32", "int64", "uint64", "bool"])
def test_any_dtype_trains_as_float32_does(dtype):
    x = (X > 0).astype(dtype)
    start = make_model().get_weights()
    results = []
    for data in (x, x.astype("float32")):
        model = make_model()
        model.set_weights(start)
        model.fit(data, Y, shuffle=False, verbose=0)
        results.append(model.predict(data, verbose=0))
    np.testing.assert_array_equal(*results)


def test_read_only_data_is_not_written():
    x, y = X.copy(), Y.copy()
    x.flags.writeable = y.flags.writeable = False
    make_model().fit(x, y, verbose=0)
    np.testing.assert_array_equal(x, X)


def test_predicting_nothing_returns_no_rows():
    assert make_model().predict(X[:0], verbose=0).shape == (0, 3)
