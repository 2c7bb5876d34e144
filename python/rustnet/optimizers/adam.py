"""Adam and its relatives: moving averages of the gradient and of its size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rustnet import config, initializers, ops
from rustnet.core.variable import Variable
from rustnet.optimizers.hyperparameters import amount, beta, flag
from rustnet.optimizers.optimizer import Optimizer


class Adam(Optimizer):
    """`m += (1 - β₁) * (g - m)`, `v += (1 - β₂) * (g² - v)`, `w -= α * m / (sqrt(v) + epsilon)`.

    The step size corrects both averages for their start at 0:
    `α = learning_rate * sqrt(1 - β₂ᵗ) / (1 - β₁ᵗ)`.
    With `amsgrad` the largest v so far takes the place of v.

    Arguments:
        learning_rate: default 0.001.
        beta_1: in [0, 1), default 0.9.
        beta_2: in [0, 1), default 0.999.
        epsilon: default 1e-7 (the "epsilon hat" of the paper: it is not corrected).
        amsgrad: default False.
        weight_decay, …: see `Optimizer`.

    Raises:
        ValueError: `beta_1` or `beta_2` outside [0, 1).

    Example:
        >>> weight = Variable([1.0])
        >>> Adam(learning_rate=0.1).apply([[2.0]], [weight]); weight.numpy().round(4)
        array([0.9], dtype=float32)

    Source: Kingma and Ba 2015, https://arxiv.org/abs/1412.6980
    """

    _HYPERPARAMETERS = {
        **Optimizer._HYPERPARAMETERS,
        "beta_1": beta,
        "beta_2": beta,
        "epsilon": amount,
        "amsgrad": flag,
    }
    _WITH_STATE = (*Optimizer._WITH_STATE, "amsgrad")

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
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
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.amsgrad = amsgrad

    def build(self, variables: Sequence[Variable]) -> None:
        super().build(variables)
        self._momentums, self._velocities = self.add_optimizer_variables(variables, ["momentum", "velocity"])
        if self.amsgrad:
            self._velocity_hats = self.add_optimizer_variables(variables, "velocity_hat")

    def step_size(self, learning_rate: Any) -> Any:
        step = self.local_step()
        correction = ops.sqrt(1.0 - ops.power(self.beta_2, step)) / (1.0 - ops.power(self.beta_1, step))
        return learning_rate * correction

    def update_step(self, gradient: Any, variable: Variable, learning_rate: Any) -> None:
        index = self._get_variable_index(variable)
        momentum, velocity = self._momentums[index], self._velocities[index]
        momentum.assign_add((gradient - momentum) * (1.0 - self.beta_1))
        velocity.assign_add((ops.square(gradient) - velocity) * (1.0 - self.beta_2))
        if self.amsgrad:
            self._velocity_hats[index].assign(ops.maximum(self._velocity_hats[index], velocity))
            velocity = self._velocity_hats[index]
        variable.assign_sub(momentum * learning_rate / (ops.sqrt(velocity) + self.epsilon))

    def get_config(self) -> dict[str, Any]:
        own = {
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
            "epsilon": self.epsilon,
            "amsgrad": self.amsgrad,
        }
        return {**super().get_config(), **own}


class AdamW(Adam):
    """Adam with decoupled weight decay: `w -= learning_rate * weight_decay * w` before each update.

    Arguments:
        learning_rate: default 0.001.
        weight_decay: default 0.004.
        beta_1, beta_2, epsilon, amsgrad: see `Adam`.
        clipnorm, …: see `Optimizer`.

    Raises:
        ValueError: `weight_decay` is None.

    Example:
        >>> weight = Variable([1.0])
        >>> AdamW(learning_rate=0.1, weight_decay=0.5).apply([[2.0]], [weight])
        >>> weight.numpy().round(4)
        array([0.85], dtype=float32)

    Source: Loshchilov and Hutter 2019, https://arxiv.org/abs/1711.05101
    """

    _HYPERPARAMETERS = {**Adam._HYPERPARAMETERS, "weight_decay": amount}

    def __init__(
        self,
        learning_rate: Any = 0.001,
        weight_decay: float = 0.004,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
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
            beta_1,
            beta_2,
            epsilon,
            amsgrad,
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


class Adamax(Optimizer):
    """Adam with the largest recent gradient in place of its mean square.

    `m += (1 - β₁) * (g - m)`, `u = max(β₂ * u, |g|)`, `w -= learning_rate / (1 - β₁ᵗ) * m / (u + epsilon)`.

    Arguments:
        learning_rate: default 0.001.
        beta_1: in [0, 1), default 0.9.
        beta_2: in [0, 1), default 0.999.
        epsilon: default 1e-7.
        weight_decay, …: see `Optimizer`.

    Example:
        >>> weight = Variable([1.0])
        >>> Adamax(learning_rate=0.1).apply([[2.0]], [weight]); weight.numpy().round(4)
        array([0.9], dtype=float32)

    Source: Kingma and Ba 2015, section 7.1, https://arxiv.org/abs/1412.6980
    """

    _HYPERPARAMETERS = {
        **Optimizer._HYPERPARAMETERS,
        "beta_1": beta,
        "beta_2": beta,
        "epsilon": amount,
    }

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
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
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon

    def build(self, variables: Sequence[Variable]) -> None:
        super().build(variables)
        self._momentums, self._norms = self.add_optimizer_variables(variables, ["momentum", "norm"])

    def step_size(self, learning_rate: Any) -> Any:
        return learning_rate / (1.0 - ops.power(self.beta_1, self.local_step()))

    def update_step(self, gradient: Any, variable: Variable, learning_rate: Any) -> None:
        index = self._get_variable_index(variable)
        momentum, norm = self._momentums[index], self._norms[index]
        momentum.assign_add((gradient - momentum) * (1.0 - self.beta_1))
        norm.assign(ops.maximum(norm * self.beta_2, ops.abs(gradient)))
        variable.assign_sub(learning_rate * momentum / (norm + self.epsilon))

    def get_config(self) -> dict[str, Any]:
        own = {"beta_1": self.beta_1, "beta_2": self.beta_2, "epsilon": self.epsilon}
        return {**super().get_config(), **own}


class Nadam(Optimizer):
    """Adam with Nesterov momentum, whose β₁ grows: `uₜ = β₁ * (1 - 0.96ᵗ / 2)`.

    `w -= learning_rate * m̂ / (sqrt(v / (1 - β₂ᵗ)) + epsilon)` with
    `m̂ = uₜ₊₁ * m / (1 - u₁…uₜ₊₁) + (1 - uₜ) * g / (1 - u₁…uₜ)`.

    Arguments:
        learning_rate: default 0.001.
        beta_1: in [0, 1), default 0.9.
        beta_2: in [0, 1), default 0.999.
        epsilon: default 1e-7.
        weight_decay, …: see `Optimizer`.

    Example:
        >>> weight = Variable([1.0])
        >>> Nadam(learning_rate=0.1).apply([[2.0]], [weight]); bool(weight.numpy()[0] < 0.95)
        True

    Source: Dozat 2016, https://openreview.net/forum?id=OM0jvwB8jIp57ZJjtNEZ
    """

    _HYPERPARAMETERS = {
        **Optimizer._HYPERPARAMETERS,
        "beta_1": beta,
        "beta_2": beta,
        "epsilon": amount,
    }

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
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
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon

    def build(self, variables: Sequence[Variable]) -> None:
        super().build(variables)
        self._momentums, self._velocities = self.add_optimizer_variables(variables, ["momentum", "velocity"])
        product = Variable(
            initializers.Ones(), shape=(), dtype=config.floatx(), trainable=False, name="u_product"
        )
        self._product = self._track(product)

    def step_size(self, learning_rate: Any) -> Any:
        """The factors of m and g, and the correction of v."""
        now, after = (self.beta_1 * (1.0 - 0.5 * ops.power(0.96, self.local_step(ahead))) for ahead in (1, 2))
        product = self._product * now
        self._product.assign(product)
        return (
            learning_rate * after / (1.0 - product * after),
            learning_rate * (1.0 - now) / (1.0 - product),
            1.0 - ops.power(self.beta_2, self.local_step()),
        )

    def update_step(self, gradient: Any, variable: Variable, learning_rate: Any) -> None:
        momentum_rate, gradient_rate, correction = learning_rate
        index = self._get_variable_index(variable)
        momentum, velocity = self._momentums[index], self._velocities[index]
        momentum.assign_add((gradient - momentum) * (1.0 - self.beta_1))
        velocity.assign_add((ops.square(gradient) - velocity) * (1.0 - self.beta_2))
        step = momentum * momentum_rate + gradient * gradient_rate
        variable.assign_sub(step / (ops.sqrt(velocity / correction) + self.epsilon))

    def get_config(self) -> dict[str, Any]:
        own = {"beta_1": self.beta_1, "beta_2": self.beta_2, "epsilon": self.epsilon}
        return {**super().get_config(), **own}
