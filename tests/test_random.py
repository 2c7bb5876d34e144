"""Random tensors: their distributions, and that a seed settles their bits."""

from __future__ import annotations

import numpy as np
import pytest

import rustnet
from rustnet import layers, models, ops, random, utils

SHAPE = (200, 300)
# function, arguments, mean, standard deviation
DISTRIBUTIONS = [
    ("uniform", {}, 0.5, 1 / 12**0.5),
    ("uniform", {"minval": -1.0, "maxval": 3.0}, 1.0, 4 / 12**0.5),
    ("normal", {}, 0.0, 1.0),
    ("normal", {"mean": 2.0, "stddev": 0.5}, 2.0, 0.5),
    ("truncated_normal", {}, 0.0, 0.87962566),
    ("truncated_normal", {"mean": 2.0, "stddev": 0.5}, 2.0, 0.43981283),
    ("randint", {"minval": -2, "maxval": 3}, 0.0, 2**0.5),
    ("bernoulli", {"probability": 0.2, "dtype": "float32"}, 0.2, 0.4),
]
IDS = [f"{name}-{index}" for index, (name, *_) in enumerate(DISTRIBUTIONS)]


@pytest.mark.parametrize("name, arguments, mean, deviation", DISTRIBUTIONS, ids=IDS)
def test_distribution(name, arguments, mean, deviation):
    draw = getattr(random, name)
    sample = draw(SHAPE, seed=1, **arguments).numpy()
    assert sample.shape == SHAPE
    # 60,000 draws: the standard error of the mean is 0.004 deviations.
    assert abs(sample.mean() - mean) < 0.02 * deviation and abs(sample.std() - deviation) < 0.02 * deviation
    assert (sample == draw(SHAPE, seed=1, **arguments).numpy()).all()
    assert (sample != draw(SHAPE, seed=2, **arguments).numpy()).any()
    if name == "truncated_normal":
        assert np.abs(sample - mean).max() <= 2 * arguments.get("stddev", 1.0)
    if name == "randint":
        assert sample.dtype == np.int32 and set(np.unique(sample)) == {-2, -1, 0, 1, 2}


def test_seed_generators_move_on():
    first, second = random.SeedGenerator(5), random.SeedGenerator(5)
    draws = [random.normal((4,), seed=first).numpy().tolist() for _ in range(3)]
    assert draws == [random.normal((4,), seed=second).numpy().tolist() for _ in range(3)]
    assert len(set(map(tuple, draws))) == 3
    assert random.SeedGenerator.from_config(first.get_config()).seed == 5
    for bad in (-1, 1.5, "one"):
        with pytest.raises(ValueError, match="seed="):
            random.SeedGenerator(bad)


def test_the_seed_of_the_session():
    def draw():
        return [random.normal((3,)).numpy().tolist(), random.uniform((3,)).numpy().tolist(), np.random.rand()]

    utils.set_random_seed(11)
    first = draw()
    assert draw() != first
    utils.set_random_seed(11)
    assert draw() == first
    with pytest.raises(ValueError, match="seed=-1"):
        utils.set_random_seed(-1)


def test_categorical():
    logits = np.log(np.array([[0.1, 0.2, 0.7], [0.5, 0.5, 1e-9]], "float32"))
    drawn = random.categorical(logits, 20_000, seed=3).numpy()
    shares = np.stack([np.bincount(row, minlength=3) for row in drawn]) / 20_000
    np.testing.assert_allclose(shares, np.exp(logits), atol=0.015)


def test_shuffle():
    x = np.arange(60).reshape(20, 3)
    shuffled = random.shuffle(x, seed=1).numpy()
    assert (shuffled != x).any() and (shuffled[shuffled[:, 0].argsort()] == x).all()


def train(threads):
    rustnet.config.set_num_threads(threads)
    utils.set_random_seed(42)
    model = models.Sequential(
        [
            layers.Input((20,)),
            layers.Dense(300, activation="relu"),
            layers.Dropout(0.5),
            layers.GaussianNoise(0.1),
            layers.Dense(3, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    x = np.random.default_rng(0).normal(size=(300, 20)).astype("float32")
    model.fit(x, np.arange(300) % 3, batch_size=128, epochs=2, verbose=0)
    return [weight.tobytes() for weight in model.get_weights()]


def test_a_seed_settles_training_to_the_bit_at_any_number_of_threads():
    before = rustnet.config.get_num_threads()
    try:
        first = train(1)
        assert train(1) == first and train(2) == first and train(4) == first
    finally:
        rustnet.config.set_num_threads(before)


def test_dropout_draws_anew_in_every_step():
    seen = []

    class Keep(layers.Layer):
        def __init__(self):
            super().__init__()
            self.dropout = layers.Dropout(0.5, seed=1)
            self.kept = self.add_weight((6,), "zeros", trainable=False, name="kept")

        def call(self, x, training=False):
            self.kept.assign(ops.sum(self.dropout(ops.ones((1, 6)), training=training), axis=0))
            return x

    keep = Keep()
    model = models.Sequential([layers.Input((2,)), keep, layers.Dense(1)])
    model.compile("sgd", "mse")
    for _ in range(4):
        model.train_on_batch(np.ones((4, 2)), np.ones((4, 1)))
        seen.append(tuple(keep.kept.numpy().tolist()))
    assert len(set(seen)) > 1 and set(sum(seen, ())) == {0.0, 2.0}
