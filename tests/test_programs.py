"""Which changes make a model's programs be recorded anew, and how many programs are kept."""

from __future__ import annotations

import gc
from collections import deque
from typing import Any

import numpy as np
import pytest

import rustnet
from rustnet import layers, ops
from rustnet.training import measuring

X = np.random.default_rng(0).normal(size=(20, 3)).astype("float32")
Y = X.sum(axis=1, keepdims=True)
ONE = np.ones((1, 1), "float32")


def make_model(*extra: Any, optimizer: Any = "adam") -> Any:
    model = rustnet.Sequential(
        [
            layers.Input((3,)),
            *extra,
            layers.Dense(4, kernel_regularizer="l2"),
            layers.Dropout(0.5, seed=1),
            layers.BatchNormalization(),
            layers.Dense(1),
        ]
    )
    model.compile(optimizer, "mse", metrics=["mae"])
    return model


def echo(optimizer: Any, loss: Any) -> Any:
    """A model whose one weight is the gradient step that it has made, from 1 on."""
    model = rustnet.Sequential(
        [layers.Input((1,)), layers.Dense(1, use_bias=False, kernel_initializer="ones")]
    )
    model.compile(optimizer, loss)
    return model


def weight(model: Any) -> float:
    return float(model.get_weights()[0].item())


def kept(model: Any) -> int:
    """The number of programs that the model's training, evaluation and prediction have recorded."""
    return len(model._step_programs)


# --- what a change takes effect on --------------------------------------------------------------------


