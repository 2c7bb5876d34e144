"""Models made of symbolic tensors: any directed acyclic graph of layers and ops."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rustnet.core import structure
from rustnet.core.masks import with_set_masks
from rustnet.core.node import FunctionOperation, keras_tensors
from rustnet.core.tensors import KerasTensor
from rustnet.layers.input_layer import Input
from rustnet.layers.layer import Layer
from rustnet.models.configuration import RepeatedOperation, graph_config
from rustnet.models.graph import Graph
from rustnet.models.inputs import known_output, match_inputs, wanted_dtypes, with_given_masks
from rustnet.models.model import Model, takes_tensors


class Functional(Model):
    """A model from symbolic inputs to symbolic outputs; see `Model`."""

    # Settled when the model is made.
    _UNWATCHED = Model._UNWATCHED | {"_graph", "_layers"}

    def __init__(self, inputs: Any, outputs: Any, name: str | None = None, **kwargs: Any) -> None:
        trainable = kwargs.pop("trainable", None)
        super().__init__(name=name, **kwargs)
        for what, value in (("inputs", inputs), ("outputs", outputs)):
            for leaf in structure.flatten(value):
                if not isinstance(leaf, KerasTensor):
                    raise ValueError(
                        f"model '{self.name}' expected symbolic tensors (rustnet.Input and what layers make "
                        f"of it) as {what}. Received: {what}={value!r}"
                    )
        given = keras_tensors(inputs)
        if len({id(tensor) for tensor in given}) < len(given):
            raise ValueError(f"model '{self.name}' expected each input once. Received: inputs={inputs!r}")
        graph = Graph(inputs, with_set_masks(outputs), self.name)
        layers = [operation for operation in graph.operations if isinstance(operation, Layer)]
        _check_names(layers, self.name)
        # Inputs are converted to the dtypes of `inputs`, not to the model's.
        self._autocast = False
        self._graph = graph
        self._layers = layers
        self.built = True
        if trainable is not None:
            self.trainable = trainable

    @property
    def inputs(self) -> list[KerasTensor]:
        return keras_tensors(self._graph.inputs)

    @property
    def outputs(self) -> list[KerasTensor]:
        return keras_tensors(self._graph.outputs)

    @property
    def input(self) -> Any:
        """The symbolic inputs, nested as the model was made with them."""
        return structure.map_structure(lambda tensor: tensor, self._graph.inputs)

    @property
    def output(self) -> Any:
        """The symbolic outputs, nested as the model was made with them."""
        return structure.map_structure(lambda tensor: tensor, self._graph.outputs)

    @property
    def _takes_float64(self) -> bool:
        return any(tensor.dtype == "float64" for tensor in self.inputs)

    @property
    def input_shape(self) -> Any:
        """The shape of the input, or a list of the shapes of several."""
        return _alone([tensor.shape for tensor in self.inputs])

    @property
    def output_shape(self) -> Any:
        """The shape of the output, or a list of the shapes of several."""
        return _alone([tensor.shape for tensor in self.outputs])

    def _input_dtypes(self, inputs: Any) -> list[str | None]:
        return wanted_dtypes(inputs, self._graph.inputs, self.name)

    @property
    def output_names(self) -> list[str]:
        """The name of the layer behind each output."""
        return [tensor.node.operation.name if tensor.node else tensor.name for tensor in self.outputs]

    @property
    def operations(self) -> list[Any]:
        """The layers and ops, those farthest from the outputs first."""
        return list(self._graph.operations)

    @property
    def layers(self) -> list[Layer]:
        return list(self._layers)

    def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        tensors = match_inputs(with_given_masks(inputs, mask, self.name), self._graph.inputs, self.name)
        outputs = self._graph.run(tensors)
        return _alone(outputs) if isinstance(outputs, (list, tuple)) else outputs

    def _symbolic_outputs(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        known = known_output(self, args, kwargs) if type(self).call is Functional.call else None
        return super()._symbolic_outputs(args, kwargs) if known is None else known

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        # The layers inside have put their masks on the outputs already.
        return None

    def get_config(self) -> dict[str, Any]:
        """The layers and their calls as plain values; for a class with arguments of its own, these."""
        if not takes_tensors(type(self)):
            is_own = type(self).get_config is not Functional.get_config
            return self._base_config() if is_own else self._given_config()
        return {"name": self.name, "trainable": self.trainable, **graph_config(self._graph)}

    def _duplicate(self) -> Any:
        # A class with arguments of its own is made again from these.
        return (
            self._clone(lambda layer: layer._duplicate())
            if takes_tensors(type(self))
            else super()._duplicate()
        )

    def _clone(
        self,
        clone: Callable[[Layer], Any],
        input_tensors: Any = None,
        call: Callable[..., Any] = lambda operation, *args, **kwargs: operation(*args, **kwargs),
    ) -> Any:
        """A model of the same graph, each of its layers replaced by `clone` of it, once."""
        clones: dict[int, Any] = {}

        def clone_of(operation: Any) -> Any:
            if isinstance(operation, FunctionOperation):
                return RepeatedOperation(FunctionOperation(operation.function, operation.name))
            if id(operation) not in clones:
                clones[id(operation)] = clone(operation)
            return clones[id(operation)]

        inputs = input_tensors
        if inputs is None:
            inputs = structure.map_structure(
                lambda tensor: Input(
                    batch_shape=tensor.shape,
                    dtype=tensor.dtype,
                    name=tensor.name,
                    optional=tensor.node.operation.optional,
                ),
                self._graph.inputs,
            )
        outputs = self._graph.run(keras_tensors(inputs), clone_of, call)
        cls = type(self) if takes_tensors(type(self)) else Functional
        model = cls(inputs, outputs, name=self.name)
        if not self.trainable:
            model.trainable = False
        model._compile_as(self)
        return model

    def __getstate__(self) -> dict[str, Any]:
        # The graph first: it lists its calls in an order in which no chain is recursed along.
        state = super().__getstate__()
        return {"_graph": state.pop("_graph"), **state}


Model._functional = Functional


def _alone(values: Any) -> Any:
    """The only item instead of a list of one, as Keras has it."""
    return values[0] if len(values) == 1 else values


def _check_names(layers: list[Layer], name: str) -> None:
    seen: set[str] = set()
    for layer in layers:
        if layer.name in seen:
            raise ValueError(
                f"model '{name}' expected layers of different names. Received: two named '{layer.name}'"
            )
        seen.add(layer.name)
