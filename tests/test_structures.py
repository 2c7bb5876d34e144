"""Nested inputs and outputs, chains that change, parts of models: wired as they were written, or refused."""

from random import Random

import numpy as np
import pytest

from rustnet import Input, Model, Sequential, layers
from rustnet.layers.layer import Layer
from rustnet.models import clone_model

X = np.random.default_rng(5).normal(size=(4, 3)).astype("float32")
ONE, ZERO = np.ones((1, 1), "float32"), np.zeros((1, 1), "float32")


def pair():
    return Input((1,), name="p"), Input((1,), name="q")


# --- chains that change -------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_deferred", [False, True])
@pytest.mark.parametrize("run", [lambda m: m(X), lambda m: m.predict(X, verbose=0)], ids=["call", "predict"])
def test_a_chain_is_changed_after_it_ran(run, is_deferred):
    model = Sequential([] if is_deferred else [Input((3,))])
    model.add(layers.Dense(4))
    model.add(layers.Dense(5))
    assert run(model).shape == (4, 5)
    model.pop()
    assert run(model).shape == (4, 4) and model.output_shape == (None, 4) and len(model.weights) == 2
    model.add(layers.Dense(6))
    assert run(model).shape == (4, 6) and model.output_shape == (None, 6) and len(model.weights) == 4


def test_a_deferred_chain_that_lost_all_layers_begins_again():
    model = Sequential([layers.Dense(2)])
    model(X)
    model.pop()
    model.add(layers.Dense(3))
    assert not model.built and model(X[:, :2]).shape == (4, 3)


def test_the_first_data_fixes_what_weights_depend_on_and_nothing_else():
    model = Sequential([layers.LSTM(2)])
    assert model(np.ones((3, 5, 7))).shape == (3, 2) and model(np.ones((2, 9, 7))).shape == (2, 2)
    assert model.input_shape == (None, 5, 7) and model.output_shape == (None, 2)
    model = Sequential([layers.Conv2D(2, 3), layers.GlobalMaxPooling2D(), layers.Dense(1)])
    model.compile("sgd", "mse")
    batches = ((np.ones((2, size, size + 1, 3), "f"), np.ones((2, 1), "f")) for size in (5, 8, 6))
    model.fit(batches, verbose=0)
    assert model.predict(np.ones((2, 11, 7, 3), "f"), verbose=0).shape == (2, 1)
    with pytest.raises(ValueError, match="Received"):
        model(np.ones((2, 11, 7, 4)))


def test_a_layer_that_does_not_fit_leaves_the_chain_as_it_was():
    model = Sequential([Input((3,))])
    with pytest.raises(ValueError, match="rank"):
        model.add(layers.Conv1D(2, 3))
    model.add(layers.Dense(2))
    assert model(X).shape == (4, 2) and len(model.layers) == 1


def test_a_chain_of_one_layer_twice_and_one_that_begins_with_a_merge():
    shared = layers.Dense(3)
    model = Sequential([Input((3,)), shared, shared])
    assert len(model.weights) == 2
    np.testing.assert_array_equal(model(X), shared(shared(X)))
    assert Sequential([layers.Add(), layers.Dense(2)])([X, X]).shape == (4, 2)


def test_a_chain_keeps_the_shape_that_it_was_built_with():
    model = Sequential([Input((3,)), layers.Dense(2)])
    model.build((None, 3))
    with pytest.raises(ValueError, match=r"expected the input shape that it has, \(None, 3\)"):
        model.build((None, 4))


# --- what a model is called on ------------------------------------------------------------------------------

