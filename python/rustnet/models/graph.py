"""The graph of calls between the inputs and the outputs of a functional model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rustnet.core import structure
from rustnet.core.node import Called, Node, keras_tensors
from rustnet.core.tensors import KerasTensor, TracedTensor
from rustnet.layers.input_layer import InputLayer


class Graph:
    """What leads from `inputs` to `outputs`, nested symbolic tensors. It owns its tensors, calls and layers.

    Inputs that layers made become inputs of a graph of its own, each with an `InputLayer`. Raises
    `ValueError` where an output depends on something else.
    """

    def __init__(self, inputs: Any, outputs: Any, name: str) -> None:
        self.nodes, met = _walk(keras_tensors(inputs), keras_tensors(outputs), name)
        # Copies: a list changed later changes no model.
        self.inputs, self.outputs = structure.map_structure(lambda tensor: tensor, (inputs, outputs))
        if not all(map(_is_input, keras_tensors(inputs))):
            self._begin_at_inputs()
            self.nodes, met = _walk(keras_tensors(self.inputs), keras_tensors(self.outputs), name)
        self.operations: list[Called] = _by_depth(self.nodes, met, keras_tensors(self.inputs))
        # Held here, so that each layer's `output` stays the same tensor as long as the model is there.
        self.tensors = [tensor for node in self.nodes for tensor in node.output_tensors]

    @property
    def calls(self) -> list[Node]:
        """The calls in order, without those that only stand for inputs."""
        return [node for node in self.nodes if node.input_tensors]

    def run(
        self,
        inputs: list[Any],
        operation_of: Callable[[Any], Any] = lambda operation: operation,
        call: Callable[..., Any] = lambda operation, *args, **kwargs: operation(*args, **kwargs),
    ) -> Any:
        """The outputs for these values of the inputs, each operation replaced by `operation_of` it."""
        values: dict[int, Any] = dict(zip(map(id, keras_tensors(self.inputs)), inputs, strict=True))

        def value_of(leaf: Any) -> Any:
            return values.get(id(leaf), leaf) if isinstance(leaf, KerasTensor) else leaf

        for node in self.calls:
            args, kwargs = structure.map_structure(value_of, (node.args, node.kwargs))
            outputs = call(operation_of(node.operation), *args, **kwargs)
            results = [
                leaf for leaf in structure.flatten(outputs) if isinstance(leaf, (TracedTensor, KerasTensor))
            ]
            values.update(zip(map(id, node.output_tensors), results, strict=True))
        return structure.map_structure(value_of, self.outputs)

    def _begin_at_inputs(self) -> None:
        """Puts an `InputLayer` in the place of each input that a layer made, and copies calls."""
        copies: dict[int, KerasTensor] = {}
        originals = [(node, node.output_tensors) for node in self.calls]

        def copy_of(leaf: Any) -> Any:
            return copies.get(id(leaf), leaf) if isinstance(leaf, KerasTensor) else leaf

        for tensor in keras_tensors(self.inputs):
            if not _is_input(tensor):
                layer = InputLayer(batch_shape=tensor.shape, dtype=tensor.dtype, name=tensor.name)
                copies[id(tensor)] = layer.output
        for node, tensors in originals:
            for tensor, copy in zip(tensors, node.repeat(copy_of), strict=True):
                # One of several results of a call may be an input itself.
                copies.setdefault(id(tensor), copy)
        self.inputs, self.outputs = structure.map_structure(copy_of, (self.inputs, self.outputs))

    def __getstate__(self) -> dict[str, Any]:
        # The nodes first, each after those it needs: so nothing recurses along a chain, however long.
        return {"nodes": self.nodes, **vars(self)}


def _is_input(tensor: KerasTensor) -> bool:
    return tensor.node is not None and not tensor.node.input_tensors


def _walk(
    inputs: list[KerasTensor], outputs: list[KerasTensor], name: str
) -> tuple[list[Node], dict[int, int]]:
    """Goes back from the outputs to the inputs.

    Returns the nodes, those of input layers included, each after those it needs; and for each operation
    its place (by id) in the order in which the walk met them.
    """
    known = {id(tensor) for tensor in inputs}
    ordered: dict[int, Node] = {}
    met: dict[int, int] = {}
    # Depth first without recursion: a node is opened, its inputs are seen to, then it is closed (appended).
    pending: list[tuple[KerasTensor, bool]] = [(tensor, False) for tensor in reversed(outputs)]
    while pending:
        tensor, opened = pending.pop()
        node = tensor.node
        is_input = node is None or not node.input_tensors
        if (node is not None and id(node) in ordered) or (id(tensor) in known and not is_input):
            continue
        if is_input and id(tensor) not in known:
            layer = tensor.name if node is None else node.operation.name
            raise ValueError(
                f"model '{name}' expected outputs that depend on its inputs alone. "
                f"Received: an output that needs '{layer}', which is not among the inputs"
            )
        if node is None:
            continue
        met.setdefault(id(node.operation), len(met))
        if opened or is_input:
            ordered[id(node)] = node
        else:
            pending.append((tensor, True))
            pending.extend((needed, False) for needed in reversed(node.input_tensors))
    return list(ordered.values()), met


def _by_depth(nodes: list[Node], met: dict[int, int], inputs: list[KerasTensor]) -> list[Any]:
    """The layers and ops as Keras lists them: those farthest from the outputs first, then as they were met.

    Inputs that no output needs come last.
    """
    in_graph = {id(node) for node in nodes}
    node_depth: dict[int, int] = {}
    depth: dict[int, int] = {}
    operations: dict[int, Any] = {}
    for node in reversed(nodes):
        operation = node.operation
        # A shared layer counts at its farthest call.
        depth[id(operation)] = max(node_depth.get(id(node), 0), depth.get(id(operation), 0))
        operations[id(operation)] = operation
        for tensor in node.input_tensors:
            if tensor.node is not None and id(tensor.node) in in_graph:
                farther = max(depth[id(operation)] + 1, node_depth.get(id(tensor.node), 0))
                node_depth[id(tensor.node)] = farther
    listed = sorted(operations.values(), key=lambda one: (-depth[id(one)], met[id(one)]))
    unused = [tensor.node.operation for tensor in inputs if tensor.node and not tensor.node.input_tensors]
    return listed + [operation for operation in unused if id(operation) not in operations]
