"""What a layer is called and built with: parameters, data and shapes among arguments, errors about them."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable
from typing import Any

from rustnet.core import structure
from rustnet.core.convert import is_tensor
from rustnet.core.tensors import KerasTensor


@functools.cache
def parameters_of(function: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """The parameters of a method by name, without `self`."""
    parameters = dict(inspect.signature(function).parameters)
    parameters.pop("self", None)
    return parameters


def map_tensors(function: Callable[[Any], Any], value: Any) -> Any:
    """The nesting of `value`, tuples as lists, with `function` applied to every leaf."""
    if isinstance(value, dict):
        return {key: map_tensors(function, item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [map_tensors(function, item) for item in value]
    return function(value)


def holds_data(value: Any) -> bool:
    """True where a tensor, an array or a list of numbers is in `value`."""
    return any(is_tensor(leaf) or hasattr(leaf, "__array__") for leaf in structure.flatten(value)) or (
        isinstance(value, (list, tuple)) and bool(value) and is_numeric(value)
    )


def is_numeric(value: Any) -> bool:
    """True for (nested) lists of plain numbers."""
    return all(isinstance(leaf, (bool, int, float)) for leaf in structure.flatten(value))


def is_shape(shape: Any) -> bool:
    """True for one shape, False for a structure of several."""
    return isinstance(shape, (list, tuple)) and all(size is None or isinstance(size, int) for size in shape)


def symbolic_tensors(shape: Any, dtype: str) -> Any:
    """The symbolic tensor of a shape, or those of shapes nested in lists and dictionaries."""
    if is_shape(shape):
        return KerasTensor(shape, dtype)
    if isinstance(shape, dict):
        return {key: symbolic_tensors(one, dtype) for key, one in shape.items()}
    return [symbolic_tensors(one, dtype) for one in shape]


def take_batch_input_shape(kwargs: dict[str, Any]) -> tuple[int | None, ...] | None:
    """Takes the arguments that tell a Sequential model its input's shape out of `kwargs`."""
    batch_shape = kwargs.pop("batch_input_shape", None)
    batch_size = kwargs.pop("batch_size", None)
    length = kwargs.pop("input_dim", None)
    shape = kwargs.pop("input_shape", None) if length is None else (length,)
    if batch_shape is not None:
        return tuple(batch_shape)
    if shape is None:
        return None
    return (batch_size, *(shape if hasattr(shape, "__len__") else (shape,)))


class _LocatedError(ValueError):
    """A `ValueError` whose message already names the layer."""


def located(error: ValueError, scope: str) -> ValueError:
    """The error with the layer's path before its message, once."""
    if type(error) is not ValueError or str(error).startswith(("layer '", "model '")):
        return error
    return _LocatedError(f"{scope}: {error}")


def too_deep(error: RecursionError) -> RecursionError:
    """The error with what can be done about it, once."""
    if "setrecursionlimit" in str(error):
        return error
    return RecursionError(
        f"expected layers and models nested less deep than Python's limit of {sys.getrecursionlimit()} calls "
        "allows, which is about a hundred within one another. Put the layers into one model, or raise the "
        "limit before the model is made: sys.setrecursionlimit(20_000). Received: calls nested deeper"
    )
