"""Every public op, by table: its values are those of `keras.ops`, its gradient that of finite differences.

A row is a call. `CASES` maps an op's name to its calls; one contract function checks values on arrays, one
that a symbolic call gives the same, one the gradient in float64.
"""

import inspect
import re
from itertools import product
from pathlib import Path

import numpy as np
import pytest

import rustnet
from elementwise_cases import ELEMENTWISE
from oracle import recording
from rustnet import _core, ops
from rustnet.core import structure
from rustnet.core.operation import keras_tensors
from rustnet.core.trace import Trace
from sweeps.comparison import outcome

RANDOM = np.random.default_rng(7)


def normal(*shape):
    return RANDOM.normal(size=shape)


def positive(*shape):
    return RANDOM.uniform(0.5, 2.0, size=shape)


def distinct(*shape):
    """Numbers at least 0.1 apart, so that a finite difference changes no order."""
    return RANDOM.permutation(int(np.prod(shape))).reshape(shape) * 0.1 + 0.05


def call(*args, **kwargs):
    return args, kwargs


A, B, ROW, CUBE = normal(2, 3), normal(2, 3), normal(3), normal(2, 3, 4)
POSITIVE = positive(2, 3)
INTEGERS = np.array([[3, -7, 5], [0, 2, -4]], "int32")
DIVISORS = np.array([2, -3, 4], "int32")
TRUTH = np.array([[True, False, True], [False, False, True]])
SPECIAL = np.array([1.0, np.nan, np.inf, -np.inf, 0.0], "float32")
PROBABILITIES = positive(4, 3) / 3.0
ONE_HOT = np.eye(3)[[0, 2, 1, 2]]
LABELS = np.array([0, 2, 1, 2], "int32")

ACTIVATIONS = (
    "relu6 leaky_relu elu selu celu gelu silu swish softplus softsign log_sigmoid hard_sigmoid "
    "hard_silu hard_swish hard_tanh tanh_shrink soft_shrink hard_shrink softmax log_softmax"
).split()
COMPARISONS = "equal not_equal less less_equal greater greater_equal".split()
REDUCTIONS = "sum mean max min amax amin prod var std".split()

