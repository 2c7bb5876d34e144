"""Ops at the edges: infinities, bools, nothing at all, indices out of range. Each right value by table."""

import numpy as np
import pytest

import rustnet
from oracle import recording
from rustnet import ops, random
from rustnet.core.trace import Trace

INF, NAN = float("inf"), float("nan")
INTEGERS = np.array([3, -7, 0], "int32")
TRUTH = np.array([True, False, True])
SQUARE = np.array([[True, False], [True, True]])
EMPTY = np.zeros((0,), "float32")


def floats(*values):
    return np.array(values, "float32")


# What is computed, its value, and its dtype.
VALUES = [
    # Triangles and diagonals select: a product of a mask with an infinity is NaN.
    (lambda: ops.tril([[1.0, INF], [2.0, 3.0]]), [[1.0, 0.0], [2.0, 3.0]], "float32"),
    (lambda: ops.triu([[1.0, INF], [NAN, 3.0]]), [[1.0, INF], [0.0, 3.0]], "float32"),
    (lambda: ops.diag([INF, 1.0]), [[INF, 0.0], [0.0, 1.0]], "float32"),
    (lambda: ops.diag([NAN, 1.0], k=-1), [[0, 0, 0], [NAN, 0, 0], [0, 1, 0]], "float32"),
    (lambda: ops.tril(SQUARE), [[True, False], [True, True]], "bool"),
    (lambda: ops.triu(SQUARE), [[True, False], [False, True]], "bool"),
    (lambda: ops.diag(TRUTH), np.diag(TRUTH), "bool"),
    (lambda: ops.diag(SQUARE), [True, True], "bool"),
    (lambda: ops.diag(INTEGERS, k=1), np.diag(INTEGERS, 1), "int32"),
    # Infinities that meet.
    (lambda: ops.isclose(1.0, INF), False, "bool"),
    (lambda: ops.isclose([INF, INF, -INF], [INF, -INF, -INF]), [True, False, True], "bool"),
    (lambda: ops.logaddexp([INF, -INF, INF, 1.0], [INF, -INF, -INF, -INF]), [INF, -INF, INF, 1.0], "float32"),
    (lambda: ops.logsumexp([-INF, -INF]), -INF, "float32"),
    (lambda: ops.logsumexp([INF, 1.0]), INF, "float32"),
    (lambda: ops.round(floats(3e38, 1.256), 2), floats(3e38, 1.26), "float32"),
    # Bools.
    (lambda: ops.add(TRUTH, ~TRUTH), [True, True, True], "bool"),
    (lambda: ops.multiply(TRUTH, ~TRUTH), [False, False, False], "bool"),
    (lambda: ops.maximum(TRUTH, False), TRUTH, "bool"),
    (lambda: ops.minimum(TRUTH, True), TRUTH, "bool"),
    (lambda: ops.abs(TRUTH), TRUTH, "bool"),
    (lambda: ops.square(TRUTH), [1, 0, 1], "int32"),
    (lambda: ops.power(TRUTH, TRUTH), [1, 1, 1], "int32"),
    (lambda: ops.clip(TRUTH, 0, 1), [1, 0, 1], "int32"),
    (lambda: ops.matmul(SQUARE, SQUARE), SQUARE @ SQUARE, "bool"),
    (lambda: ops.outer(TRUTH, TRUTH), np.outer(TRUTH, TRUTH), "bool"),
    # Nothing at all.
    (lambda: ops.all(EMPTY), True, "bool"),
    (lambda: ops.any(EMPTY), False, "bool"),
    (lambda: ops.all(np.zeros((0, 2)), axis=0), [True, True], "bool"),
    (lambda: ops.any(np.zeros((2, 0)), axis=1, keepdims=True), [[False], [False]], "bool"),
    (lambda: ops.logsumexp(EMPTY), -INF, "float32"),
    (lambda: ops.logsumexp(np.zeros((0, 2)), axis=0), [-INF, -INF], "float32"),
    (lambda: ops.max(EMPTY, initial=3.0), 3.0, "float32"),
    (lambda: ops.min(np.zeros((0, 2), int), axis=0, initial=3), [3, 3], "int32"),
    # Integers stay exact, and stay integers.
    (lambda: ops.round([15, 25, -15, 14], -1), [20, 20, -20, 10], "int32"),
    (lambda: ops.round(floats(15, 25, 14), -1), [20, 20, 10], "float32"),
    (lambda: ops.matmul([[100_000]], [[100_000]]), [[1_410_065_408]], "int32"),
    (lambda: ops.dot([2**31 - 1, 1], [1, 1]), -(2**31), "int32"),
    (lambda: ops.einsum("ij,jk->ik", [[65_536]], [[65_536]]), [[0]], "int32"),
    (lambda: ops.relu(INTEGERS), [3, 0, 0], "int32"),
    (lambda: rustnet.activations.relu(INTEGERS), [3, 0, 0], "int32"),
    (lambda: ops.relu(TRUTH), [1, 0, 1], "int32"),
    (lambda: ops.hard_tanh(INTEGERS), [1, -1, 0], "int32"),
    (lambda: ops.threshold(INTEGERS, 0, 0), [3, 0, 0], "int32"),
    (lambda: ops.threshold(INTEGERS, 0, 0.5), [3.0, 0.5, 0.5], "float32"),
    (lambda: ops.full((2,), 7), [7.0, 7.0], "float32"),
    (lambda: ops.full((2,), True), [1.0, 1.0], "float32"),
    (lambda: ops.full((2,), 7, dtype="int32"), [7, 7], "int32"),
    # Indices.
    (lambda: ops.scatter([[-1], [0]], [1.0, 2.0], (3,)), [2.0, 0.0, 1.0], "float32"),
    (lambda: ops.take([1, 2, 3], [-3, 2]), [1, 3], "int32"),
    (lambda: ops.one_hot([1.0, 5.0, -1.0], 2), [[0, 1], [0, 0], [0, 0]], "float32"),
    (lambda: ops.average([[0.0, 1.0], [3.0, 4.0]], axis=0, weights=[1.0, 3.0]), [2.25, 3.25], "float32"),
    (lambda: ops.in_top_k([1, 0], [[INF, NAN, 1.0], [1.0, NAN, 2.0]], k=2), [False, False], "bool"),
    (lambda: ops.norm(EMPTY, ord=INF), 0.0, "float32"),
    # Axes and limits that may be left out.
    (lambda: ops.clip(INTEGERS, None, 1), [1, -7, 0], "int32"),
    (lambda: ops.clip(INTEGERS, 0.5, None), [3.0, 0.5, 0.5], "float32"),
    (lambda: ops.clip(INTEGERS, None, None), INTEGERS, "int32"),
    (lambda: ops.softmax(np.zeros((2, 2)), axis=None), np.full((2, 2), 0.25), "float32"),
    (lambda: ops.softmax(np.zeros((2, 3, 4)), axis=(0, 2)), np.full((2, 3, 4), 0.125), "float32"),
    (lambda: ops.log_softmax(np.zeros((2, 2)), axis=(0, 1)), np.full((2, 2), np.log(0.25)), "float32"),
    (lambda: ops.einsum("ii->i", [[1, 2], [3, 4]]), [1, 4], "int32"),
    (lambda: ops.einsum("ii", [[1, 2], [3, 4]]), 5, "int32"),
    (lambda: ops.einsum("iij,j->ij", np.ones((2, 2, 3)), [1.0, 2.0, 3.0]), [[1, 2, 3]] * 2, "float32"),
    (lambda: ops.pad(INTEGERS, 4, mode="wrap"), np.pad(INTEGERS, 4, mode="wrap"), "int32"),
    (lambda: ops.arange(5, 0, -2), [5, 3, 1], "int32"),
    (lambda: ops.arange(np.array(3)), [0, 1, 2], "int32"),
    (lambda: ops.arange(ops.convert_to_tensor(1), 3), [1, 2], "int32"),
    (lambda: ops.arange(0, 1, 0.5), [0.0, 0.5], "float32"),
    (lambda: ops.roll([1, 2, 3, 4], (1, 2), 0), [2, 3, 4, 1], "int32"),
    (lambda: ops.roll([[1, 2], [3, 4]], 1, (0, 1)), [[4, 3], [2, 1]], "int32"),
    (lambda: ops.power([2, 3], 2), [4, 9], "int32"),
]  # fmt: skip


