"""The base class of optimizers: from gradients to new weights."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar

import numpy as np

from rustnet import config, ops
from rustnet.core.naming import auto_name, to_snake_case
from rustnet.core.operation import operation
from rustnet.core.tracked import Tracked
from rustnet.core.variable import Variable
from rustnet.optimizers import hyperparameters, schedules
from rustnet.optimizers.hyperparameters import (
    amount,
    count,
    factor,
    flag,
    fraction,
    limit,
    optional,
    unsupported,
)
from rustnet.optimizers.hyperparameters import learning_rate as checked_rate
from rustnet.optimizers.state import OptimizerState
from rustnet.registry import serialize

LearningRate = float | schedules.LearningRateSchedule | Callable[[], Any]


class Optimizer(OptimizerState):
    """Base class of optimizers.

    A step scales and clips the gradients, decays the weights (`w -= w * weight_decay * learning_rate`),
    updates each variable by `update_step`, and applies its constraint. All of it is recorded into the
    training step. Hyperparameters can be set at any time, as attributes, and take effect at the next step.

    A subclass creates its variables in `build(variables)` with `add_optimizer_variables`, after
    `super().build(variables)`, and defines `update_step(gradient, variable, learning_rate)` with
    `rustnet.ops` and `assign`. What all variables share, such as a step size, can be computed once in
    `step_size`. An exception in `build` leaves the optimizer as it was before.

    Arguments:
        learning_rate: a number of 0 or more, a schedule called with the number of updates so far, or a
            function without arguments, called when a step is recorded. `lr=` is its older name.
        weight_decay: factor, default none.
        clipnorm: greatest norm of the gradient of each variable, default none.
        clipvalue: greatest absolute value of an element of a gradient, default none.
        global_clipnorm: greatest norm of all gradients together, default none. Only one of the three clips.
        use_ema: keeps an exponential moving average of the weights, default False.
        ema_momentum: of that average, in [0, 1], default 0.99.
        ema_overwrite_frequency: every how many updates the weights are set to their average; default None:
            only by `finalize_variable_values`.
        loss_scale_factor: what the loss is multiplied by for the gradients, which are then divided by it,
            before clipping; default none. Gradients given to `apply` must be those of the scaled loss.
        decay: `learning_rate / (1 + decay * updates)`, for scripts of older versions; default 0.
        name: default the class's name in snake_case.

    Raises:
        ValueError: an unknown argument, or one out of range, here and where it is set later.

    Example:
        >>> class Step(Optimizer):
        ...     def update_step(self, gradient, variable, learning_rate):
        ...         variable.assign_sub(learning_rate * ops.sign(gradient))
        >>> weight = Variable([1.0, 1.0])
        >>> Step(learning_rate=0.5).apply([[2.0, -3.0]], [weight])
        >>> weight.numpy().tolist()
        [0.5, 1.5]

    Source: https://keras.io/api/optimizers/
    """

    # What `build` makes.
    _UNWATCHED = Tracked._UNWATCHED | {"_averages", "_positions", "_trainable_variables", "_variables"}

    # What each hyperparameter may be, and which of them need variables of their own that `build` makes: these
    # can be switched on before it only.
    _HYPERPARAMETERS: ClassVar[dict[str, hyperparameters.Check]] = {
        "weight_decay": optional(amount),
        "clipnorm": optional(limit),
        "clipvalue": optional(limit),
        "global_clipnorm": optional(limit),
        "use_ema": flag,
        "ema_momentum": fraction,
        "ema_overwrite_frequency": optional(count),
        "loss_scale_factor": optional(factor),
        "gradient_accumulation_steps": unsupported,
        "decay": amount,
    }
    _WITH_STATE: ClassVar[tuple[str, ...]] = ("use_ema",)
    # Hyperparameters that only `build` reads.
    _AT_BUILD: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        learning_rate: Any,
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
        learning_rate = kwargs.pop("lr", learning_rate)
        self.decay = kwargs.pop("decay", None) or 0.0
        if kwargs:
            raise ValueError(f"{type(self).__name__} expected arguments that it knows. Received: {kwargs}")
        self.name = name or auto_name(to_snake_case(type(self).__name__))
        self.gradient_accumulation_steps = gradient_accumulation_steps
        self.weight_decay = weight_decay
        self.clipnorm = clipnorm
        self.clipvalue = clipvalue
        self.global_clipnorm = global_clipnorm
        self.use_ema = use_ema
        self.ema_momentum = ema_momentum
        self.ema_overwrite_frequency = ema_overwrite_frequency
        self.loss_scale_factor = loss_scale_factor
        self.built = False
        self._variables = []
        self._positions = {}
        self._trainable_variables = []
        self._averages: list[Variable] = []
        self._has_state = ()
        self._excluded: tuple[list[Variable], tuple[str, ...]] = ([], ())
        self.iterations = self._track(Variable(np.int32(0), dtype="int32", trainable=False, name="iteration"))
        # The variable of an optimizer that was made with a number, kept while a schedule takes its place.
        self._rate: Variable | None = None
        if not callable(learning_rate):
            rate = checked_rate("learning_rate", learning_rate)
            self._rate = Variable(rate, dtype=config.floatx(), trainable=False, name="learning_rate")
            self._track(self._rate)
        self._learning_rate: Any = learning_rate if self._rate is None else self._rate

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "iterations" and name in vars(self):
            raise AttributeError(
                f"optimizer '{self.name}' expected `iterations.assign(...)` instead of a new count. "
                f"Received: iterations={value!r}"
            )
        check = self._HYPERPARAMETERS.get(name)
        if check is not None:
            value = check(name, value)
            self._check_together(name, value)
        super().__setattr__(name, value)

    def _check_together(self, name: str, value: Any) -> None:
        """Raises `ValueError` where a hyperparameter does not fit the others or the state."""
        clips = ("clipnorm", "clipvalue", "global_clipnorm")
        if name in clips and value is not None:
            others = {clip: vars(self).get(clip) for clip in clips if clip != name}
            given = {clip: other for clip, other in others.items() if other is not None}
            if given:
                given[name] = value
                raise ValueError(f"expected only one of {', '.join(clips)}. Received: {given}")
        if name in self._AT_BUILD and vars(self).get("built"):
            raise ValueError(
                f"optimizer '{self.name}' expected {name}, what its variables begin with, before the first "
                f"step: compile with a new optimizer. Received: {name}={value!r}"
            )
        if name in self._WITH_STATE and value and vars(self).get("built") and name not in self._has_state:
            raise ValueError(
                f"optimizer '{self.name}' expected {name}, which takes further variables, before the first "
                f"step: compile with a new optimizer. Received: {name}={value!r}"
            )

    # The learning rate and the state.

    @property
    def learning_rate(self) -> Any:
        """The learning rate: a variable that can be set, or the present value of a schedule."""
        if isinstance(self._learning_rate, schedules.LearningRateSchedule):
            return self._learning_rate(self.iterations)
        if callable(self._learning_rate):
            return self._learning_rate()
        return self._learning_rate

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        if callable(value):
            self._learning_rate = value
            self._variables = [variable for variable in self._variables if variable is not self._rate]
        elif self._rate is None:
            raise TypeError(
                f"optimizer '{self.name}' expected no number as its learning rate, which comes from "
                f"{type(self._learning_rate).__name__}. Received: learning_rate={value!r}"
            )
        else:
            self._rate.assign(checked_rate("learning_rate", value))
            if self._learning_rate is not self._rate:
                self._learning_rate = self._rate
                self._variables = [self.iterations, self._rate, *self._variables[1:]]

    lr = learning_rate

    def build(self, variables: Sequence[Variable]) -> None:
        """Creates the state for these variables, to which the optimizer is bound from then on."""
        super().build(variables)
        if self.use_ema:
            self._averages = self.add_optimizer_variables(self._trainable_variables, "average")

    # The step.

    def apply_gradients(self, grads_and_vars: Iterable[tuple[Any, Variable]]) -> Variable:
        """Updates variables by pairs (gradient, variable); returns the number of updates so far."""
        pairs = list(grads_and_vars)
        self.apply([gradient for gradient, _ in pairs], [variable for _, variable in pairs])
        return self.iterations

    def apply(self, grads: Sequence[Any], trainable_variables: Sequence[Variable] | None = None) -> None:
        """Updates variables by their gradients.

        Arguments:
            grads: of the variables' shapes; None leaves a variable as it is.
            trainable_variables: default those that the optimizer was built with.

        Raises:
            ValueError: no gradients at all, or variables that the optimizer was not built with.
        """
        if trainable_variables is None:
            if not self.built:
                raise ValueError(
                    f"optimizer '{self.name}' expected variables, or to be built first: `build(variables)`. "
                    f"Received: {len(grads)} gradients"
                )
            trainable_variables = self._trainable_variables
        if len(grads) != len(trainable_variables):
            raise ValueError(
                "expected one gradient for each variable. "
                f"Received: {len(grads)} gradients, {len(trainable_variables)} variables"
            )
        if not grads:
            return
        pairs = [pair for pair in zip(grads, trainable_variables, strict=True) if pair[0] is not None]
        if not pairs:
            raise ValueError(
                "expected a loss that depends on the variables. "
                f"Received: no gradient for any of {len(trainable_variables)} variables"
            )
        for gradient, variable in pairs:
            shape = tuple(gradient.shape) if hasattr(gradient, "shape") else np.shape(gradient)
            if shape != tuple(variable.shape):
                raise ValueError(
                    f"expected a gradient of shape {tuple(variable.shape)} for variable {variable.name}. "
                    f"Received: gradient.shape={shape}"
                )
        if not self.built:
            self.build(trainable_variables)
        for variable in trainable_variables:
            if id(variable) not in self._positions:
                raise ValueError(
                    f"'{self.name}' expected the variables that it was built with, those of another model "
                    "or of this one before it was changed: others need an optimizer of their own. "
                    f"Received: variable {getattr(variable, 'path', variable.name)}"
                )
        _record_step(self, [gradient for gradient, _ in pairs], [variable for _, variable in pairs])

    def _step(self, grads: list[Any], variables: list[Variable]) -> None:
        if self.loss_scale_factor is not None:
            grads = [gradient / self.loss_scale_factor for gradient in grads]
        grads = self._clipped(grads)
        learning_rate = self.learning_rate
        if self.decay:
            learning_rate = learning_rate / (1.0 + self.decay * ops.cast(self.iterations, config.floatx()))
        learning_rate = ops.convert_to_tensor(learning_rate)
        self._decay_weights(variables, learning_rate)
        step_size = self.step_size(learning_rate)
        for gradient, variable in zip(grads, variables, strict=True):
            self.update_step(gradient, variable, step_size)
        if self.use_ema:
            self._update_averages()
        for variable in variables:
            if getattr(variable, "constraint", None) is not None:
                variable.assign(variable.constraint(variable))
        self.iterations.assign_add(1)

    def step_size(self, learning_rate: Any) -> Any:
        """What `update_step` gets in place of the learning rate: computed once, for all variables."""
        return learning_rate

    def update_step(self, gradient: Any, variable: Variable, learning_rate: Any) -> None:
        """Updates one variable, and its state, by its gradient."""
        raise NotImplementedError(f"expected {type(self).__name__} to define `update_step`.")

    def local_step(self, ahead: int = 1) -> Any:
        """The number of this update, counted from `ahead`, as a float."""
        return ops.cast(self.iterations + ahead, config.floatx())

    def scale_loss(self, loss: Any) -> Any:
        """The loss times `loss_scale_factor`, for use before the gradients are computed."""
        return loss if self.loss_scale_factor is None else loss * self.loss_scale_factor

    def _clipped(self, grads: list[Any]) -> list[Any]:
        if self.clipvalue is not None:
            return [ops.clip(gradient, -self.clipvalue, self.clipvalue) for gradient in grads]
        if self.clipnorm is not None:
            limit = self.clipnorm
            norms = [ops.sqrt(ops.sum(ops.square(gradient))) for gradient in grads]
            scales = [limit / ops.maximum(norm, limit) for norm in norms]
            return [gradient * scale for gradient, scale in zip(grads, scales, strict=True)]
        if self.global_clipnorm is not None:
            limit = self.global_clipnorm
            norm = ops.sqrt(sum(ops.sum(ops.square(gradient)) for gradient in grads))
            # norm - norm is 0, or NaN where the norm is infinite: then no gradient can be trusted.
            scale = limit / ops.maximum(norm, limit) + (norm - norm)
            return [gradient * scale for gradient in grads]
        return grads

    def exclude_from_weight_decay(
        self, var_list: Sequence[Variable] | None = None, var_names: Sequence[str] | None = None
    ) -> None:
        """Leaves variables out of weight decay: those listed, and those named by a part of their name.

        Raises:
            ValueError: the optimizer is built already.
        """
        if self.built:
            raise ValueError(
                f"expected exclude_from_weight_decay before '{self.name}' is built. Received: a later call"
            )
        self._excluded = (list(var_list or ()), tuple(var_names or ()))

    def _decay_weights(self, variables: list[Variable], learning_rate: Any) -> None:
        if self.weight_decay is None:
            return
        excluded, names = self._excluded
        rate = learning_rate * self.weight_decay
        for variable in variables:
            listed = any(variable is other for other in excluded)
            if not listed and not any(name in variable.name for name in names):
                variable.assign(variable - variable * ops.cast(rate, variable.dtype))

    def _update_averages(self) -> None:
        # The first average is the first weights.
        momentum = self.ema_momentum * ops.cast(self.iterations > 0, config.floatx())
        for variable, average in zip(self._trainable_variables, self._averages, strict=True):
            average.assign(momentum * average + (1.0 - momentum) * variable)
        if self.ema_overwrite_frequency is not None:
            due = ops.equal(ops.mod(self.iterations + 1, self.ema_overwrite_frequency), 0)
            for variable, average in zip(self._trainable_variables, self._averages, strict=True):
                variable.assign(ops.where(due, average, variable))

    def finalize_variable_values(self, var_list: Sequence[Variable]) -> None:
        """At the end of training: sets the weights to their moving average, if one is kept."""
        if self.use_ema and self.built:
            for variable in var_list:
                if id(variable) in self._positions:
                    variable.assign(self._averages[self._get_variable_index(variable)].numpy())

    # The configuration.

    def get_config(self) -> dict[str, Any]:
        rate = self._learning_rate
        return {
            "name": self.name,
            "learning_rate": float(rate) if isinstance(rate, Variable) else serialize(rate),
            "weight_decay": self.weight_decay,
            "clipnorm": self.clipnorm,
            "clipvalue": self.clipvalue,
            "global_clipnorm": self.global_clipnorm,
            "use_ema": self.use_ema,
            "ema_momentum": self.ema_momentum,
            "ema_overwrite_frequency": self.ema_overwrite_frequency,
            "loss_scale_factor": self.loss_scale_factor,
            "gradient_accumulation_steps": None,
            **({"decay": self.decay} if self.decay else {}),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Optimizer:
        rate = config.get("learning_rate")
        if isinstance(rate, dict):
            config = {**config, "learning_rate": schedules.deserialize(rate)}
        return cls(**config)


@operation
def _record_step(optimizer: Optimizer, grads: list[Any], variables: list[Variable]) -> None:
    """One step as one program when it is called outside of a training step."""
    optimizer._step(
        [
            ops.convert_to_tensor(gradient, variable.dtype)
            for gradient, variable in zip(grads, variables, strict=True)
        ],
        list(variables),
    )
