"""A layer as a plain dictionary, from which it can be made again."""

from __future__ import annotations

import types
from typing import Any

from rustnet.core import structure
from rustnet.layers.arguments import signature_of
from rustnet.layers.description import revive
from rustnet.registry import custom_objects_of, serialize


class Configurable:
    """`get_config`, `from_config` and the shapes a layer was built with."""

    def get_config(self: Any) -> dict[str, Any]:
        """The arguments that make this layer again, as plain values: by default those it was made with.

        Raises `NotImplementedError` where one of them has no configuration.
        """
        if type(self).get_config is not Configurable.get_config:
            return self._base_config()
        return self._given_config()

    def _given_config(self: Any) -> dict[str, Any]:
        positional, config = _named_arguments(self)
        if positional:
            raise NotImplementedError(
                f"expected {type(self).__name__} to define get_config(): its __init__ takes any number "
                f"of positional arguments. Received: {len(positional)} of them"
            )
        try:
            return serialize(config)
        except ValueError as error:
            raise NotImplementedError(
                f"expected {type(self).__name__} to define get_config(), because an argument of its __init__ "
                f"has no configuration: {error}"
            ) from None

    def _base_config(self: Any) -> dict[str, Any]:
        base = {"name": self.name, "trainable": self.trainable, "dtype": self.dtype}
        if self.activity_regularizer is not None:
            base["activity_regularizer"] = serialize(self.activity_regularizer)
        return base

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """The layer that `get_config` described."""
        return cls(**revive(dict(config)))

    def _duplicate(self: Any) -> Any:
        """A layer of the same configuration with state of its own; so are the layers among its arguments."""
        with custom_objects_of(_named_objects(self)):
            if type(self).get_config is Configurable.get_config:
                positional, named = _named_arguments(self)
                layer = type(self)(*_duplicates(positional), **_duplicates(named))
            else:
                layer = type(self).from_config(_duplicates(self.get_config()))
        if layer.name != self.name:
            layer.name = layer._path = self.name
        if layer.trainable != self.trainable:
            layer.trainable = self.trainable
        return layer

    def get_build_config(self: Any) -> dict[str, Any] | None:
        """The shapes that the layer was built with."""
        if self._build_shapes is None:
            return None
        args, kwargs = self._build_shapes
        return {"shapes_dict": kwargs} if kwargs else {"input_shape": args[0]}

    def build_from_config(self: Any, config: dict[str, Any] | None) -> None:
        """Builds the layer with the shapes that `get_build_config` wrote."""
        if config and not self.built:
            shapes = config.get("shapes_dict", {})
            self.build(**shapes) if shapes else self.build(config["input_shape"])


def _named_arguments(layer: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """What a layer was made with: the arguments beyond the named ones, and the others by name."""
    args, kwargs = layer._init_arguments
    signature = signature_of(layer.__init__)
    given = signature.bind(*args, **kwargs).arguments
    positional: tuple[Any, ...] = ()
    named: dict[str, Any] = {}
    takes_base = False
    for name, parameter in signature.parameters.items():
        if parameter.kind is parameter.VAR_KEYWORD:
            takes_base = True
            named.update(given.get(name, {}))
        elif parameter.kind is parameter.VAR_POSITIONAL:
            positional = given.get(name, ())
        elif name in given:
            named[name] = given[name]
    if positional:
        # Those before cannot be given by name then.
        positional = args
        named = dict(kwargs)
    return positional, {**named, **layer._base_config()} if takes_base else named


def _duplicates(value: Any) -> Any:
    """`value` with a duplicate in the place of each layer in it."""
    return structure.map_structure(
        lambda leaf: leaf._duplicate() if isinstance(leaf, Configurable) else leaf, value
    )


def _named_objects(layer: Any) -> dict[str, Any]:
    """The user's classes and functions that a configuration of this layer may name."""
    found: dict[str, Any] = {}
    for one in layer._flatten_layers():
        for value in (one, *vars(one).values()):
            named = value if isinstance(value, types.FunctionType) else type(value)
            is_own = not named.__module__.startswith("rustnet.")
            if is_own and (named is value or hasattr(named, "from_config")):
                found[named.__name__] = named
    return found
