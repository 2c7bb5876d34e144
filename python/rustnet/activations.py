"""Activation functions: elementwise, or along one axis, from tensor to tensor of the same shape."""

from __future__ import annotations

from typing import Any

from rustnet import ops
from rustnet.registry import Registry


def linear(x: Any) -> Any:
    """`x`.

    Example:
        >>> linear(3.0)
        3.0
    """
    return x


def relu(x: Any, negative_slope: float = 0.0, max_value: float | None = None, threshold: float = 0.0) -> Any:
    """`max(x, 0)`, with an optional limit, slope and threshold.

    In general `min(x, max_value)` above `threshold` and `negative_slope * (x - threshold)` up to it.

    Arguments:
        x: any shape.
        negative_slope: default 0.
        max_value: the upper limit, default none.
        threshold: default 0.

    Example:
        >>> relu(ops.convert_to_tensor([-1.0, 2.0])).numpy().tolist()
        [0.0, 2.0]

    Source: https://keras.io/api/layers/activations/#relu-function
    """
    if max_value is not None and float(max_value).is_integer():
        # So that integers, which stay integers, have one to meet.
        max_value = int(max_value)
    if threshold == 0.0:
        x = ops.leaky_relu(x, negative_slope) if negative_slope else ops.relu(x)
        return x if max_value is None else ops.minimum(x, max_value)
    x = ops.cast(x, "int32") if ops.dtype(x) == "bool" else ops.convert_to_tensor(x)
    above = x if max_value is None else ops.minimum(x, max_value)
    return ops.where(x > threshold, above, negative_slope * (x - threshold) if negative_slope else 0)


def leaky_relu(x: Any, negative_slope: float = 0.2) -> Any:
    """`x` where positive, `negative_slope * x` elsewhere; the slope defaults to 0.2.

    Example:
        >>> leaky_relu(ops.convert_to_tensor([-1.0, 2.0]), 0.5).numpy().tolist()
        [-0.5, 2.0]
    """
    return ops.leaky_relu(x, negative_slope)


def relu6(x: Any) -> Any:
    """`min(max(x, 0), 6)`.

    Example:
        >>> relu6(ops.convert_to_tensor([-1.0, 8.0])).numpy().tolist()
        [0.0, 6.0]
    """
    return ops.relu6(x)


def elu(x: Any, alpha: float = 1.0) -> Any:
    """`x` where positive, `alpha * (exp(x) - 1)` elsewhere; alpha defaults to 1.

    Example:
        >>> elu(ops.convert_to_tensor([2.0])).numpy().tolist()
        [2.0]

    Source: Clevert et al. 2016, https://arxiv.org/abs/1511.07289
    """
    return ops.elu(x, alpha)


def selu(x: Any) -> Any:
    """`1.0507 * elu(x, alpha=1.6733)`, which keeps activations at mean 0 and variance 1.

    Example:
        >>> selu(ops.convert_to_tensor([0.0])).numpy().tolist()
        [0.0]

    Source: Klambauer et al. 2017, https://arxiv.org/abs/1706.02515
    """
    return ops.selu(x)


def softplus(x: Any) -> Any:
    """`log(1 + exp(x))`.

    Example:
        >>> softplus(ops.convert_to_tensor([0.0])).numpy().round(4)
        array([0.6931], dtype=float32)
    """
    return ops.softplus(x)


def softsign(x: Any) -> Any:
    """`x / (1 + |x|)`.

    Example:
        >>> softsign(ops.convert_to_tensor([1.0])).numpy().tolist()
        [0.5]
    """
    return ops.softsign(x)


def silu(x: Any) -> Any:
    """`x * sigmoid(x)`, also called swish.

    Example:
        >>> silu(ops.convert_to_tensor([0.0])).numpy().tolist()
        [0.0]

    Source: Ramachandran et al. 2017, https://arxiv.org/abs/1710.05941
    """
    return ops.silu(x)


def gelu(x: Any, approximate: bool = False) -> Any:
    """`x * P(X <= x)` for a standard normal X; with `approximate`, by a hyperbolic tangent.

    Example:
        >>> gelu(ops.convert_to_tensor([0.0])).numpy().tolist()
        [0.0]

    Source: Hendrycks and Gimpel 2016, https://arxiv.org/abs/1606.08415
    """
    return ops.gelu(x, approximate=approximate)


def tanh(x: Any) -> Any:
    """The hyperbolic tangent.

    Example:
        >>> tanh(ops.convert_to_tensor([0.0])).numpy().tolist()
        [0.0]
    """
    return ops.tanh(x)


def sigmoid(x: Any) -> Any:
    """`1 / (1 + exp(-x))`.

    Example:
        >>> sigmoid(ops.convert_to_tensor([0.0])).numpy().tolist()
        [0.5]
    """
    return ops.sigmoid(x)


def hard_sigmoid(x: Any) -> Any:
    """`clip(x / 6 + 1/2, 0, 1)`.

    Example:
        >>> hard_sigmoid(ops.convert_to_tensor([0.0])).numpy().tolist()
        [0.5]
    """
    return ops.hard_sigmoid(x)


def hard_silu(x: Any) -> Any:
    """`x * hard_sigmoid(x)`.

    Example:
        >>> hard_silu(ops.convert_to_tensor([0.0])).numpy().tolist()
        [0.0]
    """
    return ops.hard_silu(x)


def exponential(x: Any) -> Any:
    """`exp(x)`.

    Example:
        >>> exponential(ops.convert_to_tensor([0.0])).numpy().tolist()
        [1.0]
    """
    return ops.exp(x)


def mish(x: Any) -> Any:
    """`x * tanh(softplus(x))`.

    Example:
        >>> mish(ops.convert_to_tensor([0.0])).numpy().tolist()
        [0.0]

    Source: Misra 2020, https://arxiv.org/abs/1908.08681
    """
    x = ops.convert_to_tensor(x)
    return x * ops.tanh(ops.softplus(x))


def softmax(x: Any, axis: int = -1) -> Any:
    """`exp(x) / sum(exp(x))` along `axis`, default the last: probabilities.

    Example:
        >>> softmax(ops.convert_to_tensor([0.0, 0.0])).numpy().tolist()
        [0.5, 0.5]
    """
    return ops.softmax(x, axis=axis)


def log_softmax(x: Any, axis: int = -1) -> Any:
    """The logarithm of `softmax`, without its rounding to 0.

    Example:
        >>> log_softmax(ops.convert_to_tensor([0.0, 0.0])).numpy().round(4)
        array([-0.6931, -0.6931], dtype=float32)
    """
    return ops.log_softmax(x, axis=axis)


swish = silu
hard_swish = hard_silu

_registry = Registry(
    "activation",
    None,
    [
        linear, relu, leaky_relu, relu6, elu, selu, softplus, softsign, silu, gelu, tanh, sigmoid,
        hard_sigmoid, hard_silu, exponential, mish, softmax, log_softmax,
    ],
    {"swish": silu, "hard_swish": hard_silu},
)  # fmt: skip
serialize = _registry.serialize
deserialize = _registry.deserialize


def get(identifier: Any) -> Any:
    """An activation from a name, a configuration or a callable; None is `linear`.

    Raises:
        ValueError: an unknown name.

    Example:
        >>> get("relu").__name__
        'relu'
    """
    return linear if identifier is None else _registry.get(identifier)
