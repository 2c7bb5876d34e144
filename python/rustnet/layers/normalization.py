"""Layers that bring their inputs to mean 0 and variance 1."""

from __future__ import annotations

from typing import Any

from rustnet import config, constraints, initializers, ops, regularizers
from rustnet.core.convert import axis_of, tensor
from rustnet.core.trace import record_several
from rustnet.layers.input_spec import InputSpec
from rustnet.layers.layer import Layer
from rustnet.layers.masks import fitting_mask


class _Normalization(Layer):
    """What the normalisations share: an offset `beta` and a factor `gamma`."""

    _takes_one_tensor = True

    def __init__(
        self,
        epsilon: float,
        center: bool,
        scale: bool,
        beta_initializer: Any,
        gamma_initializer: Any,
        beta_regularizer: Any,
        gamma_regularizer: Any,
        beta_constraint: Any,
        gamma_constraint: Any,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not isinstance(epsilon, (int, float)) or not epsilon >= 0:
            raise ValueError(f"expected epsilon to be a float of 0 or more. Received: epsilon={epsilon!r}")
        self.epsilon = float(epsilon)
        self.center = bool(center)
        self.scale = bool(scale)
        self.beta_initializer = initializers.get(beta_initializer)
        self.gamma_initializer = initializers.get(gamma_initializer)
        self.beta_regularizer = regularizers.get(beta_regularizer)
        self.gamma_regularizer = regularizers.get(gamma_regularizer)
        self.beta_constraint = constraints.get(beta_constraint)
        self.gamma_constraint = constraints.get(gamma_constraint)
        self.gamma: Any = None
        self.beta: Any = None
        self.supports_masking = True

    def _add_gamma_and_beta(self, shape: tuple[int, ...]) -> None:
        if self.scale:
            self.gamma = self.add_weight(
                shape,
                self.gamma_initializer,
                regularizer=self.gamma_regularizer,
                constraint=self.gamma_constraint,
                name="gamma",
            )
        if self.center:
            self.beta = self.add_weight(
                shape,
                self.beta_initializer,
                regularizer=self.beta_regularizer,
                constraint=self.beta_constraint,
                name="beta",
            )

    def _size(self, input_shape: Any, axis: int) -> int:
        """The size of an axis of the inputs, which weights depend on."""
        if not -len(input_shape) <= axis < len(input_shape):
            raise ValueError(
                f"layer '{self.name}' expected an axis of its inputs. "
                f"Received: axis={axis}, input_shape={tuple(input_shape)}"
            )
        if input_shape[axis] is None:
            raise ValueError(
                f"layer '{self.name}' expected a known size along axis {axis}. "
                f"Received: input_shape={tuple(input_shape)}"
            )
        return int(input_shape[axis])

    def compute_output_shape(self, input_shape: Any) -> Any:
        return tuple(input_shape)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "epsilon": self.epsilon,
            "center": self.center,
            "scale": self.scale,
            "beta_initializer": initializers.serialize(self.beta_initializer),
            "gamma_initializer": initializers.serialize(self.gamma_initializer),
            "beta_regularizer": regularizers.serialize(self.beta_regularizer),
            "gamma_regularizer": regularizers.serialize(self.gamma_regularizer),
            "beta_constraint": constraints.serialize(self.beta_constraint),
            "gamma_constraint": constraints.serialize(self.gamma_constraint),
        }


