"""Convolutions of each channel by itself, alone and followed by a mixture of the channels."""

from __future__ import annotations

from typing import Any

from rustnet import activations, constraints, initializers, ops, regularizers
from rustnet.core.convert import promoted_floats
from rustnet.layers.input_spec import InputSpec
from rustnet.layers.layer import Layer
from rustnet.ops.nn_spatial import channels_last, padded_conv, paddings, per_axis


class _ByChannel(Layer):
    """What the convolutions by channel share; `rank` is the number of spatial axes."""

    rank: int

    def __init__(
        self,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        depth_multiplier: int = 1,
        data_format: str | None = None,
        dilation_rate: Any = 1,
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        depthwise_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self.kernel_size = per_axis("kernel_size", kernel_size, self.rank)
        self.strides = per_axis("strides", strides, self.rank)
        self.dilation_rate = per_axis("dilation_rate", dilation_rate, self.rank)
        (self.depth_multiplier,) = per_axis("depth_multiplier", depth_multiplier, 1)
        self.padding = padding.lower() if isinstance(padding, str) else padding
        if self.padding not in ("valid", "same"):
            raise ValueError(f"expected padding 'valid' or 'same'. Received: padding={padding!r}")
        self.data_format = channels_last(data_format)
        self.activation = activations.get(activation)
        self.use_bias = use_bias
        self.depthwise_initializer = initializers.get(depthwise_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.depthwise_regularizer = regularizers.get(depthwise_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.depthwise_constraint = constraints.get(depthwise_constraint)
        self.bias_constraint = constraints.get(bias_constraint)
        self.input_spec = InputSpec(ndim=self.rank + 2)

    def _add_depthwise_kernel(self, input_shape: Any, name: str) -> Any:
        channels = input_shape[-1]
        if channels is None:
            raise ValueError(f"expected a known number of channels. Received: input_shape={input_shape}")
        self.input_spec = InputSpec(ndim=self.rank + 2, axes={-1: channels})
        return self.add_weight(
            (*self.kernel_size, channels, self.depth_multiplier),
            self.depthwise_initializer,
            regularizer=self.depthwise_regularizer,
            constraint=self.depthwise_constraint,
            name=name,
        )

    def _add_bias(self, size: int) -> Any:
        if not self.use_bias:
            return None
        return self.add_weight(
            (size,),
            self.bias_initializer,
            regularizer=self.bias_regularizer,
            constraint=self.bias_constraint,
            name="bias",
        )

    def _by_channel(self, inputs: Any, kernel: Any) -> Any:
        """`inputs` (batch, …, C), `kernel` (…, C, M) → (batch, …, C · M): M filters share a channel."""
        x, kernel = promoted_floats(inputs, kernel)
        pads = paddings(self.padding, x.shape, self.kernel_size, self.strides, self.dilation_rate)
        filters = kernel.shape[-2] * kernel.shape[-1]
        grouped = ops.reshape(kernel, (*self.kernel_size, 1, filters))
        return padded_conv(x, grouped, self.strides, pads, self.dilation_rate)

    def _with_bias(self, x: Any, bias: Any) -> Any:
        return self.activation(x if bias is None else ops.add(x, bias))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "padding": self.padding,
            "depth_multiplier": self.depth_multiplier,
            "data_format": self.data_format,
            "dilation_rate": self.dilation_rate,
            "activation": activations.serialize(self.activation),
            "use_bias": self.use_bias,
            "depthwise_initializer": initializers.serialize(self.depthwise_initializer),
            "bias_initializer": initializers.serialize(self.bias_initializer),
            "depthwise_regularizer": regularizers.serialize(self.depthwise_regularizer),
            "bias_regularizer": regularizers.serialize(self.bias_regularizer),
            "activity_regularizer": regularizers.serialize(self.activity_regularizer),
            "depthwise_constraint": constraints.serialize(self.depthwise_constraint),
            "bias_constraint": constraints.serialize(self.bias_constraint),
        }


class _Depthwise(_ByChannel):
    def build(self, input_shape: Any) -> None:
        self.kernel = self._add_depthwise_kernel(input_shape, "kernel")
        self.bias = self._add_bias(input_shape[-1] * self.depth_multiplier)

    def call(self, inputs: Any) -> Any:
        return self._with_bias(self._by_channel(inputs, self.kernel), self.bias)


class DepthwiseConv1D(_Depthwise):
    """`activation(Σ x[step · strides + k · dilation_rate − padding, c] · kernel[k, c, m] + bias)`.

    Each channel is convolved with `depth_multiplier` filters of its own.

    Arguments:
        kernel_size: steps that a window covers.
        strides: steps from one window to the next, default 1.
        padding: `"valid"` (none, the default) or `"same"` (zeros on both sides, so that only strides shorten
            the output).
        depth_multiplier: filters for each channel, default 1.
        data_format: `"channels_last"`.
        dilation_rate: steps from one tap to the next, default 1.
        activation: a name or a function, default none.
        use_bias: default True.
        depthwise_initializer: of the kernel, default `"glorot_uniform"`.
        bias_initializer: default `"zeros"`.
        depthwise_regularizer, bias_regularizer, activity_regularizer: default none.
        depthwise_constraint, bias_constraint: default none.
        kwargs: see `Layer`.

    Input (batch, steps, channels), output (batch, new steps, channels · depth_multiplier); weights `kernel`
    (kernel_size, channels, depth_multiplier) and `bias` (channels · depth_multiplier,).

    Raises:
        ValueError: an argument out of its domain; when it is called, fewer steps than the window covers.

    Example:
        >>> DepthwiseConv1D(3)(ops.ones((2, 10, 4))).shape
        (2, 8, 4)

    Source: https://keras.io/api/layers/convolution_layers/depthwise_convolution1d/
    """

    rank = 1


class DepthwiseConv2D(_Depthwise):
    """`activation(Σ x[pixel · strides + k · dilation_rate − padding, c] · kernel[k, c, m] + bias)`.

    Each channel is convolved with `depth_multiplier` filters of its own.

    Arguments:
        kernel_size: pixels that a window covers, an int or (height, width).
        strides: pixels from one window to the next, default 1.
        padding: `"valid"` (none, the default) or `"same"` (zeros on all sides, so that only strides shrink
            the output).
        depth_multiplier: filters for each channel, default 1.
        data_format: `"channels_last"`.
        dilation_rate: pixels from one tap to the next, default 1.
        activation: a name or a function, default none.
        use_bias: default True.
        depthwise_initializer: of the kernel, default `"glorot_uniform"`.
        bias_initializer: default `"zeros"`.
        depthwise_regularizer, bias_regularizer, activity_regularizer: default none.
        depthwise_constraint, bias_constraint: default none.
        kwargs: see `Layer`.

    Input (batch, height, width, channels), output (batch, new height, new width, channels ·
    depth_multiplier); weights `kernel` (height, width, channels, depth_multiplier) and `bias` (channels ·
    depth_multiplier,).

    Raises:
        ValueError: an argument out of its domain; when it is called, an image smaller than the window.

    Example:
        >>> DepthwiseConv2D(3, padding="same")(ops.ones((2, 28, 28, 8))).shape
        (2, 28, 28, 8)

    Source: https://keras.io/api/layers/convolution_layers/depthwise_convolution2d/
    """

    rank = 2


class _Separable(_ByChannel):
    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = 1,
        depth_multiplier: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        pointwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None,
        pointwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        depthwise_constraint: Any = None,
        pointwise_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            kernel_size,
            strides=strides,
            padding=padding,
            depth_multiplier=depth_multiplier,
            data_format=data_format,
            dilation_rate=dilation_rate,
            activation=activation,
            use_bias=use_bias,
            depthwise_initializer=depthwise_initializer,
            bias_initializer=bias_initializer,
            depthwise_regularizer=depthwise_regularizer,
            bias_regularizer=bias_regularizer,
            activity_regularizer=activity_regularizer,
            depthwise_constraint=depthwise_constraint,
            bias_constraint=bias_constraint,
            **kwargs,
        )
        (self.filters,) = per_axis("filters", filters, 1)
        self.pointwise_initializer = initializers.get(pointwise_initializer)
        self.pointwise_regularizer = regularizers.get(pointwise_regularizer)
        self.pointwise_constraint = constraints.get(pointwise_constraint)

    def build(self, input_shape: Any) -> None:
        self.depthwise_kernel = self._add_depthwise_kernel(input_shape, "depthwise_kernel")
        self.pointwise_kernel = self.add_weight(
            (*(1,) * self.rank, input_shape[-1] * self.depth_multiplier, self.filters),
            self.pointwise_initializer,
            regularizer=self.pointwise_regularizer,
            constraint=self.pointwise_constraint,
            name="pointwise_kernel",
        )
        self.bias = self._add_bias(self.filters)

    def call(self, inputs: Any) -> Any:
        ones = (1,) * self.rank
        x = self._by_channel(inputs, self.depthwise_kernel)
        x, kernel = promoted_floats(x, self.pointwise_kernel)
        x = padded_conv(x, kernel, ones, [(0, 0)] * self.rank, ones)
        return self._with_bias(x, self.bias)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "filters": self.filters,
            "pointwise_initializer": initializers.serialize(self.pointwise_initializer),
            "pointwise_regularizer": regularizers.serialize(self.pointwise_regularizer),
            "pointwise_constraint": constraints.serialize(self.pointwise_constraint),
        }


