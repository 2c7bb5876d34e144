"""A mask of timesteps that hold no data."""

from __future__ import annotations

from typing import Any

from rustnet import ops
from rustnet.layers.layer import Layer


class Masking(Layer):
    """Masks the timesteps of (batch, timesteps, features) at which every feature is `mask_value`.

    Layers that follow skip those timesteps; the output there is 0.

    Arguments:
        mask_value: default 0.
        kwargs: see `Layer`.

    Example:
        >>> Masking()(ops.convert_to_tensor([[[1.0, 2.0], [0.0, 0.0]]]))._keras_mask.numpy().tolist()
        [[True, False]]

    Source: https://keras.io/api/layers/core_layers/masking/
    """

    _is_built_from_start = True

    def __init__(self, mask_value: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.mask_value = mask_value
        self.supports_masking = True

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        return ops.any(ops.not_equal(inputs, self.mask_value), axis=-1)

    def call(self, inputs: Any) -> Any:
        present = ops.any(ops.not_equal(inputs, self.mask_value), axis=-1, keepdims=True)
        outputs = ops.where(present, inputs, ops.zeros_like(inputs))
        outputs._keras_mask = ops.squeeze(present, -1)
        return outputs

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "mask_value": self.mask_value}
