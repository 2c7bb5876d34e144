"""Convolution over steps (1-D) or images (2-D), channels last."""

from __future__ import annotations

from typing import Any

from rustnet import activations, constraints, initializers, ops, regularizers
from rustnet.core.convert import promoted_floats
from rustnet.layers.input_spec import InputSpec
from rustnet.layers.layer import Layer
from rustnet.ops.nn_spatial import channels_last, padded_conv, paddings, per_axis


class _Conv(Layer):
    """What the convolutions share; `rank` is the number of spatial axes."""

    rank: int
    paddings: tuple[str, ...] = ("valid", "same")

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = 1,
        groups: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        (self.filters,) = per_axis("filters", filters, 1)
        (self.groups,) = per_axis("groups", groups, 1)
        self.kernel_size = per_axis("kernel_size", kernel_size, self.rank)
        self.strides = per_axis("strides", strides, self.rank)
        self.dilation_rate = per_axis("dilation_rate", dilation_rate, self.rank)
        self.padding = padding.lower() if isinstance(padding, str) else padding
        if self.padding not in self.paddings:
            raise ValueError(f"expected padding among {self.paddings}. Received: padding={padding!r}")
        self.data_format = channels_last(data_format)
        if self.filters % self.groups:
            raise ValueError(
                "expected a number of filters that groups divides. "
                f"Received: filters={self.filters}, groups={self.groups}"
            )
        self.activation = activations.get(activation)
        self.use_bias = use_bias
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.bias_constraint = constraints.get(bias_constraint)
        self.input_spec = InputSpec(ndim=self.rank + 2)

    def build(self, input_shape: Any) -> None:
        channels = input_shape[-1]
        if channels is None:
            raise ValueError(f"expected a known number of channels. Received: input_shape={input_shape}")
        if channels % self.groups:
            raise ValueError(
                "expected a number of input channels that groups divides. "
                f"Received: input_shape={tuple(input_shape)}, groups={self.groups}"
            )
        self.kernel = self.add_weight(
            (*self.kernel_size, channels // self.groups, self.filters),
            self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
            name="kernel",
        )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                (self.filters,),
                self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
                name="bias",
            )
        self.input_spec = InputSpec(ndim=self.rank + 2, axes={-1: channels})

    def call(self, inputs: Any) -> Any:
        x, kernel = promoted_floats(inputs, self.kernel)
        if self.padding == "causal":
            # Step o sees steps o, o − dilation, …: all of the padding comes before the first.
            pads = [((self.kernel_size[0] - 1) * self.dilation_rate[0], 0)]
        else:
            pads = paddings(self.padding, x.shape, self.kernel_size, self.strides, self.dilation_rate)
        x = padded_conv(x, kernel, self.strides, pads, self.dilation_rate)
        if self.use_bias:
            x = ops.add(x, self.bias)
        return self.activation(x)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "padding": self.padding,
            "data_format": self.data_format,
            "dilation_rate": self.dilation_rate,
            "groups": self.groups,
            "activation": activations.serialize(self.activation),
            "use_bias": self.use_bias,
            "kernel_initializer": initializers.serialize(self.kernel_initializer),
            "bias_initializer": initializers.serialize(self.bias_initializer),
            "kernel_regularizer": regularizers.serialize(self.kernel_regularizer),
            "bias_regularizer": regularizers.serialize(self.bias_regularizer),
            "activity_regularizer": regularizers.serialize(self.activity_regularizer),
            "kernel_constraint": constraints.serialize(self.kernel_constraint),
            "bias_constraint": constraints.serialize(self.bias_constraint),
        }


class Conv1D(_Conv):
    """`activation(Σ x[step · strides + k · dilation_rate − padding] @ kernel[k] + bias)` for each step.

    Arguments:
        filters: channels of the output, 1 or more.
        kernel_size: steps that a window covers.
        strides: steps from one window to the next, default 1.
        padding: `"valid"` (none, the default), `"same"` (zeros on both sides, so that only strides shorten
            the output) or `"causal"` (zeros before the first step: no output sees later inputs).
        data_format: `"channels_last"`.
        dilation_rate: steps from one tap to the next, default 1.
        groups: channels and filters are cut into so many independent groups, default 1.
        activation: a name or a function, default none.
        use_bias: default True.
        kernel_initializer: default `"glorot_uniform"`.
        bias_initializer: default `"zeros"`.
        kernel_regularizer, bias_regularizer, activity_regularizer: default none.
        kernel_constraint, bias_constraint: default none.
        kwargs: see `Layer`.

    Input (batch, steps, channels), output (batch, new steps, filters); weights `kernel` (kernel_size,
    channels / groups, filters) and `bias` (filters,).

    Raises:
        ValueError: an argument out of its domain; when it is called, fewer steps than the window covers.

    Example:
        >>> Conv1D(8, 3)(ops.ones((2, 10, 4))).shape
        (2, 8, 8)

    Source: https://keras.io/api/layers/convolution_layers/convolution1d/
    """

    rank = 1
    paddings = ("valid", "same", "causal")


class Conv2D(_Conv):
    """`activation(Σ x[pixel · strides + k · dilation_rate − padding] @ kernel[k] + bias)` for each pixel.

    Arguments:
        filters: channels of the output, 1 or more.
        kernel_size: pixels that a window covers, an int or (height, width).
        strides: pixels from one window to the next, default 1.
        padding: `"valid"` (none, the default) or `"same"` (zeros on all sides, so that only strides shrink
            the output).
        data_format: `"channels_last"`.
        dilation_rate: pixels from one tap to the next, default 1.
        groups: channels and filters are cut into so many independent groups, default 1.
        activation: a name or a function, default none.
        use_bias: default True.
        kernel_initializer: default `"glorot_uniform"`.
        bias_initializer: default `"zeros"`.
        kernel_regularizer, bias_regularizer, activity_regularizer: default none.
        kernel_constraint, bias_constraint: default none.
        kwargs: see `Layer`.

    Input (batch, height, width, channels), output (batch, new height, new width, filters); weights `kernel`
    (height, width, channels / groups, filters) and `bias` (filters,).

    Raises:
        ValueError: an argument out of its domain; when it is called, an image smaller than the window.

    Example:
        >>> Conv2D(8, 3, activation="relu")(ops.ones((2, 28, 28, 1))).shape
        (2, 26, 26, 8)

    Source: https://keras.io/api/layers/convolution_layers/convolution2d/
    """

    rank = 2


Convolution1D = Conv1D
Convolution2D = Conv2D
