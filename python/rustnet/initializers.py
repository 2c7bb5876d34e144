"""Initial values of weights, drawn once: by the engine, where they lie, or as NumPy arrays."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from rustnet import _core
from rustnet import random as rustnet_random
from rustnet.core.dtypes import standardize_dtype
from rustnet.registry import Registry

Shape = Sequence[int]
# A distribution, a seed, and two parameters: what the engine fills a tensor from.
Fill = tuple[str, int, tuple[float, float]]


class Initializer:
    """Base class: `initializer(shape, dtype)` returns the initial values as an array of that shape and dtype.

    Example:
        >>> class Halves(Initializer):
        ...     def __call__(self, shape, dtype=None):
        ...         return np.full(shape, 0.5, dtype or "float32")
        >>> Halves()((2,))
        array([0.5, 0.5], dtype=float32)

    Source: https://keras.io/api/layers/initializers/
    """

    def __call__(self, shape: Shape, dtype: str | None = None) -> np.ndarray:
        raise NotImplementedError(
            f"expected {type(self).__name__} to define `__call__(self, shape, dtype=None)`."
        )

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "__call__" in cls.__dict__ and "_fill" not in cls.__dict__:
            # Only its own call knows its values.
            cls._fill = Initializer._fill  # type: ignore[method-assign]

    def _fill(self, shape: Shape, dtype: str) -> Fill | None:
        """What the engine can fill a new variable from, instead of a copy of the values."""
        return None

    def get_config(self) -> dict[str, Any]:
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Initializer:
        return cls(**config)

    def clone(self) -> Initializer:
        """An initializer of the same configuration; with a fresh seed where none was given."""
        return self.from_config(self.get_config())


class Constant(Initializer):
    """Every element is `value`.

    Arguments:
        value: a number, or an array that broadcasts to the shape; default 0.

    Example:
        >>> Constant(3.0)((2,))
        array([3., 3.], dtype=float32)

    Source: https://keras.io/api/layers/initializers/#constant-class
    """

    def __init__(self, value: Any = 0.0) -> None:
        self.value = value

    def __call__(self, shape: Shape, dtype: str | None = None) -> np.ndarray:
        values = np.asarray(self.value, standardize_dtype(dtype))
        return np.array(np.broadcast_to(values, _checked(shape)))

    def _fill(self, shape: Shape, dtype: str) -> Fill | None:
        is_number = isinstance(self.value, (int, float)) and dtype in _FLOATS
        return _constant(self.value, shape) if is_number else None

    def get_config(self) -> dict[str, Any]:
        return {"value": self.value.tolist() if isinstance(self.value, np.ndarray) else self.value}


class Zeros(Initializer):
    """Every element is 0.

    Example:
        >>> Zeros()((2,))
        array([0., 0.], dtype=float32)

    Source: https://keras.io/api/layers/initializers/#zeros-class
    """

    def __call__(self, shape: Shape, dtype: str | None = None) -> np.ndarray:
        return np.zeros(_checked(shape), standardize_dtype(dtype))

    def _fill(self, shape: Shape, dtype: str) -> Fill | None:
        return _constant(0.0, shape)


class Ones(Initializer):
    """Every element is 1.

    Example:
        >>> Ones()((2,))
        array([1., 1.], dtype=float32)

    Source: https://keras.io/api/layers/initializers/#ones-class
    """

    def __call__(self, shape: Shape, dtype: str | None = None) -> np.ndarray:
        return np.ones(_checked(shape), standardize_dtype(dtype))

    def _fill(self, shape: Shape, dtype: str) -> Fill | None:
        return _constant(1.0, shape) if dtype in _FLOATS else None


class Identity(Initializer):
    """`gain` on the diagonal of a matrix, 0 elsewhere.

    Arguments:
        gain: the diagonal's value, default 1.

    Raises:
        ValueError: the shape is not a matrix's.

    Example:
        >>> Identity(2.0)((2, 2))
        array([[2., 0.],
               [0., 2.]], dtype=float32)

    Source: https://keras.io/api/layers/initializers/#identity-class
    """

    def __init__(self, gain: float = 1.0) -> None:
        self.gain = gain

    def __call__(self, shape: Shape, dtype: str | None = None) -> np.ndarray:
        shape = _checked(shape)
        if len(shape) != 2:
            raise ValueError(
                f"Identity expected the shape of a matrix, (rows, columns). Received: shape={shape}"
            )
        dtype = standardize_dtype(dtype)
        return np.eye(*shape, dtype=dtype) * np.dtype(dtype).type(self.gain)

    def get_config(self) -> dict[str, Any]:
        return {"gain": self.gain}


class RandomInitializer(Initializer):
    """Base of the random initializers.

    A seed makes every call return the same values. Without one, the instance draws its seed when it is made,
    from the generator that `rustnet.utils.set_random_seed` sets.
    """

    def __init__(self, seed: int | rustnet_random.SeedGenerator | None = None) -> None:
        if not (seed is None or isinstance(seed, (int, np.integer, rustnet_random.SeedGenerator))):
            raise ValueError(f"expected seed to be an int, a SeedGenerator or None. Received: seed={seed!r}")
        self._given_seed = seed
        self.seed = rustnet_random.new_seed() if seed is None else seed

    def __call__(self, shape: Shape, dtype: str | None = None) -> np.ndarray:
        return _filled(self._drawn(_checked(shape)), shape, dtype)

    def _fill(self, shape: Shape, dtype: str) -> Fill | None:
        return self._drawn(_checked(shape)) if dtype in _FLOATS else None

    def _drawn(self, shape: tuple[int, ...]) -> Fill:
        """What the values are drawn from."""
        raise NotImplementedError(
            f"expected {type(self).__name__} to define `__call__(self, shape, dtype=None)`."
        )

    def _key(self) -> int:
        """The key of this call's numbers, 64 bits."""
        if isinstance(self.seed, rustnet_random.SeedGenerator):
            first, second = (int(part) & 0xFFFFFFFF for part in np.asarray(self.seed.next()))
            return first | second << 32
        return int(self.seed) & 0xFFFFFFFFFFFFFFFF

    def get_config(self) -> dict[str, Any]:
        return {"seed": self._given_seed if isinstance(self._given_seed, (int, np.integer)) else None}


