"""A cell applied to every timestep of a sequence."""

from __future__ import annotations

from typing import Any

from rustnet import ops, regularizers
from rustnet.core import structure
from rustnet.core.dtypes import is_float
from rustnet.core.trace import unknown_size
from rustnet.core.variable import Variable
from rustnet.layers.description import describe, layer_from
from rustnet.layers.input_spec import InputSpec
from rustnet.layers.layer import Layer
from rustnet.layers.masks import fitting_mask
from rustnet.layers.rnn.cell import RecurrentCell
from rustnet.layers.state import StateOwner


class RNN(Layer):
    """Applies a cell to every timestep of sequences (batch, timesteps, features).

    Cells of this package run as one op of the engine; any other cell, and any activation that the engine's
    kernels do not know, is unrolled into ops.

    Arguments:
        cell: a layer with `call(inputs, states) -> (output, new_states)` and `state_size` (an int or a list
            of ints).
        return_sequences: every output (batch, timesteps, units) instead of the last one (batch, units).
        return_state: also the last state(s), each (batch, units).
        go_backwards: from the last timestep to the first; the outputs are in that order.
        stateful: start each batch with the last states of the one before; needs a known batch size.
        unroll: accepted; needs a known number of timesteps.
        zero_output_for_mask: outputs at masked timesteps are 0 instead of the previous output.
        kwargs: see `Layer`.

    Call arguments: `sequences`; `initial_state`, a list of tensors (batch, units); `mask` (batch, timesteps),
    False where a timestep is skipped; `training`.

    Raises:
        ValueError: a cell without `call` or `state_size`; stateful with an unknown or another batch size.

    Example:
        >>> RNN(SimpleRNNCell(4), return_sequences=True)(ops.ones((2, 3, 5))).shape
        (2, 3, 4)

    Source: https://keras.io/api/layers/recurrent_layers/rnn/
    """

    # The mask says which timesteps count; the states that may be passed beside the sequence have none.
    _mask_is_of_first = True
    # States between batches are not weights.
    _NOT_STATE = StateOwner._NOT_STATE | {"states"}

    def __init__(
        self,
        cell: Any,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        zero_output_for_mask: bool = False,
        **kwargs: Any,
    ) -> None:
        for needed in ("call", "state_size"):
            if not hasattr(cell, needed):
                raise ValueError(f"expected cell to have `{needed}`. Received: cell={cell!r}")
        super().__init__(**kwargs)
        self.cell = cell
        self.return_sequences = return_sequences
        self.return_state = return_state
        self.go_backwards = go_backwards
        self.stateful = stateful
        self.unroll = unroll
        self.zero_output_for_mask = zero_output_for_mask
        self.supports_masking = True
        self.states: list[Variable] | None = None
        self.input_spec = InputSpec(min_ndim=3)

    @property
    def state_size(self) -> list[int]:
        """The size of each state."""
        size = self.cell.state_size
        return list(size) if isinstance(size, (list, tuple)) else [size]

    def build(self, sequences_shape: Any, initial_state_shape: Any = None) -> None:
        if isinstance(self.cell, Layer) and not self.cell.built:
            self.cell._path = f"{self._path}/{self.cell.name}"
            self.cell.build((sequences_shape[0], *sequences_shape[2:]))
        if self.stateful:
            if sequences_shape[0] is None:
                raise ValueError(
                    f"layer '{self.name}' with stateful=True expected a known batch size, such as in "
                    f"Input(batch_shape=...). Received: shape={tuple(sequences_shape)}"
                )
            self.states = [
                Variable("zeros", (sequences_shape[0], size), self.variable_dtype, False, name="rnn_state")
                for size in self.state_size
            ]

    def get_initial_state(self, batch_size: int) -> list[Any]:
        """The states before the first timestep."""
        if hasattr(self.cell, "get_initial_state"):
            return _as_list(self.cell.get_initial_state(batch_size=batch_size))
        return [ops.zeros((batch_size, size), self.compute_dtype) for size in self.state_size]

    def reset_state(self) -> None:
        """Sets the states of a stateful layer to zero."""
        for state in self.states or ():
            state.assign(ops.zeros(state.shape, state.dtype))

    reset_states = reset_state

    def call(
        self, sequences: Any, initial_state: Any = None, mask: Any = None, training: bool = False
    ) -> Any:
        if self.unroll and sequences.shape[1] == unknown_size():
            raise ValueError("unroll=True expected a known number of timesteps. Received: timesteps=None")
        if not is_float(sequences.dtype):
            sequences = ops.cast(sequences, self.compute_dtype)
        states = self._first_states(sequences, initial_state)
        mask = structure.flatten(mask)[0]
        if mask is not None:
            mask = ops.cast(fitting_mask(mask, sequences, self.name), "bool")
        outputs, states = self._run(sequences, states, mask, training)
        zeroed = mask is not None and self.zero_output_for_mask
        if zeroed:
            order = ops.flip(mask, axis=1) if self.go_backwards else mask
            outputs = ops.where(ops.expand_dims(order, -1), outputs, 0.0)
        if self.states is not None:
            for variable, state in zip(self.states, states, strict=True):
                variable.assign(state)
        if self.return_sequences:
            output = outputs
        elif zeroed or not self._runs_as_one_op():
            output = outputs[:, -1]
        else:
            # The same numbers; but the gradient of one of all outputs would be a gradient of all of them.
            output = states[0]
        return (output, *states) if self.return_state else output

    def _first_states(self, sequences: Any, initial_state: Any) -> list[Any]:
        batch = sequences.shape[0]
        if self.states is not None and self.states[0].shape[0] != batch:
            raise ValueError(
                f"a stateful layer expected the batch size it was built with, {self.states[0].shape[0]}. "
                f"Received: batch size={batch}"
            )
        if initial_state is None:
            initial_state = self.get_initial_state(batch) if self.states is None else self.states
        states = [ops.cast(state, self.compute_dtype) for state in _as_list(initial_state)]
        expected = [(batch, size) for size in self.state_size]
        if [state.shape for state in states] != expected:
            raise ValueError(
                f"expected initial_state of shapes {expected}. Received: {[state.shape for state in states]}"
            )
        return states

    def _run(self, sequences: Any, states: list[Any], mask: Any, training: bool) -> tuple[Any, list[Any]]:
        """The outputs in the order of processing, and the last states."""
        if not isinstance(self.cell, RecurrentCell):
            return self._run_unrolled(sequences, states, mask, training)
        with self.cell.same_dropout(sequences.shape[0], sequences.shape[-1], training):
            attributes = self.cell.kernel_attributes()
            if attributes is None:
                return self._run_unrolled(sequences, states, mask, training)
            return self.cell.run_sequence(sequences, states, mask, self.go_backwards, training, attributes)

    def _runs_as_one_op(self) -> bool:
        return isinstance(self.cell, RecurrentCell) and self.cell.kernel_attributes() is not None

    def _run_unrolled(
        self, sequences: Any, states: list[Any], mask: Any, training: bool
    ) -> tuple[Any, list[Any]]:
        steps = sequences.shape[1]
        # Where only shapes are asked for, one step tells them.
        unknown = steps == unknown_size()
        times = range(1 if unknown else steps)
        outputs = []
        for time in reversed(times) if self.go_backwards else times:
            inputs = sequences[:, time]
            output, new_states = (
                self.cell(inputs, states, training=training)
                if isinstance(self.cell, Layer)
                else self.cell(inputs, states)
            )
            new_states = _as_list(new_states)
            if mask is not None:
                present = ops.expand_dims(mask[:, time], -1)
                output = ops.where(present, output, states[0])
                new_states = [
                    ops.where(present, new, old) for new, old in zip(new_states, states, strict=True)
                ]
            states = new_states
            outputs.append(output)
        sequence = ops.stack(outputs, axis=1)
        return (ops.repeat(sequence, steps, axis=1) if unknown else sequence), states

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        mask = structure.flatten(previous_mask)[0]
        output_mask = mask if self.return_sequences else None
        return [output_mask, *(None for _ in self.state_size)] if self.return_state else output_mask

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self._own_config(), "cell": describe(self.cell)}

    def _own_config(self) -> dict[str, Any]:
        return {
            "return_sequences": self.return_sequences,
            "return_state": self.return_state,
            "go_backwards": self.go_backwards,
            "stateful": self.stateful,
            "unroll": self.unroll,
            "zero_output_for_mask": self.zero_output_for_mask,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> RNN:
        return cls(**{**config, "cell": layer_from(config["cell"])})


class CellRNN(RNN):
    """An `RNN` made from its cell's arguments: the base of `SimpleRNN`, `GRU` and `LSTM`."""

    def __init__(
        self,
        cell: RecurrentCell,
        return_sequences: bool,
        return_state: bool,
        go_backwards: bool,
        stateful: bool,
        unroll: bool,
        **kwargs: Any,
    ) -> None:
        super().__init__(cell, return_sequences, return_state, go_backwards, stateful, unroll, **kwargs)
        self.input_spec = InputSpec(ndim=3)

    def build(self, sequences_shape: Any, initial_state_shape: Any = None) -> None:
        super().build(sequences_shape, initial_state_shape)
        self.input_spec = InputSpec(ndim=3, axes={-1: sequences_shape[-1]})

    def __getattr__(self, name: str) -> Any:
        """`units`, `activation`, … are the cell's."""
        cell = self.__dict__.get("cell")
        if cell is not None and name in cell.get_config():
            return getattr(cell, name)
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")

    def get_config(self) -> dict[str, Any]:
        base = {
            **Layer.get_config(self),
            **self._own_config(),
            "activity_regularizer": regularizers.serialize(self.activity_regularizer),
        }
        return {**self.cell.get_config(), **base}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        return cls(**config)


def cell_arguments(name: str, kwargs: dict[str, Any], **arguments: Any) -> dict[str, Any]:
    """The arguments of a layer's cell: those given, and those of `kwargs` that it shares with the layer."""
    if "implementation" in kwargs:
        arguments["implementation"] = kwargs.pop("implementation")
    # Asks for a library that there is no need of here.
    kwargs.pop("use_cudnn", None)
    return {
        **arguments,
        "dtype": kwargs.get("dtype"),
        "trainable": kwargs.get("trainable", True),
        "name": name,
    }


def _as_list(states: Any) -> list[Any]:
    return list(states) if isinstance(states, (list, tuple)) else [states]