# The nesting of the inputs p and q, what the model is called on, and whether that is taken.
MATCHES = {
    "a list": (lambda p, q: [p, q], [ONE, ZERO], True),
    "a tuple for a list": (lambda p, q: [p, q], (ONE, ZERO), True),
    "names for a list": (lambda p, q: [p, q], {"q": ZERO, "p": ONE}, True),
    "further names": (lambda p, q: [p, q], {"a": ZERO, "q": ZERO, "p": ONE}, True),
    "a missing name": (lambda p, q: [p, q], {"q": ZERO}, "expected inputs named 'p', 'q'. Received: 'q'"),
    "one too many": (lambda p, q: [p, q], [ONE, ZERO, ONE], r"expected 2 input\(s\). Received: 3"),
    "another nesting": (
        lambda p, q: [p, q],
        [[ONE, ZERO]],
        r"inputs nested like \['p', 'q'\]. Received: \[\[shape \(1, 1\), shape \(1, 1\)\]\]",
    ),
    "a list in a list": (lambda p, q: [p, [q]], [ONE, [ZERO]], True),
    "a flat list for a nested one": (lambda p, q: [p, [q]], [ONE, ZERO], True),
    "a list in a dictionary": (lambda p, q: {"pair": [p, q]}, {"pair": [ONE, ZERO]}, True),
    "dictionaries in a tuple": (lambda p, q: ({"b": p}, {"a": q}), ({"b": ONE}, {"a": ZERO}), True),
    "a dictionary": (lambda p, q: {"b": p, "a": q}, {"a": ZERO, "b": ONE}, True),
    "further keys": (lambda p, q: {"b": p, "a": q}, {"a": ZERO, "aa": ZERO, "b": ONE}, True),
    "a missing key": (lambda p, q: {"b": p, "a": q}, {"b": ONE}, "inputs named 'b', 'a'. Received: 'b'"),
    "names for keys": (lambda p, q: {"b": p, "a": q}, {"p": ONE, "q": ZERO}, "inputs named 'b', 'a'"),
    "a list for unsorted keys": (
        lambda p, q: {"b": p, "a": q},
        [ONE, ZERO],
        r"a dictionary of inputs like \{'b': 'p', 'a': 'q'\}",
    ),
    "a list for sorted keys": (lambda p, q: {"a": p, "b": q}, [ONE, ZERO], True),
    "another key inside": (
        lambda p, q: {"pair": {"p": p, "q": q}},
        {"pair": {"p": ONE, "r": ZERO}},
        r"a dictionary of inputs like \{'pair': \{'p': 'p', 'q': 'q'\}\}",
    ),
}


@pytest.mark.parametrize("name", MATCHES)
@pytest.mark.parametrize("how", ["call", "predict", "fit"])
def test_inputs_are_matched_or_refused_but_never_guessed(name, how):
    nesting, given, outcome = MATCHES[name]
    p, q = pair()
    model = Model(nesting(p, q), layers.Subtract()([p, q]))

    def run():
        if how == "fit":
            model.compile("sgd", "mse")
            # Its loss is (1 − 1)² if p and q are what they should be, and 4 if they were exchanged.
            return 1 - np.sqrt(model.fit(given, ONE, verbose=0).history["loss"])
        return model(given) if how == "call" else model.predict(given, verbose=0)

    if outcome is True:
        np.testing.assert_array_equal(np.ravel(run()), [1])
    else:
        with pytest.raises(ValueError, match=outcome):
            run()


def test_a_single_input_in_any_wrapping():
    for wrap in (lambda x: x, lambda x: [x], lambda x: {"p": x}):
        p, _ = pair()
        model = Model(wrap(p), layers.Rescaling(2.0)(p))
        for given in (ONE, [ONE], {"p": ONE}):
            np.testing.assert_array_equal(model(given), [[2]])
        with pytest.raises(ValueError, match="expected inputs named 'p'. Received: 'r'"):
            model({"r": ONE})


def test_an_optional_input_may_be_none():
    class PlusIf(Layer):
        def call(self, a, b=None):
            return a if b is None else a + b

    p, q = Input((1,)), Input((1,), optional=True)
    model = Model([p, q], PlusIf()(p, q))
    assert float(model([ONE, ONE])[0, 0]) == 2 and float(model([ONE, None])[0, 0]) == 1
    assert float(model.predict([ONE, None], verbose=0)[0, 0]) == 1
    with pytest.raises(ValueError, match="expected a tensor for input"):
        model([None, ONE])