class RandomNormal(RandomInitializer):
    """Normally distributed values.

    Arguments:
        mean: default 0.
        stddev: standard deviation, default 0.05.
        seed: an int for the same values at each call, or None.

    Example:
        >>> RandomNormal(stddev=1.0, seed=1)((3, 4)).shape
        (3, 4)

    Source: https://keras.io/api/layers/initializers/#randomnormal-class
    """

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: Any = None) -> None:
        super().__init__(seed)
        self.mean = mean
        self.stddev = stddev

    def _drawn(self, shape: tuple[int, ...]) -> Fill:
        return "normal", self._key(), (self.mean, self.stddev)

    def get_config(self) -> dict[str, Any]:
        return {"mean": self.mean, "stddev": self.stddev, **super().get_config()}


class TruncatedNormal(RandomInitializer):
    """Normally distributed values; those further than two standard deviations from the mean are drawn again.

    Arguments:
        mean: default 0.
        stddev: standard deviation before truncation, default 0.05.
        seed: an int for the same values at each call, or None.

    Example:
        >>> bool(np.all(np.abs(TruncatedNormal(stddev=1.0, seed=1)((100,))) <= 2.0))
        True

    Source: https://keras.io/api/layers/initializers/#truncatednormal-class
    """

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: Any = None) -> None:
        super().__init__(seed)
        self.mean = mean
        self.stddev = stddev

    def _drawn(self, shape: tuple[int, ...]) -> Fill:
        return "truncated_normal", self._key(), (self.mean, self.stddev)

    def get_config(self) -> dict[str, Any]:
        return {"mean": self.mean, "stddev": self.stddev, **super().get_config()}


class RandomUniform(RandomInitializer):
    """Values evenly distributed in `[minval, maxval)`.

    Arguments:
        minval: default -0.05.
        maxval: default 0.05.
        seed: an int for the same values at each call, or None.

    Example:
        >>> bool(np.all(RandomUniform(0.0, 1.0, seed=1)((100,)) >= 0.0))
        True

    Source: https://keras.io/api/layers/initializers/#randomuniform-class
    """

    def __init__(self, minval: float = -0.05, maxval: float = 0.05, seed: Any = None) -> None:
        super().__init__(seed)
        self.minval = minval
        self.maxval = maxval

    def _drawn(self, shape: tuple[int, ...]) -> Fill:
        return "uniform", self._key(), (self.minval, self.maxval)

    def get_config(self) -> dict[str, Any]:
        return {"minval": self.minval, "maxval": self.maxval, **super().get_config()}


