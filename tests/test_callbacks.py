"""Callbacks, driven as `fit` drives them; those that Keras has too, side by side with Keras's."""

from __future__ import annotations

import csv

import numpy as np
import pytest

import rustnet
from oracle import keras
from rustnet import callbacks


class Rate:
    """An optimizer as far as callbacks see it."""

    def __init__(self, learning_rate):
        self.learning_rate = learning_rate


class Metric:
    def __init__(self, name, direction):
        self.name = name
        self._direction = direction


class Model:
    """A model as far as callbacks see it; its weights are the number of the epoch."""

    def __init__(self):
        self.stop_training = False
        self.optimizer = Rate(1.0)
        self.metrics = [Metric("accuracy", "up"), Metric("mae", "down")]
        self.weights = []

    def get_weights(self):
        return list(self.weights)

    def set_weights(self, weights):
        self.weights = list(weights)


def drive(callback, epochs, batches=0):
    """Calls the hooks for each dictionary of logs; returns the model and how many epochs ran."""
    model = Model()
    hooks = callbacks.CallbackList(
        callback, add_history=True, model=model, verbose=0, epochs=len(epochs), steps=batches
    )
    hooks.on_train_begin()
    ran = 0
    for epoch, logs in enumerate(epochs):
        hooks.on_epoch_begin(epoch)
        model.weights = [epoch]
        for batch in range(batches):
            hooks.on_train_batch_begin(batch)
            hooks.on_train_batch_end(batch, logs)
        hooks.on_epoch_end(epoch, logs)
        ran += 1
        if model.stop_training:
            break
    hooks.on_train_end()
    return model, ran


def losses(*values):
    return [{"val_loss": value} for value in values]


@pytest.mark.parametrize(
    "arguments, logs, epochs",
    [
        ({}, losses(3, 2, 1), 3),
        ({}, losses(3, 2, 2, 1), 3),
        ({"patience": 2}, losses(3, 2, 2, 2, 1), 4),
        ({"patience": 2}, losses(3, 2, 2, 1, 1, 1, 1), 6),
        ({"min_delta": 0.5}, losses(3, 2, 1.6, 1), 3),
        ({"monitor": "val_accuracy"}, [{"val_accuracy": value} for value in (0.5, 0.6, 0.6, 0.7)], 3),
        ({"monitor": "other", "mode": "max"}, [{"other": value} for value in (0.5, 0.6, 0.4)], 3),
        ({"baseline": 1.0, "patience": 2}, losses(3, 2, 1.5, 1.5, 0.5), 4),
        ({"start_from_epoch": 2}, losses(1, 2, 3, 2, 3), 5),
        ({}, losses(float("nan"), float("nan")), 2),
    ],
)
def test_early_stopping_equals_keras(arguments, logs, epochs):
    stopping = callbacks.EarlyStopping(**arguments)
    _, ran = drive(stopping, logs)
    assert ran == epochs
    oracle = keras.callbacks.EarlyStopping(
        **{"mode": "max" if "accuracy" in str(arguments) else "auto", **arguments}
    )
    model = Model()
    oracle.set_model(model)
    oracle.on_train_begin()
    for epoch, entry in enumerate(logs):
        oracle.on_epoch_end(epoch, entry)
        if model.stop_training:
            break
    assert epoch + 1 == ran and oracle.stopped_epoch == stopping.stopped_epoch


def test_early_stopping_restores_the_best_weights():
    model, _ = drive(callbacks.EarlyStopping(patience=2, restore_best_weights=True), losses(3, 1, 2, 2))
    assert model.weights == [1]
    model, _ = drive(callbacks.EarlyStopping(patience=9, restore_best_weights=True), losses(3, 1, 2, 2))
    assert model.weights == [1]


def test_a_metric_that_is_missing_is_a_warning():
    with pytest.warns(UserWarning, match="'val_loss', which is not among the metrics: loss"):
        _, ran = drive(callbacks.EarlyStopping(), [{"loss": 1.0}, {"loss": 2.0}])
    assert ran == 2


def test_a_metric_of_unknown_direction_is_an_error():
    with pytest.raises(ValueError, match="pass mode='max'"):
        drive(callbacks.EarlyStopping(monitor="my_metric"), [{"my_metric": 1.0}])


