"""Losses, metrics, weights and targets of several outputs: who gets what, and its name, beside Keras."""

import numpy as np
import pytest

import rustnet
from rustnet import layers, losses, metrics, ops

# An output without a loss is not trained, which is said.
pytestmark = pytest.mark.filterwarnings("ignore:The loss does not depend on")

X = np.arange(1.0, 9, dtype="float32")[:, None]
A, B, C = 2 * X, 0 * X, X + 1
# The weighted means of errors that are equal for all rows are as those without.
W = np.linspace(0, 2, 8, dtype="float32")


def dense(library, name, value):
    initializer = library.initializers.Constant(value)
    return library.layers.Dense(1, use_bias=False, kernel_initializer=initializer, name=name)


def functional(outputs):
    """A functional model of the layers a, b and c, which multiply by 1, 2 and 3."""

    def make(library):
        x = library.layers.Input((1,))
        return library.Model(x, outputs(*(dense(library, name, 1.0 + i)(x) for i, name in enumerate("abc"))))

    return make


def subclassed(outputs):
    def make(library):
        class Own(library.Model):
            def __init__(self):
                super().__init__()
                self.first, self.second = dense(library, "a", 1.0), dense(library, "b", 2.0)

            def call(self, inputs):
                return outputs(self.first(inputs), self.second(inputs))

        return Own()

    return make


MODELS = {
    "a": functional(lambda a, b, c: a),
    "[a]": functional(lambda a, b, c: [a]),
    "{k}": functional(lambda a, b, c: {"k": a}),
    "sequential": lambda library: library.Sequential([library.layers.Input((1,)), dense(library, "a", 1.0)]),
    "[a, b]": functional(lambda a, b, c: [a, b]),
    "(b, a)": functional(lambda a, b, c: (b, a)),
    "{price, area}": functional(lambda a, b, c: {"price": a, "area": b}),
    "{b, a}": functional(lambda a, b, c: {"b": b, "a": a}),
    "[[a, b], c]": functional(lambda a, b, c: [[a, b], c]),
    "{u: [a, b], v}": functional(lambda a, b, c: {"v": c, "u": [a, b]}),
    "{u: {x, y}, v}": functional(lambda a, b, c: {"v": c, "u": {"y": a, "x": b}}),
    "[{x, y}, c]": functional(lambda a, b, c: [{"y": a, "x": b}, c]),
    "own a": subclassed(lambda a, b: a),
    "own [a, b]": subclassed(lambda a, b: [a, b]),
    "own {price, area}": subclassed(lambda a, b: {"price": a, "area": b}),
}


def error(y_true, y_pred):
    return abs(y_true - y_pred)[..., 0]


