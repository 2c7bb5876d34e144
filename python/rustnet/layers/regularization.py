"""Noise that is there in training only, and penalties on activities."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from rustnet import random, regularizers
from rustnet.core.trace import unknown_size
from rustnet.layers.input_spec import InputSpec
from rustnet.layers.layer import Layer
from rustnet.ops.nn_spatial import channels_last


class Dropout(Layer):
    """In training, sets elements to 0 with probability `rate` and scales the others by `1 / (1 - rate)`.

    Arguments:
        rate: from 0 to 1.
        noise_shape: the mask's shape, broadcast over the inputs, with None for the inputs' own size;
            default: one decision for each element.
        seed: an int, or None.
        kwargs: see `Layer`.

    Raises:
        ValueError: a rate outside [0, 1], a `noise_shape` of something else than sizes; when it is called, a
            `noise_shape` that does not broadcast to the inputs.

    Example:
        >>> Dropout(0.5)(ops.ones((2, 3))).numpy().tolist()
        [[1.0, 1.0, 1.0], [1.0, 1.0, 1.0]]

    Source: Srivastava et al. 2014, https://jmlr.org/papers/v15/srivastava14a.html
    """

    _is_built_from_start = True

    def __init__(
        self,
        rate: float,
        noise_shape: Sequence[int | None] | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.rate = _number("rate", rate, 1)
        self.noise_shape = _sizes(noise_shape)
        self.seed = seed
        self.supports_masking = True
        self.seed_generator = random.SeedGenerator(seed)

    def mask_shape(self, inputs: Any) -> Any:
        """The shape in which decisions are made."""
        if self.noise_shape is None:
            return None
        if len(self.noise_shape) != len(inputs.shape) or any(
            size not in (None, 1, full) and full != unknown_size()
            for size, full in zip(self.noise_shape, inputs.shape, strict=True)
        ):
            raise ValueError(
                f"layer '{self.name}' expected a noise_shape that broadcasts to its inputs. "
                f"Received: noise_shape={self.noise_shape}, inputs.shape={tuple(inputs.shape)}"
            )
        return self.noise_shape

    def call(self, inputs: Any, training: bool = False) -> Any:
        mask_shape = self.mask_shape(inputs)
        if not training or self.rate == 0:
            return inputs
        return random.dropout(inputs, self.rate, mask_shape, self.seed_generator)

    def get_config(self) -> dict[str, Any]:
        own = {"rate": self.rate, "seed": self.seed, "noise_shape": self.noise_shape}
        return {**super().get_config(), **own}


class _SpatialDropout(Dropout):
    """Drops whole channels: one decision for each channel of each sample."""

    rank: int

    def __init__(
        self,
        rate: float,
        seed: int | None = None,
        name: str | None = None,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(rate, seed=seed, name=name, dtype=dtype, **kwargs)
        self.input_spec = InputSpec(ndim=self.rank + 2)

    def mask_shape(self, inputs: Any) -> Any:
        return (inputs.shape[0], *(1,) * self.rank, inputs.shape[-1])

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["noise_shape"]
        return config


class SpatialDropout1D(_SpatialDropout):
    """In training, sets whole channels of (batch, steps, channels) to 0 with probability `rate`.

    Arguments:
        rate: from 0 to 1.
        seed: an int, or None.
        kwargs: see `Layer`.

    Example:
        >>> SpatialDropout1D(0.5)(ops.ones((2, 3, 4))).shape
        (2, 3, 4)

    Source: Tompson et al. 2015, https://arxiv.org/abs/1411.4280
    """

    rank = 1


class SpatialDropout2D(_SpatialDropout):
    """In training, sets whole channels of (batch, height, width, channels) to 0 with probability `rate`.

    Arguments:
        rate: from 0 to 1.
        data_format: `"channels_last"`, the one format there is.
        seed: an int, or None.
        kwargs: see `Layer`.

    Example:
        >>> SpatialDropout2D(0.5)(ops.ones((2, 3, 3, 4))).shape
        (2, 3, 3, 4)

    Source: Tompson et al. 2015, https://arxiv.org/abs/1411.4280
    """

    rank = 2

    def __init__(
        self,
        rate: float,
        data_format: str | None = None,
        seed: int | None = None,
        name: str | None = None,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(rate, seed, name, dtype, **kwargs)
        self.data_format = channels_last(data_format)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "data_format": self.data_format}


class GaussianNoise(Layer):
    """In training, adds normally distributed noise of mean 0.

    Arguments:
        stddev: standard deviation, 0 or more.
        seed: an int, or None.
        kwargs: see `Layer`.

    Raises:
        ValueError: a negative `stddev`.

    Example:
        >>> GaussianNoise(0.5)(ops.ones((2,))).numpy().tolist()
        [1.0, 1.0]

    Source: https://keras.io/api/layers/regularization_layers/gaussian_noise/
    """

    _is_built_from_start = True

    def __init__(self, stddev: float, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.stddev = _number("stddev", stddev, math.inf)
        self.seed = seed
        self.supports_masking = True
        self.seed_generator = random.SeedGenerator(seed)

    def call(self, inputs: Any, training: bool = False) -> Any:
        if not training or self.stddev == 0:
            return inputs
        noise = random.normal(inputs.shape, stddev=self.stddev, dtype=inputs.dtype, seed=self.seed_generator)
        return inputs + noise

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "stddev": self.stddev, "seed": self.seed}


class GaussianDropout(Layer):
    """In training, multiplies by normally distributed noise of mean 1 and variance `rate / (1 - rate)`.

    Arguments:
        rate: from 0 to below 1.
        seed: an int, or None.
        kwargs: see `Layer`.

    Raises:
        ValueError: a rate outside [0, 1).

    Example:
        >>> GaussianDropout(0.5)(ops.ones((2,))).numpy().tolist()
        [1.0, 1.0]

    Source: Srivastava et al. 2014, https://jmlr.org/papers/v15/srivastava14a.html
    """

    _is_built_from_start = True

    def __init__(self, rate: float, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if _number("rate", rate, 1) == 1:
            raise ValueError(f"expected rate to be at least 0 and below 1. Received: rate={rate!r}")
        self.rate = rate
        self.seed = seed
        self.supports_masking = True
        self.seed_generator = random.SeedGenerator(seed)

    def call(self, inputs: Any, training: bool = False) -> Any:
        if not training or self.rate == 0:
            return inputs
        deviation = (self.rate / (1.0 - self.rate)) ** 0.5
        return inputs * random.normal(inputs.shape, 1.0, deviation, inputs.dtype, self.seed_generator)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "rate": self.rate, "seed": self.seed}


class ActivityRegularization(Layer):
    """Returns its inputs and adds `l1 * sum(|x|) + l2 * sum(x²)` to the loss.

    Arguments:
        l1, l2: factors of 0 or more, default 0.
        kwargs: see `Layer`.

    Example:
        >>> ActivityRegularization(l2=0.1)(ops.ones((2,))).numpy().tolist()
        [1.0, 1.0]

    Source: https://keras.io/api/layers/regularization_layers/activity_regularization/
    """

    _is_built_from_start = True

    def __init__(self, l1: float = 0.0, l2: float = 0.0, **kwargs: Any) -> None:
        super().__init__(activity_regularizer=regularizers.L1L2(l1, l2), **kwargs)
        self.l1 = l1
        self.l2 = l2
        self.supports_masking = True

    def call(self, inputs: Any) -> Any:
        return inputs

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        # l1 and l2 make it.
        config.pop("activity_regularizer", None)
        return {**config, "l1": self.l1, "l2": self.l2}


def _number(name: str, value: float, most: float) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= most:
        upper = "or more" if most == math.inf else f"to {most}"
        raise ValueError(f"expected {name} to be a number from 0 {upper}. Received: {name}={value!r}")
    return value


def _sizes(noise_shape: Any) -> tuple[int | None, ...] | None:
    if noise_shape is None:
        return None
    sizes = tuple(noise_shape) if isinstance(noise_shape, (list, tuple)) else ()
    if not sizes or any(
        size is not None and (isinstance(size, bool) or not isinstance(size, int) or size < 1)
        for size in sizes
    ):
        raise ValueError(
            f"expected noise_shape to hold ints of 1 or more, or None. Received: noise_shape={noise_shape!r}"
        )
    return sizes
