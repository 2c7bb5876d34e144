"""Activation functions as layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rustnet import activations, constraints, initializers, ops, regularizers
from rustnet.layers.core import known_size
from rustnet.layers.input_spec import InputSpec
from rustnet.layers.layer import Layer


class ReLU(Layer):
    """`max(x, 0)`, with an optional slope, limit and threshold: see `activations.relu`.

    Arguments:
        max_value: upper limit, 0 or more, default none.
        negative_slope: 0 or more, default 0.
        threshold: 0 or more, default 0.
        kwargs: see `Layer`.

    Raises:
        ValueError: a negative argument.

    Example:
        >>> ReLU(max_value=1.0)(ops.convert_to_tensor([-1.0, 0.5, 2.0])).numpy().tolist()
        [0.0, 0.5, 1.0]

    Source: https://keras.io/api/layers/activation_layers/relu/
    """

    _is_built_from_start = True

    def __init__(
        self,
        max_value: float | None = None,
        negative_slope: float = 0.0,
        threshold: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        given = {"max_value": max_value or 0.0, "negative_slope": negative_slope, "threshold": threshold}
        for name, value in given.items():
            if value is None or not value >= 0:
                raise ValueError(f"expected {name} to be 0 or more. Received: {name}={value!r}")
        self.max_value = max_value
        self.negative_slope = negative_slope
        self.threshold = threshold
        self.supports_masking = True

    def call(self, inputs: Any) -> Any:
        return activations.relu(inputs, self.negative_slope, self.max_value, self.threshold)

    def get_config(self) -> dict[str, Any]:
        own = {
            "max_value": self.max_value,
            "negative_slope": self.negative_slope,
            "threshold": self.threshold,
        }
        return {**super().get_config(), **own}


class LeakyReLU(Layer):
    """`x` where positive, `negative_slope * x` elsewhere.

    Arguments:
        negative_slope: 0 or more, default 0.3; `alpha=` is its older name.
        kwargs: see `Layer`.

    Raises:
        ValueError: a negative slope.

    Example:
        >>> LeakyReLU(0.5)(ops.convert_to_tensor([-1.0, 2.0])).numpy().tolist()
        [-0.5, 2.0]

    Source: https://keras.io/api/layers/activation_layers/leaky_relu/
    """

    _is_built_from_start = True

    def __init__(self, negative_slope: float = 0.3, **kwargs: Any) -> None:
        negative_slope = kwargs.pop("alpha", negative_slope)
        super().__init__(**kwargs)
        if negative_slope is None or not negative_slope >= 0:
            raise ValueError(
                f"expected negative_slope to be 0 or more. Received: negative_slope={negative_slope!r}"
            )
        self.negative_slope = negative_slope
        self.supports_masking = True

    def call(self, inputs: Any) -> Any:
        return activations.leaky_relu(inputs, self.negative_slope)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "negative_slope": self.negative_slope}


class ELU(Layer):
    """`x` where positive, `alpha * (exp(x) - 1)` elsewhere.

    Arguments:
        alpha: default 1.
        kwargs: see `Layer`.

    Example:
        >>> ELU()(ops.convert_to_tensor([0.0, 2.0])).numpy().tolist()
        [0.0, 2.0]

    Source: Clevert et al. 2016, https://arxiv.org/abs/1511.07289
    """

    _is_built_from_start = True

    def __init__(self, alpha: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.alpha = alpha
        self.supports_masking = True

    def call(self, inputs: Any) -> Any:
        return activations.elu(inputs, self.alpha)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "alpha": self.alpha}


class Softmax(Layer):
    """`exp(x) / sum(exp(x))` along one axis or several.

    Arguments:
        axis: an int, or a sequence of them, default the last.
        kwargs: see `Layer`.

    A `mask` (bool, a shape that broadcasts to the inputs') leaves out the elements where it is False: they
    get 0, also where all of an axis is masked.

    Raises:
        ValueError: when it is called, a mask that does not broadcast to the inputs.

    Example:
        >>> Softmax()(ops.convert_to_tensor([[0.0, 0.0]])).numpy().tolist()
        [[0.5, 0.5]]

    Source: https://keras.io/api/layers/activation_layers/softmax/
    """

    _is_built_from_start = True
    _takes_one_tensor = True

    def __init__(self, axis: int | Sequence[int] = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = axis
        self.supports_masking = True

    def call(self, inputs: Any, mask: Any = None) -> Any:
        if mask is None:
            return self._softmax(inputs)
        sizes = zip(mask.shape[::-1], inputs.shape[::-1], strict=False)
        if len(mask.shape) > len(inputs.shape) or any(size not in (1, full) for size, full in sizes):
            raise ValueError(
                f"layer '{self.name}' expected a mask that broadcasts to its inputs. "
                f"Received: mask.shape={tuple(mask.shape)}, inputs.shape={tuple(inputs.shape)}"
            )
        if mask.dtype != "bool":
            mask = ops.greater(mask, 0.5)
        # Where all of an axis is masked, a softmax of equal numbers is left: it becomes 0.
        return ops.where(mask, self._softmax(ops.where(mask, inputs, -3e38)), 0.0)

    def _softmax(self, inputs: Any) -> Any:
        if isinstance(self.axis, int):
            return activations.softmax(inputs, axis=self.axis)
        axes = list(self.axis)
        return ops.exp(inputs - ops.logsumexp(inputs, axis=axes, keepdims=True))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "axis": self.axis}


class PReLU(Layer):
    """`x` where positive, `alpha * x` elsewhere, with a trained alpha for each element.

    Arguments:
        alpha_initializer: default `"zeros"`.
        alpha_regularizer, alpha_constraint: default none.
        shared_axes: axes along which one alpha is shared, counted with the batch as 0; default none.
        kwargs: see `Layer`.

    Example:
        >>> PReLU(alpha_initializer="ones")(ops.convert_to_tensor([[-1.0, 2.0]])).numpy().tolist()
        [[-1.0, 2.0]]

    Source: He et al. 2015, https://arxiv.org/abs/1502.01852
    """

    _takes_one_tensor = True

    def __init__(
        self,
        alpha_initializer: Any = "zeros",
        alpha_regularizer: Any = None,
        alpha_constraint: Any = None,
        shared_axes: int | Sequence[int] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.alpha_initializer = initializers.get(alpha_initializer)
        self.alpha_regularizer = regularizers.get(alpha_regularizer)
        self.alpha_constraint = constraints.get(alpha_constraint)
        self.shared_axes = (
            [shared_axes] if isinstance(shared_axes, int) else shared_axes and list(shared_axes)
        )
        self.supports_masking = True

    def build(self, input_shape: Any) -> None:
        shape = [
            1 if axis in (self.shared_axes or ()) else known_size(f"{axis}.", size)
            for axis, size in enumerate(input_shape)
            if axis > 0
        ]
        self.alpha = self.add_weight(
            shape,
            self.alpha_initializer,
            regularizer=self.alpha_regularizer,
            constraint=self.alpha_constraint,
            name="alpha",
        )
        self.input_spec = InputSpec(ndim=len(input_shape))

    def call(self, inputs: Any) -> Any:
        return ops.maximum(inputs, 0.0) + self.alpha * ops.minimum(inputs, 0.0)

    def get_config(self) -> dict[str, Any]:
        own = {
            "alpha_initializer": initializers.serialize(self.alpha_initializer),
            "alpha_regularizer": regularizers.serialize(self.alpha_regularizer),
            "alpha_constraint": constraints.serialize(self.alpha_constraint),
            "shared_axes": self.shared_axes,
        }
        return {**super().get_config(), **own}
