"""Metrics against Keras: the result after each of several updates, with and without weights."""

from __future__ import annotations

import numpy as np
import pytest

from oracle import assert_close, keras
from rustnet import losses, metrics, ops
from rustnet.core.operation import operation

random = np.random.default_rng(1)
BATCHES, SIZE = 3, 16


def batches(make):
    return [make() for _ in range(BATCHES)]


def numbers():
    return random.normal(size=(SIZE, 3)).astype("float32"), random.normal(size=(SIZE, 3)).astype("float32")


def positive():
    return random.uniform(0.1, 3, (SIZE, 3)).astype("float32"), random.uniform(0.1, 3, (SIZE, 3)).astype(
        "float32"
    )


def integers():
    return random.integers(0, 3, (SIZE, 3)).astype("float32"), random.integers(0, 3, (SIZE, 3)).astype(
        "float32"
    )


def bits():
    return random.integers(0, 2, (SIZE, 1)), random.uniform(0, 1, (SIZE, 1)).astype("float32")


def bit_list():
    return random.integers(0, 2, SIZE), random.uniform(0, 1, (SIZE, 1)).astype("float32")


def multi_bits():
    return random.integers(0, 2, (SIZE, 3)), random.uniform(0, 1, (SIZE, 3)).astype("float32")


def one_hot():
    probabilities = random.dirichlet(np.ones(5), SIZE).astype("float32")
    return np.eye(5, dtype="float32")[random.integers(0, 5, SIZE)], probabilities


def labels():
    targets, probabilities = one_hot()
    return targets.argmax(-1), probabilities


def column_labels():
    targets, probabilities = labels()
    return targets[:, None], probabilities


def step_labels():
    return random.integers(0, 5, (SIZE, 4)), random.dirichlet(np.ones(5), (SIZE, 4)).astype("float32")


def ties():
    return random.integers(0, 4, SIZE), random.integers(0, 3, (SIZE, 4)).astype("float32")


def signs():
    return random.choice([-1.0, 1.0], (SIZE, 3)).astype("float32"), random.normal(size=(SIZE, 3)).astype(
        "float32"
    )


def logits():
    return random.integers(0, 2, (SIZE, 1)), random.normal(size=(SIZE, 1)).astype("float32")


