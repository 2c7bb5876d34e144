"""Cross-entropies. Where the probabilities come straight from a softmax or sigmoid, its logits are used."""

from __future__ import annotations

from typing import Any

from rustnet import config
from rustnet.core.convert import as_float, axis_of, tensor
from rustnet.core.operation import operation
from rustnet.core.tensors import TracedTensor
from rustnet.core.trace import record
from rustnet.ops.elementwise import abs as absolute
from rustnet.ops.elementwise import clip, exp, log, log1p, maximum
from rustnet.ops.reduction import sum as reduce_sum
from rustnet.ops.shaping import expand_dims, moveaxis, squeeze


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
    """`-Σ target · log(output)` along an axis; `target` has the shape of `output`."""
    output = as_float(output)
    target = tensor(target, output.dtype)
    if target.shape != output.shape or output.ndim < 1:
        raise ValueError(
            "expected target and output of one shape (..., classes). "
            f"Received: target.shape={target.shape}, output.shape={output.shape}"
        )
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

    Raises `ValueError` naming label and row where a label is not a class of `output`.
    """
    output = as_float(output)
    if output.ndim < 1:
        raise ValueError(f"expected output of shape (..., classes). Received: output.shape={output.shape}")
    if axis_of(axis, output.ndim) != output.ndim - 1:
        output = moveaxis(output, axis, -1)
    target = tensor(target, "int32")
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
    """`-target · log(output) - (1 - target) · log(1 - output)`, element by element."""
    output = as_float(output)
    target = tensor(target, output.dtype)
    if target.shape != output.shape:
        raise ValueError(
            "expected target and output of one shape. "
            f"Received: target.shape={target.shape}, output.shape={output.shape}"
        )
    logits = _logits_of(output, from_logits, "sigmoid")
    if logits is not None:
        return maximum(logits, 0.0) - logits * target + log1p(exp(-absolute(logits)))
    output = clip(output, config.epsilon(), 1.0 - config.epsilon())
    return -(target * log(output) + (1.0 - target) * log(1.0 - output))