@pytest.mark.parametrize("row", range(len(VALUES)))
def test_the_value_at_an_edge(row):
    compute, value, dtype = VALUES[row]
    result = compute()
    assert result.dtype == dtype
    assert result.shape == np.shape(value)
    np.testing.assert_allclose(result.numpy(), value, rtol=1e-6)


# What is refused, and what the error names.
REFUSED = [
    (lambda: ops.scatter([[3]], [1.0], (3,)), "index 3 .*expected -3 <= index < 3"),
    (lambda: ops.scatter([[0, 2]], [1.0], (3, 2)), "index 2 .*expected -2 <= index < 2"),
    (lambda: ops.take([1.0, 2.0, 3.0], [-4]), "index -4 at position"),
    (lambda: ops.take([1.0, 2.0, 3.0], [1.7]), "expected integers"),
    (lambda: ops.take_along_axis([1.0, 2.0], [0.5], axis=0), "expected integers"),
    (lambda: ops.take_along_axis([1.0, 2.0], [-3], axis=0), "index -3"),
    (lambda: ops.take([1.0, 2.0], np.array([2**40])), "1099511627776"),
    (lambda: ops.one_hot(1.7, 3), "index 1.7 .*whole number"),
    (lambda: ops.one_hot([NAN], 3), "index NaN"),
    (lambda: ops.sparse_categorical_crossentropy([0.5], [[0.5, 0.5]]), "0.5"),
    (lambda: ops.repeat(INTEGERS, -1), "repeats=-1"),
    (lambda: ops.repeat(INTEGERS, [1, -1, 2]), r"repeats=\[1, -1, 2\]"),
    (lambda: ops.repeat(INTEGERS, 2.5), "repeats=2.5"),
    (lambda: ops.tile(INTEGERS, -1), "repeats=-1"),
    (lambda: ops.arange(0, 5, 0), "step=0"),
    (lambda: ops.arange(NAN), "start=nan"),
    (lambda: ops.arange(0.0, INF), "stop=inf"),
    (lambda: ops.arange(0, 5, NAN), "step=nan"),
    (lambda: ops.arange(None), "start=None"),
    (lambda: ops.arange("a"), "start='a'"),
    (lambda: ops.arange(np.ones(2)), "start=array"),
    (lambda: ops.linspace(0, 1, -1), "num=-1"),
    (lambda: ops.linspace(0, 1, 2.5), "num=2.5"),
    (lambda: ops.linspace("a", 1), "start='a'"),
    (lambda: ops.linspace(0, 1, 3, axis=1), "axis=1"),
    (lambda: ops.eye(-1), "N=-1"),
    (lambda: ops.eye(2.5), "N=2.5"),
    (lambda: ops.eye(2, -1), "M=-1"),
    (lambda: ops.eye(2, k=1.5), "k=1.5"),
    (lambda: ops.identity(2.5), "N=2.5"),
    (lambda: ops.tri(-1), "N=-1"),
    (lambda: ops.tri(2, 1.5), "M=1.5"),
    (lambda: ops.tri(2, k=0.5), "k=0.5"),
    (lambda: ops.tril(np.ones((2, 2)), 0.5), "k=0.5"),
    (lambda: ops.triu(np.ones((2, 2)), "a"), "k='a'"),
    (lambda: ops.roll(np.ones((2, 3, 4)), (1, 2, 3), (0, 1)), r"shift=\(1, 2, 3\), axis=\(0, 1\)"),
    (lambda: ops.pad(EMPTY, 1, mode="wrap"), "mode='wrap'"),
    (lambda: ops.normalize([1.0, 2.0], order=0), "order=0"),
    (lambda: ops.normalize([1.0, 2.0], order=1.5), "order=1.5"),
    (lambda: ops.power(INTEGERS, -1), "x2=-1"),
    (lambda: ops.power(INTEGERS, np.array([1, -1, 2])), "x2="),
    (lambda: ops.one_hot([1], -1), "num_classes=-1"),
    (lambda: ops.one_hot([1], 0), "num_classes to be 1 or more"),
    (lambda: ops.expand_dims(np.ones(2), (0, 0)), r"axis=\(0, 0\)"),
    (lambda: ops.diag(np.ones((2, 2, 2))), r"shape=\(2, 2, 2\)"),
    (lambda: ops.tril(np.ones(3)), r"shape=\(3,\)"),
    (lambda: ops.average(np.ones((2, 3)), axis=1, weights=[1.0, 2.0]), "weights.shape"),
    (lambda: ops.average(np.ones((2, 3)), weights=[1.0, 2.0]), "weights.shape"),
    (lambda: ops.norm(np.ones((2, 2, 2)), ord=2), "ord=2"),
    (lambda: ops.norm(np.ones((2, 2)), ord=3), "ord=3"),
    (lambda: ops.norm(np.ones(2), ord="fro"), "ord='fro'"),
    (lambda: ops.einsum("ii->i", np.ones((2, 3))), "one size for 'i'"),
    (lambda: ops.einsum("i->ii", np.ones(2)), "behind the arrow"),
    (lambda: ops.pad(INTEGERS, 1, mode="mean"), "mode='mean'"),
    (lambda: ops.max(EMPTY), "expects one element or more"),
    (lambda: ops.full((2,), 2**40, dtype="int32"), "1099511627776"),
    (lambda: random.randint((2,), 0, 10**12), "maxval=1000000000000"),
    (lambda: random.randint((2,), 5, 5), "minval=5"),
    (lambda: random.randint((2,), 0.5, 5), "minval=0.5"),
    (lambda: random.randint((2,), NAN, 5), "minval=nan"),
    (lambda: random.randint((2,), 0, 5, dtype="float32"), "dtype='float32'"),
    (lambda: random.normal((2,), dtype="int32"), "dtype='int32'"),
    (lambda: random.normal((2.5,)), r"shape=\(2.5,\)"),
    (lambda: random.bernoulli((2,), 1.5), "probability=1.5"),
    (lambda: random.dropout([1.0], NAN), "rate=nan"),
    (lambda: random.dropout([1.0, 2.0], 0.5, noise_shape=(3,)), r"noise_shape=\(3,\)"),
    (lambda: random.categorical([1.0, 2.0], 1), r"shape=\(2,\)"),
    # Numbers that would have to be cut off to be counts or sizes.
    (lambda: ops.zeros(2.7), "shape=2.7"),
    (lambda: ops.full((2.5,), 1), r"shape=\(2.5,\)"),
    (lambda: ops.reshape(np.ones(6), (2.5, -1)), "newshape=2.5"),
    (lambda: ops.broadcast_to([1], (2.0,)), r"shape=\(2.0,\)"),
    (lambda: ops.one_hot([1], 2.5), "num_classes=2.5"),
    (lambda: ops.tri(2.7), "N=2.7"),
    (lambda: ops.top_k([1.0, 2.0], 1.5), "k=1.5"),
    (lambda: ops.round([1.5], 0.5), "decimals=0.5"),
    (lambda: ops.roll(INTEGERS, 1.5), "shift=1.5"),
    (lambda: ops.split(INTEGERS, [1.5]), "indices_or_sections=\\[1.5\\]"),
    (lambda: ops.slice(INTEGERS, [0.5], [1]), r"start_indices=\[0.5\]"),
    (lambda: ops.pad(INTEGERS, 1.5), "pad_width=1.5"),
    (lambda: ops.pad(INTEGERS, 1, constant_values=2.5), "constant_values=2.5"),
    (lambda: ops.pad(INTEGERS, 1, mode="edge", constant_values=2), "mode='edge', constant_values=2"),
    (lambda: ops.moveaxis(np.ones((2, 3)), (0, 1), (0, 0)), r"destination=\(0, 0\)"),
    (lambda: ops.tensordot(np.ones((2, 2)), np.ones((2, 2)), axes=-1), "axes=-1"),
    (lambda: ops.in_top_k([-1], [[1.0, 2.0]], 1), "index -1"),
    (lambda: ops.concatenate([np.ones(2)], axis=1), "axis=1"),
]  # fmt: skip


