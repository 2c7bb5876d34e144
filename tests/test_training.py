"""`compile`, `fit`, `evaluate` and `predict` against Keras: same data and weights, same results."""

import numpy as np
import pytest

import rustnet
from rustnet import layers, losses, metrics, models, ops, optimizers

# Both sum in float32 but in another order, and a training step amplifies the last bits.
TOLERANCE = {"rtol": 2e-4, "atol": 2e-5}


def classifier(library, last="softmax", units=3):
    return library.models.Sequential(
        [
            library.layers.Input((6,)),
            library.layers.Dense(8, activation="relu", kernel_regularizer="l2"),
            library.layers.Dense(units, activation=last),
        ]
    )


def samples(rows=50, classes=3):
    generator = np.random.default_rng(0)
    x = generator.normal(size=(rows, 6)).astype("float32")
    return x, x[:, :classes].argmax(axis=1)


def pair(keras, make=classifier, **compiled):
    """The model in both libraries with the same weights, compiled with the same arguments."""
    theirs, ours = make(keras), make(rustnet)
    ours.set_weights(theirs.get_weights())
    theirs.compile(**compiled)
    ours.compile(**compiled)
    return theirs, ours


def assert_same_weights(theirs, ours):
    for expected, got in zip(theirs.get_weights(), ours.get_weights(), strict=True):
        np.testing.assert_allclose(got, expected, **TOLERANCE)


def assert_same_history(theirs, ours):
    assert list(ours) == list(theirs)
    for name in theirs:
        np.testing.assert_allclose(ours[name], theirs[name], **TOLERANCE, err_msg=name)


COMPILED = {
    "rmsprop": {"optimizer": "rmsprop"},
    "sgd": {"optimizer": "sgd"},
    "adam": {"optimizer": "adam", "metrics": ["accuracy", "sparse_categorical_crossentropy"]},
    "adamw": {"optimizer": "adamw", "metrics": ["acc"]},
    "adagrad": {"optimizer": "adagrad"},
}


@pytest.mark.parametrize("case", COMPILED)
def test_fit_gives_the_weights_and_history_of_keras(keras, case):
    theirs, ours = pair(keras, loss="sparse_categorical_crossentropy", **COMPILED[case])
    x, y = samples()
    # 50 rows in batches of 16: the last batch has 2.
    arguments = {"batch_size": 16, "epochs": 4, "shuffle": False, "verbose": 0, "validation_split": 0.2}
    expected = theirs.fit(x, y, **arguments)
    got = ours.fit(x, y, **arguments)
    assert_same_history(expected.history, got.history)
    assert got.epoch == expected.epoch and got.params == expected.params
    assert_same_weights(theirs, ours)
    np.testing.assert_allclose(ours.evaluate(x, y, verbose=0), theirs.evaluate(x, y, verbose=0), **TOLERANCE)
    np.testing.assert_allclose(ours.predict(x, verbose=0), theirs.predict(x, verbose=0), **TOLERANCE)


@pytest.mark.parametrize("weighting", ["sample_weight", "class_weight"])
def test_weights_of_samples_and_classes(keras, weighting):
    theirs, ours = pair(
        keras,
        optimizer="sgd",
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
        weighted_metrics=["accuracy"],
    )
    x, y = samples()
    weights = {
        "sample_weight": np.linspace(0.0, 2.0, len(x)).astype("float32"),
        "class_weight": {0: 0.5, 2: 3.0},
    }
    arguments = {"batch_size": 16, "epochs": 2, "shuffle": False, "verbose": 0, weighting: weights[weighting]}
    assert_same_history(theirs.fit(x, y, **arguments).history, ours.fit(x, y, **arguments).history)
    assert_same_weights(theirs, ours)


def two_inputs_two_outputs(library):
    first = library.layers.Input((6,), name="first")
    second = library.layers.Input((4,), name="second")
    joined = library.layers.Concatenate()([first, second])
    shared = library.layers.Dense(8, activation="tanh")(joined)
    label = library.layers.Dense(3, activation="softmax", name="label")(shared)
    value = library.layers.Dense(1, name="value")(shared)
    return library.models.Model(inputs=[first, second], outputs=[label, value])