class SeparableConv1D(_Separable):
    """A convolution of each channel by itself, and then a mixture of the channels at each step.

    Arguments:
        filters: channels of the output, 1 or more.
        kernel_size: steps that a window covers.
        strides: steps from one window to the next, default 1.
        padding: `"valid"` (none, the default) or `"same"` (zeros on both sides, so that only strides shorten
            the output).
        data_format: `"channels_last"`.
        dilation_rate: steps from one tap to the next, default 1.
        depth_multiplier: filters for each channel of the input, default 1.
        activation: a name or a function, default none.
        use_bias: default True.
        depthwise_initializer, pointwise_initializer: default `"glorot_uniform"`.
        bias_initializer: default `"zeros"`.
        depthwise_regularizer, pointwise_regularizer, bias_regularizer, activity_regularizer: default none.
        depthwise_constraint, pointwise_constraint, bias_constraint: default none.
        kwargs: see `Layer`.

    Input (batch, steps, channels), output (batch, new steps, filters); weights `depthwise_kernel`
    (kernel_size, channels, depth_multiplier), `pointwise_kernel` (1, channels · depth_multiplier, filters)
    and `bias` (filters,).

    Raises:
        ValueError: an argument out of its domain; when it is called, fewer steps than the window covers.

    Example:
        >>> SeparableConv1D(8, 3)(ops.ones((2, 10, 4))).shape
        (2, 8, 8)

    Source: https://keras.io/api/layers/convolution_layers/separable_convolution1d/
    """

    rank = 1


