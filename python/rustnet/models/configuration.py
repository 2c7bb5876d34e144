"""A functional model's graph as a plain dictionary in Keras's layout, and made again from one."""

from __future__ import annotations

import sys
import types
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from rustnet.core import structure
from rustnet.core.node import FunctionOperation, Node, keras_tensors
from rustnet.core.operation import symbolic_call
from rustnet.core.tensors import KerasTensor, Tensor
from rustnet.layers.description import describe, layer_from, revive
from rustnet.models.graph import Graph
from rustnet.registry import serialize


def graph_config(graph: Graph) -> dict[str, Any]:
    """`{"layers", "input_layers", "output_layers"}`: each layer or op with its calls.

    A tensor is `[name of its layer, number of the call in this graph, number of the output]`. Raises
    `ValueError` where an argument of a call has no configuration.
    """
    calls: dict[int, list[Node]] = defaultdict(list)
    for node in graph.nodes:
        calls[id(node.operation)].append(node)
    numbers = {id(node): number for nodes in calls.values() for number, node in enumerate(nodes)}

    def history(tensor: KerasTensor) -> list[Any]:
        node: Any = tensor.node
        return [node.operation.name, numbers.get(id(node), 0), tensor.position]

    layers = [
        {
            **_described(operation),
            "name": operation.name,
            "inbound_nodes": [
                {
                    "args": [_plain(value, history, operation.name) for value in node.args],
                    "kwargs": _plain(node.kwargs, history, operation.name),
                }
                for node in calls[id(operation)]
                if node.input_tensors
            ],
        }
        for operation in graph.operations
    ]
    return {
        "layers": layers,
        "input_layers": structure.map_structure(history, graph.inputs),
        "output_layers": structure.map_structure(history, graph.outputs),
    }


def graph_from(config: Mapping[str, Any]) -> tuple[Any, Any]:
    """The inputs and outputs of the graph that `graph_config` described, with new layers."""
    operations = {layer["name"]: _operation_from(layer) for layer in config["layers"]}
    results: dict[tuple[str, int], list[KerasTensor]] = {}
    pending = []
    for layer in config["layers"]:
        if not layer["inbound_nodes"]:
            results[layer["name"], 0] = operations[layer["name"]]._nodes[0].output_tensors
        pending += [(layer["name"], number, node) for number, node in enumerate(layer["inbound_nodes"])]

    def tensor_of(history: Any) -> KerasTensor:
        name, number, position = history
        return results[name, number][position]

    while pending:
        # Layers are listed by depth: only where one is called twice, what comes in between has to wait.
        waiting = []
        for name, number, node in pending:
            try:
                args, kwargs = _revived(node["args"], tensor_of), _revived(node["kwargs"], tensor_of)
            except KeyError:
                waiting.append((name, number, node))
                continue
            results[name, number] = keras_tensors(operations[name](*args, **kwargs))
        if len(waiting) == len(pending):
            names = ", ".join(repr(name) for name, _, _ in waiting)
            raise ValueError(f"expected calls on tensors of the model's own layers. Received: {names}")
        pending = waiting
    return _nested(config["input_layers"], tensor_of), _nested(config["output_layers"], tensor_of)


def _described(operation: Any) -> dict[str, Any]:
    if not isinstance(operation, FunctionOperation):
        return describe(operation)
    return _described_function(operation.function)


def _described_function(function: Any) -> dict[str, Any]:
    module, name = function.__module__, function.__name__
    if module.startswith("rustnet.") and getattr(sys.modules[module], name, None) is function:
        return {"module": module, "class_name": "function", "config": name, "registered_name": name}
    return serialize(function)


class RepeatedOperation:
    """An op of a model that is made again: called, it makes a node of the same name."""

    def __init__(self, operation: FunctionOperation) -> None:
        self._operation = operation

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return symbolic_call(self._operation, args, kwargs)


def _operation_from(layer: Mapping[str, Any]) -> Any:
    if layer["class_name"] == "function":
        return RepeatedOperation(FunctionOperation(revive(layer), layer["name"]))
    return layer_from(layer)


def _plain(value: Any, history: Callable[[KerasTensor], Any], name: str) -> Any:
    """An argument of a call, with a tag where JSON has no such thing."""
    if isinstance(value, KerasTensor):
        config: Any = {"shape": list(value.shape), "dtype": value.dtype, "keras_history": history(value)}
        return _tagged("keras_tensor", config)
    if isinstance(value, Mapping):
        return {key: _plain(item, history, name) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        items = [_plain(item, history, name) for item in value]
        return items if isinstance(value, list) else _tagged("tuple", {"value": items})
    if isinstance(value, (np.ndarray, Tensor)):
        kind = "tensor" if isinstance(value, Tensor) else "numpy"
        array = np.asarray(value)
        return _tagged(kind, {"value": array.tolist(), "dtype": array.dtype.name})
    if isinstance(value, slice):
        return _tagged("slice", {"start": value.start, "stop": value.stop, "step": value.step})
    if value is Ellipsis:
        return _tagged("ellipsis", {})
    if isinstance(value, np.dtype) or (isinstance(value, type) and issubclass(value, np.generic)):
        return np.dtype(value).name
    try:
        return _described_function(value) if isinstance(value, types.FunctionType) else serialize(value)
    except ValueError as error:
        raise ValueError(
            f"'{name}' expected arguments of its call that have a configuration: {error}"
        ) from None


def _tagged(kind: str, config: dict[str, Any]) -> dict[str, Any]:
    return {"class_name": f"__{kind}__", "config": config}


def _revived(value: Any, tensor_of: Callable[[Any], KerasTensor]) -> Any:
    """What `_plain` wrote. Raises `KeyError` where a tensor is not there yet."""
    if isinstance(value, (list, tuple)):
        return [_revived(item, tensor_of) for item in value]
    if not isinstance(value, Mapping):
        return value
    config: Any = value.get("config")
    match value.get("class_name"):
        case "__keras_tensor__":
            return tensor_of(config["keras_history"])
        case "__tuple__":
            return tuple(_revived(item, tensor_of) for item in config["value"])
        case "__numpy__":
            return np.array(config["value"], config["dtype"])
        case "__tensor__":
            return Tensor(np.array(config["value"], config["dtype"]))
        case "__slice__":
            return slice(config["start"], config["stop"], config["step"])
        case "__ellipsis__":
            return Ellipsis
        case None:
            return {key: _revived(item, tensor_of) for key, item in value.items()}
    return revive(value)


def _nested(value: Any, tensor_of: Callable[[Any], KerasTensor]) -> Any:
    """The tensors in a nesting of `[name, call, output]`."""
    if isinstance(value, Mapping):
        return {key: _nested(item, tensor_of) for key, item in value.items()}
    if len(value) == 3 and isinstance(value[0], str):
        return tensor_of(value)
    return type(value)(_nested(item, tensor_of) for item in value)