def test_a_hyper_parameter_set_by_a_callback_takes_effect():
    class Momentum(rustnet.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            self.model.optimizer.momentum = [0.9, 0.0][epoch]

    model = echo(rustnet.optimizers.SGD(0.1, momentum=0.9), lambda target, prediction: prediction[:, 0])
    model.fit(ONE, ONE, epochs=2, callbacks=[Momentum()], verbose=0)
    assert weight(model) == pytest.approx(0.8)


def test_a_clip_set_between_two_steps_takes_effect():
    optimizer = rustnet.optimizers.SGD(1.0)
    model = echo(optimizer, lambda target, prediction: 10 * prediction[:, 0])
    model.train_on_batch(ONE, ONE)
    optimizer.clipnorm = 1.0
    model.train_on_batch(ONE, ONE)
    assert weight(model) == pytest.approx(-10.0)


class Scaled(layers.Layer):
    """Fields of every kind: set, absent at first, in a list, in a dictionary, in an array, of the class."""

    of_class = 1.0

    def __init__(self) -> None:
        super().__init__()
        self.factor = 1.0
        self._private = 1.0
        self.listed = [1.0]
        self.options = {"by": 1.0}
        self.table = np.ones(3, "float32")
        self.chosen = {1.0}
        self.recent = deque([1.0], maxlen=1)

    def call(self, x: Any) -> Any:
        x = x * max(self.chosen) * self.recent[0]
        factor = self.factor * self._private * self.listed[-1] * self.options["by"] * self.of_class
        return x * factor * getattr(self, "late", 1.0) * ops.convert_to_tensor(self.table)


def change_factor(layer: Any) -> None:
    layer.factor = 2.0


def change_private(layer: Any) -> None:
    layer._private = 2.0


def change_late(layer: Any) -> None:
    layer.late = 2.0


def change_of_class(layer: Any) -> None:
    layer.of_class = 2.0


def change_listed(layer: Any) -> None:
    layer.listed.append(2.0)


def change_options(layer: Any) -> None:
    layer.options["by"] = 2.0


def change_table(layer: Any) -> None:
    layer.table *= 2.0


def change_chosen(layer: Any) -> None:
    layer.chosen.add(2.0)


def change_recent(layer: Any) -> None:
    layer.recent.append(2.0)


@pytest.mark.parametrize(
    "change",
    [
        change_factor,
        change_private,
        change_late,
        change_of_class,
        change_listed,
        change_chosen,
        change_recent,
        change_options,
        change_table,
    ],
)
@pytest.mark.parametrize("run", ["predict", "call", "evaluate", "test_on_batch"])
def test_a_field_of_a_layer_takes_effect_when_it_changes(change, run):
    layer = Scaled()
    model = rustnet.Sequential([layers.Input((3,)), layer])
    model.compile("sgd", lambda target, prediction: prediction)
    calls = {
        "predict": lambda: model.predict(X, verbose=0).sum(),
        "call": lambda: np.asarray(model(X)).sum(),
        "evaluate": lambda: model.evaluate(X, X, verbose=0) * X.size,
        "test_on_batch": lambda: model.test_on_batch(X, X) * X.size,
    }
    before = calls[run]()
    assert before == pytest.approx(X.sum(), rel=1e-4)
    change(layer)
    assert calls[run]() == pytest.approx(2 * before, rel=1e-4)


def test_a_layer_put_into_a_list_is_called():
    class Blocks(rustnet.Model):
        def __init__(self) -> None:
            super().__init__()
            self.blocks: list[Any] = []

        def call(self, x: Any) -> Any:
            for block in self.blocks:
                x = block(x)
            return x

    model = Blocks()
    np.testing.assert_array_equal(model.predict(X, verbose=0), X)
    model.blocks.append(layers.Rescaling(3.0))
    np.testing.assert_allclose(model.predict(X, verbose=0), 3 * X, rtol=1e-6)


def test_what_a_loss_a_metric_and_a_regularizer_read_takes_effect():
    class Shifted(rustnet.Loss):
        shift = 0.0

        def call(self, y_true: Any, y_pred: Any) -> Any:
            return ops.mean(y_pred * 0.0 + self.shift, axis=-1)

    class Constant(rustnet.metrics.Metric):
        def __init__(self) -> None:
            super().__init__(name="constant")
            self.updates = self.add_variable(())
            self.value = 1.0

        def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
            self.updates.assign_add(1.0)

        def result(self) -> Any:
            return ops.ones(()) * self.value

    loss, metric = Shifted(), Constant()
    penalty = rustnet.regularizers.L2(0.0)
    model = rustnet.Sequential(
        [layers.Input((1,)), layers.Dense(1, kernel_initializer="ones", kernel_regularizer=penalty)]
    )
    model.compile("sgd", loss, metrics=[metric])
    assert model.evaluate(ONE, ONE, verbose=0) == [0.0, 1.0]
    loss.shift = 3.0
    assert model.evaluate(ONE, ONE, verbose=0) == [3.0, 1.0]
    penalty.l2 = 2.0
    assert model.evaluate(ONE, ONE, verbose=0) == [5.0, 1.0]
    metric.value = 0.0
    assert model.evaluate(ONE, ONE, verbose=0) == [5.0, 0.0]


# --- what changes nothing -----------------------------------------------------------------------------


def test_nothing_is_recorded_anew_for_what_no_program_depends_on():
    model = make_model()

    def run() -> None:
        model.fit(X, Y, batch_size=8, verbose=0)
        model.evaluate(X, Y, verbose=0)
        model.predict(X, verbose=0)
        model(X)

    run()
    before = kept(model), len(model._calls)
    model.last_batch = 3
    model.layers[0].note = "seen"
    layers.Dense(3)(X)
    make_model().predict(X, verbose=0)
    run()
    model.last_batch = 4
    model.layers[0].note = "seen again"
    run()
    assert (kept(model), len(model._calls)) == before


def test_layers_are_not_searched_anew_for_notes_of_plain_values(monkeypatch):
    model = make_model()
    model.train_on_batch(X, Y)
    searches = []
    monkeypatch.setattr(measuring, "_metrics_of_layers", lambda model: searches.append(model) or [])
    for note in ([1], {"loss": 0.5}, (1, 2), {"a": [1, 2]}, {3}):
        model.note = note
        model.layers[0].note = note
        model.train_on_batch(X, Y)
    assert not searches
    # An empty list may be filled afterwards.
    model.layers[0].later = []
    model.layers[0].later.append(rustnet.metrics.Mean())
    model.train_on_batch(X, Y)
    assert len(searches) == 1


def test_a_layer_that_counts_its_calls_is_not_recorded_at_every_call():
    class Counting(layers.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.calls = 0

        def call(self, x: Any) -> Any:
            self.calls += 1
            return x

    layer = Counting()
    model = make_model(layer)
    for _ in range(3):
        for rows in (4, 5, 6):
            model.predict(X[:rows], verbose=0)
    assert kept(model) == 3
    assert layer.calls <= 1 + 3 + 1


def test_both_states_of_trainable_are_kept():
    model = make_model()
    model.train_on_batch(X, Y)
    model.trainable = False
    model.train_on_batch(X, Y)
    before = kept(model)
    for trainable in (True, False, True, False):
        model.trainable = trainable
        model.train_on_batch(X, Y)
    assert kept(model) == before


def test_programs_are_bounded_and_the_least_recently_used_goes():
    model = rustnet.Sequential([layers.Input((None, 2)), layers.GlobalAveragePooling1D(), layers.Dense(1)])
    kept_from_the_start = np.zeros((1, 500, 2), "float32")
    for length in range(1, 200):
        model.predict(np.zeros((1, length, 2), "float32"), verbose=0)
        model.predict(kept_from_the_start, verbose=0)
    assert kept(model) <= 64
    entries = {entry.key[2][-1][1] for entry in model._step_programs._entries}
    assert (500, 2) in entries and (199, 2) in entries and (1, 2) not in entries


def test_models_that_are_gone_leave_nothing_in_a_layer_that_they_shared():
    shared = layers.Dense(2)
    for _ in range(5):
        inputs = rustnet.Input((3,))
        rustnet.Model(inputs, layers.Dense(1)(shared(inputs))).predict(X, verbose=0)
        gc.collect()
    watchers = shared._watchers
    assert "kernel" in watchers
    # At most what the last model asked, which nothing has been asked after.
    assert max(len(those) for those in watchers.values() if those is not None) <= 2


def test_programs_do_not_keep_alive_what_they_were_recorded_with():
    import weakref

    model = make_model(Scaled())
    model.fit(X, Y, verbose=0)
    layer = weakref.ref(model.layers[0])
    model = None
    gc.collect()
    assert layer() is None


def test_a_method_that_is_replaced_is_called():
    layer = layers.Rescaling(2.0)
    model = rustnet.Sequential([layers.Input((3,)), layer])
    np.testing.assert_allclose(model.predict(X, verbose=0), 2 * X, rtol=1e-6)
    layer.call = lambda x: x * 5.0
    np.testing.assert_allclose(model.predict(X, verbose=0), 5 * X, rtol=1e-6)
    del layer.call
    np.testing.assert_allclose(model.predict(X, verbose=0), 2 * X, rtol=1e-6)


# --- overrides that nothing calls ---------------------------------------------------------------------


@pytest.mark.parametrize("name", ["make_train_function", "make_test_function", "make_predict_function"])
def test_an_own_loop_over_steps_is_refused_by_name(name):
    def own(self: Any, *args: Any) -> Any:
        raise AssertionError("called")

    inputs = rustnet.Input((3,))
    model = type("Own", (rustnet.Model,), {name: own})(inputs, layers.Dense(1)(inputs))
    with pytest.raises(NotImplementedError, match=f"Own.{name}"):
        model.compile("sgd", "mse")
    with pytest.raises(NotImplementedError, match=f"Own.{name}"):
        model.predict(X, verbose=0)
    model = make_model()
    with pytest.raises(NotImplementedError, match=name):
        getattr(model, name)(None)
    setattr(model, name, own)
    with pytest.raises(NotImplementedError, match=name):
        model.fit(X, Y, verbose=0)


def test_a_compile_that_fails_changes_nothing():
    model = make_model()
    model.fit(X, Y, verbose=0)
    optimizer, loss = model.optimizer, model.loss
    with pytest.raises(ValueError):
        model.compile("sgd", "no such loss")
    assert model.optimizer is optimizer and model.loss is loss
    model.fit(X, Y, verbose=0)


def test_the_arguments_of_a_loss_and_a_metric_take_effect_when_they_change():
    loss = rustnet.losses.BinaryCrossentropy(label_smoothing=0.0)
    accuracy = rustnet.metrics.BinaryAccuracy(threshold=0.5)
    model = echo("sgd", loss)
    model.compile("sgd", loss, metrics=[accuracy])
    x, y = np.full((1, 1), 0.75, "float32"), np.ones((1, 1), "float32")
    assert model.evaluate(x, y, verbose=0) == [pytest.approx(-np.log(0.75), rel=1e-5), 1.0]
    loss.label_smoothing = 0.5
    accuracy.threshold = 0.8
    smoothed = -0.75 * np.log(0.75) - 0.25 * np.log(0.25)
    assert model.evaluate(x, y, verbose=0) == [pytest.approx(smoothed, rel=1e-5), 0.0]
