"""Losses between distributions over classes. Each function returns one loss for each sample."""

from __future__ import annotations

import warnings
from typing import Any

from rustnet import config, ops
from rustnet.core.convert import as_float
from rustnet.core.operation import operation
from rustnet.losses.loss import LossFunctionWrapper, same_shape
from rustnet.ops.crossentropy import checked_labels, checked_targets

Reduction = str | None


@operation
def binary_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False, label_smoothing: float = 0.0, axis: int = -1
) -> Any:
    """`-mean(y_true * log(p) + (1 - y_true) * log(1 - p))` over the last axis.

    Arguments:
        y_true: (batch, …, n), 0 or 1, or probabilities; a last axis of size 1 may be left out.
        y_pred: (batch, …, n), probabilities `p`, or logits whose sigmoid is `p`.
        from_logits: whether they are logits, default False.
        label_smoothing: `s` moves the targets to `y_true * (1 - s) + s / 2`, default 0.
        axis: the axis of the mean, default the last.

    Raises:
        ValueError: shapes that differ; when it is run, a target that is NaN or not between 0 and 1 (up to 0.1
            outside is let pass, for noisy labels).

    Example:
        >>> binary_crossentropy([[0.0, 1.0]], [[0.5, 0.5]]).numpy().round(4)
        array([0.6931], dtype=float32)

    Source: https://keras.io/api/losses/probabilistic_losses/#binarycrossentropy-function
    """
    y_true, y_pred = same_shape(y_true, y_pred)
    if label_smoothing:
        y_true = checked_targets(y_true, "binary_crossentropy")
        y_true = y_true * (1.0 - label_smoothing) + 0.5 * label_smoothing
    return ops.mean(ops.binary_crossentropy(y_true, y_pred, from_logits=from_logits), axis=axis)


@operation
def categorical_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False, label_smoothing: float = 0.0, axis: int = -1
) -> Any:
    """`-sum(y_true * log(p))` over the classes.

    Arguments:
        y_true: (batch, …, classes), one-hot or probabilities.
        y_pred: (batch, …, classes), probabilities `p` (rescaled to sum 1), or logits whose softmax is `p`.
        from_logits: whether they are logits, default False.
        label_smoothing: `s` moves the targets to `y_true * (1 - s) + s / classes`, default 0.
        axis: the axis of the classes, default the last.

    Raises:
        ValueError: shapes that differ; when it is run, a target that is NaN or not between 0 and 1 (up to 0.1
            outside is let pass, for noisy labels).

    Example:
        >>> categorical_crossentropy([[0.0, 1.0]], [[0.5, 0.5]]).numpy().round(4)
        array([0.6931], dtype=float32)

    Source: https://keras.io/api/losses/probabilistic_losses/#categoricalcrossentropy-function
    """
    hint = " Integer labels need sparse_categorical_crossentropy."
    y_true, y_pred = same_shape(y_true, y_pred, hint)
    classes = y_pred.shape[axis]
    if classes == 0:
        raise ValueError(
            "categorical_crossentropy expected one class or more. "
            f"Received: y_pred.shape={tuple(y_pred.shape)}"
        )
    if classes == 1:
        warnings.warn(
            "categorical_crossentropy of one class is always 0; two classes in one output need "
            f"binary_crossentropy. Received: y_pred.shape={tuple(y_pred.shape)}",
            SyntaxWarning,
            stacklevel=2,
        )
    if label_smoothing:
        y_true = checked_targets(y_true, "categorical_crossentropy")
        y_true = y_true * (1.0 - label_smoothing) + label_smoothing / classes
    return ops.categorical_crossentropy(y_true, y_pred, from_logits=from_logits, axis=axis)


@operation
def sparse_categorical_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False, ignore_class: int | None = None, axis: int = -1
) -> Any:
    """`-log(p[y_true])`.

    Arguments:
        y_true: (batch, …) or (batch, …, 1), class indices.
        y_pred: (batch, …, classes), probabilities `p` (rescaled to sum 1), or logits whose softmax is `p`.
        from_logits: whether they are logits, default False.
        ignore_class: an index whose samples have loss 0 and do not count, e.g. -1 for padding; default none.
        axis: the axis of the classes, default the last.

    Raises:
        ValueError: shapes that do not fit; when it is run, a label that is not the index of a class.

    Example:
        >>> sparse_categorical_crossentropy([1], [[0.5, 0.5]]).numpy().round(4)
        array([0.6931], dtype=float32)

    Source: https://keras.io/api/losses/probabilistic_losses/#sparsecategoricalcrossentropy-function
    """
    y_true, y_pred = ops.convert_to_tensor(y_true), as_float(y_pred)
    labels = list(y_pred.shape)
    del labels[axis]
    if len(y_true.shape) == len(y_pred.shape) and y_true.shape[axis] == 1:
        y_true = ops.squeeze(y_true, axis)
    if list(y_true.shape) != labels:
        hint = ""
        if tuple(y_true.shape) == tuple(y_pred.shape):
            hint = " One-hot targets need categorical_crossentropy."
        raise ValueError(
            f"sparse_categorical_crossentropy expected one integer label for each row of classes.{hint} "
            f"Received: y_true.shape={tuple(y_true.shape)}, y_pred.shape={tuple(y_pred.shape)}"
        )
    y_true = checked_labels(y_true, "sparse_categorical_crossentropy")
    if ignore_class is None:
        return ops.sparse_categorical_crossentropy(y_true, y_pred, from_logits=from_logits, axis=axis)
    valid = ops.not_equal(y_true, ignore_class)
    losses = ops.sparse_categorical_crossentropy(
        ops.where(valid, y_true, 0), y_pred, from_logits=from_logits, axis=axis
    )
    losses = ops.where(valid, losses, 0.0)
    losses._keras_mask = valid
    return losses


