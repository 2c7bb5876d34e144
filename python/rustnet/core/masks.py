"""Masks: which steps of a tensor hold data. A tensor carries its mask as `_keras_mask`."""

from __future__ import annotations

from typing import Any

from rustnet.core import structure
from rustnet.core.convert import tensor
from rustnet.core.operation import any_symbolic, operation
from rustnet.core.tensors import KerasTensor, TracedTensor


def masks_of(value: Any) -> Any:
    """The nesting of `value` with each leaf replaced by its mask, or None."""
    return structure.map_structure(lambda leaf: getattr(leaf, "_keras_mask", None), value)


def any_mask(masks: Any) -> bool:
    """True where a mask is anywhere in nested masks."""
    return any(mask is not None for mask in structure.flatten(masks))


def masked(value: TracedTensor, mask: Any) -> TracedTensor:
    """The same value as a tensor of its own that carries `mask`; the given tensor keeps the mask it has."""
    trace = value.trace
    assert trace is not None, "masks are put on tensors while their trace records"
    twin = TracedTensor(trace, value.value, value.dtype, value.shape)
    twin._logits = value._logits
    twin._keras_mask = None if mask is None else tensor(mask)
    return twin


@operation
def carried_mask(value: Any) -> Any:
    """The mask of a value: what a symbolic tensor's `_keras_mask` is in the graph of a model."""
    if value._keras_mask is None:
        raise ValueError(
            "expected the mask that this tensor had when the model was built. Received: a tensor without one"
        )
    return tensor(value._keras_mask)


@operation
def with_mask(value: Any, mask: Any) -> Any:
    """The value with another mask, or with none."""
    return masked(tensor(value), mask)


def with_set_masks(arguments: Any) -> Any:
    """The arguments, symbols whose `_keras_mask` a user set as ones that carry that mask in the model."""

    def carrying(leaf: Any) -> Any:
        if not (isinstance(leaf, KerasTensor) and leaf.mask_was_set):
            return leaf
        return with_mask(leaf, leaf._keras_mask)

    return structure.map_structure(carrying, arguments) if any_symbolic(arguments) else arguments
