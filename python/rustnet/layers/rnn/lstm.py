"""The long short-term memory layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rustnet import ops
from rustnet.layers.rnn.cell import GatedCell
from rustnet.layers.rnn.rnn import CellRNN, cell_arguments


class LSTMCell(GatedCell):
    """One timestep of `LSTM`: `cell(inputs (batch, features), states) -> (output, new_states)`.

    Arguments: as for `LSTM`.

    Example:
        >>> output, states = LSTMCell(4)(ops.ones((2, 5)), [ops.zeros((2, 4))] * 2)
        >>> output.shape
        (2, 4)

    Source: https://keras.io/api/layers/recurrent_layers/lstm_cell/
    """

    gates = 4
    kernel_name = "lstm"
    states = 2

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        unit_forget_bias: bool = True,
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            units=units,
            activation=activation,
            recurrent_activation=recurrent_activation,
            use_bias=use_bias,
            kernel_initializer=kernel_initializer,
            recurrent_initializer=recurrent_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            recurrent_regularizer=recurrent_regularizer,
            bias_regularizer=bias_regularizer,
            kernel_constraint=kernel_constraint,
            recurrent_constraint=recurrent_constraint,
            bias_constraint=bias_constraint,
            dropout=dropout,
            recurrent_dropout=recurrent_dropout,
            seed=seed,
            **kwargs,
        )
        self.unit_forget_bias = bool(unit_forget_bias)

    def bias_initial_values(self, shape: Sequence[int], dtype: str | None = None) -> Any:
        values = np.array(self.bias_initializer(shape, dtype))
        if self.unit_forget_bias:
            values[self.units : 2 * self.units] = 1.0
        return values

    def call(self, inputs: Any, states: Any, training: bool = False) -> Any:
        h, c = states
        keep, recurrent_keep = self._current_keeps(inputs, training)
        z = self._product(inputs, keep, self.dropout, self.kernel)
        z = z + self._product(h, recurrent_keep, self.recurrent_dropout, self.recurrent_kernel)
        if self.bias is not None:
            z = z + self.bias
        i, f, g, o = ops.split(z, 4, axis=-1)
        c = self.recurrent_activation(f) * c + self.recurrent_activation(i) * self.activation(g)
        h = self.recurrent_activation(o) * self.activation(c)
        return h, [h, c]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "unit_forget_bias": self.unit_forget_bias}


class LSTM(CellRNN):
    """The long short-term memory layer.

    i, f, o = σ(x·W + h·U + b), g = φ(x·W + h·U + b), c ← f·c + i·g, h ← o·φ(c), with the gates' columns in
    the order i, f, g, o.

    Arguments:
        units: size of the state and the output.
        activation: φ, a name or a function; default tanh.
        recurrent_activation: σ, default sigmoid.
        use_bias: default True.
        kernel_initializer, recurrent_initializer, bias_initializer: glorot_uniform, orthogonal, zeros.
        unit_forget_bias: the bias of the forget gate starts as 1; default True.
        kernel_regularizer, recurrent_regularizer, bias_regularizer, activity_regularizer: None.
        kernel_constraint, recurrent_constraint, bias_constraint: default None.
        dropout, recurrent_dropout: the fractions of inputs and of units of h that are dropped in training,
            the same ones at every timestep.
        seed: of dropout, an int or None.
        return_sequences, return_state, go_backwards, stateful, unroll: see `RNN`.
        kwargs: see `RNN`.

    Call arguments: see `RNN`.

    Raises:
        ValueError: units that are no positive int, an unknown name, inputs that are not of 3 axes.

    Example:
        >>> LSTM(4)(ops.ones((2, 3, 5))).shape
        (2, 4)

    Source: Hochreiter & Schmidhuber 1997, https://doi.org/10.1162/neco.1997.9.8.1735;
    https://keras.io/api/layers/recurrent_layers/lstm/
    """

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        unit_forget_bias: bool = True,
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        **kwargs: Any,
    ) -> None:
        arguments = cell_arguments(
            "lstm_cell",
            kwargs,
            units=units,
            activation=activation,
            recurrent_activation=recurrent_activation,
            use_bias=use_bias,
            kernel_initializer=kernel_initializer,
            recurrent_initializer=recurrent_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            recurrent_regularizer=recurrent_regularizer,
            bias_regularizer=bias_regularizer,
            kernel_constraint=kernel_constraint,
            recurrent_constraint=recurrent_constraint,
            bias_constraint=bias_constraint,
            dropout=dropout,
            recurrent_dropout=recurrent_dropout,
            seed=seed,
            unit_forget_bias=unit_forget_bias,
        )
        super().__init__(
            LSTMCell(**arguments),
            return_sequences,
            return_state,
            go_backwards,
            stateful,
            unroll,
            activity_regularizer=activity_regularizer,
            **kwargs,
        )