@pytest.mark.parametrize(
    "arguments, values",
    [
        ({"patience": 2}, [3, 2, 2, 2, 2, 2, 1]),
        ({"patience": 1, "factor": 0.5, "cooldown": 2}, [3, 3, 3, 3, 3, 3, 3]),
        ({"patience": 1, "factor": 0.5, "min_lr": 0.3}, [3, 3, 3, 3, 3]),
        ({"patience": 1, "min_delta": 0.5}, [3, 2.8, 2.6, 2.4]),
        ({"patience": 1, "monitor": "loss", "mode": "max"}, [3, 4, 3, 5]),
    ],
)
def test_reduce_on_plateau_equals_keras(arguments, values):
    name = arguments.get("monitor", "val_loss")
    rates = []
    for library in (callbacks, keras.callbacks):
        callback, model = library.ReduceLROnPlateau(**arguments), Model()
        callback.set_model(model)
        callback.on_train_begin()
        seen = []
        for epoch, value in enumerate(values):
            logs = {name: value}
            callback.on_epoch_end(epoch, logs)
            seen.append((logs["learning_rate"], model.optimizer.learning_rate))
        rates.append(seen)
    assert rates[0] == rates[1]


def test_learning_rate_scheduler():
    seen = []

    class Watch(callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            seen.append((self.model.optimizer.learning_rate, logs["learning_rate"]))

    drive([callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.5), Watch()], losses(1, 1))
    assert seen == [(0.5, 0.5), (0.25, 0.25)]
    model, _ = drive(callbacks.LearningRateScheduler(lambda epoch: 0.1 * (epoch + 1)), losses(1, 1))
    assert model.optimizer.learning_rate == 0.2
    with pytest.raises(ValueError, match="to return a float. Received: None"):
        drive(callbacks.LearningRateScheduler(lambda epoch, rate: None), losses(1))


def test_history_finds_both_names_of_a_metric():
    model, _ = drive(
        None, [{"loss": 2, "accuracy": 0.5, "val_mae": 1}, {"loss": 1, "accuracy": 0.75, "val_mae": 2}]
    )
    history = model.history
    assert history.history == {"accuracy": [0.5, 0.75], "loss": [2.0, 1.0], "val_mae": [1.0, 2.0]}
    assert list(history.history) == ["accuracy", "loss", "val_mae"]
    assert history.history["acc"] == [0.5, 0.75]
    assert history.history["val_mean_absolute_error"] == [1.0, 2.0]
    assert history.epoch == [0, 1]
    assert history.params == {"verbose": 0, "epochs": 2, "steps": 0}
    with pytest.raises(KeyError, match="val_acc"):
        history.history["val_acc"]


def test_terminate_on_nan():
    for bad in (float("nan"), float("inf")):
        _, ran = drive(callbacks.TerminateOnNaN(), [{"loss": 1.0}, {"loss": bad}, {"loss": 1.0}], batches=2)
        assert ran == 2
        with pytest.raises(RuntimeError, match="batch 0"):
            drive(callbacks.TerminateOnNaN(raise_error=True), [{"loss": bad}], batches=1)


def test_csv_logger(tmp_path):
    path = tmp_path / "log.csv"
    logs = [{"loss": 2.0, "val_loss": 3.0}, {"loss": 1.0}]
    drive(callbacks.CSVLogger(path), logs)
    rows = list(csv.reader(path.open()))
    assert rows == [["epoch", "loss", "val_loss"], ["0", "2.0", "3.0"], ["1", "1.0", "NA"]]
    drive(callbacks.CSVLogger(path, append=True), [{"loss": 0.5, "val_loss": 0.5}])
    assert list(csv.reader(path.open())) == [*rows, ["0", "0.5", "0.5"]]
    drive(callbacks.CSVLogger(path, separator=";"), [{"loss": 0.5, "val_loss": 0.5}])
    assert path.read_text().splitlines() == ["epoch;loss;val_loss", "0;0.5;0.5"]


