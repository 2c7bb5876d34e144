"""The base class of metrics: state that each batch updates, and a result made from it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from rustnet import initializers, ops
from rustnet.core import structure
from rustnet.core.dtypes import standardize_dtype
from rustnet.core.naming import auto_name, to_snake_case
from rustnet.core.operation import operation
from rustnet.core.tracked import Tracked
from rustnet.core.transaction import all_or_nothing
from rustnet.core.variable import Variable

# The dtype of sums and counts over samples: float32 cannot count on after 2²⁴.
SUMS = "float64"


class Metric(Tracked):
    """Base class of metrics.

    A subclass makes its state with `add_variable` in `__init__`, updates it in
    `update_state(y_true, y_pred, sample_weight=None)` and returns a scalar, or a dictionary of scalars, from
    `result()`, all with `rustnet.ops`: in training both are recorded into the step and run in Rust.

    Arguments:
        dtype: of the state, default `floatx()`.
        name: default the class's name in snake_case.

    Example:
        >>> class Largest(Metric):
        ...     def __init__(self, name="largest"):
        ...         super().__init__(name=name)
        ...         self.largest = self.add_variable((), "zeros")
        ...     def update_state(self, y_true, y_pred, sample_weight=None):
        ...         self.largest.assign(ops.maximum(self.largest, ops.max(y_pred)))
        ...     def result(self):
        ...         return self.largest
        >>> metric = Largest()
        >>> metric.update_state([0.0], [3.0]); metric.update_state([0.0], [2.0])
        >>> float(metric.result())
        3.0

    Source: https://keras.io/api/metrics/base_metric/
    """

    _UNWATCHED = Tracked._UNWATCHED | {"_found", "_variables", "_without_state"}
    # What `variables` found, kept while no attribute changes: each epoch begins with it.
    _found: list[Variable] | None = None
    # Containers among the attributes that never hold state.
    _without_state: tuple[str, ...] = ("_variables", "_watchers")

    def __init__(self, dtype: str | None = None, name: str | None = None) -> None:
        self.name = name or auto_name(to_snake_case(type(self).__name__))
        self._dtype = standardize_dtype(dtype)
        self._variables: list[Variable] = []

    @property
    def dtype(self) -> str:
        """The dtype of the state, settled when the metric is made."""
        return self._dtype

    def __init_subclass__(cls, **kwargs: Any) -> None:
        # Whole methods are recorded, so that outside of training too they run as one program each.
        super().__init_subclass__(**kwargs)
        if "update_state" in vars(cls):
            cls.update_state = operation(vars(cls)["update_state"])  # type: ignore[method-assign]
        for name in ("build", "_build"):
            if name in vars(cls):
                setattr(cls, name, all_or_nothing(vars(cls)[name]))
        if "result" in vars(cls):
            cls.result = operation(_without_variables(vars(cls)["result"]))  # type: ignore[method-assign]

    def add_variable(
        self,
        shape: Any = (),
        initializer: Any = "zeros",
        dtype: str | None = None,
        aggregation: str = "sum",
        name: str | None = None,
    ) -> Variable:
        """A state variable, which `reset_state` sets to 0."""
        variable = Variable(
            initializers.get(initializer or "zeros"),
            shape=tuple(shape),
            dtype=dtype or self.dtype,
            trainable=False,
            aggregation=aggregation,
            name=name,
        )
        self._variables.append(variable)
        vars(self)["_found"] = None
        return variable

    def _add_sums(self, shape: Any, name: str) -> Variable:
        """State that adds up over any number of samples."""
        return self.add_variable(shape, "zeros", SUMS, name=name)

    def add_weight(
        self, shape: Any = (), initializer: Any = "zeros", dtype: str | None = None, name: str | None = None
    ) -> Variable:
        """The older name of `add_variable`."""
        return self.add_variable(shape=shape, initializer=initializer, dtype=dtype, name=name)

    @property
    def variables(self) -> list[Variable]:
        """The state of this metric and of the metrics among its attributes."""
        if self._found is not None:
            return list(self._found)
        found = {id(variable): variable for variable in self._variables}
        may_change = False
        for name, attribute in vars(self).items():
            if isinstance(attribute, Variable):
                found[id(attribute)] = attribute
            elif isinstance(attribute, (Metric, dict, list, tuple)) and name not in self._without_state:
                may_change = True
                for value in structure.flatten(attribute):
                    if isinstance(value, Variable):
                        found[id(value)] = value
                    elif isinstance(value, Metric):
                        found.update((id(variable), variable) for variable in value.variables)
        variables = list(found.values())
        if not may_change:
            vars(self)["_found"] = list(variables)
        return variables

    def __setattr__(self, name: str, value: Any) -> None:
        vars(self)["_found"] = None
        super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        vars(self)["_found"] = None
        super().__delattr__(name)

    def update_state(self, *args: Any, **kwargs: Any) -> None:
        """Adds a batch to the state."""
        raise NotImplementedError(f"expected {type(self).__name__} to define `update_state`.")

    def result(self) -> Any:
        """The metric of everything since `reset_state`: a scalar, or a dictionary of scalars."""
        raise NotImplementedError(f"expected {type(self).__name__} to define `result(self)`.")

    def reset_state(self) -> None:
        """Starts again, as at the beginning of an epoch."""
        for variable in self.variables:
            variable.clear()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Updates the state and returns the result."""
        self.update_state(*args, **kwargs)
        return self.result()

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, "dtype": self.dtype}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Metric:
        return cls(**config)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}>"


def _without_variables(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function`, with the present value in place of each variable that it returns."""

    @functools.wraps(function)
    def values(*args: Any, **kwargs: Any) -> Any:
        return structure.map_structure(
            lambda leaf: ops.convert_to_tensor(leaf) if isinstance(leaf, Variable) else leaf,
            function(*args, **kwargs),
        )

    return values
