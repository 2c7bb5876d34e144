"""The fully connected recurrent layer."""

from __future__ import annotations

from typing import Any

from rustnet.layers.rnn.cell import RecurrentCell
from rustnet.layers.rnn.rnn import CellRNN, cell_arguments


class SimpleRNNCell(RecurrentCell):
    """One timestep of `SimpleRNN`: `cell(inputs (batch, features), states) -> (output, new_states)`.

    Arguments: as for `SimpleRNN`.

    Example:
        >>> output, states = SimpleRNNCell(4)(ops.ones((2, 5)), [ops.zeros((2, 4))])
        >>> output.shape
        (2, 4)

    Source: https://keras.io/api/layers/recurrent_layers/simple_rnn_cell/
    """

    gates = 1
    kernel_name = "simple_rnn"

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
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

    def call(self, inputs: Any, states: Any, training: bool = False) -> Any:
        (h,) = states
        keep, recurrent_keep = self._current_keeps(inputs, training)
        z = self._product(inputs, keep, self.dropout, self.kernel)
        z = z + self._product(h, recurrent_keep, self.recurrent_dropout, self.recurrent_kernel)
        if self.bias is not None:
            z = z + self.bias
        h = self.activation(z)
        return h, [h]


class SimpleRNN(CellRNN):
    """The fully connected recurrent layer.

    h ← φ(x·W + h·U + b)

    Arguments:
        units: size of the state and the output.
        activation: φ, a name or a function; default tanh.
        use_bias: default True.
        kernel_initializer, recurrent_initializer, bias_initializer: glorot_uniform, orthogonal, zeros.
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
        >>> SimpleRNN(4)(ops.ones((2, 3, 5))).shape
        (2, 4)

    Source: Elman 1990, https://doi.org/10.1016/0364-0213(90)90002-E;
    https://keras.io/api/layers/recurrent_layers/simple_rnn/
    """

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        arguments = cell_arguments(
            "simple_rnn_cell",
            kwargs,
            units=units,
            activation=activation,
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
        )
        super().__init__(
            SimpleRNNCell(**arguments),
            return_sequences,
            return_state,
            go_backwards,
            stateful,
            unroll,
            activity_regularizer=activity_regularizer,
            **kwargs,
        )
