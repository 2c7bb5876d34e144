"""`model.summary()`: a table of layers, output shapes and parameters."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from rustnet.core import structure
from rustnet.core.node import FunctionOperation, Node

_CHAIN = (88, [0.45, 0.80, 1.0], ["Layer (type)", "Output Shape", "Param #"])
_GRAPH = (108, [0.3, 0.56, 0.74, 1.0], ["Layer (type)", "Output Shape", "Param #", "Connected to"])


def print_summary(
    model: Any,
    line_length: int | None = None,
    positions: list[float] | None = None,
    print_fn: Callable[[str], Any] | None = None,
    expand_nested: bool = False,
    show_trainable: bool = False,
    layer_range: tuple[str, str] | None = None,
) -> None:
    """Prints the table that `Model.summary` describes."""
    from rich.console import Console
    from rich.table import Table

    graph = getattr(model, "_graph", None)
    nodes: list[Node] = [] if graph is None else graph.calls
    layers = _in_range(model.layers if graph is None else graph.operations, layer_range)
    default_length, default_positions, header = _CHAIN if _is_chain(nodes) else _GRAPH
    ends = list(positions or default_positions)
    if show_trainable:
        default_length += 12
        ends = [end * 0.9 for end in ends] + [1.0]
        header = [*header, "Trainable"]
    length = line_length or min(default_length, max(shutil.get_terminal_size().columns - 4, 40))
    widths = np.diff([0, *(int(end * length) for end in ends)])
    if len(widths) != len(header) or widths.min() < 4:
        raise ValueError(
            f"expected {len(header)} columns of 4 characters or more. "
            f"Received: line_length={length}, positions={positions}"
        )
    table = Table(width=length, show_lines=True)
    justify: dict[str, Any] = {"Param #": "right", "Trainable": "center"}
    for name, width in zip(header, widths, strict=True):
        table.add_column(name, justify=justify.get(name, "left"), width=int(width))
    sources = _sources(nodes)
    for layer in layers:
        for row in _rows(layer, sources, header, expand_nested):
            table.add_row(*row)

    console = Console(highlight=False)
    if print_fn is not None:
        console = Console(highlight=False, force_terminal=False, color_system=None)
        console.begin_capture()
    console.print(f'[bold]Model: "{_escaped(model.name)}"[/]')
    console.print(table)
    for line in _totals(model):
        console.print(line)
    if print_fn is not None:
        print_fn(console.end_capture())


def _escaped(text: str) -> str:
    from rich.markup import escape

    return escape(text)


def _is_chain(nodes: list[Node]) -> bool:
    """True where each operation is called once, on one tensor, and feeds one other."""
    consumed = [id(tensor) for node in nodes for tensor in node.input_tensors]
    once = len({id(node.operation) for node in nodes}) == len(nodes)
    return once and len(set(consumed)) == len(consumed) == len(nodes)


def _rows(layer: Any, sources: dict[int, list[str]], header: list[str], expand: bool) -> list[list[str]]:
    """The row of a layer; with `expand`, then those of the layers inside, however deep."""
    rows = []
    # Without recursion: models may be nested deeper than Python's stack.
    pending = [(layer, 0)]
    while pending:
        layer, level = pending.pop()
        indent = "   " * level + "└ " if level else ""
        name = f"{_escaped(indent + layer.name)} ([color(33)]{_escaped(_kind(layer))}[/])"
        row = [name, _shape_text(layer), _count_text(layer)]
        if "Connected to" in header:
            row.append(", ".join(sources.get(id(layer), [])) or "-")
        if "Trainable" in header:
            row.append(_trainable_text(layer))
        rows.append(row)
        if expand:
            pending += [(inner, level + 1) for inner in reversed(getattr(layer, "layers", []))]
    return rows


def _kind(layer: Any) -> str:
    """The class of a layer, or the name of an op written like one."""
    if not isinstance(layer, FunctionOperation):
        return type(layer).__name__
    return "".join(part.capitalize() for part in layer.kind.split("_"))


def _trainable_text(layer: Any) -> str:
    if not getattr(layer, "weights", []):
        return "-"
    return "[bold][color(34)]Y[/][/]" if layer.trainable else "[bold][color(9)]N[/][/]"


def _output_shape(layer: Any) -> Any:
    """The (nested) output shapes where they are known, else None."""
    nodes = layer._nodes
    if nodes:
        return structure.map_structure(lambda tensor: tensor.shape, nodes[0].outputs)
    if getattr(layer, "_build_shapes", None):
        args, kwargs = layer._build_shapes
        return layer.compute_output_shape(*args, **kwargs)
    return None


def _shape_text(layer: Any) -> str:
    def text(shape: Any) -> str:
        if isinstance(shape, tuple) and all(size is None or isinstance(size, int) for size in shape):
            sizes = [f"[color({45 if size is None else 34})]{size}[/]" for size in shape]
            return f"({', '.join(sizes)})"
        if isinstance(shape, dict):
            return "{" + ", ".join(f"{key}: {text(one)}" for key, one in shape.items()) + "}"
        return "[" + ", ".join(map(text, shape)) + "]"

    shape = _output_shape(layer)
    return "?" if shape is None else text(shape)


def _count_text(layer: Any) -> str:
    if not getattr(layer, "built", True):
        return "[color(34)]0[/] (unbuilt)"
    count = layer.count_params() if getattr(layer, "built", False) else 0
    return f"[color(34)]{count:,}[/]"


def _sources(nodes: list[Node]) -> dict[int, list[str]]:
    """Where the inputs of each operation (by id) come from, as name[call][output]."""
    above = [tensor.node for node in nodes for tensor in node.input_tensors if tensor.node is not None]
    operations = {id(node.operation): node.operation for node in above}.values()
    # A layer counts its calls, an op has one.
    calls = {id(node): number for one in operations for number, node in enumerate(getattr(one, "_nodes", []))}
    sources: dict[int, list[str]] = {}
    for node in nodes:
        for tensor in node.input_tensors:
            text = tensor.name
            if tensor.node is not None:
                name = _escaped(tensor.node.operation.name)
                text = f"{name}[{calls.get(id(tensor.node), 0)}][{tensor.position}]"
            sources.setdefault(id(node.operation), []).append(text)
    return sources


def _totals(model: Any) -> Iterable[str]:
    trainable, other = model.trainable_weights, model.non_trainable_weights
    optimizer = getattr(getattr(model, "optimizer", None), "variables", [])
    groups = [("Total", [*trainable, *other, *optimizer]), ("Trainable", trainable), ("Non-trainable", other)]
    if optimizer:
        groups.append(("Optimizer", optimizer))
    for name, variables in groups:
        count = sum(variable.size for variable in variables)
        size = sum(variable.size * np.dtype(variable.dtype).itemsize for variable in variables)
        yield f"[bold] {name} params: [/][color(34)]{count:,}[/] ({_memory_text(size)})"


def _memory_text(size: float) -> str:
    for unit in ("B", "KB", "MB", "GB"):
        if size < 1024:
            return f"{size:.2f} {unit}"
        size /= 1024
    return f"{size:.2f} TB"


def _in_range(layers: list[Any], layer_range: tuple[str, str] | None) -> list[Any]:
    if layer_range is None:
        return layers
    if len(layer_range) != 2:
        raise ValueError(
            f"expected the names of the first and last layer. Received: layer_range={layer_range}"
        )
    matches = [
        [index for index, layer in enumerate(layers) if re.match(pattern, layer.name)]
        for pattern in layer_range
    ]
    if not all(matches):
        raise ValueError(f"expected names of layers of the model. Received: layer_range={layer_range}")
    first, last = sorted((min(matches[0]), max(matches[1])))
    return layers[first : last + 1]
