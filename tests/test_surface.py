"""The surface of classes that users subclass: every public name of Keras's works, or is refused by name.

A line for each name: who calls it (or reads it), that it takes effect at once, or that it is refused; and a
check of that. Below, what holds for layers that users write and make.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import rustnet
from rustnet import layers, ops

X = np.arange(6, dtype="float32").reshape(2, 3)


def built(**options):
    layer = layers.Dense(2, **options)
    layer(X)
    return layer


def override(**methods):
    """An instance of a subclass with these methods, and with a `call` where none is among them."""
    methods = {"call": lambda self, x: x * 1.0, **methods}
    return type("Own", (layers.Layer,), methods)()


def calls_of(run: Callable[[Any], Any], **methods):
    """Which of the methods, replaced by ones that note it, were called when `run` got the layer."""
    seen = []

    def noting(name, method):
        def noted(self, *args, **kwargs):
            seen.append(name)
            return method(self, *args, **kwargs)

        return noted

    run(override(**{name: noting(name, method) for name, method in methods.items()}))
    return seen


def fit(layer):
    model = rustnet.Sequential([rustnet.Input((3,)), layer, layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(X, X[:, :1], verbose=0)
    model.predict(X, verbose=0)
    return model


def refused(attempt: Callable[[], Any], name: str) -> bool:
    with pytest.raises(NotImplementedError, match=f"Received: .*{name}"):
        attempt()
    return True


def never_called(name: str) -> bool:
    refused(lambda: override(**{name: lambda self, *args, **kwargs: None}), name)
    layer = built()
    return refused(lambda: setattr(layer, name, lambda *args: None), name)


def check_build() -> bool:
    seen = calls_of(fit, build=lambda self, shape: None)
    return seen == ["build"]


def check_call() -> bool:
    return "call" in calls_of(fit, call=lambda self, x: x * 1.0)


def check_compute_mask() -> bool:
    layer = override(compute_mask=lambda self, x, mask=None: ops.greater(x[:, 0], 0.0))
    return layer.supports_masking and layer(X)._keras_mask.tolist() == [False, True]


def check_stated(name: str) -> bool:
    def stating(size):
        if name == "compute_output_shape":
            return lambda self, shape: (*shape[:-1], size)
        return lambda self, x: rustnet.KerasTensor((*x.shape[:-1], size))

    fit(override(**{name: stating(3)}))
    with pytest.raises(ValueError, match=rf"expected {name}\(\) to state what call\(\) returns"):
        fit(override(**{name: stating(4)}))
    return True


def check_losses() -> bool:
    def call(self, x):
        self.add_loss(ops.sum(x))
        return x

    layer = override(call=call)
    layer(X)
    return [float(loss) for loss in layer.losses] == [15.0]


def check_trainable() -> bool:
    layer = layers.BatchNormalization()
    layer(X)
    layer.trainable = False
    frozen = [weight.trainable for weight in layer.weights]
    layer.trainable = True
    return frozen == [False] * 4 and [w.trainable for w in layer.weights] == [True, True, False, False]


def check_input_spec() -> bool:
    layer = override()
    layer.input_spec = layers.InputSpec(ndim=3)
    with pytest.raises(ValueError, match="expected an input of rank 3"):
        layer(X)
    return True


def check_activity_regularizer() -> bool:
    layer = override()
    layer.activity_regularizer = rustnet.regularizers.L2(1.0)
    layer(X)
    return [float(loss) for loss in layer.losses] == [float((X**2).sum() / 2)]


def check_supports_masking() -> bool:
    layer = override()
    steps = layers.Embedding(4, 2, mask_zero=True)(np.array([[1, 0]]))
    layer.supports_masking = True
    return layer(steps)._keras_mask.tolist() == [[True, False]]


def check_built() -> bool:
    def build(self, shape):
        raise AssertionError("a layer that says it is built is not built again")

    layer = override(build=build)
    layer.built = True
    return layer(X).shape == (2, 3)


def check_dtype_policy() -> bool:
    layer = layers.Dense(2)
    layer.dtype_policy = "float64"
    layer(X)
    with pytest.raises(
        ValueError, match="expected the dtype of its weights, float64. Received: dtype_policy"
    ):
        layer.dtype_policy = "float32"
    return layer.dtype == layer.dtype_policy.name == layer.kernel.dtype == "float64"


def check_autocast() -> bool:
    layer = override(call=lambda self, x: ops.cast(x, x.dtype))
    layer.autocast = False
    double = ops.cast(X, "float64")
    return layer.autocast is False and layer(double).dtype == "float64"


def check_stateless_call() -> bool:
    never_called("stateless_call")
    layer = layers.BatchNormalization(momentum=0.5)
    layer(X)
    before = layer.get_weights()
    changed = [value.numpy() * 2 for value in layer.trainable_variables]
    outputs, state = layer.stateless_call(changed, layer.non_trainable_variables, X, training=True)
    for one, other in zip(layer.get_weights(), before, strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_allclose(outputs, 2 * layer(X, training=True).numpy(), rtol=1e-5)
    np.testing.assert_allclose(state[0], X.mean(0) / 2, rtol=1e-5)
    with pytest.raises(ValueError, match="expected 2 trainable_variables and 2 non_trainable_variables"):
        layer.stateless_call([], [], X)
    return True


def check_own_variables() -> bool:
    layer, other, store = built(), built(), {}
    layer.save_own_variables(store)
    other.load_own_variables(store)
    with pytest.raises(ValueError, match="expected 2 weights of its own. Received: 1"):
        other.load_own_variables({"0": store["0"]})
    return all((a == b).all() for a, b in zip(layer.get_weights(), other.get_weights(), strict=True))


def check_spec_of_nothing() -> bool:
    layer = layers.Dense(2)
    spec = layer.compute_output_spec(rustnet.KerasTensor((None, 3)))
    return spec.shape == (None, 2) and not layer.built and spec.node is None


def check_metrics() -> bool:
    class Counting(layers.Layer):
        def __init__(self):
            super().__init__()
            self.mean = rustnet.metrics.Mean(name="mean_input")

        def call(self, x):
            self.mean.update_state(x)
            return x

    layer = Counting()
    return layer.metrics == [layer.mean] and layer.metrics_variables == layer.mean.variables


def check_symbols() -> bool:
    layer, symbol = layers.Dense(2), rustnet.Input((3,))
    output = layer(symbol)
    return layer.output is output and layer.input is symbol


def check_configuration() -> bool:
    layer = built(name="head")
    again = layers.Dense.from_config(layer.get_config())
    again.build_from_config(layer.get_build_config())
    return again.name == "head" and [w.shape for w in again.weights] == [w.shape for w in layer.weights]


def check_weight_lists() -> bool:
    layer = layers.BatchNormalization()
    layer(X)
    return (
        [w.name for w in layer.weights] == ["gamma", "beta", "moving_mean", "moving_variance"]
        and layer.trainable_weights == layer.trainable_variables == layer.weights[:2]
        and layer.non_trainable_weights == layer.non_trainable_variables == layer.weights[2:]
        and layer.variables == layer.weights
        and layer.count_params() == 12
    )


def check_adding() -> bool:
    layer = override()
    weight = layer.add_weight(shape=(2,), initializer="ones", name="w")
    other = layer.add_variable(shape=(3,), initializer="zeros", name="v")
    return layer.weights == [weight, other]


LAYER = {
    "activity_regularizer": ("takes effect at once", check_activity_regularizer),
    "add_loss": ("called by call", check_losses),
    "add_metric": ("refused", lambda: refused(lambda: built().add_metric("mse"), "add_metric")),
    "add_variable": ("called by __init__ and build", check_adding),
    "add_weight": ("called by __init__ and build", check_adding),
    "autocast": ("takes effect at once", check_autocast),
    "build": ("called by the first call, fit, predict and evaluate", check_build),
    "build_from_config": ("called by the user", check_configuration),
    "built": ("takes effect at once", check_built),
    "call": ("called by every entry point", check_call),
    "call_signature_parameters": (
        "read by the user",
        lambda: (
            layers.LSTM(2).call_signature_parameters == ["sequences", "initial_state", "mask", "training"]
        ),
    ),
    "compute_dtype": (
        "read by the user",
        lambda: layers.Dense(2, dtype="float64").compute_dtype == "float64",
    ),
    "compute_mask": ("called by every call", check_compute_mask),
    "compute_output_shape": ("called by symbolic calls", lambda: check_stated("compute_output_shape")),
    "compute_output_spec": (
        "called by symbolic calls",
        lambda: check_stated("compute_output_spec") and check_spec_of_nothing(),
    ),
    "count_params": ("read by the user", check_weight_lists),
    "dtype": ("read by the user", lambda: layers.Dense(2, dtype="float64").dtype == "float64"),
    "dtype_policy": ("takes effect at once", check_dtype_policy),
    "from_config": ("called by clones", check_configuration),
    "get_build_config": ("called by the user", check_configuration),
    "get_config": ("called by clones", check_configuration),
    "get_weights": ("called by the user", lambda: [w.shape for w in built().get_weights()] == [(3, 2), (2,)]),
    "input": ("read by the user", check_symbols),
    "input_dtype": ("read by the user", lambda: layers.Dense(2, dtype="float64").input_dtype == "float64"),
    "input_spec": ("takes effect at once", check_input_spec),
    "load_own_variables": ("called by the user", check_own_variables),
    "losses": ("read by fit", check_losses),
    "metrics": ("read by fit", check_metrics),
    "metrics_variables": ("read by the user", check_metrics),
    "name": ("takes effect at once", lambda: setattr(layer := built(), "name", "a") or layer.name == "a"),
    "non_trainable_variables": ("read by the user", check_weight_lists),
    "non_trainable_weights": ("read by the user", check_weight_lists),
    "output": ("read by the user", check_symbols),
    "path": ("read by the user", lambda: built(name="a").path == "a"),
    "quantization_mode": ("read by the user", lambda: built().quantization_mode is None),
    "quantize": ("refused", lambda: refused(lambda: built().quantize("int8"), "quantize")),
    "quantized_build": ("refused", lambda: never_called("quantized_build")),
    "quantized_call": ("refused", lambda: never_called("quantized_call")),
    "rematerialized_call": ("refused", lambda: never_called("rematerialized_call")),
    "save_own_variables": ("called by the user", check_own_variables),
    "set_weights": ("takes effect at once", lambda: check_own_variables()),
    "stateless_call": ("called by the user; an own one is refused", check_stateless_call),
    "supports_jit": (
        "without effect: the other way to run gives the same",
        lambda: layers.Layer.supports_jit,
    ),
    "supports_masking": ("takes effect at once", check_supports_masking),
    "symbolic_call": ("called by the user; an own one is refused", lambda: never_called("symbolic_call")),
    "trainable": ("takes effect at once; for a compiled model at the next compile", check_trainable),
    "trainable_variables": ("read by the user", check_weight_lists),
    "trainable_weights": ("read by fit", check_weight_lists),
    "variable_dtype": (
        "read by the user",
        lambda: layers.Dense(2, dtype="float64").variable_dtype == "float64",
    ),
    "variables": ("read by the user", check_weight_lists),
    "weights": ("read by fit", check_weight_lists),
}

TABLES = {"Layer": LAYER}


@pytest.mark.parametrize("kind", TABLES)
def test_every_public_name_of_keras_has_a_line(keras, kind):
    theirs = getattr(keras, kind)
    names = {*dir(theirs), *vars(theirs())}
    assert {name for name in names if not name.startswith("_")} == set(TABLES[kind])


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, table in TABLES.items() for name in table])
def test_a_name_does_what_its_line_says(kind, name):
    status, check = TABLES[kind][name]
    assert status.split()[0] in ("called", "read", "takes", "refused", "without")
    assert check()


# --- layers as users write and make them ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: layers.Dense(2, name="a/b"), "a string without '/'. Received: name='a/b'"),
        (lambda: layers.Dense(2, trainable="no"), "True or False. Received: trainable='no'"),
        (lambda: layers.Dense(2).add_loss(None), "expected a scalar tensor, or a list of them"),
        (lambda: layers.Dense(2).count_params(), "expected to be built before its weights are counted"),
        (lambda: built().build((None, 3)), "expected to be built once"),
        (lambda: layers.Dropout("0.5"), "expected rate to be a number from 0 to 1. Received: rate='0.5'"),
        (lambda: layers.Dropout(float("nan")), "expected rate to be a number"),
        (lambda: layers.SpatialDropout1D(True), "expected rate to be a number"),
        (lambda: layers.GaussianDropout(1.0), "expected rate to be at least 0 and below 1"),
        (
            lambda: layers.GaussianNoise(-1),
            "expected stddev to be a number from 0 or more. Received: stddev=-1",
        ),
        (lambda: layers.GaussianNoise(float("nan")), "expected stddev to be a number"),
        (lambda: layers.Dropout(0.5, noise_shape="12"), "expected noise_shape to hold ints"),
        (lambda: layers.Dropout(0.5, noise_shape=(1, 0)), "expected noise_shape to hold ints"),
        (
            lambda: layers.Dropout(0.5, noise_shape=(2, 3))(X[:1], training=True),
            "noise_shape that broadcasts",
        ),
        (lambda: layers.Dropout(0.5, noise_shape=(2,))(X), "noise_shape that broadcasts"),
        (lambda: layers.Dense(2, lora_rank=2), "expected full weights of floats. Received: lora_rank=2"),
        (lambda: layers.LayerNormalization(rms_scaling=True), "Received: rms_scaling=True"),
    ],
)
def test_an_argument_that_cannot_be_is_an_error(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_noise_shape_may_state_a_batch_that_is_left_open():
    symbol = rustnet.Input((3,))
    model = rustnet.Model(symbol, layers.Dropout(0.5, noise_shape=(2, 1))(symbol))
    rows = model(np.ones((2, 3), "float32"), training=True).numpy()
    assert set(rows.ravel()) <= {0.0, 2.0} and (rows == rows[:, :1]).all()
    with pytest.raises(ValueError, match="noise_shape that broadcasts"):
        model.predict(np.ones((3, 3)), verbose=0)


def test_input_length_builds_a_sequential_model():
    model = rustnet.Sequential([layers.Embedding(50, 8, input_length=10), layers.LSTM(4)])
    assert model.built and model.input_shape == (None, 10) and model.count_params() == 50 * 8 + 4 * 4 * 13
    assert model.predict(np.ones((2, 10), "int32"), verbose=0).shape == (2, 4)


@pytest.mark.parametrize(
    "value", [ops.convert_to_tensor([[1.0, 2.0]]), np.array([[1.0, 2.0]]), np.float32(3)]
)
def test_an_initializer_may_be_a_value(value):
    layer = layers.Dense(2, kernel_initializer=value, use_bias=False)
    layer(np.ones((1, 1)))
    np.testing.assert_array_equal(layer.kernel.numpy(), np.broadcast_to(np.asarray(value), (1, 2)))


SIGNATURES = {
    "another name for self": dict(call=lambda this, t: t * 2.0, build=lambda that, shape: None),
    "only *args": dict(call=lambda self, *tensors: tensors[0] * 2.0, build=lambda self, shape: len(shape)),
    "build with *args": dict(call=lambda self, t: t * 2.0, build=lambda self, *shapes: shapes[0][-1]),
    "build without shapes": dict(call=lambda self, t: t * 2.0, build=lambda self: None),
    "keyword-only options": dict(
        call=lambda self, t, *, scale=2.0: t * scale, build=lambda s, *, shape: shape[-1]
    ),
    "positional-only": dict(call=lambda self, t, /: t * 2.0),
    "training first": dict(call=lambda self, t, training=None, **rest: t * 2.0),
}


@pytest.mark.parametrize("name", SIGNATURES)
def test_methods_may_be_written_as_python_has_it(name):
    layer = type("Own", (layers.Layer,), SIGNATURES[name])()
    np.testing.assert_array_equal(fit(layer).layers[0](X), 2 * X)
    assert layer.built


def test_a_method_may_be_decorated_or_partial():
    import functools

    def decorated(method):
        def wrapper(*args, **kwargs):
            return method(*args, **kwargs)

        return wrapper

    class Decorated(layers.Layer):
        @decorated
        def build(self, shape):
            self.scale = self.add_weight(shape=(shape[-1],), initializer="ones")

        @decorated
        def call(self, t):
            return t * self.scale * 2.0

    class Partial(layers.Layer):
        def __init__(self):
            super().__init__()
            self.call = functools.partial(self.scaled, 2.0)

        def scaled(self, scale, t):
            return t * scale

    for layer in (Decorated(), Partial()):
        np.testing.assert_array_equal(fit(layer).predict(X, verbose=0).shape, (2, 1))
        assert layer(X).shape == X.shape


def test_a_build_that_raises_leaves_the_layer_as_before():
    class Failing(layers.Layer):
        fails = True

        def build(self, shape):
            self.kernel = self.add_weight(shape=(shape[-1],), initializer="ones", name="kernel")
            if self.fails:
                raise RuntimeError("no")

        def call(self, t):
            return t * self.kernel

    layer = Failing()
    for run in (lambda: layer(X), lambda: layer(rustnet.Input((3,))), lambda: layer.build((None, 3))):
        with pytest.raises(RuntimeError, match="no"):
            run()
        assert not layer.built and layer.weights == [] and not hasattr(layer, "kernel")
    layer.fails = False
    np.testing.assert_array_equal(layer(X), X)
    assert len(layer.weights) == 1


def test_a_bias_that_is_not_used_is_none():
    for layer in (layers.Dense(2, use_bias=False), layers.Conv1D(2, 1, use_bias=False)):
        layer(X[None])
        assert layer.bias is None and [weight.name for weight in layer.weights] == ["kernel"]


def test_weights_of_a_frozen_layer_are_made_frozen():
    frozen = built(trainable=False)
    assert [weight.trainable for weight in frozen.weights] == [False, False]
    frozen.trainable = True
    assert [weight.trainable for weight in frozen.weights] == [True, True]
