"""Graphs of any width and depth compile: a fused loop ends where its operands would not fit."""

from __future__ import annotations

import sys

import numpy as np
import pytest

import rustnet
from rustnet import layers, ops
from rustnet.core.trace import Trace


def run(function, *arrays):
    """The outputs of one program that computes `function`."""
    trace = Trace(binds_arrays=True)
    tensors = [trace.constant(array, array.dtype.name) for array in arrays]
    outputs = trace.call(lambda: function(*tensors))
    return trace.run_once(outputs)


def selections(rows, count, dtype="float32"):
    """`count` selections of three operands each, of one element a row."""
    values = np.random.default_rng(0).normal(size=(2, rows, count)).astype(dtype)
    condition = values[0] > values[1]
    results = run(
        lambda c, a, b: [ops.where(c[:, i], a[:, i], b[:, i]) for i in range(count)], condition, *values
    )
    np.testing.assert_array_equal(np.stack(results, 1), np.maximum(*values))


@pytest.mark.parametrize("rows", [1, 2, 7])
@pytest.mark.parametrize("count", [47, 48, 49, 200, 1000])
def test_selections_of_three_operands(rows, count):
    selections(rows, count)
    selections(rows, count, "float64")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_selections_of_rows_and_columns(dtype):
    """Operands that are spread out in scratch memory need the most of it."""
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(200, 30)).astype(dtype)
    columns = rng.normal(size=(200, 20, 1)).astype(dtype)
    start = rng.normal(size=(20, 30)).astype(dtype)

    def select(x, rows, columns):
        for i in range(100):
            x = ops.where(x > rows[i], columns[i], ops.maximum(rows[i + 100] * columns[i + 100], x))
        return x

    expected = start
    for i in range(100):
        expected = np.where(
            expected > rows[i], columns[i], np.maximum(rows[i + 100] * columns[i + 100], expected)
        )
    np.testing.assert_array_equal(run(select, start, rows, columns), expected)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32"])
