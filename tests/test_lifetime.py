"""Models go when their last reference goes, without the garbage collector."""

import copy
import gc
import pickle
import weakref

import numpy as np
import pytest

from rustnet import Input, Model, Sequential, callbacks, layers, metrics, models, ops

X = np.random.default_rng(0).normal(size=(8, 3)).astype("float32")
Y = np.abs(X.sum(1, keepdims=True))


class Two(Model):
    def __init__(self):
        super().__init__()
        self.parts = [layers.Dense(4), layers.Dense(1)]

    def call(self, x):
        self.add_loss(0.1 * ops.mean(x))
        return self.parts[1](self.parts[0](x))


class OwnInputs(Model):
    def __init__(self):
        x = Input((3,))
        super().__init__(x, layers.Dense(1)(x))


def chain():
    return Sequential([Input((3,)), layers.Dense(4, activation="relu"), layers.Dropout(0.1), layers.Dense(1)])


def graph():
    x = Input((3,))
    shared = layers.Dense(3)
    hidden = layers.BatchNormalization()(shared(shared(x))) * 2.0
    return Model(x, layers.Dense(1)(hidden))


def nested():
    x = Input((3,))
    inner = Model(y := Input((3,)), layers.Dense(3)(y))
    return Model(x, chain()(inner(x)))


def recurrent():
    return Sequential(
        [
            Input((3,)),
            layers.Reshape((3, 1)),
            layers.Bidirectional(layers.LSTM(2, return_sequences=True)),
            layers.TimeDistributed(layers.Dense(2)),
            layers.RNN(layers.LSTMCell(2)),
            layers.Dense(1),
        ]
    )


MODELS = {
    "chain": chain,
    "deferred chain": lambda: Sequential([layers.Dense(4), layers.Dense(1)]),
    "functional": graph,
    "nested": nested,
    "recurrent": recurrent,
    "subclass": Two,
    "functional subclass": OwnInputs,
}


def fit(model, **kwargs):
    model.compile("adam", "mse", metrics=["mae", metrics.AUC(), lambda t, p: ops.mean(p)])
    return model.fit(X, Y / 10, verbose=0, **kwargs)


class Fail(callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        raise RuntimeError("stop")


def fail(model):
    with pytest.raises(RuntimeError, match="stop"):
        fit(model, callbacks=[Fail()])
    with pytest.raises(ValueError, match="Received"):
        model.predict(np.ones((2, 9, 9, 9)), verbose=0)


def with_callbacks(model):
    fit(
        model,
        validation_split=0.5,
        callbacks=[callbacks.EarlyStopping(restore_best_weights=True), callbacks.ReduceLROnPlateau()],
    )
    assert model.history.history["loss"] and model.history.model is model


def on_batches(model):
    model.compile("sgd", "mse")
    model.train_on_batch(X, Y)
    model.fit(((X, Y) for _ in range(2)), verbose=0)
    model.evaluate(X, Y, verbose=0)
    model.predict_on_batch(X)


def inspect(model):
    model.summary(print_fn=lambda text: None)
    model.compute_output_shape((None, 3))
    _ = model.losses, model.metrics, model.get_weights()


ACTIONS = {
    "call": lambda model: model(X),
    "predict": lambda model: model.predict(X, verbose=0),
    "fit": fit,
    "callbacks": with_callbacks,
    "batches": on_batches,
    "errors": fail,
    "inspect": inspect,
    "pickle": lambda model: pickle.loads(pickle.dumps(model))(X),
    "deepcopy": lambda model: fit(copy.deepcopy(model)),
}


@pytest.fixture
def no_collector():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize("kind", MODELS)
def test_weights_go_with_the_model(kind, no_collector):
    for name, action in ACTIONS.items():
        model = MODELS[kind]()
        action(model)
        model(X)
        state = [*model.weights, *(model.optimizer.variables if model.compiled else [])]
        weights = [weakref.ref(one) for one in state]
        del model, state
        assert not [one() for one in weights if one() is not None], name


def test_a_history_keeps_its_model_and_nothing_else_does(no_collector):
    model = chain()
    history = fit(model)
    weight = weakref.ref(model.weights[0])
    assert model.history is history
    kept = history.history
    del history
    assert model.history.history is kept and model.history.model is model and model.history.epoch == [0]
    history = model.history
    del model
    assert history.model.predict(X, verbose=0).shape == (8, 1)
    del history
    assert weight() is None


def test_a_layer_keeps_no_model_and_a_tensor_keeps_its_layers(no_collector):
    model = graph()
    last, first = model.layers[-1], weakref.ref(model.layers[1])
    assert last.output is last.output
    tensor = last.output
    del model
    assert first() is not None and last.output is tensor
    assert Model(tensor.node.input_tensors[0], tensor)(X).shape == (8, 1)
    del tensor
    assert first() is None
    with pytest.raises(AttributeError, match="has no output yet"):
        _ = last.output


def test_a_clone_and_a_part_go_too(no_collector):
    model = graph()
    twin, part = models.clone_model(model), Model(model.input, model.layers[1].output)
    weights = [weakref.ref(one) for one in [*twin.weights, *part.weights]]
    part(X), twin(X)
    del twin, part, model
    assert not [one() for one in weights if one() is not None]


def test_a_long_chain_is_freed_without_recursion(no_collector):
    x = y = Input((3,))
    for _ in range(5000):
        y = y + 1.0
    model = Model(x, layers.Dense(1)(y))
    weight = weakref.ref(model.weights[0])
    del x, y, model
    assert weight() is None
