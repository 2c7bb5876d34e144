"""The state that a layer owns, found by looking: variables and sublayers in attributes, lists and dicts."""

from __future__ import annotations

from collections.abc import Iterator
from types import FunctionType
from typing import Any

from rustnet.core.tracked import Tracked
from rustnet.core.variable import Variable

# What watchers of the variables and sublayers of a layer, in whichever attribute, are told.
OWNED = "(owned)"


# Types of most attributes, in which nothing is.
_PLAIN = frozenset({bool, float, int, str, type(None), FunctionType})


def may_own(value: Any) -> bool:
    """Whether variables, sublayers or metrics are in an attribute's value, or may be put there: it is empty.

    Not in one of plain values: whoever notes the last losses at every batch changes nothing of the layer.
    """
    if type(value) in _PLAIN:
        return False
    if isinstance(value, (list, tuple, set, dict)):
        values = value.values() if isinstance(value, dict) else value
        return not value or any(map(may_own, values))
    return isinstance(value, Tracked)


def owned(value: Any, kind: type | tuple[type, ...]) -> Iterator[Any]:
    """The objects of a kind in an attribute's value, also inside lists, tuples, sets and dicts."""
    # `isinstance` would ask values for their class, through Python code while attributes are noted.
    cls = type(value)
    if issubclass(cls, kind):
        yield value
    elif issubclass(cls, (list, tuple, set)):
        for item in value:
            yield from owned(item, kind)
    elif issubclass(cls, dict):
        for item in value.values():
            yield from owned(item, kind)


def unique(items: Iterator[Any]) -> list[Any]:
    """Each object once, in order of first appearance."""
    return list({id(item): item for item in items}.values())


class StateOwner:
    """What a layer and a model answer about their weights."""

    # Attributes that refer to layers and metrics without owning them.
    _NOT_STATE = frozenset(
        {
            "_build_shapes",
            "_init_arguments",
            "_tensors",
            "_node_references",
            "_losses",
            "_watchers",
            "_calls",
            "_found_in_layers",
            "_loss_tracker",
            "_compile_arguments",
            "_known_at_compile",
            "_trainable_at_compile",
        }
    )

    def _owned(self, kind: type | tuple[type, ...]) -> list[Any]:
        found: dict[int, Any] = {}
        not_state = type(self)._NOT_STATE
        for name, value in vars(self).items():
            cls = type(value)
            if cls in _PLAIN or name in not_state:
                continue
            if issubclass(cls, kind):
                found[id(value)] = value
            elif issubclass(cls, (list, tuple, set, dict)):
                found.update((id(item), item) for item in owned(value, kind))
        return list(found.values())

    def _own_variables(self) -> list[Variable]:
        return self._owned(Variable)

    def _own_weights(self) -> list[Variable]:
        """Those not inside other layers, the ones made to be trained first."""
        return sorted(self._own_variables(), key=lambda variable: not variable.made_trainable)

    def _sublayers(self) -> list[Any]:
        return [item for item in self._owned(StateOwner) if item is not self]

    def _flatten_layers(self, include_self: bool = True, recursive: bool = True) -> list[Any]:
        """This layer and those inside it, outer before inner, each once."""
        found: dict[int, Any] = {id(self): self}
        pending = self._sublayers()[::-1]
        while pending:
            layer = pending.pop()
            if id(layer) not in found:
                found[id(layer)] = layer
                if recursive:
                    pending += layer._sublayers()[::-1]
        return list(found.values()) if include_self else list(found.values())[1:]

    @property
    def weights(self) -> list[Variable]:
        """All weights: each layer's trainable ones, then its others, then those of its sublayers."""
        return unique(weight for layer in self._flatten_layers() for weight in layer._own_weights())

    @property
    def trainable_weights(self) -> list[Variable]:
        """The weights that training changes: none inside a layer whose `trainable` is False."""
        frozen = {
            id(inner)
            for layer in self._flatten_layers()
            if not layer.trainable
            for inner in layer._flatten_layers()
        }
        return unique(
            weight
            for layer in self._flatten_layers()
            if id(layer) not in frozen
            for weight in layer._own_variables()
            if weight.trainable
        )

    @property
    def non_trainable_weights(self) -> list[Variable]:
        """The weights that training leaves alone."""
        trainable = {id(weight) for weight in self.trainable_weights}
        return [weight for weight in self.weights if id(weight) not in trainable]

    @property
    def variables(self) -> list[Variable]:
        """The weights and the states of random seeds and metrics."""
        return unique(
            variable
            for variables in (
                self.weights,
                *(self._other_variables(layer) for layer in self._flatten_layers()),
            )
            for variable in variables
        )

    @staticmethod
    def _other_variables(layer: Any) -> list[Variable]:
        from rustnet.metrics import Metric
        from rustnet.random import SeedGenerator

        return [
            variable
            for owner in layer._owned((SeedGenerator, Metric))
            for variable in (owner.variables if isinstance(owner, Metric) else [owner.state])
        ]

    @property
    def trainable_variables(self) -> list[Variable]:
        return self.trainable_weights

    @property
    def non_trainable_variables(self) -> list[Variable]:
        trainable = {id(weight) for weight in self.trainable_weights}
        return [variable for variable in self.variables if id(variable) not in trainable]

    def count_params(self) -> int:
        """The number of elements of all weights. Raises `ValueError` where they are not made yet."""
        if not getattr(self, "built", True):
            name = getattr(self, "name", type(self).__name__)
            raise ValueError(f"layer '{name}' expected to be built before its weights are counted")
        return sum(weight.size for weight in self.weights)

    def get_weights(self) -> list[Any]:
        """Copies of all weights as NumPy arrays, in the order of `weights`."""
        return [weight.numpy() for weight in self.weights]

    def set_weights(self, weights: Any) -> None:
        """Sets all weights from arrays in the order of `weights`.

        Raises `ValueError`, and changes nothing, where the number or a shape differs.
        """
        name = getattr(self, "name", type(self).__name__)
        variables = self.weights
        arrays = list(weights)
        if len(arrays) != len(variables):
            raise ValueError(
                f"layer '{name}' expected {len(variables)} weights. Received: {len(arrays)} arrays"
            )
        from rustnet.core.arrays import as_array

        values = [
            as_array(array, weight.dtype, weight.path)
            for array, weight in zip(arrays, variables, strict=True)
        ]
        for weight, value in zip(variables, values, strict=True):
            if value.shape != weight.shape:
                raise ValueError(
                    f"layer '{name}' expected shape {weight.shape} for weight '{weight.path}'. "
                    f"Received: shape={value.shape}"
                )
        for weight, value in zip(variables, values, strict=True):
            weight.assign(value)