@pytest.mark.parametrize("row", range(len(REFUSED)))
def test_what_is_refused_is_named(row):
    compute, message = REFUSED[row]
    with pytest.raises(ValueError, match=message):
        compute()


def gradient(function, *arrays):
    """d Σ function / d array, each in the array's dtype."""
    trace = Trace()
    with recording(trace):
        inputs = [trace.input(array.dtype.name, array.shape) for array in arrays]
        gradients = trace.gradients(ops.sum(function(*inputs)), inputs)
        gradients = [ops.zeros_like(x) if g is None else g for x, g in zip(inputs, gradients, strict=True)]
    return trace.compile(gradients).run(list(arrays))


# The derivative at points where it is easily lost.
GRADIENTS = [
    (ops.elu, [0.0, -1.0, 1.0], [1.0, np.exp(-1.0), 1.0]),
    (lambda x: ops.elu(x, 2.0), [0.0], [2.0]),
    (ops.leaky_relu, [0.0], [1.0]),
    (ops.relu6, [0.0, 6.0, 3.0], [0.0, 0.0, 1.0]),
    (ops.hard_sigmoid, [-3.0, 3.0, 0.0], [0.0, 0.0, 1 / 6]),
    (ops.hard_tanh, [-1.0, 1.0, 2.0], [1.0, 1.0, 0.0]),
    (ops.soft_shrink, [-0.5, 0.5, 2.0], [0.0, 0.0, 1.0]),
    (lambda x: ops.clip(x, 0.0, 1.0), [0.0, 1.0, 0.5], [0.5, 0.5, 1.0]),
    (lambda x: ops.maximum(x, x), [1.0], [1.0]),
    (ops.max, [2.0, 2.0, 1.0], [0.5, 0.5, 0.0]),
    (ops.abs, [0.0, -1.0], [0.0, -1.0]),
    (ops.sqrt, [0.0, INF], [INF, 0.0]),
    (lambda x: ops.power(x, 0.0), [0.0, 2.0], [0.0, 0.0]),
    (lambda x: ops.power(x, 1.0), [0.0, 2.0], [1.0, 1.0]),
    (lambda x: ops.where([True, False], x, [NAN, INF]), [1.0, 2.0], [1.0, 0.0]),
    (ops.logsumexp, [-INF, 0.0], [0.0, 1.0]),
    (lambda x: ops.softmax(x)[0], [-INF, 0.0], [0.0, 0.0]),
    (lambda x: ops.divide_no_nan(1.0, x), [0.0, 2.0], [0.0, -0.25]),
    (lambda x: ops.logaddexp(x, x), [INF, -INF, 1.0], [1.0, 1.0, 1.0]),
    (lambda x: ops.tril(ops.reshape(x, (2, 2))), [1.0, INF, 2.0, 3.0], [1.0, 0.0, 1.0, 1.0]),
    (lambda x: ops.norm(ops.reshape(x, (2, 2)), ord=2), [3.0, 0.0, 0.0, 1.0], [1.0, 0.0, 0.0, 0.0]),
    (lambda x: ops.norm(ops.reshape(x, (2, 2)), ord="nuc"), [3.0, 0.0, 0.0, 1.0], [1.0, 0.0, 0.0, 1.0]),
]  # fmt: skip