# The elementwise ops that the engine has come from a table of their own below; here are other calls of them.
CASES = {
    **{name: [call(3.0 * CUBE)] for name in ACTIVATIONS},
    **{name: [call(INTEGERS, DIVISORS), call(ROW, A)] for name in COMPARISONS},
    **{
        name: [call(CUBE), call(CUBE, axis=1), call(CUBE, axis=(0, -1), keepdims=True), call(A[0], axis=0)]
        for name in REDUCTIONS
    },
    "absolute": [call(A)],
    "tan": [call(A), call(np.float32(0.3))],
    "log2": [call(POSITIVE)],
    "log10": [call(POSITIVE)],
    "isinf": [call(SPECIAL)],
    "add": [call(A, ROW), call(A, 2), call(INTEGERS, 1.5), call(CUBE, 1)],
    "subtract": [call(ROW, A), call(2, A)],
    "multiply": [call(A[:, :1], ROW), call(INTEGERS, True)],
    "divide": [call(1.0, POSITIVE), call(INTEGERS, DIVISORS)],
    "true_divide": [call(A, POSITIVE)],
    "divide_no_nan": [call(A, POSITIVE), call(INTEGERS.astype("float32"), INTEGERS.astype("float32"))],
    "floor_divide": [call(3 * A, np.full(3, 0.7))],
    "mod": [call(3 * A, np.full(3, 0.7))],
    "power": [call(A, 2), call(A, 3.0)],
    "maximum": [call(A, 0.0)],
    "minimum": [call(A, 0.0)],
    "logaddexp": [call(A, B)],
    "clip": [call(A, -0.5, 0.5)],
    "isclose": [call(A, A + 1e-7), call(A, B)],
    "logical_and": [call(INTEGERS, DIVISORS)],
    "logical_or": [call(INTEGERS, DIVISORS)],
    "logical_xor": [call(TRUTH, TRUTH[::-1]), call(INTEGERS, DIVISORS)],
    "logical_not": [call(INTEGERS)],
    "where": [call(TRUTH, A, B), call(TRUTH, A, 0.0)],
    "cast": [call(A, "int32"), call(INTEGERS, "float32"), call(INTEGERS, "bool"), call(TRUTH, "float32")],
    "convert_to_tensor": [call(A), call([[1, 2], [3, 4]]), call([1.5, 2.5]), call(True)],
    "stop_gradient": [call(A)],
    "shape": [call(CUBE)],
    "ndim": [call(CUBE)],
    "size": [call(CUBE)],
    "reshape": [call(CUBE, (4, -1)), call(CUBE, (24,)), call(CUBE, (2, 1, 12))],
    "ravel": [call(CUBE)],
    "transpose": [call(CUBE), call(CUBE, (1, 0, 2))],
    "swapaxes": [call(CUBE, 0, -1)],
    "moveaxis": [call(CUBE, 0, -1), call(CUBE, (0, 1), (-1, 0))],
    "expand_dims": [call(A, 0), call(A, -1), call(A, (0, 2))],
    "squeeze": [call(A[:, None]), call(A[None, :, None], axis=2)],
    "broadcast_to": [call(ROW, (2, 3)), call(A[:, None], (2, 4, 3))],
    "concatenate": [
        call([A, B], axis=0),
        call([A, A[:, :1]], axis=-1),
        call([A, B]),
        call([CUBE, CUBE], axis=1),
    ],
    "stack": [call([A, B]), call([A, B], axis=-1)],
    "unstack": [call(CUBE), call(CUBE, axis=1)],
    "split": [call(CUBE, 2, axis=-1), call(CUBE, [1, 3], axis=2)],
    "tile": [call(A, (2, 3)), call(A, (2, 1, 3)), call(ROW, 2)],
    "repeat": [call(A, 2), call(A, 3, axis=1), call(A, np.array([1, 2]), axis=0)],
    "flip": [call(CUBE), call(CUBE, axis=1), call(CUBE, axis=(0, 2))],
    "roll": [call(CUBE, 2), call(CUBE, -1, axis=1), call(CUBE, 5, axis=2)],
    "pad": [
        call(A, 1),
        call(A, ((1, 4), (2, 1)), mode="wrap"),
        call(A, ((1, 0), (0, 2)), constant_values=3.0),
        call(A, ((1, 1), (2, 1)), mode="reflect"),
        call(A, ((1, 1), (2, 1)), mode="symmetric"),
    ],
    "slice": [call(CUBE, (0, 1, 2), (2, 2, 1))],
    "slice_update": [call(CUBE, (0, 1, 2), normal(2, 2, 1))],
    "take": [
        call(CUBE, [0, 2, -1], axis=1),
        call(CUBE, np.array([[1, 0], [3, 3]]), axis=2),
        call(CUBE, [5, 0]),
        call(A, 1, axis=0),
    ],
    "take_along_axis": [
        call(A, np.array([[2, 0], [1, -1]]), axis=1),
        call(CUBE, np.zeros((1, 3, 4), int), axis=0),
    ],
    "scatter": [
        call(np.array([[0, 1], [2, 0], [0, 1]]), normal(3), (3, 2)),
        call(np.array([[1], [1]]), A, (4, 3)),
    ],
    "segment_sum": [call(CUBE[0], np.array([0, 2, 0]), num_segments=4)],
    "select": [call([TRUTH, ~TRUTH], [A, B]), call([TRUTH], [A], 5.0)],
    "zeros": [call((2, 3)), call((2,), dtype="int32")],
    "ones": [call((2, 3)), call((2,), dtype="bool")],
    "full": [call((2, 3), 4.5), call((2,), 3, dtype="int32")],
    "zeros_like": [call(A), call(INTEGERS), call(A, dtype="int32")],
    "ones_like": [call(A), call(INTEGERS)],
    "full_like": [call(A, 2.5), call(INTEGERS, 2)],
    "arange": [call(5), call(2, 10, 3), call(0.0, 1.0, 0.25), call(3, dtype="float32")],
    "linspace": [call(0.0, 1.0, 5), call(1.0, 2.0, num=4, endpoint=False)],
    "eye": [call(3), call(2, 4, k=1)],
    "identity": [call(3)],
    "tri": [call(3), call(2, 4, k=1)],
    "tril": [call(A), call(CUBE, k=-1)],
    "triu": [call(A), call(CUBE, k=1)],
    "all": [call(TRUTH), call(TRUTH, axis=1), call(INTEGERS, axis=0, keepdims=True)],
    "any": [call(TRUTH), call(TRUTH, axis=1), call(INTEGERS, axis=0)],
    "count_nonzero": [call(INTEGERS), call(INTEGERS, axis=1)],
    "argmax": [call(A), call(CUBE, axis=1), call(CUBE, axis=-1, keepdims=True), call(INTEGERS * 0, axis=1)],
    "argmin": [call(A), call(CUBE, axis=1), call(CUBE, axis=-1)],
    "logsumexp": [call(CUBE), call(CUBE * 100, axis=1), call(CUBE, axis=(0, 2), keepdims=True)],
    "norm": [
        call(A),
        call(A, axis=1),
        call(A, ord=1, axis=0),
        call(A, ord=np.inf, axis=1, keepdims=True),
        *(call(A, ord=order) for order in (1, -1, 2, -2, np.inf, -np.inf, "fro", "nuc")),
        *(call(CUBE, ord=order, axis=(0, 2)) for order in (-1, 2, np.inf)),
        call(CUBE, ord=2, axis=(-1, 0), keepdims=True),
        call(A, ord=0, axis=1),
        call(A, ord=3, axis=1),
    ],
    "average": [
        call(A, axis=1),
        call(A, axis=1, weights=POSITIVE),
        call(A, axis=0, weights=POSITIVE[0, :2]),
        call(A, weights=POSITIVE),
        call(CUBE, axis=-2, weights=POSITIVE[0]),
    ],
    "matmul": [
        call(A, B.T),
        call(CUBE, normal(4, 5)),
        call(CUBE, normal(2, 4, 5)),
        call(normal(5, 1, 2, 3), normal(2, 3, 4)),
        call(ROW, ROW),
        call(A, ROW),
        call(A[:, 0], A),
        call(INTEGERS, INTEGERS.T),
    ],
    "dot": [call(A, B.T), call(ROW, ROW), call(CUBE, normal(5, 4, 2)), call(A, 2.0)],
    "tensordot": [
        call(CUBE, normal(3, 4, 5)),
        call(CUBE, normal(4, 2, 5), axes=([0, 2], [1, 0])),
        call(A, B, axes=0),
    ],
    "inner": [call(A, B), call(ROW, ROW)],
    "outer": [call(ROW, A)],
    "vdot": [call(A, B)],
    "einsum": [
        call("bij,bjk->bik", CUBE, normal(2, 4, 5)),
        call("bij->b", CUBE),
        call("bij->jib", CUBE),
        call("abc,cd,de->abe", CUBE, normal(4, 5), normal(5, 2)),
        call("i,j->ij", ROW, ROW),
        call("...ij,jk->...ik", CUBE, normal(4, 5)),
        call("ij,ij", A, B),
        call("abcd,aecd->acbe", normal(2, 3, 4, 5), normal(2, 6, 4, 5)),
    ],
    "diagonal": [call(normal(3, 4)), call(normal(3, 4), offset=1), call(normal(4, 3), offset=-2), call(CUBE)],
    "trace": [call(normal(3, 3))],
    "diag": [call(ROW), call(ROW, k=1), call(normal(3, 3))],
    "threshold": [call(A, 0.5, 20.0)],
    "glu": [call(CUBE)],
    "one_hot": [
        call(LABELS, 3),
        call(np.array([[0, 1], [5, -1]]), 3, axis=1),
        call(LABELS, 4, dtype="int32"),
    ],
    "multi_hot": [call(np.array([[0, 1], [2, 2]]), 4)],
    "moments": [call(CUBE, axes=(0, 1)), call(CUBE, axes=(2,), keepdims=True)],
    "normalize": [call(A), call(CUBE, axis=1), call(A, order=1)],
    "batch_normalization": [
        call(CUBE, normal(4), positive(4), axis=-1),
        call(CUBE, normal(3), positive(3), axis=1, offset=normal(3), scale=normal(3)),
    ],
    "layer_normalization": [call(A), call(CUBE, gamma=normal(4), beta=normal(4), epsilon=1e-5)],
    "categorical_crossentropy": [
        call(ONE_HOT, PROBABILITIES),
        call(ONE_HOT, normal(4, 3), from_logits=True),
        call(ONE_HOT.T, PROBABILITIES.T, axis=0),
    ],
    "sparse_categorical_crossentropy": [
        call(LABELS, PROBABILITIES),
        call(LABELS[:, None], normal(4, 3), from_logits=True),
    ],
    "binary_crossentropy": [
        call(ONE_HOT, np.clip(PROBABILITIES, 0.1, 0.9)),
        call(ONE_HOT, normal(4, 3), from_logits=True),
    ],
    "conv": [
        call(normal(2, 5, 6, 3), normal(3, 2, 3, 4)),
        call(normal(2, 5, 6, 4), normal(3, 3, 2, 4), strides=2, padding="same"),
        call(normal(2, 7, 6, 3), normal(2, 3, 3, 2), dilation_rate=(2, 1)),
        call(normal(2, 8, 3), normal(3, 3, 4), strides=2, padding="same"),
    ],
    "max_pool": [
        call(distinct(2, 5, 6, 2), pool_size=2, strides=2),
        call(distinct(2, 5, 6, 2), pool_size=(3, 2), strides=1, padding="same"),
        call(distinct(2, 7, 3), pool_size=3, strides=2),
    ],
    "average_pool": [
        call(normal(2, 5, 6, 2), pool_size=2, strides=2),
        call(normal(2, 5, 6, 2), pool_size=(3, 2), strides=1, padding="same"),
        call(normal(2, 7, 3), pool_size=3, strides=2),
    ],
    "sort": [call(distinct(3, 4)), call(distinct(3, 4), axis=0), call(INTEGERS)],
    "argsort": [call(distinct(3, 4)), call(distinct(3, 4), axis=0)],
    "top_k": [call(distinct(3, 4), 2)],
    "in_top_k": [call(LABELS, PROBABILITIES, k=2)],
    "cumsum": [call(CUBE, axis=1), call(A), call(INTEGERS, axis=-1)],
    "cumprod": [call(CUBE, axis=1), call(A)],
}

