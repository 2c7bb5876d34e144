"""Penalties on weights or activities, added to the loss of a step."""

from __future__ import annotations

import math
import numbers
from typing import Any

from rustnet import ops
from rustnet.core.tracked import Tracked
from rustnet.registry import Registry


class Regularizer(Tracked):
    """Base class: a function of a tensor that returns a scalar penalty.

    Example:
        >>> class Mean(Regularizer):
        ...     def __call__(self, x):
        ...         return 0.1 * ops.mean(ops.abs(x))
        ...     def get_config(self):
        ...         return {}

    Source: https://keras.io/api/layers/regularizers/
    """

    def __call__(self, x: Any) -> Any:
        raise NotImplementedError(f"expected {type(self).__name__} to define `__call__(self, x)`.")

    def get_config(self) -> dict[str, Any]:
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Regularizer:
        return cls(**config)


class L1L2(Regularizer):
    """`l1 * sum(|x|) + l2 * sum(x²)`.

    Arguments:
        l1: factor of the absolute values, 0 or more, default 0.
        l2: factor of the squares (without a half), 0 or more, default 0.

    Raises:
        ValueError: a factor that is negative or not finite.

    Example:
        >>> float(L1L2(l1=0.5, l2=1.0)(ops.convert_to_tensor([1.0, -2.0])))
        6.5

    Source: https://keras.io/api/layers/regularizers/#l1l2-class
    """

    def __init__(self, l1: float = 0.0, l2: float = 0.0) -> None:
        self.l1 = _factor("l1", 0.0 if l1 is None else l1)
        self.l2 = _factor("l2", 0.0 if l2 is None else l2)

    def __call__(self, x: Any) -> Any:
        if self.l1 and self.l2:
            return self.l1 * ops.sum(ops.abs(x)) + self.l2 * ops.sum(ops.square(x))
        if self.l1:
            return self.l1 * ops.sum(ops.abs(x))
        return self.l2 * ops.sum(ops.square(x))

    def get_config(self) -> dict[str, Any]:
        return {"l1": self.l1, "l2": self.l2}


class L1(L1L2):
    """`l1 * sum(|x|)`.

    Arguments:
        l1: the factor, 0 or more, default 0.01.

    Example:
        >>> float(L1(0.5)(ops.convert_to_tensor([1.0, -2.0])))
        1.5

    Source: https://keras.io/api/layers/regularizers/#l1-class
    """

    def __init__(self, l1: float = 0.01) -> None:
        super().__init__(l1=0.01 if l1 is None else l1)

    def get_config(self) -> dict[str, Any]:
        return {"l1": self.l1}


class L2(L1L2):
    """`l2 * sum(x²)`, without a half.

    Arguments:
        l2: the factor, 0 or more, default 0.01.

    Example:
        >>> float(L2(0.5)(ops.convert_to_tensor([1.0, -2.0])))
        2.5

    Source: https://keras.io/api/layers/regularizers/#l2-class
    """

    def __init__(self, l2: float = 0.01) -> None:
        super().__init__(l2=0.01 if l2 is None else l2)

    def get_config(self) -> dict[str, Any]:
        return {"l2": self.l2}


def _factor(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, numbers.Real) or not 0 <= float(value) < math.inf:
        raise ValueError(f"expected {name} to be a finite number of 0 or more. Received: {name}={value!r}")
    return float(value)


l1 = L1
l2 = L2
l1_l2 = L1L2

_registry = Registry("regularizer", Regularizer, [L1, L2, L1L2], {"l1_l2": L1L2})
get = _registry.get
serialize = _registry.serialize
deserialize = _registry.deserialize
