"""Losses against Keras: values of each sample, weights, reductions, masks, and targets of the wrong shape."""

from __future__ import annotations

import numpy as np
import pytest

from oracle import assert_close, keras
from rustnet import losses, ops
from rustnet.core.operation import operation

random = np.random.default_rng(0)
NUMBERS = (random.normal(size=(6, 4)).astype("float32"), random.normal(size=(6, 4)).astype("float32"))
SERIES = (random.normal(size=(3, 5, 4)).astype("float32"), random.normal(size=(3, 5, 4)).astype("float32"))
POSITIVE = (
    random.uniform(0.1, 3, (6, 4)).astype("float32"),
    random.uniform(0.1, 3, (6, 4)).astype("float32"),
)
SIGNS = (random.choice([-1.0, 1.0], (6, 4)).astype("float32"), NUMBERS[1])
BITS = (random.integers(0, 2, (6, 4)), random.uniform(0.05, 0.95, (6, 4)).astype("float32"))
LOGITS = random.normal(size=(6, 4)).astype("float32") * 3
PROBABILITIES = np.exp(LOGITS) / np.exp(LOGITS).sum(-1, keepdims=True)
LABELS = random.integers(0, 4, 6)
ONE_HOT = np.eye(4, dtype="float32")[LABELS]
SPREAD = random.dirichlet(np.ones(4), 6).astype("float32")
SERIES_LOGITS = random.normal(size=(3, 5, 4)).astype("float32")
SERIES_LABELS = random.integers(0, 4, (3, 5))

# class, function, arguments, targets, predictions
CASES = [
    ("MeanSquaredError", {}, *NUMBERS),
    ("MeanSquaredError", {}, *SERIES),
    ("MeanAbsoluteError", {}, *NUMBERS),
    ("MeanAbsolutePercentageError", {}, *NUMBERS),
    ("MeanSquaredLogarithmicError", {}, *POSITIVE),
    ("Huber", {}, *NUMBERS),
    ("Huber", {"delta": 0.3}, *SERIES),
    ("LogCosh", {}, *NUMBERS),
    ("CosineSimilarity", {}, *NUMBERS),
    ("CosineSimilarity", {"axis": 1}, *SERIES),
    ("Poisson", {}, *POSITIVE),
    ("KLDivergence", {}, SPREAD, PROBABILITIES),
    ("Hinge", {}, *SIGNS),
    ("Hinge", {}, BITS[0], NUMBERS[1]),
    ("SquaredHinge", {}, *SIGNS),
    ("CategoricalHinge", {}, ONE_HOT, NUMBERS[1]),
    ("BinaryCrossentropy", {}, *BITS),
    ("BinaryCrossentropy", {"from_logits": True}, BITS[0], LOGITS),
    ("BinaryCrossentropy", {"label_smoothing": 0.2}, *BITS),
    ("BinaryCrossentropy", {"from_logits": True, "label_smoothing": 0.2}, BITS[0], LOGITS),
    ("BinaryCrossentropy", {}, BITS[0][:, 0], BITS[1][:, :1]),
    ("BinaryCrossentropy", {}, np.array([[1.0], [0.0]]), np.array([[0.0], [1.0]], "float32")),
    ("CategoricalCrossentropy", {}, ONE_HOT, PROBABILITIES),
    ("CategoricalCrossentropy", {}, SPREAD, PROBABILITIES * 2),
    ("CategoricalCrossentropy", {"from_logits": True}, SPREAD, LOGITS),
    ("CategoricalCrossentropy", {"label_smoothing": 0.1}, ONE_HOT, PROBABILITIES),
    ("CategoricalCrossentropy", {"from_logits": True, "label_smoothing": 0.1}, ONE_HOT, LOGITS),
    ("SparseCategoricalCrossentropy", {}, LABELS, PROBABILITIES),
    ("SparseCategoricalCrossentropy", {}, LABELS[:, None].astype("float32"), PROBABILITIES),
    ("SparseCategoricalCrossentropy", {"from_logits": True}, LABELS.astype("uint8"), LOGITS),
    ("SparseCategoricalCrossentropy", {"from_logits": True}, SERIES_LABELS, SERIES_LOGITS),
    ("SparseCategoricalCrossentropy", {"from_logits": True, "ignore_class": 2}, SERIES_LABELS, SERIES_LOGITS),
]
IDS = [f"{name}-{index}" for index, (name, *_) in enumerate(CASES)]