def test_csv_logger_has_columns_for_a_validation_only_where_there_is_one(tmp_path):
    path = tmp_path / "log.csv"
    one = np.ones((2, 1))
    model = rustnet.Sequential(
        [rustnet.layers.Input((1,)), rustnet.layers.Dense(1, kernel_initializer="zeros")]
    )
    model.compile(rustnet.optimizers.SGD(0.0), "mse")

    def rows(append=False, **arguments):
        model.fit(one, one, verbose=0, callbacks=[callbacks.CSVLogger(path, append=append)], **arguments)
        return path.read_text().split()

    assert rows(epochs=2) == ["epoch,loss", "0,1.0", "1,1.0"]
    validated = {"validation_data": (one, 0 * one), "validation_freq": 2}
    assert rows(epochs=2, **validated) == ["epoch,loss,val_loss", "0,1.0,NA", "1,1.0,0.0"]
    # A file that is appended to keeps its columns.
    assert rows(append=True)[3:] == ["0,1.0,NA"]
    model.compile(rustnet.optimizers.SGD(0.0), "mse", metrics=["mae"])
    with pytest.warns(UserWarning, match="no column for mae"):
        assert rows(append=True, epochs=2)[4:] == ["0,1.0,NA", "1,1.0,NA"]


def test_every_hook_is_called_in_order():
    called = []
    names = [name for name in vars(callbacks.Callback) if name.startswith("on_")]
    assert set(names) == {name for name in dir(keras.callbacks.Callback) if name.startswith("on_")}
    every = callbacks.LambdaCallback(
        **{name: lambda *a, name=name: called.append((name, len(a))) for name in names}
    )
    hooks = callbacks.CallbackList([every])
    for name in names:
        position = () if name.endswith(("train_begin", "train_end", "test_begin", "test_end")) else (0,)
        position = () if name in ("on_predict_begin", "on_predict_end") else position
        getattr(hooks, name)(*position, {"loss": np.float32(1)})
        assert called.pop() == (name, len(position) + 1)
    with pytest.raises(ValueError, match="Received: on_epoch_stop"):
        callbacks.LambdaCallback(on_epoch_stop=print)


def test_older_names_of_the_batch_hooks():
    called = []

    class Old(callbacks.Callback):
        def on_batch_end(self, batch, logs):
            called.append((batch, logs))

    drive(Old(), [{"loss": 1}], batches=2)
    assert called == [(0, {"loss": 1.0}), (1, {"loss": 1.0})]


def test_logs_are_sorted_floats():
    seen = []
    hooks = callbacks.CallbackList(
        callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(logs))
    )
    hooks.on_epoch_end(0, {"loss": np.float32(0.5), "accuracy": np.float64(1), "pair": {"low": 1, "high": 2}})
    assert list(seen[0].items()) == [("accuracy", 1.0), ("high", 2.0), ("loss", 0.5), ("low", 1.0)]
    assert all(type(value) is float for value in seen[0].values())


def test_who_needs_every_batch():
    class Batches(callbacks.Callback):
        def on_test_batch_end(self, batch, logs=None):
            pass

    quiet = [callbacks.EarlyStopping(), callbacks.History(), callbacks.ProgbarLogger()]
    assert not callbacks.CallbackList(quiet).needs_batches
    assert callbacks.CallbackList([*quiet, callbacks.TerminateOnNaN()]).needs_batches
    assert callbacks.CallbackList(callbacks.LambdaCallback(on_batch_begin=print)).needs_batches
    assert callbacks.CallbackList([Batches()]).needs_batches


def test_progress_bar(capsys):
    bar = callbacks.ProgbarLogger()
    bar.set_params({"verbose": 2, "epochs": 2, "steps": 10})
    bar.on_train_begin()
    bar.on_epoch_begin(0)
    bar.on_train_batch_end(9, {"loss": 0.5})
    bar.on_test_begin()
    bar.on_test_end({"loss": 9.0})
    bar.on_epoch_end(0, {"loss": 0.25, "val_loss": 0.75})
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Epoch 1/2" and len(lines) == 2
    assert lines[1].startswith("10/10 - ") and lines[1].endswith(" - loss: 0.2500 - val_loss: 0.7500")


def test_only_callbacks_are_accepted():
    with pytest.raises(ValueError, match="Received: 'early'"):
        callbacks.CallbackList(["early"])
    nested = callbacks.CallbackList([[callbacks.EarlyStopping()], callbacks.History()])
    assert len(nested.callbacks) == 2
