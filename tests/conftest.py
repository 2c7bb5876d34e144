"""Fixtures that every test may ask for."""

import os
import random

import numpy as np
import pytest

# Keras is the oracle; its JAX backend is the one that the project's tolerances were set with.
os.environ["KERAS_BACKEND"] = "jax"


@pytest.fixture(autouse=True)
def seeded():
    """Every test starts from the same random state."""
    random.seed(1234)
    np.random.seed(1234)


@pytest.fixture(scope="session")
def keras():
    """The installed Keras, imported only when a test asks for it."""
    import keras

    return keras
