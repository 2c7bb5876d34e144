"""Losses between numbers. Each function returns one loss for each sample: the last axis is reduced."""

from __future__ import annotations

import math
from typing import Any

from rustnet import config, ops
from rustnet.core.operation import operation
from rustnet.losses.loss import LossFunctionWrapper, same_shape
from rustnet.ops.crossentropy import checked_counts

Reduction = str | None


@operation
def mean_squared_error(y_true: Any, y_pred: Any) -> Any:
    """`mean((y_true - y_pred)²)` over the last axis.

    Arguments:
        y_true, y_pred: (batch, …, n); the targets may leave out a last axis of size 1.

    Raises:
        ValueError: shapes that differ otherwise.

    Example:
        >>> mean_squared_error([[0.0, 1.0]], [[1.0, 1.0]]).numpy().tolist()
        [0.5]

    Source: https://keras.io/api/losses/regression_losses/#meansquarederror-function
    """
    y_true, y_pred = same_shape(y_true, y_pred)
    return ops.mean(ops.square(y_true - y_pred), axis=-1)


@operation
def mean_absolute_error(y_true: Any, y_pred: Any) -> Any:
    """`mean(|y_true - y_pred|)` over the last axis.

    Arguments:
        y_true, y_pred: (batch, …, n).

    Example:
        >>> mean_absolute_error([[0.0, 1.0]], [[3.0, 1.0]]).numpy().tolist()
        [1.5]

    Source: https://keras.io/api/losses/regression_losses/#meanabsoluteerror-function
    """
    y_true, y_pred = same_shape(y_true, y_pred)
    return ops.mean(ops.abs(y_true - y_pred), axis=-1)


@operation
def mean_absolute_percentage_error(y_true: Any, y_pred: Any) -> Any:
    """`100 * mean(|y_true - y_pred| / max(|y_true|, epsilon))` over the last axis, in percent.

    Arguments:
        y_true, y_pred: (batch, …, n).

    Example:
        >>> mean_absolute_percentage_error([[2.0]], [[1.0]]).numpy().tolist()
        [50.0]

    Source: https://keras.io/api/losses/regression_losses/#meanabsolutepercentageerror-function
    """
    y_true, y_pred = same_shape(y_true, y_pred)
    relative = ops.abs((y_true - y_pred) / ops.maximum(ops.abs(y_true), config.epsilon()))
    return 100.0 * ops.mean(relative, axis=-1)


@operation
def mean_squared_logarithmic_error(y_true: Any, y_pred: Any) -> Any:
    """`mean((log(1 + y_true) - log(1 + y_pred))²)` over the last axis; values below epsilon count as epsilon.

    Arguments:
        y_true, y_pred: (batch, …, n).

    Example:
        >>> mean_squared_logarithmic_error([[0.0]], [[0.0]]).numpy().tolist()
        [0.0]

    Source: https://keras.io/api/losses/regression_losses/#meansquaredlogarithmicerror-function
    """
    y_true, y_pred = same_shape(y_true, y_pred)
    true_log = ops.log(ops.maximum(y_true, config.epsilon()) + 1.0)
    pred_log = ops.log(ops.maximum(y_pred, config.epsilon()) + 1.0)
    return ops.mean(ops.square(pred_log - true_log), axis=-1)


@operation
def huber(y_true: Any, y_pred: Any, delta: float = 1.0) -> Any:
    """`mean(e²/2 where |e| <= delta, delta * |e| - delta²/2 elsewhere)` of the error `e` over the last axis.

    Arguments:
        y_true, y_pred: (batch, …, n).
        delta: where the square turns into a line, default 1.

    Example:
        >>> huber([[0.0, 0.0]], [[1.0, 3.0]]).numpy().tolist()
        [1.5]

    Source: Huber 1964, https://doi.org/10.1214/aoms/1177703732
    """
    y_true, y_pred = same_shape(y_true, y_pred)
    error = y_pred - y_true
    size = ops.abs(error)
    line = delta * size - 0.5 * delta**2
    return ops.mean(ops.where(size <= delta, 0.5 * ops.square(error), line), axis=-1)


@operation
def log_cosh(y_true: Any, y_pred: Any) -> Any:
    """`mean(log(cosh(y_pred - y_true)))` over the last axis.

    Arguments:
        y_true, y_pred: (batch, …, n).

    Example:
        >>> log_cosh([[0.0]], [[0.0]]).numpy().tolist()
        [0.0]

    Source: https://keras.io/api/losses/regression_losses/#logcosh-function
    """
    y_true, y_pred = same_shape(y_true, y_pred)
    error = y_pred - y_true
    return ops.mean(error + ops.softplus(-2.0 * error) - math.log(2.0), axis=-1)


@operation
def cosine_similarity(y_true: Any, y_pred: Any, axis: int = -1) -> Any:
    """`-sum(y_true * y_pred) / (‖y_true‖ ‖y_pred‖)`: -1 for the same direction, 1 for the opposite.

    Arguments:
        y_true, y_pred: (batch, …, n).
        axis: of the vectors, default the last.

    Example:
        >>> cosine_similarity([[0.0, 2.0]], [[0.0, 1.0]]).numpy().tolist()
        [-1.0]

    Source: https://keras.io/api/losses/regression_losses/#cosinesimilarity-function
    """
    y_true, y_pred = same_shape(y_true, y_pred)
    return -ops.sum(ops.normalize(y_true, axis) * ops.normalize(y_pred, axis), axis=axis)


