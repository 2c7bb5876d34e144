"""Keras on JAX, which the tests compare with."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

os.environ["KERAS_BACKEND"] = "jax"

import keras  # noqa: E402

from rustnet.core import trace as tracing  # noqa: E402


def values(result: Any) -> np.ndarray:
    """A tensor of either library as an array."""
    return np.asarray(result)


def assert_close(actual: Any, expected: Any, rtol: float = 1e-5, atol: float = 1e-6) -> None:
    """Same shape and values, up to the rounding of float32 sums in another order."""
    actual, expected = values(actual), values(expected)
    assert actual.shape == expected.shape, f"shape {actual.shape}, expected {expected.shape}"
    np.testing.assert_allclose(actual, expected, rtol=rtol, atol=atol)


@contextmanager
def recording(trace: tracing.Trace) -> Iterator[tracing.Trace]:
    """Ops inside are recorded into the trace: `trace.call`, for a test that does not want a function."""
    token = tracing._current.set(trace)
    try:
        yield trace
    finally:
        tracing._current.reset(token)


__all__ = ["assert_close", "keras", "recording", "values"]
