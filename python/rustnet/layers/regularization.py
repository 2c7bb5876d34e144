"""Noise that is there in training only, and penalties on activities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rustnet import random, regularizers
from rustnet.layers.input_spec import InputSpec
from rustnet.layers.layer import Layer


class Dropout(Layer):
    """In training, sets elements to 0 with probability `rate` and scales the others by `1 / (1 - rate)`.

    Arguments:
        rate: from 0 to 1.
        noise_shape: the mask's shape, broadcast over the inputs, with None for the inputs' own size;
            default: one decision for each element.
        seed: an int, or None.
        kwargs: see `Layer`.

    Raises:
        ValueError: a rate outside [0, 1].

    Example:
        >>> Dropout(0.5)(ops.ones((2, 3))).numpy().tolist()
        [[1.0, 1.0, 1.0], [1.0, 1.0, 1.0]]

    Source: Srivastava et al. 2014, https://jmlr.org/papers/v15/srivastava14a.html
    """

    def __init__(
        self,
        rate: float,
        noise_shape: Sequence[int | None] | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.rate = _fraction("rate", rate)
        self.noise_shape = None if noise_shape is None else tuple(noise_shape)
        self.seed = seed
        self.supports_masking = True
        self.seed_generator = random.SeedGenerator(seed)

    def mask_shape(self, inputs: Any) -> Any:
        """The shape in which decisions are made."""
        if self.noise_shape is not None and len(self.noise_shape) != len(inputs.shape):
            raise ValueError(
                "`noise_shape` must have one size for each axis of the inputs. "
                f"Received: noise_shape={self.noise_shape}, inputs.shape={tuple(inputs.shape)}"
            )
        return self.noise_shape

    def call(self, inputs: Any, training: bool = False) -> Any:
        if not training or self.rate == 0:
            return inputs
        return random.dropout(inputs, self.rate, self.mask_shape(inputs), self.seed_generator)

    def get_config(self) -> dict[str, Any]:
        own = {"rate": self.rate, "seed": self.seed, "noise_shape": self.noise_shape}
        return {**super().get_config(), **own}


class _SpatialDropout(Dropout):
    """Drops whole channels: one decision for each channel of each sample."""

    rank: int

    def __init__(self, rate: float, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(rate, seed=seed, **kwargs)
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
        self, rate: float, data_format: str | None = None, seed: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(rate, seed, **kwargs)
        if data_format not in (None, "channels_last"):
            raise ValueError(f"`data_format` must be 'channels_last'. Received: data_format={data_format!r}")


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

    def __init__(self, stddev: float, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not stddev >= 0:
            raise ValueError(f"`stddev` must be 0 or more. Received: stddev={stddev!r}")
        self.stddev = stddev
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

    def __init__(self, rate: float, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not 0 <= rate < 1:
            raise ValueError(f"`rate` must be at least 0 and below 1. Received: rate={rate!r}")
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

    def __init__(self, l1: float = 0.0, l2: float = 0.0, **kwargs: Any) -> None:
        super().__init__(activity_regularizer=regularizers.L1L2(l1, l2), **kwargs)
        self.l1 = l1
        self.l2 = l2
        self.supports_masking = True

    def call(self, inputs: Any) -> Any:
        return inputs

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "l1": self.l1, "l2": self.l2}


def _fraction(name: str, value: float) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
        raise ValueError(f"`{name}` must be a number from 0 to 1. Received: {name}={value!r}")
    return value
