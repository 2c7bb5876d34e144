"""What is pickled or deep-copied is the same thing again, with state of its own."""

import copy
import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest

import rustnet
from rustnet import Input, Model, Sequential, layers
from rustnet.layers.layer import Layer

X = np.random.default_rng(0).normal(size=(6, 3)).astype("float32")
Y = np.abs(X.sum(1, keepdims=True)) / 9

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


class Scaled(Layer):
    """Weights in attributes, lists and dictionaries, a layer inside, a stream of random numbers."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.inner = layers.Dense(units)
        self.generator = rustnet.random.SeedGenerator(3)

    def build(self, input_shape):
        self.scale = self.add_weight(shape=(input_shape[-1],), initializer="ones")
        self.parts = {"shift": [self.add_weight(shape=())]}

    def call(self, x):
        noise = rustnet.random.uniform((1,), seed=self.generator)
        return self.inner(x * self.scale) + self.parts["shift"][0] + 0.1 * noise


class Two(Model):
    def __init__(self):
        super().__init__()
        self.parts = [Scaled(4), layers.Dense(1)]

    def call(self, x):
        return self.parts[1](self.parts[0](x))


class OwnInputs(Model):
    def __init__(self, units):
        x = Input((3,))
        super().__init__(x, layers.Dense(units)(x))
        self.units = units


def chain():
    head = layers.Dense(1, kernel_regularizer="l2", kernel_constraint="max_norm")
    return Sequential([Input((3,)), layers.Dense(4, activation="relu"), layers.Dropout(0.5), head])


def graph():
    x = Input((3,))
    shared = layers.Dense(3)
    hidden = layers.BatchNormalization()(shared(shared(x))) * 2.0
    return Model(x, layers.Dense(1)(hidden[:, :2] + np.ones((1, 1), "float32")))


def nested():
    x = Input((3,))
    return Model({"x": x}, chain()(graph()(x) * np.ones((1, 3), "float32")))


def several():
    a, b = Input((3,), name="a"), Input((3,), name="b")
    joined = layers.Add()([a, b])
    return Model({"b": b, "a": a}, {"u": layers.Dense(1, name="u")(joined), "c": layers.Dense(1)(joined)})


MODELS = {
    "chain": chain,
    "deferred chain": lambda: Sequential([layers.Dense(4), layers.Dense(1)]),
    "functional": graph,
    "nested": nested,
    "recurrent": lambda: Sequential(
        [
            Input((3,)),
            layers.Reshape((3, 1)),
            layers.Bidirectional(layers.LSTM(2, return_sequences=True)),
            layers.TimeDistributed(layers.Dense(2)),
            layers.GRU(2),
            layers.Dense(1),
        ]
    ),
    "subclass": Two,
    "functional subclass": lambda: OwnInputs(1),
    "subclass of a functional model": lambda: OwnFunctional(x := Input((3,)), layers.Dense(1)(x)),
}


class OwnFunctional(Model):
    pass


@pytest.mark.parametrize("how", COPIES)
@pytest.mark.parametrize("kind", MODELS)
def test_a_model_goes_on_with_the_same_bits(kind, how):
    model, duplicate = MODELS[kind](), COPIES[how]
    duplicate(model)
    model.compile(rustnet.optimizers.Adam(0.01), "mse", metrics=["mae", rustnet.metrics.AUC()])
    duplicate(model)
    stopping = rustnet.callbacks.EarlyStopping(monitor="loss", restore_best_weights=True)
    history = model.fit(X, Y, verbose=0, callbacks=[stopping])
    twin, its_history, its_stopping = duplicate((model, history, stopping))
    assert its_history.model is twin and its_stopping.model is twin
    assert its_history.history == twin.history.history == history.history
    assert isinstance(twin, type(model)) and twin.name == model.name
    assert twin.optimizer is not model.optimizer
    predicted, losses = [], []
    for one in (model, twin):
        predicted.append(one(X).numpy())
        rustnet.utils.set_random_seed(7)
        losses.append(one.fit(X, Y, verbose=0, epochs=3, batch_size=4).history)
    np.testing.assert_array_equal(*predicted)
    assert losses[0] == losses[1]
    for weight, other in zip(model.get_weights(), twin.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, other)
    np.testing.assert_array_equal(twin.predict(X, verbose=0), model.predict(X, verbose=0))
    texts = []
    model.summary(print_fn=texts.append)
    twin.summary(print_fn=texts.append)
    assert texts[0] == texts[1]


@pytest.mark.parametrize("how", COPIES)
def test_the_graph_of_a_copy_is_a_graph(how):
    model = several()
    twin = COPIES[how](model)
    data = {"a": X, "b": 2 * X}
    for name, value in model.predict(data, verbose=0).items():
        np.testing.assert_array_equal(twin.predict(data, verbose=0)[name], value)
    part = Model(twin.inputs, twin.get_layer("u").output)
    assert part.layers[-1] is twin.get_layer("u") and part([X, X]).shape == (6, 1)
    model.set_weights([0 * one for one in model.get_weights()])
    assert np.any(twin.predict(data, verbose=0)["u"])


@pytest.mark.parametrize("how", COPIES)
def test_the_metrics_of_several_outputs_keep_their_names(how):
    model, data, targets = several(), {"a": X, "b": 2 * X}, {"u": Y, "c": Y}
    metrics = {"u": ["mae", rustnet.metrics.AUC()], "c": "mse"}
    model.compile("adam", {"u": "mse", "c": "mae"}, metrics=metrics, weighted_metrics={"u": ["mse"]})
    histories = [model.fit(data, targets, verbose=0).history]
    twin = COPIES[how](model)
    assert twin.metrics_names == model.metrics_names and len(twin.metrics_names) == 7
    assert twin.evaluate(data, targets, verbose=0) == model.evaluate(data, targets, verbose=0)
    for one in (model, twin):
        rustnet.utils.set_random_seed(1)
        histories.append(one.fit(data, targets, verbose=0).history)
    assert histories[1] == histories[2] and histories[0].keys() == histories[2].keys()


def test_models_that_share_layers_share_them_in_the_copy():
    whole = graph()
    half = Model(whole.input, whole.layers[1].output)
    whole_twin, half_twin = pickle.loads(pickle.dumps((whole, half)))
    half_twin.set_weights([0 * one for one in half_twin.get_weights()])
    np.testing.assert_array_equal(half_twin(X), np.zeros((6, 3)))
    assert whole_twin.layers[1] is half_twin.layers[1]


class Knowing(Layer):
    def call(self, x):
        return x * 2.0


@pytest.mark.parametrize("how", COPIES)
def test_a_layer_that_knows_its_model(how):
    x, layer = Input((3,)), Knowing()
    model = Model(x, layers.Dense(1)(layer(x)))
    layer.models = [model]
    twin = COPIES[how](layer)
    assert twin.models[0].layers[1] is twin and twin.models[0] is not model
    np.testing.assert_array_equal(twin.models[0](X), model(X))
    assert Model(twin.models[0].input, twin.output)(X).shape == (6, 3)


@pytest.mark.parametrize("how", ["protocol 5", "deepcopy"])
def test_long_models_are_copied_without_recursion(how):
    x = y = Input((3,))
    for _ in range(2000):
        y = y + 0.01
    long = Model(x, layers.Dense(1)(y))
    chain = Sequential([Input((3,)), *(layers.Activation("relu") for _ in range(400))])
    for model in (long, chain):
        np.testing.assert_array_equal(COPIES[how](model)(X), model(X))


OBJECTS = {
    "a seed generator": lambda: rustnet.random.SeedGenerator(1),
    "a tensor": lambda: rustnet.ops.ones((2, 3)),
    "an input": lambda: Input((3,)),
    "a symbolic tensor": lambda: layers.Dense(2)(Input((3,))),
    "a schedule": lambda: rustnet.optimizers.SGD(rustnet.optimizers.schedules.ExponentialDecay(0.1, 2, 0.5)),
    "a loss": lambda: rustnet.losses.Huber(0.5),
    "an initializer": lambda: rustnet.initializers.GlorotUniform(3),
    "a regularizer": lambda: rustnet.regularizers.L1L2(0.1, 0.2),
    "a constraint": lambda: rustnet.constraints.MaxNorm(2),
    "an op": lambda: rustnet.ops.relu,
    "an activation": lambda: rustnet.activations.get("gelu"),
    "a history": rustnet.callbacks.History,
}


@pytest.mark.parametrize("how", COPIES)
@pytest.mark.parametrize("kind", OBJECTS)
def test_an_object(kind, how):
    one = OBJECTS[kind]()
    twin = COPIES[how](one)
    assert type(twin) is type(one)
    for name, value in vars(one).items() if hasattr(one, "__dict__") else ():
        if isinstance(value, (str, int, float, tuple)):
            assert vars(twin)[name] == value


@pytest.mark.parametrize("how", COPIES)
def test_callbacks_after_training_and_while_it_runs(how, tmp_path):
    class Copy(rustnet.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            for one in own:
                COPIES[how](one)

    own = [
        rustnet.callbacks.CSVLogger(tmp_path / "log.csv"),
        rustnet.callbacks.EarlyStopping(monitor="loss", restore_best_weights=True),
        rustnet.callbacks.ReduceLROnPlateau(monitor="loss"),
        rustnet.callbacks.TerminateOnNaN(),
        rustnet.callbacks.History(),
    ]
    model = chain()
    model.compile("sgd", "mse")
    model.fit(X, Y, verbose=0, callbacks=[*own, Copy()])
    for one in own:
        twin = COPIES[how](one)
        assert (
            type(twin) is type(one) and twin.params == one.params and twin.model.predict(X, verbose=0).shape
        )
    model.fit(X, Y, verbose=0, callbacks=[COPIES[how](own[0])])
    assert (tmp_path / "log.csv").read_text().startswith("epoch,loss")


@pytest.mark.parametrize("how", COPIES)
def test_random_numbers_go_on(how):
    generator = rustnet.random.SeedGenerator(1)
    rustnet.random.normal((3,), seed=generator)
    twin = COPIES[how](generator)
    first, second = (rustnet.random.normal((3,), seed=one).numpy() for one in (generator, twin))
    np.testing.assert_array_equal(first, second)


def test_another_process_gets_the_model():
    model = graph()
    model.compile("adam", "mse")
    model.fit(X, Y, verbose=0)
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as processes:
        predicted = processes.submit(model.predict, X, verbose=0).result()
    np.testing.assert_array_equal(predicted, model.predict(X, verbose=0))
