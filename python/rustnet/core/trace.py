"""The graph being recorded: what ops append to, and what variables are read from and updated in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from typing import Any, Protocol

import numpy as np

from rustnet import _core
from rustnet.core import structure
from rustnet.core.arrays import Array, as_array
from rustnet.core.rules import disabled_rules
from rustnet.core.tensors import Shape, Tensor, TracedTensor


class Stored(Protocol):
    """What a variable is to a trace: something with content in the engine."""

    storage: _core.Variable
    path: str
    shape: Shape
    dtype: str


# Set only within `Context.run`, which the interpreter itself leaves: no exception, wherever it strikes
# (Ctrl-C between any two lines), can leave a trace behind in which later ops would be recorded.
_current: ContextVar[Trace | None] = ContextVar("trace", default=None)


def current_trace() -> Trace | None:
    """The trace that ops of this thread record into, if any."""
    return _current.get()


def unknown_size() -> int | None:
    """The size that stands for None while a symbolic call is recorded for its shapes; else None."""
    trace = current_trace()
    return None if trace is None else trace.unknown_size


def escape(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Calls a function whose ops run at once, also while recording: how variables are created then."""
    if _current.get() is None:
        return function(*args, **kwargs)
    return copy_context().run(_call_within, None, function, args, kwargs)


