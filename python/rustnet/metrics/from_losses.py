"""Loss functions as metrics: the mean over all samples, without weights changing in between."""

from __future__ import annotations

from typing import Any

from rustnet import losses, ops
from rustnet.losses.loss import same_shape, weighted
from rustnet.metrics.confusion import checked_count
from rustnet.metrics.metric import SUMS, Metric
from rustnet.metrics.reduction import Mean, MeanMetricWrapper


class MeanSquaredError(MeanMetricWrapper):
    """The mean of `losses.mean_squared_error` over all samples.

    Arguments:
        name, dtype: see `Metric`.

    Example:
        >>> metric = MeanSquaredError(); metric.update_state([[0.0, 1.0]], [[1.0, 1.0]])
        >>> float(metric.result())
        0.5

    Source: https://keras.io/api/metrics/regression_metrics/#meansquarederror-class
    """

    def __init__(self, name: str = "mean_squared_error", dtype: str | None = None) -> None:
        super().__init__(losses.mean_squared_error, name, dtype)


class MeanAbsoluteError(MeanMetricWrapper):
    """The mean of `losses.mean_absolute_error` over all samples.

    Arguments:
        name, dtype: see `Metric`.

    Example:
        >>> metric = MeanAbsoluteError(); metric.update_state([[0.0, 1.0]], [[3.0, 1.0]])
        >>> float(metric.result())
        1.5

    Source: https://keras.io/api/metrics/regression_metrics/#meanabsoluteerror-class
    """

    def __init__(self, name: str = "mean_absolute_error", dtype: str | None = None) -> None:
        super().__init__(losses.mean_absolute_error, name, dtype)


class MeanAbsolutePercentageError(MeanMetricWrapper):
    """The mean of `losses.mean_absolute_percentage_error` over all samples.

    Arguments:
        name, dtype: see `Metric`.

    Example:
        >>> metric = MeanAbsolutePercentageError(); metric.update_state([[2.0]], [[1.0]])
        >>> float(metric.result())
        50.0

    Source: https://keras.io/api/metrics/regression_metrics/#meanabsolutepercentageerror-class
    """

    def __init__(self, name: str = "mean_absolute_percentage_error", dtype: str | None = None) -> None:
        super().__init__(losses.mean_absolute_percentage_error, name, dtype)


class MeanSquaredLogarithmicError(MeanMetricWrapper):
    """The mean of `losses.mean_squared_logarithmic_error` over all samples.

    Arguments:
        name, dtype: see `Metric`.

    Example:
        >>> metric = MeanSquaredLogarithmicError(); metric.update_state([[0.0]], [[0.0]])
        >>> float(metric.result())
        0.0

    Source: https://keras.io/api/metrics/regression_metrics/#meansquaredlogarithmicerror-class
    """

    def __init__(self, name: str = "mean_squared_logarithmic_error", dtype: str | None = None) -> None:
        super().__init__(losses.mean_squared_logarithmic_error, name, dtype)


class LogCoshError(MeanMetricWrapper):
    """The mean of `losses.log_cosh` over all samples.

    Arguments:
        name, dtype: see `Metric`.

    Example:
        >>> metric = LogCoshError(); metric.update_state([[0.0]], [[0.0]]); float(metric.result())
        0.0

    Source: https://keras.io/api/metrics/regression_metrics/#logcosherror-class
    """

    def __init__(self, name: str = "logcosh", dtype: str | None = None) -> None:
        super().__init__(losses.log_cosh, name, dtype)


class RootMeanSquaredError(Mean):
    """`sqrt(mean((y_true - y_pred)²))` over all elements.

    Arguments:
        name, dtype: see `Metric`.

    Example:
        >>> metric = RootMeanSquaredError(); metric.update_state([[0.0]], [[2.0]]); float(metric.result())
        2.0

    Source: https://keras.io/api/metrics/regression_metrics/#rootmeansquarederror-class
    """

    _direction = "down"

    def __init__(self, name: str = "root_mean_squared_error", dtype: str | None = None) -> None:
        super().__init__(name, dtype)

    def update_state(  # type: ignore[override]
        self, y_true: Any, y_pred: Any, sample_weight: Any = None
    ) -> None:
        y_true, y_pred = same_shape(y_true, ops.cast(y_pred, self.dtype))
        super().update_state(ops.square(y_pred - y_true), sample_weight)

    def result(self) -> Any:
        return ops.sqrt(super().result())


class CosineSimilarity(MeanMetricWrapper):
    """The mean of the cosine of the angle between target and prediction: 1 for the same direction.

    The loss of this name has the opposite sign.

    Arguments:
        name, dtype: see `Metric`.
        axis: of the vectors, default the last.

    Example:
        >>> metric = CosineSimilarity(); metric.update_state([[0.0, 2.0]], [[0.0, 1.0]])
        >>> float(metric.result())
        1.0

    Source: https://keras.io/api/metrics/regression_metrics/#cosinesimilarity-class
    """

    _direction = "up"

    def __init__(self, name: str = "cosine_similarity", dtype: str | None = None, axis: int = -1) -> None:
        super().__init__(_cosine, name, dtype, axis=axis)


