"""Vectors for token ids."""

from __future__ import annotations

from typing import Any

from rustnet import constraints, initializers, ops, regularizers
from rustnet.core.convert import as_index, tensor
from rustnet.core.trace import record
from rustnet.layers.core import full_weights
from rustnet.layers.layer import Layer


class Embedding(Layer):
    """The rows of a table of vectors, `embeddings[inputs]`.

    Arguments:
        input_dim: number of rows, 1 more than the largest id.
        output_dim: length of a vector.
        embeddings_initializer: default `"uniform"`, from -0.05 to 0.05.
        embeddings_regularizer, embeddings_constraint: default none.
        mask_zero: whether id 0 is padding, which later layers skip by the mask; default False.
        weights: the table to start with, (input_dim, output_dim); default none.
        lora_rank, lora_alpha, quantization_config: accepted where None.
        input_length: the length of the sequences: a Sequential model that this layer begins knows its input.
        kwargs: see `Layer`.

    Input ids of any shape, output (…, output_dim); weight `embeddings` (input_dim, output_dim).

    Raises:
        ValueError: an argument out of its domain; when it runs, an id below 0 or not below `input_dim`, named
            with its position.

    Example:
        >>> layer = Embedding(3, 2, weights=[[0.0, 0.0], [1.0, 2.0], [3.0, 4.0]])
        >>> layer(ops.convert_to_tensor([[2, 1]])).numpy().tolist()
        [[[3.0, 4.0], [1.0, 2.0]]]

    Source: https://keras.io/api/layers/core_layers/embedding/
    """

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        embeddings_initializer: Any = "uniform",
        embeddings_regularizer: Any = None,
        embeddings_constraint: Any = None,
        mask_zero: bool = False,
        weights: Any = None,
        lora_rank: int | None = None,
        lora_alpha: int | None = None,
        quantization_config: Any = None,
        input_length: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        # Ids are checked as they were given, not as floats of another dtype.
        self._autocast = False
        for name, value in (("input_dim", input_dim), ("output_dim", output_dim)):
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise ValueError(f"expected {name} to be an int of 1 or more. Received: {name}={value!r}")
        full_weights(lora_rank, lora_alpha, quantization_config)
        if input_length is not None and self._batch_input_shape is None:
            lengths = input_length if isinstance(input_length, (list, tuple)) else (input_length,)
            self._batch_input_shape = (None, *lengths)
        self.input_dim = input_dim
        self.output_dim = output_dim
        self.embeddings_initializer = initializers.get(embeddings_initializer)
        self.embeddings_regularizer = regularizers.get(embeddings_regularizer)
        self.embeddings_constraint = constraints.get(embeddings_constraint)
        self.mask_zero = bool(mask_zero)
        self.supports_masking = self.mask_zero
        if weights is not None:
            self.build()
            self.set_weights(weights if isinstance(weights, list) and len(weights) == 1 else [weights])

    def build(self, input_shape: Any = None) -> None:
        if self.built:
            return
        self.embeddings = self.add_weight(
            (self.input_dim, self.output_dim),
            self.embeddings_initializer,
            regularizer=self.embeddings_regularizer,
            constraint=self.embeddings_constraint,
            name="embeddings",
        )

    def call(self, inputs: Any) -> Any:
        return record("gather", [tensor(self.embeddings), as_index(inputs)], axis=0)

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        return ops.not_equal(inputs, 0) if self.mask_zero else None

    def compute_output_shape(self, input_shape: Any) -> Any:
        return (*input_shape, self.output_dim)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "input_dim": self.input_dim,
            "output_dim": self.output_dim,
            "embeddings_initializer": initializers.serialize(self.embeddings_initializer),
            "embeddings_regularizer": regularizers.serialize(self.embeddings_regularizer),
            "activity_regularizer": regularizers.serialize(self.activity_regularizer),
            "embeddings_constraint": constraints.serialize(self.embeddings_constraint),
            "mask_zero": self.mask_zero,
            "quantization_config": None,
        }
