"""Activation functions."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from rustnet.core.convert import as_float, axes_of, axis_of, promoted_numbers, tensor
from rustnet.core.operation import operation
from rustnet.core.tensors import TracedTensor
from rustnet.core.trace import record
from rustnet.ops.elementwise import abs as absolute
from rustnet.ops.elementwise import erf, exp, expm1, log1p, maximum, minimum, sign, where
from rustnet.ops.shaping import moveaxis, reshape, split

__all__ = [
    "celu",
    "elu",
    "gelu",
    "glu",
    "hard_shrink",
    "hard_sigmoid",
    "hard_silu",
    "hard_swish",
    "hard_tanh",
    "leaky_relu",
    "log_sigmoid",
    "log_softmax",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "silu",
    "soft_shrink",
    "softmax",
    "softplus",
    "softsign",
    "swish",
    "tanh",
    "tanh_shrink",
    "threshold",
]


@operation
def relu(x: Any) -> Any:
    """`max(x, 0)`; integers stay integers."""
    return record("relu", promoted_numbers(x))


@operation
def relu6(x: Any) -> Any:
    """`min(max(x, 0), 6)`, with the derivative 0 at both ends."""
    x = as_float(x)
    return where(x >= 6.0, 6.0, relu(x))


@operation
def leaky_relu(x: Any, negative_slope: float = 0.2) -> Any:
    """`x` where positive, else `negative_slope · x`."""
    x = as_float(x)
    return where(x >= 0, x, x * negative_slope)


@operation
def elu(x: Any, alpha: float = 1.0) -> Any:
    """`x` where positive, else `alpha · (eˣ - 1)`."""
    x = as_float(x)
    # The branch not taken must stay finite, or its zero gradient would become NaN.
    return where(x > 0, x, alpha * expm1(where(x > 0, 0.0, x)))


@operation
def selu(x: Any) -> Any:
    """`1.0507 · elu(x, 1.6733)`, which keeps mean 0 and variance 1 (Klambauer et al., 2017)."""
    return 1.0507009873554805 * elu(x, 1.6732632423543772)


@operation
def celu(x: Any, alpha: float = 1.0) -> Any:
    """`max(x, 0) + min(0, alpha · (e^(x/alpha) - 1))`."""
    x = as_float(x)
    return maximum(x, 0.0) + alpha * expm1(minimum(x, 0.0) / alpha)


@operation
def gelu(x: Any, approximate: bool = True) -> Any:
    """`x · Φ(x)`, by default with Φ approximated through tanh (Hendrycks and Gimpel, 2016)."""
    x = as_float(x)
    if approximate:
        return 0.5 * x * (1.0 + tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * x * x * x)))
    return 0.5 * x * (1.0 + erf(x * math.sqrt(0.5)))


@operation
def silu(x: Any) -> Any:
    """`x · sigmoid(x)`, also called swish."""
    x = as_float(x)
    return x * record("sigmoid", [x])


swish = silu


@operation
def softplus(x: Any) -> Any:
    """`log(1 + eˣ)`."""
    x = as_float(x)
    return maximum(x, 0.0) + log1p(exp(-absolute(x)))


@operation
def softsign(x: Any) -> Any:
    """`x / (1 + |x|)`."""
    x = as_float(x)
    return x / (1.0 + absolute(x))


@operation
def tanh(x: Any) -> Any:
    """The hyperbolic tangent."""
    return record("tanh", [as_float(x)])


@operation
def sigmoid(x: Any) -> Any:
    """`1 / (1 + e⁻ˣ)`."""
    x = as_float(x)
    result = record("sigmoid", [x])
    result._logits = ("sigmoid", x)
    return result


@operation
def log_sigmoid(x: Any) -> Any:
    """`log(sigmoid(x))`."""
    return -softplus(-as_float(x))


@operation
def hard_sigmoid(x: Any) -> Any:
    """`min(max(x + 3, 0), 6) / 6`."""
    return relu6(as_float(x) + 3.0) / 6.0


@operation
def hard_silu(x: Any) -> Any:
    """`x · hard_sigmoid(x)`."""
    x = as_float(x)
    return x * hard_sigmoid(x)


hard_swish = hard_silu


@operation
def hard_tanh(x: Any) -> Any:
    """`x` limited to [-1, 1], with the derivative 1 at both ends; integers stay integers."""
    (x,) = promoted_numbers(x)
    return where(x > 1, 1, where(x < -1, -1, x))


@operation
def tanh_shrink(x: Any) -> Any:
    """`x - tanh(x)`."""
    x = as_float(x)
    return x - tanh(x)


@operation
def soft_shrink(x: Any, threshold: float = 0.5) -> Any:
    """`x` moved by `threshold` towards 0."""
    x = as_float(x)
    return where(absolute(x) <= threshold, 0.0, x - threshold * sign(x))


@operation
def hard_shrink(x: Any, threshold: float = 0.5) -> Any:
    """`x` where `|x| > threshold`, else 0."""
    x = as_float(x)
    return where(absolute(x) > threshold, x, 0.0)


@operation
def threshold(x: Any, threshold: float, default_value: float) -> Any:
    """`x` where above `threshold`, else `default_value`."""
    x = tensor(x)
    return where(x > threshold, x, default_value)


@operation
def glu(x: Any, axis: int = -1) -> Any:
    """`a · sigmoid(b)` for the two halves of an axis."""
    first, second = split(as_float(x), 2, axis)
    return first * record("sigmoid", [second])


@operation
def softmax(x: Any, axis: Any = -1) -> Any:
    """`eˣ / Σ eˣ` along an axis, over several (a tuple), or over all (`None`)."""
    x = as_float(x)
    if not isinstance(axis, int):
        return _over_axes(softmax, x, axis)
    axis = axis_of(axis, x.ndim)
    result = record("softmax", [x], axis=axis)
    if axis == x.ndim - 1:
        result._logits = ("softmax", x)
    return result


def _over_axes(function: Callable[..., Any], x: TracedTensor, axis: Any) -> TracedTensor:
    """A function along one axis, applied to several: they are moved to the end and joined."""
    axes = axes_of(axis, x.ndim)
    last = list(range(x.ndim - len(axes), x.ndim))
    moved = moveaxis(x, axes, last)
    joined = (*moved.shape[: x.ndim - len(axes)], math.prod(moved.shape[x.ndim - len(axes) :]))
    return moveaxis(reshape(function(reshape(moved, joined), -1), moved.shape), last, axes)


@operation
def log_softmax(x: Any, axis: Any = -1) -> Any:
    """`x - log Σ eˣ` along an axis, over several (a tuple), or over all (`None`)."""
    x = as_float(x)
    if not isinstance(axis, int):
        return _over_axes(log_softmax, x, axis)
    return record("log_softmax", [x], axis=axis_of(axis, x.ndim))
