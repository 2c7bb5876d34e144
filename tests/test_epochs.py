"""What an epoch is made of: steps, passes, generators that run out; and what callbacks may do meanwhile."""

import warnings

import numpy as np
import pytest

import rustnet
from rustnet import callbacks, layers

FOUR = np.arange(1.0, 5)[:, None]
ZERO = 0 * FOUR


def echo(library=rustnet, loss="mse", **arguments):
    """A model whose output is its input, whatever it is trained on."""
    model = library.Sequential(
        [library.layers.Input((1,)), library.layers.Dense(1, use_bias=False, kernel_initializer="ones")]
    )
    model.compile(library.optimizers.SGD(0.0), loss, **arguments)
    return model


def generator(count, for_ever=False):
    """Batches of one row, 1, 2, 3, 4, 10, 20, …, with the target 0."""
    while True:
        for index in range(count):
            yield FOUR[index % 4 : index % 4 + 1] * 10 ** (index // 4), ZERO[:1]
        if not for_ever:
            return


class Sequence:
    """Four batches of one row; remembers which were asked for."""

    def __init__(self):
        self.asked = []
        self.ended = 0

    def __len__(self):
        return 4

    def __getitem__(self, index):
        self.asked.append(index)
        return FOUR[index : index + 1], ZERO[:1]

    def on_epoch_end(self):
        self.ended += 1


class Iterable:
    """Neither a generator nor of a known length, but it can be iterated again and again."""

    def __iter__(self):
        return generator(4)


def sequence(library):
    """The same as `Sequence`, of the class that Keras wants."""
    if library is rustnet:
        return Sequence()
    return type("Dataset", (Sequence, library.utils.PyDataset), {})()


def arrays(**arguments):
    return lambda library: ((FOUR, ZERO), {"shuffle": False, **arguments})


def batches(count, for_ever=False, **arguments):
    return lambda library: ((generator(count, for_ever),), arguments)


def sequences(**arguments):
    return lambda library: ((sequence(library),), {"shuffle": False, **arguments})


def validated_by(make, **arguments):
    return lambda library: ((FOUR, ZERO), {"validation_data": make(library), "epochs": 3, **arguments})


# Arguments of `fit` that give Keras's history, and whether there is a warning that the data ran out. Keras
# also warns where a generator ends as it should, at the end of the first pass.
EPOCHS = {
    "steps go on where they stopped": (arrays(batch_size=1, steps_per_epoch=2, epochs=3), False),
    "steps that do not divide a pass": (arrays(batch_size=1, steps_per_epoch=3, epochs=4), True),
    "more steps than batches": (arrays(batch_size=1, steps_per_epoch=9, epochs=2), True),
    "steps make the batch size": (arrays(steps_per_epoch=2, epochs=2), False),
    "a large batch": (arrays(batch_size=100), False),
    "later epochs": (arrays(initial_epoch=2, epochs=4), False),
    "no epochs": (arrays(epochs=0), False),
    "no epochs left": (arrays(initial_epoch=5, epochs=2), False),
    "generator, one pass": (batches(4), False),
    "generator, several epochs": (batches(4, epochs=3), True),
    "generator of one batch": (batches(1, epochs=3), True),
    "generator, too few steps": (batches(5, steps_per_epoch=2, epochs=4), True),
    "endless generator": (batches(4, True, steps_per_epoch=3, epochs=4), False),
    "sequence": (sequences(epochs=2), False),
    "sequence, fewer steps": (sequences(steps_per_epoch=3, epochs=4), True),
    "sequence, more steps": (sequences(steps_per_epoch=9, epochs=2), True),
    "validation, steps": (
        validated_by(lambda _: (FOUR, ZERO), validation_steps=2, validation_batch_size=1),
        False,
    ),
    "validation, generator": (validated_by(lambda _: generator(4)), True),
    "validation, one batch": (validated_by(lambda _: generator(1)), True),
    "validation, endless": (validated_by(lambda _: generator(8, True), validation_steps=3), False),
    "validation, sequence": (validated_by(sequence, validation_steps=2), False),
    "validation, every other epoch": (validated_by(lambda _: (FOUR, ZERO), validation_freq=2), False),
    "validation, listed epochs": (validated_by(lambda _: (FOUR, ZERO), validation_freq=[1, 3]), False),
}


def fitted(library, case):
    positional, arguments = EPOCHS[case][0](library)
    model = echo(library, **({} if library is rustnet else {"run_eagerly": True}))
    return model.fit(*positional, verbose=0, **arguments)


@pytest.mark.parametrize("case", EPOCHS)
def test_epochs_equal_keras(keras, case):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = fitted(keras, case)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        got = fitted(rustnet, case)
    assert got.epoch == expected.epoch and got.params == expected.params
    assert list(got.history) == list(expected.history)
    for name, values in expected.history.items():
        np.testing.assert_allclose(got.history[name], values, rtol=1e-6)
    assert any("The data ran out" in str(one.message) for one in caught) == EPOCHS[case][1]


def test_steps_of_shuffled_rows_make_whole_passes():
    seen = []

    class Watch(callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            seen.append(2 * logs["loss"])

    x = 2.0 ** np.arange(8)[:, None]
    echo(loss="mae").fit(x, 0 * x, batch_size=1, steps_per_epoch=2, epochs=8, verbose=0, callbacks=[Watch()])
    # The means of two rows each: as bits they say which rows there were.
    assert sum(seen[:4]) == sum(seen[4:]) == 255
    assert seen[:4] != seen[4:]


def test_an_epoch_without_a_batch_begins_again():
    """The generator ends with the second epoch: the third trains on what was kept, and is no loss of 0."""
    with pytest.warns(UserWarning, match="expected 2 steps. Received: 0 batches"):
        history = echo().fit(generator(4), steps_per_epoch=2, epochs=3, verbose=0).history
    assert history["loss"] == [2.5, 12.5, 2.5]


@pytest.mark.parametrize("steps", [None, 3])
def test_an_iterable_begins_again(steps):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        history = echo().fit(Iterable(), epochs=3, steps_per_epoch=steps, verbose=0).history
    expected = [7.5, 7.5, 7.5] if steps is None else [14 / 3, 16.0, 14 / 3]
    np.testing.assert_allclose(history["loss"], expected, rtol=1e-6)
    assert len(caught) == (0 if steps is None else 1)
    assert echo().evaluate(Iterable(), verbose=0) == 7.5
    np.testing.assert_array_equal(echo().predict(Iterable(), verbose=0), FOUR)
    assert echo().evaluate(zip(FOUR[:, None], ZERO[:, None], strict=True), verbose=0) == 7.5


def test_a_sequence_is_shuffled_where_fit_is_told_to():
    ordered, shuffled = Sequence(), Sequence()
    rustnet.utils.set_random_seed(1)
    echo().fit(ordered, epochs=2, shuffle=False, verbose=0)
    echo().fit(shuffled, epochs=3, verbose=0)
    assert ordered.asked == [0, 1, 2, 3, 0, 1, 2, 3] and ordered.ended == 2
    passes = [shuffled.asked[start : start + 4] for start in (0, 4, 8)]
    assert all(sorted(one) == [0, 1, 2, 3] for one in passes) and len(set(map(tuple, passes))) > 1


def test_a_generator_keeps_what_fit_did_not_take():
    batches = generator(4)
    echo().fit(batches, steps_per_epoch=1, verbose=0)
    assert echo().fit(batches, steps_per_epoch=2, verbose=0).history["loss"] == [6.5]


def test_a_generator_of_many_lengths():
    model = rustnet.Sequential([layers.Input((None, 3)), layers.LSTM(2), layers.Dense(1)])
    model.compile("sgd", "mse")
    given = ((np.ones((rows, steps, 3)), np.ones((rows, 1))) for rows, steps in [(3, 5), (2, 9), (4, 1)])
    assert np.isfinite(model.fit(given, verbose=0).history["loss"]).all()


EMPTY = {
    "fit": lambda model: model.fit(generator(0), verbose=0),
    "fit, later": lambda model: model.fit(generator(0), steps_per_epoch=2, epochs=2, verbose=0),
    "evaluate": lambda model: model.evaluate(generator(0), verbose=0),
    "predict": lambda model: model.predict(generator(0), verbose=0),
    "validation": lambda model: model.fit(FOUR, ZERO, validation_data=generator(0), verbose=0),
    "iterable": lambda model: model.fit(iter([]), verbose=0),
}


@pytest.mark.parametrize("case", EMPTY)
def test_no_batches_are_an_error(case):
    with pytest.raises(ValueError, match="at least one batch"):
        EMPTY[case](echo())


BAD_BATCHES = {
    "None": (None, "a batch without x"),
    "a tuple of None": ((None, ZERO), "a batch without x"),
    "four parts": ((FOUR, ZERO, ZERO, ZERO), "a tuple of 4"),
    "no rows": ((FOUR[:0], ZERO[:0]), "a batch x of 0 rows"),
    "unequal rows": ((FOUR, ZERO[:2]), "the same number of rows"),
    "an empty dictionary": (({}, ZERO), "expected x to hold"),
    "an empty list": (([], ZERO), "expected x to hold"),
}


@pytest.mark.parametrize("case", BAD_BATCHES)
@pytest.mark.parametrize("method", ["fit", "evaluate", "predict"])
def test_bad_batches_are_errors(case, method):
    batch, message = BAD_BATCHES[case]
    with pytest.raises(ValueError, match=message):
        getattr(echo(), method)(iter([batch]), verbose=0)


@pytest.mark.parametrize("nothing", [None, {}, (), [None], {"a": None}], ids=repr)
@pytest.mark.parametrize("method", ["fit", "evaluate", "predict", "train_on_batch", "predict_on_batch"])
def test_no_data_is_an_error(nothing, method):
    with pytest.raises(ValueError, match="expected x to hold"):
        getattr(echo(), method)(nothing)


INSIDE = {
    "evaluate": lambda model: model.evaluate(FOUR * 100, ZERO, verbose=0),
    "evaluate batches": lambda model: model.evaluate(generator(8), verbose=0),
    "predict": lambda model: model.predict(FOUR * 100, verbose=0),
    "train_on_batch": lambda model: model.train_on_batch(FOUR * 100, ZERO),
    "test_on_batch": lambda model: model.test_on_batch(FOUR * 100, ZERO),
    "fit": lambda model: model.fit(FOUR * 100, ZERO, epochs=2, verbose=0),
    "an error": lambda model: pytest.raises(ValueError, model.evaluate, FOUR[:, [0, 0]], ZERO, verbose=0),
}


@pytest.mark.parametrize("case", INSIDE)
def test_what_a_callback_runs_leaves_the_epoch_alone(case):
    class Look(callbacks.Callback):
        def look(self, *arguments):
            INSIDE[case](self.model)

        on_epoch_begin = on_train_batch_begin = on_train_batch_end = on_test_batch_end = look

    model = echo(metrics=["mae", rustnet.metrics.RootMeanSquaredError(name="root")])
    fitted = model.fit(
        FOUR, ZERO, batch_size=2, epochs=2, verbose=0, validation_data=(FOUR, ZERO), callbacks=[Look()]
    )
    for prefix in ("", "val_"):
        np.testing.assert_allclose(fitted.history[prefix + "loss"], [7.5, 7.5], rtol=1e-6)
        np.testing.assert_allclose(fitted.history[prefix + "mae"], [2.5, 2.5], rtol=1e-6)
        np.testing.assert_allclose(fitted.history[prefix + "root"], [7.5**0.5] * 2, rtol=1e-6)
    assert model.history is fitted and fitted.epoch == [0, 1]
    results = model.evaluate(FOUR, ZERO, batch_size=1, verbose=0, callbacks=[Look()])
    np.testing.assert_allclose(results, [7.5, 2.5, 7.5**0.5], rtol=1e-6)


def test_an_inner_fit_does_not_stop_the_outer_one():
    class Inner(callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            stop = callbacks.LambdaCallback(
                on_epoch_end=lambda *_: setattr(self.model, "stop_training", True)
            )
            self.model.fit(FOUR, ZERO, epochs=5, verbose=0, callbacks=[stop])

    assert echo().fit(FOUR, ZERO, epochs=3, verbose=0, callbacks=[Inner()]).epoch == [0, 1, 2]


def test_stop_evaluating_stops_one_evaluation():
    class Stop(callbacks.Callback):
        def on_test_batch_end(self, batch, logs=None):
            self.model.stop_evaluating = True

    model = echo()
    for _ in range(2):
        assert model.evaluate(FOUR, ZERO, batch_size=2, verbose=0, callbacks=[Stop()]) == 2.5
        assert model.evaluate(FOUR, ZERO, batch_size=2, verbose=0) == 7.5
    assert model.evaluate(generator(4), verbose=0, callbacks=[Stop()]) == 1.0


@pytest.mark.parametrize("source", ["rows", "batches"])
def test_stop_predicting_stops_one_prediction(source):
    def predict(*watchers):
        if source == "rows":
            return model.predict(FOUR, batch_size=1, verbose=0, callbacks=list(watchers))
        return model.predict(generator(4), verbose=0, callbacks=list(watchers))

    class Stop(callbacks.Callback):
        def on_predict_batch_end(self, batch, logs=None):
            self.model.stop_predicting = batch == 1

    model = echo()
    for _ in range(2):
        np.testing.assert_array_equal(predict(Stop()), FOUR[:2])
        np.testing.assert_array_equal(predict(), FOUR)


@pytest.mark.parametrize("source", ["rows", "batches"])
def test_predict_calls_the_callbacks(keras, source):
    def called(library):
        calls = []

        class Watch(library.callbacks.Callback):
            def on_predict_begin(self, logs=None):
                calls.append("begin")

            def on_predict_batch_begin(self, batch, logs=None):
                calls.append(("batch begin", batch))

            def on_predict_batch_end(self, batch, logs=None):
                calls.append(("batch end", batch, np.asarray(logs["outputs"]).tolist()))

            def on_predict_end(self, logs=None):
                calls.append("end")

        if source == "rows":
            echo(library).predict(FOUR, batch_size=2, verbose=0, callbacks=[Watch()])
        else:
            echo(library).predict(
                ((one[:, None],) for one in FOUR.reshape(2, 2)), verbose=0, callbacks=[Watch()]
            )
        return calls

    expected = called(keras)
    # Where a generator ends Keras has begun one batch too many.
    assert called(rustnet) == [one for one in expected if one != ("batch begin", 2)]


HOOKS = [
    f"on_{kind}{batch}_{end}"
    for kind in ("train", "test", "predict")
    for batch in ("", "_batch")
    for end in ("begin", "end")
] + ["on_epoch_begin", "on_epoch_end", "on_batch_begin", "on_batch_end"]


@pytest.mark.parametrize("hook", HOOKS)
def test_an_error_in_a_callback_leaves_the_model_usable(hook):
    def fail(*arguments):
        raise ZeroDivisionError

    broken = callbacks.LambdaCallback(**{hook: fail})
    model = echo()
    with pytest.raises(ZeroDivisionError):
        model.fit(FOUR, ZERO, validation_data=(FOUR, ZERO), verbose=0, callbacks=[broken])
        model.predict(FOUR, verbose=0, callbacks=[broken])
    assert model.fit(FOUR, ZERO, verbose=0).history["loss"] == [7.5]
    assert model.evaluate(FOUR, ZERO, verbose=0) == 7.5
    np.testing.assert_array_equal(model.predict(FOUR, verbose=0), FOUR)


@pytest.mark.parametrize("method", ["fit", "evaluate", "predict"])
def test_only_callbacks_are_accepted(method):
    arguments = (FOUR,) if method == "predict" else (FOUR, ZERO)
    for wrong in (["early"], [callbacks.EarlyStopping], print):
        with pytest.raises(ValueError, match="to be instances of Callback"):
            getattr(echo(), method)(*arguments, verbose=0, callbacks=wrong)


BAD_ARGUMENTS = {
    "steps_per_epoch": ({"steps_per_epoch": 0}, "steps_per_epoch=0"),
    "steps_per_epoch of batches": (
        {"x": generator(2), "y": None, "steps_per_epoch": 1.5},
        "steps_per_epoch=1.5",
    ),
    "validation_steps": ({"validation_data": (FOUR, ZERO), "validation_steps": -1}, "validation_steps=-1"),
    "validation_freq": ({"validation_data": (FOUR, ZERO), "validation_freq": 0}, "validation_freq=0"),
    "epochs": ({"epochs": -1}, "epochs=-1"),
    "initial_epoch": ({"initial_epoch": True}, "initial_epoch=True"),
    "generator and y": ({"x": generator(2)}, "also y"),
    "generator and split": (
        {"x": generator(2), "y": None, "validation_split": 0.5},
        "arrays with validation_split",
    ),
}


@pytest.mark.parametrize("case", BAD_ARGUMENTS)
def test_bad_arguments_of_fit(case):
    arguments, message = BAD_ARGUMENTS[case]
    with pytest.raises(ValueError, match=message):
        echo().fit(**{"x": FOUR, "y": ZERO, "verbose": 0, **arguments})


class Tell(layers.Layer):
    """Counts how often it is called, and adds that number."""

    def __init__(self):
        super().__init__()
        self.calls = []

    def call(self, inputs):
        self.calls.append(1)
        return inputs + 0.0 * len(self.calls)


def told(**arguments):
    tell = Tell()
    model = rustnet.Sequential([layers.Input((1,)), tell, layers.Dense(1, kernel_initializer="ones")])
    model.compile(rustnet.optimizers.SGD(0.0), "mse", **arguments)
    return model, tell.calls


@pytest.mark.parametrize("source", ["rows", "batches"])
def test_run_eagerly_calls_the_layers_in_each_step(source):
    model, calls = told(run_eagerly=True)

    def run(method, *arguments, **keywords):
        before = len(calls)
        if source == "batches":
            arguments = (iter([tuple(one[index : index + 1] for one in arguments) for index in range(4)]),)
        else:
            keywords["batch_size"] = 1
        getattr(model, method)(*arguments, verbose=0, **keywords)
        return len(calls) - before

    assert run("fit", FOUR, ZERO) == run("evaluate", FOUR, ZERO) == 4
    assert run("predict", FOUR) >= 4
    assert model.fit(FOUR, ZERO, batch_size=2, epochs=2, verbose=0).history["loss"] == [7.5, 7.5]
    model.run_eagerly = False
    assert run("fit", FOUR, ZERO, epochs=1) <= 1 and run("fit", FOUR, ZERO) == 0


def test_what_compile_is_told_about_running_changes_no_number():
    for arguments in (
        {"jit_compile": False},
        {"jit_compile": True, "auto_scale_loss": False},
        {"steps_per_execution": 3},
        {"run_eagerly": True, "steps_per_execution": 2},
    ):
        model, _ = told(**arguments)
        assert model.fit(FOUR, ZERO, batch_size=1, epochs=2, verbose=0).history["loss"] == [7.5, 7.5]


@pytest.mark.parametrize(
    "wrong",
    [
        {"run_eagerly": "yes"},
        {"steps_per_execution": 0},
        {"steps_per_execution": 1.5},
        {"jit_compile": "always"},
        {"auto_scale_loss": None},
    ],
    ids=str,
)
def test_compile_refuses_what_it_does_not_know(wrong):
    (name,) = wrong
    with pytest.raises(ValueError, match=f"expected {name}"):
        told(**wrong)
