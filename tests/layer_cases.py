"""One table for all layers: how each is made with Keras's API, and what it is called on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from op_cases import booleans, integers, numbers

Array = np.ndarray


@dataclass(frozen=True)
class LayerCase:
    """One configuration of one layer. `make` gets the module of layers, rustnet's or Keras's."""

    name: str
    make: Callable[[Any], Any]
    inputs: Array | list[Array]
    # False where training draws random numbers, which differ between libraries.
    deterministic: bool = True
    # False where the layer jumps at these inputs.
    differentiable: bool = True
    # The absolute error that the layer's float32 arithmetic may make on these inputs.
    tolerance: float = 2e-6

    @property
    def kind(self) -> str:
        """The name of the layer's class."""
        return self.name.split(" ")[0]


def image(*shape: int) -> Array:
    return numbers(*shape, low=-1.0, high=1.0)


def core() -> list[LayerCase]:
    x, cube, tokens = numbers(3, 5), numbers(2, 3, 4), integers(3, 6, low=0, high=7)
    return [
        LayerCase("Dense", lambda k: k.Dense(4), x),
        LayerCase("Dense tanh", lambda k: k.Dense(4, activation="tanh"), x),
        LayerCase("Dense relu, rank 3", lambda k: k.Dense(5, activation="relu"), cube),
        LayerCase("Dense without bias", lambda k: k.Dense(2, use_bias=False), x),
        LayerCase("Dense softmax", lambda k: k.Dense(3, activation="softmax"), x),
        LayerCase(
            "Dense penalties",
            lambda k: k.Dense(2, kernel_regularizer="l2", bias_regularizer="l1", activity_regularizer="l2"),
            x,
        ),
        LayerCase("Flatten", lambda k: k.Flatten(), cube),
        LayerCase("Reshape", lambda k: k.Reshape((2, 6)), cube),
        LayerCase("Reshape -1", lambda k: k.Reshape((-1, 2)), cube),
        LayerCase("Permute", lambda k: k.Permute((2, 1)), cube),
        LayerCase("RepeatVector", lambda k: k.RepeatVector(3), x),
        LayerCase("Rescaling", lambda k: k.Rescaling(1 / 255, offset=-0.5), cube * 100),
        LayerCase("Embedding", lambda k: k.Embedding(7, 3), tokens),
        LayerCase("Embedding mask_zero", lambda k: k.Embedding(7, 3, mask_zero=True), tokens),
        LayerCase("Masking", lambda k: k.Masking(0.0), cube * booleans(2, 3, 1), differentiable=False),
        LayerCase("Masking nothing", lambda k: k.Masking(0.0), cube),
        LayerCase("Identity", lambda k: k.Identity(), x),
        LayerCase("ActivityRegularization", lambda k: k.ActivityRegularization(l1=0.1, l2=0.2), x),
        LayerCase("Dropout", lambda k: k.Dropout(0.4, seed=1), x, deterministic=False),
        LayerCase("Dropout 0", lambda k: k.Dropout(0.0), x),
        LayerCase("SpatialDropout1D", lambda k: k.SpatialDropout1D(0.4, seed=1), cube, deterministic=False),
        LayerCase(
            "SpatialDropout2D",
            lambda k: k.SpatialDropout2D(0.4, seed=1),
            image(2, 3, 3, 4),
            deterministic=False,
        ),
        LayerCase("GaussianDropout", lambda k: k.GaussianDropout(0.4, seed=1), x, deterministic=False),
        LayerCase("GaussianNoise", lambda k: k.GaussianNoise(0.4, seed=1), x, deterministic=False),
        LayerCase("TimeDistributed", lambda k: k.TimeDistributed(k.Dense(3, activation="tanh")), cube),
        LayerCase(
            "TimeDistributed convolution",
            lambda k: k.TimeDistributed(k.Conv2D(2, 2)),
            image(2, 3, 4, 4, 2),
        ),
    ]


def activations() -> list[LayerCase]:
    x = numbers(4, 5, low=-4.0, high=4.0)
    names = (
        *("linear", "relu", "sigmoid", "tanh", "softmax", "log_softmax", "elu", "selu", "gelu", "silu"),
        *("softplus", "softsign", "exponential", "hard_sigmoid", "leaky_relu", "relu6", "mish"),
    )
    return [
        *(LayerCase(f"Activation {name}", lambda k, n=name: k.Activation(n), x) for name in names),
        LayerCase("ReLU", lambda k: k.ReLU(), x),
        LayerCase("ReLU clipped", lambda k: k.ReLU(max_value=2.0, negative_slope=0.1, threshold=0.5), x),
        LayerCase("LeakyReLU", lambda k: k.LeakyReLU(negative_slope=0.2), x),
        LayerCase("PReLU", lambda k: k.PReLU(), x),
        LayerCase("ELU", lambda k: k.ELU(alpha=0.7), x),
        LayerCase("Softmax", lambda k: k.Softmax(), x),
        LayerCase("Softmax axis 1", lambda k: k.Softmax(axis=1), numbers(2, 3, 4)),
    ]