def test_shapes_and_outputs_are_nested_as_in_keras(keras):
    def facts(framework, wrap_inputs, wrap_outputs):
        p, q = framework.Input((1,), name="b"), framework.Input((2,), name="a")
        joined = framework.layers.Concatenate()([p, q])
        outputs = [framework.layers.Dense(2)(joined), framework.layers.Dense(4)(joined)]
        model = framework.Model(wrap_inputs(p, q), wrap_outputs(*outputs))
        data = wrap_inputs(np.ones((5, 1), "f"), np.ones((5, 2), "f"))
        predicted = model.predict(data, verbose=0)
        nested = predicted if isinstance(predicted, (list, tuple, dict)) else [predicted]
        shapes = {k: v.shape for k, v in nested.items()} if isinstance(nested, dict) else None
        return (
            model.input_shape,
            model.output_shape,
            [tensor.shape for tensor in model.inputs],
            [tensor.shape for tensor in model.outputs],
            type(predicted),
            shapes or [one.shape for one in nested],
        )

    import rustnet

    for inputs in (lambda p, q: [p, q], lambda p, q: (q, p), lambda p, q: {"b": p, "a": q}):
        for outputs in (
            lambda u, v: [u, v],
            lambda u, v: (v, u),
            lambda u, v: {"x": u, "c": v},
            lambda u, v: [u],
            lambda u, v: {"x": v},
            lambda u, v: v,
        ):
            assert facts(rustnet, inputs, outputs) == facts(keras, inputs, outputs)


# --- lists that change later --------------------------------------------------------------------------------


def test_a_list_changed_later_changes_no_model():
    p, q = pair()
    parts = [p, q]
    difference = layers.Subtract()(parts)
    parts.reverse()
    assert float(Model([p, q], difference)([ONE, ZERO])[0, 0]) == 1
    inputs, outputs = [p, q], [difference]
    model = Model(inputs, outputs)
    inputs.reverse()
    outputs.append(p)
    assert float(model([ONE, ZERO])[0, 0]) == 1 and len(model.outputs) == 1
    model.input.reverse()
    assert float(model([ONE, ZERO])[0, 0]) == 1
    shift = np.ones((1,), "float32")
    shifted = p + shift
    shift[:] = 5
    assert float(Model(p, shifted)(ONE)[0, 0]) == 2


def test_a_list_changed_later_changes_no_compilation():
    x = Input((3,))
    model = Model(x, {"u": layers.Dense(1)(x), "v": layers.Dense(1)(x)})
    loss, metrics = {"u": "mse", "v": "mae"}, {"u": ["mae"]}
    model.compile("sgd", loss, metrics=metrics)
    loss["u"] = "mae"
    metrics["u"].append("mse")
    target = {"u": X[:, :1] + 3, "v": X[:, :1]}
    history = model.fit(X, target, verbose=0).history
    assert history.keys() == {"loss", "u_loss", "v_loss", "u_mae"}
    assert history["u_loss"] != history["u_mae"]


def test_features_that_accumulate():
    features = [Input((3,))]
    for _ in range(3):
        joined = layers.Concatenate()(features) if len(features) > 1 else features[0]
        features.append(layers.Dense(2)(joined))
    model = Model(features[0], layers.Concatenate()(features))
    assert model.output_shape == (None, 9) and [w.shape[0] for w in model.weights[::2]] == [3, 5, 7]
    assert model(X).shape == (4, 9)


# --- parts of models ----------------------------------------------------------------------------------------


def test_the_output_of_a_chain_inside_a_model_is_that_of_its_call_there():
    model = Sequential([Input((3,)), Sequential([Input((3,)), layers.Dense(2)]), layers.Dense(1)])
    inner = model.layers[0]
    np.testing.assert_array_equal(Model(model.inputs, inner.output)(X), inner(X))
    assert inner.input is model.inputs[0] and inner.inputs[0] is not model.inputs[0]


def test_a_model_from_a_tensor_in_the_middle_begins_with_an_input():
    x = Input((3,))
    hidden = layers.Dense(4)(x)
    double = layers.LSTM(2, return_sequences=True, return_state=True)(hidden[:, None])
    model = Model(hidden, layers.Dense(2)(hidden))
    assert [type(one).__name__ for one in model.layers] == ["InputLayer", "Dense"]
    assert model.input_shape == (None, 4) and model(np.ones((2, 4))).shape == (2, 2)
    # One of three results is an input, another is computed from the call that made both.
    parts = Model([x, double[1]], [double[0], layers.Dense(1)(double[1])])
    sequence, value = parts([X, np.zeros((4, 2))])
    assert sequence.shape == (4, 1, 2) and np.all(value.numpy() == 0)
    whole = Model(x, double[0])
    np.testing.assert_array_equal(sequence, whole(X))


