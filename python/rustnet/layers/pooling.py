"""Maximum and mean over windows or over whole sequences and images, channels last."""

from __future__ import annotations

from typing import Any

from rustnet import ops
from rustnet.layers.input_spec import InputSpec
from rustnet.layers.layer import Layer
from rustnet.layers.masks import fitting_mask
from rustnet.ops.nn_spatial import channels_last, per_axis


class _Pooling(Layer):
    """What the poolings over windows share; `rank` is the number of spatial axes."""

    rank: int
    _is_built_from_start = True

    def __init__(
        self,
        pool_size: Any = 2,
        strides: Any = None,
        padding: str = "valid",
        data_format: str | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **kwargs)
        self.pool_size = per_axis("pool_size", pool_size, self.rank)
        self.strides = self.pool_size if strides is None else per_axis("strides", strides, self.rank)
        self.padding = padding.lower() if isinstance(padding, str) else padding
        if self.padding not in ("valid", "same"):
            raise ValueError(f"expected padding 'valid' or 'same'. Received: padding={padding!r}")
        self.data_format = channels_last(data_format)
        self.input_spec = InputSpec(ndim=self.rank + 2)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "pool_size": self.pool_size,
            "strides": self.strides,
            "padding": self.padding,
            "data_format": self.data_format,
        }


class _MaxPooling(_Pooling):
    def call(self, inputs: Any) -> Any:
        outputs = ops.max_pool(inputs, self.pool_size, self.strides, self.padding)
        return ops.cast(outputs, inputs.dtype)


class _AveragePooling(_Pooling):
    def call(self, inputs: Any) -> Any:
        return ops.average_pool(inputs, self.pool_size, self.strides, self.padding)


class MaxPooling1D(_MaxPooling):
    """The maximum of each window of steps; padding never takes part.

    Arguments:
        pool_size: steps that a window covers, default 2.
        strides: steps from one window to the next; default: `pool_size`.
        padding: `"valid"` (the default) or `"same"`.
        data_format: `"channels_last"`.
        kwargs: see `Layer`.

    Input (batch, steps, channels), output (batch, new steps, channels).

    Raises:
        ValueError: an argument out of its domain; when it is called, fewer steps than the window covers.

    Example:
        >>> MaxPooling1D(2)(ops.ones((2, 10, 4))).shape
        (2, 5, 4)

    Source: https://keras.io/api/layers/pooling_layers/max_pooling1d/
    """

    rank = 1


class MaxPooling2D(_MaxPooling):
    """The maximum of each window of pixels; padding never takes part.

    Arguments:
        pool_size: pixels that a window covers, an int or (height, width), default 2.
        strides: pixels from one window to the next; default: `pool_size`.
        padding: `"valid"` (the default) or `"same"`.
        data_format: `"channels_last"`.
        kwargs: see `Layer`.

    Input (batch, height, width, channels), output (batch, new height, new width, channels).

    Raises:
        ValueError: an argument out of its domain; when it is called, an image smaller than the window.

    Example:
        >>> MaxPooling2D((2, 2))(ops.ones((2, 10, 6, 4))).shape
        (2, 5, 3, 4)

    Source: https://keras.io/api/layers/pooling_layers/max_pooling2d/
    """

    rank = 2


class AveragePooling1D(_AveragePooling):
    """The mean of each window of steps; padding does not count.

    Arguments:
        pool_size: steps that a window covers, default 2.
        strides: steps from one window to the next; default: `pool_size`.
        padding: `"valid"` (the default) or `"same"`.
        data_format: `"channels_last"`.
        kwargs: see `Layer`.

    Input (batch, steps, channels), output (batch, new steps, channels).

    Raises:
        ValueError: an argument out of its domain; when it is called, fewer steps than the window covers.

    Example:
        >>> AveragePooling1D(2)(ops.ones((2, 10, 4))).shape
        (2, 5, 4)

    Source: https://keras.io/api/layers/pooling_layers/average_pooling1d/
    """

    rank = 1


class AveragePooling2D(_AveragePooling):
    """The mean of each window of pixels; padding does not count.

    Arguments:
        pool_size: pixels that a window covers, an int or (height, width), default 2.
        strides: pixels from one window to the next; default: `pool_size`.
        padding: `"valid"` (the default) or `"same"`.
        data_format: `"channels_last"`.
        kwargs: see `Layer`.

    Input (batch, height, width, channels), output (batch, new height, new width, channels).

    Raises:
        ValueError: an argument out of its domain; when it is called, an image smaller than the window.

    Example:
        >>> AveragePooling2D((2, 2))(ops.ones((2, 10, 6, 4))).shape
        (2, 5, 3, 4)

    Source: https://keras.io/api/layers/pooling_layers/average_pooling2d/
    """

    rank = 2


