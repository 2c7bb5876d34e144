"""Small preparations of arrays: one-hot labels, scaling to unit norm."""

from __future__ import annotations

from typing import Any

import numpy as np

from rustnet import ops
from rustnet.core.convert import is_tensor
from rustnet.core.tensors import Tensor
from rustnet.core.variable import Variable


def to_categorical(x: Any, num_classes: int | None = None) -> Any:
    """One-hot encodes integer labels: row `i` is 1 at column `x[i]` and 0 elsewhere.

    Arguments:
        x: integer labels from 0 to `num_classes - 1`, of any shape; a last axis of size 1 is dropped.
        num_classes: number of classes; None means `max(x) + 1`.

    Returns:
        A float64 array of shape `x.shape + (num_classes,)`; of a tensor a tensor, in `floatx()`.

    Raises:
        ValueError: a label is negative, not an integer, or `num_classes` or more; a tensor without values has
            no labels to look at, and needs `num_classes`.

    Example:
        >>> to_categorical([0, 2, 1])
        array([[1., 0., 0.],
               [0., 0., 1.],
               [0., 1., 0.]])

    Source: https://keras.io/api/utils/python_utils/#to_categorical-function
    """
    if isinstance(x, (Tensor, Variable)):
        return ops.convert_to_tensor(to_categorical(x.numpy(), num_classes), ops.dtype(0.0))
    if is_tensor(x):
        if num_classes is None:
            raise ValueError(f"expected num_classes for a tensor without values. Received: x={x}")
        return ops.one_hot(ops.squeeze(x, -1) if x.ndim > 1 and x.shape[-1] == 1 else x, num_classes)
    given = np.asarray(x)
    if given.dtype.kind not in "biuf":
        raise ValueError(f"expected x to hold integer labels. Received: x with dtype={given.dtype}")
    if given.dtype.kind == "f" and not np.array_equal(given, np.floor(given)):
        raise ValueError(
            f"expected x to hold integer labels. Received: x with {given[given != np.floor(given)].flat[0]}"
        )
    labels = given.astype(np.int64)
    if labels.ndim > 1 and labels.shape[-1] == 1:
        labels = labels[..., 0]
    if num_classes is None:
        if labels.size == 0:
            raise ValueError(f"expected num_classes where x is empty. Received: x.shape={given.shape}")
        num_classes = int(labels.max()) + 1
    if labels.size and (labels.min() < 0 or labels.max() >= num_classes):
        wrong = labels[(labels < 0) | (labels >= num_classes)].flat[0]
        raise ValueError(
            f"expected x to hold labels from 0 to {num_classes - 1}. "
            f"Received: label {wrong} with num_classes={num_classes}"
        )
    return np.equal(labels[..., np.newaxis], np.arange(num_classes)).astype(np.float64)


def normalize(x: Any, axis: int = -1, order: int | float = 2) -> Any:
    """Divides `x` by its norm along `axis`: `x / (Σ |x|^order)^(1/order)`; a zero norm counts as 1.

    Arguments:
        x: array to normalise.
        axis: the axis along which the norm is taken; default the last.
        order: order of the norm, 2 for the Euclidean one.

    Returns:
        A float array of the shape of `x`; of anything but a NumPy array a tensor.

    Example:
        >>> normalize(np.array([[3.0, 4.0]]))
        array([[0.6, 0.8]])

    Source: https://keras.io/api/utils/python_utils/#normalize-function
    """
    if not isinstance(x, np.ndarray):
        return ops.normalize(x, axis, order)
    norm = np.linalg.norm(x, order, axis, keepdims=True)
    return x / np.where(norm == 0, 1, norm)
