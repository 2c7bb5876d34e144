"""Models made of symbolic tensors: any directed acyclic graph of layers and ops."""

from __future__ import annotations

from typing import Any

from rustnet.core import structure
from rustnet.core.convert import cast
from rustnet.core.operation import Node, keras_tensors
from rustnet.core.tensors import KerasTensor, TracedTensor
from rustnet.layers.layer import Layer
from rustnet.models.model import Model


class Functional(Model):
    """A model from symbolic inputs to symbolic outputs; see `Model`."""

    # Settled when the model is made.
    _UNWATCHED = Model._UNWATCHED | {"_graph", "_inputs", "_layers", "_operations", "_outputs"}

    def __init__(self, inputs: Any, outputs: Any, name: str | None = None, **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        for what, value in (("inputs", inputs), ("outputs", outputs)):
            for leaf in structure.flatten(value):
                if not isinstance(leaf, KerasTensor):
                    raise ValueError(
                        f"model '{self.name}' expected symbolic tensors (rustnet.Input and what layers make "
                        f"of it) as {what}. Received: {what}={value!r}"
                    )
        self._inputs = inputs
        self._outputs = outputs
        nodes, met = _walk(self.inputs, self.outputs, self.name)
        self._graph = [node for node in nodes if node.input_tensors]
        self._operations = _operations_by_depth(nodes, met, self.inputs)
        self._layers = [operation for operation in self._operations if isinstance(operation, Layer)]
        _check_names(self._layers, self.name)
        self.built = True

    @property
    def inputs(self) -> list[KerasTensor]:
        return keras_tensors(self._inputs)

    @property
    def outputs(self) -> list[KerasTensor]:
        return keras_tensors(self._outputs)

    @property
    def input(self) -> Any:
        return self._inputs

    @property
    def output(self) -> Any:
        return self._outputs

    @property
    def input_shape(self) -> Any:
        return structure.map_structure(lambda tensor: tensor.shape, self._inputs)

    @property
    def output_shape(self) -> Any:
        return structure.map_structure(lambda tensor: tensor.shape, self._outputs)

    @property
    def output_names(self) -> list[str]:
        """The name of the layer behind each output."""
        return [tensor.node.operation.name if tensor.node else tensor.name for tensor in self.outputs]

    @property
    def layers(self) -> list[Layer]:
        return list(self._layers)

    def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        tensors = match_inputs(inputs, self._inputs, self.name)
        if mask is not None:
            for tensor, one in zip(tensors, structure.flatten(mask), strict=True):
                tensor._keras_mask = one
        return self.replay(dict(zip(map(id, self.inputs), tensors, strict=True)))

    def replay(self, values: dict[int, Any], operation_of: Any = lambda operation: operation) -> Any:
        """The outputs for `values` of the inputs (by id), each operation replaced by `operation_of` it."""

        def value_of(leaf: Any) -> Any:
            return values.get(id(leaf), leaf) if isinstance(leaf, KerasTensor) else leaf

        for node in self._graph:
            args, kwargs = structure.map_structure(value_of, (node.args, node.kwargs))
            outputs = operation_of(node.operation)(*args, **kwargs)
            results = [
                leaf for leaf in structure.flatten(outputs) if isinstance(leaf, (TracedTensor, KerasTensor))
            ]
            values.update(zip(map(id, node.output_tensors), results, strict=True))
        return structure.map_structure(value_of, self._outputs)

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        # The layers inside have put their masks on the outputs already.
        return None


def match_inputs(inputs: Any, expected: Any, name: str) -> list[TracedTensor]:
    """The inputs in the model's order and dtype, a missing or extra last axis of size 1 put right.

    Dicts are matched by the inputs' names (extra keys are allowed). Raises `ValueError` where number or
    shape differ.
    """
    symbols = keras_tensors(expected)
    if isinstance(inputs, dict):
        names = list(expected) if isinstance(expected, dict) else [symbol.name for symbol in symbols]
        missing = [one for one in names if one not in inputs]
        if missing:
            raise ValueError(
                f"model '{name}' expected inputs named {', '.join(map(repr, names))}. "
                f"Received: {', '.join(map(repr, inputs))}"
            )
        ordered = sorted(names) if isinstance(expected, dict) else names
        inputs = [inputs[one] for one in ordered]
    tensors = structure.flatten(inputs)
    if len(tensors) != len(symbols):
        raise ValueError(f"model '{name}' expected {len(symbols)} input(s). Received: {len(tensors)}")
    return [_fitted(tensor, symbol, name) for tensor, symbol in zip(tensors, symbols, strict=True)]


def _fitted(tensor: TracedTensor, symbol: KerasTensor, name: str) -> TracedTensor:
    from rustnet import ops

    mask, received = tensor._keras_mask, tensor.shape
    if tensor.ndim == symbol.ndim + 1 and tensor.shape[-1] == 1:
        tensor = ops.squeeze(tensor, -1)
    elif tensor.ndim == symbol.ndim - 1 and symbol.shape[-1] == 1:
        tensor = ops.expand_dims(tensor, -1)
    fits = tensor.ndim == symbol.ndim and all(
        size is None or size == other for size, other in zip(symbol.shape[1:], tensor.shape[1:], strict=True)
    )
    if not fits:
        raise ValueError(
            f"model '{name}' expected input '{symbol.name}' of shape {symbol.shape}. "
            f"Received: shape {received}"
        )
    tensor = cast(tensor, symbol.dtype)
    tensor._keras_mask = mask
    return tensor


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


def _operations_by_depth(nodes: list[Node], met: dict[int, int], inputs: list[KerasTensor]) -> list[Any]:
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


def _check_names(layers: list[Layer], name: str) -> None:
    seen: set[str] = set()
    for layer in layers:
        if layer.name in seen:
            raise ValueError(
                f"model '{name}' expected layers of different names. Received: two named '{layer.name}'"
            )
        seen.add(layer.name)