class BatchNormalization(_Normalization):
    """`(x - mean) / √(variance + epsilon) · gamma + beta`, one mean and variance for each index along `axis`.

    In training the statistics are those of the batch, and moving averages of them are kept:
    `moving = moving · momentum + batch · (1 - momentum)`. Otherwise, and where `trainable` is False, the
    moving averages are used.

    Arguments:
        axis: the axis that keeps its statistics apart, usually the channels; default the last.
        momentum: of the moving averages, default 0.99.
        epsilon: added to the variance, default 1e-3.
        center: whether to add `beta`, default True.
        scale: whether to multiply by `gamma`, default True.
        beta_initializer: default `"zeros"`.
        gamma_initializer: default `"ones"`.
        moving_mean_initializer: default `"zeros"`.
        moving_variance_initializer: default `"ones"`.
        beta_regularizer, gamma_regularizer, beta_constraint, gamma_constraint: default none.
        renorm, renorm_clipping, renorm_momentum: batch renormalisation, which is not offered.
        synchronized: accepted where False: there is one device.
        kwargs: see `Layer`.

    Inputs of any shape, outputs of the same; weights `gamma`, `beta`, `moving_mean` and `moving_variance`,
    each of the size of `axis`. With a `mask` (the inputs' shape without the last axis) only elements where it
    is true enter the batch's statistics.

    Raises:
        ValueError: an argument out of its domain; an axis that the inputs lack or whose size is unknown; a
            mask of another rank.

    Example:
        >>> layer = BatchNormalization(momentum=0.5)
        >>> layer(ops.convert_to_tensor([[1.0], [3.0]]), training=True).numpy().round(2)
        array([[-1.],
               [ 1.]], dtype=float32)
        >>> layer.moving_mean.numpy().tolist()
        [1.0]

    Source: Ioffe and Szegedy, https://arxiv.org/abs/1502.03167;
    https://keras.io/api/layers/normalization_layers/batch_normalization/
    """

    def __init__(
        self,
        axis: int = -1,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        moving_mean_initializer: Any = "zeros",
        moving_variance_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        renorm: bool = False,
        renorm_clipping: Any = None,
        renorm_momentum: float = 0.99,
        synchronized: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            epsilon,
            center,
            scale,
            beta_initializer,
            gamma_initializer,
            beta_regularizer,
            gamma_regularizer,
            beta_constraint,
            gamma_constraint,
            **kwargs,
        )
        if renorm:
            raise ValueError("expected batch normalisation without renorm. Received: renorm=True")
        if synchronized:
            raise ValueError("expected one device to run on. Received: synchronized=True")
        if not isinstance(momentum, (int, float)) or not 0 <= momentum <= 1:
            raise ValueError(f"expected momentum to be a float from 0 to 1. Received: momentum={momentum!r}")
        self.axis = int(axis)
        self.momentum = float(momentum)
        self.moving_mean_initializer = initializers.get(moving_mean_initializer)
        self.moving_variance_initializer = initializers.get(moving_variance_initializer)
        self.moving_mean: Any = None
        self.moving_variance: Any = None
        self.renorm = self.synchronized = False
        self.renorm_clipping = renorm_clipping
        self.renorm_momentum = renorm_momentum

    def build(self, input_shape: Any) -> None:
        size = self._size(input_shape, self.axis)
        self._add_gamma_and_beta((size,))
        self.moving_mean = self.add_weight(
            (size,), self.moving_mean_initializer, trainable=False, name="moving_mean"
        )
        self.moving_variance = self.add_weight(
            (size,), self.moving_variance_initializer, trainable=False, name="moving_variance"
        )
        self.input_spec = InputSpec(ndim=len(input_shape), axes={self.axis: size})

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        if mask is not None:
            mask = fitting_mask(mask, inputs, self.name, axes=len(inputs.shape) - 1)
        if not training or not self.trainable:
            return self._with_statistics(inputs, self.moving_mean, self.moving_variance)
        if mask is not None:
            mean, variance = self._masked_moments(inputs, mask)
            outputs = self._with_statistics(inputs, mean, variance)
        else:
            outputs, mean, variance = self._with_statistics_of_batch(inputs)
        for moving, batch in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(moving * self.momentum + ops.stop_gradient(batch) * (1.0 - self.momentum))
        return outputs

    def _with_statistics(self, inputs: Any, mean: Any, variance: Any) -> Any:
        return ops.batch_normalization(
            inputs, mean, variance, self.axis, offset=self.beta, scale=self.gamma, epsilon=self.epsilon
        )

    def _with_statistics_of_batch(self, inputs: Any) -> tuple[Any, Any, Any]:
        rank = len(inputs.shape)
        axis = axis_of(self.axis, rank)
        x = inputs if axis == rank - 1 else ops.moveaxis(inputs, axis, -1)
        size = x.shape[-1]
        gamma = ops.ones((size,), x.dtype) if self.gamma is None else tensor(self.gamma)
        beta = ops.zeros((size,), x.dtype) if self.beta is None else tensor(self.beta)
        y, mean, variance = record_several("batch_normalize", [x, gamma, beta], epsilon=self.epsilon)
        return y if axis == rank - 1 else ops.moveaxis(y, -1, axis), mean, variance

    def _masked_moments(self, inputs: Any, mask: Any) -> tuple[Any, Any]:
        rank = len(inputs.shape)
        axes = [axis for axis in range(rank) if axis != axis_of(self.axis, rank)]
        kept = ops.broadcast_to(ops.expand_dims(ops.cast(mask, "bool"), -1), inputs.shape)
        count = ops.sum(ops.cast(kept, inputs.dtype), axes, keepdims=True) + config.epsilon()
        zeros = ops.zeros_like(inputs)
        mean = ops.sum(ops.where(kept, inputs, zeros), axes, keepdims=True) / count
        squares = ops.square(ops.where(kept, inputs - mean, zeros))
        variance = ops.sum(squares, axes, keepdims=True) / count
        return ops.squeeze(mean, axes), ops.squeeze(variance, axes)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "axis": self.axis,
            "momentum": self.momentum,
            "moving_mean_initializer": initializers.serialize(self.moving_mean_initializer),
            "moving_variance_initializer": initializers.serialize(self.moving_variance_initializer),
            "renorm": False,
            "renorm_clipping": self.renorm_clipping,
            "renorm_momentum": self.renorm_momentum,
            "synchronized": False,
        }


