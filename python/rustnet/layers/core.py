"""Dense, and layers that apply a function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rustnet import activations, constraints, initializers, ops, regularizers
from rustnet.layers.arguments import signature_of
from rustnet.layers.input_spec import InputSpec
from rustnet.layers.layer import Layer


class Dense(Layer):
    """`activation(x @ kernel + bias)` along the last axis.

    Arguments:
        units: size of the last axis of the output, 1 or more.
        activation: a name or a function, default none.
        use_bias: default True.
        kernel_initializer: default `"glorot_uniform"`.
        bias_initializer: default `"zeros"`.
        kernel_regularizer, bias_regularizer, activity_regularizer: default none.
        kernel_constraint, bias_constraint: default none.
        lora_rank, lora_alpha, quantization_config: accepted where None.
        kwargs: `name`, `dtype`, `trainable`; in a Sequential model's first layer `input_shape` or
            `input_dim`.

    Input (batch, …, inputs), output (batch, …, units); weights `kernel` (inputs, units) and `bias` (units,).

    Raises:
        ValueError: `units` below 1, or an unknown argument; when it is called, inputs of another last size.

    Example:
        >>> Dense(3, activation="relu")(ops.ones((2, 4))).shape
        (2, 3)

    Source: https://keras.io/api/layers/core_layers/dense/
    """

    def __init__(
        self,
        units: int,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        lora_rank: int | None = None,
        lora_alpha: int | None = None,
        quantization_config: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        full_weights(lora_rank, lora_alpha, quantization_config)
        self.units = positive_int("units", units)
        self.activation = activations.get(activation)
        self.use_bias = use_bias
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.bias_constraint = constraints.get(bias_constraint)
        self.input_spec = InputSpec(min_ndim=2)
        self.supports_masking = True

    def build(self, input_shape: Any) -> None:
        inputs = known_size("last", input_shape[-1])
        self.kernel = self.add_weight(
            (inputs, self.units),
            self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
            name="kernel",
        )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                (self.units,),
                self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
                name="bias",
            )
        self.input_spec = InputSpec(min_ndim=2, axes={-1: inputs})

    def call(self, inputs: Any) -> Any:
        x = ops.matmul(inputs, self.kernel)
        if self.use_bias:
            x = x + self.bias
        return self.activation(x)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "units": self.units,
            "activation": activations.serialize(self.activation),
            "use_bias": self.use_bias,
            "kernel_initializer": initializers.serialize(self.kernel_initializer),
            "bias_initializer": initializers.serialize(self.bias_initializer),
            "kernel_regularizer": regularizers.serialize(self.kernel_regularizer),
            "bias_regularizer": regularizers.serialize(self.bias_regularizer),
            "kernel_constraint": constraints.serialize(self.kernel_constraint),
            "bias_constraint": constraints.serialize(self.bias_constraint),
            "quantization_config": None,
        }


class Activation(Layer):
    """Applies an activation function.

    Arguments:
        activation: a name or a function.
        kwargs: see `Layer`.

    Raises:
        ValueError: an unknown name.

    Example:
        >>> Activation("relu")(ops.convert_to_tensor([-1.0, 2.0])).numpy().tolist()
        [0.0, 2.0]

    Source: https://keras.io/api/layers/core_layers/activation/
    """

    _is_built_from_start = True

    def __init__(self, activation: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True
        self.activation = activations.get(activation)

    def call(self, inputs: Any) -> Any:
        return self.activation(inputs)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "activation": activations.serialize(self.activation)}


class Lambda(Layer):
    """Applies a function written with `rustnet.ops`. A subclass of `Layer` reads better and can be saved.

    Arguments:
        function: of the inputs, and of `mask` and `training` if it names them.
        output_shape: accepted and not needed: shapes are found by recording the function.
        mask: the outputs' mask, or a function of the inputs and their mask; default none.
        arguments: a dictionary of further keyword arguments.
        kwargs: see `Layer`.

    Example:
        >>> Lambda(lambda x: x * 2.0)(ops.convert_to_tensor([1.0, 2.0])).numpy().tolist()
        [2.0, 4.0]

    Source: https://keras.io/api/layers/core_layers/lambda/
    """

    def __init__(
        self,
        function: Callable[..., Any],
        output_shape: Any = None,
        mask: Any = None,
        arguments: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not callable(function):
            raise ValueError(f"expected function to be callable. Received: function={function!r}")
        self.function = function
        self.output_shape = output_shape
        self.mask = mask
        self.supports_masking = mask is not None
        self.arguments = dict(arguments or {})
        try:
            names = list(signature_of(function).parameters)
        except ValueError:  # some functions written in C state none
            names = []
        self._passed_on = [name for name in ("mask", "training") if name in names]

    def call(self, inputs: Any, mask: Any = None, training: bool = False) -> Any:
        given = {"mask": mask, "training": training}
        return self.function(inputs, **{name: given[name] for name in self._passed_on}, **self.arguments)

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        return self.mask(inputs, previous_mask) if callable(self.mask) else self.mask


class Identity(Layer):
    """Returns its inputs.

    Arguments:
        kwargs: see `Layer`.

    Example:
        >>> Identity()(ops.convert_to_tensor([1.0])).numpy().tolist()
        [1.0]

    Source: https://keras.io/api/layers/core_layers/identity/
    """

    _is_built_from_start = True

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True

    def call(self, inputs: Any) -> Any:
        return inputs


def full_weights(lora_rank: Any, lora_alpha: Any, quantization_config: Any) -> None:
    """Raises `ValueError` where weights are asked for in another form than a full array of floats."""
    if lora_rank is not None or lora_alpha is not None or quantization_config is not None:
        raise ValueError(
            "expected full weights of floats. Received: "
            f"lora_rank={lora_rank}, lora_alpha={lora_alpha}, quantization_config={quantization_config}"
        )


def positive_int(name: str, value: Any) -> int:
    """`value` as an int of 1 or more; ValueError otherwise."""
    if isinstance(value, bool) or not hasattr(value, "__index__") or value.__index__() < 1:
        raise ValueError(f"expected {name} to be an int of 1 or more. Received: {name}={value!r}")
    return value.__index__()


def known_size(axis: str, size: int | None) -> int:
    """The size of an axis that a weight depends on; ValueError where it is left open."""
    if size is None:
        raise ValueError(f"expected a known size of the {axis} axis of the input. Received: None")
    return size
