"""Arrays that tables of cases are made of."""

from __future__ import annotations

import math

import numpy as np

Array = np.ndarray


def numbers(*shape: int, low: float = -2.0, high: float = 2.0, seed: int = 0) -> Array:
    """Float64 numbers that lie at least 0.01 apart, so that no kink is within a finite difference."""
    size = math.prod(shape)
    grid = np.linspace(low, high, size + 2)[1:-1]
    return np.random.default_rng(seed + size).permutation(grid).reshape(shape)


def integers(*shape: int, low: int = -3, high: int = 4, seed: int = 0) -> Array:
    return np.random.default_rng(seed).integers(low, high, shape, dtype=np.int32)


def booleans(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).random(shape) < 0.5
