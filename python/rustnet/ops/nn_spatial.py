"""Convolution and pooling over one or two spatial axes, channels last."""

from __future__ import annotations

from typing import Any

from rustnet.core.convert import as_float, promoted_floats
from rustnet.core.operation import operation
from rustnet.core.tensors import TracedTensor
from rustnet.core.trace import record
from rustnet.ops.shaping import reshape

__all__ = [
    "average_pool",
    "conv",
    "max_pool",
]

# The padding before and after each spatial axis.
Padding = list[tuple[int, int]]


@operation
def conv(
    inputs: Any,
    kernel: Any,
    strides: Any = 1,
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Any = 1,
) -> Any:
    """`y[b, o, f] = Σ x[b, o · strides + k · dilation_rate − padding, c] · kernel[k, c, f]`.

    Arguments:
        inputs: (batch, steps, channels) or (batch, height, width, channels).
        kernel: (length, channels / groups, filters) or (height, width, channels / groups, filters); the
            number of groups follows from its channels.
        strides, dilation_rate: an int, or one for each spatial axis; default 1.
        padding: `"valid"` (none), or `"same"` (zeros, so that only strides shrink the output).
        data_format: `"channels_last"`.

    Raises:
        ValueError: shapes that do not fit, or an output that would be empty.

    Example:
        >>> ops.conv(ops.ones((1, 4, 4, 1)), ops.ones((3, 3, 1, 2))).shape
        (1, 2, 2, 2)

    Source: https://keras.io/api/ops/nn/#conv-function
    """
    inputs, kernel = promoted_floats(inputs, kernel)
    rank = spatial_rank(inputs, data_format)
    if kernel.ndim != inputs.ndim:
        raise ValueError(
            f"expected a kernel of rank {inputs.ndim} for inputs of that rank. "
            f"Received: kernel.shape={kernel.shape}, inputs.shape={inputs.shape}"
        )
    size = kernel.shape[:rank]
    strides, dilation = per_axis("strides", strides, rank), per_axis("dilation_rate", dilation_rate, rank)
    pads = paddings(padding, inputs.shape, size, strides, dilation)
    return padded_conv(inputs, kernel, strides, pads, dilation)


