"""The state of an optimizer: the variables that it is bound to, and those that it keeps for them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar

from rustnet.core.arrays import as_array
from rustnet.core.tracked import Tracked
from rustnet.core.transaction import all_or_nothing, is_within
from rustnet.core.variable import Variable


class OptimizerState(Tracked):
    """The part of an optimizer that keeps its state."""

    name: str
    built: bool
    # Hyperparameters that need variables of their own that `build` makes.
    _WITH_STATE: ClassVar[tuple[str, ...]] = ()
    # Those of `_WITH_STATE` that were switched on when the state was made.
    _has_state: tuple[str, ...]
    _variables: list[Variable]
    _trainable_variables: list[Variable]
    _positions: dict[int, int]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "build" in vars(cls):
            cls.build = _builder(vars(cls)["build"])  # type: ignore[method-assign]

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._positions = _positions(self._trainable_variables)

    @property
    def variables(self) -> list[Variable]:
        """The state: iteration, learning rate, then what `build` created."""
        return list(self._variables)

    def build(self, variables: Sequence[Variable]) -> None:
        """Binds the optimizer to these variables."""
        self._trainable_variables = list(variables)
        self._positions = _positions(self._trainable_variables)

    def add_variable_from_reference(
        self, reference_variable: Variable, name: str | None = None, initializer: Any = "zeros"
    ) -> Variable:
        """A state variable of the shape and dtype of a weight."""
        return self._track(
            Variable(
                initializer,
                shape=reference_variable.shape,
                dtype=reference_variable.dtype,
                trainable=False,
                name=f"{getattr(reference_variable, 'path', reference_variable.name)}_{name}".replace(
                    "/", "_"
                ),
            )
        )

    def add_optimizer_variables(
        self, trainable_variables: Sequence[Variable], name: Any, initializer: Any = "zeros"
    ) -> Any:
        """State variables for each weight: a list for one name; for several names, a list for each."""
        names = [name] if isinstance(name, str) else list(name)
        groups: list[list[Variable]] = [[] for _ in names]
        for variable in trainable_variables:
            for group, each in zip(groups, names, strict=True):
                group.append(self.add_variable_from_reference(variable, each, initializer))
        return groups[0] if isinstance(name, str) else groups

    def add_variable(
        self,
        shape: Any,
        initializer: Any = "zeros",
        dtype: Any = None,
        aggregation: str = "none",
        layout: Any = None,
        name: str | None = None,
    ) -> Variable:
        """A state variable of any shape."""
        del aggregation, layout  # accepted as Keras does; there is one device
        return self._track(Variable(initializer, shape=shape, dtype=dtype, trainable=False, name=name))

    def assign(self, variable: Variable, value: Any) -> None:
        """Gives a variable a new content at the end of the step."""
        variable.assign(value)

    def assign_add(self, variable: Variable, value: Any) -> None:
        """Adds to a variable at the end of the step."""
        variable.assign_add(value)

    def assign_sub(self, variable: Variable, value: Any) -> None:
        """Takes from a variable at the end of the step."""
        variable.assign_sub(value)

    def _track(self, variable: Variable) -> Variable:
        self._variables.append(variable)
        return variable

    def _get_variable_index(self, variable: Variable) -> int:
        return self._positions[id(variable)]

    def set_weights(self, weights: Iterable[Any]) -> None:
        """Sets the state, in the order of `variables`."""
        weights = list(weights)
        if len(weights) != len(self._variables):
            raise ValueError(
                f"optimizer '{self.name}' expected weights for its {len(self._variables)} variables, "
                "which it has after `build`. "
                f"Received: {len(weights)} weights"
            )
        arrays = [
            as_array(weight, variable.dtype, variable.name)
            for variable, weight in zip(self._variables, weights, strict=True)
        ]
        for variable, array in zip(self._variables, arrays, strict=True):
            if array.shape != variable.shape:
                raise ValueError(
                    f"expected shape {variable.shape} for {variable.name} of '{self.name}'. "
                    f"Received: shape={array.shape}"
                )
        for variable, array in zip(self._variables, arrays, strict=True):
            variable.assign(array)


def _builder(build: Callable[..., None]) -> Callable[..., None]:
    """`build` of a class: once, and all or nothing, together with the builds that it calls."""

    @all_or_nothing
    def complete(self: OptimizerState, variables: Sequence[Variable]) -> None:
        if self.built:
            # By another thread meanwhile.
            return
        build(self, variables)
        if len(self._trainable_variables) != len(variables):
            raise RuntimeError(
                f"expected build(variables) of {type(self).__name__} to call super().build(variables). "
                "Received: an optimizer that is bound to no variables"
            )
        self._has_state = tuple(name for name in self._WITH_STATE if getattr(self, name))
        self.built = True

    @functools.wraps(build)
    def once(self: OptimizerState, variables: Sequence[Variable]) -> None:
        if self.built:
            return
        if is_within(self):
            build(self, variables)  # for the build of a subclass
        else:
            complete(self, variables)

    return once


def _positions(variables: Sequence[Variable]) -> dict[int, int]:
    return {id(variable): index for index, variable in enumerate(variables)}
