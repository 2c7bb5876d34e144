"""A layer applied to every timestep."""

from __future__ import annotations

from typing import Any

from rustnet import ops
from rustnet.core import structure
from rustnet.layers.arguments import signature_of
from rustnet.layers.description import describe, layer_from
from rustnet.layers.layer import Layer


class TimeDistributed(Layer):
    """Applies one layer, with the same weights, to every timestep of (batch, timesteps, ...).

    Arguments:
        layer: the layer; it sees (batch·timesteps, ...).
        kwargs: see `Layer`.

    Call arguments: `inputs`; `mask` (batch, timesteps), passed on to layers that take one; `training`.

    Raises:
        ValueError: no layer, inputs without an axis of timesteps, or a mask of other sizes.

    Example:
        >>> TimeDistributed(Dense(4))(ops.ones((2, 3, 5))).shape
        (2, 3, 4)

    Source: https://keras.io/api/layers/recurrent_layers/time_distributed/
    """

    def __init__(self, layer: Layer, **kwargs: Any) -> None:
        if not isinstance(layer, Layer):
            raise ValueError(f"expected layer to be a layer. Received: layer={layer!r}")
        super().__init__(**kwargs)
        self.layer = layer
        self.supports_masking = True

    def build(self, input_shape: Any) -> None:
        if len(input_shape) < 3:
            raise ValueError(
                f"layer '{self.name}' expected inputs (batch, timesteps, ...) of 3 axes or more. "
                f"Received: shape={tuple(input_shape)}"
            )
        if not self.layer.built:
            self.layer._path = f"{self._path}/{self.layer.name}"
            self.layer.build((input_shape[0], *input_shape[2:]))

    def call(self, inputs: Any, training: bool = False, mask: Any = None) -> Any:
        batch, steps, *features = inputs.shape
        arguments = {"training": training}
        if mask is not None:
            if tuple(mask.shape[:2]) != (batch, steps):
                raise ValueError(
                    f"layer '{self.name}' expected a mask whose first sizes are {(batch, steps)}, the batch "
                    f"and the timesteps. Received: mask.shape={tuple(mask.shape)}"
                )
            if "mask" in signature_of(self.layer.call).parameters:
                arguments["mask"] = ops.reshape(mask, (batch * steps, *mask.shape[2:]))
        outputs = self.layer(ops.reshape(inputs, (batch * steps, *features)), **arguments)
        return structure.map_structure(
            lambda output: ops.reshape(output, (batch, steps, *output.shape[1:])), outputs
        )

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "layer": describe(self.layer)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> TimeDistributed:
        return cls(**{**config, "layer": layer_from(config["layer"])})
