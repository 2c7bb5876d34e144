"""Projections applied to a weight after each update of the optimizer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rustnet import config, ops
from rustnet.core.tracked import Tracked
from rustnet.registry import Registry

Axis = int | Sequence[int] | None


class Constraint(Tracked):
    """Base class: a function of a weight that returns the nearest admissible weight.

    Example:
        >>> class Halve(Constraint):
        ...     def __call__(self, w):
        ...         return w * 0.5

    Source: https://keras.io/api/layers/constraints/
    """

    def __call__(self, w: Any) -> Any:
        raise NotImplementedError(f"expected {type(self).__name__} to define `__call__(self, w)`.")

    def get_config(self) -> dict[str, Any]:
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Constraint:
        return cls(**config)


class NonNeg(Constraint):
    """`max(w, 0)`.

    Example:
        >>> NonNeg()(ops.convert_to_tensor([-1.0, 2.0])).numpy().tolist()
        [0.0, 2.0]

    Source: https://keras.io/api/layers/constraints/#nonneg-class
    """

    def __call__(self, w: Any) -> Any:
        return ops.maximum(w, 0.0)


class MinMaxNorm(Constraint):
    """Scales the vectors along `axis`: norm `n` becomes `rate * clip(n, min, max) + (1 - rate) * n`.

    Arguments:
        min_value: least norm, default 0.
        max_value: greatest norm, default 1.
        rate: how strictly, 0 (not at all) to 1 (exactly), default 1.
        axis: the axes of the norm, default 0: for a dense kernel (inputs, units), each unit's incoming
            weights.

    Example:
        >>> MinMaxNorm(0.0, 1.0)(ops.convert_to_tensor([[3.0], [4.0]])).numpy().round(3)
        array([[0.6],
               [0.8]], dtype=float32)

    Source: https://keras.io/api/layers/constraints/#minmaxnorm-class
    """

    def __init__(
        self, min_value: float = 0.0, max_value: float = 1.0, rate: float = 1.0, axis: Axis = 0
    ) -> None:
        self.min_value = min_value
        self.max_value = max_value
        self.rate = rate
        self.axis = axis

    def __call__(self, w: Any) -> Any:
        norm = _norm(w, self.axis)
        desired = ops.clip(norm, self.min_value, self.max_value)
        if self.rate != 1.0:
            desired = self.rate * desired + (1.0 - self.rate) * norm
        return w * (desired / (norm + config.epsilon()))

    def get_config(self) -> dict[str, Any]:
        return {
            "min_value": self.min_value,
            "max_value": self.max_value,
            "rate": self.rate,
            "axis": self.axis,
        }


class MaxNorm(Constraint):
    """Scales down each vector along `axis` whose norm exceeds `max_value`.

    Arguments:
        max_value: greatest norm, default 2.
        axis: the axes of the norm, default 0.

    Example:
        >>> MaxNorm(1.0)(ops.convert_to_tensor([[3.0], [4.0]])).numpy().round(3)
        array([[0.6],
               [0.8]], dtype=float32)

    Source: https://keras.io/api/layers/constraints/#maxnorm-class
    """

    def __init__(self, max_value: float = 2, axis: Axis = 0) -> None:
        self.max_value = max_value
        self.axis = axis

    def __call__(self, w: Any) -> Any:
        norm = _norm(w, self.axis)
        return w * (ops.clip(norm, 0.0, self.max_value) / (norm + config.epsilon()))

    def get_config(self) -> dict[str, Any]:
        return {"max_value": self.max_value, "axis": self.axis}


class UnitNorm(Constraint):
    """Scales each vector along `axis` to norm 1.

    Arguments:
        axis: the axes of the norm, default 0.

    Example:
        >>> UnitNorm()(ops.convert_to_tensor([[3.0], [4.0]])).numpy().round(3)
        array([[0.6],
               [0.8]], dtype=float32)

    Source: https://keras.io/api/layers/constraints/#unitnorm-class
    """

    def __init__(self, axis: Axis = 0) -> None:
        self.axis = axis

    def __call__(self, w: Any) -> Any:
        return w / (_norm(w, self.axis) + config.epsilon())

    def get_config(self) -> dict[str, Any]:
        return {"axis": self.axis}


def _norm(w: Any, axis: Axis) -> Any:
    return ops.sqrt(ops.sum(ops.square(w), axis=axis, keepdims=True))


max_norm = MaxNorm
non_neg = NonNeg
unit_norm = UnitNorm
min_max_norm = MinMaxNorm

_registry = Registry("constraint", Constraint, [MaxNorm, NonNeg, UnitNorm, MinMaxNorm])
get = _registry.get
serialize = _registry.serialize
deserialize = _registry.deserialize
