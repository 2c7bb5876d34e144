"""Cross-entropies. Where the probabilities come straight from a softmax or sigmoid, its logits are used."""

from __future__ import annotations

import math
from typing import Any

from rustnet import config
from rustnet.core.convert import as_float, axis_of, cast, tensor
from rustnet.core.dtypes import is_float
from rustnet.core.operation import operation
from rustnet.core.tensors import TracedTensor
from rustnet.core.trace import record
from rustnet.ops.elementwise import abs as absolute
from rustnet.ops.elementwise import clip, exp, log, log1p, maximum
from rustnet.ops.reduction import sum as reduce_sum
from rustnet.ops.shaping import expand_dims, moveaxis, squeeze

__all__ = [
    "binary_crossentropy",
    "categorical_crossentropy",
    "sparse_categorical_crossentropy",
]

# How far targets between bounds may lie outside of them: noisy labels, a known trick for training GANs, do.
_NOISE = 0.1


def checked_targets(target: TracedTensor, of: str, low: float = 0.0, high: float = 1.0) -> TracedTensor:
    """Float targets as they are; running it raises `ValueError` for NaN and beyond the bounds."""
    expected = f"targets of {of} between {low:g} and {high:g}"
    return _checked(target, expected, low=low - _NOISE, high=high + _NOISE)


def checked_counts(target: TracedTensor, of: str) -> TracedTensor:
    """Float targets as they are; running it raises `ValueError` where one is negative."""
    return _checked(target, f"targets of {of} that are 0 or more", low=0.0, high=math.inf, allows_nan=True)


def checked_known(target: TracedTensor, of: str) -> TracedTensor:
    """Float targets as they are; running it raises `ValueError` where one is NaN."""
    return _checked(target, f"targets of {of} that are not NaN", low=-math.inf, high=math.inf)


def checked_labels(target: Any, of: str) -> TracedTensor:
    """Targets as class indices, int32; running it raises `ValueError` where a float is no whole number."""
    target = tensor(target)
    if is_float(target.dtype):
        expected = f"targets of {of} that are class indices"
        target = _checked(target, expected, low=-(2.0**31), high=2.0**31 - 1.0, whole=True)
    return cast(target, "int32")


def _checked(target: TracedTensor, expected: str, **bounds: Any) -> TracedTensor:
    attributes = {"allows_nan": False, "whole": False, **bounds}
    return record("check_range", [target], expected=expected, **attributes)


def _logits_of(output: TracedTensor, from_logits: bool, activation: str) -> TracedTensor | None:
    """What the probabilities were made from, if by the activation that belongs to this cross-entropy."""
    if from_logits:
        return output
    made_by, logits = output._logits or (None, None)
    return logits if made_by == activation else None


def _log_probabilities(output: TracedTensor) -> TracedTensor:
    """The log of probabilities along the last axis, renormalised and clipped as in Keras."""
    normalised = output / reduce_sum(output, -1, keepdims=True)
    return log(clip(normalised, config.epsilon(), 1.0 - config.epsilon()))


@operation
def categorical_crossentropy(target: Any, output: Any, from_logits: bool = False, axis: int = -1) -> Any:
    """`-Σ target · log(output)` along an axis; `target` has the shape of `output`.

    Raises `ValueError` where a target is NaN or not between 0 and 1 (by more than the 0.1 of noisy labels).
    """
    output = as_float(output)
    target = tensor(target, output.dtype)
    if target.shape != output.shape or output.ndim < 1:
        raise ValueError(
            "expected target and output of one shape (..., classes). "
            f"Received: target.shape={target.shape}, output.shape={output.shape}"
        )
    target = checked_targets(target, "categorical_crossentropy")
    if axis_of(axis, output.ndim) != output.ndim - 1:
        target, output = moveaxis(target, axis, -1), moveaxis(output, axis, -1)
    logits = _logits_of(output, from_logits, "softmax")
    if logits is not None:
        return record("softmax_cross_entropy", [logits, target])
    return -reduce_sum(target * _log_probabilities(output), -1)


@operation
def sparse_categorical_crossentropy(
    target: Any, output: Any, from_logits: bool = False, axis: int = -1
) -> Any:
    """`-log(output[target])` along an axis; `target` holds class indices.

    Raises `ValueError` naming label and row where a label is no whole number or not a class of `output`.
    """
    output = as_float(output)
    if output.ndim < 1:
        raise ValueError(f"expected output of shape (..., classes). Received: output.shape={output.shape}")
    if axis_of(axis, output.ndim) != output.ndim - 1:
        output = moveaxis(output, axis, -1)
    target = checked_labels(target, "sparse_categorical_crossentropy")
    if target.ndim == output.ndim and target.shape[-1] == 1:
        target = squeeze(target, -1)
    if target.shape != output.shape[:-1]:
        raise ValueError(
            f"expected target of shape {output.shape[:-1]}, one class index for each row of output. "
            f"Received: target.shape={target.shape}, output.shape={output.shape}"
        )
    logits = _logits_of(output, from_logits, "softmax")
    if logits is not None:
        return record("sparse_softmax_cross_entropy", [logits, target])
    chosen = record(
        "take_along_axis", [_log_probabilities(output), expand_dims(target, -1)], axis=output.ndim - 1
    )
    return -squeeze(chosen, -1)


@operation
def binary_crossentropy(target: Any, output: Any, from_logits: bool = False) -> Any:
    """`-target · log(output) - (1 - target) · log(1 - output)`, element by element.

    Raises `ValueError` where a target is NaN or not between 0 and 1 (by more than the 0.1 of noisy labels).
    """
    output = as_float(output)
    target = tensor(target, output.dtype)
    if target.shape != output.shape:
        raise ValueError(
            "expected target and output of one shape. "
            f"Received: target.shape={target.shape}, output.shape={output.shape}"
        )
    target = checked_targets(target, "binary_crossentropy")
    logits = _logits_of(output, from_logits, "sigmoid")
    if logits is not None:
        return maximum(logits, 0.0) - logits * target + log1p(exp(-absolute(logits)))
    output = clip(output, config.epsilon(), 1.0 - config.epsilon())
    return -(target * log(output) + (1.0 - target) * log(1.0 - output))
