"""Convolution, pooling and broadcasting on shapes and attributes that nobody chose, against plain NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from op_cases import average_pool, convolve, max_pool
from rustnet import _core

# Each example compiles a program.
settings.register_profile("rustnet", max_examples=60, deadline=None)
settings.load_profile("rustnet")

small = st.integers(1, 4)
sides = st.lists(st.integers(0, 2), min_size=4, max_size=4)


def run(name: str, inputs: list[np.ndarray], attributes: dict[str, Any]) -> np.ndarray:
    graph = _core.Graph()
    values = [graph.input(x.dtype.name, x.shape) for x in inputs]
    return graph.compile(graph.apply(name, values, attributes)).run(inputs)[0]


def normal(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape, dtype=np.float32)


def assert_close(actual: np.ndarray, expected: np.ndarray) -> None:
    assert actual.shape == expected.shape
    # Sums of at most 4·4·9 products of numbers around 1.
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=2e-5)


@given(
    batch=st.integers(1, 3),
    size=st.tuples(st.integers(1, 12), st.integers(1, 12)),
    kernel=st.tuples(small, small),
    strides=st.tuples(small, small),
    dilation=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    padding=sides,
    groups=st.integers(1, 3),
    channels=st.integers(1, 3),
    filters=st.integers(1, 9),
)
def test_convolution(batch, size, kernel, strides, dilation, padding, groups, channels, filters):
    extents = [(n - 1) * d + 1 for n, d in zip(kernel, dilation, strict=True)]
    # The image is at least as large as the window.
    height = max(size[0], extents[0] - padding[0] - padding[1])
    width = max(size[1], extents[1] - padding[2] - padding[3])
    x = normal(batch, height, width, channels * groups)
    w = normal(*kernel, channels, filters * groups)
    attributes = {
        "strides": list(strides),
        "padding": padding,
        "dilation": list(dilation),
        "groups": groups,
    }
    assert_close(run("conv2d", [x, w], attributes), convolve(x, w, **attributes))


@given(
    batch=st.integers(1, 3),
    size=st.tuples(st.integers(1, 12), st.integers(1, 12)),
    pool=st.tuples(small, small),
    strides=st.tuples(small, small),
    padding=sides,
    channels=st.integers(1, 20),
)
def test_pooling(batch, size, pool, strides, padding, channels):
    # No window lies in the padding alone.
    padding = [min(side, pool[axis // 2] - 1) for axis, side in enumerate(padding)]
    height, width = max(size[0], pool[0]), max(size[1], pool[1])
    x = normal(batch, height, width, channels)
    attributes = {"pool": list(pool), "strides": list(strides), "padding": padding}
    np.testing.assert_array_equal(run("max_pool2d", [x], attributes), max_pool(x, **attributes)[0])
    assert_close(run("average_pool2d", [x], attributes), average_pool(x, **attributes))


@given(
    shapes=st_numpy.mutually_broadcastable_shapes(num_shapes=2, min_side=0, max_side=5, max_dims=4),
    name=st.sampled_from(["add", "subtract", "multiply", "maximum", "minimum"]),
)
def test_broadcasting(shapes, name):
    a, b = (np.asarray(normal(*shape)) for shape in shapes.input_shapes)
    expected = getattr(np, name)(a, b)
    actual = run(name, [a, b], {})
    assert actual.shape == expected.shape == shapes.result_shape
    np.testing.assert_array_equal(actual, expected)


@given(shape=st_numpy.array_shapes(min_dims=1, max_dims=4, max_side=6), data=st.data())
def test_reductions(shape, data):
    axes = data.draw(st.lists(st.integers(0, len(shape) - 1), min_size=1, unique=True))
    keepdims = data.draw(st.booleans())
    x = normal(*shape)
    for name, function in (("reduce_sum", np.sum), ("reduce_max", np.max), ("reduce_mean", np.mean)):
        actual = run(name, [x], {"axes": axes, "keepdims": keepdims})
        assert_close(actual, function(x, axis=tuple(axes), keepdims=keepdims))


@given(shape=st_numpy.array_shapes(min_dims=1, max_dims=3, max_side=6), data=st.data())
def test_slices(shape, data):
    index = data.draw(
        st_numpy.basic_indices(shape, allow_ellipsis=False, allow_newaxis=False, min_dims=len(shape))
    )
    index = index if isinstance(index, tuple) else (index,)
    x = normal(*shape)
    full = [*index, *[slice(None)] * (len(shape) - len(index))]
    bounds = [part.indices(size) for part, size in zip(full, shape, strict=True)]
    starts, stops, steps = (list(column) for column in zip(*bounds, strict=True))
    actual = run("slice", [x], {"starts": starts, "stops": stops, "steps": steps})
    np.testing.assert_array_equal(actual, x[tuple(full)])