class VarianceScaling(RandomInitializer):
    """Values whose variance is `scale / n`, where `n` counts the inputs, the outputs, or their mean.

    A kernel of shape (…, inputs, outputs) has `prod(…) * inputs` inputs and `prod(…) * outputs` outputs.

    Arguments:
        scale: above 0, default 1.
        mode: `"fan_in"` (default), `"fan_out"` or `"fan_avg"`.
        distribution: `"truncated_normal"` (default; also `"normal"`), `"untruncated_normal"` or `"uniform"`.
        seed: an int for the same values at each call, or None.

    Raises:
        ValueError: an argument outside the lists above.

    Example:
        >>> VarianceScaling(2.0, "fan_in", seed=1)((100, 50)).shape
        (100, 50)

    Source: He et al. 2015, https://arxiv.org/abs/1502.01852;
        https://keras.io/api/layers/initializers/#variancescaling-class
    """

    # The standard deviation of a standard normal distribution truncated at ±2.
    TRUNCATED_DEVIATION = 0.87962566103423978

    def __init__(
        self,
        scale: float = 1.0,
        mode: str = "fan_in",
        distribution: str = "truncated_normal",
        seed: Any = None,
    ) -> None:
        super().__init__(seed)
        if not scale > 0:
            raise ValueError(f"expected scale to be above 0. Received: scale={scale!r}")
        if mode not in ("fan_in", "fan_out", "fan_avg"):
            raise ValueError(f"expected mode to be 'fan_in', 'fan_out' or 'fan_avg'. Received: mode={mode!r}")
        if distribution == "normal":
            distribution = "truncated_normal"
        if distribution not in ("truncated_normal", "untruncated_normal", "uniform"):
            raise ValueError(
                "expected distribution to be 'truncated_normal', 'untruncated_normal' or 'uniform'. "
                f"Received: distribution={distribution!r}"
            )
        self.scale = scale
        self.mode = mode
        self.distribution = distribution

    def _drawn(self, shape: tuple[int, ...]) -> Fill:
        fan_in, fan_out = _fans(shape)
        count = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[self.mode]
        variance = self.scale / max(1.0, count)
        if self.distribution == "truncated_normal":
            deviation = math.sqrt(variance) / self.TRUNCATED_DEVIATION
            return "truncated_normal", self._key(), (0.0, deviation)
        if self.distribution == "untruncated_normal":
            return "normal", self._key(), (0.0, math.sqrt(variance))
        limit = math.sqrt(3.0 * variance)
        return "uniform", self._key(), (-limit, limit)

    def get_config(self) -> dict[str, Any]:
        return {
            "scale": self.scale,
            "mode": self.mode,
            "distribution": self.distribution,
            **super().get_config(),
        }


class _FixedScaling(VarianceScaling):
    """A variance scaling that is configured by its class, so that only the seed remains."""

    fixed: tuple[float, str, str]

    def __init__(self, seed: Any = None) -> None:
        scale, mode, distribution = self.fixed
        super().__init__(scale, mode, distribution, seed)

    def get_config(self) -> dict[str, Any]:
        return RandomInitializer.get_config(self)


class GlorotUniform(_FixedScaling):
    """Uniform in ±sqrt(6 / (inputs + outputs)): the default of dense and convolutional kernels.

    Arguments:
        seed: an int for the same values at each call, or None.

    Example:
        >>> GlorotUniform(seed=1)((3, 4)).shape
        (3, 4)

    Source: Glorot and Bengio 2010, https://proceedings.mlr.press/v9/glorot10a.html
    """

    fixed = (1.0, "fan_avg", "uniform")


class GlorotNormal(_FixedScaling):
    """Truncated normal of variance 2 / (inputs + outputs).

    Arguments:
        seed: an int for the same values at each call, or None.

    Example:
        >>> GlorotNormal(seed=1)((3, 4)).shape
        (3, 4)

    Source: Glorot and Bengio 2010, https://proceedings.mlr.press/v9/glorot10a.html
    """

    fixed = (1.0, "fan_avg", "truncated_normal")


class HeUniform(_FixedScaling):
    """Uniform in ±sqrt(6 / inputs).

    Arguments:
        seed: an int for the same values at each call, or None.

    Example:
        >>> HeUniform(seed=1)((3, 4)).shape
        (3, 4)

    Source: He et al. 2015, https://arxiv.org/abs/1502.01852
    """

    fixed = (2.0, "fan_in", "uniform")


class HeNormal(_FixedScaling):
    """Truncated normal of variance 2 / inputs.

    Arguments:
        seed: an int for the same values at each call, or None.

    Example:
        >>> HeNormal(seed=1)((3, 4)).shape
        (3, 4)

    Source: He et al. 2015, https://arxiv.org/abs/1502.01852
    """

    fixed = (2.0, "fan_in", "truncated_normal")


class LecunUniform(_FixedScaling):
    """Uniform in ±sqrt(3 / inputs).

    Arguments:
        seed: an int for the same values at each call, or None.

    Example:
        >>> LecunUniform(seed=1)((3, 4)).shape
        (3, 4)

    Source: Klambauer et al. 2017, https://arxiv.org/abs/1706.02515
    """

    fixed = (1.0, "fan_in", "uniform")