for row in ELEMENTWISE:
    if row.is_public:
        CASES[row.name] = [*(call(*inputs) for inputs in row.calls()), *CASES.get(row.name, [])]

# Ops that answer about shapes and types instead of computing, or have a test of their own below.
WITHOUT_ROW = {"broadcast_shapes", "convert_to_numpy", "dtype", "getitem", "is_keras_tensor", "is_tensor"}

# Where finite differences mean nothing: steps, ties at integers, or a gradient that is stopped on purpose.
WITHOUT_GRADIENT = {
    *(row.name for row in ELEMENTWISE if row.is_step or not row.has_gradient),
    "isinf", "logical_xor",
    "all", "any", "arange", "argmax", "argmin", "argsort", "cast", "count_nonzero", "eye", "full",
    "full_like", "identity", "in_top_k", "isclose", "linspace", "multi_hot", "ndim",
    "one_hot", "ones", "ones_like", "shape", "size", "stop_gradient", "tri", "zeros", "zeros_like",
}  # fmt: skip

ROWS = [(name, number) for name, calls in CASES.items() for number in range(len(calls))]


def _is_array(leaf, dtype):
    return isinstance(leaf, np.ndarray) and leaf.dtype == dtype


def rows_with_floats(in_keywords):
    """The rows with a float array among the arguments."""
    return [
        (name, number)
        for name, number in ROWS
        if any(
            _is_array(leaf, "float64")
            for leaf in structure.flatten(CASES[name][number] if in_keywords else CASES[name][number][0])
        )
    ]