CASES = [
    ("Accuracy", {}, integers),
    ("BinaryAccuracy", {}, bits),
    ("BinaryAccuracy", {"threshold": 0.3}, bit_list),
    ("BinaryAccuracy", {}, multi_bits),
    ("CategoricalAccuracy", {}, one_hot),
    ("SparseCategoricalAccuracy", {}, labels),
    ("SparseCategoricalAccuracy", {}, column_labels),
    ("SparseCategoricalAccuracy", {}, step_labels),
    ("SparseCategoricalAccuracy", {}, ties),
    ("TopKCategoricalAccuracy", {"k": 2}, one_hot),
    ("SparseTopKCategoricalAccuracy", {"k": 3}, labels),
    ("SparseTopKCategoricalAccuracy", {"k": 2}, ties),
    ("MeanSquaredError", {}, numbers),
    ("MeanAbsoluteError", {}, numbers),
    ("MeanAbsolutePercentageError", {}, numbers),
    ("MeanSquaredLogarithmicError", {}, positive),
    ("RootMeanSquaredError", {}, numbers),
    ("LogCoshError", {}, numbers),
    ("CosineSimilarity", {}, numbers),
    ("R2Score", {}, numbers),
    ("R2Score", {"class_aggregation": None}, numbers),
    ("R2Score", {"num_regressors": 2}, numbers),
    ("R2Score", {"class_aggregation": "variance_weighted_average"}, numbers),
    ("BinaryCrossentropy", {}, bits),
    ("BinaryCrossentropy", {"from_logits": True, "label_smoothing": 0.1}, logits),
    ("CategoricalCrossentropy", {}, one_hot),
    ("SparseCategoricalCrossentropy", {}, labels),
    ("KLDivergence", {}, one_hot),
    ("Poisson", {}, positive),
    ("Hinge", {}, signs),
    ("SquaredHinge", {}, signs),
    ("CategoricalHinge", {}, one_hot),
    ("TruePositives", {}, bits),
    ("FalsePositives", {"thresholds": [0.2, 0.7]}, bits),
    ("TrueNegatives", {}, bit_list),
    ("FalseNegatives", {"thresholds": [0.2, 0.7]}, multi_bits),
    ("Precision", {}, bits),
    ("Precision", {"thresholds": [0.1, 0.5, 0.8]}, bits),
    ("Precision", {"top_k": 2}, one_hot),
    ("Precision", {"class_id": 1}, one_hot),
    ("Recall", {}, bit_list),
    ("Recall", {"thresholds": 0.3}, multi_bits),
    ("Recall", {"top_k": 2, "class_id": 1}, one_hot),
    ("AUC", {}, bits),
    ("AUC", {}, bit_list),
    ("AUC", {"curve": "PR"}, bits),
    ("AUC", {"curve": "PR", "summation_method": "majoring"}, bits),
    ("AUC", {"summation_method": "minoring", "num_thresholds": 20}, bits),
    ("AUC", {"thresholds": [0.2, 0.3, 0.9]}, bits),
    ("AUC", {"multi_label": True}, multi_bits),
    (
        "AUC",
        {"multi_label": True, "curve": "PR", "num_labels": 3, "label_weights": [1.0, 2.0, 3.0]},
        multi_bits,
    ),
    ("AUC", {"multi_label": True, "thresholds": [0.2, 0.3, 0.9]}, multi_bits),
    ("AUC", {"from_logits": True}, logits),
    ("FBetaScore", {"beta": 2.0}, one_hot),
    ("FBetaScore", {"average": "weighted", "threshold": 0.3}, one_hot),
    ("F1Score", {"average": "micro"}, one_hot),
    ("F1Score", {"average": "macro"}, one_hot),
]
IDS = [f"{name}-{index}" for index, (name, *_) in enumerate(CASES)]


@pytest.mark.parametrize("name, arguments, make", CASES, ids=IDS)
def test_metric_equals_keras(name, arguments, make):
    ours, theirs = getattr(metrics, name)(**arguments), getattr(keras.metrics, name)(**arguments)
    data = batches(make)
    rtol, atol = 2e-5, 2e-6
    for y_true, y_pred in data:
        ours.update_state(y_true, y_pred)
        theirs.update_state(y_true, y_pred)
        assert_close(ours.result(), theirs.result(), rtol, atol)
    ours.reset_state()
    theirs.reset_state()
    # Keras's AUC multiplies the weights of samples with those of labels in the wrong shape.
    if name == "AUC" and arguments.get("multi_label"):
        return
    for y_true, y_pred in data:
        weights = random.uniform(0.5, 2.0, SIZE).astype("float32")
        ours.update_state(y_true, y_pred, sample_weight=weights)
        theirs.update_state(y_true, y_pred, sample_weight=weights)
    assert_close(ours.result(), theirs.result(), rtol, atol)


@pytest.mark.parametrize("name, arguments, make", CASES, ids=IDS)
def test_configuration_round_trip(name, arguments, make):
    metric = getattr(metrics, name)(**arguments)
    again = metrics.deserialize(metrics.serialize(metric))
    assert type(again) is type(metric)
    if name != "AUC" or "thresholds" not in arguments:
        assert again.get_config() == metric.get_config()
    y_true, y_pred = make()
    assert_close(again(y_true, y_pred), metric(y_true, y_pred))


