"""Layers that prepare data inside the model."""

from __future__ import annotations

from typing import Any

import numpy as np

from rustnet import ops
from rustnet.layers.layer import Layer


class Rescaling(Layer):
    """`x * scale + offset`, e.g. `Rescaling(1 / 255)` for images of bytes.

    Arguments:
        scale: a number, or an array that broadcasts to the inputs.
        offset: likewise, default 0.
        kwargs: see `Layer`.

    Example:
        >>> Rescaling(0.5, offset=1.0)(ops.convert_to_tensor([2.0, 4.0])).numpy().tolist()
        [2.0, 3.0]

    Source: https://keras.io/api/layers/preprocessing_layers/image_preprocessing/rescaling/
    """

    def __init__(self, scale: Any, offset: Any = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.scale = scale
        self.offset = offset
        self.supports_masking = True

    def call(self, inputs: Any) -> Any:
        return ops.cast(inputs, self.dtype) * self._factor(self.scale) + self._factor(self.offset)

    def _factor(self, value: Any) -> Any:
        return float(value) if np.ndim(value) == 0 else np.asarray(value, self.dtype)

    def get_config(self) -> dict[str, Any]:
        own = {"scale": np.asarray(self.scale).tolist(), "offset": np.asarray(self.offset).tolist()}
        return {**super().get_config(), **own}
