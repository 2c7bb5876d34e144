"""Initializers: the distributions that Keras's draw from, and seeds. Their bits are rustnet's own."""

from __future__ import annotations

import numpy as np
import pytest

import rustnet
from oracle import assert_close, keras
from rustnet import initializers
from rustnet import random as rustnet_random

SHAPE = (3, 4, 50, 80)

RANDOM = [
    ("RandomNormal", {"mean": 1.0, "stddev": 0.5}),
    ("RandomUniform", {"minval": -1.0, "maxval": 3.0}),
    ("TruncatedNormal", {"mean": 1.0, "stddev": 0.5}),
    ("VarianceScaling", {}),
    ("VarianceScaling", {"scale": 2.0, "mode": "fan_out", "distribution": "uniform"}),
    ("VarianceScaling", {"scale": 0.5, "mode": "fan_avg", "distribution": "untruncated_normal"}),
    ("GlorotUniform", {}),
    ("GlorotNormal", {}),
    ("HeUniform", {}),
    ("HeNormal", {}),
    ("LecunUniform", {}),
    ("LecunNormal", {}),
    ("Orthogonal", {"gain": 2.0}),
]
FIXED = [
    ("Zeros", {}, (2, 3)),
    ("Ones", {}, (2, 3)),
    ("Constant", {"value": 2.5}, (2, 3)),
    ("Identity", {"gain": 3.0}, (3, 4)),
]
IDS = [f"{name}-{index}" for index, (name, _) in enumerate(RANDOM)]


@pytest.mark.parametrize("name, arguments", RANDOM, ids=IDS)
def test_distribution_equals_keras(name, arguments):
    ours = getattr(initializers, name)(seed=1, **arguments)(SHAPE)
    theirs = np.asarray(getattr(keras.initializers, name)(seed=1, **arguments)(SHAPE))
    assert ours.shape == SHAPE and ours.dtype == np.float32 and isinstance(ours, np.ndarray)
    # 48,000 draws: the standard error of mean and deviation is below half a percent of the deviation.
    scale = theirs.std()
    assert abs(ours.mean() - theirs.mean()) < 0.03 * scale
    assert abs(ours.std() - scale) < 0.02 * scale
    if name != "RandomNormal" and "untruncated_normal" not in arguments.values() and name != "Orthogonal":
        # Bounded distributions end at the same place, which so many draws come close to.
        for ends in (np.min, np.max):
            assert abs(ends(ours) - ends(theirs)) < 0.02 * scale


@pytest.mark.parametrize("name, arguments", RANDOM, ids=IDS)
def test_seeds(name, arguments):
    make = getattr(initializers, name)
    seeded = make(seed=7, **arguments)
    assert (seeded((4, 5)) == seeded((4, 5))).all()
    assert (seeded((4, 5)) == make(seed=7, **arguments)((4, 5))).all()
    assert (seeded((4, 5)) != make(seed=8, **arguments)((4, 5))).any()
    assert (make(**arguments)((4, 5)) != make(**arguments)((4, 5))).any()
    rustnet_random.set_random_seed(3)
    first = make(**arguments)((4, 5)), make(**arguments)((4, 5))
    rustnet_random.set_random_seed(3)
    again = make(**arguments)((4, 5)), make(**arguments)((4, 5))
    assert (first[0] == again[0]).all() and (first[1] == again[1]).all()
    assert initializers.deserialize(initializers.serialize(seeded)).get_config() == seeded.get_config()


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32"])
@pytest.mark.parametrize("name, arguments", RANDOM, ids=IDS)
def test_a_variable_has_the_values_of_the_call(name, arguments, dtype):
    """The engine fills a variable where it lies; the call gives the same values as an array."""
    array = getattr(initializers, name)(seed=7, **arguments)((300, 501), dtype)
    assert array.dtype == dtype
    variable = rustnet.Variable(getattr(initializers, name)(seed=7, **arguments), (300, 501), dtype)
    np.testing.assert_array_equal(variable.numpy(), array)


@pytest.mark.parametrize("name, arguments", [*RANDOM, ("Constant", {"value": 3.0}), ("Ones", {})])
def test_the_same_bits_at_any_number_of_threads(name, arguments):
    seed = {"seed": 5} if (name, arguments) in RANDOM else {}
    threads = rustnet.config.get_num_threads()
    try:
        values = []
        for count in (1, 3):
            rustnet.config.set_num_threads(count)
            initializer = getattr(initializers, name)(**arguments, **seed)
            values.append(rustnet.Variable(initializer, (701, 1001)).numpy())
    finally:
        rustnet.config.set_num_threads(threads)
    np.testing.assert_array_equal(values[0], values[1])