# A batch that adds 1 to the state called so, which float32 would not add to 2²⁴.
COUNTS = [
    ("TruePositives", {}, ([1.0], [1.0]), "count"),
    ("FalsePositives", {"thresholds": [0.2, 0.7]}, ([0.0], [1.0]), "count"),
    ("TrueNegatives", {}, ([0.0], [0.0]), "count"),
    ("FalseNegatives", {}, ([1.0], [0.0]), "count"),
    ("Precision", {}, ([1.0], [1.0]), "true_positives"),
    ("Recall", {"thresholds": [0.2, 0.7]}, ([1.0], [0.0]), "errors"),
    ("AUC", {}, ([1.0], [0.5]), "true_positives"),
    ("AUC", {"thresholds": [0.1, 0.2]}, ([0.0], [0.5]), "false_positives"),
    ("F1Score", {}, ([[1.0, 1.0]], [[1.0, 1.0]]), "true_positives"),
    ("R2Score", {}, ([[1.0]], [[1.0]]), "count"),
    ("Sum", {}, ([1.0],), "total"),
    ("Sum", {}, ([1],), "total"),
    ("Mean", {}, ([1.0],), "count"),
    ("BinaryAccuracy", {}, ([1.0], [1.0]), "count"),
    ("MeanSquaredError", {}, ([[0.0]], [[1.0]]), "total"),
    ("RootMeanSquaredError", {}, ([[0.0]], [[1.0]]), "total"),
]


@pytest.mark.parametrize(
    "name, arguments, batch, state", COUNTS, ids=[f"{n}-{i}" for i, (n, *_) in enumerate(COUNTS)]
)
def test_sums_and_counts_stay_exact(name, arguments, batch, state):
    metric = getattr(metrics, name)(**arguments)
    metric.update_state(*batch)
    variable = getattr(metric, state)
    # What a batch adds to an element is 0 or 1.
    added = variable.numpy()
    assert added.max() == 1.0 and set(np.ravel(added)) <= {0.0, 1.0}
    for start in (2.0**24, 2.0**31):
        variable.assign(np.full(variable.shape, start))
        for _ in range(5):
            metric.update_state(*batch)
        np.testing.assert_array_equal(variable.numpy(), start + 5 * added)


@pytest.mark.parametrize("name", ["Sum", "TruePositives", "AUC"])
def test_one_large_batch_is_counted_exactly(name):
    metric, ones = getattr(metrics, name)(), np.ones((1 << 24) + 5, "float32")
    metric.update_state(ones) if name == "Sum" else metric.update_state(ones, ones)
    assert int(np.max(metric.variables[0].numpy())) == (1 << 24) + 5
    if name != "AUC":
        assert int(metric.result()) == (1 << 24) + 5


def test_the_state_of_several_labels_is_that_of_keras():
    ours, theirs = metrics.AUC(multi_label=True), keras.metrics.AUC(multi_label=True)
    y_true, y_pred = multi_bits()
    ours.update_state(y_true, y_pred)
    theirs.update_state(y_true, y_pred)
    assert len(ours.variables) == len(theirs.variables)
    for variable, expected in zip(ours.variables, theirs.variables, strict=True):
        assert_close(variable.numpy(), expected)


def test_labels_that_are_no_class_are_never_predicted():
    predictions = [[0.1, 0.2, 0.7]] * 4
    for name, arguments in [("SparseCategoricalAccuracy", {}), ("SparseTopKCategoricalAccuracy", {"k": 3})]:
        metric = getattr(metrics, name)(**arguments)
        metric.update_state([2, -1, 3, 2], predictions)
        assert float(metric.result()) == 0.5
    metric = metrics.SparseTopKCategoricalAccuracy(k=1)
    metric.update_state([0], [[np.nan, 0.2, 0.7]])
    assert float(metric.result()) == 0.0


@pytest.mark.parametrize(
    "name, y_true, shown",
    [
        ("BinaryAccuracy", [np.nan], "NaN"),
        ("CategoricalAccuracy", [[0.0, np.nan]], "NaN"),
        ("SparseCategoricalAccuracy", [np.nan], "NaN"),
        ("SparseCategoricalAccuracy", [0.5], "0.5"),
        ("TopKCategoricalAccuracy", [[0.0, np.nan]], "NaN"),
        ("SparseTopKCategoricalAccuracy", [0.5], "0.5"),
        ("Precision", [np.nan], "NaN"),
        ("TrueNegatives", [np.nan], "NaN"),
        ("AUC", [np.nan], "NaN"),
        ("F1Score", [[2.0, 0.0]], "2"),
        ("BinaryCrossentropy", [255.0], "255"),
    ],
)
def test_targets_that_are_no_classes_are_an_error(name, y_true, shown):
    matrix = np.ndim(y_true) == 2 or name.startswith("Sparse")
    metric = getattr(metrics, name)()
    with pytest.raises(ValueError, match=f"Received: {shown} at position"):
        metric.update_state(y_true, [[0.5, 0.5]] if matrix else [0.5])
    assert all(not variable.numpy().any() for variable in metric.variables)


