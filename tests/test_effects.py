"""Calls of Python functions from steps: in order, once a step, all or nothing."""

from __future__ import annotations

import gc
import multiprocessing
import os
import pickle
import signal
import sys
import threading
import traceback
import weakref

import numpy as np
import pytest

import rustnet
from rustnet import Input, Model, Sequential, effects, layers, ops

X = np.random.default_rng(0).normal(size=(12, 3)).astype("float32")
Y = X.sum(1, keepdims=True)


class Seen(layers.Layer):
    """Calls a function with its inputs, and passes them on."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def call(self, x):
        effects.call_python(self.function, x)
        return x


def watched(function, units=4):
    """A compiled model that calls a function with what is between its layers."""
    model = Sequential([Input((3,)), layers.Dense(units), Seen(function), layers.Dense(1)])
    model.compile("sgd", "mse", metrics=["mae"])
    return model


@pytest.fixture(autouse=True)
def no_deadlock():
    """A step that waits for itself ends the test instead of never ending."""

    def give_up(*_):
        raise TimeoutError("the step waits for something that will not come")

    if not hasattr(signal, "SIGALRM"):
        yield
        return
    previous = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, previous)


def within(function, seconds=30.0):
    """Runs a function in a thread of its own, and fails where that does not end."""
    results = []

    def run():
        try:
            results.append((function(), None))
        except BaseException as error:
            results.append((None, error))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    assert results, "a deadlock"
    result, error = results[0]
    if error is not None:
        raise error
    return result


# --- order --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("run_eagerly", [False, True])
def test_each_step_calls_once_and_in_order(run_eagerly):
    log = []
    x = Input((3,))
    hidden = Seen(lambda one: log.append(("first", one.shape)))(layers.Dense(4)(x))
    branch = Seen(lambda one: log.append(("second", one.shape)))(layers.Dense(2)(hidden))
    other = Seen(lambda one: log.append(("third", one.shape)))(layers.Dense(5)(hidden))
    model = Model(x, layers.Dense(1)(layers.concatenate([branch, other])))
    assert log == [], "a model is built without running it"
    model.compile("adam", "mse", run_eagerly=run_eagerly)
    model.fit(X, Y, batch_size=5, epochs=2, verbose=0)
    in_order = [
        (name, units) for rows in (5, 5, 2) for name, units in [("first", 4), ("second", 2), ("third", 5)]
    ]
    assert [(name, shape[1]) for name, shape in log] == in_order * 2
    assert [shape[0] for _, shape in log] == [5] * 6 + [2] * 3 + [5] * 6 + [2] * 3

    log.clear()
    model.predict(X, batch_size=12, verbose=0)
    model.evaluate(X, Y, batch_size=12, verbose=0)
    model(X)
    model.train_on_batch(X, Y)
    assert [name for name, _ in log] == ["first", "second", "third"] * 4


def test_rows_come_in_the_order_of_the_step():
    seen = []
    model = Sequential([Input((3,)), Seen(seen.append), layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(X, Y, batch_size=4, shuffle=False, verbose=0)
    np.testing.assert_array_equal(np.concatenate(seen), X)


def test_calls_see_variables_as_of_their_place():
    log = []

    class Counting(layers.Layer):
        def __init__(self):
            super().__init__()
            self.count = rustnet.Variable(0.0, trainable=False)

        def call(self, x):
            effects.call_python(lambda one: log.append(("before", float(one))), self.count)
            self.count.assign_add(1.0)
            effects.call_python(lambda one: log.append(("between", float(one))), self.count)
            self.count.assign(self.count * 2.0)
            effects.call_python(lambda one: log.append(("after", float(one))), self.count)
            return x + self.count

    layer = Counting()
    model = Sequential([Input((3,)), layer, layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(X, Y, batch_size=6, verbose=0)
    assert log == [("before", 0), ("between", 1), ("after", 2), ("before", 2), ("between", 3), ("after", 6)]
    assert float(layer.count) == 6


def test_losses_metrics_and_regularizers_call_in_the_order_of_the_step():
    log = []

    def noting(name, value):
        effects.call_python(lambda one: log.append((name, float(one))), value)
        return value

    model = Sequential(
        [Input((3,)), layers.Dense(1, kernel_regularizer=lambda w: noting("penalty", ops.sum(w * w)))]
    )
    error = lambda y, prediction: ops.mean(ops.square(y - prediction))  # noqa: E731
    model.compile(
        "sgd",
        loss=lambda y, prediction: noting("loss", error(y, prediction)),
        metrics=[lambda y, prediction: noting("metric", error(y, prediction))],
    )
    for _ in range(2):
        log.clear()
        (kernel, bias) = model.get_weights()
        model.train_on_batch(X, Y)
        names, values = zip(*log, strict=True)
        assert names == ("loss", "penalty", "metric")
        wanted = np.mean(np.square(Y - X @ kernel - bias))
        # The metric too is of the outputs before the update.
        np.testing.assert_allclose(values, [wanted, np.sum(kernel * kernel), wanted], rtol=1e-4)


def test_gradients_and_new_weights_can_be_looked_at():
    log = {}

    class Looking(rustnet.optimizers.SGD):
        def apply_gradients(self, pairs):
            pairs = list(pairs)
            for gradient, variable in pairs:
                effects.call_python(lambda one, key=variable.name: log.update({f"d{key}": one}), gradient)
            super().apply_gradients(pairs)
            for _, variable in pairs:
                effects.call_python(lambda one, key=variable.name: log.update({key: one}), variable)

    model = Sequential([Input((3,)), layers.Dense(1)])
    model.compile(Looking(0.5), "mse")
    before = dict(zip(["kernel", "bias"], model.get_weights(), strict=True))
    model.train_on_batch(X, Y)
    for name, weight in zip(["kernel", "bias"], model.get_weights(), strict=True):
        np.testing.assert_array_equal(log[name], weight)
        np.testing.assert_allclose(before[name] - 0.5 * log[f"d{name}"], weight, rtol=1e-6)


def test_two_models_in_one_step():
    log = []
    other = Sequential([Input((3,)), layers.Dense(2), Seen(lambda one: log.append("other"))])

    class Both(Model):
        def __init__(self):
            super().__init__()
            self.own = layers.Dense(1)
            self.steps = rustnet.Variable(0, dtype="int32", trainable=False)

        def call(self, x):
            effects.call_python(lambda: log.append("own"), [])
            y = self.own(other(x))
            self.steps.assign_add(1)
            effects.call_python(lambda one: log.append(int(one)), self.steps)
            return y

    model = Both()
    model.compile("sgd", "mse")
    model.fit(X, Y, batch_size=6, verbose=0)
    assert log == ["own", "other", 1, "own", "other", 2]


def test_draws_of_one_program_differ_and_repeat():
    drawn = []

    class Drawing(layers.Layer):
        def __init__(self):
            super().__init__()
            self.generator = rustnet.random.SeedGenerator(3)

        def call(self, x):
            for _ in range(2):
                # The same op with the same attributes: only the seed, a variable, is another.
                effects.call_python(drawn.append, rustnet.random.normal((4,), seed=self.generator))
            return x

    def draws():
        drawn.clear()
        model = Sequential([Input((3,)), Drawing()])
        model.predict(X, batch_size=4, verbose=0)
        return [one.tobytes() for one in drawn]

    first = draws()
    assert len(set(first)) == 6
    assert draws() == first


# --- all or nothing -----------------------------------------------------------------------------------------


class Stop(Exception):
    pass


@pytest.mark.parametrize("error", [Stop("enough"), KeyboardInterrupt(), SystemExit(3), ValueError("so")])
def test_an_exception_leaves_the_step_before(error):
    calls, weights = [], []

    def fail_in_third(_):
        calls.append(None)
        if len(calls) == 3:
            raise error

    class Weights(rustnet.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            weights.append([one.numpy() for one in self.model.variables])

    model = watched(fail_in_third)
    with pytest.raises(type(error)) as raised:
        model.fit(X, Y, batch_size=2, verbose=0, callbacks=[Weights()])
    assert raised.value is error
    assert "fail_in_third" in [frame.name for frame in traceback.extract_tb(raised.tb)]
    assert len(calls) == 3
    assert len(weights) == 2
    for variable, kept in zip(model.variables, weights[-1], strict=True):
        np.testing.assert_array_equal(variable.numpy(), kept, err_msg=variable.path)
    model.fit(X, Y, batch_size=2, verbose=0)
    assert len(calls) == 9


@pytest.mark.parametrize("way", ["predict", "call", "evaluate", "layer", "eager"])
def test_an_exception_comes_out_of_every_way_to_run(way):
    error = Stop()

    def fail(_):
        raise error

    model = watched(fail)
    ways = {
        "predict": lambda: model.predict(X, verbose=0),
        "call": lambda: model(X),
        "evaluate": lambda: model.evaluate(X, Y, verbose=0),
        "layer": lambda: Seen(fail)(X),
        "eager": lambda: effects.call_python(fail, X),
    }
    for _ in range(2):
        with pytest.raises(Stop) as raised:
            ways[way]()
        assert raised.value is error


def test_ctrl_c_in_a_call_is_one():
    calls = []

    def interrupt(_):
        calls.append(None)
        if len(calls) == 2:
            os.kill(os.getpid(), signal.SIGINT)
            for _ in range(1000):
                pass

    inherited = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        model = watched(interrupt)
        with pytest.raises(KeyboardInterrupt):
            model.fit(X, Y, batch_size=2, verbose=0)
    finally:
        signal.signal(signal.SIGINT, inherited)
    assert len(calls) == 2
    model.fit(X, Y, batch_size=2, verbose=0)


def test_an_updated_value_can_be_refused():
    """A call that depends on a new weight comes after its update: that must not have been made yet."""

    class Refusing(rustnet.optimizers.SGD):
        def apply_gradients(self, pairs):
            super().apply_gradients(pairs)
            for variable in model.trainable_variables:
                effects.call_python(self.look, variable)

        def look(self, _):
            if not self.accepts:
                raise Stop

    optimizer = Refusing(0.1)
    optimizer.accepts = False
    model = Sequential([Input((3,)), layers.Dense(4, activation="relu"), layers.Dense(1)])
    model.compile(optimizer, "mse")
    before = [one.numpy() for one in model.variables]
    with pytest.raises(Stop):
        model.fit(X, Y, verbose=0)
    for variable, kept in zip(model.variables, before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), kept, err_msg=variable.path)
    optimizer.accepts = True
    model.fit(X, Y, verbose=0)
    assert not np.array_equal(model.variables[0].numpy(), before[0])


def test_a_bad_label_is_seen_before_it_is_refused(capsys):
    table = layers.Embedding(4, 2)
    x = np.array([[1, 9]], "int32")

    class Printing(layers.Layer):
        def call(self, ids):
            effects.print_tensor(ids, "ids: ")
            vectors = table(ids)
            effects.print_tensor(ids, "not reached: ")
            return vectors

    with pytest.raises(ValueError, match="9"):
        Sequential([Input((2,), dtype="int32"), Printing()]).predict(x, verbose=0)
    assert capsys.readouterr().out == "ids: [[1 9]]\n"


# --- the same variables in the called function --------------------------------------------------------------


def test_a_call_reads_the_weights_of_the_last_whole_step():
    seen = []
    model = watched(lambda _: seen.append(model.layers[0].kernel.numpy()))
    model.optimizer.learning_rate = 0.1
    start = model.layers[0].kernel.numpy()
    within(lambda: model.fit(X, Y, batch_size=6, verbose=0))
    np.testing.assert_array_equal(seen[0], start)
    assert not np.array_equal(seen[1], start)


def test_a_call_may_predict_with_the_weights_of_the_step():
    seen = []
    dense = layers.Dense(1)
    plain = Sequential([Input((3,)), dense])

    def look(_):
        seen.append(plain.predict(X, batch_size=5, verbose=0))
        seen.append(plain(X).numpy())
        # From another thread, which the step waits for.
        seen.append(within(lambda: plain.predict(X, batch_size=5, verbose=0)))

    model = Sequential([Input((3,)), Seen(look), dense])
    model.compile("adam", "mse", metrics=["mae"])
    first = plain.predict(X, verbose=0)
    within(lambda: model.fit(X, Y, batch_size=12, epochs=2, verbose=0))
    for one in seen[:3]:
        np.testing.assert_allclose(one, first, rtol=1e-6)
    for one in seen[3:]:
        assert not np.allclose(one, first)


def test_a_call_may_predict_with_the_model_that_calls():
    depth = []

    def look(_):
        depth.append(None)
        if len(depth) < 3:
            model.predict(X, batch_size=5, verbose=0)
            model(X)

    model = watched(look)
    within(lambda: model.fit(X, Y, verbose=0))
    assert len(depth) > 3


def test_a_variable_of_the_step_cannot_be_assigned_in_a_call():
    messages = []

    def write(_):
        for attempt in (
            lambda: model.layers[0].kernel.assign(np.zeros((3, 4), "float32")),
            lambda: model.reset_metrics(),
            lambda: model.fit(X, Y, verbose=0),
        ):
            with pytest.raises(RuntimeError, match="no running step uses") as raised:
                attempt()
            messages.append(str(raised.value))

    model = watched(write)
    within(lambda: model.fit(X, Y, verbose=0))
    assert len(messages) == 3
    assert "kernel" in messages[0]


def test_a_variable_that_the_step_does_not_use_can_be_assigned_in_a_call():
    total = rustnet.Variable(0.0)
    model = watched(lambda x: total.assign_add(x.shape[0]))
    within(lambda: model.fit(X, Y, batch_size=5, verbose=0))
    assert float(total) == 12


def test_threads_with_calls_do_not_wait_for_each_other():
    """Two models whose calls predict with each other, and a third thread that writes to both."""
    models = []
    stop = threading.Event()

    def look(number):
        return lambda _: plain[1 - number](X)

    shared = [layers.Dense(1), layers.Dense(1)]
    plain = [Sequential([Input((3,)), dense]) for dense in shared]
    for number in range(2):
        model = Sequential([Input((3,)), Seen(look(number)), shared[number]])
        model.compile("sgd", "mse")
        models.append(model)

    def write():
        while not stop.is_set():
            for dense in shared:
                dense.bias.assign(np.zeros(1, "float32"))
            plain[0].predict(X, verbose=0)

    def train(model):
        return lambda: model.fit(X, Y, batch_size=1, epochs=10, verbose=0)

    threads = [threading.Thread(target=target, daemon=True) for target in (write, *map(train, models))]
    [thread.start() for thread in threads]
    try:
        for thread in threads[1:]:
            thread.join(50)
            assert not thread.is_alive(), "a deadlock"
    finally:
        stop.set()
    threads[0].join(10)
    assert not threads[0].is_alive()


def test_predictions_with_calls_run_at_the_same_time():
    """Each waits in its call for the other: with the same model, so the same variables."""
    barrier = threading.Barrier(2, timeout=30)
    model = watched(lambda _: barrier.wait())
    threads = [threading.Thread(target=lambda: model.predict(X, verbose=0), daemon=True) for _ in range(2)]
    [thread.start() for thread in threads]
    [thread.join(50) for thread in threads]
    assert not barrier.broken
    assert not any(thread.is_alive() for thread in threads)


def test_two_that_exchange_gradients_train_as_one():
    """As two machines would: in each step the two wait for each other, weight by weight."""
    barrier = threading.Barrier(2, timeout=30)
    sent = {}

    class Averaging(rustnet.optimizers.SGD):
        def apply_gradients(self, pairs):
            def exchange(one):
                sent[threading.get_ident()] = one
                barrier.wait()
                mean = np.mean(np.stack(list(sent.values())), axis=0)
                barrier.wait()
                return mean

            pairs = [
                (effects.call_python(exchange, gradient, gradient), variable) for gradient, variable in pairs
            ]
            super().apply_gradients(pairs)

    def model(optimizer):
        model = Sequential([Input((3,)), layers.Dense(4, activation="tanh"), layers.Dense(1)])
        model.compile(optimizer, "mse")
        model.set_weights([np.linspace(-1, 1, one.size).reshape(one.shape) for one in model.get_weights()])
        return model

    def fit(model, x, y, batch_size):
        model.fit(x, y, batch_size=batch_size, epochs=3, shuffle=False, verbose=0)

    halves = [model(Averaging(0.1)), model(Averaging(0.1))]
    rows = np.arange(12).reshape(3, 2, 2)
    threads = [
        threading.Thread(
            target=fit, args=(half, X[rows[:, i].ravel()], Y[rows[:, i].ravel()], 2), daemon=True
        )
        for i, half in enumerate(halves)
    ]
    [thread.start() for thread in threads]
    [thread.join(50) for thread in threads]
    assert not any(thread.is_alive() for thread in threads), "a deadlock"
    whole = model(rustnet.optimizers.SGD(0.1))
    fit(whole, X, Y, 4)
    for one, other, expected in zip(*(one.get_weights() for one in (*halves, whole)), strict=True):
        np.testing.assert_array_equal(one, other)
        np.testing.assert_allclose(one, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_call_may_fork():
    codes = []
    plain = Sequential([Input((3,)), layers.Dense(1)])

    def fork(_):
        child = os.fork()
        if child == 0:
            fits = plain.predict(X, verbose=0).shape == (12, 1)
            os._exit(7 if fits else 1)
        codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))

    model = watched(fork)
    within(lambda: model.fit(X, Y, batch_size=6, verbose=0))
    assert codes == [7, 7]


def test_denormals_are_as_elsewhere_in_a_call():
    tiny = np.float32(1e-40)
    seen = []
    effects.call_python(lambda _: seen.append((np.full(9, tiny) * np.float32(0.5)).max()), X)
    assert seen == [tiny * np.float32(0.5)]


# --- values out and in --------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "bool"])
def test_arrays_go_out_and_come_back(dtype):
    x = (np.arange(12).reshape(3, 4) % 5).astype(dtype)
    kept = []

    def flip(one):
        kept.append(one)
        one = one[::-1]  # not contiguous
        return one

    y = effects.call_python(flip, ops.convert_to_tensor(x, dtype), outputs=(x.shape, dtype))
    assert y.dtype == dtype
    np.testing.assert_array_equal(y.numpy(), x[::-1])
    np.testing.assert_array_equal(kept[0], x)
    kept[0][:] = 0
    np.testing.assert_array_equal(y.numpy(), x[::-1])


def test_kept_arrays_stay_as_they_were():
    kept = []
    model = watched(kept.append, units=4)
    model.predict(X, batch_size=4, verbose=0)
    copies = [one.copy() for one in kept]
    model.predict(X[::-1], batch_size=4, verbose=0)
    gc.collect()
    for one, copy in zip(kept, copies, strict=False):
        np.testing.assert_array_equal(one, copy)


def test_several_inputs_and_outputs():
    def both(a, b):
        return a + b, [1, 2], np.float64(a.sum())

    outputs = [((2,), "float32"), ((2,), "int32"), ((), "float64")]
    sum_, numbers, total = effects.call_python(both, [np.float32([1, 2]), np.float32([3, 4])], outputs)
    assert sum_.numpy().tolist() == [4, 6]
    assert numbers.numpy().tolist() == [1, 2]
    assert (float(total), total.dtype) == (3, "float64")
    many = effects.call_python(lambda: list(range(20)), [], [((), "int32")] * 20)
    assert [int(one) for one in many] == list(range(20))


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (np.zeros(3, "float64"), r"float32\[3\]. Received: float64\[3\]"),
        (np.zeros((3, 1), "float32"), r"float32\[3\]. Received: float32\[3, 1\]"),
        (np.zeros(4, "float32"), r"float32\[3\]. Received: float32\[4\]"),
        (1.0, r"float32\[3\]. Received: float32\[\]"),
        ("text", "numbers or bools"),
        (None, "numbers or bools"),
        ([[1.0], [2.0, 3.0]], "one length"),
    ],
)
def test_other_results_are_refused(result, message):
    class Layer(layers.Layer):
        def call(self, x):
            return effects.call_python(lambda _: result, x, outputs=x)

    x = np.zeros(3, "float32")
    with pytest.raises(ValueError, match=message):
        effects.call_python(lambda _: result, x, outputs=x)
    with pytest.raises(ValueError, match=message):
        Layer(name="reading")(x)


def test_a_wrong_result_names_the_layer_and_the_function():
    class Layer(layers.Layer):
        def call(self, x):
            return effects.call_python(np.atleast_3d, x, outputs=x)

    with pytest.raises(ValueError, match="^reading: expected atleast_3d to return"):
        Layer(name="reading")(np.zeros(3, "float32"))
    with pytest.raises(ValueError, match="a list of 2. Received: 1 items"):
        effects.call_python(lambda _: [1.0], X, outputs=[((), "float32")] * 2)
    with pytest.raises(ValueError, match="a list of 2. Received: 3.0"):
        effects.call_python(lambda _: 3.0, X, outputs=[((), "float32")] * 2)


@pytest.mark.parametrize("outputs", ["float32", (2, 3), ((2, 3), "text"), [None], ((2.5,), "float32")])
def test_other_descriptions_of_outputs_are_refused(outputs):
    with pytest.raises(ValueError, match="expected"):
        effects.call_python(lambda _: 0, X, outputs=outputs)


def test_shapes_are_inferred_without_a_call():
    def fail(_):
        raise AssertionError("called")

    x = Input((3,))
    y = effects.call_python(fail, x, outputs=x)
    assert (y.shape, y.dtype) == ((None, 3), "float32")
    z = Model(x, y)(Input((3,), dtype="float64"))
    assert z.shape == (None, 3)
    assert layers.Dense(2)(effects.call_python(fail, y)).shape == (None, 2)


def test_calls_come_from_the_thread_that_runs_the_step():
    """Also where the kernels around them run on several threads."""
    seen = []
    x = np.zeros((256, 300), "float32")
    model = Sequential(
        [
            Input((300,)),
            layers.Dense(500),
            Seen(lambda _: seen.append(threading.get_ident())),
            layers.Dense(300),
        ]
    )
    before = rustnet._core.get_num_threads()
    try:
        rustnet._core.set_num_threads(4)
        model.predict(x, batch_size=128, verbose=0)
    finally:
        rustnet._core.set_num_threads(before)
    assert seen == [threading.get_ident()] * 2


def test_functional_models_call_what_their_outputs_depend_on():
    log = []
    x = Input((3,))
    y = effects.call_python(lambda one: np.sort(one, axis=-1), x, outputs=x)
    effects.call_python(lambda one: log.append("left out"), x)
    y = effects.call_python(lambda one: log.append("passed on"), y)
    model = Model(x, y)
    np.testing.assert_array_equal(model.predict(X, verbose=0), np.sort(X, axis=-1))
    assert log == ["passed on"]


# --- gradients ----------------------------------------------------------------------------------------------


def trained(layer):
    rustnet.utils.set_random_seed(1)
    model = Sequential([Input((3,)), layers.Dense(4), layer, layers.Dense(1)])
    model.compile(rustnet.optimizers.SGD(0.05), "mse")
    model.fit(X, Y, batch_size=5, shuffle=False, verbose=0)
    return [weight.numpy() for weight in model.weights]


def test_a_print_changes_no_gradient(capsys):
    printing = layers.Lambda(lambda x: effects.print_tensor(x, "x = ")) if hasattr(layers, "Lambda") else None
    if printing is None:

        class Printing(layers.Layer):
            def call(self, x):
                return effects.print_tensor(x, "x = ")

        printing = Printing()
    for one, other in zip(trained(printing), trained(layers.Activation("linear")), strict=True):
        np.testing.assert_array_equal(one, other)
    assert capsys.readouterr().out.count("x = ") == 3


def test_a_declared_gradient_is_that_of_the_op():
    class Tanh(layers.Layer):
        def call(self, x):
            def gradient(inputs, outputs, output_gradients):
                (y,), (dy,) = outputs, output_gradients
                assert len(inputs) == 1
                return dy * (1 - y * y)

            return effects.call_python(np.tanh, x, outputs=x, gradient=gradient)

    for one, other in zip(trained(Tanh()), trained(layers.Activation("tanh")), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5)


def test_a_gradient_of_several_inputs_and_outputs():
    """Outputs that the loss does not depend on have gradients of zeros; integers have none."""
    seen = []

    def gradient(inputs, outputs, output_gradients):
        a, b, index = inputs
        seen.append((len(outputs), [one.tolist() for one in output_gradients], int(index)))
        return [output_gradients[0] * b, output_gradients[0] * a]

    class Product(layers.Layer):
        def build(self, shape):
            self.a = self.add_weight((2,), initializer=rustnet.initializers.Constant(3.0))
            self.b = self.add_weight((2,), initializer=rustnet.initializers.Constant(5.0))

        def call(self, x):
            inputs = [self.a, self.b, np.int32(4)]
            outputs = [self.a, ((), "int32"), self.b]
            y, _, _ = effects.call_python(lambda a, b, i: [a * b, i, a + b], inputs, outputs, gradient)
            return x * y

    model = Sequential([Input((2,)), Product()])
    model.compile(rustnet.optimizers.SGD(1.0), lambda y, prediction: ops.sum(prediction))
    model.train_on_batch(np.ones((1, 2), "float32"), np.ones((1, 2), "float32"))
    assert seen == [(3, [[1.0, 1.0], [0.0, 0.0]], 4)]
    assert [weight.numpy().tolist() for weight in model.weights] == [[-2.0, -2.0], [2.0, 2.0]]


def test_an_undeclared_gradient_is_an_error():
    class Tanh(layers.Layer):
        def __init__(self, stops):
            super().__init__()
            self.stops = stops

        def call(self, x):
            y = ops.stop_gradient(x) if self.stops == "before" else x
            y = effects.call_python(np.tanh, y, outputs=x)
            return x + (ops.stop_gradient(y) if self.stops == "after" else y)

    with pytest.raises(ValueError, match="tanh.*: expected a function with a gradient"):
        trained(Tanh(stops="nowhere"))
    for one, other in zip(trained(Tanh(stops="before")), trained(Tanh(stops="after")), strict=True):
        np.testing.assert_array_equal(one, other)


# --- printing -----------------------------------------------------------------------------------------------


def test_tensors_are_printed_in_every_step(capsys):
    class Printing(layers.Layer):
        def call(self, x):
            effects.print_tensor(ops.shape(x)[0], "rows: ")
            effects.print_tensor(ops.sum(x, axis=0), "sum: ", summarize=1)
            return x

    model = Sequential([Input((3,)), Printing()])
    model.predict(np.ones((5, 3), "float32"), batch_size=3, verbose=0)
    assert capsys.readouterr().out == "rows: 3\nsum: [3. ... 3.]\nrows: 2\nsum: [2. ... 2.]\n"


@pytest.mark.parametrize(
    ("summarize", "text"),
    [(2, "[0 1 ... 8 9]"), (5, "[0 1 2 3 4 5 6 7 8 9]"), (-1, "[0 1 2 3 4 5 6 7 8 9]")],
)
def test_as_many_values_are_printed_as_asked_for(capsys, summarize, text):
    effects.print_tensor(np.arange(10), summarize=summarize)
    assert capsys.readouterr().out == f"{text}\n"


def test_all_of_a_large_tensor_is_printed(capsys):
    effects.print_tensor(np.zeros(3000), summarize=-1)
    assert capsys.readouterr().out.count("0.") == 3000


@pytest.mark.parametrize("summarize", [-2, 0, 1.5, True, "all"])
def test_other_numbers_of_values_are_refused(summarize):
    with pytest.raises(ValueError, match="Received: summarize="):
        effects.print_tensor(X, summarize=summarize)


@pytest.mark.parametrize(
    "copy",
    [
        lambda model: pickle.loads(pickle.dumps(model)),
        lambda model: rustnet.models.clone_model(model),
        lambda model: Model.from_config(model.get_config()),
        lambda model: rustnet.models.model_from_json(model.to_json()),
    ],
)
def test_a_printing_model_is_copied(copy, capsys):
    x = Input((3,))
    model = Model(x, effects.print_tensor(layers.Dense(1)(x), message="y: "))
    copied = copy(model)
    copied.set_weights(model.get_weights())
    np.testing.assert_array_equal(copied.predict(X, verbose=0), model.predict(X, verbose=0))
    assert capsys.readouterr().out.count("y: ") == 2


def test_a_mask_stays_on_a_printed_tensor(capsys):
    x = Input((4,), dtype="int32")
    model = Model(x, layers.LSTM(2)(effects.print_tensor(layers.Embedding(5, 3, mask_zero=True)(x))))
    rows = np.array([[1, 2, 0, 0], [1, 2, 3, 4]])
    longer = np.array([[1, 2, 0, 0, 0][:4], [1, 2, 3, 4]])
    np.testing.assert_array_equal(model.predict(rows, verbose=0), model.predict(longer, verbose=0))
    short = model.predict(rows[:1, :], verbose=0)
    np.testing.assert_allclose(short, model.predict(rows, verbose=0)[:1], rtol=1e-6)


# --- lifetime -----------------------------------------------------------------------------------------------


def test_a_model_goes_although_its_programs_call_a_function_that_knows_it():
    class Knowing(layers.Layer):
        def call(self, x):
            effects.call_python(lambda one: self.note(one), x)
            return x

        def note(self, one):
            self.last = one

    model = Sequential([Input((3,)), Knowing(), layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(X, Y, verbose=0)
    model(X)
    reference = weakref.ref(model)
    del model
    gc.collect()
    assert reference() is None


def test_calls_hold_no_references(monkeypatch):
    marker = object()
    before = sys.getrefcount(marker)

    def function(x):
        return x if marker else None

    for _ in range(3):
        effects.call_python(function, X, outputs=X)
    del function
    gc.collect()
    assert sys.getrefcount(marker) == before