def padded_conv(
    inputs: TracedTensor,
    kernel: TracedTensor,
    strides: tuple[int, ...],
    pads: Padding,
    dilation: tuple[int, ...],
) -> TracedTensor:
    """Convolution with the padding of each axis written out."""
    channels, per_group = inputs.shape[-1], kernel.shape[-2]
    if per_group == 0 or channels % per_group or kernel.shape[-1] % max(channels // per_group, 1):
        raise ValueError(
            "expected the kernel's channels to divide those of the inputs into groups, and the groups to "
            f"divide the filters. Received: kernel.shape={kernel.shape}, inputs.shape={inputs.shape}"
        )
    _check_not_empty("kernel", inputs.shape, kernel.shape[:-2], pads, dilation)
    result = record(
        "conv2d",
        [_flat_image(inputs), kernel if kernel.ndim == 4 else reshape(kernel, (1, *kernel.shape))],
        strides=_height_and_width(strides),
        dilation=_height_and_width(dilation),
        padding=_sides(pads),
        groups=channels // per_group,
    )
    return _like(result, inputs)


@operation
def max_pool(
    inputs: Any, pool_size: Any, strides: Any = None, padding: str = "valid", data_format: str | None = None
) -> Any:
    """The maximum of each window; padding never takes part.

    Arguments:
        inputs: (batch, steps, channels) or (batch, height, width, channels).
        pool_size: an int, or one for each spatial axis.
        strides: the same, or None for `pool_size`.
        padding: `"valid"` or `"same"`.
        data_format: `"channels_last"`.

    Raises:
        ValueError: an unknown padding or format, or an output that would be empty.

    Example:
        >>> ops.max_pool(ops.reshape(ops.arange(4.0), (1, 4, 1)), 2).numpy().tolist()
        [[[1.0], [3.0]]]

    Source: https://keras.io/api/ops/nn/#maxpool-function
    """
    return _pool("max_pool2d", inputs, pool_size, strides, padding, data_format)


@operation
def average_pool(
    inputs: Any, pool_size: Any, strides: Any = None, padding: str = "valid", data_format: str | None = None
) -> Any:
    """The mean of each window; padding does not count.

    Arguments:
        inputs: (batch, steps, channels) or (batch, height, width, channels).
        pool_size: an int, or one for each spatial axis.
        strides: the same, or None for `pool_size`.
        padding: `"valid"` or `"same"`.
        data_format: `"channels_last"`.

    Raises:
        ValueError: an unknown padding or format, or an output that would be empty.

    Example:
        >>> ops.average_pool(ops.reshape(ops.arange(4.0), (1, 4, 1)), 2).numpy().tolist()
        [[[0.5], [2.5]]]

    Source: https://keras.io/api/ops/nn/#averagepool-function
    """
    return _pool("average_pool2d", inputs, pool_size, strides, padding, data_format)


def _pool(
    name: str, inputs: Any, pool_size: Any, strides: Any, padding: str, data_format: str | None
) -> TracedTensor:
    inputs = as_float(inputs)
    rank = spatial_rank(inputs, data_format)
    size = per_axis("pool_size", pool_size, rank)
    steps = size if strides is None else per_axis("strides", strides, rank)
    pads = paddings(padding, inputs.shape, size, steps, (1,) * rank)
    _check_not_empty("pool", inputs.shape, size, pads, (1,) * rank)
    result = record(
        name,
        [_flat_image(inputs)],
        pool=_height_and_width(size),
        strides=_height_and_width(steps),
        padding=_sides(pads),
    )
    return _like(result, inputs)


def spatial_rank(inputs: TracedTensor, data_format: str | None = None) -> int:
    """The number of spatial axes, 1 or 2."""
    channels_last(data_format)
    if inputs.ndim not in (3, 4):
        raise ValueError(
            "expected inputs of shape (batch, steps, channels) or (batch, height, width, channels). "
            f"Received: inputs.shape={inputs.shape}"
        )
    return inputs.ndim - 2


def channels_last(data_format: str | None) -> str:
    """The one format there is. Raises `ValueError` for another."""
    if data_format not in (None, "channels_last"):
        raise ValueError(f"expected data_format='channels_last'. Received: data_format={data_format!r}")
    return "channels_last"


def per_axis(name: str, value: Any, rank: int) -> tuple[int, ...]:
    """An int of 1 or more for each spatial axis, from one for all or from a sequence."""
    values = tuple(value) if isinstance(value, (list, tuple)) else (value,) * rank
    if len(values) != rank or not all(
        hasattr(one, "__index__") and not isinstance(one, bool) and one.__index__() > 0 for one in values
    ):
        raise ValueError(
            f"expected {name} as an int of 1 or more, or {rank} of them. Received: {name}={value!r}"
        )
    return tuple(one.__index__() for one in values)


def paddings(
    padding: str,
    shape: tuple[int, ...],
    size: tuple[int, ...],
    strides: tuple[int, ...],
    dilation: tuple[int, ...],
) -> Padding:
    """The padding of each spatial axis of (batch, …, channels); the odd one of `"same"` goes behind."""
    if padding == "valid":
        return [(0, 0)] * len(size)
    if padding != "same":
        raise ValueError(f"expected padding 'valid' or 'same'. Received: padding={padding!r}")
    pads = []
    for length, taps, stride, spread in zip(shape[1:-1], size, strides, dilation, strict=True):
        positions = -(-length // stride)
        total = max((positions - 1) * stride + (taps - 1) * spread + 1 - length, 0)
        pads.append((total // 2, total - total // 2))
    return pads


def _check_not_empty(
    window: str, shape: tuple[int, ...], size: tuple[int, ...], pads: Padding, dilation: tuple[int, ...]
) -> None:
    for length, taps, (before, after), spread in zip(shape[1:-1], size, pads, dilation, strict=True):
        if length + before + after < (taps - 1) * spread + 1:
            spread_out = "" if max(dilation) == 1 else f", dilation_rate={dilation}"
            raise ValueError(
                f"expected spatial sizes not below those of the {window}, else the output would be empty. "
                f"Received: inputs.shape={shape}, {window} size={size}{spread_out}"
            )


def _flat_image(inputs: TracedTensor) -> TracedTensor:
    """Steps become the columns of an image of height 1."""
    return inputs if inputs.ndim == 4 else reshape(inputs, (inputs.shape[0], 1, *inputs.shape[1:]))


def _like(result: TracedTensor, inputs: TracedTensor) -> TracedTensor:
    return result if inputs.ndim == 4 else reshape(result, (result.shape[0], *result.shape[2:]))


def _height_and_width(values: tuple[int, ...]) -> list[int]:
    return [1, *values][-2:]


def _sides(pads: Padding) -> list[int]:
    (top, bottom), (left, right) = [(0, 0), *pads][-2:]
    return [top, bottom, left, right]
