"""The area under a curve of a binary classifier, approximated at fixed thresholds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from rustnet import config, ops
from rustnet.metrics.confusion import checked_count, checked_thresholds, counts, decisions
from rustnet.metrics.metric import SUMS, Metric

# More would tell a float32 prediction apart from its neighbours, and cost a second to write down.
_MOST_THRESHOLDS = 1 << 20


class AUC(Metric):
    """The area under the ROC curve (recall over false positive rate) or the PR curve (precision over recall).

    Counts are kept at each threshold; the area is a Riemann sum over the intervals between them.

    Arguments:
        num_thresholds: evenly spaced over [0, 1], 2 to 2²⁰, default 200.
        curve: `"ROC"` (default) or `"PR"`.
        summation_method: `"interpolation"` (default; the mean of both ends, for PR the formula of Davis and
            Goadrich), `"minoring"` or `"majoring"` (the smaller or larger end).
        name, dtype: see `Metric`.
        thresholds: further than 0 and 1, in place of `num_thresholds`; default none.
        multi_label: True to average over the areas of the columns of (batch, labels); default False: all
            elements are one list.
        num_labels: the number of columns with `multi_label`, default found at the first update.
        label_weights: (labels,), the weight of each column.
        from_logits: whether the sigmoid of the predictions is meant, default False.

    Raises:
        ValueError: an argument outside the lists above.

    Example:
        >>> metric = AUC(num_thresholds=3)
        >>> metric.update_state([0, 0, 1, 1], [0.0, 0.5, 0.3, 0.9])
        >>> float(metric.result())
        0.75

    Source: Davis and Goadrich 2006, https://doi.org/10.1145/1143844.1143874;
        https://keras.io/api/metrics/classification_metrics/#auc-class
    """

    _direction = "up"

    def __init__(
        self,
        num_thresholds: int = 200,
        curve: str = "ROC",
        summation_method: str = "interpolation",
        name: str | None = None,
        dtype: str | None = None,
        thresholds: Sequence[float] | None = None,
        multi_label: bool = False,
        num_labels: int | None = None,
        label_weights: Any = None,
        from_logits: bool = False,
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        if curve not in ("ROC", "PR", "roc", "pr"):
            raise ValueError(f"expected curve to be 'ROC' or 'PR'. Received: curve={curve!r}")
        if summation_method.lower() not in ("interpolation", "minoring", "majoring"):
            raise ValueError(
                "expected summation_method to be 'interpolation', 'minoring' or 'majoring'. "
                f"Received: summation_method={summation_method!r}"
            )
        if thresholds is None:
            checked_count("num_thresholds", num_thresholds, least=2, most=_MOST_THRESHOLDS)
        if num_labels is not None:
            checked_count("num_labels", num_labels)
        if num_labels is not None and not multi_label:
            raise ValueError(
                f"expected multi_label=True beside num_labels. Received: num_labels={num_labels!r}"
            )
        self.given_thresholds = None if thresholds is None else sorted(checked_thresholds(thresholds))
        inner = self.given_thresholds
        if inner is None:
            inner = [index / (num_thresholds - 1) for index in range(1, num_thresholds - 1)]
        self.num_thresholds = len(inner) + 2
        # The outermost lie beyond 0 and 1, so that every prediction is above the first and below the last.
        self.thresholds = [-config.epsilon(), *inner, 1.0 + config.epsilon()]
        steps = np.arange(self.num_thresholds) / (self.num_thresholds - 1)
        self.evenly_spaced = bool(np.allclose(self.thresholds, steps, atol=config.epsilon()))
        self.curve = curve.upper()
        self.summation_method = summation_method.lower()
        self.multi_label = multi_label
        self.num_labels = num_labels
        self.label_weights = None if label_weights is None else np.asarray(label_weights, SUMS)
        self.from_logits = from_logits
        self.built = False
        if num_labels is not None or not multi_label:
            self._build(num_labels or 1)

    def _build(self, labels: int) -> None:
        # (thresholds, labels) each, without the last axis where there is one list only
        shape = (self.num_thresholds, labels) if self.multi_label else (self.num_thresholds,)
        self.true_positives = self._add_sums(shape, "true_positives")
        self.false_positives = self._add_sums(shape, "false_positives")
        self.true_negatives = self._add_sums(shape, "true_negatives")
        self.false_negatives = self._add_sums(shape, "false_negatives")
        self.built = True

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        y_pred = ops.cast(y_pred, self.dtype)
        if self.from_logits:
            y_pred = ops.sigmoid(y_pred)
        positive, negative, y_pred = decisions(y_true, y_pred, sample_weight, self.dtype)
        if self.multi_label:
            if len(y_pred.shape) != 2:
                raise ValueError(
                    "multi_label=True expected predictions of shape (batch, labels). "
                    f"Received: y_pred.shape={tuple(y_pred.shape)}"
                )
            if not self.built:
                self._build(y_pred.shape[1])
        elif self.label_weights is not None:
            positive, negative = positive * self.label_weights, negative * self.label_weights
        true, false = self._positives(positive, negative, y_pred)
        axis = 0 if self.multi_label else None
        positives, negatives = ops.sum(positive, axis=axis), ops.sum(negative, axis=axis)
        self.true_positives.assign_add(true)
        self.false_positives.assign_add(false)
        self.true_negatives.assign_add(negatives - false)
        self.false_negatives.assign_add(positives - true)

    def _positives(self, positive: Any, negative: Any, y_pred: Any) -> tuple[Any, Any]:
        """True and false positives, (thresholds,) or (thresholds, labels)."""
        if not self.evenly_spaced:
            if not self.multi_label:
                return counts(positive, negative, y_pred, self.thresholds)
            columns = [
                counts(positive[:, label], negative[:, label], y_pred[:, label], self.thresholds)
                for label in range(y_pred.shape[1])
            ]
            return ops.stack([true for true, _ in columns], 1), ops.stack([false for _, false in columns], 1)
        # Each prediction is counted once, in its interval; a sum from above then gives all thresholds.
        intervals = self.num_thresholds - 1
        interval = ops.maximum(ops.ceil(ops.clip(y_pred, 0.0, 1.0) * float(intervals)) - 1.0, 0.0)
        interval = ops.cast(interval, "int32")
        shape: tuple[int, ...] = (self.num_thresholds,)
        if self.multi_label:
            labels = y_pred.shape[1]
            interval = interval * labels + np.arange(labels, dtype="int32")
            shape = (self.num_thresholds, labels)
        interval = ops.reshape(interval, (-1,))
        true, false = (
            ops.reshape(ops.segment_sum(ops.reshape(weights, (-1,)), interval, math.prod(shape)), shape)
            for weights in (positive, negative)
        )
        return _sum_from_above(true), _sum_from_above(false)

    def result(self) -> Any:
        if not self.built:
            return ops.zeros((), self.dtype)
        tp, fp = ops.convert_to_tensor(self.true_positives), ops.convert_to_tensor(self.false_positives)
        tn, fn = ops.convert_to_tensor(self.true_negatives), ops.convert_to_tensor(self.false_negatives)
        recall = ops.divide_no_nan(tp, tp + fn)
        if self.curve == "ROC":
            areas = self._riemann(ops.divide_no_nan(fp, fp + tn), recall)
        elif self.summation_method == "interpolation":
            areas = _interpolated_precision(tp, fp, fn)
        else:
            areas = self._riemann(recall, ops.divide_no_nan(tp, tp + fp))
        area = ops.sum(areas, axis=0)
        if self.multi_label and self.label_weights is not None:
            area = ops.divide_no_nan(ops.sum(area * self.label_weights), float(self.label_weights.sum()))
        elif self.multi_label:
            area = ops.mean(area)
        return ops.cast(area, self.dtype)

    def _riemann(self, x: Any, y: Any) -> Any:
        left, right = y[:-1], y[1:]
        if self.summation_method == "interpolation":
            height = (left + right) / 2.0
        else:
            height = (ops.minimum if self.summation_method == "minoring" else ops.maximum)(left, right)
        return (x[:-1] - x[1:]) * height

    def get_config(self) -> dict[str, Any]:
        own = {
            "num_thresholds": self.num_thresholds,
            "curve": self.curve,
            "summation_method": self.summation_method,
            "thresholds": self.given_thresholds,
            "multi_label": self.multi_label,
            "num_labels": self.num_labels,
            "label_weights": None if self.label_weights is None else self.label_weights.tolist(),
            "from_logits": self.from_logits,
        }
        return {**super().get_config(), **own}


def _sum_from_above(values: Any) -> Any:
    return ops.flip(ops.cumsum(ops.flip(values, axis=0), axis=0), axis=0)


def _interpolated_precision(tp: Any, fp: Any, fn: Any) -> Any:
    """The area of each interval: between two thresholds, true positives grow linearly with all positives."""
    predicted = tp + fp
    dtp, dp = tp[:-1] - tp[1:], predicted[:-1] - predicted[1:]
    slope = ops.divide_no_nan(dtp, ops.maximum(dp, 0.0))
    intercept = tp[1:] - slope * predicted[1:]
    both = ops.logical_and(predicted[:-1] > 0.0, predicted[1:] > 0.0)
    ratio = ops.where(both, ops.divide_no_nan(predicted[:-1], ops.maximum(predicted[1:], 0.0)), 1.0)
    area = slope * (dtp + intercept * ops.log(ratio))
    return ops.divide_no_nan(area, ops.maximum(tp[1:] + fn[1:], 0.0))
