"""Public ops: one function, three ways to run (symbolic, traced, eager)."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

from rustnet.core import structure
from rustnet.core.dtypes import standardize_dtype
from rustnet.core.node import FunctionOperation, Node, keras_tensors
from rustnet.core.tensors import KerasTensor, TracedTensor
from rustnet.core.trace import Trace, current_trace

Function = TypeVar("Function", bound=Callable[..., Any])

# A symbolic call is traced with every None replaced by the first of these, then by the second; output sizes
# that differ are None. Nothing is run, so large primes cost nothing and are met nowhere else; they lie far
# apart, so that no stride maps both to one size.
_STAND_INS = (10007, 20011)


def any_symbolic(arguments: Any) -> bool:
    """True where a symbolic tensor is anywhere in nested arguments."""
    # `isinstance` would ask values for their class, through Python code while attributes are noted.
    cls = type(arguments)
    if issubclass(cls, KerasTensor):
        return True
    if issubclass(cls, (list, tuple)):
        return any(map(any_symbolic, arguments))
    return issubclass(cls, dict) and any(map(any_symbolic, arguments.values()))


def operation(function: Function) -> Function:
    """Declares a public op. Its body only ever runs inside a trace; callers may be anywhere.

    On a `KerasTensor` the call becomes a node of the functional model; inside a trace the body records;
    otherwise it is recorded, compiled and run at once, and returns concrete tensors.
    """

    @functools.wraps(function)
    def dispatch(*args: Any, **kwargs: Any) -> Any:
        if any_symbolic(args) or (kwargs and any_symbolic(kwargs)):
            return symbolic_call(FunctionOperation(dispatch), args, kwargs)
        if current_trace() is not None:
            return function(*args, **kwargs)
        trace = Trace(binds_arrays=True)
        return trace.run_once(trace.call(function, *args, **kwargs))

    return dispatch  # type: ignore[return-value]


def renamed(op: Function, name: str) -> Function:
    """The same op under another name, by which a functional model shows it."""
    function: Callable[..., Any] = op.__wrapped__  # type: ignore[attr-defined]

    @functools.wraps(function)
    def body(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    body.__name__ = body.__qualname__ = name
    return operation(body)  # type: ignore[return-value]


def symbolic_call(operation: FunctionOperation, args: Any, kwargs: Any) -> Any:
    """Records a node of the functional graph and returns its symbolic outputs."""
    outputs = symbolic_outputs(operation.function, args, kwargs)
    Node(operation, args, kwargs, outputs)
    return outputs


def symbolic_outputs(function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    """The symbolic outputs of a call: its shapes, found by recording it without running anything."""
    unknown = any(None in tensor.shape for tensor in keras_tensors((args, kwargs)))
    outputs = [_record_with(size, function, args, kwargs) for size in _STAND_INS[: 2 if unknown else 1]]
    leaves = [structure.flatten(output) for output in outputs]
    return structure.pack(outputs[0], map(_merge, leaves[0], leaves[-1]))


def _record_with(size: int, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    trace = Trace(unknown_size=size)

    def known_sizes(shape: tuple[int | None, ...]) -> list[int]:
        return [size if known is None else known for known in shape]

    def stand_in(leaf: Any) -> Any:
        if not isinstance(leaf, KerasTensor):
            return leaf
        traced = trace.input(standardize_dtype(leaf.dtype), known_sizes(leaf.shape))
        if leaf.mask_type is not None:
            mask_shape, mask_dtype = leaf.mask_type
            traced._keras_mask = trace.input(standardize_dtype(mask_dtype), known_sizes(mask_shape))
        return traced

    args, kwargs = structure.map_structure(stand_in, (args, kwargs))
    try:
        return trace.call(function, *args, **kwargs)
    except ValueError as error:
        if str(size) not in str(error):
            raise
        raise type(error)(str(error).replace(str(size), "None")) from None


def _common_shape(first: TracedTensor, second: TracedTensor) -> tuple[int | None, ...]:
    """The sizes that do not depend on the stand-in; None for the others."""
    return tuple(
        size if size == other else None for size, other in zip(first.shape, second.shape, strict=True)
    )


def _merge(first: Any, second: Any) -> Any:
    if isinstance(first, TracedTensor):
        tensor = KerasTensor(_common_shape(first, second), first.dtype)
        if first._keras_mask is not None:
            mask = first._keras_mask
            tensor.mask_type = (_common_shape(mask, second._keras_mask), mask.dtype)
        return tensor
    return first if isinstance(first, (str, bytes)) or first == second else None
