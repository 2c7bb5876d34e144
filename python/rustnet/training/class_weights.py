"""Weights of classes as weights of samples."""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def checked(class_weight: Any, classes: int | None = None) -> dict[int, float]:
    """`class_weight` with ints as keys.

    Arguments:
        classes: how many there are, where that is known.

    Raises:
        ValueError: it is no dictionary, a key is no class, or a weight is negative or not finite.
    """
    if not isinstance(class_weight, Mapping):
        raise ValueError(
            f"expected class_weight to map classes to weights. Received: class_weight={class_weight!r}"
        )
    for label, weight in class_weight.items():
        if not _is_int(label):
            raise ValueError(f"expected classes (ints) as keys of class_weight. Received: key {label!r}")
        if not isinstance(weight, numbers.Real) or not math.isfinite(weight) or weight < 0:
            raise ValueError(
                f"expected weights of 0 or more in class_weight. Received: class_weight[{label!r}]={weight!r}"
            )
    weights = {int(label): float(weight) for label, weight in class_weight.items()}
    if classes is not None:
        _check_range(weights, classes)
    return weights


def _is_int(label: Any) -> bool:
    """Also for `True` and for 1.0, which find the same entry of a dictionary."""
    return isinstance(label, (numbers.Real, np.bool_)) and math.isfinite(label) and float(label).is_integer()


def _check_range(class_weight: dict[int, float], classes: int) -> None:
    beyond = [label for label in class_weight if not 0 <= label < classes]
    if beyond:
        raise ValueError(
            f"expected the classes 0 to {classes - 1} as keys of class_weight. Received: {beyond}"
        )


def sample_weights(class_weight: dict[int, float], y: Any, are_all: bool) -> Array:
    """One weight a sample, by the class of its target; 1 for classes that are not listed.

    Arguments:
        class_weight: from `checked`.
        y: (n,) or (n, 1) classes, which are rounded, or (n, k) of which the largest tells the class.
        are_all: whether `y` is all there is, and not a batch, in which a class may be missing.

    Raises:
        ValueError: several arrays of targets, targets of another rank, NaN, a class that k rules out, or none
            of the listed classes among all targets.
    """
    if not isinstance(y, np.ndarray):
        received = "none" if y is None else f"y={type(y).__name__}"
        raise ValueError(f"expected class_weight with a single array of targets. Received: {received}")
    if y.ndim not in (1, 2):
        raise ValueError(f"expected targets of rank 1 or 2 with class_weight. Received: y.shape={y.shape}")
    if y.dtype.kind == "f" and np.isnan(y).any():
        row = int(np.argwhere(np.isnan(y))[0][0])
        raise ValueError(
            f"expected class_weight with targets that are classes. Received: NaN in row {row} of y"
        )
    if y.ndim == 2 and y.shape[1] > 1:
        _check_range(class_weight, y.shape[1])
        labels = y.argmax(axis=1)
    else:
        labels = np.round(y.reshape(len(y)).astype("float64"))
    weights = np.ones(len(y), "float32")
    found = [labels == label for label in class_weight]
    if are_all and found and not any(one.any() for one in found):
        raise ValueError(f"expected classes of y as keys of class_weight. Received: {list(class_weight)}")
    for one, weight in zip(found, class_weight.values(), strict=True):
        weights[one] = weight
    return weights