class _GlobalPooling(Layer):
    """What the poolings over all of a sequence or image share."""

    rank: int
    _is_built_from_start = True

    def __init__(self, data_format: str | None = None, keepdims: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.data_format = channels_last(data_format)
        self.keepdims = bool(keepdims)
        self.input_spec = InputSpec(ndim=self.rank + 2)

    @property
    def axes(self) -> list[int]:
        return list(range(1, self.rank + 1))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "data_format": self.data_format, "keepdims": self.keepdims}


class _GlobalMaxPooling(_GlobalPooling):
    def call(self, inputs: Any) -> Any:
        return ops.max(inputs, axis=self.axes, keepdims=self.keepdims)


class GlobalMaxPooling1D(_GlobalMaxPooling):
    """The maximum over all steps.

    Arguments:
        data_format: `"channels_last"`.
        keepdims: whether the axis of the steps stays, with size 1; default False.
        kwargs: see `Layer`.

    Input (batch, steps, channels), output (batch, channels).

    Raises:
        ValueError: an argument out of its domain.

    Example:
        >>> GlobalMaxPooling1D()(ops.ones((2, 10, 4))).shape
        (2, 4)

    Source: https://keras.io/api/layers/pooling_layers/global_max_pooling1d/
    """

    rank = 1


class GlobalMaxPooling2D(_GlobalMaxPooling):
    """The maximum over all pixels.

    Arguments:
        data_format: `"channels_last"`.
        keepdims: whether height and width stay, with size 1; default False.
        kwargs: see `Layer`.

    Input (batch, height, width, channels), output (batch, channels).

    Raises:
        ValueError: an argument out of its domain.

    Example:
        >>> GlobalMaxPooling2D()(ops.ones((2, 10, 6, 4))).shape
        (2, 4)

    Source: https://keras.io/api/layers/pooling_layers/global_max_pooling2d/
    """

    rank = 2


class GlobalAveragePooling1D(_GlobalPooling):
    """The mean over all steps, or over those that the mask leaves.

    Arguments:
        data_format: `"channels_last"`.
        keepdims: whether the axis of the steps stays, with size 1; default False.
        kwargs: see `Layer`.

    Input (batch, steps, channels) and, optionally, a mask (batch, steps); output (batch, channels).

    Raises:
        ValueError: an argument out of its domain.

    Example:
        >>> GlobalAveragePooling1D()(ops.ones((2, 10, 4))).shape
        (2, 4)

    Source: https://keras.io/api/layers/pooling_layers/global_average_pooling1d/
    """

    rank = 1

    def __init__(self, data_format: str | None = None, keepdims: bool = False, **kwargs: Any) -> None:
        super().__init__(data_format, keepdims, **kwargs)
        self.supports_masking = True

    def call(self, inputs: Any, mask: Any = None) -> Any:
        if mask is None:
            return ops.mean(inputs, axis=self.axes, keepdims=self.keepdims)
        mask = fitting_mask(mask, inputs, self.name)
        kept = ops.expand_dims(ops.cast(mask, "bool"), -1)
        total = ops.sum(ops.where(kept, inputs, 0.0), axis=1, keepdims=self.keepdims)
        return total / ops.sum(ops.cast(kept, inputs.dtype), axis=1, keepdims=self.keepdims)

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        """None: no steps are left."""
        return None


class GlobalAveragePooling2D(_GlobalPooling):
    """The mean over all pixels.

    Arguments:
        data_format: `"channels_last"`.
        keepdims: whether height and width stay, with size 1; default False.
        kwargs: see `Layer`.

    Input (batch, height, width, channels), output (batch, channels).

    Raises:
        ValueError: an argument out of its domain.

    Example:
        >>> GlobalAveragePooling2D()(ops.ones((2, 10, 6, 4))).shape
        (2, 4)

    Source: https://keras.io/api/layers/pooling_layers/global_average_pooling2d/
    """

    rank = 2

    def call(self, inputs: Any) -> Any:
        return ops.mean(inputs, axis=self.axes, keepdims=self.keepdims)


MaxPool1D = MaxPooling1D
MaxPool2D = MaxPooling2D
AvgPool1D = AveragePooling1D
AvgPool2D = AveragePooling2D
GlobalMaxPool1D = GlobalMaxPooling1D
GlobalMaxPool2D = GlobalMaxPooling2D
GlobalAvgPool1D = GlobalAveragePooling1D
GlobalAvgPool2D = GlobalAveragePooling2D