def convolutions() -> list[LayerCase]:
    line, picture = image(2, 9, 4), image(2, 7, 6, 4)
    return [
        LayerCase("Conv1D", lambda k: k.Conv1D(3, 2), line),
        LayerCase("Conv1D same, stride 2", lambda k: k.Conv1D(3, 3, strides=2, padding="same"), line),
        LayerCase(
            "Conv1D causal, dilation 2", lambda k: k.Conv1D(3, 2, padding="causal", dilation_rate=2), line
        ),
        LayerCase("Conv1D groups", lambda k: k.Conv1D(6, 3, groups=2, activation="tanh"), line),
        LayerCase("Conv2D", lambda k: k.Conv2D(3, 3), picture),
        LayerCase("Conv2D relu", lambda k: k.Conv2D(3, (2, 3), activation="relu"), picture),
        LayerCase("Conv2D same", lambda k: k.Conv2D(3, 3, padding="same"), picture),
        LayerCase("Conv2D same, stride 2", lambda k: k.Conv2D(3, 3, strides=2, padding="same"), picture),
        LayerCase("Conv2D strides (2, 1)", lambda k: k.Conv2D(3, (3, 2), strides=(2, 1)), picture),
        LayerCase("Conv2D dilation", lambda k: k.Conv2D(3, 2, dilation_rate=(2, 3)), picture),
        LayerCase(
            "Conv2D same, dilation", lambda k: k.Conv2D(3, 3, padding="same", dilation_rate=2), picture
        ),
        LayerCase("Conv2D groups", lambda k: k.Conv2D(6, 3, groups=2), picture),
        LayerCase("Conv2D without bias", lambda k: k.Conv2D(3, 1, use_bias=False), picture),
        LayerCase("DepthwiseConv1D", lambda k: k.DepthwiseConv1D(3, activation="tanh"), line),
        LayerCase(
            "DepthwiseConv1D same, dilation",
            lambda k: k.DepthwiseConv1D(2, padding="same", depth_multiplier=3, dilation_rate=2),
            line,
        ),
        LayerCase("DepthwiseConv2D", lambda k: k.DepthwiseConv2D(3, activation="relu"), picture),
        LayerCase(
            "DepthwiseConv2D multiplied",
            lambda k: k.DepthwiseConv2D(
                (2, 3), strides=2, padding="same", depth_multiplier=2, use_bias=False
            ),
            picture,
        ),
        LayerCase("SeparableConv1D", lambda k: k.SeparableConv1D(5, 3, depth_multiplier=2), line),
        LayerCase("SeparableConv2D", lambda k: k.SeparableConv2D(5, 3, activation="tanh"), picture),
        LayerCase(
            "SeparableConv2D same, stride 2",
            lambda k: k.SeparableConv2D(3, 3, strides=2, padding="same", depth_multiplier=2, use_bias=False),
            picture,
        ),
        LayerCase("Conv2D one channel", lambda k: k.Conv2D(8, 3, activation="relu"), image(2, 9, 9, 1)),
    ]


def pooling() -> list[LayerCase]:
    line, picture = image(2, 9, 3), image(2, 7, 6, 3)
    cases = []
    for kind in ("Max", "Average"):
        cases += [
            LayerCase(f"{kind}Pooling1D", lambda k, n=kind: getattr(k, f"{n}Pooling1D")(2), line),
            LayerCase(
                f"{kind}Pooling1D same",
                lambda k, n=kind: getattr(k, f"{n}Pooling1D")(3, strides=2, padding="same"),
                line,
            ),
            LayerCase(f"{kind}Pooling2D", lambda k, n=kind: getattr(k, f"{n}Pooling2D")(2), picture),
            LayerCase(
                f"{kind}Pooling2D same",
                lambda k, n=kind: getattr(k, f"{n}Pooling2D")((3, 2), strides=2, padding="same"),
                picture,
            ),
            LayerCase(
                f"{kind}Pooling2D overlapping",
                lambda k, n=kind: getattr(k, f"{n}Pooling2D")(3, strides=(1, 2)),
                picture,
            ),
            LayerCase(f"Global{kind}Pooling1D", lambda k, n=kind: getattr(k, f"Global{n}Pooling1D")(), line),
            LayerCase(
                f"Global{kind}Pooling2D", lambda k, n=kind: getattr(k, f"Global{n}Pooling2D")(), picture
            ),
            LayerCase(
                f"Global{kind}Pooling2D keepdims",
                lambda k, n=kind: getattr(k, f"Global{n}Pooling2D")(keepdims=True),
                picture,
            ),
        ]
    return cases