# Model, arguments of `compile` (or a function from the library to them), and targets, where the two agree.
LIKE_KERAS = [
    ("a", {"loss": "mse"}, A),
    ("a", {"loss": ["mse"]}, A),
    ("a", {"loss": "mse"}, [A]),
    ("a", {"loss": {"a": "mse"}}, A),
    ("a", {"loss": "mse", "metrics": ["mae"]}, A),
    ("a", {"loss": "mse", "metrics": [["mae"]]}, A),
    ("a", {"loss": "mse", "metrics": {"a": ["mae"]}}, A),
    ("a", {"loss": "mse", "loss_weights": 2.0}, A),
    ("a", {"loss": "mse", "loss_weights": [2.0]}, A),
    ("a", {"loss": "mse", "loss_weights": {"a": 2.0}}, A),
    ("a", {"loss": error}, A),
    (
        "a",
        lambda library: {
            "loss": "mse",
            "metrics": [
                library.losses.MeanSquaredError(),
                library.losses.MeanAbsoluteError(name="q"),
                library.losses.mean_absolute_error,
            ],
        },
        A,
    ),
    (
        "a",
        lambda library: {
            "loss": "mse",
            "metrics": [library.metrics.MeanAbsoluteError(name="m"), library.metrics.RootMeanSquaredError()],
        },
        A,
    ),
    ("sequential", {"loss": "mse", "metrics": ["mae"]}, A),
    ("[a]", {"loss": "mse", "metrics": ["mae"]}, A),
    ("[a]", {"loss": ["mse"], "metrics": [["mae"]]}, [A]),
    ("{k}", {"loss": "mse", "metrics": ["mae"]}, A),
    ("{k}", {"loss": {"k": "mse"}, "metrics": {"k": "mae"}}, {"k": A}),
    ("{k}", {"loss": {"k": "mse"}}, A),
    ("[a, b]", {"loss": "mse"}, [A, B]),
    ("[a, b]", {"loss": "mse"}, (A, B)),
    ("[a, b]", {"loss": "mse"}, {"b": B, "a": A}),
    ("[a, b]", {"loss": ["mse", "mae"]}, [A, B]),
    ("[a, b]", {"loss": {"b": "mae", "a": "mse"}}, [A, B]),
    ("[a, b]", {"loss": ["mse", None]}, [A, B]),
    ("[a, b]", {"loss": ["mse", None]}, [A, None]),
    ("[a, b]", {"loss": ["mse", None]}, [A]),
    ("[a, b]", {"loss": ["mse", None]}, A),
    ("[a, b]", {"loss": [None, "mse"]}, [B]),
    ("[a, b]", {"loss": {"a": "mse", "b": None}}, {"a": A, "b": B}),
    ("[a, b]", {"loss": [None, "mse"], "metrics": ["mae", "mae"]}, [A, B]),
    ("[a, b]", {"loss": ["mse", "mae"], "loss_weights": [1.0, 0.5]}, [A, B]),
    ("[a, b]", {"loss": ["mse", "mae"], "loss_weights": {"a": 1.0, "b": 0.5}}, [A, B]),
    ("[a, b]", {"loss": {"a": "mse", "b": "mae"}, "loss_weights": [1.0, 0.5]}, [A, B]),
    ("[a, b]", {"loss": "mse", "metrics": ["mae", "mse"]}, [A, B]),
    ("[a, b]", {"loss": "mse", "metrics": [["mae"], ["mae", "mse"]]}, [A, B]),
    ("[a, b]", {"loss": "mse", "metrics": [["mae"], []]}, [A, B]),
    ("[a, b]", {"loss": "mse", "metrics": [None, "mae"]}, [A, B]),
    ("[a, b]", {"loss": "mse", "metrics": {"b": ["mae", "mse"]}}, [A, B]),
    (
        "[a, b]",
        {
            "loss": "mse",
            "metrics": {"b": ["mae", "mae"]},
            "weighted_metrics": {"a": ["mae"], "b": ["mae", "mae"]},
        },
        [A, B],
    ),
    ("[a, b]", {"loss": "mse", "weighted_metrics": [["mse"], ["mse"]], "metrics": ["mse", "mse"]}, [A, B]),
    ("[a, b]", {"loss": "mse", "metrics": [[error], [error]]}, [A, B]),
    ("(b, a)", {"loss": ["mse", "mae"], "metrics": ["mae", "mse"]}, [B, A]),
    ("(b, a)", {"loss": {"a": "mse", "b": "mae"}, "metrics": {"a": "mae"}}, {"a": A, "b": B}),
    ("{price, area}", {"loss": {"price": "mse", "area": "mae"}}, {"price": A, "area": B}),
    ("{price, area}", {"loss": "mse"}, {"price": A, "area": B}),
    ("{price, area}", {"loss": {"price": "mse"}}, {"price": A, "area": B}),
    ("{price, area}", {"loss": {"price": "mse"}}, {"price": A}),
    ("{price, area}", {"loss": "mse", "metrics": {"price": "mae", "area": ["mse"]}}, {"price": A, "area": B}),
    (
        "{price, area}",
        {"loss": {"price": "mse", "area": "mae"}, "loss_weights": {"area": 0.5, "price": 2.0}},
        {"price": A, "area": B},
    ),
    (
        "{price, area}",
        {"loss": "mse", "weighted_metrics": {"price": ["mae"]}, "metrics": {"price": ["mae"]}},
        {"price": A, "area": B},
    ),
    ("{b, a}", {"loss": {"a": "mse", "b": "mae"}, "metrics": {"b": ["mae"]}}, {"b": B, "a": A}),
    ("[[a, b], c]", {"loss": "mse"}, [[A, B], C]),
    ("[[a, b], c]", {"loss": "mse"}, {"a": A, "b": B, "c": C}),
    ("[[a, b], c]", {"loss": [["mse", "mae"], "mse"]}, [[A, B], C]),
    ("[[a, b], c]", {"loss": ["mse", "mae", "mse"]}, [A, B, C]),
    ("[[a, b], c]", {"loss": {"a": "mse", "b": "mae", "c": "mse"}}, [[A, B], C]),
    ("[[a, b], c]", {"loss": [["mse", "mae"], None]}, [[A, B], C]),
    ("[[a, b], c]", {"loss": "mse", "metrics": [[["mae"], "mse"], ["mae", "mse"]]}, [[A, B], C]),
    (
        "[[a, b], c]",
        {"loss": [["mse", "mae"], "mse"], "loss_weights": [[1.0, 0.5], 2.0]},
        [[A, B], C],
    ),
    ("{u: [a, b], v}", {"loss": {"u": ["mse", "mae"], "v": "mae"}}, {"u": [A, B], "v": C}),
    ("{u: [a, b], v}", {"loss": {"u": ["mse", "mae"]}}, {"u": [A, B], "v": C}),
    ("{u: [a, b], v}", {"loss": "mse", "metrics": {"u": ["mae", "mse"], "v": "mae"}}, {"u": (A, B), "v": C}),
    (
        "{u: {x, y}, v}",
        {
            "loss": {"u": {"x": "mse", "y": "mae"}, "v": "mae"},
            "metrics": {"u": {"x": ["mae"], "y": ["mse"]}, "v": ["mae"]},
        },
        {"u": {"x": B, "y": A}, "v": C},
    ),
    ("{u: {x, y}, v}", {"loss": {"u": {"x": "mse"}, "v": "mae"}}, {"u": {"x": B, "y": A}, "v": C}),
    (
        "[{x, y}, c]",
        {"loss": [{"x": "mse", "y": "mae"}, "mse"], "metrics": [{"x": "mae", "y": "mse"}, "mae"]},
        [{"x": B, "y": A}, C],
    ),
    ("own a", {"loss": "mse", "metrics": ["mae"]}, A),
    ("own [a, b]", {"loss": ["mse", "mae"], "metrics": ["mae", "mse"]}, [A, B]),
    ("own [a, b]", {"loss": ["mean_squared_error", "mean_absolute_error"]}, [A, B]),
    ("own [a, b]", {"loss": ["mse", None]}, [A, B]),
    (
        "own [a, b]",
        lambda library: {
            "loss": [library.losses.MeanSquaredError(name="first"), library.losses.MeanAbsoluteError()]
        },
        [A, B],
    ),
    ("own {price, area}", {"loss": {"price": "mse", "area": "mae"}}, {"price": A, "area": B}),
    ("own {price, area}", {"loss": "mse", "metrics": {"price": "mae"}}, {"price": A, "area": B}),
]


