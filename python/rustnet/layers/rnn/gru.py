"""The layer of gated recurrent units."""

from __future__ import annotations

from typing import Any

from rustnet import ops
from rustnet.layers.rnn.cell import GatedCell
from rustnet.layers.rnn.rnn import CellRNN, cell_arguments


class GRUCell(GatedCell):
    """One timestep of `GRU`: `cell(inputs (batch, features), states) -> (output, new_states)`.

    Arguments: as for `GRU`.

    Example:
        >>> output, states = GRUCell(4)(ops.ones((2, 5)), [ops.zeros((2, 4))])
        >>> output.shape
        (2, 4)

    Source: https://keras.io/api/layers/recurrent_layers/gru_cell/
    """

    gates = 3
    kernel_name = "gru"

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
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
        reset_after: bool = True,
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
        self.reset_after = bool(reset_after)

    def bias_shape(self) -> tuple[int, ...]:
        return (2, self.gates * self.units) if self.reset_after else (self.gates * self.units,)

    def call(self, inputs: Any, states: Any, training: bool = False) -> Any:
        (h,) = states
        keep, recurrent_keep = self._current_keeps(inputs, training)
        x = self._product(inputs, keep, self.dropout, self.kernel)
        bias, recurrent_bias = self._biases()
        if bias is not None:
            x = x + bias
        x_z, x_r, x_g = ops.split(x, 3, axis=-1)

        def recurrent(h: Any, gates: range) -> Any:
            product = self._product(h, recurrent_keep, self.recurrent_dropout, self.recurrent_kernel, gates)
            return product if recurrent_bias is None else product + recurrent_bias

        if self.reset_after:
            h_z, h_r, h_g = ops.split(recurrent(h, range(3)), 3, axis=-1)
            candidate = self.recurrent_activation(x_r + h_r) * h_g
        else:
            h_z, h_r = ops.split(recurrent(h, range(2)), 2, axis=-1)
            candidate = recurrent(self.recurrent_activation(x_r + h_r) * h, range(2, 3))
        z = self.recurrent_activation(x_z + h_z)
        h = z * h + (1.0 - z) * self.activation(x_g + candidate)
        return h, [h]

    def _biases(self) -> tuple[Any, Any]:
        """b and b′, None where the cell has none."""
        if self.bias is None:
            return None, None
        bias = ops.convert_to_tensor(self.bias)
        return (bias[0], bias[1]) if self.reset_after else (bias, None)

    def kernel_attributes(self) -> dict[str, Any] | None:
        attributes = super().kernel_attributes()
        return None if attributes is None else {**attributes, "reset_after": self.reset_after}

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "reset_after": self.reset_after}


class GRU(CellRNN):
    """The layer of gated recurrent units.

    z, r = σ(x·W + b + h·U + b′), g = φ(x·W + b + r·(h·U + b′)), h ← z·h + (1 - z)·g, with the gates' columns
    in the order z, r, g. With `reset_after=False`, g = φ(x·W + b + (r·h)·U), and there is no b′.

    Arguments:
        units: size of the state and the output.
        activation: φ, a name or a function; default tanh.
        recurrent_activation: σ, default sigmoid.
        use_bias: default True.
        kernel_initializer, recurrent_initializer, bias_initializer: glorot_uniform, orthogonal, zeros.
        kernel_regularizer, recurrent_regularizer, bias_regularizer, activity_regularizer: None.
        kernel_constraint, recurrent_constraint, bias_constraint: default None.
        dropout, recurrent_dropout: the fractions of inputs and of units of h that are dropped in training,
            the same ones at every timestep.
        reset_after: whether the reset gate comes after the recurrent product; default True.
        seed: of dropout, an int or None.
        return_sequences, return_state, go_backwards, stateful, unroll: see `RNN`.
        kwargs: see `RNN`.

    Call arguments: see `RNN`.

    Raises:
        ValueError: units that are no positive int, an unknown name, inputs that are not of 3 axes.

    Example:
        >>> GRU(4)(ops.ones((2, 3, 5))).shape
        (2, 4)

    Source: Cho et al. 2014, https://arxiv.org/abs/1406.1078; https://keras.io/api/layers/recurrent_layers/gru/
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
        reset_after: bool = True,
        **kwargs: Any,
    ) -> None:
        arguments = cell_arguments(
            "gru_cell",
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
            reset_after=reset_after,
        )
        super().__init__(
            GRUCell(**arguments),
            return_sequences,
            return_state,
            go_backwards,
            stateful,
            unroll,
            activity_regularizer=activity_regularizer,
            **kwargs,
        )
