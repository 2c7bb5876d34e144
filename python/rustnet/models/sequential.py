"""Models that are a chain of layers."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from rustnet.core import structure
from rustnet.core.tensors import KerasTensor
from rustnet.core.transaction import atomically
from rustnet.layers.arguments import is_shape
from rustnet.layers.description import describe, layer_from
from rustnet.layers.input_layer import Input, InputLayer
from rustnet.layers.layer import Layer
from rustnet.models.inputs import known_output, match_inputs, wanted_dtypes, with_given_masks
from rustnet.models.model import Model
from rustnet.registry import custom_objects_of


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
        # Inputs are converted to the dtype of the first layer, not to the model's.
        self._autocast = False
        if type(self).__init__ is Sequential.__init__:
            # The layers may change, and are known anyway.
            self._init_arguments = None
        self._layers: tuple[Layer, ...] = ()
        # What the layers (the InputLayer included) return symbolically, once the input is known.
        self._tensors: list[Any] = []
        # Whether the input was known from the first data: then its sizes are no promise.
        self._is_deferred = False
        if isinstance(layers, (Layer, KerasTensor)):
            raise ValueError(f"model '{self.name}' expected a list of layers. Received: {layers!r}")
        if type(self).add is Sequential.add:
            self._append(list(layers or []))
        else:
            for layer in layers or []:
                self.add(layer)

    def add(self, layer: Any) -> None:
        """Puts a layer (or an `Input`) at the end."""
        self._append([layer])

    def _append(self, added: list[Any]) -> None:
        """Puts layers at the end, all of them or none."""
        layers = list(self._layers)
        by_name = {layer.name: layer for layer in layers}
        for layer in added:
            if isinstance(layer, KerasTensor) and layer.node and isinstance(layer.node.operation, InputLayer):
                layer = layer.node.operation
            if not isinstance(layer, Layer):
                raise ValueError(
                    f"model '{self.name}' expected a layer. "
                    f"Received: {layer!r} of type {type(layer).__name__}"
                )
            if isinstance(layer, Model) and any(one is self for one in layer._flatten_layers()):
                raise ValueError(
                    f"model '{self.name}' expected a layer that does not contain it. Received: {layer!r}"
                )
            if by_name.setdefault(layer.name, layer) is not layer:
                raise ValueError(
                    f"model '{self.name}' expected layers of different names. "
                    f"Received: a second '{layer.name}'"
                )
            if isinstance(layer, InputLayer) and layers:
                raise ValueError(
                    f"model '{self.name}' expected its Input first. Received: '{layer.name}' later"
                )
            if not layers and not isinstance(layer, InputLayer):
                shape, dtype = _known_input(layer)
                if shape is not None:
                    layers.append(InputLayer(batch_shape=shape, dtype=dtype))
            layers.append(layer)
        if layers:
            atomically(self, self._set, tuple(layers), self._called(tuple(layers)))

    def pop(self) -> Layer:
        """Takes the last layer off and returns it."""
        if not self.layers:
            raise ValueError(f"model '{self.name}' expected at least one layer to pop. Received: none")
        layer = self._layers[-1]
        layers = self._layers[:-1]
        if self._is_deferred and len(layers) == 1:
            # Of the first data nothing is left to remember.
            self._is_deferred, layers = False, ()
        atomically(self, self._set, layers, self._tensors[: len(layers)])
        return layer

    def build(self, input_shape: Any = None) -> None:
        """Makes the weights of all layers for inputs of `input_shape`, the batch first."""
        if not self.layers:
            raise ValueError(f"model '{self.name}' expected at least one layer (add). Received: none")
        if input_shape is None:
            raise ValueError(f"model '{self.name}' expected an input shape. Received: input_shape=None")
        if isinstance(input_shape, list) and len(input_shape) == 1 and is_shape(input_shape[0]):
            (input_shape,) = input_shape
        if not is_shape(input_shape):
            # Several inputs, for a first layer such as Add: no symbolic input, each layer builds itself.
            return
        layers, shape = self._layers, tuple(input_shape)
        if isinstance(layers[0], InputLayer):
            if not self._is_deferred and not _is_within(shape, layers[0].batch_shape):
                raise ValueError(
                    f"model '{self.name}' expected the input shape that it has, {layers[0].batch_shape}. "
                    f"Received: input_shape={shape}"
                )
        else:
            layers = (InputLayer(batch_shape=(None, *shape[1:]), dtype=layers[0].dtype), *layers)
        self._set(layers, self._called(layers))

    def _build_for(self, arguments: dict[str, Any], unknown_size: int | None, path: str) -> None:
        super()._build_for(arguments, unknown_size, path)
        self._is_deferred = bool(self._tensors)

    def _called(self, layers: tuple[Layer, ...]) -> list[Any]:
        """What each of the layers returns symbolically; what was called before is not called again."""
        if not isinstance(layers[0], InputLayer):
            return []
        tensors = list(self._tensors or [layers[0].output])
        for layer in layers[len(tensors) :]:
            tensors.append(layer(tensors[-1]))
        return tensors

    def _set(self, layers: tuple[Layer, ...], tensors: list[Any]) -> None:
        self._layers, self._tensors = layers, tensors
        self.built = len(tensors) > 1

    def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        x = with_given_masks(inputs, mask, self.name)
        if self._tensors:
            (x,) = match_inputs(x, self._tensors[0], self.name, any_sizes=self._is_deferred)
        for layer in self.layers:
            x = layer(x)
        return x

    def _symbolic_outputs(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        may_be_known = self._tensors and type(self).call is Sequential.call
        known = known_output(self, args, kwargs) if may_be_known else None
        return super()._symbolic_outputs(args, kwargs) if known is None else known

    def get_config(self) -> dict[str, Any]:
        """The layers as plain values; for a class with arguments of its own, these."""
        if not _takes_layers(type(self)):
            is_own = type(self).get_config is not Sequential.get_config
            return self._base_config() if is_own else self._given_config()
        layers = self.layers if self._is_deferred else self._layers
        config = {**self._base_config(), "layers": [describe(layer) for layer in layers]}
        if self._tensors:
            config["build_input_shape"] = list(self._tensors[0].shape)
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        """The model that `get_config` described.

        Arguments: `custom_objects`, the user's classes and functions by name.
        Raises `ValueError` for a class that is neither imported nor among them.
        """
        if "layers" not in config or not _takes_layers(cls):
            return super().from_config(config, custom_objects)
        with custom_objects_of(custom_objects):
            layers = [layer_from(layer) for layer in config["layers"]]
        model = cls(layers, trainable=config.get("trainable", True), name=config.get("name"))
        if "build_input_shape" in config and not model.built and model.layers:
            model.build(config["build_input_shape"])
            model._is_deferred = True
        return model

    def _duplicate(self) -> Any:
        # A class with arguments of its own is made again from these.
        return (
            self._clone(lambda layer: layer._duplicate())
            if _takes_layers(type(self))
            else super()._duplicate()
        )

    def _clone(self, clone: Callable[[Layer], Any], input_tensors: Any = None) -> Any:
        """A chain of `clone` of each layer, its own again and again where one comes twice."""
        clones: dict[int, Any] = {}
        for layer in self._layers:
            if id(layer) not in clones:
                is_input = isinstance(layer, InputLayer)
                clones[id(layer)] = layer._duplicate() if is_input else clone(layer)
        layers = [clones[id(layer)] for layer in self._layers]
        if input_tensors is not None:
            (tensor,) = structure.flatten(input_tensors)
            layers = [Input(tensor=tensor), *(one for one in layers if not isinstance(one, InputLayer))]
        cls = type(self) if _takes_layers(type(self)) else Sequential
        model = cls(layers, trainable=self.trainable, name=self.name)
        model._is_deferred = self._is_deferred
        model._compile_as(self)
        return model

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        # The layers inside have put their masks on the output already.
        return None

    @property
    def layers(self) -> list[Layer]:
        """The layers without the one behind `Input`."""
        return [layer for layer in self._layers if not isinstance(layer, InputLayer)]

    @property
    def _takes_float64(self) -> bool:
        return bool(self._layers) and self._layers[0].dtype == "float64"

    def _symbolic(self, position: int, what: str) -> Any:
        if not self._tensors:
            raise AttributeError(
                f"model '{self.name}' has no {what} yet: expected an Input, build() or data first"
            )
        return self._tensors[position]

    @property
    def input(self) -> Any:
        """The symbolic input: within the model that this one is part of, else its own."""
        nodes = self._nodes
        return nodes[0].inputs if nodes else self._symbolic(0, "input")

    @property
    def output(self) -> Any:
        """The symbolic output: within the model that this one is part of, else its own."""
        nodes = self._nodes
        return nodes[0].outputs if nodes else self._symbolic(-1, "output")

    @property
    def inputs(self) -> list[KerasTensor]:
        return structure.flatten(self._symbolic(0, "input"))

    @property
    def outputs(self) -> list[KerasTensor]:
        return structure.flatten(self._symbolic(-1, "output"))

    @property
    def input_shape(self) -> Any:
        return self._symbolic(0, "input shape").shape

    @property
    def output_shape(self) -> Any:
        shapes = [tensor.shape for tensor in structure.flatten(self._symbolic(-1, "output shape"))]
        return shapes[0] if len(shapes) == 1 else shapes

    def _input_dtypes(self, inputs: Any) -> list[str | None]:
        if not self._tensors:
            return super()._input_dtypes(inputs)
        return wanted_dtypes(inputs, self._tensors[0], self.name)

    @property
    def output_names(self) -> list[str]:
        return [self._layers[-1].name] * len(self.outputs)


def _is_within(shape: tuple[Any, ...], known: tuple[Any, ...]) -> bool:
    return len(shape) == len(known) and all(
        size is None or other is None or size == other for size, other in zip(shape, known, strict=True)
    )


def _takes_layers(cls: Any) -> bool:
    """Whether a class is made as `Sequential` is, with a list of layers."""
    return list(inspect.signature(cls.__init__).parameters)[1:2] == ["layers"]


def _known_input(layer: Layer) -> tuple[Any, str]:
    """The shape (with the batch) and dtype of the input that a first layer asks for, if it does."""
    inputs = getattr(layer, "inputs", None) if isinstance(layer, Model) and layer.built else None
    if inputs is not None and len(inputs) == 1:
        return inputs[0].shape, inputs[0].dtype
    return layer._batch_input_shape, layer.dtype