def normalization() -> list[LayerCase]:
    x, picture = numbers(6, 5), image(3, 4, 4, 3)
    return [
        LayerCase("BatchNormalization", lambda k: k.BatchNormalization(), x, tolerance=1e-5),
        LayerCase("BatchNormalization images", lambda k: k.BatchNormalization(), picture, tolerance=1e-5),
        LayerCase(
            "BatchNormalization plain",
            lambda k: k.BatchNormalization(scale=False, center=False, momentum=0.9, epsilon=1e-2),
            x,
            tolerance=1e-5,
        ),
        LayerCase("LayerNormalization", lambda k: k.LayerNormalization(), x, tolerance=1e-5),
        LayerCase("LayerNormalization images", lambda k: k.LayerNormalization(), picture, tolerance=1e-5),
        LayerCase(
            "LayerNormalization axes",
            lambda k: k.LayerNormalization(axis=(1, 2), scale=False),
            numbers(2, 3, 4),
            tolerance=1e-5,
        ),
    ]


def recurrent() -> list[LayerCase]:
    x = numbers(3, 5, 4, low=-1.0, high=1.0)
    cases = []
    for kind in ("SimpleRNN", "LSTM", "GRU"):

        def make(k: Any, n: str = kind, **arguments: Any) -> Any:
            return getattr(k, n)(3, **arguments)

        cases += [
            LayerCase(kind, make, x),
            LayerCase(f"{kind} sequences", lambda k, m=make: m(k, return_sequences=True), x),
            LayerCase(
                f"{kind} backwards",
                lambda k, m=make: m(k, return_sequences=True, go_backwards=True, use_bias=False),
                x,
            ),
            LayerCase(f"{kind} states", lambda k, m=make: m(k, return_sequences=True, return_state=True), x),
            LayerCase(f"{kind} relu", lambda k, m=make: m(k, activation="relu"), x),
            LayerCase(f"{kind} dropout", lambda k, m=make: m(k, dropout=0.3, seed=1), x, deterministic=False),
            LayerCase(
                f"{kind} recurrent dropout",
                lambda k, m=make: m(k, recurrent_dropout=0.3, seed=1),
                x,
                deterministic=False,
            ),
        ]
    for mode in ("concat", "sum", "mul", "ave", None):
        cases.append(
            LayerCase(
                f"Bidirectional {mode}",
                lambda k, m=mode: k.Bidirectional(k.LSTM(3, return_sequences=True), merge_mode=m),
                x,
            )
        )
    return [
        *cases,
        LayerCase("GRU reset before", lambda k: k.GRU(3, reset_after=False), x),
        LayerCase("LSTM sigmoid gates", lambda k: k.LSTM(3, recurrent_activation="hard_sigmoid"), x),
        LayerCase("LSTM forget bias 0", lambda k: k.LSTM(3, unit_forget_bias=False), x),
        LayerCase("Bidirectional last", lambda k: k.Bidirectional(k.GRU(3)), x),
        LayerCase("RNN of SimpleRNNCell", lambda k: k.RNN(k.SimpleRNNCell(3), return_sequences=True), x),
        LayerCase("RNN of LSTMCell", lambda k: k.RNN(k.LSTMCell(3)), x),
        LayerCase("RNN of GRUCell", lambda k: k.RNN(k.GRUCell(3)), x),
    ]


def merging() -> list[LayerCase]:
    pair = [numbers(2, 3, 4), numbers(2, 3, 4, seed=1) + 0.017]
    three = [*pair, numbers(2, 1, 4, seed=2) + 0.031]
    return [
        *(
            LayerCase(f"{kind} {len(xs)}", lambda k, n=kind: getattr(k, n)(), xs)
            for kind in ("Add", "Multiply", "Average", "Maximum", "Minimum")
            for xs in (pair, three)
        ),
        LayerCase("Subtract", lambda k: k.Subtract(), pair),
        LayerCase("Concatenate", lambda k: k.Concatenate(), pair),
        LayerCase("Concatenate axis 1", lambda k: k.Concatenate(axis=1), three),
        LayerCase("Dot", lambda k: k.Dot(axes=(2, 2)), pair),
        LayerCase(
            "Dot normalized", lambda k: k.Dot(axes=1, normalize=True), [numbers(3, 4), numbers(3, 4, seed=1)]
        ),
    ]


# Layers without a row, and why.
WITHOUT_ROW = {
    "Layer": "the base of all others",
    "InputLayer": "computes nothing",
    "Lambda": "a function has no configuration that is text",
    "MultiHeadAttention": "takes several arguments; see test_attention.py",
    "SimpleRNNCell": "is called with its states, by RNN",
    "LSTMCell": "is called with its states, by RNN",
    "GRUCell": "is called with its states, by RNN",
}

CASES: list[LayerCase] = [
    *core(),
    *activations(),
    *convolutions(),
    *pooling(),
    *normalization(),
    *recurrent(),
    *merging(),
]
