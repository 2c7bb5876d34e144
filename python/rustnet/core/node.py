"""The graph of a functional model: which call of which layer or op made a symbolic tensor.

A tensor owns the call that made it, a call owns its operation and the tensors that went in. Back from there,
from an operation to its calls and from a call to its results, references are weak: a layer does not keep the
models alive that it is part of, and everything goes when the last tensor or model goes.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

from rustnet.core import naming, structure
from rustnet.core.tensors import KerasTensor


class Called:
    """What is called in functional models, a layer or op: it knows those calls whose results are in use."""

    name: str
    # A default of the class: a call may be loaded from a pickle before what it is a call of.
    _node_references: tuple[weakref.ref[Node], ...] = ()

    @property
    def _nodes(self) -> list[Node]:
        """The calls, oldest first."""
        return [node for node in (one() for one in self._node_references) if node is not None]

    def _add_node(self, node: Node) -> None:
        living = (one for one in self._node_references if one() is not None)
        self._node_references = (*living, weakref.ref(node))


class Node:
    """One call of a layer or op on symbolic tensors: an edge set of the functional graph."""

    def __init__(self, operation: Any, args: tuple[Any, ...], kwargs: dict[str, Any], outputs: Any) -> None:
        self.operation = operation
        # Copies: what happens to a list or an array after the call is no part of the call.
        self.args, self.kwargs = structure.map_structure(_kept, (args, kwargs))
        # The nesting of the results, each tensor described, and where they are while somebody holds them.
        self._outputs = structure.map_structure(_described, outputs)
        tensors = keras_tensors(outputs)
        self._living: list[Callable[[], KerasTensor | None]] = [weakref.ref(one) for one in tensors]
        for position, tensor in enumerate(tensors):
            tensor.node = self
            tensor.position = position
        operation._add_node(self)

    @property
    def input_tensors(self) -> list[KerasTensor]:
        return keras_tensors((self.args, self.kwargs))

    @property
    def inputs(self) -> Any:
        """The first argument as it was passed, or all tensors where several arguments hold some."""
        first = self.args[0] if self.args else next(iter(self.kwargs.values()), None)
        return first if len(keras_tensors(first)) == len(self.input_tensors) else self.input_tensors

    @property
    def outputs(self) -> Any:
        """The results in their nesting. A tensor that nobody holds any more is made again."""
        positions = iter(range(len(self._living)))

        def tensor_of(leaf: Any) -> Any:
            return self._tensor(next(positions), leaf) if isinstance(leaf, _Description) else leaf

        return structure.map_structure(tensor_of, self._outputs)

    @property
    def output_tensors(self) -> list[KerasTensor]:
        return keras_tensors(self.outputs)

    def repeat(self, replace: Callable[[Any], Any]) -> list[KerasTensor]:
        """The results of the same call with every leaf of its arguments replaced."""
        args, kwargs = structure.map_structure(replace, (self.args, self.kwargs))
        outputs = structure.map_structure(
            lambda leaf: leaf.tensor() if isinstance(leaf, _Description) else leaf, self._outputs
        )
        Node(self.operation, args, kwargs, outputs)
        return keras_tensors(outputs)

    def _tensor(self, position: int, description: _Description) -> KerasTensor:
        tensor = self._living[position]()
        if tensor is None:
            tensor = description.tensor()
            tensor.node, tensor.position = self, position
            self._living[position] = weakref.ref(tensor)
        return tensor

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_living"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        outputs = structure.flatten(self._outputs)
        # Nobody is there yet; a tensor that is loaded reports itself.
        self._living = [_nobody for leaf in outputs if isinstance(leaf, _Description)]
        self.operation._add_node(self)


# What Keras calls the ops whose function has another name.
_NAMES_OF_KERAS = {"abs": "absolute", "getitem": "get_item", "layer_normalization": "layer_norm"}


class FunctionOperation(Called):
    """An op applied in a functional model: what a `Node` calls, with a name of its own."""

    def __init__(self, function: Callable[..., Any], name: str | None = None) -> None:
        self.function = function
        own_name = function.__name__.strip("_")
        self.kind = _NAMES_OF_KERAS.get(own_name, own_name)
        self.name = name or naming.auto_name(naming.to_snake_case(self.kind))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **kwargs)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_node_references"}


class _Description:
    """What a symbolic tensor is, without being one."""

    def __init__(self, tensor: KerasTensor) -> None:
        self.shape, self.dtype, self.name = tensor.shape, tensor.dtype, tensor.name
        self.mask_type = tensor.mask_type

    def tensor(self) -> KerasTensor:
        tensor = KerasTensor(self.shape, self.dtype, self.name)
        tensor.mask_type = self.mask_type
        return tensor


def _described(leaf: Any) -> Any:
    return _Description(leaf) if isinstance(leaf, KerasTensor) else leaf


def _kept(leaf: Any) -> Any:
    return leaf.copy() if isinstance(leaf, np.ndarray) else leaf


def _nobody() -> None:
    return None


def keras_tensors(arguments: Any) -> list[KerasTensor]:
    return [leaf for leaf in structure.flatten(arguments) if isinstance(leaf, KerasTensor)]
