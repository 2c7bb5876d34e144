"""Models as plain dictionaries, models made from these, and clones: the same, with layers of their own."""

import json
import pickle

import numpy as np
import pytest

import layer_cases
import rustnet
from rustnet import Input, Model, Sequential, layers, models, ops
from rustnet.core import structure
from rustnet.core.refused import Refused
from rustnet.layers.description import describe
from rustnet.layers.layer import Layer

X = np.random.default_rng(0).normal(size=(6, 3)).astype("float32")
STEPS = np.random.default_rng(1).normal(size=(2, 4, 3)).astype("float32")


def double(x):
    return x * 2.0


class Wrap(Layer):
    """Its configuration is made from its arguments."""

    def __init__(self, inner, factor=2.0, **kwargs):
        super().__init__(**kwargs)
        self.inner = inner
        self.factor = factor

    def call(self, x):
        return self.inner(x) * self.factor


class WrapWithConfig(Wrap):
    """A live layer in a configuration."""

    def get_config(self):
        return {**super().get_config(), "inner": self.inner, "factor": self.factor}


class Many(Layer):
    """Any number of layers."""

    def __init__(self, *parts):
        super().__init__()
        self.parts = parts

    def call(self, x):
        return ops.concatenate([part(x) for part in self.parts], -1)


def local_class():
    class Inner(Layer):
        def __init__(self, units, **kwargs):
            super().__init__(**kwargs)
            self.dense = layers.Dense(units)

        def call(self, x):
            return self.dense(x)

    return Inner


Local = local_class()


class OwnArguments(Model):
    def __init__(self, units):
        x = Input((3,))
        super().__init__(x, layers.Dense(units)(x))


class OwnFunctional(Model):
    pass


class Subclass(Model):
    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.dense = layers.Dense(units)

    def call(self, x):
        return self.dense(x)


def graph():
    """Shared layers; ops with slices, ellipses, arrays and numbers."""
    x = Input((3,), name="x")
    shared = layers.Dense(3, name="shared")
    hidden = layers.BatchNormalization()(shared(shared(x))) * 2.0 + np.ones((1, 3), "float32")
    joined = ops.concatenate([hidden[:, :2], hidden[..., 1:]], axis=-1)
    return Model(x, layers.Dense(1)(joined))


def several():
    a, b = Input((3,), name="a"), Input((3,), name="b")
    dense = layers.Dense(4)
    outputs = {"u": dense(a), "v": (layers.Add()([dense(b), dense(a)]), [layers.ReLU()(dense(a))])}
    return Model({"b": b, "a": a}, outputs)


def crossed():
    """A(B(A(B(x)))): no layer comes wholly before the other."""
    x, a, b = Input((3,)), layers.Dense(3), layers.Dense(3)
    return Model(x, a(b(a(b(x)))))


def with_state():
    x = Input((4, 3))
    sequence, h, c = layers.LSTM(2, return_sequences=True, return_state=True)(x)
    return Model(x, layers.LSTM(2)(sequence, initial_state=[h, c]))


def nested():
    x = Input((3,))
    return Model(x, layers.Dense(2)(Sequential([Input((1,)), layers.Dense(2)])(graph()(x))[:, 1:]))


def frozen():
    model = Sequential([Input((3,)), layers.Dense(2), layers.Dense(2)])
    model.layers[0].trainable = False
    return model


def frozen_graph():
    model = graph()
    model.trainable = False
    return model