@pytest.mark.parametrize("name, arguments, y_true, y_pred", CASES, ids=IDS)
def test_loss_equals_keras(name, arguments, y_true, y_pred):
    # log(p) of float32 probabilities near 1 keeps few digits, in either library.
    rtol, atol = 2e-5, 2e-6
    weights = np.linspace(0.5, 2.0, y_pred.shape[0]).astype("float32")
    for reduction in ("sum_over_batch_size", "mean", "sum", "none", None, "mean_with_sample_weight"):
        ours = getattr(losses, name)(reduction=reduction, **arguments)
        theirs = getattr(keras.losses, name)(reduction=reduction, **arguments)
        assert_close(ours(y_true, y_pred), theirs(y_true, y_pred), rtol, atol)
        if y_pred.ndim == 2:
            assert_close(
                ours(y_true, y_pred, sample_weight=weights),
                theirs(y_true, y_pred, sample_weight=weights),
                rtol,
                atol,
            )


@pytest.mark.parametrize("name, arguments, y_true, y_pred", CASES, ids=IDS)
def test_configuration_round_trip(name, arguments, y_true, y_pred):
    loss = getattr(losses, name)(reduction="sum", **arguments)
    again = losses.deserialize(losses.serialize(loss))
    assert type(again) is type(loss) and again.get_config() == loss.get_config()
    assert float(again(y_true, y_pred)) == float(loss(y_true, y_pred))


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
@pytest.mark.parametrize(
    "loss, y_true",
    [
        ("binary_crossentropy", ONE_HOT),
        ("categorical_crossentropy", ONE_HOT),
        ("sparse_categorical_crossentropy", LABELS),
    ],
)
def test_loss_of_an_activation_equals_keras(activation, loss, y_true):
    # Recorded together, a cross-entropy is computed from the logits of its own activation, and only of that.
    @operation
    def ours(logits):
        return getattr(losses, loss)(y_true, getattr(ops, activation)(logits))

    probabilities = getattr(keras.ops, activation)(LOGITS)
    assert_close(ours(LOGITS), getattr(keras.losses, loss)(y_true, probabilities), 2e-5, 2e-6)


def test_a_saturated_activation_keeps_its_loss_finite_and_its_slope():
    @operation
    def loss(logits):
        return losses.categorical_crossentropy([[1.0, 0.0]], ops.softmax(logits))

    # Computed from the probabilities, it would be cut off at -log(1e-7) = 16.1.
    assert_close(loss([[0.0, 50.0]]), [50.0])


def test_weights_of_time_steps_and_of_samples():
    y_true, y_pred = SERIES
    steps = random.uniform(0.5, 2.0, (3, 5)).astype("float32")
    loss, oracle = losses.MeanSquaredError(), keras.losses.MeanSquaredError()
    assert_close(loss(y_true, y_pred, steps), oracle(y_true, y_pred, steps))
    # One weight a sample weighs all steps of the sample; Keras would need it repeated.
    samples = np.array([1.0, 2.0, 0.0], "float32")
    repeated = np.repeat(samples[:, None], 5, axis=1)
    assert_close(loss(y_true, y_pred, samples), oracle(y_true, y_pred, repeated))
    with pytest.raises(ValueError, match=r"sample_weight.shape=\(4,\)"):
        loss(y_true, y_pred, np.ones(4, "float32"))


def test_masks_leave_steps_out_as_in_keras():
    y_true, y_pred = SERIES
    mask = np.array([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1], [1, 0, 0, 0, 0]], bool)
    weights = np.array([1.0, 2.0, 3.0], "float32")
    for reduction in ("sum_over_batch_size", "sum", "mean_with_sample_weight"):
        for weight in (None, np.repeat(weights[:, None], 5, axis=1)):

            @operation
            def ours(y_pred, reduction=reduction, weight=weight):
                y_pred = ops.convert_to_tensor(y_pred)
                y_pred._keras_mask = ops.convert_to_tensor(mask)
                return losses.MeanSquaredError(reduction)(y_true, y_pred, weight)

            masked = keras.ops.convert_to_tensor(y_pred)
            masked._keras_mask = keras.ops.convert_to_tensor(mask)
            assert_close(ours(y_pred), keras.losses.MeanSquaredError(reduction)(y_true, masked, weight))


@pytest.mark.parametrize(
    "name, alias",
    [
        ("mean_squared_error", "mse"),
        ("mean_squared_error", "MSE"),
        ("mean_absolute_error", "mae"),
        ("mean_absolute_percentage_error", "MAPE"),
        ("mean_squared_logarithmic_error", "msle"),
        ("binary_crossentropy", "bce"),
        ("kl_divergence", "kld"),
        ("sparse_categorical_crossentropy", "sparse_categorical_crossentropy"),
    ],
)
def test_names(name, alias):
    assert losses.get(alias) is getattr(losses, name)


