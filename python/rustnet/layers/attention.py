"""Attention: each position of a sequence reads a mixture of the positions of another."""

from __future__ import annotations

import math
from typing import Any

from rustnet import constraints, initializers, ops, regularizers
from rustnet.layers.layer import Layer
from rustnet.layers.regularization import Dropout

# What stands for the logit of a position that may not be read; its exponential is 0 beside any other.
_MASKED = -1e30


class _Projection(Layer):
    """A product over the last axes of the input, as many as `kernel_rank` says: (…, *in) → (…, *sizes)."""

    def __init__(
        self,
        sizes: tuple[int, ...],
        contracted: int,
        use_bias: bool,
        kernel_initializer: Any,
        bias_initializer: Any,
        kernel_regularizer: Any,
        bias_regularizer: Any,
        kernel_constraint: Any,
        bias_constraint: Any,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        # The layer around it makes use of the masks.
        self.supports_masking = True
        self.sizes = sizes
        self.contracted = contracted
        self.use_bias = use_bias
        self.kernel_initializer = kernel_initializer
        self.bias_initializer = bias_initializer
        self.kernel_regularizer = kernel_regularizer
        self.bias_regularizer = bias_regularizer
        self.kernel_constraint = kernel_constraint
        self.bias_constraint = bias_constraint

    def build(self, input_shape: Any) -> None:
        inner = tuple(input_shape[-self.contracted :])
        if None in inner:
            raise ValueError(
                f"layer '{self.name}' expected a known last size. Received: input_shape={tuple(input_shape)}"
            )
        self.kernel = self.add_weight(
            (*inner, *self.sizes),
            self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
            name="kernel",
        )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                self.sizes,
                self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
                name="bias",
            )

    def call(self, inputs: Any) -> Any:
        columns = math.prod(self.sizes)
        lead = tuple(inputs.shape[: -self.contracted])
        flat = ops.reshape(inputs, (*lead, math.prod(inputs.shape[-self.contracted :])))
        x = ops.matmul(flat, ops.reshape(self.kernel, (-1, columns)))
        if self.bias is not None:
            x = ops.add(x, ops.reshape(self.bias, (columns,)))
        return ops.reshape(x, (*lead, *self.sizes))