MODELS = {
    "chain": lambda: Sequential(
        [
            Input((3,)),
            layers.Dense(
                2,
                activation=double,
                kernel_initializer=rustnet.initializers.Constant(0.5),
                kernel_regularizer=rustnet.regularizers.L2(0.1),
                bias_constraint="non_neg",
            ),
        ]
    ),
    "deferred chain": lambda: Sequential([layers.Dense(2), layers.Dense(1)]),
    "functional": graph,
    "several inputs and outputs": several,
    "crossed": crossed,
    "states": with_state,
    "nested": nested,
    "frozen": frozen,
    "frozen graph": frozen_graph,
    "wrapped": lambda: Sequential(
        [Input((3,)), Wrap(layers.Dense(2, name="a")), WrapWithConfig(Wrap(layers.Dense(3)), 3.0)]
    ),
    "local class": lambda: Sequential([Input((3,)), Local(4), Wrap(Local(3))]),
    "recurrent": lambda: Sequential(
        [
            Input((4, 3)),
            layers.Bidirectional(layers.LSTM(2, return_sequences=True)),
            layers.TimeDistributed(layers.Dense(3)),
            layers.RNN(layers.GRUCell(2)),
        ]
    ),
    "functional subclass": lambda: OwnFunctional(x := Input((3,)), layers.Dense(2)(x)),
    "own arguments": lambda: OwnArguments(2),
    "subclass": lambda: Subclass(2),
}


def data_of(kind):
    if kind == "several inputs and outputs":
        return {"a": X, "b": 2 * X}
    return STEPS if kind in ("states", "recurrent") else X


@pytest.mark.parametrize("how", ["config", "clone"])
@pytest.mark.parametrize("kind", MODELS)
def test_a_model_is_made_again(kind, how):
    model, data = MODELS[kind](), data_of(kind)
    wanted = model(data)
    if how == "config":
        config = json.loads(json.dumps(model.get_config()))
        twin = type(model).from_config(config, custom_objects={"double": double})
    else:
        twin = models.clone_model(model)
    assert type(twin) is type(model)
    twin(data)
    assert not {id(one) for one in twin.weights} & {id(one) for one in model.weights}
    assert not {id(one) for one in twin._flatten_layers()} & {id(one) for one in model._flatten_layers()}
    assert twin.trainable == model.trainable
    assert len(twin.trainable_weights) == len(model.trainable_weights)
    twin.set_weights(model.get_weights())
    for one, other in zip(structure.flatten(twin(data)), structure.flatten(wanted), strict=True):
        np.testing.assert_array_equal(one, other)
    assert json.dumps(twin.get_config()) == json.dumps(model.get_config())
    if kind not in ("own arguments", "subclass"):
        # There __init__ names the layers, each time anew.
        texts = []
        model.summary(print_fn=texts.append)
        twin.summary(print_fn=texts.append)
        assert texts[0] == texts[1]


def test_every_layer_is_made_again_and_copied():
    for case in layer_cases.CASES:
        arrays = case.inputs if isinstance(case.inputs, list) else [case.inputs]
        inputs = [Input(one.shape[1:], dtype=one.dtype.name) for one in arrays]
        outputs = case.make(layers)(inputs if isinstance(case.inputs, list) else inputs[0])
        model = Model(inputs, outputs)
        config = json.dumps(model.get_config())
        twin = Model.from_config(json.loads(config))
        assert json.dumps(twin.get_config()) == config, case.name
        twin.set_weights(model.get_weights())
        copied = pickle.loads(pickle.dumps(model))
        wanted = structure.flatten(model(arrays))
        for one in (twin, copied):
            for value, other in zip(structure.flatten(one(arrays)), wanted, strict=True):
                np.testing.assert_array_equal(value, other, err_msg=case.name)
            assert [layer.name for layer in one.layers] == [layer.name for layer in model.layers]


