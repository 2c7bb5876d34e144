"""Learning rates that change with the number of updates, computed inside the training step."""

from __future__ import annotations

import math
import numbers
from collections.abc import Sequence
from typing import Any

from rustnet import config, ops
from rustnet.core.operation import operation
from rustnet.core.tracked import Tracked
from rustnet.registry import Registry


class LearningRateSchedule(Tracked):
    """Base class: a function of the number of updates so far that returns the learning rate.

    Example:
        >>> class Halving(LearningRateSchedule):
        ...     def __call__(self, step):
        ...         return 0.1 * ops.power(0.5, ops.cast(step, "float32"))
        >>> round(float(Halving()(2)), 4)
        0.025

    Source: https://keras.io/api/optimizers/learning_rate_schedules/learning_rate_schedule/
    """

    # Arguments of the constructor, which are also attributes.
    arguments: Sequence[str] = ()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "__call__" in vars(cls):
            cls.__call__ = operation(vars(cls)["__call__"])  # type: ignore[method-assign]

    def __call__(self, step: Any) -> Any:
        raise NotImplementedError(f"expected {type(self).__name__} to define `__call__(self, step)`.")

    def get_config(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.arguments}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> LearningRateSchedule:
        return cls(**config)


class ExponentialDecay(LearningRateSchedule):
    """`initial_learning_rate * decay_rate ** (step / decay_steps)`.

    Arguments:
        initial_learning_rate: at step 0.
        decay_steps: updates until the rate is multiplied by `decay_rate`, above 0.
        decay_rate: factor.
        staircase: True to change at multiples of `decay_steps` only, default False.
        name: default the class's.

    Example:
        >>> round(float(ExponentialDecay(0.1, 10, 0.5)(20)), 4)
        0.025

    Source: https://keras.io/api/optimizers/learning_rate_schedules/exponential_decay/
    """

    arguments = ("initial_learning_rate", "decay_steps", "decay_rate", "staircase", "name")

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        decay_rate: float,
        staircase: bool = False,
        name: str = "ExponentialDecay",
    ) -> None:
        self.initial_learning_rate = _number("initial_learning_rate", initial_learning_rate)
        self.decay_steps = _positive("decay_steps", decay_steps)
        self.decay_rate = _number("decay_rate", decay_rate)
        self.staircase = staircase
        self.name = name

    def __call__(self, step: Any) -> Any:
        periods = _float(step) / float(self.decay_steps)
        if self.staircase:
            periods = ops.floor(periods)
        return self.initial_learning_rate * ops.power(float(self.decay_rate), periods)


class InverseTimeDecay(LearningRateSchedule):
    """`initial_learning_rate / (1 + decay_rate * step / decay_steps)`.

    Arguments:
        initial_learning_rate: at step 0.
        decay_steps: the unit in which steps are counted, above 0.
        decay_rate: factor.
        staircase: True to change at multiples of `decay_steps` only, default False.
        name: default the class's.

    Example:
        >>> round(float(InverseTimeDecay(0.1, 10, 1.0)(10)), 4)
        0.05

    Source: https://keras.io/api/optimizers/learning_rate_schedules/inverse_time_decay/
    """

    arguments = ("initial_learning_rate", "decay_steps", "decay_rate", "staircase", "name")

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        decay_rate: float,
        staircase: bool = False,
        name: str = "InverseTimeDecay",
    ) -> None:
        self.initial_learning_rate = _number("initial_learning_rate", initial_learning_rate)
        self.decay_steps = _positive("decay_steps", decay_steps)
        self.decay_rate = _number("decay_rate", decay_rate)
        self.staircase = staircase
        self.name = name

    def __call__(self, step: Any) -> Any:
        periods = _float(step) / float(self.decay_steps)
        if self.staircase:
            periods = ops.floor(periods)
        return self.initial_learning_rate / (1.0 + self.decay_rate * periods)