def test_the_front_asks_for_ops_of_the_engine():
    """Every name that the package's sources record is in the engine's registry."""
    sources = "\n".join(path.read_text() for path in Path(rustnet.__file__).parent.rglob("*.py"))
    names = re.findall(r'\b(?:record|record_several|_reduce|_arg_reduce|_cumulate)\(\s*"(\w+)"', sources)
    assert len(names) > 70 and set(names) <= set(_core.op_names())


def arrays_of(value):
    return [np.asarray(leaf) for leaf in structure.flatten(value)]


def as_float32(leaf):
    return leaf.astype("float32") if isinstance(leaf, np.ndarray) and leaf.dtype == "float64" else leaf


def test_every_op_of_a_module_is_exported_once():
    modules = [module for module in vars(ops).values() if inspect.ismodule(module)]
    assert sorted(name for module in modules for name in module.__all__) == ops.__all__
    for module in modules:
        # An op wraps the function that records it.
        own = {
            name
            for name, value in vars(module).items()
            if hasattr(value, "__wrapped__") and value.__module__ == module.__name__ and name[0] != "_"
        }
        assert own <= set(module.__all__), module.__name__


def test_every_public_op_has_a_row():
    assert set(ops.__all__) == set(CASES) | WITHOUT_ROW


@pytest.mark.parametrize(("name", "number"), ROWS)
def test_values_are_those_of_keras(keras, name, number):
    args, kwargs = structure.map_structure(as_float32, CASES[name][number])
    results = getattr(ops, name)(*args, **kwargs)
    expected = getattr(keras.ops, name)(*args, **kwargs)
    for result, wanted in zip(arrays_of(results), arrays_of(expected), strict=True):
        assert result.shape == wanted.shape
        assert result.dtype.kind == wanted.dtype.kind
        np.testing.assert_allclose(result, wanted, rtol=2e-5, atol=2e-6)


