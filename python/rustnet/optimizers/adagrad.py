"""Adagrad and Adadelta: steps divided by the size of all, or of recent, gradients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rustnet import initializers, ops
from rustnet.core.variable import Variable
from rustnet.optimizers.hyperparameters import amount, fraction
from rustnet.optimizers.optimizer import Optimizer


class Adagrad(Optimizer):
    """`a += g²`, `w -= learning_rate * g / sqrt(a + epsilon)`.

    Arguments:
        learning_rate: default 0.001.
        initial_accumulator_value: of a, 0 or more, default 0.1.
        epsilon: under the root, default 1e-7.
        weight_decay, …: see `Optimizer`.

    Raises:
        ValueError: a negative `initial_accumulator_value`.

    Example:
        >>> weight = Variable([1.0])
        >>> Adagrad(learning_rate=0.1, initial_accumulator_value=0.0).apply([[2.0]], [weight])
        >>> weight.numpy().round(4)
        array([0.9], dtype=float32)

    Source: Duchi et al. 2011, https://jmlr.org/papers/v12/duchi11a.html
    """

    _HYPERPARAMETERS = {**Optimizer._HYPERPARAMETERS, "initial_accumulator_value": amount, "epsilon": amount}

    _AT_BUILD = ("initial_accumulator_value",)

    def __init__(
        self,
        learning_rate: Any = 0.001,
        initial_accumulator_value: float = 0.1,
        epsilon: float = 1e-7,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        use_ema: bool = False,
        ema_momentum: float = 0.99,
        ema_overwrite_frequency: int | None = None,
        loss_scale_factor: float | None = None,
        gradient_accumulation_steps: int | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            learning_rate,
            weight_decay,
            clipnorm,
            clipvalue,
            global_clipnorm,
            use_ema,
            ema_momentum,
            ema_overwrite_frequency,
            loss_scale_factor,
            gradient_accumulation_steps,
            name,
            **kwargs,
        )
        self.initial_accumulator_value = initial_accumulator_value
        self.epsilon = epsilon

    def build(self, variables: Sequence[Variable]) -> None:
        super().build(variables)
        initial = initializers.Constant(self.initial_accumulator_value)
        self._accumulators = self.add_optimizer_variables(variables, "accumulator", initial)

    def update_step(self, gradient: Any, variable: Variable, learning_rate: Any) -> None:
        accumulator = self._accumulators[self._get_variable_index(variable)]
        accumulator.assign_add(ops.square(gradient))
        variable.assign_sub(learning_rate * gradient / ops.sqrt(accumulator + self.epsilon))

    def get_config(self) -> dict[str, Any]:
        own = {"initial_accumulator_value": self.initial_accumulator_value, "epsilon": self.epsilon}
        return {**super().get_config(), **own}


class Adadelta(Optimizer):
    """`w -= learning_rate * d` with `d = g * sqrt(b + epsilon) / sqrt(a + epsilon)`.

    a is a moving average of g², `a = rho * a + (1 - rho) * g²`, and b likewise of d².

    Arguments:
        learning_rate: default 0.001 (the paper has none, i.e. 1).
        rho: in [0, 1], default 0.95.
        epsilon: default 1e-7.
        weight_decay, …: see `Optimizer`.

    Raises:
        ValueError: `rho` outside [0, 1].

    Example:
        >>> weight = Variable([1.0])
        >>> Adadelta(learning_rate=1.0).apply([[2.0]], [weight]); bool(weight.numpy()[0] < 1.0)
        True

    Source: Zeiler 2012, https://arxiv.org/abs/1212.5701
    """

    _HYPERPARAMETERS = {**Optimizer._HYPERPARAMETERS, "rho": fraction, "epsilon": amount}

    def __init__(
        self,
        learning_rate: Any = 0.001,
        rho: float = 0.95,
        epsilon: float = 1e-7,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        use_ema: bool = False,
        ema_momentum: float = 0.99,
        ema_overwrite_frequency: int | None = None,
        loss_scale_factor: float | None = None,
        gradient_accumulation_steps: int | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            learning_rate,
            weight_decay,
            clipnorm,
            clipvalue,
            global_clipnorm,
            use_ema,
            ema_momentum,
            ema_overwrite_frequency,
            loss_scale_factor,
            gradient_accumulation_steps,
            name,
            **kwargs,
        )
        self.rho = rho
        self.epsilon = epsilon

    def build(self, variables: Sequence[Variable]) -> None:
        super().build(variables)
        self._squares, self._changes = self.add_optimizer_variables(
            variables, ["accumulated_grad", "accumulated_delta_var"]
        )

    def update_step(self, gradient: Any, variable: Variable, learning_rate: Any) -> None:
        index = self._get_variable_index(variable)
        squares, changes = self._squares[index], self._changes[index]
        squares.assign(self.rho * squares + (1.0 - self.rho) * ops.square(gradient))
        change = ops.sqrt(changes + self.epsilon) * gradient / ops.sqrt(squares + self.epsilon)
        changes.assign(self.rho * changes + (1.0 - self.rho) * ops.square(change))
        variable.assign_sub(learning_rate * change)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "rho": self.rho, "epsilon": self.epsilon}
