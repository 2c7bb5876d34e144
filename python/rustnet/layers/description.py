"""Layers, and what they are made with, as plain dictionaries in Keras's layout."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import Any

from rustnet.core.node import Called
from rustnet.registry import custom_objects, serialize


def describe(layer: Any) -> Any:
    """A dictionary that `layer_from` turns back into a layer of the same configuration."""
    return serialize(layer)


def layer_from(description: Any) -> Any:
    """The layer that `describe` described; a layer is returned as it is."""
    layer = revive(description)
    if isinstance(description, Mapping) and not isinstance(layer, Called):
        raise ValueError(f"expected the description of a layer. Received: {description!r}")
    return layer


def revive(value: Any) -> Any:
    """`value` with each described object in it made again.

    A class is found among `custom_objects`, or where the program has imported or defined it: a description is
    data and runs nothing of its own. Raises `ValueError` where there is none. What Keras describes is left to
    the arguments' own rules.
    """
    if isinstance(value, (list, tuple)):
        return type(value)(map(revive, value))
    if not isinstance(value, Mapping):
        return value
    if "class_name" not in value or "config" not in value or _is_of_keras(value):
        return {key: revive(item) for key, item in value.items()}
    if value["class_name"] == "function":
        return _function_from(value)
    found = _class_of(str(value.get("module")), str(value["class_name"]))
    if not hasattr(found, "from_config"):
        raise ValueError(
            "expected the description of an object whose class is imported or among custom_objects. "
            f"Received: {value!r}"
        )
    return found.from_config(dict(value["config"]))


def _is_of_keras(description: Mapping[str, Any]) -> bool:
    return str(description.get("module")).split(".")[0] == "keras"


def _function_from(description: Mapping[str, Any]) -> Any:
    name, module = str(description["config"]), str(description.get("module"))
    found = custom_objects().get(name)
    # Of modules only this package's are looked into: others have functions that do anything.
    if found is None and module.split(".")[0] == "rustnet":
        found = getattr(sys.modules.get(module), name, None)
    if not callable(found):
        raise ValueError(
            f"expected a function of this package, or one among custom_objects. Received: {description!r}"
        )
    return found


def _class_of(module: str, name: str) -> Any:
    found = custom_objects().get(name) or getattr(sys.modules.get(module), name, None)
    if found is not None:
        return found
    # A class defined within a function is no attribute of its module.
    candidates = [one for one in _layer_classes() if (one.__module__, one.__name__) == (module, name)]
    if len(candidates) > 1:
        raise ValueError(
            f"expected one class '{name}' in module '{module}', or custom_objects to say which is meant. "
            f"Received: {len(candidates)} of them"
        )
    return candidates[0] if candidates else None


def _layer_classes() -> Iterator[type]:
    """The classes of what can be called in a model, layers above all, that are defined at present."""
    pending: list[Any] = [Called]
    # A class with several layer classes as bases is met more than once.
    seen: set[type] = set()
    while pending:
        cls = pending.pop()
        if cls in seen:
            continue
        seen.add(cls)
        # The class that a functional model of a user's class gets stands for that.
        pending += [one for one in cls.__subclasses__() if vars(cls).get("_functional_class") is not one]
        yield cls
