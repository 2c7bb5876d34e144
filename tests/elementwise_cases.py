"""One table for the elementwise ops that the engine and `rustnet.ops` have under one name.

Its rows are all that the tests know of these ops: the engine's values and gradients, the public ops beside
Keras, and the sweep make their calls from them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from arrays import Array, booleans, integers, numbers


@dataclass(frozen=True)
class Elementwise:
    """An elementwise op: what NumPy computes, and of which numbers it is asked."""

    name: str
    reference: Callable[..., Any]
    # For each input, between which bounds its floats lie; the gradient there is that of finite differences.
    floats: Sequence[tuple[float, float]] = ()
    # For each input, from which int32 to below which, where the engine has the op for int32.
    ints: Sequence[tuple[int, int]] = ()
    # How many inputs are bools.
    bools: int = 0
    # Other inputs, of which no gradient is asked: special values, and points where a function jumps.
    special: Sequence[Sequence[Array]] = ()
    # True for a step function: its slope is 0, and at a step there is none.
    is_step: bool = False
    # False where only the engine has the op.
    is_public: bool = True

    @property
    def arity(self) -> int:
        return len(self.floats) or len(self.ints) or self.bools

    @property
    def has_gradient(self) -> bool:
        return any(is_smooth for _, is_smooth in self.inputs())

    def inputs(self) -> Iterator[tuple[list[Array], bool]]:
        """What the op is called with, and whether its gradient is compared with finite differences."""
        for shapes in SHAPES[self.arity]:
            if self.floats:
                inputs = [
                    # Off 0, and off the grid of the other input, so that no two are equal.
                    numbers(*shape, low=low, high=high, seed=seed) + 0.013 * (seed + 1)
                    for seed, (shape, (low, high)) in enumerate(zip(shapes, self.floats, strict=True))
                ]
                yield inputs, np.asarray(self.reference(*inputs)).dtype.kind == "f"
            if self.ints:
                ranges = enumerate(zip(shapes, self.ints, strict=True))
                yield (
                    [integers(*shape, low=low, high=high, seed=n) for n, (shape, (low, high)) in ranges],
                    False,
                )
            if self.bools:
                yield [booleans(*shape, seed=seed) for seed, shape in enumerate(shapes)], False
        for special in self.special:
            yield list(special), False

    def calls(self) -> Iterator[list[Any]]:
        """What the public op is called with: arrays of one shape, of two, numbers, and what is special."""
        inputs = [inputs for inputs, _ in self.inputs()]
        yield from [one for one in inputs if one[0].shape == (3, 4)]
        yield from map(list, self.special)
        if self.floats:
            middles = [(low + high) / 2 + 0.1 for low, high in self.floats]
            yield [np.float32(middle) for middle in middles]
            for n in range(self.arity if self.arity > 1 else 0):
                yield [*inputs[0][:n], middles[n], *inputs[0][n + 1 :]]


# The shapes of the inputs of an op of one, and of two.
SHAPES: dict[int, list[tuple[tuple[int, ...], ...]]] = {
    1: [((3, 4),), ((),)],
    2: [((3, 4), (3, 4)), ((3, 4), (4,)), ((2, 1, 4), (3, 1)), ((), (2, 3)), ((0, 3), (3,))],
}

ANY, POSITIVE = (-2.0, 2.0), (0.1, 3.0)
PAIR = (ANY, (-1.9, 2.1))
WHOLE = (-3, 4)
SPECIAL = np.array([1.0, np.nan, np.inf, -np.inf])
HALVES = np.array([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 0.4, -0.6])
DIVISIONS = [(integers(3, 4), np.array([-3, -2, 1, 4], np.int32))]

ELEMENTWISE = [
    Elementwise("negative", np.negative, [ANY], [WHOLE]),
    Elementwise("abs", np.abs, [ANY], [WHOLE]),
    Elementwise("sign", np.sign, [ANY], [WHOLE], is_step=True),
    Elementwise("square", np.square, [ANY], [WHOLE]),
    Elementwise("relu", lambda x: np.maximum(x, 0), [ANY], [WHOLE]),
    Elementwise("reciprocal", np.reciprocal, [POSITIVE]),
    Elementwise("sqrt", np.sqrt, [POSITIVE]),
    Elementwise("rsqrt", lambda x: 1 / np.sqrt(x), [POSITIVE]),
    Elementwise("exp", np.exp, [ANY]),
    Elementwise("expm1", np.expm1, [ANY]),
    Elementwise("log", np.log, [POSITIVE]),
    Elementwise("log1p", np.log1p, [POSITIVE]),
    Elementwise("sin", np.sin, [ANY]),
    Elementwise("cos", np.cos, [ANY]),
    Elementwise("cosh", np.cosh, [ANY]),
    Elementwise("sinh", np.sinh, [ANY]),
    Elementwise("tanh", np.tanh, [ANY]),
    Elementwise("sigmoid", lambda x: 1 / (1 + np.exp(-x)), [ANY]),
    Elementwise("erf", np.vectorize(math.erf), [ANY]),
    Elementwise("erfc", np.vectorize(math.erfc), [ANY]),
    Elementwise("floor", np.floor, [ANY], is_step=True),
    Elementwise("ceil", np.ceil, [ANY], is_step=True),
    Elementwise("trunc", np.trunc, [ANY], is_step=True),
    Elementwise("round", np.round, [ANY], special=[[HALVES]], is_step=True),
    Elementwise("isnan", np.isnan, [ANY], special=[[SPECIAL]]),
    Elementwise("isfinite", np.isfinite, [ANY], special=[[SPECIAL]]),
    Elementwise("logical_not", np.logical_not, bools=1),
    Elementwise("add", np.add, PAIR, [WHOLE, WHOLE]),
    Elementwise("subtract", np.subtract, PAIR, [WHOLE, WHOLE]),
    Elementwise("multiply", np.multiply, PAIR, [WHOLE, WHOLE]),
    Elementwise("divide", np.divide, [ANY, (0.5, 2.5)]),
    Elementwise("power", np.power, [(0.2, 2.2), ANY], [WHOLE, (0, 4)]),
    Elementwise("hypot", np.hypot, PAIR),
    Elementwise("maximum", np.maximum, PAIR, [WHOLE, WHOLE]),
    Elementwise("minimum", np.minimum, PAIR, [WHOLE, WHOLE]),
    Elementwise("mod", np.mod, [(-1.9, 2.1), (3.0, 5.0)], special=DIVISIONS),
    Elementwise("floor_divide", np.floor_divide, [ANY, (0.7, 2.7)], special=DIVISIONS, is_step=True),
    Elementwise("equal", np.equal, PAIR, [WHOLE, WHOLE]),
    Elementwise("not_equal", np.not_equal, PAIR, [WHOLE, WHOLE]),
    Elementwise("less", np.less, PAIR, [WHOLE, WHOLE]),
    Elementwise("less_equal", np.less_equal, PAIR, [WHOLE, WHOLE]),
    Elementwise("greater", np.greater, PAIR, [WHOLE, WHOLE]),
    Elementwise("greater_equal", np.greater_equal, PAIR, [WHOLE, WHOLE]),
    Elementwise("logical_and", np.logical_and, bools=2),
    Elementwise("logical_or", np.logical_or, bools=2),
    Elementwise("relu_backward", lambda a, b: np.where(b > 0, a, 0), PAIR, [WHOLE, WHOLE], is_public=False),
]
