"""What a model asks its layers for, kept until one of them changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rustnet.core.tracked import Tracked, Watcher
from rustnet.layers.layer import Layer
from rustnet.layers.state import OWNED


class FoundInLayers(Watcher):
    """What a model asks its layers for at each call, asked again only where a layer has changed since."""

    def __init__(self) -> None:
        self._kept: dict[str, list[Any]] = {}

    def find(self, what: str, model: Layer, find: Callable[[Layer], list[Any]]) -> list[Any]:
        found = self._kept.get(what)
        if found is None:
            for layer in model._flatten_layers():
                self.watch(layer, OWNED)
                self.watch(layer, "_trainable")
            for weight in model.weights:
                self.watch(weight, "trainable")
            found = self._kept[what] = find(model)
        return found

    def tell(self, owner: Tracked, name: str) -> None:
        if name == OWNED:
            self._kept = {}
        else:
            self._kept.pop("trainable_weights", None)