def _call_within(trace: Trace | None, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    _current.set(trace)
    return function(*args, **kwargs)


class Trace:
    """One graph in the making. `trace.call(function)` records the ops of that call into it.

    With `binds_arrays=True` (for a graph that runs once) the arrays met become inputs instead of constants,
    so that they are neither copied into the graph nor folded; `run_once` then runs it.
    """

    def __init__(
        self,
        binds_arrays: bool = False,
        unknown_size: int | None = None,
        arenas: _core.Arenas | None = None,
        reads: Any = None,
    ) -> None:
        self.graph = _core.Graph()
        self.binds_arrays = binds_arrays
        # The stand-in for None where a symbolic call is traced for its output shapes only.
        self.unknown_size = unknown_size
        # The memory that the program shares with others; without, it has its own.
        self.arenas = arenas
        # A `tracked.Reads` where the program is to be kept: it collects the attributes that are read.
        self.reads = reads
        # The `training` argument of the outermost layer call that stated one.
        self.training: bool | None = None
        self.inputs: list[TracedTensor] = []
        self.arrays: list[np.ndarray[Any, Any]] = []
        self._scopes: list[str] = []
        self._layers: list[object] = []
        self._scalars: dict[tuple[str, Any], TracedTensor] = {}
        self._arrays_by_id: dict[int, tuple[Any, TracedTensor]] = {}
        # By a variable's id: what it was read as so far, where its gradients end; and its present content.
        self._readings: dict[int, tuple[Stored, list[TracedTensor]]] = {}
        self._contents: dict[int, TracedTensor] = {}
        self._assigned: set[int] = set()

    def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Calls a function whose ops are recorded into this trace."""
        return copy_context().run(_call_within, self, function, args, kwargs)

    def input(self, dtype: str, shape: Sequence[int]) -> TracedTensor:
        """The next argument of the program."""
        tensor = self._tensor(self.graph.input(dtype, shape), dtype, tuple(shape))
        self.inputs.append(tensor)
        return tensor

    def constant(self, value: Any, dtype: str | None = None) -> TracedTensor:
        """A Python scalar, array or array-like as a tensor of this graph."""
        if isinstance(value, (bool, int, float)) and dtype is not None:
            key = (dtype, repr(value))
            if key not in self._scalars:
                array = as_array(value, dtype, "the number")
                self._scalars[key] = self._tensor(self.graph.constant(array), dtype, ())
            return self._scalars[key]
        array = as_array(value, dtype)
        if id(array) in self._arrays_by_id:
            return self._arrays_by_id[id(array)][1]
        if self.binds_arrays:
            tensor = self.input(array.dtype.name, array.shape)
            self.arrays.append(array)
        else:
            tensor = self._tensor(self.graph.constant(array), array.dtype.name, array.shape)
        self._arrays_by_id[id(array)] = (array, tensor)
        return tensor

    def read(self, variable: Stored) -> TracedTensor:
        """The variable's content at this point of the program."""
        content = self._contents.get(id(variable))
        if content is None:
            content = self._tensor(self.graph.read(variable.storage), variable.dtype, variable.shape)
            if id(variable) in self._assigned:
                # What an optimizer or a step has assigned is a new weight, and no function of older ones: the
                # gradient of a second loss must not lead back through the update that the first one made.
                [content] = self.record("stop_gradient", [content], {})
            self._readings.setdefault(id(variable), (variable, []))[1].append(content)
            self._contents[id(variable)] = content
        return content

    def variable_paths(self) -> dict[int, str]:
        """The paths of the variables that were read or assigned, by their numbers in the graph."""
        met = [variable for variable, _ in self._readings.values()]
        numbers = [self.graph.variable_index(variable.storage) for variable in met]
        return {
            number: variable.path for number, variable in zip(numbers, met, strict=True) if number is not None
        }

    def assign(self, variable: Stored, tensor: TracedTensor) -> None:
        """Gives the variable a new content, which later reads see; the variable has it when the step ends."""
        self.graph.assign(variable.storage, *self._values([tensor]))
        self._readings.setdefault(id(variable), (variable, []))
        if self.in_layer:
            # The state of a layer is part of what it computes, as in Keras on JAX.
            self._contents[id(variable)] = tensor
        else:
            self._contents.pop(id(variable), None)
            self._assigned.add(id(variable))

    def record(
        self, name: str, inputs: Sequence[TracedTensor], attributes: dict[str, Any]
    ) -> list[TracedTensor]:
        """Appends one op of the engine."""
        values = self.graph.apply(name, self._values(inputs), attributes)
        return [self._tensor(value, *self.graph.type_of(value)) for value in values]

    def call_python(
        self,
        function: Callable[[list[Array]], list[Array]],
        inputs: Sequence[TracedTensor],
        outputs: Sequence[tuple[str, Sequence[int]]],
        gradient: Callable[[list[Array]], list[Array]] | None,
    ) -> list[TracedTensor]:
        """Appends a call of a function, which takes and returns lists of arrays; see `rustnet.effects`."""
        values = self.graph.call_python(function, gradient, self._values(inputs), outputs)
        return [self._tensor(value, *self.graph.type_of(value)) for value in values]

    def _values(self, tensors: Sequence[TracedTensor]) -> list[int]:
        """The values of tensors of this trace."""
        values = []
        for tensor in tensors:
            if tensor.trace is not self:
                raise ValueError(
                    "expected a tensor of the call being recorded; one kept from an earlier call has no "
                    f"value any more. Received: {tensor!r}"
                )
            values.append(tensor.value)
        return values

    def gradients(
        self, loss: TracedTensor, sources: Sequence[Stored | TracedTensor]
    ) -> list[TracedTensor | None]:
        """d loss / d source for each source, `None` where the loss does not depend on it."""
        # A variable that was assigned between two readings has several: the loss may depend on each.
        readings = [
            [source] if isinstance(source, TracedTensor) else self._readings.get(id(source), (source, []))[1]
            for source in sources
        ]
        found = iter(self.graph.gradients(loss.value, [one.value for many in readings for one in many]))
        return [self._sum([next(found) for _ in many]) for many in readings]

    def _sum(self, values: list[int | None]) -> TracedTensor | None:
        """The sum of the values that are there."""
        tensors = [self._tensor(value, *self.graph.type_of(value)) for value in values if value is not None]
        while len(tensors) > 1:
            tensors[:2] = self.record("add", tensors[:2], {})
        return tensors[0] if tensors else None

    @contextmanager
    def scope(self, name: str) -> Iterator[None]:
        """Names the layer, loss or metric that the ops inside belong to; errors show it."""
        self._scopes.append(name)
        self.graph.set_scope(self.scope_name)
        try:
            yield
        finally:
            self._scopes.pop()
            self.graph.set_scope(self.scope_name)

    @contextmanager
    def layer_scope(self, layer: object, name: str) -> Iterator[None]:
        """`scope` for the call of a layer. Raises `ValueError` where the layer is being called already."""
        if any(layer is outer for outer in self._layers):
            raise ValueError(f"layer '{name}' expected calls that do not lead back to it. Received: a cycle")
        self._layers.append(layer)
        try:
            with self.scope(name):
                yield
        finally:
            self._layers.pop()

    @property
    def in_layer(self) -> bool:
        """True while a layer's call is being recorded."""
        return bool(self._layers)

    @property
    def scope_name(self) -> str:
        return "/".join(self._scopes)

    def compile(self, outputs: Sequence[TracedTensor]) -> _core.Program:
        """The program from the inputs to the outputs, which also writes the assigned variables."""
        return self.graph.compile([tensor.value for tensor in outputs], self.arenas, disabled_rules())

    def run_once(self, outputs: Any) -> Any:
        """Runs a trace that binds its arrays; traced leaves of `outputs` become concrete tensors."""
        leaves = structure.flatten(outputs)
        traced = [leaf for leaf in leaves if isinstance(leaf, TracedTensor)]
        acts = traced or self.graph.has_effects
        results = iter(self.compile(traced).run(self.arrays)) if acts else iter(())
        return structure.pack(
            outputs, [Tensor(next(results)) if isinstance(leaf, TracedTensor) else leaf for leaf in leaves]
        )

    def _tensor(self, value: int, dtype: str, shape: Sequence[int]) -> TracedTensor:
        return TracedTensor(self, value, dtype, tuple(shape))


def record(name: str, inputs: Sequence[TracedTensor], **attributes: Any) -> TracedTensor:
    """One op of the engine with one output. Every op of the front comes through here or `record_several`."""
    return record_several(name, inputs, **attributes)[0]


def record_several(name: str, inputs: Sequence[TracedTensor], **attributes: Any) -> list[TracedTensor]:
    """One op of the engine with all its outputs."""
    trace = current_trace()
    if trace is None:
        raise RuntimeError(f"expected an active trace for {name}; public ops are declared with @operation")
    return trace.record(name, inputs, attributes)