def results(library, model, compiled, y, **arguments):
    made = MODELS[model](library)
    compiled = compiled(library) if callable(compiled) else compiled
    eagerly = {} if library is rustnet else {"run_eagerly": True}
    made.compile(library.optimizers.SGD(0.0), **compiled, **eagerly)
    history = made.fit(X, y, batch_size=8, verbose=0, **arguments).history
    return {name: values[0] for name, values in history.items()}, made.evaluate(X, y, verbose=0, **arguments)


def assert_like_keras(keras, *case, **arguments):
    (names, values), (expected_names, expected) = (
        results(library, *case, **arguments) for library in (rustnet, keras)
    )
    assert list(names) == list(expected_names)
    np.testing.assert_allclose(list(names.values()), list(expected_names.values()), rtol=1e-5)
    np.testing.assert_allclose(values, expected, rtol=1e-5)


@pytest.mark.parametrize("row", range(len(LIKE_KERAS)))
def test_names_and_values_equal_keras(keras, row):
    assert_like_keras(keras, *LIKE_KERAS[row])


WEIGHTED = {"loss": ["mse", "mae"], "weighted_metrics": ["mae", "mae"], "metrics": ["mae", "mae"]}
WEIGHTS = [
    ("a", {"loss": "mse", "weighted_metrics": ["mae"]}, A, W),
    ("a", {"loss": "mse", "weighted_metrics": ["mae"]}, A, W[:, None]),
    ("a", {"loss": "mse"}, [A], [W]),
    ("[a, b]", WEIGHTED, [A, B], [W, W[::-1]]),
    ("[a, b]", WEIGHTED, [A, B], W),
    ("[[a, b], c]", {"loss": "mse"}, [[A, B], C], [[W, W[::-1]], W]),
    ("{price, area}", {"loss": "mse"}, {"price": A, "area": B}, {"area": W, "price": W[::-1]}),
]


