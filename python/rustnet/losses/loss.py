"""The base class of losses: from the loss of each sample to the scalar that is minimised."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, ClassVar

from rustnet import ops
from rustnet.core.bound_arguments import BoundArguments
from rustnet.core.convert import as_float
from rustnet.core.dtypes import standardize_dtype
from rustnet.core.naming import auto_name, to_snake_case
from rustnet.core.operation import operation
from rustnet.core.tracked import Tracked
from rustnet.registry import serialize

REDUCTIONS = ("sum_over_batch_size", "mean", "mean_with_sample_weight", "sum", "none")


class Loss(Tracked):
    """Base class of losses.

    `loss(y_true, y_pred, sample_weight)` is, for the losses `l` of the samples and their weights `w`,
    `sum(w * l) / count(l)`: with `reduction="sum"` it is not divided, with `"mean_with_sample_weight"` it is
    divided by `sum(w)`, and with None or `"none"` the weighted losses stay as they are.
    A mask on `y_pred` leaves samples out of both the sum and the count.

    Arguments:
        name: default the class's name in snake_case.
        reduction: `"sum_over_batch_size"` (default; also `"mean"`), `"mean_with_sample_weight"`, `"sum"`,
            `"none"`.
        dtype: of the computation, default `floatx()`; both arguments are converted to it.

    Subclasses define `call(y_true, y_pred)`, which returns one loss for each sample, with `rustnet.ops`.

    Raises:
        ValueError: an unknown reduction, or weights that do not fit the losses.

    Example:
        >>> class Cubic(Loss):
        ...     def call(self, y_true, y_pred):
        ...         return ops.mean(ops.abs(y_pred - y_true) ** 3, axis=-1)
        >>> float(Cubic()([[0.0, 0.0]], [[1.0, 2.0]]))
        4.5

    Source: https://keras.io/api/losses/#creating-custom-losses
    """

    def __init__(
        self,
        name: str | None = None,
        reduction: str | None = "sum_over_batch_size",
        dtype: str | None = None,
    ) -> None:
        if reduction is not None and reduction not in REDUCTIONS:
            raise ValueError(
                f"expected reduction to be one of {REDUCTIONS} or None. Received: reduction={reduction!r}"
            )
        self.name = name or auto_name(to_snake_case(type(self).__name__))
        self.reduction = reduction
        self._dtype = standardize_dtype(dtype)

    @property
    def dtype(self) -> str:
        """The dtype of the computation, settled when the loss is made."""
        return self._dtype

    @operation
    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        mask = get_mask(y_pred)
        losses = self.call(_converted(y_true, self.dtype), _converted(y_pred, self.dtype))
        own_mask = get_mask(losses)
        if own_mask is not None:
            mask = own_mask if mask is None else ops.logical_and(mask, own_mask)
        return reduce_losses(losses, sample_weight, mask, self.reduction)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        raise NotImplementedError(f"expected {type(self).__name__} to define `call(self, y_true, y_pred)`.")

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, "reduction": self.reduction}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Loss:
        return cls(**config)


class LossFunctionWrapper(BoundArguments, Loss):
    """A loss from a function of `(y_true, y_pred)`, as `compile(loss=function)` makes it.

    Arguments:
        fn: returns one loss for each sample.
        reduction, name, dtype: as `Loss`; the name defaults to the function's.
        kwargs: passed on to `fn`.

    Example:
        >>> loss = LossFunctionWrapper(lambda y_true, y_pred: ops.abs(y_true - y_pred), name="distance")
        >>> float(loss([0.0, 0.0], [1.0, 2.0]))
        1.5
    """

    # The loss function of a name: `losses.get`, set by the package, which knows them all.
    _find: ClassVar[Callable[[str], Any]]

    def __init__(
        self,
        fn: Callable[..., Any],
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name or to_snake_case(getattr(fn, "__name__", type(fn).__name__)), reduction, dtype)
        self.fn = fn
        self._bind(kwargs)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        if hasattr(y_true, "shape") and hasattr(y_pred, "shape"):
            y_true, y_pred = same_rank(y_true, y_pred)
        return self.fn(y_true, y_pred, **self.arguments)

    def get_config(self) -> dict[str, Any]:
        arguments = {name: serialize(value) for name, value in self.arguments.items()}
        if type(self) is LossFunctionWrapper:
            arguments["fn"] = serialize(self.fn)
        return {**super().get_config(), **arguments}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Loss:
        if isinstance(config.get("fn"), str):
            config = {**config, "fn": cls._find(config["fn"])}
        return cls(**config)


def get_mask(tensor: Any) -> Any:
    """The mask that a layer or loss attached to a tensor, or None."""
    return getattr(tensor, "_keras_mask", None)


def same_rank(y_true: Any, y_pred: Any) -> tuple[Any, Any]:
    """Adds or removes a last axis of size 1 where the ranks differ by it: (n,) and (n, 1) become (n, 1)."""
    if len(y_true.shape) == len(y_pred.shape) + 1:
        y_pred, y_true = _same_rank(y_pred, y_true)
    elif len(y_pred.shape) == len(y_true.shape) + 1:
        y_true, y_pred = _same_rank(y_true, y_pred)
    return y_true, y_pred


def _same_rank(lower: Any, higher: Any) -> tuple[Any, Any]:
    if higher.shape[-1] != 1:
        return lower, higher
    if len(lower.shape) == 1:
        return ops.expand_dims(lower, -1), higher
    return lower, ops.squeeze(higher, -1)


def same_shape(y_true: Any, y_pred: Any, hint: str = "") -> tuple[Any, Any]:
    """Both as tensors of one dtype and one shape.

    Broadcasting (n, 1) against (n, 3) would train without a complaint towards something else than was meant,
    so it is an error.
    """
    y_pred = as_float(y_pred)
    y_true, y_pred = same_rank(ops.cast(y_true, y_pred.dtype), y_pred)
    if tuple(y_true.shape) != tuple(y_pred.shape):
        raise ValueError(
            f"expected targets of the shape of the output (a last axis of size 1 may be left out).{hint} "
            f"Received: y_true.shape={tuple(y_true.shape)}, y_pred.shape={tuple(y_pred.shape)}"
        )
    return y_true, y_pred


def masked_weight(sample_weight: Any, mask: Any, dtype: str, rescale: bool) -> Any:
    """The weights with 0 where the mask is False; None where there is neither.

    Arguments:
        sample_weight: (n,) or the losses' shape, or None.
        mask: bool, the losses' shape or fewer axes, or None.
        rescale: True to weigh the others by total / valid, so that a mean over all is a mean over the valid.
    """
    if mask is None:
        return sample_weight
    weight = ops.cast(mask, dtype)
    if rescale:
        weight = weight * ops.divide_no_nan(float(math.prod(mask.shape)), ops.sum(weight))
    if sample_weight is None:
        return weight
    given = ops.cast(sample_weight, dtype)
    weight, given = _leading_axes(weight, given), _leading_axes(given, weight)
    return weight * given


def weighted(values: Any, sample_weight: Any) -> tuple[Any, Any]:
    """`values * weights` and the weights, whose axes are the leading axes of the values.

    Raises:
        ValueError: the weights' shape is not the beginning of the values' shape.
    """
    weight = _leading_axes(ops.cast(sample_weight, values.dtype), values)
    if len(weight.shape) > len(values.shape) and weight.shape[-1] == 1:
        weight = ops.squeeze(weight, -1)
    fits = len(weight.shape) <= len(values.shape) and all(
        size in (1, full) for size, full in zip(weight.shape, values.shape, strict=False)
    )
    if not fits:
        raise ValueError(
            "expected one sample_weight for each sample, or one for each element of the losses. "
            f"Received: sample_weight.shape={tuple(sample_weight.shape)}, losses.shape={tuple(values.shape)}"
        )
    return values * weight, weight


def _leading_axes(weight: Any, values: Any) -> Any:
    """Adds axes of size 1 at the end, so that (n,) weighs the rows of (n, t), not its columns."""
    missing = len(values.shape) - len(weight.shape)
    if missing <= 0 or not weight.shape:
        return weight
    return ops.reshape(weight, tuple(weight.shape) + (1,) * missing)


def reduce_losses(
    losses: Any, sample_weight: Any = None, mask: Any = None, reduction: str | None = "mean"
) -> Any:
    """The weighted losses of the samples as one scalar, see `Loss`."""
    averaged = reduction in ("sum_over_batch_size", "mean")
    weight = masked_weight(sample_weight, mask, losses.dtype, rescale=averaged)
    if weight is not None:
        losses, weight = weighted(losses, ops.convert_to_tensor(weight))
    if reduction in (None, "none") or not losses.shape:
        return losses
    total = ops.sum(losses)
    if reduction == "sum":
        return total
    if reduction == "mean_with_sample_weight" and weight is not None:
        return ops.divide_no_nan(total, ops.sum(ops.broadcast_to(weight, losses.shape)))
    return total / float(max(1, math.prod(losses.shape)))


def _converted(value: Any, dtype: str) -> Any:
    """Tensors of the loss's dtype, in the structure that was given."""
    if isinstance(value, dict):
        return {key: _converted(item, dtype) for key, item in value.items()}
    if isinstance(value, (list, tuple)) and any(hasattr(item, "shape") and item.shape for item in value):
        return type(value)(_converted(item, dtype) for item in value)
    return ops.convert_to_tensor(value, dtype=dtype)
