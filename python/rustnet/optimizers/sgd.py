"""Gradient descent, with or without momentum."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rustnet.core.variable import Variable
from rustnet.optimizers.optimizer import Optimizer, checked_fraction


class SGD(Optimizer):
    """`w -= learning_rate * g`; with momentum `m = momentum * m - learning_rate * g`, `w += m`.

    With `nesterov`, `w += momentum * m - learning_rate * g` with the new m.

    Arguments:
        learning_rate: default 0.01.
        momentum: in [0, 1], default 0.
        nesterov: default False.
        kwargs: see `Optimizer`.

    Raises:
        ValueError: `momentum` outside [0, 1].

    Example:
        >>> weight = Variable([1.0])
        >>> SGD(learning_rate=0.5).apply([[1.0]], [weight]); weight.numpy().tolist()
        [0.5]

    Source: Sutskever et al. 2013, https://proceedings.mlr.press/v28/sutskever13.html
    """

    def __init__(
        self, learning_rate: Any = 0.01, momentum: float = 0.0, nesterov: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(learning_rate, **kwargs)
        self.momentum = checked_fraction("momentum", momentum)
        self.nesterov = nesterov

    def build(self, variables: Sequence[Variable]) -> None:
        if self.built:
            return
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
