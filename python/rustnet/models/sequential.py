"""Models that are a chain of layers."""

from __future__ import annotations

from typing import Any

from rustnet.core import structure
from rustnet.core.tensors import KerasTensor
from rustnet.layers.input_layer import InputLayer
from rustnet.layers.layer import Layer
from rustnet.models.functional import match_inputs
from rustnet.models.model import Model


class Sequential(Model):
    """A chain of layers, each called on the output of the one before.

    Arguments: `layers`, a list; `trainable`; `name`. The input's shape comes from an `Input` put first, from
    `input_shape=` of the first layer, or from the first data. Raises `ValueError` for two layers of one name.

    >>> import rustnet
    >>> model = rustnet.Sequential([rustnet.Input((784,)), rustnet.layers.Dense(10)])
    >>> model.output_shape
    (None, 10)

    Source: https://keras.io/api/models/sequential
    """

    # It changes with `_layers`, which is watched.
    _UNWATCHED = Model._UNWATCHED | {"_tensors"}

    def __init__(self, layers: Any = None, trainable: bool = True, name: str | None = None) -> None:
        super().__init__(trainable=trainable, name=name)
        self._layers: tuple[Layer, ...] = ()
        # What the first layers (the InputLayer included) return symbolically; all of them once built.
        self._tensors: list[Any] = []
        for layer in layers or []:
            self.add(layer)

    def add(self, layer: Any) -> None:
        """Puts a layer (or an `Input`) at the end."""
        if isinstance(layer, KerasTensor) and layer.node is not None:
            layer = layer.node.operation
        if not isinstance(layer, Layer):
            raise ValueError(
                f"model '{self.name}' expected a layer. Received: {layer!r} of type {type(layer).__name__}"
            )
        if isinstance(layer, Model) and any(one is self for one in layer._flatten_layers()):
            raise ValueError(
                f"model '{self.name}' expected a layer that does not contain it. Received: {layer!r}"
            )
        if any(layer.name == other.name for other in self._layers):
            raise ValueError(
                f"model '{self.name}' expected layers of different names. Received: a second '{layer.name}'"
            )
        if isinstance(layer, InputLayer) and self._layers:
            raise ValueError(f"model '{self.name}' expected its Input first. Received: '{layer.name}' later")
        if not self._layers and not isinstance(layer, InputLayer):
            shape, dtype = _known_input(layer)
            if shape is not None:
                self.add(InputLayer(batch_shape=shape, dtype=dtype))
        self._layers = (*self._layers, layer)
        self.built = False
        self._extend()

    def pop(self) -> Layer:
        """Takes the last layer off and returns it."""
        if not self.layers:
            raise ValueError(f"model '{self.name}' expected at least one layer to pop. Received: none")
        layer = self._layers[-1]
        self._layers = self._layers[:-1]
        if len(self._tensors) > len(self._layers):
            self._tensors.pop()
            layer._nodes.pop()
        self.built = len(self._tensors) == len(self._layers) > 1
        return layer

    def build(self, input_shape: Any = None) -> None:
        """Makes the weights of all layers for inputs of `input_shape`, the batch first."""
        if not self.layers:
            raise ValueError(f"model '{self.name}' expected at least one layer (add). Received: none")
        if input_shape is None:
            raise ValueError(f"model '{self.name}' expected an input shape. Received: input_shape=None")
        if not isinstance(self._layers[0], InputLayer):
            first = self._layers[0]
            batch_shape = (None, *tuple(input_shape)[1:])
            self._layers = (InputLayer(batch_shape=batch_shape, dtype=first.dtype), *self._layers)
        self._extend()

    def _extend(self) -> None:
        """Calls the layers that were not called yet symbolically, from the known input on."""
        if not isinstance(self._layers[0], InputLayer):
            return
        if not self._tensors:
            self._tensors.append(self._layers[0].output)
        for layer in self._layers[len(self._tensors) :]:
            self._tensors.append(layer(self._tensors[-1]))
        self.built = len(self._layers) > 1

    def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        (x,) = match_inputs(inputs, self.input, self.name)
        if mask is not None:
            x._keras_mask = mask
        for layer in self.layers:
            x = layer(x)
        return x

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        # The layers inside have put their masks on the output already.
        return None

    @property
    def layers(self) -> list[Layer]:
        """The layers without the one behind `Input`."""
        return [layer for layer in self._layers if not isinstance(layer, InputLayer)]

    def _symbolic(self, position: int, what: str) -> Any:
        if not self._tensors:
            raise AttributeError(
                f"model '{self.name}' has no {what} yet: expected an Input, build() or data first"
            )
        return self._tensors[position]

    @property
    def input(self) -> Any:
        return self._symbolic(0, "input")

    @property
    def output(self) -> Any:
        return self._symbolic(-1, "output")

    @property
    def inputs(self) -> list[KerasTensor]:
        return structure.flatten(self.input)

    @property
    def outputs(self) -> list[KerasTensor]:
        return structure.flatten(self.output)

    @property
    def input_shape(self) -> Any:
        return self._symbolic(0, "input shape").shape

    @property
    def output_shape(self) -> Any:
        return structure.map_structure(lambda tensor: tensor.shape, self._symbolic(-1, "output shape"))

    @property
    def output_names(self) -> list[str]:
        return [self._layers[-1].name] * len(self.outputs)


def _known_input(layer: Layer) -> tuple[Any, str]:
    """The shape (with the batch) and dtype of the input that a first layer asks for, if it does."""
    if isinstance(layer, Model) and layer.built and hasattr(layer, "input_shape"):
        return layer.input_shape, structure.flatten(layer.input)[0].dtype
    return layer._batch_input_shape, layer.dtype