@operation
def poisson(y_true: Any, y_pred: Any) -> Any:
    """`mean(y_pred - y_true * log(y_pred))` over the last axis: the deviance of counts, up to a constant.

    Arguments:
        y_true, y_pred: (batch, …, n), both 0 or more.

    Raises:
        ValueError: shapes that differ; when it is run, a negative target.

    Example:
        >>> poisson([[1.0]], [[1.0]]).numpy().round(4)
        array([1.], dtype=float32)

    Source: https://keras.io/api/losses/probabilistic_losses/#poisson-function
    """
    y_true, y_pred = same_shape(y_true, y_pred)
    y_true = checked_counts(y_true, "poisson")
    return ops.mean(y_pred - y_true * ops.log(y_pred + config.epsilon()), axis=-1)


class MeanSquaredError(LossFunctionWrapper):
    """The class form of `mean_squared_error`.

    Arguments:
        reduction, name, dtype: see `Loss`.

    Example:
        >>> float(MeanSquaredError()([[0.0, 1.0]], [[1.0, 1.0]]))
        0.5

    Source: https://keras.io/api/losses/regression_losses/#meansquarederror-class
    """

    def __init__(
        self,
        reduction: Reduction = "sum_over_batch_size",
        name: str = "mean_squared_error",
        dtype: str | None = None,
    ) -> None:
        super().__init__(mean_squared_error, reduction, name, dtype)


class MeanAbsoluteError(LossFunctionWrapper):
    """The class form of `mean_absolute_error`.

    Arguments:
        reduction, name, dtype: see `Loss`.

    Example:
        >>> float(MeanAbsoluteError()([[0.0, 1.0]], [[3.0, 1.0]]))
        1.5

    Source: https://keras.io/api/losses/regression_losses/#meanabsoluteerror-class
    """

    def __init__(
        self,
        reduction: Reduction = "sum_over_batch_size",
        name: str = "mean_absolute_error",
        dtype: str | None = None,
    ) -> None:
        super().__init__(mean_absolute_error, reduction, name, dtype)


class MeanAbsolutePercentageError(LossFunctionWrapper):
    """The class form of `mean_absolute_percentage_error`.

    Arguments:
        reduction, name, dtype: see `Loss`.

    Example:
        >>> float(MeanAbsolutePercentageError()([[2.0]], [[1.0]]))
        50.0

    Source: https://keras.io/api/losses/regression_losses/#meanabsolutepercentageerror-class
    """

    def __init__(
        self,
        reduction: Reduction = "sum_over_batch_size",
        name: str = "mean_absolute_percentage_error",
        dtype: str | None = None,
    ) -> None:
        super().__init__(mean_absolute_percentage_error, reduction, name, dtype)


class MeanSquaredLogarithmicError(LossFunctionWrapper):
    """The class form of `mean_squared_logarithmic_error`.

    Arguments:
        reduction, name, dtype: see `Loss`.

    Example:
        >>> float(MeanSquaredLogarithmicError()([[0.0]], [[0.0]]))
        0.0

    Source: https://keras.io/api/losses/regression_losses/#meansquaredlogarithmicerror-class
    """

    def __init__(
        self,
        reduction: Reduction = "sum_over_batch_size",
        name: str = "mean_squared_logarithmic_error",
        dtype: str | None = None,
    ) -> None:
        super().__init__(mean_squared_logarithmic_error, reduction, name, dtype)


class Huber(LossFunctionWrapper):
    """The class form of `huber`.

    Arguments:
        delta: where the square turns into a line, above 0, default 1.
        reduction, name, dtype: see `Loss`.

    Example:
        >>> float(Huber()([[0.0, 0.0]], [[1.0, 3.0]]))
        1.5

    Source: https://keras.io/api/losses/regression_losses/#huber-class
    """

    def __init__(
        self,
        delta: float = 1.0,
        reduction: Reduction = "sum_over_batch_size",
        name: str = "huber_loss",
        dtype: str | None = None,
    ) -> None:
        if not delta > 0:
            raise ValueError(f"expected delta to be above 0. Received: delta={delta!r}")
        super().__init__(huber, reduction, name, dtype, delta=delta)


class LogCosh(LossFunctionWrapper):
    """The class form of `log_cosh`.

    Arguments:
        reduction, name, dtype: see `Loss`.

    Example:
        >>> float(LogCosh()([[0.0]], [[0.0]]))
        0.0

    Source: https://keras.io/api/losses/regression_losses/#logcosh-class
    """

    def __init__(
        self,
        reduction: Reduction = "sum_over_batch_size",
        name: str = "log_cosh",
        dtype: str | None = None,
    ) -> None:
        super().__init__(log_cosh, reduction, name, dtype)


class CosineSimilarity(LossFunctionWrapper):
    """The class form of `cosine_similarity`.

    Arguments:
        axis: of the vectors, default the last.
        reduction, name, dtype: see `Loss`.

    Example:
        >>> float(CosineSimilarity()([[0.0, 2.0]], [[0.0, 1.0]]))
        -1.0

    Source: https://keras.io/api/losses/regression_losses/#cosinesimilarity-class
    """

    def __init__(
        self,
        axis: int = -1,
        reduction: Reduction = "sum_over_batch_size",
        name: str = "cosine_similarity",
        dtype: str | None = None,
    ) -> None:
        super().__init__(cosine_similarity, reduction, name, dtype, axis=axis)


class Poisson(LossFunctionWrapper):
    """The class form of `poisson`.

    Arguments:
        reduction, name, dtype: see `Loss`.

    Example:
        >>> round(float(Poisson()([[1.0]], [[1.0]])), 4)
        1.0

    Source: https://keras.io/api/losses/probabilistic_losses/#poisson-class
    """

    def __init__(
        self,
        reduction: Reduction = "sum_over_batch_size",
        name: str = "poisson",
        dtype: str | None = None,
    ) -> None:
        super().__init__(poisson, reduction, name, dtype)
