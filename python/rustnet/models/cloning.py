"""A model of the same architecture with fresh weights: from another model, or from JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from rustnet.layers.description import layer_from
from rustnet.layers.layer import Layer
from rustnet.models.functional import Functional
from rustnet.models.model import Model
from rustnet.models.sequential import Sequential
from rustnet.registry import custom_objects_of


def clone_model(
    model: Model,
    input_tensors: Any = None,
    clone_function: Callable[[Layer], Layer] | None = None,
    call_function: Callable[..., Any] | None = None,
    recursive: bool = False,
) -> Any:
    """A new model with new layers of the same configuration, its weights initialized anew.

    A compiled model's clone is compiled, with an optimizer and metrics of its own.

    Arguments: `model`; for a Sequential or functional one also `input_tensors`, symbolic tensors in the place
    of its inputs, `clone_function`, from a layer to its replacement, by default one of the same
    configuration, and `recursive`, to go into models inside with that function; for a functional one
    `call_function`, called in place of each layer with that layer and its arguments.
    Raises `ValueError` for other arguments than the kind of model takes.

    >>> import rustnet
    >>> model = rustnet.Sequential([rustnet.Input((3,)), rustnet.layers.Dense(2)])
    >>> twin = rustnet.models.clone_model(model)
    >>> twin.set_weights(model.get_weights())

    Source: https://keras.io/api/models/model
    """
    if input_tensors is None and clone_function is None and call_function is None:
        return model._duplicate()
    if not isinstance(model, (Sequential, Functional)):
        raise ValueError(
            "expected a Sequential or functional model beside input_tensors, clone_function or "
            f"call_function. Received: {model!r}"
        )

    def clone(layer: Layer) -> Any:
        if recursive and isinstance(layer, (Sequential, Functional)):
            return layer._clone(clone)
        return layer._duplicate() if clone_function is None else clone_function(layer)

    if call_function is None:
        return model._clone(clone, input_tensors)
    if isinstance(model, Sequential):
        raise ValueError("expected call_function for a functional model. Received: a Sequential model")
    return model._clone(clone, input_tensors, call_function)


def model_from_json(json_string: str, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The model that `model.to_json()` described, its weights initialized anew.

    Arguments: `custom_objects`, the user's classes and functions by name.
    Raises `ValueError` for a class that is neither imported nor among them, or that is no model.

    >>> import rustnet
    >>> model = rustnet.Sequential([rustnet.Input((3,)), rustnet.layers.Dense(2)])
    >>> rustnet.models.model_from_json(model.to_json()).output_shape
    (None, 2)

    Source: https://keras.io/api/models/model_saving_apis/model_config_serialization
    """
    with custom_objects_of(custom_objects):
        model = layer_from(json.loads(json_string))
    if not isinstance(model, Model):
        raise ValueError(f"expected the description of a model. Received: that of a {type(model).__name__}")
    return model
