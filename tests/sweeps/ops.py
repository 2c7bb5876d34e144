"""A sweep over `rustnet.ops` and `activations` beside Keras: values, dtypes, shapes, gradients, errors.

`python tests/sweeps/ops.py --cases 10000` runs a long one and lists every difference without a reason.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np

from elementwise_cases import ELEMENTWISE
from rustnet import activations, ops
from rustnet.core import structure
from rustnet.core.trace import Trace
from sweeps.comparison import Case, Difference, Reason, Report, compare, outcome, sweep

import keras  # isort: skip  (after comparison.py has chosen its backend)
import jax  # isort: skip

Array = np.ndarray
Arguments = tuple[tuple[Any, ...], dict[str, Any]]
Random = np.random.Generator

SHAPES = [(), (1,), (3,), (3,), (2, 3), (2, 3), (3, 1), (2, 2), (2, 3, 2), (0,), (0, 2), (2, 0)]
PAIRS = [
    ((3,), (3,)), ((2, 3), (2, 3)), ((2, 3), (3,)), ((2, 1), (1, 3)), ((), (2, 3)), ((2, 3), ()), ((), ()),
    ((0,), (1,)), ((0, 2), (2,)), ((2, 3), (2,)),
]  # fmt: skip
BIG, SMALL, DENORMAL = np.finfo("float32").max, np.finfo("float32").tiny, np.float32(1e-42)
SPECIAL = np.array(
    [0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 3.0, 100.0, np.inf, -np.inf, np.nan, BIG, -BIG, SMALL, -SMALL, DENORMAL]
)
SPECIAL_INTEGERS = np.array([0, 1, -1, 2, 3, -7, 2**31 - 1, -(2**31)])
SCALARS = [0, 1, -1, 2, 3, 0.5, -2.0, 0.0, True, float("inf"), float("nan")]


def pick(random: Random, options: Any) -> Any:
    return options[random.integers(len(options))]


def array(random: Random, shape: Any = None, dtypes: str = "float32 " * 3 + "int32 bool float64") -> Array:
    """Numbers of a dtype and shape; a third of them at the edges of what there is."""
    shape = pick(random, SHAPES) if shape is None else shape
    dtype = pick(random, dtypes.split())
    at_edges = random.random() < 0.35
    if dtype == "bool":
        return random.random(shape) < 0.5
    if dtype == "int32":
        values = random.choice(SPECIAL_INTEGERS, shape) if at_edges else random.integers(-4, 5, shape)
        return np.asarray(values, dtype)
    values = random.choice(SPECIAL, shape) if at_edges else random.normal(0, 2, shape)
    return np.asarray(values, dtype)


def floats(random: Random, shape: Any = None) -> Array:
    return array(random, shape, "float32")


def axis_for(random: Random, shape: Any, several: bool = True, none: bool = True) -> Any:
    """An axis, several, or None; sometimes one that is out of range."""
    rank = len(shape)
    kind = random.random()
    if none and kind < 0.25 or rank == 0:
        return None if none else int(random.integers(-1, 1))
    if several and kind < 0.45:
        axes = random.permutation(rank)[: random.integers(1, rank + 1)]
        return tuple(int(axis) - rank * int(random.integers(2)) for axis in axes)
    return int(random.integers(-rank, rank)) if kind < 0.95 else rank


# --- what each op is called with ----------------------------------------------------------------------------


def unary(random: Random) -> Arguments:
    return (array(random),), {}


def binary(random: Random) -> Arguments:
    first, second = pick(random, PAIRS)
    x1, x2 = array(random, first), array(random, second)
    kind = random.random()
    if kind < 0.15:
        return (x1, pick(random, SCALARS)), {}
    return ((pick(random, SCALARS), x2) if kind < 0.25 else (x1, x2)), {}


def reduction(random: Random) -> Arguments:
    x = array(random)
    return (x,), {"axis": axis_for(random, x.shape), "keepdims": bool(random.integers(2))}


def along(several: bool = False, none: bool = True) -> Callable[[Random], Arguments]:
    def arguments(random: Random) -> Arguments:
        x = array(random)
        return (x,), {"axis": axis_for(random, x.shape, several, none)}

    return arguments


def with_number(name: str, options: Any) -> Callable[[Random], Arguments]:
    return lambda random: ((array(random),), {name: pick(random, options)})


def clip(random: Random) -> Arguments:
    limits = [None, -1, 0, 2, 0.5, -0.25, float("inf"), float("nan")]
    return (array(random), pick(random, limits), pick(random, limits)), {}


def where(random: Random) -> Arguments:
    first, second = pick(random, PAIRS)
    condition = array(random, first, "bool bool bool int32 float32")
    return (condition, array(random, second), pick(random, [array(random, first), pick(random, SCALARS)])), {}


def isclose(random: Random) -> Arguments:
    (x1, x2), _ = binary(random)
    return (x1, x2), {"equal_nan": bool(random.integers(2)), "rtol": pick(random, [1e-5, 0.1])}


def take(random: Random) -> Arguments:
    x = array(random)
    axis = axis_for(random, x.shape, several=False)
    size = x.size if axis is None else x.shape[axis] if -x.ndim <= axis < x.ndim else 1
    indices = random.integers(-size, max(size, 1), pick(random, [(), (2,), (2, 2), (0,)]))
    return (x, indices.astype("int32")), {"axis": axis}


def take_along_axis(random: Random) -> Arguments:
    x = array(random, pick(random, [(3,), (2, 3), (2, 3, 2), (2, 0)]))
    axis = int(random.integers(-x.ndim, x.ndim))
    size = x.shape[axis]
    shape = list(x.shape)
    shape[axis] = int(random.integers(0, 3)) if size else 0
    return (x, random.integers(-size, max(size, 1), shape).astype("int32")), {"axis": axis}


def scatter(random: Random) -> Arguments:
    shape = pick(random, [(3,), (2, 3), (3, 1)])
    depth = int(random.integers(1, len(shape) + 1))
    count = int(random.integers(0, 4))
    indices = np.stack([random.integers(-size, size, count) for size in shape[:depth]], -1).astype("int32")
    return (indices, array(random, (count, *shape[depth:]), "float32 int32")), {"shape": shape}


def segment_sum(random: Random) -> Arguments:
    x = array(random, pick(random, [(3,), (3, 2), (0, 2)]), "float32 int32")
    return (x, random.integers(0, 4, len(x)).astype("int32")), {"num_segments": 4}


def encoding(random: Random) -> Arguments:
    ids = np.asarray(
        random.integers(-1, 4, pick(random, [(), (3,), (2, 2), (0,)])), pick(random, ["int32", "float32"])
    )
    return (ids, 3), {"axis": pick(random, [-1, -1, 0]), "dtype": pick(random, [None, "int32", "bool"])}


def matrices(random: Random) -> Arguments:
    shapes = [
        ((2, 3), (3, 2)), ((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 2)), ((2, 2, 3), (3, 2)),
        ((2, 2, 3), (2, 3, 2)),
        ((1, 2, 3), (2, 3, 1)), ((2, 0), (0, 3)), ((0, 3), (3, 2)), ((2, 3), (2, 3)), ((), (3,)),
    ]  # fmt: skip
    first, second = pick(random, shapes)
    return (array(random, first), array(random, second)), {}


def inner(random: Random) -> Arguments:
    first, second = pick(random, [((3,), (3,)), ((2, 3), (3,)), ((2, 3), (4, 3)), ((), (2,)), ((2,), (3,))])
    return (array(random, first), array(random, second)), {}


def tensordot(random: Random) -> Arguments:
    first, second, axes = pick(
        random,
        [
            ((2, 3), (3, 2), 1), ((2, 3), (2, 3), 2), ((2, 3), (3,), 1), ((2,), (3,), 0),
            ((2, 3), (2, 4), [[0], [0]]),
            ((2, 3), (3, 2), [[0, 1], [1, 0]]), ((2, 3), (2, 3), 1), ((2, 0), (0, 3), 1),
        ],
    )  # fmt: skip
    return (array(random, first), array(random, second)), {"axes": axes}


def einsum(random: Random) -> Arguments:
    subscripts, *shapes = pick(
        random,
        [
            ("ij,jk->ik", (2, 3), (3, 2)), ("ii->i", (2, 2)), ("ii", (3, 3)), ("ij->ji", (2, 3)),
            ("ij->", (2, 3)),
            ("bij,bjk->bik", (2, 2, 3), (2, 3, 1)), ("i,j->ij", (2,), (3,)),
            ("...ij,jk->...ik", (2, 2, 3), (3, 2)),
            ("iij->ij", (2, 2, 3)), ("ij,ij->i", (2, 3), (2, 3)), ("ij,jk", (2, 3), (3, 2)),
            ("i,i,i->i", (3,), (3,), (3,)),
            ("ij,jk->ik", (2, 0), (0, 2)), ("ij,jk->ik", (2, 3), (2, 3)), ("ij,kl->", (2, 1), (3, 2)),
        ],
    )  # fmt: skip
    dtype = pick(random, ["float32", "float32", "int32"])
    return (subscripts, *(array(random, shape, dtype) for shape in shapes)), {}


def norm(random: Random) -> Arguments:
    x = array(random, pick(random, [(3,), (2, 3), (2, 2), (2, 3, 2), (0,), ()]), "float32 float32 int32")
    order = pick(random, [None, 1, 2, 2, -1, -2, np.inf, -np.inf, 0, 3, 0.5, "fro", "nuc"])
    axis = axis_for(random, x.shape)
    return (x,), {"ord": order, "axis": axis, "keepdims": bool(random.integers(2))}


def average(random: Random) -> Arguments:
    x = array(random, pick(random, [(3,), (2, 3), (2, 3, 2)]))
    axis = axis_for(random, x.shape)
    kind = random.random()
    if kind < 0.3:
        return (x,), {"axis": axis}
    shape = x.shape if kind < 0.7 or not isinstance(axis, int) else (x.shape[axis % x.ndim],)
    return (x,), {"axis": axis, "weights": np.abs(array(random, shape, "float32 int32"))}


def reshape(random: Random) -> Arguments:
    x = array(random)
    return (x, pick(random, [(-1,), (2, -1), (3, 2), (1, -1), (0, 2), (), (-1, 3), (2, 3, 2)])), {}


def transpose(random: Random) -> Arguments:
    x = array(random)
    axes = pick(random, [None, tuple(int(axis) for axis in random.permutation(x.ndim)), (0, 0)])
    return (x,), {"axes": axes}


def two_axes(random: Random) -> Arguments:
    x = array(random)
    rank = max(x.ndim, 1)
    return (x, int(random.integers(-rank, rank)), int(random.integers(-rank, rank + 1))), {}


def expand_dims(random: Random) -> Arguments:
    return (array(random), pick(random, [0, -1, 1, (0, 1), (0, -1), (0, 0), 5])), {}


def squeeze(random: Random) -> Arguments:
    x = array(random, pick(random, [(1,), (3, 1), (1, 1), (1, 2, 1), (2, 3), ()]))
    return (x,), {"axis": pick(random, [None, 0, -1, 1, (0, -1)])}


def broadcast_to(random: Random) -> Arguments:
    return (array(random), pick(random, [(2, 3), (3,), (2, 3, 2), (4, 2, 3), (0, 2), (1,)])), {}


def joined(random: Random) -> Arguments:
    shape = pick(random, [(2, 3), (3,), (0, 2), (2, 3, 2)])
    arrays = [array(random, shape) for _ in range(random.integers(1, 4))]
    return (arrays,), {"axis": int(random.integers(-len(shape), len(shape) + 1))}


def split(random: Random) -> Arguments:
    x = array(random, pick(random, [(4,), (2, 4), (4, 2), (0, 2)]))
    return (x, pick(random, [1, 2, 3, 4, [1], [1, 3], [0, 2], []])), {"axis": pick(random, [0, -1])}


def tile(random: Random) -> Arguments:
    return (array(random), pick(random, [2, 0, 1, (2,), (2, 1), (1, 2, 2), -1])), {}


def repeat(random: Random) -> Arguments:
    x = array(random)
    return (x, pick(random, [0, 1, 2, 3, -1])), {"axis": axis_for(random, x.shape, several=False)}


def roll(random: Random) -> Arguments:
    x = array(random)
    return (x, pick(random, [0, 1, -1, 5, -7])), {"axis": axis_for(random, x.shape, several=False)}


def pad(random: Random) -> Arguments:
    x = array(random, pick(random, [(3,), (2, 3), (1,), (4, 2)]))
    width = pick(random, [0, 1, (1, 2), ((1, 0),) * x.ndim, 3])
    mode = pick(random, ["constant", "constant", "reflect", "symmetric", "edge", "wrap"])
    fill = {"constant_values": pick(random, [0, 1, 2.5])} if mode == "constant" and random.integers(2) else {}
    return (x, width), {"mode": mode, **fill}


def triangle(random: Random) -> Arguments:
    return (array(random),), {"k": int(random.integers(-3, 4))}


def diagonal(random: Random) -> Arguments:
    x = array(random, pick(random, [(2, 3), (3, 2), (2, 2), (2, 3, 2), (0, 2), (3,)]))
    return (x,), {"offset": int(random.integers(-3, 4))}


def block(random: Random) -> Arguments:
    x = array(random, pick(random, [(3,), (2, 3)]))
    starts = tuple(int(random.integers(0, size + 1)) for size in x.shape)
    sizes = tuple(
        int(random.integers(0, size - start + 1)) for size, start in zip(x.shape, starts, strict=True)
    )
    return (x, starts, sizes), {}


def block_update(random: Random) -> Arguments:
    (x, starts, sizes), _ = block(random)
    return (x, starts, np.zeros(sizes, x.dtype)), {}


def top_k(random: Random) -> Arguments:
    return (array(random, pick(random, [(3,), (2, 3), (1,), (4, 2)])), int(random.integers(1, 4))), {}


def in_top_k(random: Random) -> Arguments:
    targets = random.integers(0, 3, 2).astype("int32")
    return (targets, floats(random, (2, 3))), {"k": int(random.integers(1, 4))}


def sizes(random: Random) -> Arguments:
    return (pick(random, [(), (2,), (2, 3), (0,), 3, (-1,)]),), {
        "dtype": pick(random, [None, "int32", "bool", "float32"])
    }


def full(random: Random) -> Arguments:
    fill = pick(random, [7, 0.5, True, np.float32(2), np.int32(3), float("inf")])
    return (pick(random, [(), (2,), (2, 3), (0,), 3]), fill), {
        "dtype": pick(random, [None, None, "float32", "int32", "bool"])
    }


def full_like(random: Random) -> Arguments:
    return (array(random), pick(random, [7, 0.5, True, -1])), {"dtype": pick(random, [None, None, "float32"])}


def like(random: Random) -> Arguments:
    return (array(random),), {"dtype": pick(random, [None, None, "float32", "int32", "bool"])}


def arange(random: Random) -> Arguments:
    start, stop, step = (pick(random, [0, 1, 2, 5, -3, 0.5, 2.25]) for _ in range(3))
    counts = pick(random, [(start,), (start, stop), (start, stop, step)])
    return counts, {"dtype": pick(random, [None, None, "float32", "int32"])}


def linspace(random: Random) -> Arguments:
    start, stop = pick(random, [0, -1.5, 2]), pick(random, [1, 5.5, -2])
    return (start, stop), {"num": pick(random, [0, 1, 2, 5]), "endpoint": bool(random.integers(2))}


def eye(random: Random) -> Arguments:
    dtype = pick(random, [None, "int32", "bool"])
    return (pick(random, [0, 1, 3]),), {
        "M": pick(random, [None, 2, 4]),
        "k": int(random.integers(-2, 3)),
        "dtype": dtype,
    }


def cast(random: Random) -> Arguments:
    return (array(random), pick(random, ["float32", "int32", "bool"])), {}


def moments(random: Random) -> Arguments:
    x = array(random, pick(random, [(3,), (2, 3), (2, 3, 2)]), "float32 float32 int32")
    axes = [int(axis) for axis in random.permutation(x.ndim)[: random.integers(1, x.ndim + 1)]]
    return (x,), {"axes": axes, "keepdims": bool(random.integers(2))}


def normalize(random: Random) -> Arguments:
    x = floats(random, pick(random, [(3,), (2, 3), (2, 3, 2)]))
    return (x,), {"axis": int(random.integers(-x.ndim, x.ndim)), "order": pick(random, [1, 2, 3])}


def batch_normalization(random: Random) -> Arguments:
    x, (mean, offset) = floats(random, (2, 3)), (floats(random, (3,)), floats(random, (3,)))
    return (x, mean, np.abs(floats(random, (3,)))), {"axis": -1, "offset": pick(random, [None, offset])}


def layer_normalization(random: Random) -> Arguments:
    # Not of two elements, whose gradient is the rounding error of a cancellation.
    return (floats(random, pick(random, [(2, 3), (3,), (2, 2, 4)])),), {"axis": -1}


def probabilities(random: Random) -> Array:
    values = random.random((2, 3)).astype("float32")
    return values / values.sum(-1, keepdims=True)


def crossentropy(random: Random) -> Arguments:
    from_logits = bool(random.integers(2))
    target = np.eye(3, dtype="float32")[random.integers(0, 3, 2)]
    return (target, floats(random, (2, 3)) if from_logits else probabilities(random)), {
        "from_logits": from_logits
    }


def sparse_crossentropy(random: Random) -> Arguments:
    (_, output), kwargs = crossentropy(random)
    return (random.integers(0, 3, 2).astype("int32"), output), kwargs


def convolution(random: Random) -> Arguments:
    size, channels = pick(random, [((5,), 2), ((4, 5), 2), ((3, 3), 4)])
    kernel = tuple(int(random.integers(1, 4)) for _ in size)
    x = random.normal(size=(2, *size, channels)).astype("float32")
    weights = random.normal(size=(*kernel, pick(random, [channels, channels // 2]), 2)).astype("float32")
    return (x, weights), {"strides": int(random.integers(1, 3)), "padding": pick(random, ["valid", "same"])}


def pooling(random: Random) -> Arguments:
    x = floats(random, pick(random, [(2, 5, 2), (1, 4, 5, 2)]))
    return (x, int(random.integers(1, 4))), {
        "strides": int(random.integers(1, 3)),
        "padding": pick(random, ["valid", "same"]),
    }


def activation_relu(random: Random) -> Arguments:
    limits = {"negative_slope": [0.0, 0.25], "max_value": [None, 1.0, 0.0], "threshold": [0.0, 0.5, -1.0]}
    return (array(random),), {name: pick(random, options) for name, options in limits.items()}


def named(names: str, arguments: Callable[[Random], Arguments]) -> dict[str, Callable[[Random], Arguments]]:
    return dict.fromkeys(names.split(), arguments)


ARGUMENTS: dict[str, Callable[[Random], Arguments]] = {
    **{row.name: (unary if row.arity == 1 else binary) for row in ELEMENTWISE if row.is_public},
    **named("absolute log2 log10 tan isinf stop_gradient ravel", unary),
    **named("relu6 selu silu swish softplus softsign log_sigmoid tanh_shrink", unary),
    **named("hard_sigmoid hard_silu hard_swish hard_tanh convert_to_tensor", unary),
    **named("true_divide divide_no_nan logaddexp outer logical_xor", binary),
    **named("sum mean max min amax amin prod var std all any logsumexp", reduction),
    **named("argmax argmin sort argsort cumsum cumprod", along()),
    **named("flip count_nonzero", along(several=True)),
    **named("softmax log_softmax", along(several=True)),
    **named("glu", along(none=False)),
    **named("unstack", along(none=False)),
    "round": with_number("decimals", [0, 1, 2, -1, -2]),
    "leaky_relu": with_number("negative_slope", [0.2, 0.0, 1.5]),
    **named("elu celu", with_number("alpha", [1.0, 0.5, 2.0])),
    "gelu": with_number("approximate", [True, False]),
    **named("soft_shrink hard_shrink", with_number("threshold", [0.5, 0.0, 2.0])),
    "threshold": lambda random: ((array(random), pick(random, [0, 0.5, -1.0]), pick(random, [0, 7.5])), {}),
    "clip": clip,
    "where": where,
    "isclose": isclose,
    "take": take,
    "take_along_axis": take_along_axis,
    "scatter": scatter,
    "segment_sum": segment_sum,
    **named("one_hot multi_hot", encoding),
    **named("matmul dot", matrices),
    **named("inner vdot", inner),
    "tensordot": tensordot,
    "einsum": einsum,
    "norm": norm,
    "average": average,
    "reshape": reshape,
    "transpose": transpose,
    **named("swapaxes moveaxis", two_axes),
    "expand_dims": expand_dims,
    "squeeze": squeeze,
    "broadcast_to": broadcast_to,
    **named("concatenate stack", joined),
    "split": split,
    "tile": tile,
    "repeat": repeat,
    "roll": roll,
    "pad": pad,
    **named("tril triu diag", triangle),
    **named("diagonal trace", diagonal),
    "slice": block,
    "slice_update": block_update,
    "top_k": top_k,
    "in_top_k": in_top_k,
    **named("zeros ones", sizes),
    "full": full,
    "full_like": full_like,
    **named("zeros_like ones_like", like),
    "arange": arange,
    "linspace": linspace,
    "eye": eye,
    "tri": lambda random: (
        (pick(random, [0, 1, 3]),),
        {"M": pick(random, [None, 2]), "k": int(random.integers(-2, 3))},
    ),
    "identity": lambda random: ((pick(random, [0, 1, 3]),), {}),
    "cast": cast,
    "moments": moments,
    "normalize": normalize,
    "batch_normalization": batch_normalization,
    "layer_normalization": layer_normalization,
    "categorical_crossentropy": crossentropy,
    "binary_crossentropy": crossentropy,
    "sparse_categorical_crossentropy": sparse_crossentropy,
    "conv": convolution,
    **named("max_pool average_pool", pooling),
    **named("activations.exponential activations.mish", unary),
    "activations.relu": activation_relu,
    "activations.elu": with_number("alpha", [1.0, 0.5]),
    "activations.gelu": with_number("approximate", [True, False]),
    "activations.leaky_relu": with_number("negative_slope", [0.2, 0.5]),
    **named("activations.softmax activations.log_softmax", along(several=True, none=False)),
}

# Ops that answer about types and shapes, or take others as arguments: they have tests of their own.
ELSEWHERE = frozenset(
    "broadcast_shapes convert_to_numpy dtype getitem is_keras_tensor is_tensor ndim select shape size".split()
)

# Steps and what is no float: no gradient is compared.
WITHOUT_GRADIENT = frozenset(
    [row.name for row in ELEMENTWISE if row.is_step or not row.has_gradient]
    + "isinf isclose argmax argmin argsort in_top_k".split()
)


def functions(name: str) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """The function of either library."""
    if name.startswith("activations."):
        short = name.removeprefix("activations.")
        return getattr(activations, short), getattr(keras.activations, short)
    return getattr(ops, name), getattr(keras.ops, name)


def cases(count: int, seed: int = 0) -> Iterator[Case]:
    """Calls of all ops in turn."""
    names = list(ARGUMENTS)
    for number in range(count):
        random = np.random.default_rng([seed, number])
        name = names[number % len(names)]
        args, kwargs = ARGUMENTS[name](random)
        yield Case(name, args, kwargs)


def differences(case: Case) -> Iterator[Difference]:
    """In which result, and in which gradient, the libraries differ."""
    ours, theirs = functions(case.name)
    # Some of Keras's functions want its tensors.
    converted = structure.map_structure(
        lambda leaf: keras.ops.convert_to_tensor(leaf) if isinstance(leaf, np.ndarray) else leaf,
        (case.args, case.kwargs),
    )
    results = outcome(ours, *case.args, **case.kwargs), outcome(theirs, *converted[0], **converted[1])
    found = compare(case, *results)
    if found is not None:
        yield found
        return
    if results[0].arrays is None or case.name in WITHOUT_GRADIENT:
        return
    sources = [leaf for leaf in case.arrays() if leaf.dtype == np.float32]
    if sources and any(result.dtype == np.float32 for result in results[0].arrays):
        gradients = (
            outcome(gradients_of_ours, ours, case, sources),
            outcome(gradients_of_theirs, theirs, case, sources),
        )
        # The gradient of a normalisation is a small difference of larger terms.
        found = compare(case, *gradients, atol=1e-5 if case.name == "layer_normalization" else 1e-6)
        if found is not None:
            found.what = f"in the gradient: {found.what}"
            yield found


def weight(shape: Any) -> Array:
    """What each element of a result counts in the sum that is differentiated."""
    return (1.5 + np.cos(np.arange(np.prod(shape, dtype=int)))).reshape(shape).astype("float32")


def substituted(case: Case, sources: list[Array], values: Any) -> tuple[Any, Any]:
    """The arguments with other values in the places of the sources."""
    found = {id(source): value for source, value in zip(sources, values, strict=True)}
    return structure.map_structure(lambda leaf: found.get(id(leaf), leaf), (case.args, case.kwargs))


def gradients_of_ours(function: Callable[..., Any], case: Case, sources: list[Array]) -> list[Array]:
    trace = Trace()

    def record() -> Any:
        inputs = [trace.input("float32", source.shape) for source in sources]
        args, kwargs = substituted(case, sources, inputs)
        results = structure.flatten(function(*args, **kwargs))
        terms = [ops.sum(one * weight(one.shape)) for one in results if one.dtype == "float32"]
        loss = terms[0]
        for term in terms[1:]:
            loss = loss + term
        found = trace.gradients(loss, inputs)
        return [ops.zeros_like(x) if dx is None else dx for x, dx in zip(inputs, found, strict=True)]

    return trace.compile(trace.call(record)).run(sources)


def gradients_of_theirs(function: Callable[..., Any], case: Case, sources: list[Array]) -> list[Array]:
    def results(*values: Any) -> Any:
        args, kwargs = substituted(case, sources, values)
        return [one for one in structure.flatten(function(*args, **kwargs)) if one.dtype == "float32"]

    values, pull_back = jax.vjp(results, *map(jax.numpy.asarray, sources))
    return [np.asarray(dx) for dx in pull_back([jax.numpy.asarray(weight(one.shape)) for one in values])]


# --- differences that are meant -----------------------------------------------------------------------------


def holds(found: Difference, test: Callable[[Array], Any], dtypes: str = "f") -> bool:
    """Whether a number among the arguments passes a test."""
    leaves = [
        np.asarray(leaf)
        for leaf in structure.flatten((found.case.args, found.case.kwargs))
        if is_number(leaf)
    ]
    with np.errstate(all="ignore"):
        return any(bool(np.any(test(leaf))) for leaf in leaves if leaf.dtype.kind in dtypes)


def is_number(leaf: Any) -> bool:
    return isinstance(leaf, (np.ndarray, np.generic, bool, int, float))


def only_keras_raises(*messages: str) -> Callable[[Difference], bool]:
    return lambda found: found.ours.error is None and any(one in str(found.theirs.error) for one in messages)


def in_values(found: Difference) -> bool:
    return found.what.endswith("other values")


def in_the_gradient(found: Difference) -> bool:
    return found.what.startswith("in the gradient")


def is_tiny(x: Array) -> Any:
    return (x != 0) & (np.abs(x) <= SMALL)


def is_huge(x: Array) -> Any:
    return np.isinf(x) | (np.abs(x) > BIG / 8)


def is_extreme_integer(x: Array) -> Any:
    return np.abs(x.astype("float64")) > 2**30


ANY = None
REASONS = [
    Reason(
        "JAX's functions of floats refuse integers and bools; ours take them for floats",
        ANY,
        only_keras_raises("does not accept dtype", "not inexact"),
    ),
    Reason(
        "Keras's softmax over a tuple of axes fails for one axis, and for nothing",
        frozenset("softmax log_softmax activations.softmax activations.log_softmax".split()),
        only_keras_raises("transpose permutation", "integer modulo"),
    ),
    Reason(
        "a split beyond the end gives nothing, as in NumPy",
        frozenset({"split"}),
        only_keras_raises("nonnegative"),
    ),
    Reason(
        "numbers below the smallest normal one, and in XLA that one, are flushed to 0 at some places",
        ANY,
        lambda found: in_values(found) and holds(found, is_tiny),
    ),
    Reason(
        "int32 overflows in JAX's activations, where ours compute in floats",
        frozenset(
            "softsign log_sigmoid softmax log_softmax celu elu selu leaky_relu soft_shrink hard_shrink "
            "softplus tanh_shrink hard_sigmoid hard_silu hard_swish gelu relu6 activations.relu "
            "activations.softmax activations.log_softmax activations.mish activations.gelu activations.elu "
            "activations.leaky_relu".split()
        ),
        lambda found: in_values(found) and holds(found, is_extreme_integer, "i"),
    ),
    Reason(
        "integers divided by 0 are 0, as in NumPy; JAX has no rule",
        frozenset({"floor_divide", "mod"}),
        lambda found: holds(found, lambda x: x == 0, "ib"),
    ),
    Reason(
        "|x| and the length of a vector have the derivative 0 at 0, the middle of those they could have, and "
        "NaN at NaN; in JAX another",
        frozenset("abs absolute hypot norm normalize softsign".split()),
        lambda found: in_the_gradient(found) and holds(found, lambda x: (x == 0) | np.isnan(x)),
    ),
    Reason(
        "multi_hot merges the last axis of the indices; Keras axis 0 or 1 of the encoding, whatever it is",
        frozenset({"multi_hot"}),
        lambda found: found.case.kwargs["axis"] == 0 or found.case.args[0].ndim != 2,
    ),
    Reason(
        "of NaN in a window of a pooling, the first wins; in JAX's gradient another",
        frozenset({"max_pool"}),
        lambda found: in_the_gradient(found) and holds(found, np.isnan),
    ),
    Reason(
        "NaN stays NaN; Keras makes a number of it",
        frozenset({"soft_shrink", "activations.relu"}),
        lambda found: holds(found, np.isnan),
    ),
    Reason(
        "ReLU with a negative threshold and a limit follows the documented formula; Keras cuts at 0 too",
        frozenset({"activations.relu"}),
        lambda found: found.case.kwargs["threshold"] < 0 and found.case.kwargs["max_value"] is not None,
    ),
    Reason(
        "a bool times what is not finite, or over 0, is what 0 and 1 are; JAX selects",
        frozenset({"multiply", "outer", "divide", "true_divide"}),
        lambda found: in_values(found) and holds(found, lambda x: ~x, "b"),
    ),
    Reason(
        "a number that is too large to be scaled has no decimals to round",
        frozenset({"round"}),
        lambda found: holds(found, is_huge),
    ),
    Reason(
        "the derivative of logaddexp at infinities is the limit of those before",
        frozenset({"logaddexp"}),
        lambda found: in_the_gradient(found) and holds(found, np.isinf),
    ),
    Reason(
        "where the result is NaN, the derivatives may be 0 or NaN",
        ANY,
        lambda found: in_the_gradient(found) and in_values(found) and holds(found, np.isnan),
    ),
    Reason(
        "ReLU has the slope below the threshold at the threshold itself; Keras none",
        frozenset({"activations.relu"}),
        lambda found: in_the_gradient(found) and holds(found, lambda x: x == found.case.kwargs["threshold"]),
    ),
    Reason(
        "a threshold between False and True parts them; Keras makes a bool of it first",
        frozenset({"activations.relu"}),
        lambda found: found.case.args[0].dtype == bool,
    ),
    Reason(
        "integers are padded with whole numbers alone; Keras cuts others off",
        frozenset({"pad"}),
        lambda found: found.theirs.error is None and "whole number" in str(found.ours.error),
    ),
    Reason(
        "integers to a negative power are refused: what they are is no integer",
        frozenset({"power"}),
        lambda found: found.theirs.error is None and "an exponent of 0 or more" in str(found.ours.error),
    ),
    Reason(
        "NaN is never among the largest",
        frozenset({"in_top_k"}),
        lambda found: holds(found, np.isnan),
    ),
    Reason(
        "the largest integers are rounded like the others; in Keras they overflow on the way",
        frozenset({"round"}),
        lambda found: in_values(found) and holds(found, is_extreme_integer, "i"),
    ),
    Reason(
        "an int32 that does not exist is refused",
        frozenset({"full", "full_like", "cast", "convert_to_tensor"}),
        lambda found: found.theirs.error is None and "fit int32" in str(found.ours.error),
    ),
    Reason(
        "infinite or nearly infinite numbers overflow on the way, here and there at other places",
        frozenset(
            "norm normalize inner vdot dot matmul tensordot einsum layer_normalization batch_normalization "
            "var std moments average binary_crossentropy categorical_crossentropy "
            "sparse_categorical_crossentropy prod cumprod mod".split()
        ),
        lambda found: in_values(found) and holds(found, is_huge),
    ),
]


def run(count: int, seed: int = 0) -> Report:
    return sweep(cases(count, seed), differences, REASONS)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    report = run(arguments.cases, arguments.seed)
    print(report)
    sys.exit(bool(report.faults))
