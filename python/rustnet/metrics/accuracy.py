"""How often predictions equal targets. Each function returns 0 or 1 for each sample."""

from __future__ import annotations

from typing import Any

from rustnet import config, ops
from rustnet.core.operation import operation
from rustnet.losses.loss import same_shape
from rustnet.metrics.confusion import checked_count
from rustnet.metrics.reduction import MeanMetricWrapper
from rustnet.ops.crossentropy import checked_known, checked_labels


@operation
def accuracy(y_true: Any, y_pred: Any) -> Any:
    """1 where `y_true == y_pred`.

    Arguments:
        y_true, y_pred: (batch, …).

    Example:
        >>> accuracy([1.0, 2.0], [1.0, 3.0]).numpy().tolist()
        [1.0, 0.0]

    Source: https://keras.io/api/metrics/accuracy_metrics/
    """
    y_true, y_pred = same_shape(y_true, y_pred)
    return _matches(y_true, y_pred)


@operation
def binary_accuracy(y_true: Any, y_pred: Any, threshold: float = 0.5) -> Any:
    """1 where `y_true == (y_pred > threshold)`.

    Arguments:
        y_true: (batch, …), 0 or 1; a last axis of size 1 may be left out.
        y_pred: (batch, …).
        threshold: default 0.5.

    Example:
        >>> binary_accuracy([1.0, 1.0], [0.7, 0.3]).numpy().tolist()
        [1.0, 0.0]

    Source: https://keras.io/api/metrics/accuracy_metrics/#binaryaccuracy-class
    """
    y_true, y_pred = same_shape(y_true, y_pred)
    y_true = checked_known(y_true, "binary_accuracy")
    return _matches(y_true, ops.cast(y_pred > threshold, y_true.dtype))


@operation
def categorical_accuracy(y_true: Any, y_pred: Any) -> Any:
    """1 where the largest of the targets and the largest of the predictions are at the same class.

    Arguments:
        y_true: (batch, …, classes), one-hot or probabilities.
        y_pred: (batch, …, classes).

    Example:
        >>> categorical_accuracy([[0.0, 1.0]], [[0.3, 0.7]]).numpy().tolist()
        [1.0]

    Source: https://keras.io/api/metrics/accuracy_metrics/#categoricalaccuracy-class
    """
    y_true, y_pred = same_shape(y_true, y_pred)
    y_true = checked_known(y_true, "categorical_accuracy")
    return _matches(ops.argmax(y_true, axis=-1), ops.argmax(y_pred, axis=-1))


@operation
def sparse_categorical_accuracy(y_true: Any, y_pred: Any) -> Any:
    """1 where the largest prediction is at the target's class; the first of equals is the largest.

    Arguments:
        y_true: (batch, …) or (batch, …, 1), class indices.
        y_pred: (batch, …, classes).

    Example:
        >>> sparse_categorical_accuracy([1, 0], [[0.3, 0.7], [0.4, 0.6]]).numpy().tolist()
        [1.0, 0.0]

    Source: https://keras.io/api/metrics/accuracy_metrics/#sparsecategoricalaccuracy-class
    """
    labels, y_pred = _labels(y_true, y_pred, "sparse_categorical_accuracy")
    return _matches(labels, ops.argmax(y_pred, axis=-1))


@operation
def top_k_categorical_accuracy(y_true: Any, y_pred: Any, k: int = 5) -> Any:
    """1 where the class of the largest target is among the `k` largest predictions.

    Arguments:
        y_true: (batch, …, classes), one-hot or probabilities.
        y_pred: (batch, …, classes).
        k: default 5.

    Example:
        >>> top_k_categorical_accuracy([[0.0, 1.0, 0.0]], [[0.2, 0.3, 0.5]], k=2).numpy().tolist()
        [1.0]

    Source: https://keras.io/api/metrics/accuracy_metrics/#topkcategoricalaccuracy-class
    """
    y_true, y_pred = same_shape(y_true, y_pred)
    y_true = checked_known(y_true, "top_k_categorical_accuracy")
    return _among_largest(ops.argmax(y_true, axis=-1), y_pred, k)


@operation
def sparse_top_k_categorical_accuracy(
    y_true: Any, y_pred: Any, k: int = 5, from_sorted_ids: bool = False
) -> Any:
    """1 where the target's class is among the `k` largest predictions.

    Arguments:
        y_true: (batch, …) or (batch, …, 1), class indices.
        y_pred: (batch, …, classes).
        k: default 5.
        from_sorted_ids: whether the predictions are class indices, the likeliest first; default False.

    Example:
        >>> sparse_top_k_categorical_accuracy([1], [[0.2, 0.3, 0.5]], k=2).numpy().tolist()
        [1.0]

    Source: https://keras.io/api/metrics/accuracy_metrics/#sparsetopkcategoricalaccuracy-class
    """
    labels, y_pred = _labels(y_true, y_pred, "sparse_top_k_categorical_accuracy")
    if from_sorted_ids:
        ids = y_pred[..., : checked_count("k", k)]
        found = ops.any(ops.equal(ids, ops.expand_dims(ops.cast(labels, ids.dtype), -1)), axis=-1)
        return ops.cast(found, config.floatx())
    return _among_largest(labels, y_pred, k)


