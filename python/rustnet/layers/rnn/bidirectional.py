"""A recurrent layer run in both directions."""

from __future__ import annotations

from typing import Any

from rustnet import ops
from rustnet.core import structure
from rustnet.layers.description import describe, layer_from
from rustnet.layers.layer import Layer

_MERGE_MODES = ("concat", "sum", "mul", "ave", None)


class Bidirectional(Layer):
    """Runs a recurrent layer forwards and a copy of it backwards, and merges their outputs.

    Where it returns sequences, the outputs at masked timesteps are 0.

    Arguments:
        layer: a recurrent layer; both directions are made anew from its configuration.
        merge_mode: "concat" (default), "sum", "mul", "ave", or None for both outputs.
        weights: initial weights, those of the forward layer first.
        backward_layer: the layer for the other direction, with `go_backwards` set the other way.
        kwargs: see `Layer`.

    Call arguments: as for the layer; the first half of `initial_state` is the forward layer's.

    Raises:
        ValueError: a layer that is not recurrent, an unknown merge mode, directions that do not match.

    Example:
        >>> Bidirectional(LSTM(4))(ops.ones((2, 3, 5))).shape
        (2, 8)

    Source: Schuster & Paliwal 1997, https://doi.org/10.1109/78.650093; https://keras.io/api/layers/recurrent_layers/bidirectional/
    """

    _mask_is_of_first = True

    def __init__(
        self,
        layer: Layer,
        merge_mode: str | None = "concat",
        weights: Any = None,
        backward_layer: Layer | None = None,
        **kwargs: Any,
    ) -> None:
        for name, given in (("layer", layer), ("backward_layer", backward_layer)):
            if given is not None and not (isinstance(given, Layer) and hasattr(given, "go_backwards")):
                raise ValueError(f"expected {name} to be a recurrent layer. Received: {name}={given!r}")
        if merge_mode not in _MERGE_MODES:
            raise ValueError(
                f"expected merge_mode to be one of {_MERGE_MODES}. Received: merge_mode={merge_mode!r}"
            )
        super().__init__(**kwargs)
        self.merge_mode = merge_mode
        self.forward_layer: Any = _copy(layer, "forward_")
        self.backward_layer: Any = (
            _copy(layer, "backward_", go_backwards=True) if backward_layer is None else backward_layer
        )
        self._check_directions()
        directions: tuple[Any, Any] = (self.forward_layer, self.backward_layer)
        for direction in directions:
            if hasattr(direction, "zero_output_for_mask"):
                direction.zero_output_for_mask = direction.return_sequences
        self._initial_weights = weights
        self.return_sequences = self.forward_layer.return_sequences
        self.return_state = self.forward_layer.return_state
        self.stateful = self.forward_layer.stateful
        self.supports_masking = True
        self.input_spec = layer.input_spec

    def _check_directions(self) -> None:
        forward, backward = self.forward_layer, self.backward_layer
        if forward.go_backwards == backward.go_backwards:
            raise ValueError(
                "expected two layers that run in different directions. "
                f"Received: go_backwards={forward.go_backwards} for both"
            )
        for name in ("stateful", "return_sequences", "return_state"):
            if getattr(forward, name) != getattr(backward, name):
                raise ValueError(
                    f"expected two layers with the same `{name}`. "
                    f"Received: {name}={getattr(forward, name)} forwards, {getattr(backward, name)} backwards"
                )

    def build(self, sequences_shape: Any, initial_state_shape: Any = None) -> None:
        for layer in (self.forward_layer, self.backward_layer):
            if not layer.built:
                layer._path = f"{self._path}/{layer.name}"
                layer.build(sequences_shape)
        if self._initial_weights is not None:
            self.set_weights(self._initial_weights)

    def call(
        self, sequences: Any, initial_state: Any = None, mask: Any = None, training: bool = False
    ) -> Any:
        states = list(initial_state) if initial_state is not None else []
        half = len(states) // 2
        outputs, last_states = [], []
        for layer, own in ((self.forward_layer, states[:half]), (self.backward_layer, states[half:])):
            result = layer(sequences, initial_state=own or None, mask=mask, training=training)
            if self.return_state:
                result, *own_states = result
                last_states += own_states
            outputs.append(result)
        forward, backward = outputs
        if self.return_sequences:
            backward = ops.flip(backward, axis=1)
        merged = self._merge(forward, backward)
        if not self.return_state:
            return merged
        return (*merged, *last_states) if self.merge_mode is None else (merged, *last_states)

    def _merge(self, forward: Any, backward: Any) -> Any:
        if self.merge_mode == "concat":
            return ops.concatenate([forward, backward], axis=-1)
        if self.merge_mode == "sum":
            return forward + backward
        if self.merge_mode == "ave":
            return (forward + backward) * 0.5
        if self.merge_mode == "mul":
            return forward * backward
        return forward, backward

    def reset_state(self) -> None:
        """Sets the states of stateful layers to zero."""
        self.forward_layer.reset_state()
        self.backward_layer.reset_state()

    reset_states = reset_state

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        mask = structure.flatten(previous_mask)[0]
        outputs = 2 if self.merge_mode is None else 1
        masks = [mask if self.return_sequences else None] * outputs
        if self.return_state:
            masks += [None] * (2 * len(self.forward_layer.state_size))
        return masks if len(masks) > 1 else masks[0]

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "merge_mode": self.merge_mode,
            "layer": describe(self.forward_layer),
            "backward_layer": describe(self.backward_layer),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Bidirectional:
        layers: dict[str, Any] = {
            name: layer_from(config[name]) for name in ("layer", "backward_layer") if name in config
        }
        config = {**config, **layers}
        return cls(**config)


def _copy(layer: Layer, prefix: str, **changes: Any) -> Any:
    """A layer of the same configuration with a prefix to its name."""
    name = prefix + layer.name.removeprefix(prefix)
    return type(layer).from_config({**layer.get_config(), "name": name, **changes})