PROMOTIONS = [
    (row, dtypes)
    for row in ELEMENTWISE
    for dtypes in product(["float32", "int32", "bool"], repeat=row.arity)
    if row.is_public
]


@pytest.mark.parametrize(
    ("row", "dtypes"), PROMOTIONS, ids=[f"{row.name}-{'-'.join(dtypes)}" for row, dtypes in PROMOTIONS]
)
def test_dtypes_are_those_of_keras(keras, row, dtypes):
    inputs = [np.ones(2, dtype) for dtype in dtypes]
    result, expected = (outcome(getattr(library, row.name), *inputs) for library in (ops, keras.ops))
    # Where JAX has no function of integers, ours takes them for floats.
    if expected.error is None:
        assert result.arrays[0].dtype == expected.arrays[0].dtype


@pytest.mark.parametrize(
    ("name", "number"), [row for row in rows_with_floats(False) if row[0] not in {"shape", "ndim", "size"}]
)
def test_a_symbolic_call_knows_the_shape(name, number):
    """A functional model of the op alone gives the values of the eager call."""
    args, kwargs = structure.map_structure(as_float32, CASES[name][number])
    data = [leaf for leaf in structure.flatten(args) if _is_array(leaf, "float32")]
    inputs = iter([rustnet.Input(batch_shape=array.shape) for array in data])
    symbols = []

    def symbol(leaf):
        if not _is_array(leaf, "float32"):
            return leaf
        symbols.append(next(inputs))
        return symbols[-1]

    outputs = getattr(ops, name)(*structure.map_structure(symbol, args), **kwargs)
    expected = getattr(ops, name)(*args, **kwargs)
    assert [tensor.shape for tensor in keras_tensors(outputs)] == [one.shape for one in arrays_of(expected)]
    results = rustnet.Model(symbols, outputs)(data)
    for result, wanted in zip(arrays_of(results), arrays_of(expected), strict=True):
        np.testing.assert_allclose(result, wanted, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "number"), [row for row in rows_with_floats(True) if row[0] not in WITHOUT_GRADIENT]
)
def test_gradient_is_that_of_finite_differences(name, number):
    """In float64, for every float array among the arguments: d Σ(c · op(x)) / dx, c random."""
    args, kwargs = CASES[name][number]
    leaves = structure.flatten((args, kwargs))
    data = [np.ascontiguousarray(leaf) for leaf in leaves if _is_array(leaf, "float64")]

    def trace_loss():
        trace = Trace()
        with recording(trace):
            inputs = [trace.input("float64", array.shape) for array in data]
            remaining = iter(inputs)
            traced = structure.map_structure(
                lambda leaf: next(remaining) if _is_array(leaf, "float64") else leaf, (args, kwargs)
            )
            results = getattr(ops, name)(*traced[0], **traced[1])
            loss = 0.0
            for result in structure.flatten(results):
                if result.dtype == "float64":
                    weight = np.cos(np.arange(result.size)).reshape(result.shape)
                    loss = loss + ops.sum(result * ops.convert_to_tensor(weight, "float64"))
            return trace, inputs, loss

    trace, inputs, loss = trace_loss()
    with recording(trace):
        gradients = trace.gradients(loss, inputs)
        wanted = [ops.zeros_like(x) if dx is None else dx for x, dx in zip(inputs, gradients, strict=True)]
    results = trace.compile(wanted).run(data)
    trace, _, loss = trace_loss()
    program = trace.compile([loss])
    for position, array in enumerate(data):
        numeric = np.zeros_like(array)
        for index in np.ndindex(array.shape):
            sides = []
            for step in (1e-6, -1e-6):
                moved = [one.copy() for one in data]
                moved[position][index] += step
                sides.append(float(program.run(moved)[0]))
            numeric[index] = (sides[0] - sides[1]) / 2e-6
        np.testing.assert_allclose(results[position], numeric, rtol=1e-5, atol=1e-6)