@pytest.mark.parametrize("by_name", [False, True])
def test_several_inputs_and_outputs(keras, by_name):
    generator = np.random.default_rng(1)
    first, y_label = samples(40)
    second = generator.normal(size=(40, 4)).astype("float32")
    y_value = generator.normal(size=(40, 1)).astype("float32")
    if by_name:
        compiled = {
            "loss": {"label": "sparse_categorical_crossentropy", "value": "mse"},
            "loss_weights": {"label": 1.0, "value": 0.3},
            "metrics": {"label": ["accuracy"], "value": ["mae"]},
        }
        x, y = {"second": second, "first": first}, {"value": y_value, "label": y_label}
    else:
        compiled = {
            "loss": ["sparse_categorical_crossentropy", "mse"],
            "loss_weights": [1.0, 0.3],
            "metrics": [["accuracy"], ["mae"]],
        }
        x, y = [first, second], [y_label, y_value]
    theirs, ours = pair(keras, two_inputs_two_outputs, optimizer="sgd", **compiled)
    arguments = {"batch_size": 16, "epochs": 2, "shuffle": False, "verbose": 0}
    assert_same_history(theirs.fit(x, y, **arguments).history, ours.fit(x, y, **arguments).history)
    assert_same_weights(theirs, ours)
    expected = theirs.evaluate(x, y, verbose=0, return_dict=True)
    got = ours.evaluate(x, y, verbose=0, return_dict=True)
    assert set(got) == set(expected)
    np.testing.assert_allclose([got[name] for name in expected], list(expected.values()), **TOLERANCE)
    np.testing.assert_allclose(ours.evaluate(x, y, verbose=0), theirs.evaluate(x, y, verbose=0), **TOLERANCE)
    for expected, got in zip(theirs.predict(x, verbose=0), ours.predict(x, verbose=0), strict=True):
        np.testing.assert_allclose(got, expected, **TOLERANCE)


