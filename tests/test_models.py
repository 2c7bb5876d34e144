"""Models: sequential, functional and subclassed; how they are put together, called, inspected and refused."""

import numpy as np
import pytest

import rustnet
from rustnet import Input, Model, Sequential, ops
from rustnet.layers.layer import Layer
from rustnet.models import clone_model


class Affine(Layer):
    def __init__(self, units, activation=None, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.activation = activation

    def build(self, input_shape):
        def initial(shape, dtype):
            return np.sin(np.arange(np.prod(shape))).reshape(shape)

        self.kernel = self.add_weight(shape=(input_shape[-1], self.units), initializer=initial, name="kernel")

    def call(self, x):
        y = x @ self.kernel
        return y if self.activation is None else getattr(ops, self.activation)(y)


X = np.random.default_rng(3).normal(size=(5, 6)).astype("float32")


def reference(x, *layers):
    for layer in layers:
        x = x @ layer.kernel.numpy()
        x = np.maximum(x, 0) if layer.activation == "relu" else x
    return x


# --- sequential ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["input", "input_shape", "input_dim", "deferred", "build", "add"])
def test_a_chain_knows_its_input_from_many_sources(how):
    first = {"input_shape": {"input_shape": (6,)}, "input_dim": {"input_dim": 6}}.get(how, {})
    layers = [Affine(4, "relu", **first), Affine(3)]
    if how == "add":
        model = Sequential()
        for layer in [Input((6,)), *layers]:
            model.add(layer)
    else:
        model = Sequential(([Input((6,))] if how == "input" else []) + layers)
    if how == "build":
        model.build((None, 6))
    if how == "deferred":
        assert not model.built
        with pytest.raises(AttributeError, match="expected an Input, build"):
            _ = model.output
    else:
        assert model.built and model.output_shape == (None, 3)
    np.testing.assert_allclose(model(X), reference(X, *layers), rtol=1e-5)
    assert model.layers == layers and len(model.weights) == 2
    assert model.input_shape == (None, 6) and model.output_shape == (None, 3)


def test_layers_are_popped_and_added():
    model = Sequential([Input((6,)), Affine(4), Affine(3)])
    last = model.pop()
    assert model.output_shape == (None, 4) and last not in model.layers
    model.add(Affine(2))
    assert model.output_shape == (None, 2) and model(X).shape == (5, 2)


def test_models_are_layers():
    base = Sequential([Input((6,)), Affine(4)])
    model = Sequential([base, Affine(3)])
    assert model.output_shape == (None, 3) and len(model.weights) == 2
    np.testing.assert_allclose(model(X), reference(X, base.layers[0], model.layers[1]), rtol=1e-5)


# --- functional ---------------------------------------------------------------------------------------------


def two_by_two(container=list):
    a, b = Input((6,), name="a"), Input((4,), name="b")
    shared = Affine(4, name="shared")
    left = shared(a)
    joined = ops.concatenate([left * 2.0, b - 1.0], axis=-1)
    right = Affine(3, name="right")(joined)
    if container is dict:
        return Model(inputs={"a": a, "b": b}, outputs={"left": left, "right": right})
    return Model(inputs=[a, b], outputs=[left, right])


def test_several_inputs_and_outputs():
    model = two_by_two()
    left, right = model([X, X[:, :4]])
    kernel, other = model.get_weights()
    np.testing.assert_allclose(left, X @ kernel, rtol=1e-5)
    np.testing.assert_allclose(
        right, np.concatenate([2 * X @ kernel, X[:, :4] - 1], -1) @ other, rtol=1e-4, atol=1e-5
    )
    assert [layer.name for layer in model.layers] == ["a", "shared", "b", "right"]
    assert model.input_shape == [(None, 6), (None, 4)] and model.output_shape == [(None, 4), (None, 3)]
    assert model.output_names == ["shared", "right"]


def test_inputs_by_name():
    model, named = two_by_two(), two_by_two(dict)
    named.set_weights(model.get_weights())
    left, right = model([X, X[:, :4]])
    results = named({"b": X[:, :4], "a": X, "unused": X})
    assert list(results) == ["left", "right"]
    np.testing.assert_array_equal(results["right"], right)
    np.testing.assert_array_equal(model({"a": X, "b": X[:, :4]})[0], left)


def test_a_shared_layer_has_one_weight():
    a, b = Input((6,)), Input((6,))
    shared = Affine(4)
    model = Model([a, b], shared(a) + shared(b))
    assert len(model.weights) == 1
    np.testing.assert_allclose(model([X, X]), 2 * reference(X, shared), rtol=1e-5)


def test_a_part_of_a_model_is_a_model():
    x = Input((6,))
    hidden = Affine(5, "relu", name="hidden")(x)
    model = Model(x, Affine(3)(hidden))
    features = Model(model.input, model.get_layer("hidden").output)
    head = Model(hidden, model.output)
    np.testing.assert_array_equal(head(features(X)), model(X))
    assert model.get_layer(index=1).name == "hidden"


def test_models_nest_in_models():
    inner = two_by_two()
    a, b = Input((6,)), Input((4,))
    left, right = inner([a, b])
    model = Model([a, b], ops.sum(left, -1) + ops.sum(right, -1))
    wanted = [one.numpy().sum(-1) for one in inner([X, X[:, :4]])]
    np.testing.assert_allclose(model([X, X[:, :4]]), sum(wanted), rtol=1e-4, atol=1e-5)
    assert model.output_shape == (None,)


def test_sizes_left_open():
    x = Input((None, None, 2))
    y = ops.reshape(x, (ops.shape(x)[0], -1, 2))
    model = Model(x, ops.mean(y, axis=1))
    assert y.shape == (None, None, 2) and model.output_shape == (None, 2)
    for size in (2, 3):
        data = np.random.rand(4, size, size + 1, 2).astype("float32")
        np.testing.assert_allclose(model(data), data.mean((1, 2)), rtol=1e-5)


def test_inputs_are_fitted():
    """Dtype, and one axis of size 1 too many or too few, as Keras does."""
    x = Input((6, 1))
    model = Model(x, ops.sum(x, axis=(1, 2)))
    np.testing.assert_allclose(model(X), X.sum(1), rtol=1e-5, atol=1e-6)
    model = Model(x := Input((6,)), x * 0.5)
    np.testing.assert_allclose(model(X[..., None]), X * 0.5)
    np.testing.assert_allclose(model((X * 10).astype("uint8")), (X * 10).astype("uint8") * 0.5)
    np.testing.assert_allclose(model([[1, 2, 3, 4, 5, 6]]), [[0.5, 1.0, 1.5, 2.0, 2.5, 3.0]])


def test_a_deep_chain_needs_no_recursion():
    x = Input((6,))
    y = x
    for _ in range(1500):
        y = y + 1.0
    assert float(Model(x, y)(X)[0, 0]) == pytest.approx(X[0, 0] + 1500, rel=1e-6)


# --- subclassed ---------------------------------------------------------------------------------------------


class Branches(Model):
    def __init__(self, units):
        super().__init__()
        self.branches = [Affine(one) for one in units]
        self.scale = rustnet.Variable(2.0, name="scale")

    def call(self, x, training=False):
        outputs = [branch(x) for branch in self.branches]
        return {
            "joined": ops.concatenate(outputs, -1) * self.scale,
            "training": ops.convert_to_tensor(training),
        }


def test_a_subclass_is_compiled_for_each_shape_and_argument():
    model = Branches([2, 3])
    results = model(X)
    assert results["joined"].shape == (5, 5) and not results["training"]
    assert model(X, training=True)["training"] and model(X[:2])["joined"].shape == (2, 5)
    np.testing.assert_allclose(
        results["joined"], 2 * np.concatenate([reference(X, one) for one in model.branches], -1), rtol=1e-5
    )
    assert len(model.weights) == 3 and len(model.layers) == 2


def test_new_weights_and_settings_are_seen():
    class Power(Layer):
        exponent = 1

        def call(self, x):
            return x**self.exponent

    power = Power()
    layer = Affine(3)
    model = Sequential([Input((6,)), power, layer])
    first = model(X).numpy()
    layer.set_weights([2 * layer.kernel.numpy()])
    np.testing.assert_allclose(model(X), 2 * first, rtol=1e-6)
    power.exponent = 2
    np.testing.assert_allclose(model(X), reference(X**2, layer), rtol=1e-5, atol=1e-5)


def test_a_subclass_may_be_functional():
    class Head(Model):
        def __init__(self, units):
            x = Input((6,))
            super().__init__(inputs=x, outputs=Affine(units)(x))
            self.units = units

    model = Head(3)
    assert (
        model(X).shape == (5, 3) and model.units == 3 and len(model.layers) == 2 and isinstance(model, Head)
    )


def test_a_subclass_is_built_from_shapes():
    model = Branches([2])
    model.build((None, 6))
    assert len(model.weights) == 2 and model.branches[0].kernel.shape == (6, 2)


# --- inspecting ---------------------------------------------------------------------------------------------


def summary_of(model, **kwargs):
    lines = []
    model.summary(print_fn=lines.append, line_length=80, **kwargs)
    return "\n".join(lines)


def test_summary_is_that_of_keras(keras):
    keras.backend.clear_session()
    rustnet.backend.clear_session()
    x = keras.Input((6,), name="x")
    theirs = keras.Model(x, keras.layers.Dense(3, use_bias=False, name="dense")(x), name="model")
    x = Input((6,), name="x")
    ours = Model(x, type("Dense", (Affine,), {})(3, name="dense")(x), name="model")
    lines = []
    theirs.summary(print_fn=lines.append, line_length=80)
    assert summary_of(ours) == "\n".join(lines)


def test_summary_shows_nested_layers_and_connections():
    text = summary_of(two_by_two(), show_trainable=True)
    assert "Connected to" in text and "shared[0][0]" in text and "Trainable" in text
    text = summary_of(
        Sequential([Sequential([Input((6,)), Affine(4, name="inside")]), Affine(3)]), expand_nested=True
    )
    assert "└ inside" in text and "Total params: 36 (144.00 B)" in text
    text = summary_of(Sequential([Affine(3)]))
    assert "?" in text and "0 (unbuilt)" in text


def test_a_clone_has_weights_of_its_own():
    for model in (two_by_two(), Sequential([Input((6,)), Affine(3)])):
        twin = clone_model(model)
        twin.set_weights([0 * weight for weight in model.get_weights()])
        assert [one.shape for one in twin.weights] == [one.shape for one in model.weights]
        assert all(np.any(weight) for weight in model.get_weights())
        assert [layer.name for layer in twin.layers] == [layer.name for layer in model.layers]


# --- refused ------------------------------------------------------------------------------------------------


def nested_in_itself():
    inner = Sequential([Affine(3)])
    outer = Sequential([inner])
    inner.add(outer)


BAD = {
    "a missing input": (lambda: Model(Input((6,)), Input((6,), name="other") + 1.0), "needs 'other'"),
    "a number as output": (lambda: Model(Input((6,)), [Input((6,)), 3]), "expected symbolic tensors"),
    "arrays as inputs": (lambda: Model(X, X), r"expected Model\(inputs, outputs\)"),
    "two layers of one name": (
        lambda: Model(x := Input((6,)), Affine(3, name="same")(Affine(3, name="same")(x))),
        "two named 'same'",
    ),
    "two chained layers of one name": (
        lambda: Sequential([Affine(3, name="same"), Affine(3, name="same")]),
        "a second 'same'",
    ),
    "an input twice": (lambda: Model([x := Input((6,)), x], x * 2.0), "expected each input once"),
    "a tensor that a layer made": (
        lambda: Sequential([Affine(3)(Input((6,)))]),
        "expected a layer. Received",
    ),
    "a layer alone": (lambda: Sequential(Affine(3)), "expected a list of layers. Received: <Affine"),
    "not a layer": (lambda: Sequential([3]), "expected a layer. Received: 3"),
    "a late input": (lambda: Sequential([Affine(3), Input((6,))]), "expected its Input first"),
    "a chain in itself": (nested_in_itself, "does not contain it"),
    "pop of nothing": (lambda: Sequential().pop(), "at least one layer"),
    "a wrong last size": (
        lambda: Sequential([Input((7,)), Affine(3)])(X),
        r"expected input 'input_layer.*' of shape \(None, 7\). Received: shape \(5, 6\)",
    ),
    "a wrong number of inputs": (lambda: two_by_two()([X]), r"expected 2 input\(s\). Received: 1"),
    "a missing name": (lambda: two_by_two(dict)({"a": X}), "expected inputs named 'a', 'b'. Received: 'a'"),
    "an unknown layer": (lambda: two_by_two().get_layer("c"), "Received: name='c'"),
    "a ragged list": (lambda: Sequential([Affine(3)])([[1.0, 2.0], [3.0]]), "rows have one length"),
    "objects": (lambda: Sequential([Affine(3)])(np.array([None])), "expected x to hold numbers"),
    "no call": (lambda: Model()(X), "expected Model to define call"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_was_expected_is_said(name):
    attempt, message = BAD[name]
    with pytest.raises((ValueError, NotImplementedError), match=message):
        attempt()


def test_a_model_is_usable_after_an_error():
    model = Sequential([Affine(3)])
    before = model(X).numpy()
    with pytest.raises(ValueError, match="Received"):
        model(X[:, :4])
    np.testing.assert_array_equal(model(X), before)


def test_import_is_quick_and_quiet():
    import subprocess
    import sys

    code = "import numpy, time; t = time.perf_counter(); import rustnet; print(time.perf_counter() - t)"
    runs = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True) for _ in range(3)]
    assert all(run.stderr == "" for run in runs)
    assert min(float(run.stdout) for run in runs) < 0.05