@pytest.mark.parametrize("row", range(len(WEIGHTS)))
def test_sample_weights_equal_keras(keras, row):
    *case, weights = WEIGHTS[row]
    assert_like_keras(keras, *case, sample_weight=weights)


# Where Keras raises, guesses, or reports fewer values than there are: what is reported here, or the error.
OTHERWISE = [
    ("a", {"loss": {"z": "mse"}}, A, "loss for 'z'"),
    ("a", {"loss": "mse"}, {"z": A}, "y for 'z'"),
    ("a", {"loss": "mse", "metrics": {"z": ["mae"]}}, A, "metrics for 'z'"),
    ("a", {"loss": "mse", "weighted_metrics": {"a": "mae", "b": "mae"}}, A, "weighted_metrics for 2"),
    ("a", {"loss": ["mse", "mae"]}, A, "loss for 2"),
    ("a", {"loss": {"a": "mse"}, "metrics": "mae"}, {"a": A}, {"loss": 25.5, "mae": 4.5}),
    ("sequential", {"loss": {"a": "mse"}, "metrics": {"a": "mae"}}, A, {"loss": 25.5, "mae": 4.5}),
    ("{k}", {"loss": {"a": "mse"}}, A, "loss for 'a'"),
    ("[a, b]", {"loss": "mse"}, {"a": A}, r"y for every output with a loss.*none for \['b'\]"),
    ("[a, b]", {"loss": "mse"}, {"a": A, "b": B, "z": B}, "y for"),
    ("[a, b]", {"loss": "mse"}, A, "y=one array"),
    ("[a, b]", {"loss": "mse"}, [A], "y with 1 items"),
    ("[a, b]", {"loss": "mse"}, [A, B, C], "y with 3 items"),
    ("[a, b]", {"loss": {"b": "mae", "z": "mse"}}, [A, B], r"loss for \['b', 'z'\]"),
    ("[a, b]", {"loss": {"a": "mse"}}, [A, B], r"loss for \['a'\]"),
    ("[a, b]", {"loss": ["mse"]}, [A, B], "loss with 1 items"),
    ("[a, b]", {"loss": ["mse", "mae", "mse"]}, [A, B], "loss with 3 items"),
    ("[a, b]", {"loss": {"a": "mse", "b": None}}, {"a": A}, {"loss": 25.5}),
    (
        "[a, b]",
        {"loss": ["mse", None], "metrics": ["mae", "mae"]},
        [A],
        "every output with metrics.*none for b",
    ),
    (
        "[a, b]",
        {"loss": "mse", "loss_weights": [1.0, 0.5]},
        [A, B],
        {"a_loss": 25.5, "b_loss": 102.0, "loss": 76.5},
    ),
    ("[a, b]", {"loss": "mse", "loss_weights": [1.0]}, [A, B], "loss_weights with 1 items"),
    ("[a, b]", {"loss": "mse", "loss_weights": {"a": 3.0}}, [A, B], r"loss_weights for \['a'\]"),
    ("[a, b]", {"loss": "mse", "loss_weights": [1.0, None]}, [A, B], r"none for \['b'\]"),
    ("[a, b]", {"loss": "mse", "loss_weights": 2.0}, [A, B], "loss_weights=2.0"),
    ("[a, b]", {"loss": "mse", "metrics": ["mae"]}, [A, B], "metrics with 1 items"),
    ("[a, b]", {"loss": "mse", "metrics": {"z": "mae"}}, [A, B], r"metrics for \['z'\]"),
    ("[a, b]", {"loss": "mse", "metrics": "mae"}, [A, B], "metrics='mae'"),
    ("{price, area}", {"loss": {"a": "mse", "b": "mae"}}, {"price": A, "area": B}, r"loss for \['a', 'b'\]"),
    ("{price, area}", {"loss": ["mse", "mae"]}, {"price": A, "area": B}, "loss=a list"),
    ("{price, area}", {"loss": "mse"}, [A, B], "y=a list"),
    ("{price, area}", {"loss": "mse"}, {"price": A}, r"none for \['area'\]"),
    ("{price, area}", {"loss": "mse", "metrics": ["mae", "mse"]}, {"price": A, "area": B}, "metrics=a list"),
    ("{price, area}", {"loss": "mse", "loss_weights": [2.0, 0.5]}, {"price": A, "area": B}, "loss_weights=a"),
    ("[[a, b], c]", {"loss": "mse", "metrics": ["mae", "mse", "mae"]}, [[A, B], C], "metrics with 3 items"),
    ("{u: [a, b], v}", {"loss": {"u": "mse", "v": "mae"}}, {"u": [A, B], "v": C}, r"loss\['u'\]='mse'"),
    ("[{x, y}, c]", {"loss": "mse"}, [A, B, C], "y with 3 items"),
    # Keras reports one value under the name that two have.
    ("own [a, b]", {"loss": "mse"}, [A, B], {"loss": 127.5, "mse_loss": 25.5, "mse_loss_1": 102.0}),
    ("own [a, b]", {"loss": {"output_1": "mse", "output_2": "mae"}}, [A, B], "no names of their own"),
]


