"""Gradient descent, with or without momentum."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rustnet.core.variable import Variable
from rustnet.optimizers.hyperparameters import flag, fraction
from rustnet.optimizers.optimizer import Optimizer


class SGD(Optimizer):
    """`w -= learning_rate * g`; with momentum `m = momentum * m - learning_rate * g`, `w += m`.

    With `nesterov`, `w += momentum * m - learning_rate * g` with the new m.

    Arguments:
        learning_rate: default 0.01.
        momentum: in [0, 1], default 0.
        nesterov: default False.
        weight_decay, …: see `Optimizer`.

    Raises:
        ValueError: `momentum` outside [0, 1].

    Example:
        >>> weight = Variable([1.0])
        >>> SGD(learning_rate=0.5).apply([[1.0]], [weight]); weight.numpy().tolist()
        [0.5]

    Source: Sutskever et al. 2013, https://proceedings.mlr.press/v28/sutskever13.html
    """

    _HYPERPARAMETERS = {**Optimizer._HYPERPARAMETERS, "momentum": fraction, "nesterov": flag}
    _WITH_STATE = (*Optimizer._WITH_STATE, "momentum")

    def __init__(
        self,
        learning_rate: Any = 0.01,
        momentum: float = 0.0,
        nesterov: bool = False,
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
        self.momentum = momentum
        self.nesterov = nesterov

    def build(self, variables: Sequence[Variable]) -> None:
        super().build(variables)
        if self.momentum:
            self._momentums = self.add_optimizer_variables(variables, "momentum")

    def update_step(self, gradient: Any, variable: Variable, learning_rate: Any) -> None:
        change = gradient * learning_rate
        if not self.momentum:
            variable.assign_sub(change)
            return
        velocity = self._momentums[self._get_variable_index(variable)]
        new = velocity * self.momentum - change
        velocity.assign(new)
        variable.assign_add(new * self.momentum - change if self.nesterov else new)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "momentum": self.momentum, "nesterov": self.nesterov}