def test_the_layout_is_that_of_keras(keras):
    def config(framework):
        framework.backend.clear_session()
        x = framework.Input((3,), name="x")
        dense = framework.layers.Dense(2, name="dense")
        y = framework.layers.Add(name="add")([dense(x), dense(x)])
        functional = framework.Model([x], {"y": y}, name="model").get_config()
        chain = framework.Sequential([framework.Input((3,), name="x"), framework.layers.ReLU(name="relu")])
        return functional, chain.get_config()

    ours, theirs = config(rustnet), config(keras)
    assert set(ours[0]) == set(theirs[0])
    for mine, other in zip(ours[0]["layers"], theirs[0]["layers"], strict=True):
        assert set(other) - set(mine) <= {"build_config"}
        assert (mine["name"], mine["class_name"]) == (other["name"], other["class_name"])
        assert mine["module"] == other["module"].replace("keras", "rustnet")
        assert json.dumps(mine["inbound_nodes"]) == json.dumps(other["inbound_nodes"])
    for key in ("name", "input_layers", "output_layers"):
        assert json.dumps(ours[0][key]) == json.dumps(theirs[0][key])
    assert set(ours[1]) == set(theirs[1])
    assert [one["class_name"] for one in ours[1]["layers"]] == ["InputLayer", "ReLU"]
    assert list(ours[1]["build_input_shape"]) == list(theirs[1]["build_input_shape"])


def test_a_chain_whose_input_came_from_data_leaves_sizes_open_again():
    model = Sequential([layers.LSTM(2)])
    model(np.ones((3, 5, 7)))
    for twin in (Sequential.from_config(model.get_config()), models.clone_model(model)):
        assert twin.built and twin.input_shape == (None, 5, 7) and twin(np.ones((2, 9, 7))).shape == (2, 2)


def test_what_has_no_configuration_is_named():
    named = {
        "expected Lambda to define get_config": lambda: layers.Lambda(lambda x: x),
        "takes any number of positional arguments": lambda: Many(layers.Dense(2), layers.Dense(3)),
    }
    for message, make in named.items():
        model = Sequential([Input((3,)), make()])
        with pytest.raises(NotImplementedError, match=message):
            model.get_config()
        twin = models.clone_model(model)
        assert twin(X).shape == model(X).shape and twin.layers[0] is not model.layers[0]
        assert not {id(one) for one in twin.weights} & {id(one) for one in model.weights}
    assert Sequential.from_config(
        Sequential([Input((3,)), layers.Lambda(double)]).get_config(), custom_objects={"double": double}
    )(X).shape == (6, 3)
    shift = rustnet.Variable(1.0)
    x = Input((3,))
    with pytest.raises(ValueError, match="'add.*' expected arguments of its call that have a configuration"):
        Model(x, x + shift).get_config()


def test_a_description_runs_nothing_but_what_is_meant():
    config = Sequential([Input((3,)), layers.Dense(2)]).get_config()
    dense = config["layers"][1]
    for change, message in (
        ({"module": "nowhere", "class_name": "Nothing"}, "whose class is imported or among custom_objects"),
        ({"module": "os", "class_name": "function", "config": "getcwd"}, "a function of this package"),
        (
            {"module": "rustnet.losses", "class_name": "MeanSquaredError", "config": {}},
            "description of a layer",
        ),
    ):
        with pytest.raises(ValueError, match=message):
            Sequential.from_config({**config, "layers": [config["layers"][0], {**dense, **change}]})
    local_class()
    other = Sequential([Input((3,)), local_class()(2)])
    with pytest.raises(ValueError, match="expected one class 'Inner'"):
        Sequential.from_config(other.get_config())
    again = Sequential.from_config(other.get_config(), custom_objects={"Inner": type(other.layers[0])})
    assert again(X).shape == (6, 2)


def test_a_class_with_two_layer_classes_as_bases_is_found_once():
    class OneBase(layers.Dense):
        pass

    class OtherBase(layers.Dense):
        pass

    class OfBoth(OneBase, OtherBase):
        pass

    model = Sequential([Input((3,)), OfBoth(2)])
    assert type(Sequential.from_config(model.get_config()).layers[0]) is OfBoth


