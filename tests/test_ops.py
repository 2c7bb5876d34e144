"""Every op of the engine: the outputs are those of NumPy, the gradients those of finite differences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from op_cases import CASES, DISTRIBUTIONS, KNOWN_IN_PART, REACHED_BY_GRADIENTS, OpCase
from rustnet import _core


def identify(cases: list[OpCase]) -> list[str]:
    counts: dict[str, int] = {}
    identities = []
    for case in cases:
        counts[case.name] = counts.get(case.name, -1) + 1
        identities.append(f"{case.name}-{counts[case.name]}")
    return identities


IDENTITIES = identify(CASES)
DIFFERENTIABLE = [(case, name) for case, name in zip(CASES, IDENTITIES, strict=True) if case.differentiable]
REFERENCED = [(case, name) for case, name in zip(CASES, IDENTITIES, strict=True) if case.reference]


def record(case: OpCase, dtype: str) -> tuple[_core.Graph, list[int], list[int], list[np.ndarray]]:
    """A graph with the op; float inputs are of `dtype`."""
    graph = _core.Graph()
    arrays = [np.array(x, dtype if x.dtype.kind == "f" else x.dtype) for x in case.inputs]
    inputs = [graph.input(x.dtype.name, x.shape) for x in arrays]
    return graph, inputs, graph.apply(case.name, inputs, case.attributes), arrays


def flat_loss(graph: _core.Graph, outputs: list[int]) -> int:
    """The sum of all float outputs, each element weighted by a number of its own."""
    total = None
    for position, output in enumerate(outputs):
        dtype, shape = graph.type_of(output)
        if not dtype.startswith("float"):
            continue
        weights = np.cos(np.arange(np.prod(shape, dtype=int)) + position).reshape(shape)
        weighted = graph.apply("multiply", [output, graph.constant(np.asarray(weights, dtype))], {})
        axes = {"axes": list(range(len(shape))), "keepdims": False}
        part = graph.apply("reduce_sum", weighted, axes)[0]
        total = part if total is None else graph.apply("add", [total, part], {})[0]
    assert total is not None
    return total


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", [case for case, _ in REFERENCED], ids=[name for _, name in REFERENCED])
def test_outputs_are_those_of_numpy(case, dtype):
    graph, _, outputs, arrays = record(case, dtype)
    actual = graph.compile(outputs).run(arrays)
    expected: Any = case.reference(*arrays)
    expected = expected if isinstance(expected, tuple) else (expected,)
    # Sums of up to 100 products, in another order than NumPy's.
    tolerance = {"float32": 2e-6, "float64": 1e-13}[dtype]
    # What a recurrent op keeps for its gradient comes after its results, and has no reference.
    for ours, theirs in zip(actual, expected, strict="training" not in case.attributes):
        assert ours.shape == np.shape(theirs)
        assert ours.dtype.kind == np.asarray(theirs).dtype.kind
        scale = (
            np.max(np.abs(theirs), initial=1.0, where=np.isfinite(theirs)) if ours.dtype.kind == "f" else 1
        )
        np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance * scale)


@pytest.mark.parametrize(
    "case", [case for case, _ in DIFFERENTIABLE], ids=[name for _, name in DIFFERENTIABLE]
)
def test_gradients_are_those_of_finite_differences(case):
    graph, inputs, outputs, arrays = record(case, "float64")
    if case.attributes.get("training"):
        outputs = outputs[:-2]
    loss = flat_loss(graph, outputs)
    program = graph.compile([loss])
    sources = [value for value, x in zip(inputs, arrays, strict=True) if x.dtype.kind == "f"]
    gradients = graph.gradients(loss, sources)
    known = [gradient for gradient in gradients if gradient is not None]
    values = iter(graph.compile(known).run(arrays))

    step = 1e-5
    for gradient, source in zip(gradients, sources, strict=True):
        x = arrays[inputs.index(source)]
        actual = np.zeros_like(x) if gradient is None else next(values)
        if case.name == "stop_gradient":
            assert gradient is None or not actual.any()
            continue
        expected = np.zeros_like(x)
        for index in np.ndindex(x.shape):
            kept = x[index]
            x[index] = kept + step
            above = program.run(arrays)[0].item()
            x[index] = kept - step
            below = program.run(arrays)[0].item()
            x[index] = kept
            expected[index] = (above - below) / (2 * step)
        # The error of a central difference is about step² · f''' / 6 + 1e-16 · |f| / step.
        np.testing.assert_allclose(actual, expected, rtol=1e-7, atol=1e-8)


def draw(name: str, seed: list[int], dtype: str, shape: list[int]) -> np.ndarray:
    graph = _core.Graph()
    inputs = [graph.constant(np.array(seed, np.int32))]
    return graph.compile(graph.apply(name, inputs, {"shape": shape, "dtype": dtype})).run([])[0]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_random_numbers_follow_their_distribution(name, dtype):
    mean, deviation, low, high = DISTRIBUTIONS[name]
    count = 200_000
    x = draw(name, [3, 4], dtype, [count // 100, 100])
    # Five standard errors.
    assert abs(x.mean() - mean) < 5 * deviation / count**0.5
    assert abs(x.std() - deviation) < 5 * deviation / count**0.5
    assert low <= x.min() and (x.max() < high or name == "random_truncated_normal" and x.max() <= high)
    assert x.dtype == dtype and np.unique(x).size > 0.9 * count
    neighbours = np.corrcoef(x.ravel()[:-1], x.ravel()[1:])[0, 1]
    assert abs(neighbours) < 5 / count**0.5


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_random_numbers_depend_on_the_seed_alone(name):
    first = draw(name, [3, 4], "float32", [1000])
    np.testing.assert_array_equal(draw(name, [3, 4], "float32", [1000]), first)
    # A longer tensor starts with the same numbers.
    np.testing.assert_array_equal(draw(name, [3, 4], "float32", [5000])[:1000], first)
    for other in ([4, 4], [3, 5], [-3, 4]):
        assert np.mean(draw(name, other, "float32", [1000]) == first) < 0.01


def test_the_registry_and_the_table_agree():
    known = {case.name for case in CASES} | REACHED_BY_GRADIENTS | KNOWN_IN_PART | set(DISTRIBUTIONS)
    assert sorted(known) == sorted(_core.op_names())
