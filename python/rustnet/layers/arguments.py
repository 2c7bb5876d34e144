"""What a layer is called and built with: parameters, data and shapes among arguments, errors about them."""

from __future__ import annotations

import functools
import inspect
import sys
import types
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from rustnet.core import structure
from rustnet.core.convert import is_tensor
from rustnet.core.tensors import KerasTensor


def signature_of(method: Callable[..., Any]) -> inspect.Signature:
    """The signature of a method of an object, whatever its first parameter is called."""
    if isinstance(method, types.MethodType):
        return _signature_of_method(method.__func__)
    return inspect.signature(method)


@functools.lru_cache(maxsize=1024)
def _signature_of_method(function: Callable[..., Any]) -> inspect.Signature:
    # Bound to any object, so that no layer is kept alive by the cache.
    return inspect.signature(types.MethodType(function, object()))


def with_plain_numbers(function: Callable[..., None]) -> Callable[..., None]:
    """The same `__init__` for NumPy's scalars: it gets the numbers of Python that they are."""

    def plain(value: Any) -> Any:
        if isinstance(value, np.generic):
            return value.item()
        return type(value)(map(plain, value)) if type(value) in (list, tuple) else value

    @functools.wraps(function)
    def wrapper(self: Any, *args: Any, **kwargs: Any) -> None:
        function(self, *map(plain, args), **{name: plain(value) for name, value in kwargs.items()})

    return wrapper


def tensor_arguments(
    arguments: Mapping[str, Any], parameters: Mapping[str, inspect.Parameter]
) -> dict[str, Any]:
    """The arguments that are tensors, or nested tensors and None, in the order of the parameters."""
    found = {}
    for name, parameter in parameters.items():
        if name in arguments and parameter.kind is not parameter.VAR_KEYWORD:
            value = _unpacked(arguments[name], parameter)
            leaves = [leaf for leaf in structure.flatten(value) if leaf is not None]
            if leaves and all(map(is_tensor, leaves)):
                found[name] = value
    return found


def first_argument(
    arguments: Mapping[str, Any], parameters: Mapping[str, inspect.Parameter]
) -> tuple[str, Any]:
    """Name and value of the first argument that was passed."""
    for name, parameter in parameters.items():
        if name in arguments:
            return name, _unpacked(arguments[name], parameter)
    return "", None


def _unpacked(value: Any, parameter: inspect.Parameter) -> Any:
    """The argument itself where it is the only one that `*args` holds."""
    return value[0] if parameter.kind is parameter.VAR_POSITIONAL and len(value) == 1 else value


def shapes_of(
    arguments: Mapping[str, Any],
    parameters: Mapping[str, inspect.Parameter],
    unknown_size: int | None = None,
) -> dict[str, Any]:
    """The shapes of the tensors among the arguments of `call`, without `mask`; None for `unknown_size`."""

    def shape_of(leaf: Any) -> Any:
        if leaf is None:
            return None
        return tuple(None if size == unknown_size else size for size in leaf.shape)

    tensors = tensor_arguments(arguments, parameters)
    return {name: map_tensors(shape_of, value) for name, value in tensors.items() if name != "mask"}


def call_with_shapes(method: Callable[..., Any], shapes: Mapping[str, Any], layer_name: str) -> Any:
    """Calls `build` or `compute_output_shape` with the shapes of the tensors of `call`, given by name.

    A method with one parameter gets the first shape. With several, `x_shape` gets that of `x`.
    """
    parameters = signature_of(method).parameters.values()
    named = [one for one in parameters if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)]
    first = next(iter(shapes.values()), None)
    by_name = {f"{name}_shape": shape for name, shape in shapes.items()}
    wanted = [one.name for one in named if one.default is one.empty or one.name in by_name]
    if not named and not any(one.kind is one.VAR_POSITIONAL for one in parameters):
        return method()
    if len(wanted) <= 1:
        only = wanted[0] if wanted else named[0].name if named else None
        if any(one.name == only and one.kind is one.KEYWORD_ONLY for one in named):
            return method(**{str(only): first})
        return method(first)
    if all(name in by_name for name in wanted):
        return method(**{name: by_name[name] for name in wanted})
    name = getattr(method, "__name__", "build")
    raise ValueError(
        f"layer '{layer_name}' expected parameters of {name}() named after the tensors of call(), here "
        f"{', '.join(by_name)}. Received: {name}({', '.join(one.name for one in named)})"
    )


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
        "allows, which is some sixty within one another. Put the layers into one model, or raise the "
        "limit before the model is made: sys.setrecursionlimit(20_000). Received: calls nested deeper"
    )