class LayerNormalization(_Normalization):
    """`(x - mean) / √(variance + epsilon) · gamma + beta`, mean and variance of each sample over `axis`.

    Arguments:
        axis: an int or a list of ints, the axes to normalise over; default the last. Counted from the end,
            they are the same in inputs of any rank.
        epsilon: added to the variance, default 1e-3.
        center: whether to add `beta`, default True.
        scale: whether to multiply by `gamma`, default True.
        beta_initializer: default `"zeros"`.
        gamma_initializer: default `"ones"`.
        beta_regularizer, gamma_regularizer, beta_constraint, gamma_constraint: default none.
        rms_scaling: accepted where False.
        kwargs: see `Layer`.

    Inputs of any shape, outputs of the same; weights `gamma` and `beta`, of the sizes of the axes.

    Raises:
        ValueError: an argument out of its domain; an axis that the inputs lack or whose size is unknown.

    Example:
        >>> LayerNormalization()(ops.convert_to_tensor([[1.0, 3.0]])).numpy().round(2)
        array([[-1.,  1.]], dtype=float32)

    Source: Ba, Kiros and Hinton, https://arxiv.org/abs/1607.06450;
    https://keras.io/api/layers/normalization_layers/layer_normalization/
    """

    def __init__(
        self,
        axis: int | list[int] | tuple[int, ...] = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        rms_scaling: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            epsilon,
            center,
            scale,
            beta_initializer,
            gamma_initializer,
            beta_regularizer,
            gamma_regularizer,
            beta_constraint,
            gamma_constraint,
            **kwargs,
        )
        if rms_scaling:
            raise ValueError("expected a normalisation to mean 0. Received: rms_scaling=True")
        axes = axis if isinstance(axis, (list, tuple)) else [axis]
        if not axes or not all(isinstance(one, int) and not isinstance(one, bool) for one in axes):
            raise ValueError(f"expected axis to be an int or a list of ints. Received: axis={axis!r}")
        self.axis = list(axes) if isinstance(axis, (list, tuple)) else axis

    def build(self, input_shape: Any) -> None:
        rank = len(input_shape)
        axes = self.axis if isinstance(self.axis, list) else [self.axis]
        sizes = {axis: self._size(input_shape, axis) for axis in axes}
        self.axis = sorted(axes, key=lambda axis: axis % rank)
        self._add_gamma_and_beta(tuple(sizes[axis] for axis in self.axis))
        self.input_spec = InputSpec(min_ndim=max(max(axis + 1, -axis) for axis in axes), axes=sizes)

    def call(self, inputs: Any) -> Any:
        return ops.layer_normalization(inputs, self.gamma, self.beta, self.axis, self.epsilon)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "axis": self.axis, "rms_scaling": False}
