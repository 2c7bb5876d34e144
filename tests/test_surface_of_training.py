"""The surface of models, losses, metrics, optimizers and callbacks: what becomes of each public name.

A line for each name of Keras's class and of ours: who calls it, that it takes effect when it is set, that it
is read, or that it is refused; and a check of that, which returns True.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pytest

import rustnet
from rustnet import layers, ops

X = np.arange(12, dtype="float32").reshape(4, 3) / 10
Y = np.ones((4, 1), "float32")

Check = Callable[[], bool]
Table = dict[str, tuple[str, Check]]


def compiled(
    loss: Any = "mse", optimizer: Any = "sgd", metrics: Any = None, kind: Any = rustnet.Model
) -> Any:
    inputs = rustnet.Input((3,))
    model = kind(inputs, layers.Dense(1, kernel_initializer="ones")(inputs))
    model.compile(optimizer, loss, metrics=metrics)
    return model


def fit(model: Any, **options: Any) -> Any:
    return model.fit(X, Y, verbose=0, **options)


# By which a model is run on data.
ENTRIES: dict[str, Callable[[Any], Any]] = {
    "fit": fit,
    "evaluate": lambda model: model.evaluate(X, Y, verbose=0),
    "predict": lambda model: model.predict(X, verbose=0),
    "train_on_batch": lambda model: model.train_on_batch(X, Y),
    "test_on_batch": lambda model: model.test_on_batch(X, Y),
    "predict_on_batch": lambda model: model.predict_on_batch(X),
}
TRAINING = ("fit", "train_on_batch")
WITH_TARGETS = ("fit", "evaluate", "train_on_batch", "test_on_batch")


def noting(cls: type, names: Iterable[str]) -> tuple[type, list[str]]:
    """A subclass whose methods of these names note that they were called, and the list that they note in."""
    seen: list[str] = []

    def noted(name: str) -> Any:
        def method(self: Any, *args: Any, **kwargs: Any) -> Any:
            seen.append(name)
            return getattr(super(own, self), name)(*args, **kwargs)

        return method

    own: type = type(f"Own{cls.__name__}", (cls,), {name: noted(name) for name in names})
    return own, seen


def called(cls: type, name: str, run: Callable[[type], Any]) -> Check:
    """That a method of a subclass is called when `run` is handed the subclass."""

    def check() -> bool:
        own, seen = noting(cls, [name])
        run(own)
        return name in seen

    return check


def called_by(cls: type, name: str, run: Callable[[type, Callable[[Any], Any]], Any], entries: Any) -> Check:
    """`called`, by each of several entry points of a model."""
    return lambda: all(called(cls, name, lambda own, e=e: run(own, ENTRIES[e]))() for e in entries)


def read_only(make: Callable[[], Any], name: str, value: Any) -> Check:
    def check() -> bool:
        with pytest.raises(AttributeError, match=name):
            setattr(make(), name, value)
        return True

    return check


def refused(attempt: Callable[[], Any], name: str) -> Check:
    def check() -> bool:
        with pytest.raises((NotImplementedError, ValueError, AttributeError), match=name):
            attempt()
        return True

    return check


# --- losses -------------------------------------------------------------------------------------------


def run_loss(own: type, run: Callable[[Any], Any]) -> Any:
    return run(compiled(own(lambda y_true, y_pred: ops.abs(y_true - y_pred))))


def evaluated_after(change: Callable[[Any], Any]) -> list[float]:
    """What a compiled loss is worth before and after it is changed."""
    loss = rustnet.losses.MeanSquaredError()
    model = compiled(loss)
    before = model.evaluate(X, Y, verbose=0)
    change(loss)
    return [before, model.evaluate(X, Y, verbose=0)]


def check_reduction() -> bool:
    mean, total = evaluated_after(lambda loss: setattr(loss, "reduction", "sum"))
    return total == pytest.approx(4 * mean)


def check_fn() -> bool:
    _, changed = evaluated_after(
        lambda loss: setattr(loss, "fn", lambda y_true, y_pred: y_pred[:, 0] * 0 + 7)
    )
    return changed == 7.0


def check_loss_name() -> bool:
    loss = rustnet.losses.MeanSquaredError(name="first")
    loss.name = "second"
    return rustnet.losses.serialize(loss)["config"]["name"] == "second"


def serialized(module: Any, value: Any, custom: type) -> Any:
    return module.deserialize(module.serialize(value), custom_objects={custom.__name__: custom})


LOSS: Table = {
    "call": (
        "called by fit, evaluate, train_on_batch, test_on_batch and the loss's own call",
        called_by(rustnet.losses.LossFunctionWrapper, "call", run_loss, WITH_TARGETS),
    ),
    "dtype": ("read only", read_only(rustnet.losses.MeanSquaredError, "dtype", "float64")),
    "fn": ("takes effect when set", check_fn),
    "from_config": (
        "called by losses.deserialize",
        lambda: serialized(rustnet.losses, own := Cubic(), type(own)).name == own.name,
    ),
    "get_config": (
        "called by losses.serialize",
        called(rustnet.losses.MeanSquaredError, "get_config", lambda own: rustnet.losses.serialize(own())),
    ),
    "name": ("takes effect when set", check_loss_name),
    "reduction": ("takes effect when set", check_reduction),
}


class Cubic(rustnet.Loss):
    def call(self, y_true: Any, y_pred: Any) -> Any:
        return ops.mean(ops.abs(y_true - y_pred) ** 3, axis=-1)


# --- metrics ------------------------------------------------------------------------------------------


def run_metric(own: type, run: Callable[[Any], Any]) -> Any:
    return run(compiled(metrics=[own(lambda y_true, y_pred: ops.abs(y_true - y_pred))]))


class Largest(rustnet.metrics.Metric):
    def __init__(self, name: str = "largest", dtype: Any = None) -> None:
        super().__init__(name=name, dtype=dtype)
        self.largest = self.add_variable((), "zeros")
        self.seen = self.add_weight((), "zeros")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        self.largest.assign(ops.maximum(self.largest, ops.max(y_pred)))
        self.seen.assign_add(1.0)

    def result(self) -> Any:
        return self.largest * 1.0


def check_metric_state() -> bool:
    metric = Largest()
    metric.update_state(Y, X)
    made = [metric.largest, metric.seen] == metric.variables
    metric.reset_state()
    return made and [float(one) for one in metric.variables] == [0.0, 0.0]


def check_metric_name() -> bool:
    metric = Largest()
    model = compiled(metrics=[metric])
    before = model.evaluate(X, Y, verbose=0, return_dict=True)
    metric.name = "greatest"
    after = model.evaluate(X, Y, verbose=0, return_dict=True)
    return set(before) == {"loss", "largest"} and set(after) == {"loss", "greatest"}


METRIC: Table = {
    "add_variable": ("called by __init__ and build", check_metric_state),
    "add_weight": ("called by __init__ and build", check_metric_state),
    "dtype": ("read only", read_only(Largest, "dtype", "float64")),
    "from_config": (
        "called by metrics.deserialize",
        lambda: serialized(rustnet.metrics, Largest(name="top"), Largest).name == "top",
    ),
    "get_config": (
        "called by metrics.serialize",
        called(Largest, "get_config", lambda own: rustnet.metrics.serialize(own())),
    ),
    "name": ("takes effect when set", check_metric_name),
    "reset_state": (
        "called by fit, evaluate, train_on_batch and test_on_batch",
        # Metrics are made at the first batch; from the second run on there is something to reset.
        called_by(
            rustnet.metrics.MeanMetricWrapper,
            "reset_state",
            lambda own, run: run_metric(own, lambda model: (run(model), run(model))),
            WITH_TARGETS,
        ),
    ),
    "result": (
        "called by fit, evaluate, train_on_batch and test_on_batch",
        called_by(rustnet.metrics.MeanMetricWrapper, "result", run_metric, WITH_TARGETS),
    ),
    "stateless_reset_state": (
        "refused",
        refused(lambda: Largest().stateless_reset_state(), "stateless_reset"),
    ),
    "stateless_result": ("refused", refused(lambda: Largest().stateless_result([]), "stateless_result")),
    "stateless_update_state": (
        "refused",
        refused(lambda: Largest().stateless_update_state([], Y, X), "stateless_update_state"),
    ),
    "update_state": (
        "called by fit, evaluate, train_on_batch and test_on_batch",
        called_by(rustnet.metrics.MeanMetricWrapper, "update_state", run_metric, WITH_TARGETS),
    ),
    "variables": ("read by reset_state", check_metric_state),
}


# --- optimizers ---------------------------------------------------------------------------------------


def run_optimizer(own: type, run: Callable[[Any], Any]) -> Any:
    return run(compiled(optimizer=own()))


def changed_by_a_step(name: str, value: Any, **options: Any) -> Check:
    """That the second step is another one where the attribute is set before it."""

    def kernel(change: bool) -> Any:
        optimizer = rustnet.optimizers.SGD(**{"learning_rate": 0.1, "momentum": 0.5, **options})
        model = compiled(optimizer=optimizer)
        model.train_on_batch(X, Y)
        if change:
            setattr(optimizer, name, value)
        model.train_on_batch(X, Y)
        return model.get_weights()[0]

    return lambda: bool((kernel(True) != kernel(False)).any())


class Own(rustnet.optimizers.Optimizer):
    """An optimizer as they are written for Keras."""

    def __init__(self, learning_rate: Any = 0.1, name: str = "own", **options: Any) -> None:
        super().__init__(learning_rate=learning_rate, name=name, **options)

    def build(self, variables: Any) -> None:
        super().build(variables)
        self.slots = [self.add_variable_from_reference(one, "slot") for one in variables]
        (self.others,) = self.add_optimizer_variables(variables, ["other"])
        self.steps = self.add_variable((), name="steps")

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        slot = self.slots[self._get_variable_index(variable)]
        self.assign(slot, gradient * 2.0)
        self.assign_add(self.steps, 1.0)
        self.assign_sub(variable, learning_rate * slot / 2.0)


def check_assignments() -> bool:
    model, reference = compiled(optimizer=Own()), compiled(optimizer=rustnet.optimizers.SGD(0.1))
    for one in (model, reference):
        one.train_on_batch(X, Y)
    for actual, expected in zip(model.get_weights(), reference.get_weights(), strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-6)
    return float(model.optimizer.steps) == 2.0


def check_exclusion() -> bool:
    optimizer = rustnet.optimizers.SGD(0.1, weight_decay=0.5)
    optimizer.exclude_from_weight_decay(var_names=["kernel", "bias"])
    model = compiled(optimizer=optimizer)
    model.fit(np.zeros_like(X), Y * 0, verbose=0)
    return (model.get_weights()[0] == 1.0).all()


def check_optimizer_state() -> bool:
    optimizer = rustnet.optimizers.Adam()
    fit(compiled(optimizer=optimizer))
    state = [one.numpy() for one in optimizer.variables]
    fit(optimizer_model := compiled(optimizer=rustnet.optimizers.Adam()))
    optimizer_model.optimizer.set_weights(state)
    return all(
        (one.numpy() == value).all()
        for one, value in zip(optimizer_model.optimizer.variables, state, strict=True)
    )


def check_learning_rate() -> bool:
    optimizer = rustnet.optimizers.SGD(0.1)
    optimizer.lr = 0.5
    return float(optimizer.learning_rate) == 0.5 and changed_by_a_step("learning_rate", 1.0)()


def check_ema_overwriting() -> bool:
    ema = {"use_ema": True, "ema_momentum": 0.9}
    return changed_by_a_step("ema_overwrite_frequency", 1, **ema)()


def averages_differ() -> bool:
    def average(momentum: float) -> Any:
        optimizer = rustnet.optimizers.SGD(0.1, use_ema=True)
        model = compiled(optimizer=optimizer)
        model.train_on_batch(X, Y)
        optimizer.ema_momentum = momentum
        model.train_on_batch(X, Y)
        return optimizer.variables[-2].numpy()

    return bool((average(0.1) != average(0.9)).any())


def scaled_losses_are_the_same() -> bool:
    def kernel(factor: Any) -> Any:
        optimizer = rustnet.optimizers.SGD(0.1)
        optimizer.loss_scale_factor = factor
        model = compiled(optimizer=optimizer)
        model.train_on_batch(X, Y)
        return model.get_weights()[0]

    scaled = []
    own = type(
        "Noting", (rustnet.optimizers.SGD,), {"scale_loss": lambda self, loss: scaled.append(1) or loss}
    )
    compiled(optimizer=own(0.1)).train_on_batch(X, Y)
    np.testing.assert_allclose(kernel(4.0), kernel(None), rtol=1e-6)
    return scaled == [1]


def switched_on_too_late() -> Any:
    optimizer = rustnet.optimizers.SGD(0.1)
    fit(compiled(optimizer=optimizer))
    optimizer.use_ema = True


def iterations_are_counted() -> bool:
    model = compiled()
    model.fit(X, Y, batch_size=1, verbose=0)
    return int(model.optimizer.iterations) == 4


OPTIMIZER: Table = {
    "add_optimizer_variables": ("called by build", check_assignments),
    "add_variable": ("called by build", check_assignments),
    "add_variable_from_reference": ("called by build", check_assignments),
    "apply": (
        "called by apply_gradients",
        called(rustnet.optimizers.SGD, "apply", lambda own: own().apply_gradients([([1.0], variable())])),
    ),
    "apply_gradients": (
        "called by fit and train_on_batch",
        called_by(rustnet.optimizers.SGD, "apply_gradients", run_optimizer, TRAINING),
    ),
    "assign": ("called by update_step", check_assignments),
    "assign_add": ("called by update_step", check_assignments),
    "assign_sub": ("called by update_step", check_assignments),
    "build": (
        "called by fit and train_on_batch",
        called_by(rustnet.optimizers.SGD, "build", run_optimizer, TRAINING),
    ),
    "built": ("read", lambda: not rustnet.optimizers.SGD().built),
    "clipnorm": ("takes effect when set", changed_by_a_step("clipnorm", 1e-3)),
    "clipvalue": ("takes effect when set", changed_by_a_step("clipvalue", 1e-3)),
    "decay": ("takes effect when set", changed_by_a_step("decay", 5.0)),
    "ema_momentum": ("takes effect when set", averages_differ),
    "ema_overwrite_frequency": ("takes effect when set", check_ema_overwriting),
    "exclude_from_weight_decay": ("called by the user", check_exclusion),
    "finalize_variable_values": (
        "called by fit",
        called_by(rustnet.optimizers.SGD, "finalize_variable_values", run_optimizer, ["fit"]),
    ),
    "from_config": (
        "called by optimizers.deserialize",
        lambda: serialized(rustnet.optimizers, Own(0.25), Own).learning_rate.numpy() == 0.25,
    ),
    "get_config": (
        "called by optimizers.serialize",
        called(rustnet.optimizers.SGD, "get_config", lambda own: rustnet.optimizers.serialize(own())),
    ),
    "global_clipnorm": ("takes effect when set", changed_by_a_step("global_clipnorm", 1e-3)),
    "gradient_accumulation_steps": (
        "refused",
        refused(lambda: setattr(Own(), "gradient_accumulation_steps", 2), "gradient_accumulation_steps"),
    ),
    "iterations": ("read", iterations_are_counted),
    "learning_rate": ("takes effect when set", check_learning_rate),
    "load_own_variables": ("refused", refused(lambda: Own().load_own_variables({}), "load_own_variables")),
    "local_step": ("called by update_step", lambda: float(Own().local_step()) == 1.0),
    "loss_scale_factor": ("takes effect when set", scaled_losses_are_the_same),
    "lr": ("takes effect when set", check_learning_rate),
    "momentum": ("takes effect when set", changed_by_a_step("momentum", 0.1)),
    "name": ("read", lambda: Own(name="a").name == "a"),
    "nesterov": ("takes effect when set", changed_by_a_step("nesterov", True)),
    "save_own_variables": ("refused", refused(lambda: Own().save_own_variables({}), "save_own_variables")),
    "scale_loss": ("called by fit and train_on_batch", scaled_losses_are_the_same),
    "set_weights": ("called by the user", check_optimizer_state),
    "stateless_apply": ("refused", refused(lambda: Own().stateless_apply([], [], []), "stateless_apply")),
    "step_size": (
        "called by fit and train_on_batch",
        called_by(rustnet.optimizers.SGD, "step_size", run_optimizer, TRAINING),
    ),
    "update_step": (
        "called by fit and train_on_batch",
        called_by(rustnet.optimizers.SGD, "update_step", run_optimizer, TRAINING),
    ),
    "use_ema": ("refused after the first step", refused(switched_on_too_late, "use_ema")),
    "variables": ("read", check_optimizer_state),
    "weight_decay": ("takes effect when set", changed_by_a_step("weight_decay", 0.5)),
}


def variable() -> Any:
    return rustnet.Variable([1.0])


# --- callbacks ----------------------------------------------------------------------------------------


def hooks_of(run: Callable[[Any, Any], Any]) -> set[str]:
    """The hooks that a run calls of a callback that has them all."""
    own, seen = noting(rustnet.callbacks.Callback, [name for name in CALLBACK if name.startswith("on_")])
    callback = own()
    run(compiled(), callback)
    return set(seen)


def hook(name: str) -> Check:
    """That the hook is called by the run that its name tells, and by no other."""
    runs = {
        "train": hooks_of(lambda model, callback: fit(model, callbacks=[callback])),
        "test": hooks_of(lambda model, callback: model.evaluate(X, Y, verbose=0, callbacks=[callback])),
        "predict": hooks_of(lambda model, callback: model.predict(X, verbose=0, callbacks=[callback])),
    }
    kind = next((kind for kind in ("test", "predict") if kind in name), "train")
    return lambda: {one for one, seen in runs.items() if name in seen} == {kind}


def check_callback_setting() -> bool:
    own, seen = noting(rustnet.callbacks.Callback, ["set_model", "set_params"])
    callback, model = own(), compiled()
    fit(model, callbacks=[callback], epochs=2)
    is_set = callback.model is model and callback.params == {"verbose": 0, "epochs": 2, "steps": 1}
    return is_set and {"set_model", "set_params"} <= set(seen)


def check_needs_every_batch() -> bool:
    class Batches(rustnet.callbacks.Callback):
        def __init__(self) -> None:
            super().__init__()
            self.batches: list[int] = []

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            self.batches.append(batch)

    every, some = Batches(), Batches()
    some.needs_every_batch = False
    for callback in (every, some):
        compiled().fit(X, Y, batch_size=1, verbose=0, callbacks=[callback])
    return every.batches == [0, 1, 2, 3] and 3 in some.batches


HOOKS = [
    *(f"on_{kind}_{end}" for kind in ("train", "test", "predict") for end in ("begin", "end")),
    *(f"on_{kind}_batch_{end}" for kind in ("train", "test", "predict") for end in ("begin", "end")),
    "on_batch_begin",
    "on_batch_end",
    "on_epoch_begin",
    "on_epoch_end",
]

CALLBACK: Table = {
    **{name: ("called by fit, evaluate or predict", lambda name=name: hook(name)()) for name in HOOKS},
    "model": ("read", check_callback_setting),
    "needs_every_batch": ("takes effect when set", check_needs_every_batch),
    "overrides": (
        "read",
        lambda: (
            rustnet.callbacks.History().overrides("on_epoch_end")
            and not rustnet.callbacks.Callback().overrides("on_epoch_end")
        ),
    ),
    "params": ("read", check_callback_setting),
    "set_model": ("called by fit, evaluate and predict", check_callback_setting),
    "set_params": ("called by fit, evaluate and predict", check_callback_setting),
}


# --- models -------------------------------------------------------------------------------------------


def own_model(**methods: Any) -> Any:
    """A compiled model of a subclass with these methods."""
    return compiled(kind=type("Own", (rustnet.Model,), methods))


def loss_of_own(self: Any, x: Any = None, y: Any = None, y_pred: Any = None, **options: Any) -> Any:
    return ops.sum(y_pred) * 0.0 + 5.0


def check_compute_loss() -> bool:
    model = own_model(compute_loss=loss_of_own)
    values = [model.evaluate(X, Y, verbose=0), model.test_on_batch(X, Y)]
    return values == [5.0, 5.0]


def check_compute_metrics() -> bool:
    seen = []

    def noted(self: Any, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        seen.append("compute_metrics")
        return rustnet.Model.compute_metrics(self, x, y, y_pred, sample_weight)

    model = own_model(compute_metrics=noted)
    fit(model)
    model.evaluate(X, Y, verbose=0)
    return len(seen) >= 2


def check_results() -> bool:
    def doubled(self: Any) -> Any:
        return {name: 2 * value for name, value in rustnet.Model.get_metrics_result(self).items()}

    model = own_model(get_metrics_result=doubled)
    return model.evaluate(X, Y, verbose=0) == pytest.approx(2 * compiled().evaluate(X, Y, verbose=0))


def check_own_steps() -> bool:
    one = {"train_step": lambda self, data: {"one": 1}, "test_step": lambda self, data: {"two": 2}}
    model = own_model(**one, predict_step=lambda self, data: data + 3.0)
    values = [model.train_on_batch(X, Y), model.test_on_batch(X, Y), model.evaluate(X, Y, verbose=0)]
    predicted = [model.predict(X, verbose=0), model.predict_on_batch(X)]
    return (
        values == [1.0, 2.0, 2.0]
        and fit(model).history == {"one": [1.0]}
        and all((one == X + 3.0).all() for one in predicted)
    )


def check_own_function(name: str) -> Check:
    def check() -> bool:
        with pytest.raises(NotImplementedError, match=rf"Own\.{name}"):
            own_model(**{name: lambda self, force=False: None})
        with pytest.raises(NotImplementedError, match=rf"{name}\(\)"):
            getattr(compiled(), name)(None)
        return True

    return check


def check_optimizer_that_is_set() -> bool:
    model = compiled()
    fit(model)
    model.optimizer = rustnet.optimizers.Adam(0.25)
    before = model.get_weights()[0]
    fit(model)
    return np.allclose(np.abs(model.get_weights()[0] - before), 0.25, atol=1e-5)


def check_loss_that_is_set() -> bool:
    model = compiled()
    with pytest.raises(AttributeError, match="compile"):
        model.loss = "mae"
    return model.loss == "mse"


def check_eager_runs() -> bool:
    seen = []

    class Tell(layers.Layer):
        def call(self, x: Any) -> Any:
            seen.append(1)
            return x

    model = rustnet.Sequential([layers.Input((3,)), Tell(), layers.Dense(1)])
    model.compile("sgd", "mse")
    fit(model)
    model.run_eagerly = True
    before = len(seen)
    fit(model, batch_size=1)
    return len(seen) >= before + 4


class Stop(rustnet.callbacks.Callback):
    """Stops whatever runs after its first batch."""

    def __init__(self) -> None:
        super().__init__()
        self.batches = 0

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.batches += 1
        self.model.stop_training = self.model.stop_evaluating = self.model.stop_predicting = True

    on_test_batch_end = on_predict_batch_end = on_train_batch_end


def stops(entry: Callable[[Any, Any], Any]) -> Check:
    def check() -> bool:
        callback = Stop()
        entry(compiled(), callback)
        return callback.batches == 1

    return check


def check_on_batch() -> bool:
    model = compiled()
    loss = model.test_on_batch(X, Y)
    return (
        model.train_on_batch(X, Y) == loss == model.evaluate(X, Y, verbose=0)
        or loss > model.test_on_batch(X, Y)
    ) and (model.predict_on_batch(X) == model.predict(X, verbose=0)).all()


def check_layers_of_a_model() -> bool:
    model = compiled()
    return model.get_layer(index=1) is model.layers[1] and len(model.layers) == 2


def check_compile_config() -> bool:
    model = compiled()
    other = rustnet.Sequential([layers.Input((3,)), layers.Dense(1)])
    other.compile_from_config(model.get_compile_config())
    return other.compiled and other.loss == "mse"


def check_metric_names() -> bool:
    model = compiled(metrics=["mae"])
    model.evaluate(X, Y, verbose=0)
    model.reset_metrics()
    return model.metrics_names == ["loss", "mae"] and float(model.metrics[0].result()) == 0.0


def check_history() -> bool:
    model = compiled()
    return fit(model) is model.history and list(model.history.history) == ["loss"]


def prints_a_summary() -> bool:
    lines: list[str] = []
    compiled().summary(print_fn=lines.append)
    return "dense" in "".join(lines)


def jit_compile_has_no_effect() -> bool:
    model = compiled()
    model.jit_compile = False
    return model.evaluate(X, Y, verbose=0) == compiled().evaluate(X, Y, verbose=0)


def not_there(name: str) -> tuple[str, Check]:
    return ("refused", refused(lambda: getattr(compiled(), name)(None), name))


MODEL: Table = {
    "compile": ("called by the user", lambda: compiled().compiled),
    "compile_from_config": ("called by the user", check_compile_config),
    "compiled": ("read", lambda: compiled().compiled and not rustnet.Sequential().compiled),
    "compute_loss": ("called by fit, evaluate, train_on_batch and test_on_batch", check_compute_loss),
    "compute_loss_and_updates": not_there("compute_loss_and_updates"),
    "compute_metrics": ("called by fit, evaluate, train_on_batch and test_on_batch", check_compute_metrics),
    "evaluate": ("called by the user, and by fit with validation data", check_on_batch),
    "export": not_there("export"),
    "fit": ("called by the user", check_history),
    "get_compile_config": ("called by the user", check_compile_config),
    "get_layer": ("called by the user", check_layers_of_a_model),
    "get_metrics_result": ("called by fit, evaluate, train_on_batch and test_on_batch", check_results),
    "get_quantization_layer_structure": not_there("get_quantization_layer_structure"),
    "get_state_tree": not_there("get_state_tree"),
    "graph": ("called by the user", lambda: compiled().graph(X, Y, stage="fused").steps),
    "history": ("read", check_history),
    "jax_state_sync": not_there("jax_state_sync"),
    "jit_compile": ("without effect", jit_compile_has_no_effect),
    "layers": ("read", check_layers_of_a_model),
    "load_weights": not_there("load_weights"),
    "loss": ("refused after compile", check_loss_that_is_set),
    "make_predict_function": ("refused", check_own_function("make_predict_function")),
    "make_test_function": ("refused", check_own_function("make_test_function")),
    "make_train_function": ("refused", check_own_function("make_train_function")),
    "metrics_names": ("read", check_metric_names),
    "optimizer": ("takes effect when set", check_optimizer_that_is_set),
    "predict": ("called by the user", check_on_batch),
    "predict_on_batch": ("called by the user", check_on_batch),
    "predict_step": ("called by predict and predict_on_batch", check_own_steps),
    "reset_metrics": ("called by fit, evaluate, train_on_batch and test_on_batch", check_metric_names),
    "run_eagerly": ("takes effect when set", check_eager_runs),
    "save": not_there("save"),
    "save_weights": not_there("save_weights"),
    "set_state_tree": not_there("set_state_tree"),
    "stateless_compute_loss": not_there("stateless_compute_loss"),
    "stop_evaluating": (
        "takes effect when set",
        stops(lambda model, one: model.evaluate(X, Y, batch_size=1, verbose=0, callbacks=[one])),
    ),
    "stop_predicting": (
        "takes effect when set",
        stops(lambda model, one: model.predict(X, batch_size=1, verbose=0, callbacks=[one])),
    ),
    "stop_training": (
        "takes effect when set",
        stops(lambda model, one: model.fit(X, Y, batch_size=1, epochs=3, verbose=0, callbacks=[one])),
    ),
    "summary": ("called by the user", prints_a_summary),
    "test_on_batch": ("called by the user", check_on_batch),
    "test_step": ("called by evaluate and test_on_batch", check_own_steps),
    "to_json": ("called by the user", lambda: '"class_name"' in compiled().to_json()),
    "train_on_batch": ("called by the user", check_on_batch),
    "train_step": ("called by fit and train_on_batch", check_own_steps),
}

TABLES: dict[str, tuple[Table, Callable[[], Any]]] = {
    "Loss": (LOSS, rustnet.losses.MeanSquaredError),
    "Metric": (METRIC, Largest),
    "Optimizer": (OPTIMIZER, rustnet.optimizers.SGD),
    "Callback": (CALLBACK, rustnet.callbacks.Callback),
    "Model": (MODEL, compiled),
}
# State that belongs to one class alone.
OF_ONE_CLASS = {"largest", "seen"}


@pytest.mark.parametrize("kind", TABLES)
def test_every_public_name_has_a_line(keras, kind):
    table, make = TABLES[kind]
    theirs = getattr(keras, kind, None) or getattr(keras.callbacks, kind)
    ours = getattr(rustnet, kind, None) or getattr(rustnet.callbacks, kind)
    names = {*dir(theirs), *dir(ours), *vars(make())} - OF_ONE_CLASS
    if kind == "Model":
        # Those of layers have lines in a table of their own.
        names -= {*dir(rustnet.Layer), *vars(layers.Dense(1))}
    assert {name for name in names if not name.startswith("_")} == set(table)


@pytest.mark.parametrize(
    ("kind", "name"), [(kind, name) for kind, (table, _) in TABLES.items() for name in table]
)
def test_a_name_does_what_its_line_says(kind, name):
    assert TABLES[kind][0][name][1]()
