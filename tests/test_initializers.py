"""Initializers: the distributions that Keras's draw from, and seeds. Their bits are rustnet's own."""

from __future__ import annotations

import numpy as np
import pytest

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
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()