@pytest.mark.parametrize("row", range(len(OTHERWISE)))
def test_names_and_errors_of_our_own(row):
    *case, expected = OTHERWISE[row]
    if isinstance(expected, str):
        with pytest.raises(ValueError, match=expected):
            results(rustnet, *case)
    else:
        assert results(rustnet, *case)[0] == expected


def test_results_come_in_the_order_of_compile():
    model = MODELS["a"](rustnet)
    model.compile("sgd", "mse", metrics=["mse", "mae", "mse"], weighted_metrics=["mae"])
    values = model.evaluate(X, A, verbose=0)
    assert model.metrics_names == ["loss", "mse", "mae", "mse_1", "weighted_mae"]
    assert model.evaluate(X, A, verbose=0, return_dict=True) == dict(
        zip(model.metrics_names, values, strict=True)
    )


def test_a_metric_object_keeps_its_name_and_counts_for_one_output():
    metric = metrics.MeanAbsoluteError(name="m")
    model = MODELS["[a, b]"](rustnet)
    for _ in range(2):
        model.compile("sgd", "mse", metrics=[[metric], []])
        assert "a_m" in model.fit(X, [A, B], verbose=0).history
    assert metric.name == "m"
    with pytest.raises(ValueError, match="each Metric object once"):
        model.compile("sgd", "mse", metrics=[[metric], [metric]])


@pytest.mark.parametrize("weights", [np.nan, np.inf, "1", True, [1.0, [None, "x"]]], ids=repr)
def test_loss_weights_are_finite_numbers(weights):
    with pytest.raises(ValueError, match="finite numbers as loss_weights"):
        MODELS["a"](rustnet).compile("sgd", "mse", loss_weights=weights)


def test_a_watched_metric_is_found_by_the_name_in_the_history():
    model = MODELS["[a, b]"](rustnet)
    model.compile("sgd", "mse", metrics=[["mae"], ["accuracy"]])
    stopping = rustnet.callbacks.EarlyStopping("a_mae", patience=5)
    rising = rustnet.callbacks.EarlyStopping("b_accuracy", patience=5)
    model.fit(X, [A, B], verbose=0, callbacks=[stopping, rising])
    assert not stopping.larger_is_better() and rising.larger_is_better()


