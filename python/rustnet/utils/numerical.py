"""Small preparations of arrays: one-hot labels, scaling to unit norm."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike


def to_categorical(x: ArrayLike, num_classes: int | None = None) -> np.ndarray:
    """One-hot encodes integer labels: row `i` is 1 at column `x[i]` and 0 elsewhere.

    Arguments:
        x: integer labels from 0 to `num_classes - 1`, of any shape; a last axis of size 1 is dropped.
        num_classes: number of classes; None means `max(x) + 1`.

    Returns:
        A float64 array of shape `x.shape + (num_classes,)`.

    Raises:
        ValueError: a label is negative, not an integer, or `num_classes` or more.

    Example:
        >>> to_categorical([0, 2, 1])
        array([[1., 0., 0.],
               [0., 0., 1.],
               [0., 1., 0.]])

    Source: https://keras.io/api/utils/python_utils/#to_categorical-function
    """
    given = np.asarray(x)
    if given.dtype.kind not in "biuf":
        raise ValueError(f"`x` should hold integer labels. Received: x with dtype={given.dtype}")
    if given.dtype.kind == "f" and not np.array_equal(given, np.floor(given)):
        raise ValueError(
            f"`x` should hold integer labels. Received: x with {given[given != np.floor(given)].flat[0]}"
        )
    labels = given.astype(np.int64)
    if labels.ndim > 1 and labels.shape[-1] == 1:
        labels = labels[..., 0]
    if num_classes is None:
        if labels.size == 0:
            raise ValueError(f"`num_classes` is needed where `x` is empty. Received: x.shape={given.shape}")
        num_classes = int(labels.max()) + 1
    if labels.size and (labels.min() < 0 or labels.max() >= num_classes):
        wrong = labels[(labels < 0) | (labels >= num_classes)].flat[0]
        raise ValueError(
            f"`x` should hold labels from 0 to {num_classes - 1}. "
            f"Received: label {wrong} with num_classes={num_classes}"
        )
    return np.equal(labels[..., np.newaxis], np.arange(num_classes)).astype(np.float64)


def normalize(x: ArrayLike, axis: int = -1, order: int | float = 2) -> np.ndarray:
    """Divides `x` by its norm along `axis`: `x / (Σ |x|^order)^(1/order)`; a zero norm counts as 1.

    Arguments:
        x: array to normalise.
        axis: the axis along which the norm is taken; default the last.
        order: order of the norm, 2 for the Euclidean one.

    Returns:
        A float array of the shape of `x`.

    Example:
        >>> normalize([[3.0, 4.0]])
        array([[0.6, 0.8]])

    Source: https://keras.io/api/utils/python_utils/#normalize-function
    """
    array = np.asarray(x)
    norm = np.linalg.norm(array, order, axis, keepdims=True)
    return array / np.where(norm == 0, 1, norm)
