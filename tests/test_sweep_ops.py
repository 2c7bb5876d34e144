"""A small part of the sweep over all ops beside Keras; `tests/sweeps/ops.py` makes as many as wanted."""

import numpy as np
import pytest

from rustnet import ops, random
from sweeps.comparison import Case, Outcome, Reason, compare, outcome, sweep
from sweeps.ops import ARGUMENTS, ELSEWHERE, run


def test_every_op_is_swept():
    assert set(ops.__all__) == {name for name in ARGUMENTS if "." not in name} | ELSEWHERE


def test_ops_agree_with_keras():
    report = run(200, seed=15)
    assert not report.faults, str(report)


ONE, OTHER = Outcome([np.float32([1.0, np.nan])]), Outcome(None, ValueError("no"))

UNLIKE = {
    "an error of one": (OTHER, "only ours raises"),
    "a shape": (Outcome([np.float32([[1.0, np.nan]])]), "another shape"),
    "a dtype": (Outcome([np.array([1.0, np.nan])]), "another dtype"),
    "a value": (Outcome([np.float32([1.001, np.nan])]), "other values"),
    "a NaN": (Outcome([np.float32([1.0, 2.0])]), "other values"),
    "an infinity": (Outcome([np.float32([np.inf, np.nan])]), "other values"),
    "a result more": (Outcome([np.float32([1.0, np.nan])] * 2), "another number"),
}


@pytest.mark.parametrize("unlike", UNLIKE)
def test_the_comparison_finds_a_difference(unlike):
    ours, what = UNLIKE[unlike]
    case = Case("op", (), {})
    assert compare(case, ONE, ONE) is None
    found = compare(case, ours, ONE)
    assert found is not None and what in found.what
    report = sweep([case], lambda case: iter([found]), [Reason("meant", frozenset({"op"}), lambda one: True)])
    assert not report.faults and report.reasons["meant"] == 1
    assert sweep([case], lambda case: iter([found]), []).faults == [found]


# Random numbers of both libraries: what they are called with, and what a number lies between.
DRAWN = {
    "uniform": ({"minval": -1.0, "maxval": 3.0}, (-1.0, 3.0)),
    "normal": ({"mean": 1.0, "stddev": 2.0}, (-np.inf, np.inf)),
    "truncated_normal": ({"mean": 1.0, "stddev": 2.0}, (-3.0, 5.0)),
    "randint": ({"minval": -2, "maxval": 7}, (-2, 6)),
}


@pytest.mark.parametrize("name", DRAWN)
def test_random_numbers_are_distributed_as_those_of_keras(keras, name):
    arguments, (low, high) = DRAWN[name]
    ours = getattr(random, name)((200, 100), seed=1, **arguments).numpy()
    theirs = np.asarray(getattr(keras.random, name)((200, 100), seed=1, **arguments))
    assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
    assert low <= ours.min() and ours.max() <= high
    # Five standard errors of a difference of means, and of standard deviations.
    error = 5 * theirs.std() * (2 / ours.size) ** 0.5
    assert abs(ours.mean() - theirs.mean()) < error and abs(ours.std() - theirs.std()) < error


def test_bad_arguments_of_random_numbers_are_refused_by_both(keras):
    for name, args, kwargs in [
        ("uniform", ((2,),), {"dtype": "float128"}),
        ("normal", ((-1,),), {}),
        ("randint", ((2,), 0, 5), {"dtype": "float32"}),
    ]:
        results = [outcome(getattr(library, name), *args, **kwargs) for library in (random, keras.random)]
        assert [result.arrays for result in results] == [None, None], name