def test_get():
    assert isinstance(losses.get("Huber"), losses.Huber)
    assert isinstance(losses.get(losses.Huber), losses.Huber)
    assert losses.get(None) is None
    given = losses.Huber()
    assert losses.get(given) is given
    assert losses.get({"class_name": "Huber", "config": {"delta": 2.0}}).arguments == {"delta": 2.0}

    def custom(y_true, y_pred):
        return ops.mean(ops.abs(y_true - y_pred) ** 3, axis=-1)

    assert losses.get(custom) is custom
    wrapped = losses.LossFunctionWrapper(custom)
    assert wrapped.name == "custom"
    assert_close(wrapped(*NUMBERS), np.mean(np.abs(NUMBERS[0] - NUMBERS[1]) ** 3))
    with pytest.raises(ValueError, match="Did you mean 'mse'.*Received: loss='mze'"):
        losses.get("mze")
    with pytest.raises(ValueError, match="Received: 3"):
        losses.get(3)


@pytest.mark.parametrize(
    "loss, y_true, y_pred",
    [
        ("mse", (8, 1), (8, 3)),
        ("mse", (8, 3), (8, 1)),
        ("mae", (3,), (8, 3)),
        ("binary_crossentropy", (8,), (8, 3)),
        ("categorical_crossentropy", (8,), (8, 3)),
        ("sparse_categorical_crossentropy", (8, 3), (8, 3)),
        ("sparse_categorical_crossentropy", (7,), (8, 3)),
    ],
)
def test_targets_of_another_shape_are_an_error(loss, y_true, y_pred):
    function = losses.LossFunctionWrapper(losses.get(loss))
    with pytest.raises(ValueError) as error:
        function(np.ones(y_true, "float32"), np.ones(y_pred, "float32"))
    assert str(y_pred) in str(error.value) and "y_true.shape=" in str(error.value)


@pytest.mark.parametrize("label, shown", [(7, "7"), (-1, "-1"), (float("nan"), "NaN"), (1.5, "1.5")])
def test_labels_out_of_range_are_an_error(label, shown):
    for from_logits in (True, False):
        with pytest.raises(ValueError, match=shown):
            losses.SparseCategoricalCrossentropy(from_logits=from_logits)([label], [[0.2, 0.3, 0.5]])


# A target that is out of its domain, and one at its edge that is not.
DOMAINS = [
    ("binary_crossentropy", 255.0, 1.0),
    ("binary_crossentropy", -1.0, 0.0),
    ("binary_crossentropy", np.nan, 0.5),
    ("binary_crossentropy", 2, 1),
    ("binary_crossentropy", 1.2, 1.05),  # the labels of a GAN, with noise
    ("categorical_crossentropy", 2.0, 1.0),
    ("categorical_crossentropy", -1.0, 0.0),
    ("categorical_crossentropy", np.nan, 0.5),
    ("kl_divergence", 1.5, 1.0),
    ("kl_divergence", np.nan, 0.0),
    ("hinge", 2.0, -1.0),
    ("squared_hinge", -3.0, 1.0),
    ("categorical_hinge", 2.0, -1.0),
    ("poisson", -1.0, 1000.0),
    ("poisson", -1.0, np.nan),
    ("sparse_categorical_crossentropy", 0.5, 1.0),
    ("sparse_categorical_crossentropy", np.inf, 0.0),
    ("sparse_categorical_crossentropy", 1e10, 0),
]


@pytest.mark.parametrize("name, bad, good", DOMAINS, ids=[f"{n}-{b}" for n, b, _ in DOMAINS])
def test_targets_out_of_their_domain_are_an_error(name, bad, good):
    prediction = [[0.25, 0.75]]
    smoothed = {"label_smoothing": 0.9} if name in ("binary_crossentropy", "categorical_crossentropy") else {}
    for arguments in ({}, smoothed, {"from_logits": True} if smoothed else {}):
        loss = losses.LossFunctionWrapper(losses.get(name), **arguments)
        targets = [
            [bad] if name.startswith("sparse") else [0, bad],
            [good] if name.startswith("sparse") else [0, good],
        ]
        loss([targets[1]], prediction)
        with pytest.raises(ValueError, match=f"targets of {name}.*Received: "):
            loss([targets[0]], prediction)


def test_a_loss_of_numbers_takes_any():
    for name in ("mean_squared_error", "mean_absolute_error", "huber", "log_cosh"):
        assert np.isnan(float(losses.LossFunctionWrapper(losses.get(name))([[np.nan]], [[0.0]])))


def test_bad_arguments():
    with pytest.raises(ValueError, match="reduction='average'"):
        losses.MeanSquaredError(reduction="average")
    with pytest.raises(ValueError, match="label_smoothing=2"):
        losses.CategoricalCrossentropy(label_smoothing=2)
    with pytest.raises(ValueError, match="delta=0"):
        losses.Huber(delta=0)