class MultiHeadAttention(Layer):
    """`softmax(Q Kᵀ / √key_dim) V` for each of several heads, mixed: Q, K and V are projections of inputs.

    Arguments:
        num_heads: 1 or more.
        key_dim: the size of a head's queries and keys.
        value_dim: the size of a head's values, default `key_dim`.
        dropout: of the attention scores in training, default 0.
        use_bias: whether the projections have biases, default True.
        output_shape: the last size(s) of the output, default that of the queries.
        attention_axes: the axis that is attended over, 1 (the default): others are not offered.
        sliding_window: positions further apart than this less 1 do not see each other, default none.
        flash_attention: accepted where it is not True: there is one way to compute it.
        kernel_initializer: default `"glorot_uniform"`.
        bias_initializer: default `"zeros"`.
        kernel_regularizer, bias_regularizer, activity_regularizer: default none.
        kernel_constraint, bias_constraint: default none.
        use_gate: whether a sigmoid of the queries scales each head's result, default False.
        seed: of the dropout, an int, or None.
        kwargs: see `Layer`.

    Called with `query` (B, T, D), `value` (B, S, E) and `key` (B, S, F), by default the values. Further
    arguments are `attention_mask`, which broadcasts to (B, T, S) or (B, heads, T, S) and is true where a
    query may see a key; `use_causal_mask`, so that a query sees no later key; `return_attention_scores`, so
    that these, (B, heads, T, S), are a second output. Masks that the inputs carry count too. The output is
    (B, T, D), or ends in `output_shape`.

    Raises:
        ValueError: an argument out of its domain; when it is called, inputs that are not of rank 3, or keys
            and values of different lengths.

    Example:
        >>> MultiHeadAttention(2, 8)(ops.ones((4, 5, 16)), ops.ones((4, 7, 16))).shape
        (4, 5, 16)

    Source: Vaswani et al. 2017, https://arxiv.org/abs/1706.03762
    """

    def __init__(
        self,
        num_heads: int,
        key_dim: int,
        value_dim: int | None = None,
        dropout: float = 0.0,
        use_bias: bool = True,
        output_shape: Any = None,
        attention_axes: Any = None,
        sliding_window: int | None = None,
        flash_attention: bool | None = None,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        use_gate: bool = False,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self.num_heads = _positive("num_heads", num_heads)
        self.key_dim = _positive("key_dim", key_dim)
        self.value_dim = self.key_dim if value_dim is None else _positive("value_dim", value_dim)
        self.dropout = dropout
        self.use_bias = bool(use_bias)
        sizes = output_shape if isinstance(output_shape, (list, tuple)) else (output_shape,)
        self._output_shape = (
            None if output_shape is None else tuple(_positive("output_shape", size) for size in sizes)
        )
        axes = attention_axes if isinstance(attention_axes, (list, tuple)) else (attention_axes,)
        if tuple(axes) not in ((None,), (1,), (-2,)):
            raise ValueError(
                "expected attention over axis 1 of inputs of rank 3. "
                f"Received: attention_axes={attention_axes!r}"
            )
        if flash_attention:
            raise ValueError(
                f"expected flash_attention to be None or False. Received: flash_attention={flash_attention!r}"
            )
        self.attention_axes = attention_axes
        self.sliding_window = None if sliding_window is None else _positive("sliding_window", sliding_window)
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.bias_constraint = constraints.get(bias_constraint)
        self.use_gate = bool(use_gate)
        self.seed = seed
        self.supports_masking = True
        self._dropout_layer = Dropout(dropout, seed=seed, name="dropout")

    def build(self, query_shape: Any, value_shape: Any, key_shape: Any = None) -> None:
        key_shape = value_shape if key_shape is None else key_shape
        for name, shape in (("query", query_shape), ("value", value_shape), ("key", key_shape)):
            if len(shape) != 3:
                raise ValueError(
                    f"layer '{self.name}' expected {name} of shape (batch, steps, features). "
                    f"Received: {name}.shape={tuple(shape)}"
                )
        heads = (self.num_heads, self.key_dim)
        values = (self.num_heads, self.value_dim)
        self._query_dense = self._projection(heads, 1, "query")
        self._key_dense = self._projection(heads, 1, "key")
        self._gate_dense = self._projection(values, 1, "gate") if self.use_gate else None
        self._value_dense = self._projection(values, 1, "value")
        output_shape = self._output_shape or (query_shape[-1],)
        self._output_dense = self._projection(output_shape, 2, "attention_output")

    @property
    def query_dense(self) -> Layer:
        """The projection of the queries, there once the layer is built."""
        return self._query_dense

    @property
    def key_dense(self) -> Layer:
        """The projection of the keys."""
        return self._key_dense

    @property
    def value_dense(self) -> Layer:
        """The projection of the values."""
        return self._value_dense

    @property
    def output_dense(self) -> Layer:
        """The projection of what the heads read, to the output."""
        return self._output_dense

    def _projection(self, sizes: tuple[int, ...], contracted: int, name: str) -> _Projection:
        return _Projection(
            sizes,
            contracted,
            self.use_bias,
            _another(self.kernel_initializer),
            _another(self.bias_initializer),
            self.kernel_regularizer,
            self.bias_regularizer,
            self.kernel_constraint,
            self.bias_constraint,
            dtype=self.dtype,
            name=name,
        )

    def call(
        self,
        query: Any,
        value: Any,
        key: Any = None,
        query_mask: Any = None,
        value_mask: Any = None,
        key_mask: Any = None,
        attention_mask: Any = None,
        return_attention_scores: bool = False,
        training: bool = False,
        use_causal_mask: bool = False,
    ) -> Any:
        key = value if key is None else key
        if key.shape[1] != value.shape[1]:
            raise ValueError(
                f"layer '{self.name}' expected keys and values of one length. "
                f"Received: key.shape={tuple(key.shape)}, value.shape={tuple(value.shape)}"
            )
        mask = _merged(
            [
                None if query_mask is None else ops.expand_dims(query_mask, -1),
                None if value_mask is None else ops.expand_dims(value_mask, 1),
                None if key_mask is None else ops.expand_dims(key_mask, 1),
                self._distance_mask(query.shape[1], value.shape[1], use_causal_mask),
                attention_mask,
            ]
        )
        # (B, T, heads, key_dim) → (B, heads, T, key_dim), and the keys (B, heads, key_dim, S).
        queries = ops.transpose(self._query_dense(query), (0, 2, 1, 3))
        keys = ops.transpose(self._key_dense(key), (0, 2, 3, 1))
        values = ops.transpose(self._value_dense(value), (0, 2, 1, 3))
        logits = ops.matmul(queries * (1 / math.sqrt(self.key_dim)), keys)
        if mask is not None:
            # A mask of rank 3 is that of all heads.
            mask = ops.expand_dims(mask, -3) if len(mask.shape) == 3 else mask
            logits = ops.where(mask, logits, _MASKED)
        scores = ops.softmax(logits)
        weights = self._dropout_layer(scores, training=training) if self._dropout_layer.rate else scores
        outputs = ops.transpose(ops.matmul(weights, values), (0, 2, 1, 3))
        if self._gate_dense is not None:
            outputs = outputs * ops.sigmoid(self._gate_dense(query))
        outputs = self._output_dense(outputs)
        return (outputs, scores) if return_attention_scores else outputs

    def _distance_mask(self, queries: int, keys: int, is_causal: bool) -> Any:
        """(1, T, S): which keys are near enough to a query, and not after it."""
        if not is_causal and self.sliding_window is None:
            return None
        rows = ops.expand_dims(ops.arange(queries, dtype="int32"), (0, 2))
        columns = ops.expand_dims(ops.arange(keys, dtype="int32"), (0, 1))
        near = None
        if self.sliding_window is not None:
            near = ops.less(ops.abs(rows - columns), self.sliding_window)
        return _merged([near, ops.greater_equal(rows, columns) if is_causal else None])

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            "key_dim": self.key_dim,
            "value_dim": self.value_dim,
            "dropout": self.dropout,
            "use_bias": self.use_bias,
            "output_shape": self._output_shape,
            "attention_axes": self.attention_axes,
            "sliding_window": self.sliding_window,
            "kernel_initializer": initializers.serialize(self.kernel_initializer),
            "bias_initializer": initializers.serialize(self.bias_initializer),
            "kernel_regularizer": regularizers.serialize(self.kernel_regularizer),
            "bias_regularizer": regularizers.serialize(self.bias_regularizer),
            "activity_regularizer": regularizers.serialize(self.activity_regularizer),
            "kernel_constraint": constraints.serialize(self.kernel_constraint),
            "bias_constraint": constraints.serialize(self.bias_constraint),
            "use_gate": self.use_gate,
            "seed": self.seed,
        }


def _positive(name: str, value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"expected {name} to be an int of 1 or more. Received: {name}={value!r}")
    return value


def _another(initializer: Any) -> Any:
    """An initializer of the same configuration that draws numbers of its own."""
    if not hasattr(initializer, "get_config"):
        return initializer
    return type(initializer).from_config(initializer.get_config())


def _merged(masks: list[Any]) -> Any:
    """Where all of the masks that there are hold; None where there is none."""
    merged = None
    for mask in masks:
        if mask is not None:
            mask = ops.cast(mask, "bool")
            merged = mask if merged is None else ops.logical_and(merged, mask)
    return merged