@pytest.mark.parametrize("row", range(len(GRADIENTS)))
def test_the_gradient_at_an_edge(row):
    function, x, expected = GRADIENTS[row]
    np.testing.assert_allclose(gradient(function, floats(*x))[0], expected, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("shape", [(4, 3), (3, 5), (6, 6)])
def test_singular_values_are_exact_to_the_last_bits(shape):
    x = np.random.default_rng(0).normal(size=(2, *shape))
    for order, pick in ((2, lambda s: s[:, 0]), (-2, lambda s: s[:, -1]), ("nuc", lambda s: s.sum(1))):
        result = ops.norm(ops.convert_to_tensor(x, "float64"), ord=order, axis=(1, 2))
        np.testing.assert_allclose(result.numpy(), pick(np.linalg.svd(x)[1]), rtol=1e-14)


def test_tensors_and_variables_are_formatted_as_numbers():
    assert f"{ops.mean([1.0, 2.0]):.2f}" == "1.50"
    assert f"{rustnet.Variable(0.25):.1%}" == "25.0%"
    assert f"{ops.sum([1, 2]):03d}" == "003"
    metric = rustnet.metrics.Mean()
    metric.update_state([1.0, 2.0])
    assert f"{metric.result():.2f}" == "1.50"
    assert f"{ops.ones(2)}" == str(ops.ones(2))
    with pytest.raises(TypeError, match=r"expected a scalar.*shape=\(2,\)"):
        f"{ops.ones(2):.2f}"