def test_a_clone_is_compiled_as_its_model_is():
    for model in (graph(), Sequential([Input((3,)), layers.Dense(1)]), Subclass(1)):
        model.compile(rustnet.optimizers.Adam(0.1), "mse", metrics=["mae", rustnet.metrics.AUC()])
        model.fit(X, np.ones((6, 1)), verbose=0)
        twin = models.clone_model(model)
        assert twin.compiled and twin.optimizer is not model.optimizer
        assert twin.optimizer.get_config() == model.optimizer.get_config()
        twin.fit(X, np.ones((6, 1)), epochs=2, verbose=0)
        assert int(twin.optimizer.iterations) == 2 and int(model.optimizer.iterations) == 1
        assert not {id(one) for one in twin.metrics} & {id(one) for one in model.metrics}
        config = json.loads(json.dumps(model.get_compile_config()))
        assert not type(model).from_config(model.get_config()).compiled
        other = models.clone_model(model)
        other.compile_from_config(config)
        assert other.get_compile_config() == config
        assert (
            other.fit(X, np.ones((6, 1)), verbose=0).history.keys()
            == model.fit(X, np.ones((6, 1)), verbose=0).history.keys()
        )
    assert graph().get_compile_config() == {}
    model.compile("sgd", lambda y, p: ops.mean(y - p))
    with pytest.raises(ValueError, match="a function with a name"):
        model.get_compile_config()


def test_functions_take_part_in_cloning():
    model = graph()

    def wider(layer):
        config = layer.get_config()
        return type(layer).from_config({**config, "activation": "relu"} if "activation" in config else config)

    assert (
        models.clone_model(model, clone_function=wider).get_layer("shared").activation
        is rustnet.activations.relu
    )

    def dropped(layer, *args, **kwargs):
        outputs = layer(*args, **kwargs)
        return layers.Dropout(0.5)(outputs) if isinstance(layer, layers.Dense) else outputs

    twin = models.clone_model(model, clone_function=lambda layer: layer, call_function=dropped)
    assert sum(isinstance(one, layers.Dropout) for one in twin.layers) == 3
    assert twin.get_layer("shared") is model.get_layer("shared")
    outer = Sequential([Input((3,)), model])
    twin = models.clone_model(outer, clone_function=wider, recursive=True)
    assert twin.layers[0].get_layer("shared").activation is rustnet.activations.relu
    hidden = layers.Dense(3)(Input((2,)))
    for one in (model, Sequential([Input((3,)), layers.Dense(1)])):
        assert models.clone_model(one, input_tensors=hidden)(X).shape == (6, 1)
    with pytest.raises(ValueError, match="expected call_function for a functional model"):
        models.clone_model(outer, call_function=dropped)
    with pytest.raises(ValueError, match="beside input_tensors"):
        models.clone_model(Subclass(2), clone_function=wider)


def test_a_list_changed_later_is_no_argument():
    class Sizes(Layer):
        def __init__(self, sizes, **kwargs):
            super().__init__(**kwargs)
            self.total = sum(sizes)

        def call(self, x):
            return x * self.total

    sizes = [1, 2]
    layer = Sizes(sizes)
    sizes.append(3)
    assert layer.get_config()["sizes"] == [1, 2]


def test_json_and_back():
    for kind in ("chain", "functional", "subclass"):
        model = MODELS[kind]()
        twin = models.model_from_json(model.to_json(indent=1), custom_objects={"double": double})
        assert type(twin) is type(model) and twin(X).shape == model(X).shape
    with pytest.raises(ValueError, match="expected the description of a model"):
        models.model_from_json(json.dumps(describe(layers.Dense(2))))


# --- what Keras has and rustnet has not ---------------------------------------------------------------------


def test_what_a_model_has_not_is_refused_by_name(keras):
    model = Sequential([Input((3,)), layers.Dense(1)])
    refused = []
    for name in {**vars(keras.Model), **vars(keras.src.trainers.trainer.Trainer)}:
        # Whether JAX compiles the steps is a question of Keras's alone.
        if name.startswith("_") or name == "jit_compile":
            continue
        assert hasattr(model, name), name
        if isinstance(vars(Model).get(name), Refused):
            refused.append(name)
            with pytest.raises(NotImplementedError, match=rf"Sequential.{name}\(\) is not there; instead: "):
                getattr(model, name)("a.keras")
    assert {"save", "save_weights", "load_weights", "export", "get_state_tree"} <= set(refused)
