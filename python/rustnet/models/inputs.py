"""What a model is called on, matched with the symbolic inputs that it was made with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rustnet import ops
from rustnet.core import structure
from rustnet.core.convert import as_index, cast
from rustnet.core.dtypes import is_float, standardize_dtype
from rustnet.core.masks import masked
from rustnet.core.node import keras_tensors
from rustnet.core.tensors import KerasTensor, TracedTensor


def match_inputs(inputs: Any, expected: Any, name: str, any_sizes: bool = False) -> list[Any]:
    """One tensor for each symbolic input, in its dtype, a missing or extra last axis of size 1 put right.

    `any_sizes` leaves the sizes to the layers, for a model whose input was known from its first data.
    Raises `ValueError` where nesting, names, rank or sizes differ.
    """
    symbols = keras_tensors(expected)
    leaves = matched_leaves(inputs, expected, name)
    return [_fitted(leaf, symbol, name, any_sizes) for leaf, symbol in zip(leaves, symbols, strict=True)]


def with_given_masks(inputs: Any, mask: Any, name: str) -> Any:
    """The inputs, those of them that `mask` has a mask for carrying it."""
    if mask is None:
        return inputs
    tensors, masks = structure.flatten(inputs), structure.flatten(mask)
    if len(tensors) != len(masks):
        raise ValueError(
            f"model '{name}' expected a mask, or None, for each of its {len(tensors)} input(s). "
            f"Received: {len(masks)} masks"
        )
    return structure.pack(
        inputs,
        [tensor if one is None else masked(tensor, one) for tensor, one in zip(tensors, masks, strict=True)],
    )


def known_output(model: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> KerasTensor | None:
    """What a model of one input and output returns where it is called on the like of that input, else None.

    Nothing need be recorded to know it, so that models within models are made in time proportional to
    their depth.
    """
    tensors = [*args, model.input, model.output]
    if kwargs or len(tensors) != 3 or not all(isinstance(tensor, KerasTensor) for tensor in tensors):
        return None
    given, expected, output = tensors
    is_alike = (given.shape, given.dtype) == (expected.shape, expected.dtype)
    has_masks = any(tensor.mask_type is not None or tensor.mask_was_set for tensor in tensors)
    return KerasTensor(output.shape, output.dtype) if is_alike and not has_masks else None


def matched_leaves(inputs: Any, expected: Any, name: str) -> list[Any]:
    """The leaves of `inputs` in the order of the symbolic inputs in `expected`.

    Dictionaries are matched by key, or where lists (or a single tensor) are expected by the inputs' names;
    further keys are left alone. Lists and tuples are alike, and a flat one serves every nesting in which the
    order is plain. Nothing is paired by guess: raises `ValueError` with the nesting expected.
    """
    symbols = keras_tensors(expected)
    if isinstance(inputs, Mapping) and not isinstance(expected, Mapping):
        if all(symbol.name in inputs for symbol in symbols):
            return [inputs[symbol.name] for symbol in symbols]
    elif len(symbols) == 1 and not isinstance(inputs, Mapping):
        # A single input may be given alone or in a list, whatever it is nested in.
        leaves = structure.flatten(inputs)
        if len(leaves) == 1:
            return leaves
    else:
        found: list[Any] = []
        if (
            isinstance(inputs, (list, tuple))
            and not any(map(_is_nested, inputs))
            and _has_plain_order(expected)
        ):
            found = list(inputs)
        elif not _collect(inputs, expected, found):
            found = []
        if len(found) == len(symbols):
            return found
    raise _mismatch(inputs, expected, name)


def wanted_dtypes(inputs: Any, expected: Any, name: str) -> list[str | None]:
    """The dtype of the symbolic input that each leaf of `inputs` is matched with; None for further keys."""
    leaves = structure.flatten(inputs)
    dtypes: list[str | None] = [None] * len(leaves)
    places = structure.pack(inputs, map(_Place, range(len(leaves)), leaves))
    for place, symbol in zip(matched_leaves(places, expected, name), keras_tensors(expected), strict=True):
        dtypes[place.position] = standardize_dtype(symbol.dtype)
    return dtypes


def _collect(inputs: Any, expected: Any, found: list[Any]) -> bool:
    """Appends the leaves of `inputs` to `found`; False where the nesting is another."""
    if isinstance(expected, Mapping):
        # In the order in which `structure.flatten` lists the symbols.
        keys = structure.keys(expected)
        return isinstance(inputs, Mapping) and all(
            key in inputs and _collect(inputs[key], expected[key], found) for key in keys
        )
    if isinstance(expected, (list, tuple)):
        return (
            isinstance(inputs, (list, tuple))
            and len(inputs) == len(expected)
            and all(_collect(one, other, found) for one, other in zip(inputs, expected, strict=True))
        )
    if _is_nested(inputs):
        return False
    found.append(inputs)
    return True


def _is_nested(value: Any) -> bool:
    return isinstance(value, (list, tuple, Mapping))


def _has_plain_order(expected: Any) -> bool:
    """Whether a flat list of the inputs can mean one order only: no dictionary's keys are unsorted."""
    if isinstance(expected, Mapping):
        keys = list(expected)
        return keys == structure.keys(expected) and all(map(_has_plain_order, expected.values()))
    return not isinstance(expected, (list, tuple)) or all(map(_has_plain_order, expected))