def test_one_batch_at_a_time(keras):
    theirs, ours = pair(
        keras, optimizer="rmsprop", loss="sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    x, y = samples(20)
    for _ in range(3):
        expected = theirs.train_on_batch(x, y)
        np.testing.assert_allclose(ours.train_on_batch(x, y), expected, **TOLERANCE)
    assert_same_weights(theirs, ours)
    np.testing.assert_allclose(ours.test_on_batch(x, y), theirs.test_on_batch(x, y), **TOLERANCE)
    np.testing.assert_allclose(ours.predict_on_batch(x), theirs.predict_on_batch(x), **TOLERANCE)
    assert list(ours.train_on_batch(x, y, return_dict=True)) == ["accuracy", "loss"]


def test_a_generator_of_batches(keras):
    theirs, ours = pair(keras, optimizer="sgd", loss="sparse_categorical_crossentropy")
    x, y = samples(48)

    def batches():
        while True:
            for start in range(0, 48, 16):
                yield x[start : start + 16], y[start : start + 16]

    arguments = {"steps_per_epoch": 3, "epochs": 2, "verbose": 0}
    assert_same_history(theirs.fit(batches(), **arguments).history, ours.fit(batches(), **arguments).history)
    assert_same_weights(theirs, ours)


def test_losses_and_metrics_of_ones_own():
    def cubic(y_true, y_pred):
        return ops.mean(ops.abs(y_pred - y_true) ** 3, axis=-1)

    def largest_error(y_true, y_pred):
        return ops.max(ops.abs(y_pred - y_true), axis=-1)

    generator = np.random.default_rng(2)
    x = generator.normal(size=(64, 6)).astype("float32")
    y = x[:, :2] * 2.0
    model = classifier(rustnet, last=None, units=2)
    model.compile(optimizers.Adam(0.01), loss=cubic, metrics=[largest_error])
    history = model.fit(x, y, epochs=40, verbose=0).history
    assert list(history) == ["largest_error", "loss"]
    assert history["loss"][-1] < 0.2 * history["loss"][0]
    predicted = model.predict(x, verbose=0)
    results = model.evaluate(x, y, verbose=0, return_dict=True)
    penalty = 0.01 * float((model.layers[0].kernel.numpy() ** 2).sum())
    np.testing.assert_allclose(
        results["loss"], (np.abs(predicted - y) ** 3).mean(axis=-1).mean() + penalty, rtol=1e-5
    )
    np.testing.assert_allclose(results["largest_error"], np.abs(predicted - y).max(axis=-1).mean(), rtol=1e-5)


def test_weights_frozen_before_compile_stay():
    model = classifier(rustnet)
    model.layers[0].trainable = False
    model.compile("sgd", "sparse_categorical_crossentropy")
    before = model.get_weights()
    model.fit(*samples(), epochs=2, verbose=0)
    after = model.get_weights()
    np.testing.assert_array_equal(after[0], before[0])
    assert (after[2] != before[2]).any()


def test_trainable_is_settled_at_compile():
    """The two halves of an adversarial pair share a network, trained by one and frozen in the other."""
    judge = models.Sequential([layers.Input((2,)), layers.Dense(1, activation="sigmoid")])
    judge.compile("sgd", "binary_crossentropy")
    judge.trainable = False
    noise = layers.Input((3,))
    forger = layers.Dense(2)
    both = models.Model(noise, judge(forger(noise)))
    both.compile("sgd", "binary_crossentropy")
    x, target = np.ones((8, 3), "float32"), np.ones((8, 1), "float32")

    frozen, free = judge.get_weights()[0], forger.get_weights()[0]
    both.train_on_batch(x, target)
    np.testing.assert_array_equal(judge.get_weights()[0], frozen)
    assert (forger.get_weights()[0] != free).any()

    judge.train_on_batch(np.ones((8, 2), "float32"), target)
    assert (judge.get_weights()[0] != frozen).any()


def test_the_rows_are_shuffled_anew_each_epoch_and_all_are_seen():
    seen = []

    class Recorder(rustnet.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.append(logs["loss"])

    x = np.arange(12, dtype="float32")[:, None]
    model = models.Sequential([layers.Input((1,)), layers.Dense(1, kernel_initializer="ones")])
    model.compile(optimizers.SGD(0.0), "mae")
    model.fit(x, np.zeros((12, 1)), batch_size=3, epochs=2, verbose=0, callbacks=[Recorder()])
    assert seen[:4] != seen[4:]
    # The loss is a running mean: at the end of an epoch it is the mean of all rows.
    np.testing.assert_allclose([seen[3], seen[7]], 5.5, rtol=1e-6)


def test_predict_without_compile_and_on_no_rows():
    model = classifier(rustnet)
    assert model.predict(np.zeros((0, 6)), verbose=0).shape == (0, 3)
    assert model.predict([[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]], verbose=0).shape == (1, 3)
    x, _ = samples(70)
    expected = model.predict(x, verbose=0)
    for same in (np.asfortranarray(x), x[::-1][::-1], x.astype(">f4"), x.astype("float64")):
        np.testing.assert_allclose(model.predict(same, batch_size=32, verbose=0), expected, rtol=1e-6)
    np.testing.assert_allclose(model(x).numpy(), expected, rtol=1e-6)


def test_predict_gives_the_same_whether_somebody_looks_on_or_not():
    model, (x, _) = classifier(rustnet), samples(20)
    seen = []
    watch = rustnet.callbacks.LambdaCallback(on_predict_batch_end=lambda batch, logs: seen.append(batch))
    alone = model.predict(x, batch_size=20, verbose=0)
    np.testing.assert_array_equal(model.predict(x, batch_size=20, verbose=0, callbacks=[watch]), alone)
    assert seen == [0]
    np.testing.assert_array_equal(model.predict(x, steps=1, verbose=0), alone)
    with pytest.raises(ValueError, match="batch_size=0"):
        model.predict(x, batch_size=0, verbose=0)


def test_early_metrics_and_mean_of_batches(keras):
    """A metric object of its own, reused in both: the state is that of the whole epoch."""
    theirs, ours = pair(keras, lambda library: classifier(library, "sigmoid", 1), optimizer="sgd", loss="bce")
    theirs.compile(
        "sgd",
        "binary_crossentropy",
        metrics=[keras.metrics.AUC(name="auc"), keras.metrics.Recall(name="recall")],
    )
    ours.compile(
        "sgd", losses.BinaryCrossentropy(), metrics=[metrics.AUC(name="auc"), metrics.Recall(name="recall")]
    )
    x, y = samples()
    y = (y == 0).astype("int32")[:, None]
    arguments = {"batch_size": 16, "epochs": 2, "shuffle": False, "verbose": 0}
    assert_same_history(theirs.fit(x, y, **arguments).history, ours.fit(x, y, **arguments).history)


def test_a_second_compile_starts_with_new_metrics(keras):
    x, y = samples()
    theirs, ours = pair(keras, optimizer="sgd", loss="sparse_categorical_crossentropy")
    for model in (theirs, ours):
        model.fit(x, y, shuffle=False, verbose=0)
        model.compile("sgd", "sparse_categorical_crossentropy", metrics=["acc"])
    histories = [model.fit(x, y, shuffle=False, verbose=0).history for model in (theirs, ours)]
    assert_same_history(*histories)


def test_fit_ends_with_the_moving_average_of_the_weights(keras):
    x, y = samples()
    models = []
    for library in (keras, rustnet):
        model = classifier(library)
        optimizer = library.optimizers.Adam(0.01, use_ema=True, ema_momentum=0.8)
        model.compile(optimizer, "sparse_categorical_crossentropy")
        models.append(model)
    models[1].set_weights(models[0].get_weights())
    for model in models:
        model.fit(x, y, epochs=2, batch_size=16, shuffle=False, verbose=0)
    assert_same_weights(*models)


def line(loss="mse", optimizer=None, **compiled):
    """One weight, 1 at the start."""
    model = models.Sequential(
        [layers.Input((1,)), layers.Dense(1, use_bias=False, kernel_initializer="ones")]
    )
    model.compile(optimizer or optimizers.SGD(0.1), loss, **compiled)
    return model


def test_a_target_out_of_its_domain_stops_before_its_batch():
    x, y = np.full((4, 1), 0.5), np.array([[1.0], [0.0], [1.0], [255.0]])
    model, before_it = line("binary_crossentropy"), line("binary_crossentropy")
    with pytest.raises(ValueError, match="targets of binary_crossentropy between 0 and 1. Received: 255"):
        model.fit(x, y, batch_size=2, shuffle=False, verbose=0)
    before_it.fit(x[:2], y[:2], batch_size=2, shuffle=False, verbose=0)
    assert model.get_weights() == before_it.get_weights()
    for run in (model.evaluate, model.train_on_batch, model.test_on_batch):
        with pytest.raises(ValueError, match="Received: 255"):
            run(x, y)


def test_a_loss_of_ones_own_may_mask_targets_that_are_nan():
    def masked(y_true, y_pred):
        known = ops.logical_not(ops.isnan(y_true))
        return ops.mean(ops.where(known, ops.square(ops.where(known, y_true, 0.0) - y_pred), 0.0), axis=-1)

    x, y = np.array([[1.0], [2.0]]), np.array([[np.nan], [0.0]])
    model = line(masked)
    model.fit(x, y, verbose=0)
    # d loss / d w = 2 · x² / 2 of the second row
    np.testing.assert_allclose(model.get_weights()[0], 1.0 - 0.1 * 4.0, rtol=1e-6)
    with pytest.raises(ValueError, match="NaN in row 0"):
        model.fit(x, y, class_weight={0: 1.0}, verbose=0)


@pytest.mark.parametrize("clip", [{}, {"clipnorm": 0.5}])
@pytest.mark.parametrize(
    "name", ["SGD", "RMSprop", "Adam", "AdamW", "Adagrad", "Adadelta", "Adamax", "Nadam"]
)
def test_a_scaled_loss_trains_as_the_plain_one(name, clip):
    x, y = np.arange(1.0, 5.0)[:, None], np.zeros((4, 1))
    results = []
    for scale in (None, 1024.0):
        optimizer = getattr(optimizers, name)(learning_rate=0.1, loss_scale_factor=scale, **clip)
        model = line(optimizer=optimizer)
        history = model.fit(x, y, epochs=3, shuffle=False, verbose=0).history
        results.append((model.get_weights(), history["loss"]))
    # A power of two scales without rounding.
    assert results[0] == results[1] and results[0][0] != line().get_weights()


def test_an_optimizer_serves_one_model():
    optimizer = optimizers.SGD(0.1)
    x = np.ones((2, 1))
    first, second = line(optimizer=optimizer), line(optimizer=optimizer)
    first.fit(x, x, verbose=0)
    with pytest.raises(ValueError, match="expected the variables that it was built with"):
        second.fit(x, x, verbose=0)
    first.compile(optimizer, "mae")
    first.fit(x, x, verbose=0)
    assert second.get_weights() == line().get_weights()
