"""Normalisation, encodings and other building blocks of networks."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from rustnet import config
from rustnet.core.convert import as_float, as_index, as_int, axes_of, axis_of, cast, tensor
from rustnet.core.dtypes import requested_dtype
from rustnet.core.operation import operation
from rustnet.core.trace import record
from rustnet.ops.elementwise import maximum, rsqrt, sqrt, square
from rustnet.ops.reduction import any as reduce_any
from rustnet.ops.reduction import mean, norm
from rustnet.ops.reduction import sum as reduce_sum
from rustnet.ops.shaping import moveaxis, reshape, squeeze

__all__ = [
    "batch_normalization",
    "layer_normalization",
    "moments",
    "multi_hot",
    "normalize",
    "one_hot",
]


@operation
def one_hot(x: Any, num_classes: int, axis: int = -1, dtype: Any = None, sparse: bool = False) -> Any:
    """A new axis with 1 at index `x` and 0 elsewhere; only 0 where `x` is out of range.

    Raises `ValueError` when an `x` that is no whole number is met.
    """
    if sparse:
        raise ValueError("expected a dense encoding. Received: sparse=True")
    depth = as_int(num_classes, "num_classes")
    if depth < 1:
        raise ValueError(f"expected num_classes to be 1 or more. Received: num_classes={num_classes}")
    encoded = record("one_hot", [as_index(x)], depth=depth, dtype=requested_dtype(dtype))
    return encoded if axis == -1 else moveaxis(encoded, -1, axis)


@operation
def multi_hot(inputs: Any, num_classes: int, axis: int = -1, dtype: Any = None, sparse: bool = False) -> Any:
    """1 at every index that occurs along the last axis of `inputs`."""
    encoded = one_hot(inputs, num_classes, -1, dtype, sparse)
    if encoded.ndim < 2:
        return encoded
    merged = cast(reduce_any(encoded, -2), encoded.dtype)
    return merged if axis == -1 else moveaxis(merged, -1, axis)


@operation
def moments(x: Any, axes: Any, keepdims: bool = False, synchronized: bool = False) -> Any:
    """The mean and the biased variance over `axes`."""
    del synchronized
    x = as_float(x)
    center = mean(x, axes, keepdims=True)
    variance = mean(square(x - center), axes, keepdims=True)
    if keepdims:
        return center, variance
    return squeeze(center, axes_of(axes, x.ndim)), squeeze(variance, axes_of(axes, x.ndim))


@operation
def normalize(x: Any, axis: Any = -1, order: Any = 2, epsilon: float | None = None) -> Any:
    """`x / max(‖x‖, epsilon)` along an axis, with the norm of `order` 1, 2, …"""
    x = as_float(x)
    if as_int(order, "order") < 1:
        raise ValueError(f"expected order to be 1 or more. Received: order={order}")
    epsilon = config.epsilon() if epsilon is None else epsilon
    if order == 2:
        return x * rsqrt(maximum(reduce_sum(square(x), axis, keepdims=True), epsilon**2))
    return x / maximum(norm(x, order, axis, keepdims=True), epsilon)


@operation
def batch_normalization(
    x: Any, mean: Any, variance: Any, axis: int, offset: Any = None, scale: Any = None, epsilon: float = 1e-3
) -> Any:
    """`(x - mean) / √(variance + epsilon) · scale + offset`, the statistics lying along `axis`."""
    x = as_float(x)
    sizes = [1] * x.ndim
    sizes[axis_of(axis, x.ndim)] = -1
    factor = rsqrt(tensor(variance, x.dtype) + epsilon)
    if scale is not None:
        factor = factor * tensor(scale, x.dtype)
    shift = -tensor(mean, x.dtype) * factor
    if offset is not None:
        shift = shift + tensor(offset, x.dtype)
    return x * reshape(factor, sizes) + reshape(shift, sizes)


@operation
def layer_normalization(
    x: Any, gamma: Any = None, beta: Any = None, axis: Any = -1, epsilon: float | None = None
) -> Any:
    """`(x - mean) / √(variance + epsilon) · gamma + beta` over `axis`."""
    x = as_float(x)
    axes = axes_of(axis, x.ndim)
    epsilon = config.epsilon() if epsilon is None else epsilon
    sizes = [size if place in axes else 1 for place, size in enumerate(x.shape)]
    if axes and sorted(axes) == list(range(x.ndim - len(axes), x.ndim)) and math.prod(x.shape):
        count = math.prod(sizes)
        rows = reshape(x, (-1, count))
        gamma = tensor(np.ones(count) if gamma is None else gamma, x.dtype)
        beta = tensor(np.zeros(count) if beta is None else beta, x.dtype)
        inputs = [rows, reshape(gamma, (count,)), reshape(beta, (count,))]
        return reshape(record("layer_normalize", inputs, epsilon=float(epsilon)), x.shape)
    center, variance = moments(x, axis, keepdims=True)
    result = (x - center) / sqrt(variance + epsilon)
    if gamma is not None:
        result = result * reshape(tensor(gamma, x.dtype), sizes)
    return result if beta is None else result + reshape(tensor(beta, x.dtype), sizes)
