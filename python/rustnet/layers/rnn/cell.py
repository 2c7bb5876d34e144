"""What all recurrent cells share: the gates' weights, and dropout that is the same at every timestep."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rustnet import activations, constraints, initializers, ops, random, regularizers
from rustnet.core.trace import record_several
from rustnet.layers.core import known_size, positive_int
from rustnet.layers.layer import Layer

# The activations that the engine's recurrent kernels know; cells with others run timestep by timestep.
_KERNEL_ACTIVATIONS = {
    activations.linear: "linear",
    activations.relu: "relu",
    activations.tanh: "tanh",
    activations.sigmoid: "sigmoid",
    activations.hard_sigmoid: "hard_sigmoid",
    activations.softsign: "softsign",
    activations.elu: "elu",
}


class RecurrentCell(Layer):
    """One timestep of a recurrent layer: `cell(inputs, states) -> (output, new_states)`.

    Subclasses state their number of `gates`, the engine's `kernel_name`, and the equations of a step.
    """

    gates: int
    kernel_name: str
    states = 1

    # Follows from `units`, which is watched.
    _UNWATCHED = Layer._UNWATCHED | {"output_size", "state_size"}

    def __init__(
        self,
        units: int,
        activation: Any,
        use_bias: bool,
        kernel_initializer: Any,
        recurrent_initializer: Any,
        bias_initializer: Any,
        kernel_regularizer: Any,
        recurrent_regularizer: Any,
        bias_regularizer: Any,
        kernel_constraint: Any,
        recurrent_constraint: Any,
        bias_constraint: Any,
        dropout: float,
        recurrent_dropout: float,
        seed: int | None,
        **kwargs: Any,
    ) -> None:
        implementation = kwargs.pop("implementation", 2)
        super().__init__(**kwargs)
        self.units = positive_int("units", units)
        self.activation = activations.get(activation)
        self.use_bias = bool(use_bias)
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.recurrent_initializer = initializers.get(recurrent_initializer)
        self.bias_initializer: Any = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.recurrent_regularizer = regularizers.get(recurrent_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.recurrent_constraint = constraints.get(recurrent_constraint)
        self.bias_constraint = constraints.get(bias_constraint)
        # Keras clips the rates into [0, 1].
        self.dropout = min(1.0, max(0.0, dropout))
        self.recurrent_dropout = min(1.0, max(0.0, recurrent_dropout))
        # As in Keras, recurrent dropout makes dropout decide for each gate on its own.
        self.implementation = 1 if self.recurrent_dropout > 0 else implementation
        self.seed = seed
        self.seed_generator = random.SeedGenerator(seed)
        self.state_size: Any = self.units if self.states == 1 else [self.units] * self.states
        self.output_size = self.units
        self._keeps: tuple[Any, Any] | None = None

    def bias_shape(self) -> tuple[int, ...]:
        return (self.gates * self.units,)

    def build(self, input_shape: Any) -> None:
        columns = self.gates * self.units
        self.kernel = self.add_weight(
            (known_size("last", input_shape[-1]), columns),
            self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
            name="kernel",
        )
        self.recurrent_kernel = self.add_weight(
            (self.units, columns),
            self.recurrent_initializer,
            regularizer=self.recurrent_regularizer,
            constraint=self.recurrent_constraint,
            name="recurrent_kernel",
        )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                self.bias_shape(),
                self.bias_initial_values,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
                name="bias",
            )

    def bias_initial_values(self, shape: Sequence[int], dtype: str | None = None) -> Any:
        return self.bias_initializer(shape, dtype)

    def get_initial_state(self, batch_size: int | None = None) -> list[Any]:
        """Zeros (batch, units) for each state."""
        return [ops.zeros((batch_size, self.units), self.compute_dtype) for _ in range(self.states)]

    # --- dropout --------------------------------------------------------------------------------------------

    @contextmanager
    def same_dropout(self, batch: int, features: int, training: bool) -> Iterator[None]:
        """Inside, every step drops the same units."""
        self._keeps = self._draw_keeps(batch, features, training)
        try:
            yield
        finally:
            self._keeps = None

    def _draw_keeps(self, batch: int, features: int, training: bool) -> tuple[Any, Any]:
        """Which inputs (batch, 1 or gates, features) and which h (batch, gates, units) gates see, or None."""
        masks = self.gates if self.implementation == 1 else 1
        return (
            self._keep(self.dropout, (batch, masks, features), training),
            self._keep(self.recurrent_dropout, (batch, self.gates, self.units), training),
        )

    def _keep(self, rate: float, shape: tuple[int, ...], training: bool) -> Any:
        # Keras treats a rate of 1 as none.
        if not training or not 0.0 < rate < 1.0:
            return None
        return ops.greater_equal(
            random.uniform(shape, dtype=self.compute_dtype, seed=self.seed_generator), rate
        )

    def _current_keeps(self, inputs: Any, training: bool) -> tuple[Any, Any]:
        if self._keeps is not None:
            return self._keeps
        return self._draw_keeps(inputs.shape[0], inputs.shape[-1], training)

    def _product(self, x: Any, keep: Any, rate: float, kernel: Any, gates: range | None = None) -> Any:
        """x · kernel for some gates, (batch, gates·units), with x as each gate sees it."""
        gates = range(self.gates) if gates is None else gates
        if keep is None or keep.shape[1] == 1:
            seen = x if keep is None else dropped(x, keep[:, 0], rate)
            return ops.matmul(seen, kernel[:, gates.start * self.units : gates.stop * self.units])
        products = [
            ops.matmul(
                dropped(x, keep[:, gate], rate), kernel[:, gate * self.units : (gate + 1) * self.units]
            )
            for gate in gates
        ]
        return ops.concatenate(products, axis=-1)

    # --- the whole sequence at once -------------------------------------------------------------------------

    def kernel_attributes(self) -> dict[str, Any] | None:
        """What the engine's kernel needs to know of the cell; None where it cannot compute the cell."""
        activation = _KERNEL_ACTIVATIONS.get(self.activation)
        return None if activation is None else {"activation": activation}

    def run_sequence(
        self,
        sequences: Any,
        states: Sequence[Any],
        mask: Any,
        go_backwards: bool,
        training: bool,
        attributes: dict[str, Any],
    ) -> tuple[Any, list[Any]]:
        """All timesteps in one op of the engine: outputs in the order of processing, and the last states."""
        assert self._keeps is not None
        keep, recurrent_keep = self._keeps
        kernel = ops.convert_to_tensor(self.kernel)
        if keep is not None:
            sequences, kernel = self._dropped_sequences(sequences, keep, kernel)
        bias = (
            ops.zeros(self.bias_shape(), self.compute_dtype)
            if self.bias is None
            else ops.convert_to_tensor(self.bias)
        )
        inputs = [sequences, kernel, ops.convert_to_tensor(self.recurrent_kernel), bias, *states]
        inputs += [extra for extra in (mask, recurrent_keep) if extra is not None]
        sequence, *last_states = record_several(
            self.kernel_name,
            inputs,
            go_backwards=go_backwards,
            training=training,
            has_mask=mask is not None,
            recurrent_dropout=self.recurrent_dropout if recurrent_keep is not None else 0.0,
            **attributes,
        )[: 1 + self.states]
        return sequence, last_states

    def _dropped_sequences(self, sequences: Any, keep: Any, kernel: Any) -> tuple[Any, Any]:
        """The sequences under dropout, and the kernel for them."""
        seen = [dropped(sequences, keep[:, gate : gate + 1], self.dropout) for gate in range(keep.shape[1])]
        if len(seen) == 1:
            return seen[0], kernel
        # Each gate has inputs of its own: side by side, against a kernel with the gates on its diagonal.
        gate_of_column = ops.floor_divide(ops.arange(self.gates * self.units), self.units)
        blocks = [ops.where(ops.equal(gate_of_column, gate), kernel, 0.0) for gate in range(self.gates)]
        return ops.concatenate(seen, axis=-1), ops.concatenate(blocks, axis=0)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "units": self.units,
            "activation": activations.serialize(self.activation),
            "use_bias": self.use_bias,
            "kernel_initializer": initializers.serialize(self.kernel_initializer),
            "recurrent_initializer": initializers.serialize(self.recurrent_initializer),
            "bias_initializer": initializers.serialize(self.bias_initializer),
            "kernel_regularizer": regularizers.serialize(self.kernel_regularizer),
            "recurrent_regularizer": regularizers.serialize(self.recurrent_regularizer),
            "bias_regularizer": regularizers.serialize(self.bias_regularizer),
            "kernel_constraint": constraints.serialize(self.kernel_constraint),
            "recurrent_constraint": constraints.serialize(self.recurrent_constraint),
            "bias_constraint": constraints.serialize(self.bias_constraint),
            "dropout": self.dropout,
            "recurrent_dropout": self.recurrent_dropout,
            "seed": self.seed,
        }


class GatedCell(RecurrentCell):
    """A cell whose gates have an activation of their own."""

    def __init__(self, units: int, recurrent_activation: Any, **kwargs: Any) -> None:
        super().__init__(units, **kwargs)
        self.recurrent_activation = activations.get(recurrent_activation)

    def kernel_attributes(self) -> dict[str, Any] | None:
        attributes = super().kernel_attributes()
        recurrent_activation = _KERNEL_ACTIVATIONS.get(self.recurrent_activation)
        if attributes is None or recurrent_activation is None:
            return None
        return {**attributes, "recurrent_activation": recurrent_activation}

    def get_config(self) -> dict[str, Any]:
        recurrent_activation = activations.serialize(self.recurrent_activation)
        return {**super().get_config(), "recurrent_activation": recurrent_activation}


def dropped(x: Any, keep: Any, rate: float) -> Any:
    """x where it is kept, scaled by 1 / (1 - rate), else 0."""
    return ops.where(keep, x * (1.0 / (1.0 - rate)), 0.0)
