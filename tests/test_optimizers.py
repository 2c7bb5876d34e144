"""Optimizers against Keras: weights and state after several steps with given gradients."""

from __future__ import annotations

import numpy as np
import pytest

from oracle import assert_close, keras
from rustnet import Variable, constraints, optimizers
from rustnet.optimizers import schedules

random = np.random.default_rng(2)
SHAPES = [(3, 4), (4,), ()]
STEPS = 5
START = [random.normal(size=shape).astype("float32") for shape in SHAPES]
GRADIENTS = [[random.normal(size=shape).astype("float32") * 2 for shape in SHAPES] for _ in range(STEPS)]

CASES = [
    ("SGD", {}),
    ("SGD", {"momentum": 0.9}),
    ("SGD", {"momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
    ("RMSprop", {}),
    ("RMSprop", {"momentum": 0.5, "rho": 0.8}),
    ("RMSprop", {"centered": True, "momentum": 0.5}),
    ("Adam", {}),
    ("Adam", {"amsgrad": True, "beta_1": 0.8, "beta_2": 0.9, "epsilon": 1e-3}),
    ("Adam", {"clipnorm": 1.0}),
    ("Adam", {"clipvalue": 0.5}),
    ("Adam", {"global_clipnorm": 1.0}),
    ("Adam", {"global_clipnorm": 1000.0}),
    ("Adam", {"use_ema": True, "ema_momentum": 0.9}),
    ("Adam", {"use_ema": True, "ema_momentum": 0.5, "ema_overwrite_frequency": 2}),
    ("Adam", {"loss_scale_factor": 4.0}),
    ("AdamW", {}),
    ("AdamW", {"weight_decay": 0.1, "amsgrad": True}),
    ("Adagrad", {}),
    ("Adagrad", {"initial_accumulator_value": 0.5, "epsilon": 1e-3}),
    ("Adadelta", {}),
    ("Adadelta", {"rho": 0.8}),
    ("Adamax", {}),
    ("Nadam", {}),
]
IDS = [f"{name}-{index}" for index, (name, _) in enumerate(CASES)]


def run(ours, theirs, steps=GRADIENTS):
    weights = [Variable(start, name=f"weight_{index}") for index, start in enumerate(START)]
    oracle = [keras.Variable(start, name=f"weight_{index}") for index, start in enumerate(START)]
    for gradients in steps:
        ours.apply(gradients, weights)
        theirs.apply([keras.ops.convert_to_tensor(gradient) for gradient in gradients], oracle)
    return weights, oracle


@pytest.mark.parametrize("learning_rate", [None, 0.1])
@pytest.mark.parametrize("name, arguments", CASES, ids=IDS)
def test_optimizer_equals_keras(name, arguments, learning_rate):
    if learning_rate is not None:
        arguments = {**arguments, "learning_rate": learning_rate}
    ours, theirs = getattr(optimizers, name)(**arguments), getattr(keras.optimizers, name)(**arguments)
    weights, oracle = run(ours, theirs)
    for weight, expected in zip(weights, oracle, strict=True):
        assert_close(weight.numpy(), expected, rtol=1e-5, atol=1e-6)
    # The same variables in the same order, which is how saved optimizers are read.
    for state, expected in zip(ours.variables, theirs.variables, strict=True):
        assert_close(state.numpy(), expected, rtol=1e-5, atol=1e-6)
    assert int(ours.iterations) == STEPS
    ours.finalize_variable_values(weights)
    theirs.finalize_variable_values(oracle)
    for weight, expected in zip(weights, oracle, strict=True):
        assert_close(weight.numpy(), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name, arguments", CASES, ids=IDS)
def test_configuration_round_trip(name, arguments):
    optimizer = getattr(optimizers, name)(learning_rate=0.5, **arguments)
    again = optimizers.deserialize(optimizers.serialize(optimizer))
    assert type(again) is type(optimizer) and again.get_config() == optimizer.get_config()
    # What Keras wrote is read too.
    config = getattr(keras.optimizers, name)(learning_rate=0.5, **arguments).get_config()
    read = getattr(optimizers, name).from_config(config)
    assert read.get_config() == {**optimizer.get_config(), "name": config["name"]}


def test_every_public_class_has_a_case():
    classes = {name for name in optimizers.__all__ if isinstance(getattr(optimizers, name), type)}
    assert classes - {"Optimizer"} == {name for name, _ in CASES}


SCHEDULES = [
    ("ExponentialDecay", {"initial_learning_rate": 0.1, "decay_steps": 3, "decay_rate": 0.5}),
    (
        "ExponentialDecay",
        {"initial_learning_rate": 0.1, "decay_steps": 3, "decay_rate": 0.5, "staircase": True},
    ),
    ("InverseTimeDecay", {"initial_learning_rate": 0.1, "decay_steps": 3, "decay_rate": 0.5}),
    (
        "InverseTimeDecay",
        {"initial_learning_rate": 0.1, "decay_steps": 3, "decay_rate": 0.5, "staircase": True},
    ),
    ("PiecewiseConstantDecay", {"boundaries": [2, 5], "values": [1.0, 0.5, 0.1]}),
    ("PolynomialDecay", {"initial_learning_rate": 0.1, "decay_steps": 6, "power": 2.0}),
    ("PolynomialDecay", {"initial_learning_rate": 0.1, "decay_steps": 4, "cycle": True}),
    ("CosineDecay", {"initial_learning_rate": 0.1, "decay_steps": 6, "alpha": 0.1}),
    (
        "CosineDecay",
        {"initial_learning_rate": 0.0, "decay_steps": 6, "warmup_target": 0.1, "warmup_steps": 3},
    ),
    ("CosineDecayRestarts", {"initial_learning_rate": 0.1, "first_decay_steps": 3, "m_mul": 0.9}),
    ("CosineDecayRestarts", {"initial_learning_rate": 0.1, "first_decay_steps": 3, "t_mul": 1.0}),
]


@pytest.mark.parametrize("name, arguments", SCHEDULES, ids=[f"{n}-{i}" for i, (n, _) in enumerate(SCHEDULES)])
def test_schedule_equals_keras(name, arguments):
    ours, theirs = (
        getattr(schedules, name)(**arguments),
        getattr(keras.optimizers.schedules, name)(**arguments),
    )
    for step in range(12):
        assert_close(ours(step), theirs(step), rtol=1e-5, atol=1e-7)
    assert schedules.deserialize(schedules.serialize(ours)).get_config() == ours.get_config()
    assert ours.get_config() == theirs.get_config()


def test_optimizer_with_a_schedule():
    arguments = {"initial_learning_rate": 0.1, "decay_steps": 3, "decay_rate": 0.5}
    ours = optimizers.Adam(schedules.ExponentialDecay(**arguments))
    theirs = keras.optimizers.Adam(keras.optimizers.schedules.ExponentialDecay(**arguments))
    weights, oracle = run(ours, theirs)
    for weight, expected in zip(weights, oracle, strict=True):
        assert_close(weight.numpy(), expected)
    assert_close(ours.learning_rate, theirs.learning_rate)
    again = optimizers.deserialize(optimizers.serialize(ours))
    assert again.get_config() == ours.get_config()
    with pytest.raises(TypeError, match="expected no number as its learning rate"):
        ours.learning_rate = 0.1


def test_learning_rate_can_be_set_and_read():
    optimizer = optimizers.SGD(learning_rate=1)
    weight = Variable(np.ones(2, "float32"))
    optimizer.apply([np.ones(2, "float32")], [weight])
    optimizer.learning_rate = 0.5
    assert float(optimizer.learning_rate) == 0.5 and float(optimizer.lr) == 0.5
    optimizer.apply([np.ones(2, "float32")], [weight])
    assert weight.numpy().tolist() == [-0.5, -0.5]
    optimizer.learning_rate = lambda: 2.0
    optimizer.apply_gradients([(np.ones(2, "float32"), weight)])
    assert weight.numpy().tolist() == [-2.5, -2.5]


def test_spelling_of_older_versions():
    assert float(optimizers.RMSprop(lr=0.01).learning_rate) == np.float32(0.01)
    # Inverse-time decay: learning_rate / (1 + decay * updates before this one).
    optimizer = optimizers.SGD(lr=1.0, decay=1.0)
    weight = Variable(np.zeros((), "float32"))
    for _ in range(3):
        optimizer.apply([np.float32(1.0)], [weight])
    assert_close(weight.numpy(), -np.float32(1 + 1 / 2 + 1 / 3))
    assert optimizers.SGD.from_config(optimizer.get_config()).decay == 1.0


def test_constraints_are_applied_after_the_update():
    weight = Variable(np.array([1.0, -1.0], "float32"))
    weight.constraint = constraints.NonNeg()
    optimizers.SGD(learning_rate=1.0).apply([np.array([0.5, 0.5], "float32")], [weight])
    assert weight.numpy().tolist() == [0.5, 0.0]


def test_variables_left_out_of_weight_decay():
    weight, bias = (Variable(np.ones(1, "float32"), name=name) for name in ("kernel", "bias"))
    optimizer = optimizers.AdamW(learning_rate=0.1, weight_decay=0.5)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    optimizer.apply([np.zeros(1, "float32")] * 2, [weight, bias])
    assert_close(weight.numpy(), [0.95])
    assert bias.numpy().tolist() == [1.0]
    with pytest.raises(ValueError, match="before"):
        optimizer.exclude_from_weight_decay(var_names=["kernel"])


def test_state_can_be_set():
    weight = Variable(np.ones(2, "float32"))
    first, second = optimizers.Adam(), optimizers.Adam()
    for optimizer in (first, second):
        optimizer.build([weight])
    first.apply([np.ones(2, "float32")])
    second.set_weights([variable.numpy() for variable in first.variables])
    assert [v.numpy().tolist() for v in first.variables] == [v.numpy().tolist() for v in second.variables]
    with pytest.raises(ValueError, match="Received: 1 weights"):
        second.set_weights([0])


def test_missing_gradients_leave_variables_alone():
    weights = [Variable(np.ones(1, "float32")) for _ in range(2)]
    optimizer = optimizers.SGD(learning_rate=1.0)
    optimizer.apply([None, np.ones(1, "float32")], weights)
    assert [weight.numpy().tolist() for weight in weights] == [[1.0], [0.0]]
    with pytest.raises(ValueError, match="no gradient"):
        optimizer.apply([None, None], weights)


def test_get():
    for name in ("adam", "Adam", "ADAM", "rmsprop", "RMSprop", "sgd", "adamw"):
        assert type(optimizers.get(name)).__name__.lower() == name.lower()
    given = optimizers.SGD()
    assert optimizers.get(given) is given
    assert float(optimizers.get({"class_name": "SGD", "config": {"learning_rate": 0.5}}).learning_rate) == 0.5
    with pytest.raises(ValueError, match="Did you mean 'rmsprop'.*Received: optimizer='rmspop'"):
        optimizers.get("rmspop")


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: optimizers.SGD(learning_rate=-1.0), "learning_rate=-1.0"),
        (lambda: optimizers.SGD(learning_rate="fast"), "learning_rate='fast'"),
        (lambda: optimizers.SGD(learning_rate=float("nan")), "learning_rate=nan"),
        (lambda: optimizers.SGD(momentum=2.0), "momentum=2.0"),
        (lambda: optimizers.Adam(beta_1=-0.1), "beta_1=-0.1"),
        (lambda: optimizers.Adam(clipnorm=1.0, clipvalue=1.0), "only one"),
        (lambda: optimizers.Adam(speed=1.0), "speed"),
        (lambda: optimizers.AdamW(weight_decay=None), "weight_decay=None"),
        (lambda: optimizers.Adam(gradient_accumulation_steps=2), "gradient_accumulation_steps=2"),
        (lambda: optimizers.SGD().apply([np.ones(1)]), "to be built"),
        (lambda: optimizers.SGD().apply([np.ones(2)], [Variable(np.ones(3))]), r"gradient.shape=\(2,\)"),
        (lambda: schedules.ExponentialDecay(0.1, 0, 0.5), "decay_steps=0"),
        (lambda: schedules.ExponentialDecay("fast", 10, 0.5), "initial_learning_rate='fast'"),
        (lambda: schedules.InverseTimeDecay(0.1, 10, float("nan")), "decay_rate=nan"),
        (lambda: schedules.CosineDecay(float("inf"), 10), "initial_learning_rate=inf"),
        (lambda: schedules.PiecewiseConstantDecay([1], [0.1, None]), "values=None"),
        (lambda: schedules.PiecewiseConstantDecay([1], [1.0]), "one value more"),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_an_optimizer_is_bound_to_its_variables():
    optimizer = optimizers.SGD()
    optimizer.apply([np.ones(1, "float32")], [Variable(np.ones(1, "float32"))])
    with pytest.raises(ValueError, match="expected the variables that it was built with"):
        optimizer.apply([np.ones(1, "float32")], [Variable(np.ones(1, "float32"), name="other")])
