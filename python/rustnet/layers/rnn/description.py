"""Layers inside layers, as plain dictionaries."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from rustnet.layers.layer import Layer
from rustnet.registry import serialize


def describe(layer: Any) -> Any:
    """A dictionary that `layer_from` turns back into a layer of the same configuration."""
    return serialize(layer)


def layer_from(description: Any) -> Any:
    """The layer that `describe` described; a layer is returned as it is."""
    if not isinstance(description, Mapping):
        return description
    # Only what the program has imported itself: a description is data and runs nothing of its own.
    module = sys.modules.get(str(description.get("module")))
    found = getattr(module, str(description.get("class_name")), None)
    if not (isinstance(found, type) and issubclass(found, Layer)):
        raise ValueError(
            f"expected the description of a layer whose class is imported. Received: {description!r}"
        )
    return found.from_config(dict(description["config"]))
