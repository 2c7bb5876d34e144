"""A model of the same architecture with fresh weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rustnet.core import structure
from rustnet.core.node import keras_tensors
from rustnet.layers.input_layer import Input, InputLayer
from rustnet.layers.layer import Layer
from rustnet.models.functional import Functional
from rustnet.models.model import Model
from rustnet.models.sequential import Sequential


def clone_model(
    model: Model, input_tensors: Any = None, clone_function: Callable[[Layer], Layer] | None = None
) -> Model:
    """A new model with new layers of the same configuration, its weights initialized anew.

    Arguments: `model`, Sequential or functional; `clone_function`, from a layer to its replacement.
    Raises `ValueError` for a subclassed model.

    >>> import rustnet
    >>> model = rustnet.Sequential([rustnet.Input((3,)), rustnet.layers.Dense(2)])
    >>> twin = rustnet.models.clone_model(model)
    >>> twin.set_weights(model.get_weights())

    Source: https://keras.io/api/models/model
    """
    if input_tensors is not None:
        raise ValueError("expected input_tensors=None: call the clone on other tensors instead")
    clones: dict[int, Any] = {}

    def clone(operation: Any) -> Any:
        if not isinstance(operation, Layer):
            return operation
        if id(operation) not in clones:
            if clone_function is not None and not isinstance(operation, InputLayer):
                clones[id(operation)] = clone_function(operation)
            elif isinstance(operation, (Functional, Sequential)):
                clones[id(operation)] = clone_model(operation)
            else:
                clones[id(operation)] = type(operation).from_config(operation.get_config())
        return clones[id(operation)]

    if isinstance(model, Sequential):
        return Sequential([clone(layer) for layer in model._layers], model.trainable, model.name)
    if not isinstance(model, Functional):
        raise ValueError(f"expected a Sequential or functional model. Received: {model!r}")
    new_inputs = structure.map_structure(
        lambda tensor: Input(batch_shape=tensor.shape, dtype=tensor.dtype, name=tensor.name), model.input
    )
    return Functional(new_inputs, model._graph.run(keras_tensors(new_inputs), clone), name=model.name)
