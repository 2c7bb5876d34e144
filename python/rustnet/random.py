"""Random tensors, and the seeds they are drawn from.

Numbers come from Philox4x32-10, a counter-based generator indexed by element: the same seed gives the same
bits on every run and at any thread count. In a traced step a `SeedGenerator` is a variable that moves on at
each use.

Source: Salmon et al. 2011, https://doi.org/10.1145/2063384.2063405; https://keras.io/api/random/
"""

from __future__ import annotations

import random as python_random
from collections.abc import Sequence
from typing import Any

import numpy as np

from rustnet import ops
from rustnet.core.convert import as_float, as_ints, axis_of
from rustnet.core.dtypes import is_float, requested_dtype
from rustnet.core.naming import auto_name
from rustnet.core.operation import operation
from rustnet.core.trace import escape, record
from rustnet.core.tracked import Tracked
from rustnet.core.variable import Variable

# The seeds of everything that is given none. A generator of its own, so that a script's own use of `random`
# does not change a model.
_seeds = python_random.Random()


def new_seed() -> int:
    """A seed for something that was given none: below 2³¹, determined by `set_random_seed`."""
    return _seeds.getrandbits(31)


class SeedGenerator(Tracked):
    """A stream of seeds: each use of a generator gives different numbers, the same on every run.

    Arguments:
        seed: an int of 0 or more; None draws one from the seed of the session.
        name: default `"seed_generator"`.

    Raises:
        ValueError: a seed that is negative or not an int.

    Example:
        >>> generator = SeedGenerator(seed=1)
        >>> bool((normal((3,), seed=generator).numpy() == normal((3,), seed=generator).numpy()).any())
        False

    Source: https://keras.io/api/random/seed_generator/
    """

    def __init__(self, seed: int | None = None, name: str | None = None) -> None:
        if seed is None:
            seed = new_seed()
        if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
            raise ValueError(f"expected seed to be an int of 0 or more, or None. Received: seed={seed!r}")
        self.name = name or auto_name("seed_generator")
        self.seed = int(seed)
        self.state = Variable(_words(self.seed), dtype="int32", trainable=False, name="seed_generator_state")

    def next(self) -> Any:
        """The next seed, int32 (2,); moves the state on."""
        state = ops.convert_to_tensor(self.state)
        self.state.assign(state + np.array([0, 1], "int32"))
        return state

    def get_config(self) -> dict[str, Any]:
        return {"seed": self.seed, "name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> SeedGenerator:
        return cls(**config)


Seed = int | SeedGenerator | None

_global_generator: SeedGenerator | None = None


def set_random_seed(seed: int) -> None:
    """Seeds Python's `random`, NumPy's legacy generator and every rustnet object that is given no seed.

    Arguments:
        seed: an int of 0 or more, below 2³².

    Raises:
        ValueError: a seed outside that range.

    Example:
        >>> set_random_seed(7); first = uniform((2,)).numpy()
        >>> set_random_seed(7); bool((uniform((2,)).numpy() == first).all())
        True

    Source: https://keras.io/api/utils/python_utils/#setrandomseed-function
    """
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or not 0 <= seed < 2**32:
        raise ValueError(f"expected seed to be an int from 0 to 2**32 - 1. Received: seed={seed!r}")
    python_random.seed(int(seed))
    np.random.seed(int(seed))
    _seeds.seed(int(seed))
    if _global_generator is not None:
        # In place: programs that are already compiled hold this variable.
        _global_generator.state.assign(_words(new_seed()))


@operation
def uniform(
    shape: Sequence[int],
    minval: float = 0.0,
    maxval: float = 1.0,
    dtype: str | None = None,
    seed: Seed = None,
) -> Any:
    """Values evenly distributed in `[minval, maxval)`; integers if `dtype` is an integer's.

    Arguments:
        shape: the result's shape.
        minval, maxval: the range, default 0 to 1.
        dtype: default `floatx()`.
        seed: an int (the same values at each call), a `SeedGenerator`, or None for the session's generator.

    Example:
        >>> uniform((2, 3), seed=1).shape
        (2, 3)
    """
    dtype = requested_dtype(dtype)
    if not is_float(dtype):
        return randint(shape, minval, maxval, dtype, seed)
    sample = _sample("random_uniform", shape, dtype, seed)
    if (minval, maxval) == (0.0, 1.0):
        return sample
    return sample * (maxval - minval) + minval


@operation
def normal(
    shape: Sequence[int], mean: float = 0.0, stddev: float = 1.0, dtype: str | None = None, seed: Seed = None
) -> Any:
    """Normally distributed values.

    Arguments:
        shape: the result's shape.
        mean, stddev: default 0 and 1.
        dtype: default `floatx()`.
        seed: an int, a `SeedGenerator`, or None.

    Example:
        >>> normal((2, 3), seed=1).shape
        (2, 3)
    """
    return _scaled(_sample("random_normal", shape, requested_dtype(dtype), seed), mean, stddev)


@operation
def truncated_normal(
    shape: Sequence[int], mean: float = 0.0, stddev: float = 1.0, dtype: str | None = None, seed: Seed = None
) -> Any:
    """Normally distributed values within two standard deviations of the mean.

    Arguments:
        shape: the result's shape.
        mean, stddev: of the normal distribution before truncation, default 0 and 1.
        dtype: default `floatx()`.
        seed: an int, a `SeedGenerator`, or None.

    Example:
        >>> bool((abs(truncated_normal((100,), seed=1).numpy()) <= 2.0).all())
        True
    """
    return _scaled(_sample("random_truncated_normal", shape, requested_dtype(dtype), seed), mean, stddev)


@operation
def randint(
    shape: Sequence[int], minval: float, maxval: float, dtype: str = "int32", seed: Seed = None
) -> Any:
    """Integers evenly distributed in `[minval, maxval)`.

    Arguments:
        shape: the result's shape.
        minval, maxval: the range, ints that int32 holds, `maxval` the larger.
        dtype: default int32, the one that there is.
        seed: an int, a `SeedGenerator`, or None.

    Raises:
        ValueError: a bound that is no such int, an empty range, or another dtype.

    Example:
        >>> sorted(set(randint((100,), 0, 3, seed=1).numpy().tolist()))
        [0, 1, 2]
    """
    dtype = requested_dtype(dtype)
    if dtype != "int32":
        raise ValueError(f"expected dtype int32 for random integers. Received: dtype={dtype!r}")
    for name, bound in (("minval", minval), ("maxval", maxval)):
        if isinstance(bound, bool) or not -(2**31) <= bound <= 2**31 or bound != int(bound):
            raise ValueError(f"expected {name} to be an int that int32 holds. Received: {name}={bound}")
    if minval >= maxval:
        raise ValueError(f"expected minval below maxval. Received: minval={minval}, maxval={maxval}")
    # float64 holds every int32 exactly, so that no value of a wide range is left out.
    sample = _sample("random_uniform", shape, "float64", seed)
    return ops.cast(ops.floor(sample * float(maxval - minval)) + float(minval), dtype)


@operation
def bernoulli(shape: Sequence[int], probability: float, dtype: str = "bool", seed: Seed = None) -> Any:
    """True (or 1) with the given probability.

    Arguments:
        shape: the result's shape.
        probability: between 0 and 1.
        dtype: default bool.
        seed: an int, a `SeedGenerator`, or None.

    Example:
        >>> bernoulli((4,), 1.0, seed=1).numpy().tolist()
        [True, True, True, True]
    """
    _check_probability(probability, "probability")
    return ops.cast(_sample("random_uniform", shape, requested_dtype(None), seed) < probability, dtype)


@operation
def categorical(logits: Any, num_samples: int, dtype: str = "int32", seed: Seed = None) -> Any:
    """Class indices drawn with probabilities `softmax(logits)`.

    Arguments:
        logits: (batch, classes), unnormalised log-probabilities.
        num_samples: draws for each row.
        dtype: default int32.
        seed: an int, a `SeedGenerator`, or None.

    Example:
        >>> categorical([[0.0, -100.0]], 3, seed=1).numpy().tolist()
        [[0, 0, 0]]
    """
    logits = as_float(logits)
    if logits.ndim != 2:
        raise ValueError(f"expected logits of shape (batch, classes). Received: shape={logits.shape}")
    batch, classes = logits.shape
    # argmax(logits + Gumbel noise) is distributed as softmax(logits).
    sample = _sample("random_uniform", (batch, num_samples, classes), logits.dtype, seed)
    noise = -ops.log(-ops.log(ops.maximum(sample, float(np.finfo(logits.dtype).tiny))))
    return ops.cast(ops.argmax(ops.expand_dims(logits, 1) + noise, axis=-1), dtype)


@operation
def dropout(inputs: Any, rate: float, noise_shape: Sequence[int] | None = None, seed: Seed = None) -> Any:
    """Sets elements to 0 with probability `rate` and scales the others by `1 / (1 - rate)`.

    Arguments:
        inputs: any shape, a float dtype.
        rate: between 0 and 1.
        noise_shape: the mask's shape, broadcast over the inputs; default the inputs' own.
        seed: an int, a `SeedGenerator`, or None.

    Example:
        >>> dropout([1.0, 1.0], 0.0).numpy().tolist()
        [1.0, 1.0]
    """
    _check_probability(rate, "rate")
    inputs = as_float(inputs)
    if rate == 0:
        return inputs
    if rate >= 1:
        return ops.zeros_like(inputs)
    shape = inputs.shape
    if noise_shape is not None:
        shape = tuple(
            full if size is None else size for size, full in zip(noise_shape, inputs.shape, strict=True)
        )
        if any(size not in (1, full) for size, full in zip(shape, inputs.shape, strict=True)):
            raise ValueError(
                f"expected a noise_shape that broadcasts to {inputs.shape}. "
                f"Received: noise_shape={noise_shape}"
            )
    keep = _sample("random_uniform", shape, inputs.dtype, seed) >= rate
    return ops.where(keep, inputs * (1.0 / (1.0 - rate)), 0.0)


@operation
def shuffle(x: Any, axis: int = 0, seed: Seed = None) -> Any:
    """The slices of `x` along `axis` in random order.

    Arguments:
        x: any shape.
        axis: default 0.
        seed: an int, a `SeedGenerator`, or None.

    Example:
        >>> sorted(shuffle([1, 2, 3], seed=1).numpy().tolist())
        [1, 2, 3]
    """
    x = ops.convert_to_tensor(x)
    axis = axis_of(axis, x.ndim)
    order = ops.argsort(_sample("random_uniform", (x.shape[axis],), "float32", seed))
    return ops.take(x, order, axis=axis)


def _sample(name: str, shape: Sequence[int], dtype: str, seed: Seed) -> Any:
    if not is_float(dtype):
        raise ValueError(f"expected dtype float32 or float64 for random numbers. Received: dtype={dtype!r}")
    return record(name, [_draw(seed)], shape=as_ints(shape, "shape"), dtype=dtype)


def _check_probability(value: Any, name: str) -> None:
    # A traced value is checked by nobody; it has none yet.
    if isinstance(value, (bool, int, float, np.number)) and not 0 <= value <= 1:
        raise ValueError(f"expected {name} from 0 to 1. Received: {name}={value}")


def _scaled(sample: Any, mean: float, stddev: float) -> Any:
    if (mean, stddev) == (0.0, 1.0):
        return sample
    return sample * stddev + mean


def _draw(seed: Seed) -> Any:
    """The seed of one sample, int32 (2,), as a traced tensor."""
    global _global_generator
    if isinstance(seed, SeedGenerator):
        return seed.next()
    if seed is None:
        if _global_generator is None:
            _global_generator = escape(SeedGenerator, name="global_seed_generator")
        return _global_generator.next()
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        raise ValueError(
            f"expected seed to be an int of 0 or more, a SeedGenerator or None. Received: seed={seed!r}"
        )
    return ops.convert_to_tensor(_words(int(seed)))


def _words(seed: int) -> np.ndarray:
    """The low and high 32 bits of a seed, as int32 (2,)."""
    return np.array([seed & 0xFFFFFFFF, seed >> 32 & 0xFFFFFFFF], "uint32").view("int32")