def test_targets_are_aligned_for_functions():
    """(n,) against (n, 1) would be (n, n)."""

    def distance(y_true, y_pred):
        return ops.mean(ops.abs(y_true - y_pred))

    model = MODELS["a"](rustnet)
    model.compile("sgd", distance, metrics=[distance, losses.MeanAbsoluteError()])
    np.testing.assert_allclose(model.evaluate(X, X[:, 0] + 1, verbose=0), [1.0, 1.0, 1.0], rtol=1e-6)


def test_metrics_of_a_compiled_model_inside_do_not_appear():
    inner = rustnet.Sequential([layers.Input((1,)), layers.Dense(1)])
    inner.own = metrics.Mean(name="own")
    inner.compile("sgd", "mse", metrics=["mae", metrics.MeanAbsoluteError(name="m")])
    inner.fit(X, A, verbose=0)
    outer = rustnet.Sequential([layers.Input((1,)), inner, layers.Dense(1)])
    outer.compile("sgd", "mse", metrics=[metrics.MeanSquaredError(name="mine")])
    assert list(outer.evaluate(X, A, verbose=0, return_dict=True)) == ["loss", "mine"]
    assert list(inner.evaluate(X, A, verbose=0, return_dict=True)) == ["loss", "m", "mae", "own"]


def overriding(library, **methods):
    x = library.layers.Input((1,))
    own = type("Own", (library.Model,), methods)
    return own(x, dense(library, "a", 1.0)(x))


def mean_error(y, y_pred):
    return ops.mean(ops.abs(y - y_pred))


COMPUTE_LOSS = {
    "all": lambda self, x, y, y_pred, sample_weight, training=True: mean_error(y, y_pred),
    "x, y, y_pred, sample_weight": lambda self, x, y, y_pred, sample_weight: mean_error(y, y_pred),
    "x, y, y_pred": lambda self, x, y, y_pred: mean_error(y, y_pred),
    "y_pred, y": lambda self, y_pred, y: mean_error(y, y_pred),
    "keywords": lambda self, *, y, y_pred: mean_error(y, y_pred),
    "**others": lambda self, y, **others: mean_error(y, others["y_pred"]),
    "*others": lambda self, *others: mean_error(others[1], others[2]),
    "other names": lambda self, data, target, output: mean_error(target, output),
}


@pytest.mark.parametrize("signature", COMPUTE_LOSS)
def test_compute_loss_may_leave_out_arguments(signature):
    model = overriding(rustnet, compute_loss=COMPUTE_LOSS[signature])
    model.compile(rustnet.optimizers.SGD(0.0), "mse")
    assert model.fit(X, A, verbose=0).history["loss"] == [4.5]
    assert model.evaluate(X, A, verbose=0) == 4.5


@pytest.mark.parametrize("returned", [None, 1.0, [X]], ids=["None", "a number", "a list"])
def test_compute_loss_returns_a_scalar(returned):
    model = overriding(rustnet, compute_loss=lambda self, x, y, y_pred: returned)
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="compute_loss to return a scalar"):
        model.fit(X, A, verbose=0)


def test_metrics_of_an_overridden_property_equal_keras(keras):
    def reported(library):
        class Own(library.Model):
            def __init__(self, *arguments):
                super().__init__(*arguments)
                self.tracker = library.metrics.Mean(name="tracker")

            def compute_loss(self, x, y, y_pred, sample_weight=None, training=True):
                loss = library.ops.mean(library.ops.abs(y - y_pred))
                self.tracker.update_state(loss)
                return loss

            def reset_metrics(self):
                self.tracker.reset_state()

            @property
            def metrics(self):
                return [self.tracker]

        x = library.layers.Input((1,))
        model = Own(x, dense(library, "a", 1.0)(x))
        model.compile(library.optimizers.SGD(0.0))
        return model.fit(X, A, batch_size=3, epochs=2, shuffle=False, verbose=0).history

    np.testing.assert_allclose(reported(rustnet)["tracker"], reported(keras)["tracker"], rtol=1e-6)