def _mismatch(inputs: Any, expected: Any, name: str) -> ValueError:
    """What was expected: names where names were given, a number, or a nesting."""
    symbols = keras_tensors(expected)
    if isinstance(inputs, Mapping) and not any(map(_is_nested, _items(expected))):
        names = list(expected) if isinstance(expected, Mapping) else [symbol.name for symbol in symbols]
        wanted, received = f"inputs named {_listed(names)}", _listed(inputs)
    elif len(structure.flatten(inputs)) != len(symbols):
        wanted, received = f"{len(symbols)} input(s)", str(len(structure.flatten(inputs)))
    else:
        kind = "a dictionary of inputs" if isinstance(expected, Mapping) else "inputs nested"
        wanted = f"{kind} like {structure.map_structure(lambda symbol: symbol.name, expected)!r}"
        received = repr(structure.map_structure(lambda leaf: _Place(0, leaf), inputs))
    return ValueError(f"model '{name}' expected {wanted}. Received: {received}")


def _items(nested: Any) -> list[Any]:
    if isinstance(nested, Mapping):
        return list(nested.values())
    return list(nested) if isinstance(nested, (list, tuple)) else [nested]


def _listed(names: Any) -> str:
    return ", ".join(map(repr, names))


class _Place:
    """Where a leaf is; in the text of an error, its shape."""

    def __init__(self, position: int, leaf: Any) -> None:
        self.position = position
        self.shape = getattr(leaf, "shape", None)

    def __repr__(self) -> str:
        return "None" if self.shape is None else f"shape {tuple(self.shape)}"


def _fitted(tensor: Any, symbol: KerasTensor, name: str, any_sizes: bool) -> TracedTensor | None:
    if tensor is None:
        if symbol.node is not None and getattr(symbol.node.operation, "optional", False):
            return None
        raise ValueError(f"model '{name}' expected a tensor for input '{symbol.name}'. Received: None")
    mask, received = tensor._keras_mask, tensor.shape
    if tensor.ndim == symbol.ndim + 1 and tensor.shape[-1] == 1:
        tensor = ops.squeeze(tensor, -1)
    elif tensor.ndim == symbol.ndim - 1 and symbol.shape[-1] == 1:
        tensor = ops.expand_dims(tensor, -1)
    fits = tensor.ndim == symbol.ndim and all(
        any_sizes or size is None or size == other
        for size, other in zip(symbol.shape[1:], tensor.shape[1:], strict=True)
    )
    if not fits:
        raise ValueError(
            f"model '{name}' expected input '{symbol.name}' of shape {symbol.shape}. "
            f"Received: shape {received}"
        )
    dtype = standardize_dtype(symbol.dtype)
    if dtype == "int32" and is_float(tensor.dtype):
        tensor = as_index(tensor)
    tensor = cast(tensor, dtype)
    tensor._keras_mask = mask
    return tensor
