"""A layer as a plain dictionary, from which it can be made again."""

from __future__ import annotations

from typing import Any

from rustnet.layers.arguments import signature_of


class Configurable:
    """`get_config`, `from_config` and the shapes a layer was built with."""

    def get_config(self: Any) -> dict[str, Any]:
        """The arguments that make this layer again: by default those it was made with."""
        base = {"name": self.name, "trainable": self.trainable, "dtype": self.dtype}
        if type(self).get_config is not Configurable.get_config:
            return base
        args, kwargs = self._init_arguments
        signature = signature_of(self.__init__)
        given = signature.bind(*args, **kwargs).arguments
        config: dict[str, Any] = {}
        takes_base = False
        for name, parameter in signature.parameters.items():
            if parameter.kind is parameter.VAR_KEYWORD:
                takes_base = True
                config.update(given.get(name, {}))
            elif name in given and parameter.kind is not parameter.VAR_POSITIONAL:
                config[name] = given[name]
        return {**config, **base} if takes_base else config

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """The layer that `get_config` described."""
        return cls(**config)

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
