"""Margin losses, for targets -1 and 1. Each function returns one loss for each sample."""

from __future__ import annotations

from typing import Any

from rustnet import ops
from rustnet.core.operation import operation
from rustnet.losses.loss import LossFunctionWrapper, same_shape
from rustnet.ops.crossentropy import checked_targets

Reduction = str | None


@operation
def hinge(y_true: Any, y_pred: Any) -> Any:
    """`mean(max(1 - y_true * y_pred, 0))` over the last axis.

    Arguments:
        y_true: (batch, …, n), -1 or 1; targets that are all 0 or 1 are moved to -1 and 1.
        y_pred: (batch, …, n).

    Raises:
        ValueError: shapes that differ; when it is run, a target that is NaN or not between -1 and 1.

    Example:
        >>> hinge([[-1.0, 1.0]], [[0.0, 2.0]]).numpy().tolist()
        [0.5]

    Source: https://keras.io/api/losses/hinge_losses/#hinge-function
    """
    y_true, y_pred = same_shape(y_true, y_pred)
    y_true = _signs(checked_targets(y_true, "hinge", low=-1.0))
    return ops.mean(ops.maximum(1.0 - y_true * y_pred, 0.0), axis=-1)


@operation
def squared_hinge(y_true: Any, y_pred: Any) -> Any:
    """`mean(max(1 - y_true * y_pred, 0)²)` over the last axis.

    Arguments:
        y_true: (batch, …, n), -1 or 1; targets that are all 0 or 1 are moved to -1 and 1.
        y_pred: (batch, …, n).

    Raises:
        ValueError: shapes that differ; when it is run, a target that is NaN or not between -1 and 1.

    Example:
        >>> squared_hinge([[-1.0, 1.0]], [[1.0, 2.0]]).numpy().tolist()
        [2.0]

    Source: https://keras.io/api/losses/hinge_losses/#squaredhinge-function
    """
    y_true, y_pred = same_shape(y_true, y_pred)
    y_true = _signs(checked_targets(y_true, "squared_hinge", low=-1.0))
    return ops.mean(ops.square(ops.maximum(1.0 - y_true * y_pred, 0.0)), axis=-1)


@operation
def categorical_hinge(y_true: Any, y_pred: Any) -> Any:
    """`max(max((1 - y_true) * y_pred) - sum(y_true * y_pred) + 1, 0)` over the classes.

    Arguments:
        y_true: (batch, …, classes), one-hot, with 0 or -1 for the other classes.
        y_pred: (batch, …, classes).

    Raises:
        ValueError: shapes that differ; when it is run, a target that is NaN or not between -1 and 1.

    Example:
        >>> categorical_hinge([[0.0, 1.0]], [[2.0, 1.0]]).numpy().tolist()
        [2.0]

    Source: https://keras.io/api/losses/hinge_losses/#categoricalhinge-function
    """
    y_true, y_pred = same_shape(y_true, y_pred)
    y_true = checked_targets(y_true, "categorical_hinge", low=-1.0)
    positive = ops.sum(y_true * y_pred, axis=-1)
    negative = ops.max((1.0 - y_true) * y_pred, axis=-1)
    return ops.maximum(negative - positive + 1.0, 0.0)


def _signs(y_true: Any) -> Any:
    zero_or_one = ops.all(ops.logical_or(ops.equal(y_true, 0.0), ops.equal(y_true, 1.0)))
    return ops.where(zero_or_one, 2.0 * y_true - 1.0, y_true)


class Hinge(LossFunctionWrapper):
    """The class form of `hinge`.

    Arguments:
        reduction, name, dtype: see `Loss`.

    Example:
        >>> float(Hinge()([[-1.0, 1.0]], [[0.0, 2.0]]))
        0.5

    Source: https://keras.io/api/losses/hinge_losses/#hinge-class
    """

    def __init__(
        self, reduction: Reduction = "sum_over_batch_size", name: str = "hinge", dtype: str | None = None
    ) -> None:
        super().__init__(hinge, reduction, name, dtype)


class SquaredHinge(LossFunctionWrapper):
    """The class form of `squared_hinge`.

    Arguments:
        reduction, name, dtype: see `Loss`.

    Example:
        >>> float(SquaredHinge()([[-1.0, 1.0]], [[1.0, 2.0]]))
        2.0

    Source: https://keras.io/api/losses/hinge_losses/#squaredhinge-class
    """

    def __init__(
        self,
        reduction: Reduction = "sum_over_batch_size",
        name: str = "squared_hinge",
        dtype: str | None = None,
    ) -> None:
        super().__init__(squared_hinge, reduction, name, dtype)


class CategoricalHinge(LossFunctionWrapper):
    """The class form of `categorical_hinge`.

    Arguments:
        reduction, name, dtype: see `Loss`.

    Example:
        >>> float(CategoricalHinge()([[0.0, 1.0]], [[2.0, 1.0]]))
        2.0

    Source: https://keras.io/api/losses/hinge_losses/#categoricalhinge-class
    """

    def __init__(
        self,
        reduction: Reduction = "sum_over_batch_size",
        name: str = "categorical_hinge",
        dtype: str | None = None,
    ) -> None:
        super().__init__(categorical_hinge, reduction, name, dtype)