# --- any nesting, at random ---------------------------------------------------------------------------------


def random_nesting(random, leaves):
    """The leaves in lists, tuples and dictionaries whose keys are in no order."""
    if len(leaves) == 1 and random.random() < 0.7:
        return leaves[0]
    cuts = sorted(random.sample(range(1, len(leaves)), random.randint(0, len(leaves) - 1)))
    parts = [leaves[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(leaves)], strict=True)]
    items = [random_nesting(random, part) if len(part) < len(leaves) else part[0] for part in parts]
    if len(parts) == 1 and len(leaves) > 1:
        items = list(leaves)
    kind = random.choice(["list", "tuple", "dict"])
    if kind == "dict":
        return dict(zip(random.sample("abcdefgh", len(items)), items, strict=True))
    return items if kind == "list" else tuple(items)


def shuffled(random, nesting):
    """The same with the keys of dictionaries in another order."""
    if isinstance(nesting, dict):
        keys = random.sample(list(nesting), len(nesting))
        return {key: shuffled(random, nesting[key]) for key in keys}
    if isinstance(nesting, (list, tuple)):
        return type(nesting)(shuffled(random, item) for item in nesting)
    return nesting


def filled(nesting, values):
    """A nesting of numbers with `values[number]` for each."""
    if isinstance(nesting, dict):
        return {key: filled(item, values) for key, item in nesting.items()}
    if isinstance(nesting, (list, tuple)):
        return type(nesting)(filled(item, values) for item in nesting)
    return values[nesting]


def plain(nesting):
    """Something to compare, with the type of every container."""
    if isinstance(nesting, dict):
        return {key: plain(item) for key, item in nesting.items()}
    if isinstance(nesting, (list, tuple)):
        return (type(nesting).__name__, [plain(item) for item in nesting])
    return np.asarray(nesting).tolist()


def test_any_nesting_of_inputs_and_outputs(keras):
    import rustnet

    random = Random(7)
    for case in range(40):
        count, results = random.randint(1, 4), random.randint(1, 4)
        into = random_nesting(random, list(range(count)))
        out = random_nesting(random, list(range(results)))
        factors = [[random.randint(-3, 3) for _ in range(count)] for _ in range(results)]
        data = [np.full((2, 1), 10.0**number, "float32") for number in range(count)]

        def made(framework, into=into, out=out, factors=factors, count=count):
            inputs = [framework.Input((1,)) for _ in range(count)]
            outputs = [sum(f * x for f, x in zip(row, inputs, strict=True)) for row in factors]
            return framework.Model(filled(into, inputs), filled(out, outputs))

        model = made(rustnet)
        wanted = [sum(f * x for f, x in zip(row, data, strict=True)) for row in factors]
        given = filled(shuffled(random, into), data)
        message = f"case {case}: {into} to {out}"
        nesting = out[0] if isinstance(out, (list, tuple)) and len(out) == 1 else out
        assert plain(model(given)) == plain(filled(nesting, wanted)), message
        assert plain(model.predict(given, verbose=0)) == plain(filled(nesting, wanted)), message
        twin = clone_model(Model.from_config(model.get_config()))
        assert plain(twin(given)) == plain(filled(nesting, wanted)), message
        theirs = made(keras)
        assert model.input_shape == theirs.input_shape and model.output_shape == theirs.output_shape, message
        if case % 8 == 0:
            predicted = theirs.predict(filled(into, data), verbose=0)
            assert plain(predicted) == plain(filled(nesting, wanted)), message


def test_the_metrics_of_a_compiled_model_inside_stay_inside():
    inner = Sequential([Input((3,)), layers.Dense(1)])
    inner.compile("sgd", "mse", metrics=["mae"])
    inner.fit(X, X[:, :1], verbose=0)
    before = [float(metric.result()) for metric in inner.metrics]
    outer = Sequential([inner, layers.Dense(1)])
    outer.compile("sgd", "mse", metrics=["mse"])
    assert outer.fit(X, X[:, :1], verbose=0).history.keys() == {"loss", "mse"}
    assert len(outer.evaluate(X, X[:, :1], verbose=0)) == 2
    assert [float(metric.result()) for metric in inner.metrics] == before