def test_a_subclass_decides_what_its_variables_hold():
    class Doubled(initializers.GlorotUniform):
        def __call__(self, shape, dtype=None):
            return super().__call__(shape, dtype) * 2

    class Threes(initializers.Zeros):
        def __call__(self, shape, dtype=None):
            return np.full(shape, 3.0, dtype)

    class Again(Threes):
        pass

    once = initializers.GlorotUniform(seed=1)((4, 5))
    np.testing.assert_array_equal(rustnet.Variable(Doubled(seed=1), (4, 5)).numpy(), once * 2)
    assert (rustnet.Variable(Again(), (2, 3)).numpy() == 3).all()
    assert rustnet.layers.Dense(2, bias_initializer=Threes())(np.zeros((1, 2))).numpy().tolist() == [[3, 3]]


def test_a_seed_generator_gives_new_values_at_each_call():
    def draw():
        generator = rustnet_random.SeedGenerator(4)
        initializer = initializers.HeNormal(seed=generator)
        return rustnet.Variable(initializer, (3, 4)).numpy(), initializer((3, 4))

    (first, second), again = draw(), draw()
    assert (first != second).any()
    assert (again[0] == first).all() and (again[1] == second).all()


def test_uniform_values_stay_within_their_range():
    # Neighbours in float32 are 1/8 apart, so that one number in sixteen would be rounded up to the end.
    low, high = 2.0**20, 2.0**20 + 1
    values = initializers.RandomUniform(low, high, seed=1)((1000, 100))
    assert values.min() == low and values.max() == high - 0.125


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "bool"])
@pytest.mark.parametrize("value", [0, -0.0, 1, 2.5, True, [[1.0, 2.0, 3.0]]])
def test_constants_in_variables(value, dtype):
    initializer = initializers.Constant(value)
    variable = rustnet.Variable(initializer, (2, 3), dtype).numpy()
    assert variable.tobytes() == initializer((2, 3), dtype).tobytes() and variable.dtype == dtype


@pytest.mark.parametrize("name, arguments, shape", FIXED)
def test_fixed_values_equal_keras(name, arguments, shape):
    ours, theirs = getattr(initializers, name)(**arguments), getattr(keras.initializers, name)(**arguments)
    assert_close(ours(shape), theirs(shape))
    assert ours(shape, "float64").dtype == np.float64
    assert initializers.deserialize(initializers.serialize(ours)).get_config() == ours.get_config()


@pytest.mark.parametrize("shape", [(6, 6), (3, 8), (8, 3), (2, 4, 5)])
def test_orthogonal(shape):
    matrix = initializers.Orthogonal(seed=0)(shape, "float64").reshape(-1, shape[-1])
    product = matrix @ matrix.T if matrix.shape[0] < matrix.shape[1] else matrix.T @ matrix
    np.testing.assert_allclose(product, np.eye(min(matrix.shape)), atol=1e-12)


# Keras itself cannot make "constant" from its name.
NAMES = [name for name in dir(keras.initializers) if name.islower() and name[0] != "_"]


@pytest.mark.parametrize("name", sorted({*NAMES} - {"get", "serialize", "deserialize", "constant", "stft"}))
def test_names_that_keras_knows(name):
    assert type(initializers.get(name)).__name__ == type(keras.initializers.get(name)).__name__


def test_get():
    assert initializers.get(None) is None
    assert initializers.get("uniform").maxval == 0.05
    assert initializers.get(2.0)((2,)).tolist() == [2.0, 2.0]
    assert initializers.get(np.array([1.0, 2.0]))((2,)).tolist() == [1.0, 2.0]
    assert type(initializers.get({"class_name": "HeNormal", "config": {"seed": 3}})).__name__ == "HeNormal"
    with pytest.raises(ValueError, match="Did you mean .*'glorot_uniform'"):
        initializers.get("glorot_unifrom")


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: initializers.RandomNormal(seed="a"), "seed='a'"),
        (lambda: initializers.VarianceScaling(scale=0), "scale=0"),
        (lambda: initializers.VarianceScaling(mode="fan"), "mode='fan'"),
        (lambda: initializers.VarianceScaling(distribution="beta"), "distribution='beta'"),
        (lambda: initializers.Orthogonal()((3,)), r"shape=\(3,\)"),
        (lambda: initializers.Identity()((3,)), r"shape=\(3,\)"),
        (lambda: initializers.Zeros()((3, -1)), r"shape=\(3, -1\)"),
        (lambda: rustnet.Variable("zeros", (3, -1)), r"shape=\(3, -1\)"),
        (lambda: rustnet.Variable("glorot_uniform", (3, -1)), r"shape=\(3, -1\)"),
        (lambda: initializers.RandomNormal(stddev=float("nan"))((3,)), "finite numbers.*NaN"),
        (lambda: initializers.RandomUniform(0, float("inf"))((3,)), "finite numbers.*inf"),
        (lambda: initializers.RandomUniform(0, 1e300)((3,)), "finite numbers.*1e300"),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()
