"""Metrics made of the four counts of a binary decision: true and false, positives and negatives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rustnet import ops
from rustnet.losses.loss import same_shape, weighted
from rustnet.metrics.metric import SUMS, Metric
from rustnet.ops.crossentropy import checked_known

Thresholds = float | Sequence[float] | None

# Below any prediction: with `top_k` and no threshold, everything among the k largest is positive.
LOWEST = -1e10


def checked_thresholds(thresholds: Thresholds, default: float = 0.5) -> list[float]:
    """A list of thresholds in [0, 1]; ValueError otherwise."""
    if thresholds is None:
        return [default]
    values = np.ravel(np.asarray(thresholds, dtype=object)).tolist()
    if not values or any(not _is_number(value) or not 0 <= value <= 1 for value in values):
        raise ValueError(f"expected thresholds to be between 0 and 1. Received: thresholds={thresholds!r}")
    return [float(value) for value in values]


def _as_given(thresholds: Thresholds, values: list[float]) -> Thresholds:
    """The thresholds for the configuration: none, one or a list."""
    if thresholds is None:
        return None
    return values if np.ndim(thresholds) else values[0]


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, np.number)) and not isinstance(value, bool)


def checked_count(name: str, value: Any, least: int = 1, most: int = 2**31 - 1) -> int:
    """An int from `least` to `most`; ValueError otherwise."""
    if isinstance(value, bool) or not hasattr(value, "__index__") or not least <= int(value) <= most:
        raise ValueError(f"expected {name} to be an int from {least} to {most}. Received: {name}={value!r}")
    return int(value)


def decisions(
    y_true: Any,
    y_pred: Any,
    sample_weight: Any,
    dtype: str,
    top_k: int | None = None,
    class_id: int | None = None,
) -> tuple[Any, Any, Any]:
    """Weighted positive labels, weighted negative labels and predictions, each of the predictions' shape.

    Arguments:
        y_true: (batch, …), nonzero for positive.
        y_pred: (batch, …).
        sample_weight: (batch,), or the leading axes of the predictions, or None.
        top_k: only the k largest predictions of the last axis can be positive.
        class_id: only this index of the last axis counts.
    """
    y_true, y_pred = same_shape(y_true, ops.cast(y_pred, dtype))
    if top_k is not None:
        y_pred = _only_largest(y_pred, top_k)
    if class_id is not None:
        if len(y_pred.shape) < 2 or not 0 <= class_id < y_pred.shape[-1]:
            raise ValueError(
                "expected class_id to be an index of the last axis of predictions (batch, classes). "
                f"Received: class_id={class_id}, y_pred.shape={tuple(y_pred.shape)}"
            )
        y_true, y_pred = y_true[..., class_id : class_id + 1], y_pred[..., class_id : class_id + 1]
    y_true = checked_known(y_true, "a metric of classes")
    positive = ops.cast(ops.not_equal(y_true, 0.0), SUMS)
    negative = 1.0 - positive
    if sample_weight is not None:
        weight = ops.convert_to_tensor(sample_weight)
        positive, negative = weighted(positive, weight)[0], weighted(negative, weight)[0]
    return positive, negative, y_pred


def _only_largest(y_pred: Any, k: int) -> Any:
    _, indices = ops.top_k(y_pred, k)
    chosen = ops.sum(ops.one_hot(indices, y_pred.shape[-1], dtype=y_pred.dtype), axis=-2)
    return ops.where(chosen > 0.0, y_pred, LOWEST)


def counts(positive: Any, negative: Any, y_pred: Any, thresholds: Sequence[float]) -> tuple[Any, Any]:
    """True and false positives at each threshold, (thresholds,) each."""
    flat = [ops.reshape(value, (-1, 1)) for value in (positive, negative)]
    if len(thresholds) == 1:
        above = ops.reshape(ops.cast(y_pred > thresholds[0], SUMS), (-1, 1))
        return ops.sum(above * flat[0], axis=0), ops.sum(above * flat[1], axis=0)
    # above (thresholds, n) times labels (n, 1)
    levels = np.asarray(thresholds, y_pred.dtype).reshape(-1, 1)
    above = ops.cast(ops.reshape(y_pred, (1, -1)) > levels, SUMS)
    true, false = (ops.squeeze(ops.matmul(above, labels), -1) for labels in flat)
    return true, false


class _Count(Metric):
    """One of the four counts, at each threshold."""

    def __init__(
        self, thresholds: Thresholds = None, name: str | None = None, dtype: str | None = None
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        self.thresholds = checked_thresholds(thresholds)
        self.given_thresholds = _as_given(thresholds, self.thresholds)
        self.count = self._add_sums((len(self.thresholds),), "count")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        positive, negative, y_pred = decisions(y_true, y_pred, sample_weight, self.dtype)
        true, false = counts(positive, negative, y_pred, self.thresholds)
        self.count.assign_add(self.choose(true, false, ops.sum(positive), ops.sum(negative)))

    def choose(self, true: Any, false: Any, positive: Any, negative: Any) -> Any:
        """The count, from the true and false positives and the sums of the labels."""
        raise NotImplementedError

    def result(self) -> Any:
        return self.count[0] if len(self.thresholds) == 1 else self.count

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "thresholds": self.given_thresholds}


class TruePositives(_Count):
    """How many positives are predicted as such: the weighted count of `y_true and y_pred > threshold`.

    Arguments:
        thresholds: one or several, between 0 and 1, default 0.5; with several, the result is a vector.
        name, dtype: see `Metric`.

    Example:
        >>> metric = TruePositives(); metric.update_state([0, 1, 1], [0.9, 0.8, 0.2]); float(metric.result())
        1.0

    Source: https://keras.io/api/metrics/classification_metrics/#truepositives-class
    """

    def choose(self, true: Any, false: Any, positive: Any, negative: Any) -> Any:
        return true


class FalsePositives(_Count):
    """How many negatives are predicted as positives.

    Arguments:
        thresholds: one or several, between 0 and 1, default 0.5.
        name, dtype: see `Metric`.

    Example:
        >>> metric = FalsePositives(); metric.update_state([0, 1, 1], [0.9, 0.8, 0.2]); float(metric.result())
        1.0

    Source: https://keras.io/api/metrics/classification_metrics/#falsepositives-class
    """

    def choose(self, true: Any, false: Any, positive: Any, negative: Any) -> Any:
        return false


class TrueNegatives(_Count):
    """How many negatives are predicted as such.

    Arguments:
        thresholds: one or several, between 0 and 1, default 0.5.
        name, dtype: see `Metric`.

    Example:
        >>> metric = TrueNegatives(); metric.update_state([0, 1, 1], [0.9, 0.8, 0.2]); float(metric.result())
        0.0

    Source: https://keras.io/api/metrics/classification_metrics/#truenegatives-class
    """

    def choose(self, true: Any, false: Any, positive: Any, negative: Any) -> Any:
        return negative - false


class FalseNegatives(_Count):
    """How many positives are predicted as negatives.

    Arguments:
        thresholds: one or several, between 0 and 1, default 0.5.
        name, dtype: see `Metric`.

    Example:
        >>> metric = FalseNegatives(); metric.update_state([0, 1, 1], [0.9, 0.8, 0.2]); float(metric.result())
        1.0

    Source: https://keras.io/api/metrics/classification_metrics/#falsenegatives-class
    """

    def choose(self, true: Any, false: Any, positive: Any, negative: Any) -> Any:
        return positive - true


class _Ratio(Metric):
    """True positives divided by true positives and one of the two kinds of errors."""

    _direction = "up"
    error: str

    def __init__(
        self,
        thresholds: Thresholds = None,
        top_k: int | None = None,
        class_id: int | None = None,
        name: str | None = None,
        dtype: str | None = None,
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        self.thresholds = checked_thresholds(thresholds, 0.5 if top_k is None else LOWEST)
        self.given_thresholds = _as_given(thresholds, self.thresholds)
        self.top_k = None if top_k is None else checked_count("top_k", top_k)
        self.class_id = None if class_id is None else checked_count("class_id", class_id, least=0)
        self.true_positives = self._add_sums((len(self.thresholds),), "true_positives")
        self.errors = self._add_sums((len(self.thresholds),), self.error)

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        positive, negative, y_pred = decisions(
            y_true, y_pred, sample_weight, self.dtype, self.top_k, self.class_id
        )
        true, false = counts(positive, negative, y_pred, self.thresholds)
        self.true_positives.assign_add(true)
        self.errors.assign_add(false if self.error == "false_positives" else ops.sum(positive) - true)

    def result(self) -> Any:
        ratio = ops.divide_no_nan(self.true_positives, self.true_positives + self.errors)
        return ops.cast(ratio[0] if len(self.thresholds) == 1 else ratio, self.dtype)

    def get_config(self) -> dict[str, Any]:
        own = {"thresholds": self.given_thresholds, "top_k": self.top_k, "class_id": self.class_id}
        return {**super().get_config(), **own}


class Precision(_Ratio):
    """`true positives / (true positives + false positives)`; 0 where nothing is predicted as positive.

    Arguments:
        thresholds: one or several, between 0 and 1, default 0.5; with several, the result is a vector.
        top_k: only the k largest predictions of each sample can be positive; default no limit.
        class_id: the class to consider; default all.
        name, dtype: see `Metric`.

    Raises:
        ValueError: thresholds outside [0, 1], or shapes that do not fit.

    Example:
        >>> metric = Precision(); metric.update_state([0, 1, 1], [0.9, 0.8, 0.2]); float(metric.result())
        0.5

    Source: https://keras.io/api/metrics/classification_metrics/#precision-class
    """

    error = "false_positives"


class Recall(_Ratio):
    """`true positives / (true positives + false negatives)`; 0 where there are no positives.

    Arguments:
        thresholds: one or several, between 0 and 1, default 0.5; with several, the result is a vector.
        top_k: only the k largest predictions of each sample can be positive; default no limit.
        class_id: the class to consider; default all.
        name, dtype: see `Metric`.

    Raises:
        ValueError: thresholds outside [0, 1], or shapes that do not fit.

    Example:
        >>> metric = Recall(); metric.update_state([0, 1, 1], [0.9, 0.8, 0.2]); float(metric.result())
        0.5

    Source: https://keras.io/api/metrics/classification_metrics/#recall-class
    """

    error = "false_negatives"