class LecunNormal(_FixedScaling):
    """Truncated normal of variance 1 / inputs.

    Arguments:
        seed: an int for the same values at each call, or None.

    Example:
        >>> LecunNormal(seed=1)((3, 4)).shape
        (3, 4)

    Source: Klambauer et al. 2017, https://arxiv.org/abs/1706.02515
    """

    fixed = (1.0, "fan_in", "truncated_normal")


class Orthogonal(RandomInitializer):
    """`gain` times a random orthogonal matrix: the default of recurrent kernels.

    The shape is seen as a matrix (all axes but the last, last axis); the shorter side is orthonormal.

    Arguments:
        gain: factor, default 1.
        seed: an int for the same values at each call, or None.

    Raises:
        ValueError: the shape has fewer than two axes.

    Example:
        >>> q = Orthogonal(seed=1)((3, 3))
        >>> bool(np.allclose(q @ q.T, np.eye(3), atol=1e-6))
        True

    Source: Saxe et al. 2014, https://arxiv.org/abs/1312.6120
    """

    def __init__(self, gain: float = 1.0, seed: Any = None) -> None:
        super().__init__(seed)
        self.gain = gain

    def __call__(self, shape: Shape, dtype: str | None = None) -> np.ndarray:
        shape = _checked(shape)
        if len(shape) < 2:
            raise ValueError(f"Orthogonal expected a shape of two axes or more. Received: shape={shape}")
        rows, columns = math.prod(shape[:-1]), shape[-1]
        tall = (max(rows, columns), min(rows, columns))
        q, r = np.linalg.qr(_core.filled("float64", tall, "normal", self._key(), (0.0, 1.0)))
        # Householder's signs are not uniform; those of R's diagonal make the matrix so.
        q *= np.sign(np.diag(r))
        if rows < columns:
            q = q.T
        return (self.gain * q.reshape(shape)).astype(standardize_dtype(dtype))

    def get_config(self) -> dict[str, Any]:
        return {"gain": self.gain, **super().get_config()}


def _checked(shape: Shape) -> tuple[int, ...]:
    sizes = tuple(int(size) for size in shape)
    if any(size < 0 for size in sizes):
        raise ValueError(f"expected a shape of sizes of 0 or more. Received: shape={sizes}")
    return sizes


def _fans(shape: tuple[int, ...]) -> tuple[int, int]:
    if len(shape) < 2:
        return (math.prod(shape),) * 2
    field = math.prod(shape[:-2])
    return field * shape[-2], field * shape[-1]


# The dtypes that the engine draws in; others are drawn in float64 and then cast.
_FLOATS = ("float32", "float64")


def _filled(fill: Fill, shape: Shape, dtype: Any) -> np.ndarray:
    name = standardize_dtype(dtype)
    if name in _FLOATS:
        return _core.filled(name, shape, *fill)
    return _core.filled("float64", shape, *fill).astype(name)


def _constant(value: float, shape: Shape) -> Fill:
    _checked(shape)
    return "constant", 0, (value, value)


zeros = Zeros
ones = Ones
constant = Constant
identity = Identity
random_normal = RandomNormal
random_uniform = RandomUniform
truncated_normal = TruncatedNormal
variance_scaling = VarianceScaling
glorot_uniform = GlorotUniform
glorot_normal = GlorotNormal
he_uniform = HeUniform
he_normal = HeNormal
lecun_uniform = LecunUniform
lecun_normal = LecunNormal
orthogonal = Orthogonal

_registry = Registry(
    "initializer",
    Initializer,
    [
        Zeros, Ones, Constant, Identity, RandomNormal, RandomUniform, TruncatedNormal, VarianceScaling,
        GlorotUniform, GlorotNormal, HeUniform, HeNormal, LecunUniform, LecunNormal, Orthogonal,
    ],
    {
        "zero": Zeros, "one": Ones, "normal": RandomNormal, "uniform": RandomUniform,
        "IdentityInitializer": Identity, "OrthogonalInitializer": Orthogonal,
    },
)  # fmt: skip
serialize = _registry.serialize
deserialize = _registry.deserialize


def get(identifier: Any) -> Callable[..., Any] | None:
    """An initializer from a name, configuration, class, instance, function, number, array or tensor.

    Example:
        >>> type(get("glorot_uniform")).__name__
        'GlorotUniform'
    """
    if isinstance(identifier, (np.ndarray, np.number, int, float)) and not isinstance(identifier, bool):
        return Constant(identifier)
    if hasattr(identifier, "numpy") and not callable(identifier):
        return Constant(identifier.numpy())
    return _registry.get(identifier)
