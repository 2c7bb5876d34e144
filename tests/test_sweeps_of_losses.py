"""The quick part of the sweeps of losses, metrics and optimizers beside Keras."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "sweeps"))

import sweep_losses
import sweep_optimizers


def test_losses_and_metrics_are_those_of_keras_or_differ_for_a_reason():
    found, explained = sweep_losses.sweep(48, 7, sweep_losses.REASONS)
    assert not found, found
    # Most cases are equal.
    assert sum(explained.values()) < 16


def test_optimizers_do_the_steps_of_keras():
    assert sweep_optimizers.sweep(12, 7) == []
