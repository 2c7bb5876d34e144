"""What else Keras's `Layer` offers: what is small and works, and what is refused by name."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from rustnet.core import structure
from rustnet.core.dtypes import standardize_dtype
from rustnet.core.node import keras_tensors
from rustnet.core.operation import symbolic_outputs
from rustnet.core.tensors import Tensor
from rustnet.core.trace import current_trace
from rustnet.layers.arguments import call_with_shapes, is_shape, shapes_of, signature_of

# Methods that Keras calls and nothing would call here, with what to define instead.
NEVER_CALLED = {
    "symbolic_call": "define call: it is recorded for symbolic tensors too",
    "stateless_call": "define call: training runs that",
    "quantized_build": "weights are floats: define build",
    "quantized_call": "weights are floats: define call",
    "rematerialized_call": "nothing is computed twice to save memory: define call",
}


class DTypePolicy(NamedTuple):
    """The dtypes that a layer computes in and keeps its weights in: one and the same."""

    name: str
    compute_dtype: str
    variable_dtype: str


class LayerSurface:
    """Names of Keras's `Layer` that are made of others; those that cannot be, raise `NotImplementedError`."""

    _dtype: str
    _autocast: bool
    # As in Keras, where False asks for another way to run that gives the same results.
    supports_jit = True

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name in NEVER_CALLED:
            if name in vars(cls) and not cls.__module__.startswith("rustnet."):
                refuse(name, f"{cls.__name__}.{name}")

    # --- what works -----------------------------------------------------------------------------------------

    def add_variable(self: Any, *args: Any, **kwargs: Any) -> Any:
        """`add_weight`."""
        return self.add_weight(*args, **kwargs)

    @property
    def autocast(self) -> bool:
        """Whether float inputs are converted to the layer's dtype."""
        return self._autocast

    @autocast.setter
    def autocast(self, value: bool) -> None:
        self._autocast = bool(value)

    @property
    def call_signature_parameters(self: Any) -> list[str]:
        """The names of the parameters of `call`."""
        return list(signature_of(self.call).parameters)

    @property
    def input_dtype(self) -> str:
        """The dtype that float inputs are converted to."""
        return self._dtype

    @property
    def dtype_policy(self) -> DTypePolicy:
        """The layer's dtypes. May be set to a policy or the name of a dtype until the layer has weights."""
        return DTypePolicy(self._dtype, self._dtype, self._dtype)

    @dtype_policy.setter
    def dtype_policy(self: Any, value: Any) -> None:
        dtype = standardize_dtype(value)
        if dtype != self._dtype and self.weights:
            raise ValueError(
                f"layer '{self.name}' expected the dtype of its weights, {self._dtype}. "
                f"Received: dtype_policy={value!r}"
            )
        self._dtype = dtype

    @property
    def quantization_mode(self) -> None:
        """None: weights are floats."""
        return None

    @property
    def metrics_variables(self: Any) -> list[Any]:
        """The states of the metrics inside."""
        return [variable for metric in self.metrics for variable in metric.variables]

    def compute_output_spec(self: Any, *args: Any, **kwargs: Any) -> Any:
        """The symbolic outputs for symbolic inputs, as no part of a model."""
        return symbolic_outputs(self if self.built else self._twin(), args, kwargs)

    def symbolic_call(self, *args: Any, **kwargs: Any) -> Any:
        """`compute_output_spec`."""
        return self.compute_output_spec(*args, **kwargs)

    def stateless_call(
        self: Any,
        trainable_variables: Any,
        non_trainable_variables: Any,
        *args: Any,
        return_losses: bool = False,
        **kwargs: Any,
    ) -> Any:
        """The call with other values of the variables, which are left as they are.

        Returns `(outputs, non_trainable_variables)` as the call leaves them, and with `return_losses` also
        the losses. Raises `ValueError` where the layer is not built or the numbers of values differ.
        """
        if not self.built:
            raise ValueError(f"layer '{self.name}' expected to be built before stateless_call")
        if current_trace() is not None:
            raise ValueError(f"layer '{self.name}' expected stateless_call outside of other layers and steps")
        variables = [*self.trainable_variables, *self.non_trainable_variables]
        values = [*trainable_variables, *non_trainable_variables]
        trained = len(self.trainable_variables)
        if len(values) != len(variables) or len(trainable_variables) != trained:
            raise ValueError(
                f"layer '{self.name}' expected {trained} trainable_variables and {len(variables) - trained} "
                f"non_trainable_variables. Received: {len(trainable_variables)} and "
                f"{len(non_trainable_variables)}"
            )
        before = [variable.numpy() for variable in variables]
        try:
            for variable, value in zip(variables, values, strict=True):
                variable.assign(value)
            outputs = self(*args, **kwargs)
            after = [Tensor(variable.numpy()) for variable in self.non_trainable_variables]
            losses = self.losses
        finally:
            for variable, value in zip(variables, before, strict=True):
                variable.assign(value)
        return (outputs, after, losses) if return_losses else (outputs, after)

    def save_own_variables(self: Any, store: Any) -> None:
        """Writes the weights of this layer, without those inside, into a dictionary, by number."""
        for position, weight in enumerate(self._own_weights()):
            store[str(position)] = weight.numpy()

    def load_own_variables(self: Any, store: Any) -> None:
        """Sets the weights of this layer from what `save_own_variables` wrote."""
        weights = self._own_weights()
        if len(store) != len(weights):
            raise ValueError(
                f"layer '{self.name}' expected {len(weights)} weights of its own. Received: {len(store)}"
            )
        for position, weight in enumerate(weights):
            weight.assign(np.asarray(store[str(position)]))

    # --- what is refused ------------------------------------------------------------------------------------

    def add_metric(self, *args: Any, **kwargs: Any) -> None:
        """Not supported, as in Keras. Raises `NotImplementedError`."""
        raise NotImplementedError(
            "expected metrics in compile(metrics=[...]), or a metric made in __init__ and updated in call. "
            "Received: add_metric()"
        )

    def quantize(self, mode: Any = None, **kwargs: Any) -> None:
        """Not supported: weights are floats. Raises `NotImplementedError`."""
        raise NotImplementedError(f"expected weights to stay floats. Received: quantize(mode={mode!r})")

    def quantized_build(self, *args: Any, **kwargs: Any) -> None:
        """Not supported: weights are floats. Raises `NotImplementedError`."""
        refuse("quantized_build", "quantized_build()")

    def quantized_call(self, *args: Any, **kwargs: Any) -> None:
        """Not supported: weights are floats. Raises `NotImplementedError`."""
        refuse("quantized_call", "quantized_call()")

    def rematerialized_call(self, *args: Any, **kwargs: Any) -> None:
        """Not supported: nothing is computed twice. Raises `NotImplementedError`."""
        refuse("rematerialized_call", "rematerialized_call()")