def test_compute_metrics_is_called_as_in_keras(keras):
    def reported(library):
        class Own(library.Model):
            def __init__(self, *arguments):
                super().__init__(*arguments)
                self.largest = library.metrics.Mean(name="largest")

            def compute_metrics(self, x, y, y_pred, sample_weight=None):
                results = super().compute_metrics(x, y, y_pred, sample_weight)
                self.largest.update_state(library.ops.max(x))
                results["largest"] = self.largest.result()
                return results

        x = library.layers.Input((1,))
        model = Own(x, dense(library, "a", 1.0)(x))
        model.compile(library.optimizers.SGD(0.0), "mse", metrics=["mae"])
        history = model.fit(X, A, batch_size=4, epochs=2, shuffle=False, verbose=0).history
        return {**history, "evaluated": model.evaluate(X, A, verbose=0)}

    got, expected = reported(rustnet), reported(keras)
    assert list(got) == list(expected)
    for name, values in expected.items():
        np.testing.assert_allclose(got[name], values, rtol=1e-6)


def test_a_metric_does_not_take_the_name_of_a_loss():
    x = layers.Input((1,))
    far = metrics.MeanAbsoluteError(name="loss")
    single = rustnet.Model(x, dense(rustnet, "a", 1.0)(x))
    single.compile(rustnet.optimizers.SGD(0.0), "mse", metrics=[far])
    single_results = single.evaluate(X, A, verbose=0, return_dict=True)
    assert single.evaluate(X, A, verbose=0) == [single_results["loss"], single_results["loss_1"]]
    error = np.abs(single.predict(X, verbose=0) - A)
    np.testing.assert_allclose(single_results["loss"], np.mean(error**2), rtol=1e-6)
    np.testing.assert_allclose(single_results["loss_1"], np.mean(error), rtol=1e-6)

    double = rustnet.Model(x, [dense(rustnet, "a", 1.0)(x), dense(rustnet, "b", 1.0)(x)])
    double.compile(rustnet.optimizers.SGD(0.0), "mse", metrics=[[metrics.MeanAbsoluteError(name="loss")], []])
    results = double.fit(X, [A, A], verbose=0).history
    assert sorted(results) == ["a_loss", "a_loss_1", "b_loss", "loss"]
    np.testing.assert_allclose(results["a_loss_1"], np.mean(error), rtol=1e-6)


def test_a_metric_inside_a_layer_keeps_its_results_beside_one_of_compile():
    class Counted(layers.Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.mean = metrics.Mean(name="mae")

        def call(self, inputs):
            self.mean.update_state(7.0)
            return inputs

    model = rustnet.Sequential([layers.Input((1,)), Counted()])
    model.compile("sgd", lambda y, p: p[:, 0], metrics=["mae"])
    results = model.evaluate(X, X, verbose=0, return_dict=True)
    assert results["mae"] == 0 and results["mae_1"] == 7


def test_results_of_an_override_may_be_plain_numbers():
    model = overriding(rustnet, get_metrics_result=lambda self: {"loss": 1.0, "two": 2})
    model.compile("sgd", "mse")
    assert model.fit(X, A, verbose=0).history == {"loss": [1.0], "two": [2.0]}
    assert model.evaluate(X, A, verbose=0) == [1.0, 2.0]


def test_compute_metrics_may_report_more_than_the_metrics(keras):
    # Then the logs of an epoch are those of its last batch.
    def reported(library):
        def more(self, x, y, y_pred, sample_weight=None):
            return {**self.get_metrics_result(), "extra": library.ops.max(y_pred)}

        model = overriding(library, compute_metrics=more)
        model.compile(library.optimizers.SGD(0.0), "mse")
        history = model.fit(X, A, batch_size=4, epochs=2, shuffle=False, verbose=0).history
        return {**history, "evaluated": model.evaluate(X, A, batch_size=4, verbose=0)}

    got, expected = reported(rustnet), reported(keras)
    assert list(got) == list(expected)
    for name, values in expected.items():
        np.testing.assert_allclose(got[name], values, rtol=1e-6)
