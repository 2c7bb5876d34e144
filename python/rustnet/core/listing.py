"""A recorded graph to be read: its nodes, values and assignments, as objects, as text and as DOT."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from rustnet.core.rules import disabled_rules
from rustnet.core.tensors import TracedTensor
from rustnet.core.trace import Trace

Stage = Literal["recorded", "rewritten", "fused"]


@dataclass(frozen=True)
class GraphValue:
    """A value of a graph: a tensor that a node computes, or that the program is given.

    Attributes:
        name: unique within the graph: that of its node, with the number of the output where there are more;
            the path of a variable; `input`, `input_1`, …; `constant`, `constant_1`, …
        kind: `"input"`, `"variable"` (as the step starts), `"constant"`, or `"output"` of a node.
        dtype, shape: of the tensor.
        content: the array, of a constant alone.
    """

    name: str
    kind: str
    dtype: str
    shape: tuple[int, ...]
    content: np.ndarray[Any, Any] | None = field(default=None, compare=False, repr=False)

    def __str__(self) -> str:
        return f"{self.name} {self.dtype}{list(self.shape)}"


@dataclass(frozen=True)
class GraphNode:
    """One op of a graph, applied.

    Attributes:
        name: unique within the graph and the same on every run: where the op belongs, the op, and a number
            from the second of that name on.
        op: the name of the op.
        attributes: its static parameters by name: bools, ints, floats, strings and lists of ints.
        inputs, outputs: values, in order.
        scope: the layers, loss, metric or optimizer that asked for it, from the outermost in.
        origin: `""` for what the program asked for; `"gradient of <op>"`; `"rule <name>"` of a rewrite.
    """

    name: str
    op: str
    attributes: dict[str, Any]
    inputs: tuple[GraphValue, ...]
    outputs: tuple[GraphValue, ...]
    scope: str
    origin: str

    def __str__(self) -> str:
        given = [value.name for value in self.inputs]
        given += [f"{key}={value!r}" for key, value in self.attributes.items()]
        made = ", ".join(map(str, self.outputs)) or self.name
        return f"{made} = {self.op}({', '.join(given)})" + (f"  # {self.origin}" if self.origin else "")


@dataclass(frozen=True)
class GraphStep:
    """What runs as one: a kernel, a kernel and the fused loop in its epilogue, or a fused loop."""

    work: str
    nodes: tuple[GraphNode, ...]

    def __str__(self) -> str:
        return f"{self.work}: {', '.join(node.name for node in self.nodes)}"


class GraphListing:
    """A graph: `print` it, walk its `nodes`, or draw it with `to_dot()`.

    Attributes:
        nodes: in an order in which they can be computed.
        inputs: the arguments of the program, as far as they are read.
        outputs: its results.
        variables: the contents of variables when the step starts, as far as they are read.
        assignments: for each variable that the step assigns to, its path and the value, in order.
        steps: of the fused graph, what runs, in order; else empty.
    """

    def __init__(self, trace: Trace, outputs: Sequence[TracedTensor], stage: Stage) -> None:
        listed = trace.graph.listing([one.value for one in outputs], stage != "recorded", disabled_rules())
        values, nodes, results, assignments, steps = listed
        paths = trace.variable_paths()
        names = _names(values, nodes, paths)
        self._values = [
            GraphValue(name, kind, dtype, tuple(shape), content)
            for name, (kind, _, dtype, shape, content) in zip(names, values, strict=True)
        ]
        self.nodes = [
            GraphNode(name, op, attributes, self._of(given), self._of(made), scope, origin)
            for name, op, attributes, given, made, scope, origin in nodes
        ]
        read = {value for _, _, _, given, _, _, _ in nodes for value in given} | set(results)
        self.inputs = self._of(n for n, value in enumerate(values) if value[0] == "input" and n in read)
        self.variables = self._of(n for n, value in enumerate(values) if value[0] == "variable" and n in read)
        self.outputs = self._of(results)
        self.assignments = [(paths[variable], self._values[value]) for variable, value, _ in assignments]
        self.steps = [
            GraphStep(work, tuple(self.nodes[node] for node in members))
            for work, members in (steps if stage == "fused" else [])
        ]
        self.output_types = [(value.dtype, list(value.shape)) for value in self.outputs]

    def _of(self, numbers: Any) -> tuple[GraphValue, ...]:
        return tuple(self._values[number] for number in numbers)

    def node(self, name: str) -> GraphNode:
        """The node of a name. Raises `ValueError` where there is none."""
        for node in self.nodes:
            if node.name == name:
                return node
        raise ValueError(f"expected the name of a node of this graph. Received: name={name!r}")

    def __str__(self) -> str:
        if self.steps:
            return "\n".join(map(str, self.steps))
        lines = [f"{value.kind} {value}" for value in (*self.inputs, *self.variables)]
        lines += map(str, self.nodes)
        lines += [f"{path} <- {value.name}" for path, value in self.assignments]
        lines += [f"output {value.name}" for value in self.outputs]
        return "\n".join(lines)

    def to_dot(self) -> str:
        """The graph in the DOT language, for Graphviz: a box for each node, an ellipse for other values."""
        lines = ["digraph {", "  node [shape=box];"]
        made = {id(value): node.name for node in self.nodes for value in node.outputs}
        ends = [*self.outputs, *(value for _, value in self.assignments)]
        given = {id(value): value for node in self.nodes for value in node.inputs if id(value) not in made}
        given |= {id(value): value for value in ends if id(value) not in made}
        for value in given.values():
            lines.append(f"  {_quoted(value.name)} [shape=ellipse, label={_quoted(str(value))}];")
        for node in self.nodes:
            lines.append(f"  {_quoted(node.name)} [label={_quoted(node.name)}];")
        for node in self.nodes:
            for value in node.inputs:
                source, label = made.get(id(value), value.name), f"{value.dtype}{list(value.shape)}"
                lines.append(f"  {_quoted(source)} -> {_quoted(node.name)} [label={_quoted(label)}];")
        for number, value in enumerate(self.outputs):
            lines.append(f"  {_quoted(f'output {number}')} [shape=ellipse];")
            lines.append(f"  {_quoted(made.get(id(value), value.name))} -> {_quoted(f'output {number}')};")
        for path, value in self.assignments:
            lines.append(f"  {_quoted(f'assign {path}')} [shape=ellipse];")
            lines.append(f"  {_quoted(made.get(id(value), value.name))} -> {_quoted(f'assign {path}')};")
        return "\n".join([*lines, "}"])


def _names(values: list[Any], nodes: list[Any], paths: dict[int, str]) -> list[str]:
    """A name for each value."""
    names: list[str] = []
    counts = {"input": 0, "constant": 0}
    for number, (kind, index, _, _, _) in enumerate(values):
        if kind == "variable":
            names.append(paths[index])
        elif kind == "output":
            outputs = nodes[index][4]
            place = outputs.index(number)
            names.append(nodes[index][0] + (f":{place}" if len(outputs) > 1 else ""))
        else:
            names.append(kind if counts[kind] == 0 else f"{kind}_{counts[kind]}")
            counts[kind] += 1
    return names


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


class ListingTrace(Trace):
    """A trace that is read instead of run: in the place of a program it gives the listing of its graph."""

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        self.stage = stage

    def compile(self, outputs: Sequence[TracedTensor]) -> Any:
        return GraphListing(self, outputs, self.stage)