def refuse(name: str, received: str) -> None:
    """Raises `NotImplementedError` where a name is one that nothing would call."""
    if name in NEVER_CALLED:
        raise NotImplementedError(
            f"expected no {name} of one's own, which nothing would call; {NEVER_CALLED[name]}. "
            f"Received: {received}"
        )


def check_stated_outputs(layer: Any, args: tuple[Any, ...], kwargs: dict[str, Any], outputs: Any) -> None:
    """Raises `ValueError` where a user's `compute_output_spec` or `_shape` contradicts `call`."""
    parameters = signature_of(layer.call).parameters
    for name in ("compute_output_spec", "compute_output_shape"):
        method = getattr(layer, name)
        if getattr(getattr(method, "__func__", method), "__module__", "").startswith("rustnet."):
            continue
        if name == "compute_output_spec":
            stated = [tensor.shape for tensor in keras_tensors(method(*args, **kwargs))]
        else:
            stated = _shapes(
                call_with_shapes(method, shapes_of(layer._bind(args, kwargs), parameters), layer.name)
            )
        recorded = [tensor.shape for tensor in keras_tensors(outputs)]
        if len(stated) != len(recorded) or not all(map(_agree, stated, recorded)):
            raise ValueError(
                f"layer '{layer.name}' expected {name}() to state what call() returns, {recorded}. "
                f"Received: {stated}"
            )


def _shapes(stated: Any) -> list[tuple[int | None, ...]]:
    if isinstance(stated, dict):
        return [shape for key in structure.keys(stated) for shape in _shapes(stated[key])]
    sizes = list(stated)
    return [tuple(sizes)] if is_shape(sizes) else [shape for one in sizes for shape in _shapes(one)]


def _agree(stated: tuple[int | None, ...], recorded: tuple[int | None, ...]) -> bool:
    return len(stated) == len(recorded) and all(
        size is None or other is None or size == other for size, other in zip(stated, recorded, strict=True)
    )