KEYS = [
    (0,), (-1,), (slice(None), 1), (slice(1, None),), (slice(None, None, -1),), (Ellipsis, 0), (None, 0),
    (slice(None), None, slice(None, None, 2)), (slice(2, 0, -1), slice(-3, -1)), (0, 1, 2), (slice(5, 2),),
    ([0, 2, 1],), (slice(None), np.array([1, 1])), (Ellipsis, slice(None, 1), None),
]  # fmt: skip


@pytest.mark.parametrize("key", KEYS)
def test_indexing_is_that_of_numpy(key):
    x = normal(3, 4, 5).astype("float32")
    np.testing.assert_array_equal(ops.convert_to_tensor(x)[key], x[key])


@pytest.mark.parametrize("key", [(3,), (0, 0, 0, 0), (np.array([True, False, True]),), ("a",), (0.5,)])
def test_indexing_says_what_it_expected(key):
    with pytest.raises(IndexError, match="expected"):
        ops.zeros((3, 4, 5))[key]


def test_operators_are_ops():
    x, y = ops.convert_to_tensor([1.0, -2.0, 3.5]), np.array([2.0, 2.0, 2.0], "float32")
    a = x.numpy()
    np.testing.assert_allclose(x + y, a + y)
    np.testing.assert_allclose(y - x, y - a)
    np.testing.assert_allclose(2 * x / y // 1 % 3, 2 * a / y // 1 % 3)
    np.testing.assert_allclose(-(x**2), -(a**2))
    np.testing.assert_allclose(abs(x) @ x, np.abs(a) @ a, rtol=1e-6)
    np.testing.assert_array_equal((x > y) | ~(x == y) & (x != 1), (a > y) | (a != y) & (a != 1))
    assert isinstance(y + x, rustnet.Tensor)
    assert float(x[1]) == -2.0 and len(x) == 3 and [float(one) for one in x] == a.tolist()
    assert np.mean(x) == a.mean()


@pytest.mark.parametrize(
    ("operands", "dtype"),
    [
        ((np.int32(1), 2), "int32"),
        ((np.int32(1), 2.0), "float32"),
        ((np.array([1], "uint8"), np.array([1], "int64")), "int32"),
        ((np.float32(1), np.array([1])), "float32"),
        ((np.float16(1), 1), "float32"),
        ((True, 1), "int32"),
        ((np.zeros(2), 1), "float32"),
    ],
)
def test_operands_meet_in_one_dtype(operands, dtype):
    assert ops.add(*operands).dtype == dtype


def test_float64_on_request():
    x = ops.convert_to_tensor(np.array([0.1]), "float64")
    assert (x + 1).dtype == "float64" and (x + 1).numpy()[0] == 1.1
    rustnet.config.set_floatx("float64")
    try:
        assert ops.sqrt([2.0]).numpy()[0] == np.sqrt(2.0)
    finally:
        rustnet.config.set_floatx("float32")


LAYOUTS = {
    "fortran": lambda x: np.asfortranarray(x),
    "strided": lambda x: np.repeat(x, 2, axis=1)[:, ::2],
    "reversed": lambda x: x[::-1, ::-1][::-1, ::-1],
    "read_only": lambda x: np.broadcast_to(x, x.shape),
    "big_endian": lambda x: x.astype(">f4"),
    "float16": lambda x: x.astype("float16"),
    "float64": lambda x: x.astype("float64"),
    "int64": lambda x: x.astype("int64"),
    "uint8": lambda x: x.astype("uint8"),
    "bool": lambda x: x.astype(bool),
    "list": lambda x: x.tolist(),
    "memory": lambda x: memoryview(x),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_any_layout_of_numbers_is_read(layout):
    x = LAYOUTS[layout](np.arange(12, dtype="float32").reshape(3, 4))
    np.testing.assert_array_equal(ops.add(x, 0.0), np.asarray(x).astype("float32"))


BAD_DATA = {
    "ragged": [[1.0, 2.0], [3.0]],
    "object": np.array([1.0, None]),
    "text": np.array(["a"]),
    "complex": np.array([1j]),
    "date": np.array(["2020-01-01"], "datetime64[D]"),
    "masked": np.ma.masked_array([1.0, 2.0], [True, False]),
    "too large": np.array([2**40]),
}


@pytest.mark.parametrize("data", BAD_DATA)
def test_what_is_not_numbers_is_refused(data):
    with pytest.raises(ValueError, match=r"expected .*Received"):
        ops.add(BAD_DATA[data], 1)


BAD_CALLS = {
    "matmul sizes": lambda: ops.matmul(np.ones((2, 3)), np.ones((2, 3))),
    "broadcast": lambda: ops.add(np.ones((2, 3)), np.ones((2, 4))),
    "reshape": lambda: ops.reshape(np.ones(6), (4, -1)),
    "axis": lambda: ops.sum(np.ones((2, 3)), axis=2),
    "axis twice": lambda: ops.sum(np.ones((2, 3)), axis=(0, -2)),
    "squeeze": lambda: ops.squeeze(np.ones((2, 3)), 0),
    "concatenate": lambda: ops.concatenate([np.ones((2, 3)), np.ones((3, 4))], axis=0),
    "stack": lambda: ops.stack([np.ones(2), np.ones(3)]),
    "split": lambda: ops.split(np.ones(5), 2),
    "take": lambda: ops.take(np.ones(3), [3]),
    "take below": lambda: ops.take(np.ones(3), [-4]),
    "label": lambda: ops.sparse_categorical_crossentropy([7], np.full((1, 3), 1 / 3)),
    "negative label": lambda: ops.sparse_categorical_crossentropy([-1], np.full((1, 3), 1 / 3)),
    "label of logits": lambda: ops.sparse_categorical_crossentropy([7], np.ones((1, 3)), from_logits=True),
    "one target for three outputs": lambda: ops.binary_crossentropy(np.ones((2, 1)), np.ones((2, 3))),
    "top_k": lambda: ops.top_k(np.ones(3), 4),
    "einsum": lambda: ops.einsum("ij,jk->ik", np.ones((2, 3)), np.ones((2, 3))),
    "dtype": lambda: ops.cast(np.ones(2), "complex64"),
    "where": lambda: ops.where(np.ones(2)),
    "sizes": lambda: ops.zeros((-1, 2)),
}


@pytest.mark.parametrize("name", BAD_CALLS)
def test_a_bad_call_says_what_was_expected(name):
    with pytest.raises(ValueError, match="Received|index|label"):
        BAD_CALLS[name]()


def test_a_traced_tensor_has_no_python_value():
    class Branch(rustnet.Layer):
        def call(self, x):
            return x if ops.sum(x) > 0 else -x

    with pytest.raises(TypeError, match=r"expected a concrete tensor.*ops\.where"):
        Branch()(np.ones((2, 2)))


def test_cross_entropy_uses_the_logits_of_a_softmax():
    """Saturated probabilities: exact through the logits, where log(1e-7) would be the limit otherwise."""

    class Loss(rustnet.Layer):
        def call(self, logits, labels):
            return (
                ops.sparse_categorical_crossentropy(labels, ops.softmax(logits)),
                ops.categorical_crossentropy(ops.one_hot(labels, 2), ops.softmax(logits)),
                ops.binary_crossentropy(ops.one_hot(labels, 2), ops.sigmoid(logits)),
            )

    sparse, categorical, binary = Loss()(np.array([[60.0, 0.0]], "float32"), np.array([1]))
    assert float(sparse[0]) == float(categorical[0]) == 60.0
    np.testing.assert_allclose(binary, [[60.0, np.log(2.0)]], rtol=1e-6)
