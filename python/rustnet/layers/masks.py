"""The mask protocol: who is given which mask, and which mask the outputs carry."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from rustnet import ops
from rustnet.core import structure
from rustnet.core.masks import any_mask, masked, masks_of
from rustnet.core.tensors import TracedTensor
from rustnet.core.trace import unknown_size
from rustnet.core.warn import warn
from rustnet.layers.arguments import signature_of, tensor_arguments


def fitting_mask(mask: Any, inputs: Any, layer_name: str, axes: int = 2) -> Any:
    """The mask, checked to have the inputs' first sizes, as many as `axes` says; else raises `ValueError`.

    A size left open in one of the two may be that of the other: where only shapes are asked for, the mask
    gets it.
    """
    sizes = tuple(inputs.shape[:axes])
    if tuple(mask.shape) == sizes:
        return mask
    if len(mask.shape) == len(sizes) and all(
        size == full or unknown_size() in (size, full) for size, full in zip(mask.shape, sizes, strict=True)
    ):
        return ops.ones(sizes, dtype="bool")
    raise ValueError(
        f"layer '{layer_name}' expected a mask of shape {sizes} for inputs of shape {tuple(inputs.shape)}. "
        f"Received: mask.shape={tuple(mask.shape)}"
    )


def fill_masks(
    arguments: dict[str, Any], parameters: Mapping[str, inspect.Parameter], mask_is_of_first: bool
) -> None:
    """Adds the masks of the tensors among the arguments where `call` has parameters that nobody filled."""
    tensors = tensor_arguments(arguments, parameters)
    if "mask" in parameters and arguments.get("mask") is None and tensors:
        if len(tensors) == 1 or mask_is_of_first:
            arguments["mask"] = masks_of(next(iter(tensors.values())))
    if len(tensors) > 1:
        for name, value in tensors.items():
            if f"{name}_mask" in parameters and arguments.get(f"{name}_mask") is None:
                arguments[f"{name}_mask"] = masks_of(value)


def with_masks(layer: Any, first: Any, previous_mask: Any, outputs: Any, inputs: list[Any]) -> Any:
    """The outputs of `layer.call`, carrying the masks that it put on them, else those of `compute_mask`."""
    leaves = structure.flatten(outputs)
    passed_through = {id(leaf) for leaf in inputs}

    # A tensor that was passed through carries the mask from before the call.
    made = [None if id(leaf) in passed_through else getattr(leaf, "_keras_mask", None) for leaf in leaves]
    computed: list[Any] = []
    if layer.supports_masking and any(mask is None for mask in made):
        masks = layer.compute_mask(first, previous_mask)
        computed = [] if masks is None else structure.flatten(masks)
        is_nested = isinstance(masks, (dict, list, tuple))
        if is_nested and masks is not previous_mask and len(computed) != len(leaves):
            raise ValueError(
                f"layer '{layer.name}' expected compute_mask to return a mask, or None, for each of its "
                f"{len(leaves)} outputs. Received: {len(computed)} masks"
            )
    computed += [None] * (len(leaves) - len(computed))

    def carrying(leaf: Any, made: Any, computed: Any) -> Any:
        if not isinstance(leaf, TracedTensor) or (id(leaf) in passed_through and not layer.supports_masking):
            return leaf
        mask = computed if made is None else made
        if mask is leaf._keras_mask and (mask is None or isinstance(mask, TracedTensor)):
            return leaf
        return masked(leaf, mask)

    carrying_leaves = [*map(carrying, leaves, made, computed)]
    # A layer that takes the mask has made use of it.
    is_lost = any_mask(previous_mask) and not any_mask(masks_of(carrying_leaves))
    if is_lost and not layer.supports_masking and "mask" not in signature_of(layer.call).parameters:
        warn(
            f"Layer '{layer.name}' (of type {type(layer).__name__}) was passed an input with a mask attached "
            "to it. However, this layer does not support masking and will therefore destroy the mask "
            "information. Downstream layers will not see the mask."
        )
    if all(old is new for old, new in zip(leaves, carrying_leaves, strict=True)):
        return outputs
    return structure.pack(outputs, carrying_leaves)