def _cosine(y_true: Any, y_pred: Any, axis: int = -1) -> Any:
    return -losses.cosine_similarity(y_true, y_pred, axis)


class R2Score(Metric):
    """`1 - sum((y_true - y_pred)²) / sum((y_true - mean(y_true))²)`: the share of the variance explained.

    Arguments:
        class_aggregation: over the outputs, `"uniform_average"` (default), `"variance_weighted_average"` or
            None for one score an output.
        num_regressors: the number k of variables that the model explains the n target values by; above 0, the
            score is adjusted to `1 - (1 - score) * (n - 1) / (n - k - 1)` (where n > k + 1). Default 0.
        name, dtype: see `Metric`.

    Raises:
        ValueError: another aggregation; targets or predictions that are not (batch, outputs).

    Example:
        >>> metric = R2Score(); metric.update_state([[1.0], [3.0]], [[1.0], [3.0]]); float(metric.result())
        1.0

    Source: https://keras.io/api/metrics/regression_metrics/#r2score-class
    """

    _direction = "up"

    def __init__(
        self,
        class_aggregation: str | None = "uniform_average",
        num_regressors: int = 0,
        name: str = "r2_score",
        dtype: str | None = None,
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        if class_aggregation not in (None, "uniform_average", "variance_weighted_average"):
            raise ValueError(
                "expected class_aggregation to be 'uniform_average', 'variance_weighted_average' or None. "
                f"Received: class_aggregation={class_aggregation!r}"
            )
        self.class_aggregation = class_aggregation
        self.num_regressors = checked_count("num_regressors", num_regressors, least=0)
        self.samples = self._add_sums((), "num_samples")
        self.built = False

    def _build(self, outputs: int) -> None:
        self.squares = self._add_sums((outputs,), "squared_sum")
        self.total = self._add_sums((outputs,), "sum")
        self.residual = self._add_sums((outputs,), "residual")
        self.count = self._add_sums((outputs,), "count")
        self.built = True

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        y_true, y_pred = same_shape(y_true, ops.cast(y_pred, self.dtype))
        if len(y_pred.shape) != 2:
            raise ValueError(
                "R2Score expected targets and predictions of shape (batch, outputs). "
                f"Received: y_true.shape={tuple(y_true.shape)}, y_pred.shape={tuple(y_pred.shape)}"
            )
        if not self.built:
            self._build(y_pred.shape[1])
        weight = ops.ones(y_true.shape, SUMS)
        if sample_weight is not None:
            weight, _ = weighted(weight, ops.convert_to_tensor(sample_weight))
        y_true, y_pred = ops.cast(y_true, SUMS), ops.cast(y_pred, SUMS)
        self.squares.assign_add(ops.sum(weight * ops.square(y_true), axis=0))
        self.total.assign_add(ops.sum(weight * y_true, axis=0))
        self.residual.assign_add(ops.sum(weight * ops.square(y_true - y_pred), axis=0))
        self.count.assign_add(ops.sum(weight, axis=0))
        self.samples.assign_add(float(y_pred.size))

    def result(self) -> Any:
        if not self.built:
            return ops.zeros((), self.dtype)
        mean = ops.divide_no_nan(self.total, self.count)
        variance = self.squares - self.total * mean
        score = ops.where(variance > 0.0, 1.0 - ops.divide_no_nan(self.residual, variance), 0.0)
        if self.class_aggregation == "uniform_average":
            score = ops.mean(score)
        elif self.class_aggregation == "variance_weighted_average":
            score = ops.divide_no_nan(ops.sum(score * variance), ops.sum(variance))
        if self.num_regressors:
            free = self.samples - float(self.num_regressors) - 1.0
            adjusted = 1.0 - (1.0 - score) * (self.samples - 1.0) / ops.where(free > 0.0, free, 1.0)
            score = ops.where(free > 0.0, adjusted, score)
        return ops.cast(score, self.dtype)

    def get_config(self) -> dict[str, Any]:
        own = {"class_aggregation": self.class_aggregation, "num_regressors": self.num_regressors}
        return {**super().get_config(), **own}


class BinaryCrossentropy(MeanMetricWrapper):
    """The mean of `losses.binary_crossentropy` over all samples.

    Arguments:
        name, dtype: see `Metric`.
        from_logits, label_smoothing: see `losses.binary_crossentropy`.

    Example:
        >>> metric = BinaryCrossentropy(); metric.update_state([[0, 1]], [[0.5, 0.5]])
        >>> round(float(metric.result()), 4)
        0.6931

    Source: https://keras.io/api/metrics/probabilistic_metrics/#binarycrossentropy-class
    """

    def __init__(
        self,
        name: str = "binary_crossentropy",
        dtype: str | None = None,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(
            losses.binary_crossentropy, name, dtype, from_logits=from_logits, label_smoothing=label_smoothing
        )


class CategoricalCrossentropy(MeanMetricWrapper):
    """The mean of `losses.categorical_crossentropy` over all samples.

    Arguments:
        name, dtype: see `Metric`.
        from_logits, label_smoothing, axis: see `losses.categorical_crossentropy`.

    Example:
        >>> metric = CategoricalCrossentropy(); metric.update_state([[0, 1]], [[0.5, 0.5]])
        >>> round(float(metric.result()), 4)
        0.6931

    Source: https://keras.io/api/metrics/probabilistic_metrics/#categoricalcrossentropy-class
    """

    def __init__(
        self,
        name: str = "categorical_crossentropy",
        dtype: str | None = None,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
    ) -> None:
        super().__init__(
            losses.categorical_crossentropy,
            name,
            dtype,
            from_logits=from_logits,
            label_smoothing=label_smoothing,
            axis=axis,
        )


class SparseCategoricalCrossentropy(MeanMetricWrapper):
    """The mean of `losses.sparse_categorical_crossentropy` over all samples.

    Arguments:
        name, dtype: see `Metric`.
        from_logits, ignore_class, axis: see `losses.sparse_categorical_crossentropy`.

    Example:
        >>> metric = SparseCategoricalCrossentropy(); metric.update_state([1], [[0.5, 0.5]])
        >>> round(float(metric.result()), 4)
        0.6931

    Source: https://keras.io/api/metrics/probabilistic_metrics/#sparsecategoricalcrossentropy-class
    """

    def __init__(
        self,
        name: str = "sparse_categorical_crossentropy",
        dtype: str | None = None,
        from_logits: bool = False,
        ignore_class: int | None = None,
        axis: int = -1,
    ) -> None:
        super().__init__(
            losses.sparse_categorical_crossentropy,
            name,
            dtype,
            from_logits=from_logits,
            ignore_class=ignore_class,
            axis=axis,
        )


class KLDivergence(MeanMetricWrapper):
    """The mean of `losses.kl_divergence` over all samples.

    Arguments:
        name, dtype: see `Metric`.

    Example:
        >>> metric = KLDivergence(); metric.update_state([[0.5, 0.5]], [[0.5, 0.5]]); float(metric.result())
        0.0

    Source: https://keras.io/api/metrics/probabilistic_metrics/#kldivergence-class
    """

    def __init__(self, name: str = "kl_divergence", dtype: str | None = None) -> None:
        super().__init__(losses.kl_divergence, name, dtype)


class Poisson(MeanMetricWrapper):
    """The mean of `losses.poisson` over all samples.

    Arguments:
        name, dtype: see `Metric`.

    Example:
        >>> metric = Poisson(); metric.update_state([[0.0]], [[1.0]]); float(metric.result())
        1.0

    Source: https://keras.io/api/metrics/probabilistic_metrics/#poisson-class
    """

    def __init__(self, name: str = "poisson", dtype: str | None = None) -> None:
        super().__init__(losses.poisson, name, dtype)


class Hinge(MeanMetricWrapper):
    """The mean of `losses.hinge` over all samples.

    Arguments:
        name, dtype: see `Metric`.

    Example:
        >>> metric = Hinge(); metric.update_state([[-1.0, 1.0]], [[0.0, 2.0]]); float(metric.result())
        0.5

    Source: https://keras.io/api/metrics/hinge_metrics/#hinge-class
    """

    def __init__(self, name: str = "hinge", dtype: str | None = None) -> None:
        super().__init__(losses.hinge, name, dtype)


class SquaredHinge(MeanMetricWrapper):
    """The mean of `losses.squared_hinge` over all samples.

    Arguments:
        name, dtype: see `Metric`.

    Example:
        >>> metric = SquaredHinge(); metric.update_state([[-1.0, 1.0]], [[1.0, 2.0]]); float(metric.result())
        2.0

    Source: https://keras.io/api/metrics/hinge_metrics/#squaredhinge-class
    """

    def __init__(self, name: str = "squared_hinge", dtype: str | None = None) -> None:
        super().__init__(losses.squared_hinge, name, dtype)


class CategoricalHinge(MeanMetricWrapper):
    """The mean of `losses.categorical_hinge` over all samples.

    Arguments:
        name, dtype: see `Metric`.

    Example:
        >>> metric = CategoricalHinge(); metric.update_state([[0.0, 1.0]], [[2.0, 1.0]])
        >>> float(metric.result())
        2.0

    Source: https://keras.io/api/metrics/hinge_metrics/#categoricalhinge-class
    """

    def __init__(self, name: str = "categorical_hinge", dtype: str | None = None) -> None:
        super().__init__(losses.categorical_hinge, name, dtype)