def test_all_results_of_a_long_chain(dtype):
    """Values that are all alive at the end, each an output or an operand of the last sum."""
    x = np.arange(6).reshape(2, 3).astype(dtype)

    def chain(x):
        results = [x]
        for i in range(300):
            results.append(results[i] + results[i // 2] % 7)
        total = results[0]
        for one in results[::-1]:
            total = ops.maximum(total, one)
        return [*results, total]

    expected = [x]
    for i in range(300):
        expected.append(expected[i] + expected[i // 2] % 7)
    expected.append(np.maximum.reduce(expected))
    for found, right in zip(run(chain, x), expected, strict=True):
        np.testing.assert_allclose(found, right, rtol=1e-5)


@pytest.mark.parametrize("count", [9, 200, 1000])
def test_split_stack_concatenate(count):
    x = np.random.default_rng(2).normal(size=(3, count, 2)).astype("float32")
    parts = run(lambda x: ops.split(x, count, axis=1), x)
    assert len(parts) == count
    np.testing.assert_array_equal(np.concatenate(parts, 1), x)
    joined, stacked = run(
        lambda x: (
            ops.concatenate([part * 2.0 for part in ops.split(x, count, axis=1)], axis=1),
            ops.stack(ops.unstack(x, axis=1), axis=2),
        ),
        x,
    )
    np.testing.assert_array_equal(joined, x * 2)
    np.testing.assert_array_equal(stacked, x.swapaxes(1, 2))


def test_chains_of_thousands_of_ops():
    x = np.linspace(-1, 1, 12).reshape(3, 4).astype("float32")

    def wave(x):
        for _ in range(2500):
            x = ops.sin(x) + 0.01
        return x

    expected = x
    for _ in range(2500):
        expected = np.sin(expected) + np.float32(0.01)
    np.testing.assert_allclose(run(wave, x), expected, rtol=2e-4)

    def transposed(x):
        for _ in range(2500):
            x = ops.transpose(ops.reshape(x, (2, x.shape[0] * x.shape[1] // 2)))
        return x

    expected = x
    for _ in range(2500):
        expected = expected.reshape(2, 6).T
    np.testing.assert_array_equal(run(transposed, x), expected)


def test_gradients_of_a_chain_of_thousands_of_ops():
    class Deep(layers.Layer):
        def call(self, x):
            for _ in range(2000):
                x = x * 0.999 + 0.001
            return x

    model = rustnet.Sequential(
        [layers.Input((1,)), layers.Dense(1, use_bias=False, kernel_initializer="ones"), Deep()]
    )
    model.compile(rustnet.optimizers.SGD(1.0), lambda y, p: ops.sum(p))
    model.train_on_batch(np.ones((1, 1)), np.ones((1, 1)))
    np.testing.assert_allclose(model.get_weights()[0], [[1 - 0.999**2000]], rtol=1e-3)


@pytest.mark.parametrize("rank", [8, 16, 30])
def test_many_axes(rank):
    shape = (2, 3) + (1,) * (rank - 3) + (4,)
    x = np.random.default_rng(3).normal(size=shape).astype("float32")
    letters = "abcdefghijklmnopqrstuvwxyzABCD"[:rank]
    np.testing.assert_array_equal(ops.transpose(x), x.T)
    np.testing.assert_allclose(ops.sum(x, (0, rank - 1)), x.sum((0, rank - 1)), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(x + ops.ones((3,) + (1,) * (rank - 2)), x + 1)
    np.testing.assert_array_equal(ops.concatenate([x, x], 1), np.concatenate([x, x], 1))
    np.testing.assert_array_equal(ops.einsum(f"{letters}->{letters[::-1]}", x), x.T)


def test_einsum_of_many_operands_and_letters():
    vectors = [np.array([1.0, i + 2.0], "float32") for i in range(12)]
    letters = "abcdefghijkl"
    equation = ",".join(letters) + "->" + letters
    np.testing.assert_allclose(ops.einsum(equation, *vectors), np.einsum(equation, *vectors), rtol=1e-5)


def nested(kind, depth):
    """A Dense(2) of ones within `depth` models."""
    dense = layers.Dense(2, use_bias=False, kernel_initializer="ones")
    if kind == "unbuilt":
        model = rustnet.Sequential([dense])
        for _ in range(depth):
            model = rustnet.Sequential([model])
        return model
    x = rustnet.Input((2,))
    model = rustnet.Model(x, dense(x)) if kind == "functional" else rustnet.Sequential([x, dense])
    for _ in range(depth):
        x = rustnet.Input((2,))
        model = rustnet.Model(x, model(x)) if kind == "functional" else rustnet.Sequential([x, model])
    return model


KINDS = ["functional", "sequential", "unbuilt"]


@pytest.mark.parametrize("kind", KINDS)
def test_models_nested_too_deep_say_what_to_do(kind):
    def use():
        nested(kind, 400).predict(np.ones((1, 2)), verbose=0)

    with pytest.raises(RecursionError, match=r"one model, or raise the limit .* sys.setrecursionlimit"):
        use()
    if kind == "unbuilt":
        with pytest.raises(RecursionError, match="setrecursionlimit"):
            nested(kind, 400).build((None, 2))
    # Nothing is left behind by the calls that did not end.
    assert ops.add(1.0, 2.0).numpy() == 3.0


@pytest.mark.parametrize("kind", KINDS)
def test_models_nested_deep_work_where_the_limit_is_raised(kind):
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(20_000)
    try:
        model, x = nested(kind, 150), np.ones((3, 2))
        np.testing.assert_array_equal(model.predict(x, verbose=0), x * 2)
        model.compile("sgd", "mse")
        model.fit(x, x * 2, verbose=0)
        assert len(model.weights) == 1 and model.evaluate(x, x * 2, verbose=0) == 0
        lines: list[str] = []
        model.summary(print_fn=lines.append, expand_nested=True)
        assert "\n".join(lines).count("dense") == 1
        np.testing.assert_array_equal(rustnet.models.clone_model(model).predict(x, verbose=0), x * 2)
    finally:
        sys.setrecursionlimit(limit)
