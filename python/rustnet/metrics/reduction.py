"""Metrics that add up values over batches: sums and weighted means."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rustnet import losses, ops
from rustnet.core.bound_arguments import BoundArguments
from rustnet.core.dtypes import is_float
from rustnet.core.naming import to_snake_case
from rustnet.losses.loss import get_mask, masked_weight, same_rank
from rustnet.metrics.metric import SUMS, Metric
from rustnet.registry import serialize


class Sum(Metric):
    """The weighted sum of all values.

    Arguments:
        name: default `"sum"`.
        dtype: default `floatx()`.

    Example:
        >>> metric = Sum()
        >>> metric.update_state([1.0, 3.0]); metric.update_state([5.0, 7.0], sample_weight=[1.0, 0.0])
        >>> float(metric.result())
        9.0

    Source: https://keras.io/api/metrics/reduction_metrics/#sum-class
    """

    def __init__(self, name: str = "sum", dtype: str | None = None) -> None:
        super().__init__(name=name, dtype=dtype)
        self.total = self._add_sums((), "total")

    def update_state(self, values: Any, sample_weight: Any = None) -> None:
        samples, _ = sample_values(values, sample_weight, ops.sum, SUMS)
        self.total.assign_add(ops.sum(samples))

    def result(self) -> Any:
        return self.total


class Mean(Metric):
    """The weighted mean of all values.

    The values of each sample are averaged, and then `sum(w * value) / sum(w)` over the samples.

    Arguments:
        name: default `"mean"`.
        dtype: default `floatx()`.

    Example:
        >>> metric = Mean()
        >>> metric.update_state([1.0, 3.0]); metric.update_state([5.0, 7.0], sample_weight=[1.0, 0.0])
        >>> float(metric.result())
        3.0

    Source: https://keras.io/api/metrics/reduction_metrics/#mean-class
    """

    def __init__(self, name: str | None = "mean", dtype: str | None = None) -> None:
        super().__init__(name=name, dtype=dtype)
        self.total = self._add_sums((), "total")
        self.count = self._add_sums((), "count")

    def update_state(self, values: Any, sample_weight: Any = None) -> None:
        samples, weight = sample_values(values, sample_weight, ops.mean, self.dtype)
        self.total.assign_add(ops.sum(samples))
        if weight is not None:
            self.count.assign_add(ops.sum(weight))
        else:
            self.count.assign_add(float(samples.shape[0] if samples.shape else 1))

    def result(self) -> Any:
        return ops.cast(ops.divide_no_nan(self.total, self.count), self.dtype)


class MeanMetricWrapper(BoundArguments, Mean):
    """The mean of a function of `(y_true, y_pred)`, as `compile(metrics=[function])` makes it.

    Arguments:
        fn: returns one value for each sample, or for each of its elements.
        name: default that of the function or loss.
        dtype: default `floatx()`.
        kwargs: passed on to `fn`.

    Example:
        >>> metric = MeanMetricWrapper(lambda y_true, y_pred: ops.abs(y_true - y_pred), name="distance")
        >>> metric.update_state([0.0, 0.0], [1.0, 2.0])
        >>> float(metric.result())
        1.5

    Source: https://keras.io/api/metrics/base_metric/#meanmetricwrapper-class
    """

    def __init__(
        self, fn: Callable[..., Any], name: str | None = None, dtype: str | None = None, **kwargs: Any
    ) -> None:
        own_name = getattr(fn, "name", None) or to_snake_case(getattr(fn, "__name__", type(fn).__name__))
        super().__init__(name=name or own_name, dtype=dtype)
        self.fn = fn
        self._bind(kwargs)
        if fn in losses.FUNCTIONS or isinstance(fn, losses.Loss):
            self._direction = "down"

    def update_state(  # type: ignore[override]
        self, y_true: Any, y_pred: Any, sample_weight: Any = None
    ) -> None:
        mask = get_mask(y_pred)
        y_true, y_pred = ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred)
        # As for losses: (n,) against (n, 1) would become (n, n).
        values = self.fn(*same_rank(y_true, y_pred), **self.arguments)
        if mask is not None:
            sample_weight = masked_weight(_tensor(sample_weight), mask, SUMS, rescale=False)
        super().update_state(values, sample_weight=sample_weight)

    def get_config(self) -> dict[str, Any]:
        arguments = {name: serialize(value) for name, value in self.arguments.items()}
        if type(self) is MeanMetricWrapper:
            arguments["fn"] = serialize(self.fn)
        return {**super().get_config(), **arguments}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Metric:
        if isinstance(config.get("fn"), str):
            config = {**config, "fn": losses.get(config["fn"])}
        return cls(**config)


def sample_values(values: Any, sample_weight: Any, reduce: Callable[..., Any], dtype: str) -> tuple[Any, Any]:
    """The weighted value of each sample, (batch,), and its weight, (batch,) or None, ready to be added up.

    Arguments:
        values: (batch, …).
        sample_weight: (batch,), or the leading axes of the values, or None.
        reduce: `ops.mean` or `ops.sum`, over the axes of one sample.
        dtype: in which floats are reduced.

    Raises:
        ValueError: weights that do not fit the values.
    """
    mask = get_mask(values)
    values = ops.convert_to_tensor(values)
    values = ops.cast(values, dtype if is_float(values.dtype) else SUMS)
    weight = None if sample_weight is None else ops.convert_to_tensor(sample_weight, SUMS)
    if weight is not None:
        if mask is not None:
            weight = masked_weight(weight, mask, SUMS, rescale=False)
        values, weight = same_rank(values, weight)
        rank = len(weight.shape)
        if len(values.shape) > rank:
            values = reduce(values, axis=list(range(rank, len(values.shape))))
        if len(values.shape) < rank or any(
            size not in (1, full) for size, full in zip(weight.shape, values.shape, strict=False)
        ):
            raise ValueError(
                "expected one sample_weight for each sample, or one for each element of the values. "
                f"Received: sample_weight.shape={tuple(weight.shape)}, values.shape={tuple(values.shape)}"
            )
        weight = ops.broadcast_to(weight, values.shape)
        values = values * weight
        if rank > 1:
            weight = reduce(weight, axis=list(range(1, rank)))
    if len(values.shape) > 1:
        values = reduce(values, axis=list(range(1, len(values.shape))))
    return ops.cast(values, SUMS), weight


def _tensor(value: Any) -> Any:
    return None if value is None else ops.convert_to_tensor(value)
