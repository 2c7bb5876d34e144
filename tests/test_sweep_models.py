"""Random models beside Keras, a sample of them; `tests/sweeps/models.py` runs as many as it is told."""

from dataclasses import replace

import numpy as np
import pytest

import rustnet
from sweeps.models import (
    NOT_COMPARED,
    Case,
    difference,
    make,
    random_case,
    script,
    shrunk,
    sweep,
    trained,
    weights_for,
)

# Keras takes about a second to compile one.
MODELS, BLOCK = 40, 8


@pytest.mark.parametrize("first", range(0, MODELS, BLOCK))
def test_random_models_equal_keras(keras, first):
    compared = 0
    for case, what in sweep(range(first, first + BLOCK), keras):
        assert what in (None, NOT_COMPARED), script(case, what)
        compared += what is None
    assert compared >= 0.8 * BLOCK


def test_the_same_seed_makes_the_same_model():
    assert random_case(3) == random_case(3) != random_case(4)
    assert all(random_case(seed).source() == random_case(seed).source() for seed in range(20))


def test_a_failing_model_is_made_simpler():
    """Here it is one that holds a Dense with a bias."""

    def fails(case: Case) -> bool:
        return any("Flatten" in step.call for step in case.steps)

    case = next(one for one in map(random_case, range(100)) if fails(one) and len(one.steps) > 6)
    small = shrunk(case, fails)
    assert fails(small) and len(small.outputs) == 1 and small.epochs == 1
    assert len([step for step in small.steps if step.inputs]) <= 3
    compile(script(small, "an example"), "script", "exec")


@pytest.mark.filterwarnings("ignore:.*destroy the mask")
def test_a_slightly_wrong_optimizer_is_noticed():
    noticed = []
    for case in (one for one in map(random_case, range(30)) if one.optimizer.startswith("O.SGD(0.05")):
        wrong = replace(case, optimizer=case.optimizer.replace("0.05", "0.0525"))
        weights = weights_for(case, make(case, rustnet))
        nearby = [np.nextafter(weight, np.float32(np.inf)) for weight in weights]
        results = [
            trained(one, make(one, rustnet), start)
            for one, start in ((case, weights), (wrong, weights), (case, nearby))
        ]
        noticed.append(difference(*results) is not None)
    assert len(noticed) > 5 and np.mean(noticed) > 0.9


def test_what_rounding_does_not_explain_is_a_difference():
    values = [("loss", 1.0), ("weight 0", [1.0, 2.0])]
    made = [[(name, np.float32(value) + shift) for name, value in values] for shift in (0.0, 1e-3, 1e-4)]
    same, far, shaken = made
    assert difference(same, same, same) is None
    assert "loss differs by 1.0" in difference(far, same, far)
    # A model that makes so much of the last bits.
    assert difference(same, far, shaken) is None
    assert "shape" in difference(same, [("loss", np.ones(1)), *same[1:]], same)
    assert "not finite" in difference(same, [("loss", np.float32("nan")), *same[1:]], same)
    assert "names" in difference(same, same[:1], same)