def _labels(y_true: Any, y_pred: Any, of: str) -> tuple[Any, Any]:
    y_true, y_pred = ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred)
    if len(y_true.shape) == len(y_pred.shape) and y_true.shape[-1] == 1:
        y_true = ops.squeeze(y_true, -1)
    if tuple(y_true.shape) != tuple(y_pred.shape[:-1]):
        raise ValueError(
            "expected one class index for each row of predictions. "
            f"Received: y_true.shape={tuple(y_true.shape)}, y_pred.shape={tuple(y_pred.shape)}"
        )
    return checked_labels(y_true, of), y_pred


def _among_largest(labels: Any, y_pred: Any, k: int) -> Any:
    # As many or more than k larger ones push the label's class out. Counting them needs no sorting. A label
    # that is no class is never among them, nor is a prediction that is NaN.
    is_class = ops.logical_and(labels >= 0, labels < y_pred.shape[-1])
    own = ops.take_along_axis(y_pred, ops.expand_dims(ops.where(is_class, labels, 0), -1), axis=-1)
    larger = ops.sum(ops.cast(ops.logical_not(y_pred <= own), "int32"), axis=-1)
    return ops.cast(ops.logical_and(is_class, larger < checked_count("k", k)), config.floatx())


def _matches(y_true: Any, y_pred: Any) -> Any:
    return ops.cast(ops.equal(y_true, y_pred), config.floatx())


class Accuracy(MeanMetricWrapper):
    """The mean of `accuracy`: how often predictions equal targets exactly.

    Arguments:
        name, dtype: see `Metric`.

    Example:
        >>> metric = Accuracy(); metric.update_state([1.0, 2.0], [1.0, 3.0]); float(metric.result())
        0.5

    Source: https://keras.io/api/metrics/accuracy_metrics/#accuracy-class
    """

    _direction = "up"

    def __init__(self, name: str = "accuracy", dtype: str | None = None) -> None:
        super().__init__(accuracy, name, dtype)


class BinaryAccuracy(MeanMetricWrapper):
    """The mean of `binary_accuracy`.

    Arguments:
        name, dtype: see `Metric`.
        threshold: default 0.5.

    Example:
        >>> metric = BinaryAccuracy(); metric.update_state([1.0, 1.0], [0.7, 0.3]); float(metric.result())
        0.5

    Source: https://keras.io/api/metrics/accuracy_metrics/#binaryaccuracy-class
    """

    _direction = "up"

    def __init__(
        self, name: str = "binary_accuracy", dtype: str | None = None, threshold: float = 0.5
    ) -> None:
        super().__init__(binary_accuracy, name, dtype, threshold=threshold)


class CategoricalAccuracy(MeanMetricWrapper):
    """The mean of `categorical_accuracy`.

    Arguments:
        name, dtype: see `Metric`.

    Example:
        >>> metric = CategoricalAccuracy(); metric.update_state([[0, 1]], [[0.3, 0.7]])
        >>> float(metric.result())
        1.0

    Source: https://keras.io/api/metrics/accuracy_metrics/#categoricalaccuracy-class
    """

    _direction = "up"

    def __init__(self, name: str = "categorical_accuracy", dtype: str | None = None) -> None:
        super().__init__(categorical_accuracy, name, dtype)


class SparseCategoricalAccuracy(MeanMetricWrapper):
    """The mean of `sparse_categorical_accuracy`.

    Arguments:
        name, dtype: see `Metric`.

    Example:
        >>> metric = SparseCategoricalAccuracy(); metric.update_state([1], [[0.3, 0.7]])
        >>> float(metric.result())
        1.0

    Source: https://keras.io/api/metrics/accuracy_metrics/#sparsecategoricalaccuracy-class
    """

    _direction = "up"

    def __init__(self, name: str = "sparse_categorical_accuracy", dtype: str | None = None) -> None:
        super().__init__(sparse_categorical_accuracy, name, dtype)


class TopKCategoricalAccuracy(MeanMetricWrapper):
    """The mean of `top_k_categorical_accuracy`.

    Arguments:
        k: default 5.
        name, dtype: see `Metric`.

    Example:
        >>> metric = TopKCategoricalAccuracy(k=1)
        >>> metric.update_state([[0, 1]], [[0.3, 0.7]]); float(metric.result())
        1.0

    Source: https://keras.io/api/metrics/accuracy_metrics/#topkcategoricalaccuracy-class
    """

    _direction = "up"

    def __init__(
        self, k: int = 5, name: str = "top_k_categorical_accuracy", dtype: str | None = None
    ) -> None:
        super().__init__(top_k_categorical_accuracy, name, dtype, k=checked_count("k", k))


class SparseTopKCategoricalAccuracy(MeanMetricWrapper):
    """The mean of `sparse_top_k_categorical_accuracy`.

    Arguments:
        k: default 5.
        name, dtype: see `Metric`.

    Example:
        >>> metric = SparseTopKCategoricalAccuracy(k=1)
        >>> metric.update_state([1], [[0.3, 0.7]]); float(metric.result())
        1.0

    Source: https://keras.io/api/metrics/accuracy_metrics/#sparsetopkcategoricalaccuracy-class
    """

    _direction = "up"

    def __init__(
        self,
        k: int = 5,
        name: str = "sparse_top_k_categorical_accuracy",
        dtype: str | None = None,
        from_sorted_ids: bool = False,
    ) -> None:
        super().__init__(
            sparse_top_k_categorical_accuracy,
            name,
            dtype,
            k=checked_count("k", k),
            from_sorted_ids=from_sorted_ids,
        )
