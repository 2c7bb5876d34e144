"""One table for all ops of the engine: inputs, attributes, and what NumPy says the outputs are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from arrays import booleans, integers, numbers
from elementwise_cases import ELEMENTWISE

Array = np.ndarray


@dataclass(frozen=True)
class OpCase:
    """One call of one op.

    `reference` computes the outputs from the inputs with plain NumPy; None where the op is the gradient of
    another one, which has a reference, and the gradient check tells enough.
    """

    name: str
    inputs: Sequence[Array]
    attributes: dict[str, Any] = field(default_factory=dict)
    reference: Callable[..., Any] | None = None
    # False where the outputs are not floats, or where the op is a step function met at a step.
    differentiable: bool = True


def elementwise() -> list[OpCase]:
    return [
        *(
            OpCase(row.name, inputs, {}, row.reference, is_smooth)
            for row in ELEMENTWISE
            for inputs, is_smooth in row.inputs()
        ),
        OpCase("stop_gradient", [numbers(3, 4)], {}, lambda x: x),
        OpCase("select", [booleans(3, 4), numbers(3, 4), numbers(4, seed=1)], {}, np.where),
        OpCase("select", [booleans(3, 1), numbers(2, 1, 4), numbers(1)], {}, np.where),
        OpCase("cast", [numbers(3, 4)], {"dtype": "float32"}, lambda x: x.astype("float32"), False),
        OpCase("cast", [numbers(3, 4)], {"dtype": "int32"}, lambda x: x.astype("int32"), False),
        OpCase("cast", [integers(3, 4)], {"dtype": "bool"}, lambda x: x.astype("bool"), False),
        OpCase("cast", [booleans(3, 4)], {"dtype": "float64"}, lambda x: x.astype("float64"), False),
    ]


def sliced(x: Array, starts: list[int], stops: list[int], steps: list[int]) -> Array:
    index = np.ix_(*(range(*axis) for axis in zip(starts, stops, steps, strict=True)))
    return x[index]


def shaping() -> list[OpCase]:
    x = numbers(2, 3, 4)
    cases = [
        OpCase("reshape", [x], {"shape": [4, 6]}, lambda x: x.reshape(4, 6)),
        OpCase("transpose", [x], {"axes": [2, 0, 1]}, lambda x: x.transpose(2, 0, 1)),
        OpCase("transpose", [numbers(5, 7)], {"axes": [1, 0]}, np.transpose),
        OpCase(
            "broadcast_to",
            [numbers(3, 1)],
            {"shape": [2, 3, 4]},
            lambda x: np.broadcast_to(x, (2, 3, 4)),
        ),
        OpCase(
            "pad",
            [x],
            {"before": [0, 1, 2], "after": [2, 0, 1], "value": 1.5},
            lambda x: np.pad(x, [(0, 2), (1, 0), (2, 1)], constant_values=1.5),
        ),
        OpCase("concatenate", [x, numbers(2, 1, 4), x], {"axis": 1}, lambda *xs: np.concatenate(xs, 1)),
    ]
    for starts, stops, steps in (
        ([0, 1, 0], [2, 3, 4], [1, 1, 2]),
        ([1, 2, 3], [-1, -1, -1], [-1, -2, -1]),
        ([0, 0, 3], [2, 0, 0], [1, 1, -2]),
    ):
        attributes = {"starts": starts, "stops": stops, "steps": steps}
        cases.append(OpCase("slice", [x], attributes, lambda x, a=attributes: sliced(x, **a)))
    return cases


def reductions() -> list[OpCase]:
    x = numbers(2, 3, 4)
    names = {
        "reduce_sum": np.sum,
        "reduce_mean": np.mean,
        "reduce_max": np.max,
        "reduce_min": np.min,
        "reduce_prod": np.prod,
        "reduce_sum_of_squares": lambda x, axis, keepdims: np.sum(x * x, axis, keepdims=keepdims),
    }
    cases = []
    for name, function in names.items():
        for axes, keepdims in (
            ([0], False),
            ([2], True),
            ([0, 2], False),
            ([1, 2], True),
            ([0, 1, 2], False),
        ):

            def reference(x: Array, f: Any = function, a: Any = tuple(axes), k: bool = keepdims) -> Array:
                return f(x, axis=a, keepdims=k)

            cases.append(OpCase(name, [x], {"axes": axes, "keepdims": keepdims}, reference))
    ties = np.array([[1.0, 3.0, 3.0], [2.0, 2.0, 1.0]])
    for name in ("argmax", "argmin"):
        for axis in (0, 1):

            def arg(x: Array, n: str = name, a: int = axis) -> Array:
                return getattr(np, n)(x, axis=a).astype(np.int32)

            cases.append(OpCase(name, [ties], {"axis": axis}, arg, False))
    for axis, reverse in ((0, False), (2, False), (1, True)):
        for name, function in (("cumsum", np.cumsum), ("cumprod", np.cumprod)):

            def running(x: Array, f: Any = function, a: int = axis, r: bool = reverse) -> Array:
                return np.flip(f(np.flip(x, a), axis=a), a) if r else f(x, axis=a)

            cases.append(OpCase(name, [x], {"axis": axis, "reverse": reverse}, running))
    return cases


def softmax(x: Array, axis: int = -1) -> Array:
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def softmaxes() -> list[OpCase]:
    logits = numbers(2, 3, 4)
    target = softmax(numbers(2, 3, 4, seed=5))
    labels = integers(2, 3, low=0, high=4)
    bounds = {"low": -2.0, "high": 2.0, "allows_nan": False, "whole": False, "expected": "small numbers"}
    cases = [
        OpCase("check_range", [logits], bounds, lambda x: x),
        OpCase(
            "softmax_cross_entropy",
            [logits, target],
            {},
            lambda x, t: -(t * np.log(softmax(x))).sum(-1),
        ),
        OpCase(
            "sparse_softmax_cross_entropy",
            [logits, labels],
            {},
            lambda x, k: -np.take_along_axis(np.log(softmax(x)), k[..., None], -1)[..., 0],
        ),
    ]
    for axis in (0, 1, 2):
        cases.append(OpCase("softmax", [logits], {"axis": axis}, lambda x, a=axis: softmax(x, a)))
        cases.append(OpCase("log_softmax", [logits], {"axis": axis}, lambda x, a=axis: np.log(softmax(x, a))))
    return cases


def normalisations() -> list[OpCase]:
    def batch(x: Array, gamma: Array, beta: Array) -> tuple[Array, Array, Array]:
        axes = tuple(range(x.ndim - 1))
        mean, variance = x.mean(axes), x.var(axes)
        return (x - mean) / np.sqrt(variance + 0.1) * gamma + beta, mean, variance

    def layer(x: Array, gamma: Array, beta: Array) -> Array:
        mean, variance = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
        return (x - mean) / np.sqrt(variance + 0.1) * gamma + beta

    cases = []
    for shape in ((4, 3), (2, 3, 5), (2, 40), (70, 2)):
        inputs = [numbers(*shape), numbers(shape[-1], low=0.5), numbers(shape[-1], seed=1)]
        cases.append(OpCase("batch_normalize", inputs, {"epsilon": 0.1}, batch))
        cases.append(OpCase("layer_normalize", inputs, {"epsilon": 0.1}, layer))
    return cases


def products() -> list[OpCase]:
    shapes = [((2, 3), (3, 4)), ((5, 2, 3), (5, 3, 4)), ((5, 2, 3), (3, 4)), ((2, 1, 2, 3), (4, 3, 2))]
    cases = []
    for a_shape, b_shape in shapes:
        for transpose_a in (False, True):
            for transpose_b in (False, True):
                a, b = numbers(*a_shape), numbers(*b_shape, seed=1)
                inputs = [
                    np.ascontiguousarray(a.swapaxes(-1, -2)) if transpose_a else a,
                    np.ascontiguousarray(b.swapaxes(-1, -2)) if transpose_b else b,
                ]

                def reference(a: Array, b: Array, ta: bool = transpose_a, tb: bool = transpose_b) -> Array:
                    return (a.swapaxes(-1, -2) if ta else a) @ (b.swapaxes(-1, -2) if tb else b)

                attributes = {"transpose_a": transpose_a, "transpose_b": transpose_b}
                cases.append(OpCase("matmul", inputs, attributes, reference))
    big = integers(5, 2, 3, low=-(2**31), high=2**31 - 1), integers(5, 3, 4, low=-(2**31), high=2**31 - 1)
    cases.append(OpCase("integer_matmul", list(big), {}, np.matmul, False))
    return cases


def windows(x: Array, size: Any, strides: Any, padding: Any, dilation: Any, fill: float) -> Array:
    """All windows of x (B, H, W, C) as (B, OH, OW, C, KH, KW)."""
    top, bottom, left, right = padding
    x = np.pad(x, [(0, 0), (top, bottom), (left, right), (0, 0)], constant_values=fill)
    extent = [(n - 1) * d + 1 for n, d in zip(size, dilation, strict=True)]
    views = np.lib.stride_tricks.sliding_window_view(x, extent, axis=(1, 2))
    return views[:, :: strides[0], :: strides[1], :, :: dilation[0], :: dilation[1]]


def convolve(x: Array, kernel: Array, strides: Any, padding: Any, dilation: Any, groups: int) -> Array:
    """The convolution of x (B, H, W, C) with kernel (KH, KW, C/groups, O) as a plain sum of products."""
    outputs = []
    for part, filters in zip(np.split(x, groups, 3), np.split(kernel, groups, 3), strict=True):
        views = windows(part, kernel.shape[:2], strides, padding, dilation, 0.0)
        outputs.append(np.einsum("bhwcij,ijco->bhwo", views, filters))
    return np.concatenate(outputs, axis=3)


def max_pool(x: Array, pool: Any, strides: Any, padding: Any) -> tuple[Array, Array]:
    """The maximum of each window, and the number of its first element that has it."""
    seen = windows(x, pool, strides, padding, (1, 1), -np.inf)
    flat = seen.reshape(*seen.shape[:-2], -1)
    return flat.max(axis=-1), flat.argmax(axis=-1).astype(np.int32)


def average_pool(x: Array, pool: Any, strides: Any, padding: Any) -> Array:
    """The mean over each window, padding not counted."""
    return np.nanmean(windows(x, pool, strides, padding, (1, 1), np.nan), axis=(-2, -1))


def convolutions() -> list[OpCase]:
    cases = []
    for strides, padding, dilation, groups in (
        ([1, 1], [0, 0, 0, 0], [1, 1], 1),
        ([2, 1], [1, 0, 1, 1], [1, 1], 1),
        ([1, 2], [0, 1, 2, 0], [2, 1], 2),
        ([3, 2], [1, 1, 1, 1], [1, 2], 4),
    ):
        x, kernel = numbers(2, 5, 6, 4), numbers(2, 3, 4 // groups, 4, seed=1)
        attributes = {"strides": strides, "padding": padding, "dilation": dilation, "groups": groups}
        y = convolve(x, kernel, **attributes)
        cases += [
            OpCase("conv2d", [x, kernel], attributes, lambda x, k, a=attributes: convolve(x, k, **a)),
            OpCase(
                "conv2d_backward_input",
                [numbers(*y.shape, seed=2), kernel],
                {**attributes, "input_shape": list(x.shape)},
            ),
            OpCase(
                "conv2d_backward_filter",
                [x, numbers(*y.shape, seed=2)],
                {**attributes, "kernel_shape": list(kernel.shape)},
            ),
        ]
    for pool, strides, padding in (
        ([2, 2], [2, 2], [0, 0, 0, 0]),
        ([3, 2], [1, 2], [1, 1, 0, 1]),
        ([2, 3], [3, 1], [0, 1, 1, 1]),
    ):
        x = numbers(2, 5, 6, 3)
        attributes = {"pool": pool, "strides": strides, "padding": padding}
        y, argmax = max_pool(x, **attributes)
        dy = numbers(*y.shape, seed=2)
        cases += [
            OpCase("max_pool2d", [x], attributes, lambda x, a=attributes: max_pool(x, **a)),
            OpCase("max_pool2d_backward", [argmax, dy], {**attributes, "input_shape": list(x.shape)}),
            OpCase("max_pool2d_select", [argmax, numbers(*x.shape, seed=3)], attributes),
            OpCase("average_pool2d", [x], attributes, lambda x, a=attributes: average_pool(x, **a)),
            OpCase("average_pool2d_backward", [dy], {**attributes, "input_shape": list(x.shape)}),
        ]
    return cases


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def scan(step: Callable[..., Any], x: Array, states: list[Array], backwards: bool, mask: Array | None) -> Any:
    """The hidden states (B, T, H) in the order of processing, then the last states."""
    outputs = []
    for t in reversed(range(x.shape[1])) if backwards else range(x.shape[1]):
        new = step(x[:, t], *states)
        # A masked step keeps the states that it finds.
        states = [
            np.where(mask[:, t, None], a, b) if mask is not None else a
            for a, b in zip(new, states, strict=True)
        ]
        outputs.append(states[0])
    return np.stack(outputs, axis=1), *states


def simple_rnn(x: Array, w: Array, u: Array, b: Array, h: Array, mask: Any = None, **attributes: Any) -> Any:
    def step(x: Array, h: Array) -> list[Array]:
        return [np.tanh(x @ w + h @ u + b)]

    return scan(step, x, [h], attributes["go_backwards"], mask)


def gru(x: Array, w: Array, u: Array, b: Array, h: Array, mask: Any = None, **attributes: Any) -> Any:
    def step(x: Array, h: Array) -> list[Array]:
        if attributes["reset_after"]:
            xz, xr, xh = np.split(x @ w + b[0], 3, axis=1)
            hz, hr, hh = np.split(h @ u + b[1], 3, axis=1)
            z, r = sigmoid(xz + hz), sigmoid(xr + hr)
            return [z * h + (1 - z) * np.tanh(xh + r * hh)]
        xz, xr, xh = np.split(x @ w + b, 3, axis=1)
        uz, ur, uh = np.split(u, 3, axis=1)
        z, r = sigmoid(xz + h @ uz), sigmoid(xr + h @ ur)
        return [z * h + (1 - z) * np.tanh(xh + (r * h) @ uh)]

    return scan(step, x, [h], attributes["go_backwards"], mask)


def lstm(
    x: Array, w: Array, u: Array, b: Array, h: Array, c: Array, mask: Any = None, **attributes: Any
) -> Any:
    def step(x: Array, h: Array, c: Array) -> list[Array]:
        i, f, g, o = np.split(x @ w + h @ u + b, 4, axis=1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        return [sigmoid(o) * np.tanh(c), c]

    return scan(step, x, [h, c], attributes["go_backwards"], mask)


def recurrent() -> list[OpCase]:
    batch, steps, inputs, units = 2, 4, 3, 3
    x, h, c = numbers(batch, steps, inputs), numbers(batch, units, seed=3), numbers(batch, units, seed=4)
    mask = np.array([[True, True, False, True], [False, True, True, False]])
    plain = {"activation": "tanh", "recurrent_activation": "sigmoid", "go_backwards": False}
    plain |= {"reset_after": False, "training": False, "has_mask": False, "recurrent_dropout": 0.0}
    kinds: list[tuple[str, Callable[..., Any], int, list[Array], dict[str, Any]]] = [
        ("simple_rnn", simple_rnn, 1, [h], {}),
        ("gru", gru, 3, [h], {}),
        ("gru", gru, 3, [h], {"reset_after": True}),
        ("lstm", lstm, 4, [h, c], {}),
    ]
    cases = []
    for name, reference, gates, states, special in kinds:
        bias = numbers(*([2] if special else []), gates * units, low=-0.5, high=0.5, seed=2)
        kernel = numbers(inputs, gates * units, low=-0.8, high=0.8)
        recurrent_kernel = numbers(units, gates * units, low=-0.7, high=0.9, seed=1)
        for changed in ({}, {"go_backwards": True}, {"has_mask": True}, {"training": True}):
            attributes = {**plain, **special, **changed}
            extra = [mask] if attributes["has_mask"] else []

            def expected(*arrays: Array, f: Any = reference, a: Any = attributes) -> Any:
                return f(*arrays, **a)

            cases.append(
                OpCase(name, [x, kernel, recurrent_kernel, bias, *states, *extra], attributes, expected)
            )
    return cases


def indexing() -> list[OpCase]:
    x, rows = numbers(3, 4, 2), integers(2, 5, low=0, high=3)
    cases = []
    for axis, size in enumerate(x.shape):
        indices = integers(5, low=0, high=size, seed=axis)
        along = integers(3, 4, 2, low=0, high=size, seed=axis)
        updates = np.take(x, indices, axis) + 1.0

        def scatter(i: Array, u: Array, a: int = axis) -> Array:
            y = np.zeros((*u.shape[:a], 6, *u.shape[a + 1 :]), u.dtype)
            np.add.at(np.moveaxis(y, a, 0), i, np.moveaxis(u, a, 0))
            return y

        def scatter_along(i: Array, u: Array, a: int = axis) -> Array:
            y = np.zeros((*u.shape[:a], 6, *u.shape[a + 1 :]), u.dtype)
            where = list(np.indices(i.shape))
            where[a] = i
            np.add.at(y, tuple(where), u)
            return y

        cases += [
            OpCase("gather", [x, indices], {"axis": axis}, lambda x, i, a=axis: np.take(x, i, a)),
            OpCase(
                "take_along_axis",
                [x, along],
                {"axis": axis},
                lambda x, i, a=axis: np.take_along_axis(x, i, a),
            ),
            OpCase("scatter_add", [indices, updates], {"axis": axis, "size": 6}, scatter),
            OpCase("scatter_along_axis", [along, x], {"axis": axis, "size": 6}, scatter_along),
            OpCase("sort", [x], {"axis": axis}, lambda x, a=axis: np.sort(x, a)),
            OpCase("argsort", [x], {"axis": axis}, lambda x, a=axis: np.argsort(x, a), False),
        ]
    labels = np.array([[0, 3], [-1, 4]], np.int32)
    return [
        *cases,
        OpCase(
            "index",
            [np.array([[-3.0, 2.0], [-0.0, -1.0]])],
            {"size": 3, "from_end": True},
            lambda x: (x % 3).astype(np.int32),
            False,
        ),
        OpCase("gather", [x, rows], {"axis": 0}, lambda x, i: x[i]),
        OpCase(
            "one_hot",
            [labels],
            {"depth": 4, "dtype": "float32"},
            lambda x: (x[..., None] == np.arange(4)).astype("float32"),
            False,
        ),
        OpCase(
            "top_k",
            [numbers(3, 5)],
            {"k": 2},
            lambda x: (-np.sort(-x)[:, :2], np.argsort(-x)[:, :2]),
        ),
    ]


# Ops with inputs that only the kernel of their forward op can make: checked through its gradient.
REACHED_BY_GRADIENTS = {"simple_rnn_backward", "gru_backward", "lstm_backward"}

# Ops whose outputs are known up to signs: their Rust tests multiply them, and the front uses what is unique.
KNOWN_IN_PART = {"svd"}

# Ops whose outputs are known only as a distribution: mean, standard deviation, smallest and largest.
DISTRIBUTIONS = {
    "random_uniform": (0.5, 12**-0.5, 0.0, 1.0),
    "random_normal": (0.0, 1.0, -np.inf, np.inf),
    "random_truncated_normal": (0.0, 0.8796, -2.0, 2.0),
}

CASES: list[OpCase] = [
    *elementwise(),
    *shaping(),
    *reductions(),
    *softmaxes(),
    *normalisations(),
    *products(),
    *convolutions(),
    *recurrent(),
    *indexing(),
]