@pytest.mark.parametrize("name", ["Mean", "Sum"])
def test_reductions_equal_keras(name):
    ours, theirs = getattr(metrics, name)(), getattr(keras.metrics, name)()
    for values, weights in [
        (np.float32(3.0), None),
        (np.array([1.0, 2.0, 4.0], "float32"), None),
        (np.array([1.0, 2.0, 4.0], "float32"), np.array([1.0, 0.0, 2.0], "float32")),
        (random.normal(size=(4, 3, 2)).astype("float32"), None),
        (random.normal(size=(4, 3, 2)).astype("float32"), random.uniform(size=4).astype("float32")),
        (random.normal(size=(4, 3)).astype("float32"), random.uniform(size=(4, 3)).astype("float32")),
    ]:
        ours.update_state(values, sample_weight=weights)
        theirs.update_state(values, sample_weight=weights)
        assert_close(ours.result(), theirs.result())
    ours.reset_state()
    assert float(ours.result()) == 0.0


def test_every_public_class_has_a_case():
    base = {"Metric", "MeanMetricWrapper", "Mean", "Sum"}
    classes = {name for name in metrics.__all__ if isinstance(getattr(metrics, name), type)}
    assert classes - base == {name for name, *_ in CASES}


def test_directions_equal_keras():
    for name in {name for name, *_ in CASES}:
        ours, theirs = getattr(metrics, name)(), getattr(keras.metrics, name)()
        assert getattr(ours, "_direction", None) == getattr(theirs, "_direction", None), name


@pytest.mark.parametrize(
    "y_true, y_pred, name",
    [
        ((8,), (8, 1), "BinaryAccuracy"),
        ((8, 1), (8, 1), "BinaryAccuracy"),
        ((8, 5, 1), (8, 5, 1), "BinaryAccuracy"),
        ((8,), (8, 3), "SparseCategoricalAccuracy"),
        ((8, 1), (8, 3), "SparseCategoricalAccuracy"),
        ((None, 5), (None, 5, 3), "SparseCategoricalAccuracy"),
        ((8, 3), (8, 3), "CategoricalAccuracy"),
    ],
)
def test_accuracy_is_resolved_by_shapes(y_true, y_pred, name):
    assert metrics.resolve_accuracy(y_true, y_pred).__name__ == name
    crossentropy = metrics.resolve_crossentropy(y_true, y_pred).__name__
    assert crossentropy == name.replace("Accuracy", "Crossentropy")


def test_get():
    assert isinstance(metrics.get("mae"), metrics.MeanAbsoluteError)
    assert isinstance(metrics.get("mean_absolute_error"), metrics.MeanAbsoluteError)
    assert isinstance(metrics.get("AUC"), metrics.AUC)
    assert isinstance(metrics.get("auc"), metrics.AUC)
    assert metrics.get(metrics.binary_accuracy) is metrics.binary_accuracy
    with pytest.raises(ValueError, match="Did you mean .*Received: metric='acuracy'"):
        metrics.get("acuracy")


