"""RMSprop: steps divided by a moving root mean square of the gradient."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rustnet import ops
from rustnet.core.variable import Variable
from rustnet.optimizers.hyperparameters import amount, flag, fraction
from rustnet.optimizers.optimizer import Optimizer


class RMSprop(Optimizer):
    """`v = rho * v + (1 - rho) * g²`, `w -= learning_rate * g / sqrt(v + epsilon)`.

    Centered, the moving average of g, squared, is subtracted from v under the root. With momentum
    `m = momentum * m + step` is subtracted in place of the step.

    Arguments:
        learning_rate: default 0.001.
        rho: in [0, 1], default 0.9.
        momentum: in [0, 1], default 0.
        epsilon: under the root, default 1e-7.
        centered: default False.
        weight_decay, …: see `Optimizer`.

    Raises:
        ValueError: `rho` or `momentum` outside [0, 1].

    Example:
        >>> weight = Variable([1.0])
        >>> RMSprop(learning_rate=0.1, rho=0.0).apply([[2.0]], [weight]); weight.numpy().round(4)
        array([0.9], dtype=float32)

    Source: Hinton 2012, lecture 6e, https://www.cs.toronto.edu/~tijmen/csc321/slides/lecture_slides_lec6.pdf
    """

    _HYPERPARAMETERS = {
        **Optimizer._HYPERPARAMETERS,
        "rho": fraction,
        "momentum": fraction,
        "epsilon": amount,
        "centered": flag,
    }
    _WITH_STATE = (*Optimizer._WITH_STATE, "momentum", "centered")

    def __init__(
        self,
        learning_rate: Any = 0.001,
        rho: float = 0.9,
        momentum: float = 0.0,
        epsilon: float = 1e-7,
        centered: bool = False,
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
        self.momentum = momentum
        self.epsilon = epsilon
        self.centered = centered

    def build(self, variables: Sequence[Variable]) -> None:
        super().build(variables)
        self._velocities = self.add_optimizer_variables(variables, "velocity")
        if self.momentum:
            self._momentums = self.add_optimizer_variables(variables, "momentum")
        if self.centered:
            self._average_gradients = self.add_optimizer_variables(variables, "average_gradient")

    def update_step(self, gradient: Any, variable: Variable, learning_rate: Any) -> None:
        index = self._get_variable_index(variable)
        velocity = self.rho * self._velocities[index] + (1.0 - self.rho) * ops.square(gradient)
        self._velocities[index].assign(velocity)
        if self.centered:
            mean = self.rho * self._average_gradients[index] + (1.0 - self.rho) * gradient
            self._average_gradients[index].assign(mean)
            velocity = velocity - ops.square(mean)
        step = learning_rate * gradient / ops.sqrt(velocity + self.epsilon)
        if self.momentum:
            step = self.momentum * self._momentums[index] + step
            self._momentums[index].assign(step)
        variable.assign_sub(step)

    def get_config(self) -> dict[str, Any]:
        own = {
            "rho": self.rho,
            "momentum": self.momentum,
            "epsilon": self.epsilon,
            "centered": self.centered,
        }
        return {**super().get_config(), **own}
