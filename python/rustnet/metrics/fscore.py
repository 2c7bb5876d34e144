"""The F-score: the harmonic mean of precision and recall."""

from __future__ import annotations

from typing import Any

from rustnet import config, ops
from rustnet.losses.loss import same_shape, weighted
from rustnet.metrics.metric import SUMS, Metric
from rustnet.ops.crossentropy import checked_targets


class FBetaScore(Metric):
    """`(1 + β²) * precision * recall / (β² * precision + recall)` of each class.

    Arguments:
        average: None (default) for one score a class; `"micro"` for the score of all classes' counts
            together; `"macro"` for the mean over the classes; `"weighted"` for their mean weighted by how
            often they occur.
        beta: the weight of recall, above 0, default 1.
        threshold: above which a prediction is positive, in (0, 1]; default None: the largest of each sample.
        name, dtype: see `Metric`.

    Raises:
        ValueError: an argument outside the lists above; targets or predictions that are not (batch, classes).

    Example:
        >>> metric = FBetaScore(average="macro")
        >>> metric.update_state([[1, 0], [0, 1]], [[0.9, 0.1], [0.2, 0.8]])
        >>> round(float(metric.result()), 4)
        1.0

    Source: https://keras.io/api/metrics/classification_metrics/#fbetascore-class
    """

    _direction = "up"

    def __init__(
        self,
        average: str | None = None,
        beta: float = 1.0,
        threshold: float | None = None,
        name: str = "fbeta_score",
        dtype: str | None = None,
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        if average not in (None, "micro", "macro", "weighted"):
            raise ValueError(
                f"expected average to be None, 'micro', 'macro' or 'weighted'. Received: average={average!r}"
            )
        if not beta > 0:
            raise ValueError(f"expected beta to be above 0. Received: beta={beta!r}")
        if threshold is not None and not 0 < threshold <= 1:
            raise ValueError(f"expected threshold to be in (0, 1] or None. Received: threshold={threshold!r}")
        self.average = average
        self.beta = beta
        self.threshold = threshold
        self.built = False

    def _build(self, classes: int) -> None:
        shape = () if self.average == "micro" else (classes,)
        self.true_positives = self._add_sums(shape, "true_positives")
        self.false_positives = self._add_sums(shape, "false_positives")
        self.false_negatives = self._add_sums(shape, "false_negatives")
        self.built = True

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        y_true, y_pred = same_shape(ops.cast(y_true, self.dtype), ops.cast(y_pred, self.dtype))
        if len(y_pred.shape) != 2:
            raise ValueError(
                f"{type(self).__name__} expected targets and predictions of shape (batch, classes). "
                f"Received: y_true.shape={tuple(y_true.shape)}, y_pred.shape={tuple(y_pred.shape)}"
            )
        if not self.built:
            self._build(y_pred.shape[1])
        if self.threshold is None:
            largest = ops.max(y_pred, axis=-1, keepdims=True)
            positive = ops.logical_and(y_pred >= largest, ops.abs(y_pred) > 1e-9)
        else:
            positive = y_pred > self.threshold
        y_true = ops.cast(checked_targets(y_true, self.name), SUMS)
        positive = ops.cast(positive, SUMS)
        axis = None if self.average == "micro" else 0
        for variable, value in (
            (self.true_positives, positive * y_true),
            (self.false_positives, positive * (1.0 - y_true)),
            (self.false_negatives, (1.0 - positive) * y_true),
        ):
            if sample_weight is not None:
                value, _ = weighted(value, ops.convert_to_tensor(sample_weight))
            variable.assign_add(ops.sum(value, axis=axis))

    def result(self) -> Any:
        if not self.built:
            return ops.zeros((), self.dtype)
        tp = ops.convert_to_tensor(self.true_positives)
        epsilon = config.epsilon()
        precision = tp / (tp + self.false_positives + epsilon)
        recall = tp / (tp + self.false_negatives + epsilon)
        square = self.beta**2
        score = (1.0 + square) * (precision * recall / (square * precision + recall + epsilon))
        if self.average == "weighted":
            occurrences = tp + self.false_negatives
            score = ops.sum(score * (occurrences / (ops.sum(occurrences) + epsilon)))
        elif self.average is not None:
            score = ops.mean(score)
        return ops.cast(score, self.dtype)

    def get_config(self) -> dict[str, Any]:
        own = {"average": self.average, "beta": self.beta, "threshold": self.threshold}
        return {**super().get_config(), **own}


class F1Score(FBetaScore):
    """`2 * precision * recall / (precision + recall)` of each class: `FBetaScore` with beta 1.

    Arguments:
        average, threshold, name, dtype: see `FBetaScore`.

    Example:
        >>> metric = F1Score(average="micro")
        >>> metric.update_state([[1, 0], [0, 1]], [[0.9, 0.1], [0.2, 0.8]])
        >>> round(float(metric.result()), 4)
        1.0

    Source: https://keras.io/api/metrics/classification_metrics/#f1score-class
    """

    def __init__(
        self,
        average: str | None = None,
        threshold: float | None = None,
        name: str = "f1_score",
        dtype: str | None = None,
    ) -> None:
        super().__init__(average, 1.0, threshold, name, dtype)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["beta"]
        return config