class SeparableConv2D(_Separable):
    """A convolution of each channel by itself, and then a mixture of the channels at each pixel.

    Arguments:
        filters: channels of the output, 1 or more.
        kernel_size: pixels that a window covers, an int or (height, width).
        strides: pixels from one window to the next, default 1.
        padding: `"valid"` (none, the default) or `"same"` (zeros on all sides, so that only strides shrink
            the output).
        data_format: `"channels_last"`.
        dilation_rate: pixels from one tap to the next, default 1.
        depth_multiplier: filters for each channel of the input, default 1.
        activation: a name or a function, default none.
        use_bias: default True.
        depthwise_initializer, pointwise_initializer: default `"glorot_uniform"`.
        bias_initializer: default `"zeros"`.
        depthwise_regularizer, pointwise_regularizer, bias_regularizer, activity_regularizer: default none.
        depthwise_constraint, pointwise_constraint, bias_constraint: default none.
        kwargs: see `Layer`.

    Input (batch, height, width, channels), output (batch, new height, new width, filters); weights
    `depthwise_kernel` (height, width, channels, depth_multiplier), `pointwise_kernel` (1, 1, channels ·
    depth_multiplier, filters) and `bias` (filters,).

    Raises:
        ValueError: an argument out of its domain; when it is called, an image smaller than the window.

    Example:
        >>> SeparableConv2D(8, 3, padding="same")(ops.ones((2, 28, 28, 4))).shape
        (2, 28, 28, 8)

    Source: https://keras.io/api/layers/convolution_layers/separable_convolution2d/
    """

    rank = 2


SeparableConvolution1D = SeparableConv1D
SeparableConvolution2D = SeparableConv2D