@pytest.mark.parametrize(
    "name, make", [("SparseCategoricalAccuracy", step_labels), ("MeanSquaredError", None)]
)
def test_masks_leave_steps_out_as_in_keras(name, make):
    y_true, y_pred = make() if make else (random.normal(size=(SIZE, 4, 2)), random.normal(size=(SIZE, 4, 2)))
    y_pred = y_pred.astype("float32")
    mask = random.integers(0, 2, (SIZE, 4)).astype(bool)
    for weight in (None, random.uniform(0.5, 2.0, SIZE).astype("float32")):
        ours, theirs = getattr(metrics, name)(), getattr(keras.metrics, name)()

        @operation
        def update(y_pred, metric=ours, weight=weight):
            y_pred = ops.convert_to_tensor(y_pred)
            y_pred._keras_mask = ops.convert_to_tensor(mask)
            metric.update_state(y_true, y_pred, sample_weight=weight)

        update(y_pred)
        masked = keras.ops.convert_to_tensor(y_pred)
        masked._keras_mask = keras.ops.convert_to_tensor(mask)
        if weight is not None:
            # Keras needs the weights of samples repeated for their steps.
            weight = np.repeat(weight[:, None], 4, axis=1)
        theirs.update_state(y_true, masked, sample_weight=weight)
        assert_close(ours.result(), theirs.result(), 2e-5, 2e-6)


def test_custom_metrics():
    class Pair(metrics.Metric):
        def __init__(self):
            super().__init__(name="pair")
            self.low = self.add_weight(name="low", initializer="zeros")
            self.mean = metrics.Mean()

        def update_state(self, y_true, y_pred, sample_weight=None):
            self.low.assign(ops.minimum(self.low, ops.min(y_pred)))
            self.mean.update_state(y_pred)

        def result(self):
            return {"low": self.low, "mean": self.mean.result()}

    pair = Pair()
    pair.update_state([0.0], [-2.0])
    pair.update_state([0.0], [4.0])
    assert {name: float(value) for name, value in pair.result().items()} == {"low": -2.0, "mean": 1.0}
    assert len(pair.variables) == 3
    pair.reset_state()
    assert float(pair.result()["low"]) == 0.0 and float(pair.result()["mean"]) == 0.0

    wrapped = metrics.MeanMetricWrapper(losses.Huber(), name="huber")
    wrapped.update_state([[0.0]], [[3.0]])
    assert float(wrapped.result()) == 2.5 and wrapped._direction == "down"


def test_variables_are_those_of_now():
    metric = metrics.Mean()
    assert len(metric.variables) == 2
    metric.variables.clear()
    third = metric.add_variable(initializer="ones")
    metric.parts = []
    assert [*metric.variables] == [metric.total, metric.count, third]
    metric.parts.append(metrics.Sum())
    assert len(metric.variables) == 4
    metric.reset_state()
    assert float(third) == 0.0
    del metric.parts
    metric.extra = metrics.Mean().total
    assert len(metric.variables) == 4
    del metric.extra
    assert len(metric.variables) == 3
    metric.parts = {"sum": metrics.Sum(), "largest": metrics.Mean()}
    assert len(metric.variables) == 6


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: metrics.Precision(thresholds=1.5), "thresholds=1.5"),
        (lambda: metrics.AUC(num_thresholds=1), "num_thresholds=1"),
        (lambda: metrics.AUC(num_thresholds=2**31), "num_thresholds=2147483648"),
        (lambda: metrics.AUC(num_thresholds=200.0), "num_thresholds=200.0"),
        (lambda: metrics.AUC(multi_label=True, num_labels=0), "num_labels=0"),
        (lambda: metrics.Precision(top_k=0), "top_k=0"),
        (lambda: metrics.Recall(class_id=-1), "class_id=-1"),
        (lambda: metrics.TopKCategoricalAccuracy(k=0), "k=0"),
        (lambda: metrics.R2Score(num_regressors=-1), "num_regressors=-1"),
        (lambda: metrics.AUC(curve="ABC"), "curve='ABC'"),
        (lambda: metrics.F1Score(average="all"), "average='all'"),
        (lambda: metrics.MeanSquaredError().update_state(np.ones((4, 1)), np.ones((4, 3))), r"\(4, 1\)"),
        (lambda: metrics.SparseCategoricalAccuracy().update_state(np.ones(4), np.ones((5, 3))), r"\(5, 3\)"),
        (
            lambda: metrics.MeanSquaredError().update_state(np.ones((4, 1)), np.ones((4, 1)), np.ones(3)),
            r"sample_weight.shape=\(3,\)",
        ),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()