class PiecewiseConstantDecay(LearningRateSchedule):
    """`values[0]` up to and including step `boundaries[0]`, `values[1]` up to `boundaries[1]`, and so on.

    Arguments:
        boundaries: increasing steps.
        values: one more than there are boundaries.
        name: default `"PiecewiseConstant"`.

    Raises:
        ValueError: another number of values.

    Example:
        >>> schedule = PiecewiseConstantDecay([10], [1.0, 0.5])
        >>> float(schedule(10)), float(schedule(11))
        (1.0, 0.5)

    Source: https://keras.io/api/optimizers/learning_rate_schedules/piecewise_constant_decay/
    """

    arguments = ("boundaries", "values", "name")

    def __init__(
        self, boundaries: Sequence[float], values: Sequence[float], name: str = "PiecewiseConstant"
    ) -> None:
        if len(boundaries) != len(values) - 1:
            raise ValueError(
                "expected one value more than boundaries. "
                f"Received: boundaries={list(boundaries)}, values={list(values)}"
            )
        self.boundaries = [_number("boundaries", boundary) for boundary in boundaries]
        self.values = [_number("values", value) for value in values]
        self.name = name

    def __call__(self, step: Any) -> Any:
        rate = ops.convert_to_tensor(float(self.values[0]), config.floatx())
        step = _float(step)
        for boundary, value in zip(self.boundaries, self.values[1:], strict=True):
            rate = ops.where(step > float(boundary), float(value), rate)
        return rate


class PolynomialDecay(LearningRateSchedule):
    """`(initial - end) * (1 - step / decay_steps) ** power + end`, and `end` from `decay_steps` on.

    Arguments:
        initial_learning_rate: at step 0.
        decay_steps: above 0.
        end_learning_rate: default 0.0001.
        power: default 1, a straight line.
        cycle: True to lengthen `decay_steps` to the next multiple of itself when it is reached; default
            False.
        name: default the class's.

    Example:
        >>> round(float(PolynomialDecay(0.1, 10, 0.0)(5)), 4)
        0.05

    Source: https://keras.io/api/optimizers/learning_rate_schedules/polynomial_decay/
    """

    arguments = ("initial_learning_rate", "decay_steps", "end_learning_rate", "power", "cycle", "name")

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        end_learning_rate: float = 0.0001,
        power: float = 1.0,
        cycle: bool = False,
        name: str = "PolynomialDecay",
    ) -> None:
        self.initial_learning_rate = _number("initial_learning_rate", initial_learning_rate)
        self.decay_steps = _positive("decay_steps", decay_steps)
        self.end_learning_rate = _number("end_learning_rate", end_learning_rate)
        self.power = _number("power", power)
        self.cycle = cycle
        self.name = name

    def __call__(self, step: Any) -> Any:
        step, length = _float(step), float(self.decay_steps)
        if self.cycle:
            done = step / (length * ops.maximum(ops.ceil(step / length), 1.0))
        else:
            done = ops.minimum(step, length) / length
        span = self.initial_learning_rate - self.end_learning_rate
        return span * ops.power(1.0 - done, float(self.power)) + self.end_learning_rate


class CosineDecay(LearningRateSchedule):
    """Half a cosine wave from the first rate to the last, after an optional linear warm-up.

    `rate * ((1 - alpha) * (1 + cos(π * step / decay_steps)) / 2 + alpha)`.

    Arguments:
        initial_learning_rate: at step 0.
        decay_steps: above 0, without the warm-up.
        alpha: the last rate as a fraction of the first, default 0.
        name: default the class's.
        warmup_target: the rate that the warm-up ends and the decay starts with; default None: no warm-up.
        warmup_steps: default 0.

    Example:
        >>> round(float(CosineDecay(0.1, 10)(5)), 4)
        0.05

    Source: Loshchilov and Hutter 2017, https://arxiv.org/abs/1608.03983
    """

    arguments = ("initial_learning_rate", "decay_steps", "alpha", "name", "warmup_target", "warmup_steps")

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        alpha: float = 0.0,
        name: str = "CosineDecay",
        warmup_target: float | None = None,
        warmup_steps: int = 0,
    ) -> None:
        self.initial_learning_rate = _number("initial_learning_rate", initial_learning_rate)
        self.decay_steps = _positive("decay_steps", decay_steps)
        self.alpha = _number("alpha", alpha)
        self.name = name
        self.warmup_target = None if warmup_target is None else _number("warmup_target", warmup_target)
        self.warmup_steps = warmup_steps

    def __call__(self, step: Any) -> Any:
        step = _float(step)
        if self.warmup_target is None or not self.warmup_steps:
            first = self.initial_learning_rate if self.warmup_target is None else self.warmup_target
            return self._decayed(step, first)
        warmup = float(self.warmup_steps)
        rise = (self.warmup_target - self.initial_learning_rate) * (
            step / warmup
        ) + self.initial_learning_rate
        return ops.where(step < warmup, rise, self._decayed(step - warmup, self.warmup_target))

    def _decayed(self, step: Any, first: float) -> Any:
        done = ops.clip(step / float(self.decay_steps), 0.0, 1.0)
        cosine = 0.5 * (1.0 + ops.cos(math.pi * done))
        return first * ((1.0 - self.alpha) * cosine + self.alpha)