@operation
def kl_divergence(y_true: Any, y_pred: Any) -> Any:
    """`sum(y_true * log(y_true / y_pred))` over the last axis, both clipped to [epsilon, 1].

    Arguments:
        y_true, y_pred: (batch, …, n), probabilities.

    Raises:
        ValueError: shapes that differ; when it is run, a target that is NaN or not between 0 and 1.

    Example:
        >>> kl_divergence([[0.5, 0.5]], [[0.5, 0.5]]).numpy().tolist()
        [0.0]

    Source: https://keras.io/api/losses/probabilistic_losses/#kldivergence-function
    """
    y_true, y_pred = same_shape(y_true, y_pred)
    y_true = checked_targets(y_true, "kl_divergence")
    y_true = ops.clip(y_true, config.epsilon(), 1.0)
    y_pred = ops.clip(y_pred, config.epsilon(), 1.0)
    return ops.sum(y_true * ops.log(y_true / y_pred), axis=-1)


class BinaryCrossentropy(LossFunctionWrapper):
    """The class form of `binary_crossentropy`.

    Arguments:
        from_logits, label_smoothing, axis: see `binary_crossentropy`.
        reduction, name, dtype: see `Loss`.

    Raises:
        ValueError: `label_smoothing` outside [0, 1].

    Example:
        >>> round(float(BinaryCrossentropy(from_logits=True)([[0.0, 1.0]], [[0.0, 0.0]])), 4)
        0.6931

    Source: https://keras.io/api/losses/probabilistic_losses/#binarycrossentropy-class
    """

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: Reduction = "sum_over_batch_size",
        name: str = "binary_crossentropy",
        dtype: str | None = None,
    ) -> None:
        super().__init__(
            binary_crossentropy,
            reduction,
            name,
            dtype,
            from_logits=from_logits,
            label_smoothing=_smoothing(label_smoothing),
            axis=axis,
        )


class CategoricalCrossentropy(LossFunctionWrapper):
    """The class form of `categorical_crossentropy`.

    Arguments:
        from_logits, label_smoothing, axis: see `categorical_crossentropy`.
        reduction, name, dtype: see `Loss`.

    Raises:
        ValueError: `label_smoothing` outside [0, 1].

    Example:
        >>> round(float(CategoricalCrossentropy(from_logits=True)([[0.0, 1.0]], [[0.0, 0.0]])), 4)
        0.6931

    Source: https://keras.io/api/losses/probabilistic_losses/#categoricalcrossentropy-class
    """

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: Reduction = "sum_over_batch_size",
        name: str = "categorical_crossentropy",
        dtype: str | None = None,
    ) -> None:
        super().__init__(
            categorical_crossentropy,
            reduction,
            name,
            dtype,
            from_logits=from_logits,
            label_smoothing=_smoothing(label_smoothing),
            axis=axis,
        )


class SparseCategoricalCrossentropy(LossFunctionWrapper):
    """The class form of `sparse_categorical_crossentropy`.

    Arguments:
        from_logits, ignore_class, axis: see `sparse_categorical_crossentropy`.
        reduction, name, dtype: see `Loss`.

    Example:
        >>> round(float(SparseCategoricalCrossentropy(from_logits=True)([1], [[0.0, 0.0]])), 4)
        0.6931

    Source: https://keras.io/api/losses/probabilistic_losses/#sparsecategoricalcrossentropy-class
    """

    def __init__(
        self,
        from_logits: bool = False,
        ignore_class: int | None = None,
        reduction: Reduction = "sum_over_batch_size",
        axis: int = -1,
        name: str = "sparse_categorical_crossentropy",
        dtype: str | None = None,
    ) -> None:
        super().__init__(
            sparse_categorical_crossentropy,
            reduction,
            name,
            dtype,
            from_logits=from_logits,
            ignore_class=ignore_class,
            axis=axis,
        )


class KLDivergence(LossFunctionWrapper):
    """The class form of `kl_divergence`.

    Arguments:
        reduction, name, dtype: see `Loss`.

    Example:
        >>> float(KLDivergence()([[0.5, 0.5]], [[0.5, 0.5]]))
        0.0

    Source: https://keras.io/api/losses/probabilistic_losses/#kldivergence-class
    """

    def __init__(
        self,
        reduction: Reduction = "sum_over_batch_size",
        name: str = "kl_divergence",
        dtype: str | None = None,
    ) -> None:
        super().__init__(kl_divergence, reduction, name, dtype)


def _smoothing(value: float) -> float:
    if not 0 <= value <= 1:
        raise ValueError(
            f"expected label_smoothing to be between 0 and 1. Received: label_smoothing={value!r}"
        )
    return value