class CosineDecayRestarts(LearningRateSchedule):
    """Cosine decays one after the other, the i-th of length `first_decay_steps * t_mul ** i`.

    Arguments:
        initial_learning_rate: at step 0.
        first_decay_steps: length of the first, above 0.
        t_mul: how much longer each is than the one before, default 2.
        m_mul: the first rate of each as a fraction of that of the one before, default 1.
        alpha: the last rate as a fraction of the first, default 0.
        name: default `"SGDRDecay"`.

    Example:
        >>> round(float(CosineDecayRestarts(0.1, 10)(10)), 4)
        0.1

    Source: Loshchilov and Hutter 2017, https://arxiv.org/abs/1608.03983
    """

    arguments = ("initial_learning_rate", "first_decay_steps", "t_mul", "m_mul", "alpha", "name")

    def __init__(
        self,
        initial_learning_rate: float,
        first_decay_steps: int,
        t_mul: float = 2.0,
        m_mul: float = 1.0,
        alpha: float = 0.0,
        name: str = "SGDRDecay",
    ) -> None:
        self.initial_learning_rate = _number("initial_learning_rate", initial_learning_rate)
        self.first_decay_steps = _positive("first_decay_steps", first_decay_steps)
        self.t_mul = _number("t_mul", t_mul)
        self.m_mul = _number("m_mul", m_mul)
        self.alpha = _number("alpha", alpha)
        self.name = name

    def __call__(self, step: Any) -> Any:
        done = _float(step) / float(self.first_decay_steps)
        if self.t_mul == 1.0:
            restarts = ops.floor(done)
            done = done - restarts
        else:
            # After i decays, (1 - t_mul ** i) / (1 - t_mul) first lengths have passed.
            grown = ops.log(1.0 - done * (1.0 - self.t_mul)) / math.log(self.t_mul)
            restarts = ops.floor(grown)
            length = ops.power(float(self.t_mul), restarts)
            done = (done - (1.0 - length) / (1.0 - self.t_mul)) / length
        cosine = 0.5 * ops.power(float(self.m_mul), restarts) * (1.0 + ops.cos(math.pi * done))
        return self.initial_learning_rate * ((1.0 - self.alpha) * cosine + self.alpha)


def _float(step: Any) -> Any:
    return ops.cast(step, config.floatx())


def _number(name: str, value: Any) -> Any:
    """A finite number, as it was given; ValueError otherwise."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real) or not math.isfinite(value):
        raise ValueError(f"expected {name} to be a finite number. Received: {name}={value!r}")
    return value


def _positive(name: str, value: Any) -> Any:
    if not _number(name, value) > 0:
        raise ValueError(f"expected {name} to be above 0. Received: {name}={value!r}")
    return value


_registry = Registry(
    "schedule",
    LearningRateSchedule,
    [
        ExponentialDecay, InverseTimeDecay, PiecewiseConstantDecay, PolynomialDecay, CosineDecay,
        CosineDecayRestarts,
    ],
)  # fmt: skip
serialize = _registry.serialize
deserialize = _registry.deserialize
