"""Hyperparameters that change while an optimizer is at work; interrupted builds; copies."""

from __future__ import annotations

import copy
import pickle
import sys

import numpy as np
import pytest

from rustnet import Variable, constraints, layers, losses, metrics, models, ops, optimizers, regularizers
from rustnet.optimizers import schedules

X, Y = np.arange(1.0, 7.0, dtype="float32").reshape(3, 2), np.zeros((3, 1), "float32")
OPTIMIZERS = ["SGD", "RMSprop", "Adam", "AdamW", "Adagrad", "Adadelta", "Adamax", "Nadam"]

# optimizer, its arguments, a hyperparameter and the value that it gets after two steps
CHANGES = [
    ("SGD", {"momentum": 0.9}, "momentum", 0.0),
    ("SGD", {"momentum": 0.9}, "momentum", 0.5),
    ("SGD", {"momentum": 0.9}, "nesterov", True),
    ("SGD", {}, "clipnorm", 0.5),
    ("SGD", {}, "clipvalue", 0.5),
    ("SGD", {"clipvalue": 0.5}, "clipvalue", None),
    ("SGD", {}, "global_clipnorm", 0.5),
    ("SGD", {}, "weight_decay", 0.5),
    ("SGD", {}, "loss_scale_factor", 8.0),
    ("SGD", {}, "decay", 0.5),
    ("SGD", {"use_ema": True, "ema_overwrite_frequency": 3}, "ema_momentum", 0.1),
    ("SGD", {"use_ema": True}, "ema_overwrite_frequency", 1),
    ("SGD", {"use_ema": True, "ema_overwrite_frequency": 1}, "use_ema", False),
    ("RMSprop", {}, "rho", 0.1),
    ("RMSprop", {"momentum": 0.9}, "momentum", 0.2),
    ("RMSprop", {}, "epsilon", 0.5),
    ("RMSprop", {"centered": True}, "centered", False),
    ("Adam", {}, "beta_1", 0.1),
    ("Adam", {}, "beta_2", 0.1),
    ("Adam", {}, "epsilon", 0.5),
    ("Adam", {"amsgrad": True, "beta_2": 0.1}, "amsgrad", False),
    ("AdamW", {}, "weight_decay", 0.9),
    ("Adagrad", {}, "epsilon", 0.5),
    ("Adadelta", {}, "rho", 0.1),
    ("Adadelta", {}, "epsilon", 0.5),
    ("Adamax", {}, "beta_1", 0.1),
    ("Adamax", {}, "beta_2", 0.1),
    ("Adamax", {}, "epsilon", 0.5),
    ("Nadam", {}, "beta_1", 0.1),
    ("Nadam", {}, "beta_2", 0.1),
    ("Nadam", {}, "epsilon", 0.5),
]
IDS = [f"{name}-{which}-{value}" for name, _, which, value in CHANGES]


def model_with(optimizer):
    model = models.Sequential([layers.Input((2,)), layers.Dense(1, kernel_initializer="ones")])
    model.compile(optimizer, "mse")
    return model


def trained(model, steps=2):
    for _ in range(steps):
        model.train_on_batch(X, Y)
    return model.get_weights()


@pytest.mark.parametrize("name, arguments, which, value", CHANGES, ids=IDS)
def test_a_change_takes_effect_at_the_next_step(name, arguments, which, value):
    make = getattr(optimizers, name)
    changed = model_with(make(learning_rate=0.1, **arguments))
    trained(changed)
    setattr(changed.optimizer, which, value)
    # The same state with an optimizer that was made with the new value.
    expected = model_with(make(learning_rate=0.1, **arguments))
    trained(expected)
    unchanged = copy.deepcopy(expected)
    later = make(**{"learning_rate": 0.1, **arguments, which: value})
    for flag in later._WITH_STATE:
        # So that it makes the same variables: they are switched off only then.
        setattr(later, flag, getattr(expected.optimizer, flag))
    later.build(expected.trainable_variables)
    later.set_weights([variable.numpy() for variable in expected.optimizer.variables])
    setattr(later, which, value)
    expected.compile(later, "mse")
    got, wanted = trained(changed, 3), trained(expected, 3)
    for ours, theirs in zip(got, wanted, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    if which != "loss_scale_factor":
        assert any((a != b).any() for a, b in zip(got, trained(unchanged, 3), strict=True))


def test_every_hyperparameter_has_a_row():
    for name in OPTIMIZERS:
        optimizer = getattr(optimizers, name)
        own = set(optimizer._HYPERPARAMETERS) - set(optimizer.__base__._HYPERPARAMETERS)
        # The start of a state that is made once.
        own -= set(optimizer._AT_BUILD)
        assert own <= {which for case, _, which, _ in CHANGES if case == name}, name
    known = set(optimizers.Optimizer._HYPERPARAMETERS) - {"gradient_accumulation_steps"}
    assert known <= {which for _, _, which, _ in CHANGES}


@pytest.mark.parametrize(
    "name, which, value",
    [
        ("SGD", "momentum", 0.9),
        ("RMSprop", "momentum", 0.9),
        ("RMSprop", "centered", True),
        ("Adam", "amsgrad", True),
        ("Nadam", "use_ema", True),
    ],
)
def test_what_needs_state_is_switched_on_before_the_first_step(name, which, value):
    early, late = model_with(getattr(optimizers, name)()), model_with(getattr(optimizers, name)())
    setattr(early.optimizer, which, value)
    made_so = model_with(getattr(optimizers, name)(**{which: value}))
    for ours, theirs in zip(trained(early), trained(made_so), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    trained(late)
    before = getattr(late.optimizer, which)
    with pytest.raises(ValueError, match=f"expected {which}, which takes.*Received: {which}="):
        setattr(late.optimizer, which, value)
    assert getattr(late.optimizer, which) == before
    trained(late)


@pytest.mark.parametrize(
    "name, which, value",
    [
        ("SGD", "momentum", -0.1),
        ("SGD", "momentum", float("nan")),
        ("SGD", "momentum", "fast"),
        ("SGD", "momentum", True),
        ("SGD", "nesterov", "yes"),
        ("SGD", "clipnorm", 0.0),
        ("SGD", "clipvalue", -1),
        ("SGD", "global_clipnorm", float("nan")),
        ("SGD", "weight_decay", -0.1),
        ("SGD", "weight_decay", float("inf")),
        ("SGD", "loss_scale_factor", 0.0),
        ("SGD", "ema_momentum", 1.5),
        ("SGD", "ema_overwrite_frequency", 0),
        ("SGD", "ema_overwrite_frequency", 2.5),
        ("RMSprop", "rho", 2),
        ("RMSprop", "centered", None),
        ("Adam", "beta_1", 1.0),
        ("Adam", "beta_2", None),
        ("Adam", "epsilon", -1e-7),
        ("AdamW", "weight_decay", None),
        ("Adagrad", "initial_accumulator_value", -1.0),
    ],
)
def test_a_wrong_value_is_an_error_when_made_and_when_set(name, which, value):
    make = getattr(optimizers, name)
    with pytest.raises(ValueError, match=f"expected {which} to be .*Received: {which}="):
        make(**{which: value})
    optimizer = make()
    before = getattr(optimizer, which)
    with pytest.raises(ValueError, match=f"expected {which} to be .*Received: {which}="):
        setattr(optimizer, which, value)
    assert getattr(optimizer, which) == before


def test_what_is_not_read_again_is_refused():
    optimizer = optimizers.Adagrad()
    optimizer.initial_accumulator_value = 0.5
    weight = Variable(np.ones(1, "float32"))
    optimizer.apply([np.ones(1)], [weight])
    with pytest.raises(ValueError, match="expected initial_accumulator_value, what its variables begin with"):
        optimizer.initial_accumulator_value = 0.1
    with pytest.raises(ValueError, match="expected no gradient_accumulation_steps"):
        optimizer.gradient_accumulation_steps = 2
    with pytest.raises(AttributeError, match="iterations.assign"):
        optimizer.iterations = 5
    optimizer.iterations.assign(5)
    assert optimizer.initial_accumulator_value == 0.5 and int(optimizer.iterations) == 5


def test_only_one_clip_at_a_time():
    optimizer = optimizers.SGD(clipnorm=1.0)
    with pytest.raises(ValueError, match="only one .*'clipvalue': 2.0"):
        optimizer.clipvalue = 2.0
    assert optimizer.clipvalue is None
    optimizer.clipnorm = None
    optimizer.clipvalue = 2.0
    assert optimizer.clipvalue == 2.0


def test_the_learning_rate_may_become_a_schedule_and_a_number_again():
    model = model_with(optimizers.SGD(0.0, momentum=0.5))
    names = [variable.name for variable in model.optimizer.variables]
    start = trained(model)
    model.optimizer.learning_rate = schedules.PiecewiseConstantDecay([2], [0.1, 0.0])
    first = trained(model, 1)
    assert (first[0] != start[0]).all()
    expected = model_with(optimizers.SGD(0.1, momentum=0.5))
    np.testing.assert_array_equal(first[0], trained(expected, 1)[0])
    assert len(model.optimizer.variables) == len(expected.optimizer.variables) - 1
    model.optimizer.learning_rate = schedules.ExponentialDecay(0.1, 10, 1.0)
    np.testing.assert_allclose(trained(model, 1)[0], trained(expected, 1)[0], rtol=1e-6)
    model.optimizer.learning_rate = 0.01
    expected.optimizer.learning_rate = 0.01
    np.testing.assert_allclose(trained(model, 1)[0], trained(expected, 1)[0], rtol=1e-6)
    assert len(model.optimizer.variables) == len(names) + 2
    assert [variable.name for variable in model.optimizer.variables][:2] == names
    for wrong in (float("nan"), -0.1, float("inf"), "fast", None, [0.1, 0.2]):
        with pytest.raises(ValueError, match="expected learning_rate to be"):
            model.optimizer.learning_rate = wrong
        with pytest.raises(ValueError, match="expected learning_rate to be"):
            optimizers.SGD(wrong)
    assert float(model.optimizer.learning_rate) == np.float32(0.01)


def test_set_weights_and_apply_do_all_or_nothing():
    weights = [Variable(np.ones(2, "float32")), Variable(np.ones(3, "float32"))]
    optimizer = optimizers.Adam()
    with pytest.raises(ValueError, match=r"gradient.shape=\(2,\)"):
        optimizer.apply([np.ones(2), np.ones(2)], weights)
    assert not optimizer.built and len(optimizer.variables) == 2
    optimizer.apply([np.ones(2), np.ones(3)], weights)
    state = [variable.numpy() for variable in optimizer.variables]
    changed = [2 * array for array in state]
    for wrong in (np.ones(5), "text"):
        with pytest.raises(ValueError):
            optimizer.set_weights([*changed[:-1], wrong])
        for variable, array in zip(optimizer.variables, state, strict=True):
            np.testing.assert_array_equal(variable.numpy(), array)


class Own(optimizers.Adam):
    """A user's optimizer, with state of its own after that of Adam."""

    def __init__(self):
        super().__init__(amsgrad=True, use_ema=True)
        self.slots = []

    def build(self, variables):
        super().build(variables)
        for variable in variables:
            self.slots.append(self.add_variable_from_reference(variable, "slot"))
        self.sums = self.add_optimizer_variables(variables, "sum")


ALL = {
    "SGD": lambda: optimizers.SGD(momentum=0.9, use_ema=True),
    "RMSprop": lambda: optimizers.RMSprop(momentum=0.9, centered=True),
    "Adam": lambda: optimizers.Adam(amsgrad=True),
    "AdamW": optimizers.AdamW,
    "Adagrad": optimizers.Adagrad,
    "Adadelta": optimizers.Adadelta,
    "Adamax": optimizers.Adamax,
    "Nadam": optimizers.Nadam,
    "Own": Own,
}


def interrupted(function, *arguments, at):
    """Calls a function, raises KeyboardInterrupt at its line event number `at`; whether it came to that."""
    left = at

    def trace(frame, event, argument):
        nonlocal left
        if event == "line":
            left -= 1
            if left == 0:
                raise KeyboardInterrupt
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        function(*arguments)
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(before)
    return False


def assert_interrupts_leave_nothing(make, build, stride=1):
    """Interrupts `build` at each line, or every few: all or nothing is made, and the next try works."""
    whole, owner = make(), make()
    build(whole)
    fresh, at = len(owner.variables), 1
    while interrupted(build, owner, at=at):
        if not owner.built:
            assert len(owner.variables) == fresh and not getattr(owner, "slots", None), at
        else:
            # It was interrupted after the last thing that it does.
            assert len(owner.variables) == len(whole.variables)
            owner = make()
        at += stride
    assert at > 20 and owner.built
    assert [v.shape for v in owner.variables] == [v.shape for v in whole.variables]
    return owner


@pytest.mark.parametrize("name", ALL)
def test_an_interrupted_build_leaves_nothing_behind(name):
    variables = [Variable(np.ones(2, "float32"), name="weight")]
    optimizer = assert_interrupts_leave_nothing(ALL[name], lambda optimizer: optimizer.build(variables))
    optimizer.apply([np.ones(2)], variables)


class Lazy(metrics.Metric):
    """A user's metric that makes its state from the first batch."""

    def __init__(self):
        super().__init__(name="lazy")
        self.slots = []
        self.built = False

    def build(self, size):
        for _ in range(size):
            self.slots.append(self.add_variable(()))
        self.built = True

    def update_state(self, y_true, y_pred, sample_weight=None):
        if not self.built:
            self.build(y_pred.shape[1])
        for slot in self.slots:
            slot.assign_add(ops.sum(y_pred))

    def result(self):
        return self.slots[0]


@pytest.mark.parametrize(
    "make",
    [lambda: metrics.AUC(multi_label=True), metrics.F1Score, metrics.R2Score, Lazy],
    ids=["AUC", "F1Score", "R2Score", "own"],
)
def test_an_interrupted_metric_makes_its_state_again(make):
    data = np.array([[0.0, 1.0], [1.0, 0.0]], "float32")
    metric = assert_interrupts_leave_nothing(make, lambda metric: metric.update_state(data, data), stride=7)
    assert np.isfinite(float(np.max(metric.result())))


def test_an_error_in_build_is_not_the_end():
    class Fails(Own):
        fail = True

        def build(self, variables):
            super().build(variables)
            if self.fail:
                raise MemoryError

    optimizer, weight = Fails(), Variable(np.ones(2, "float32"))
    for _ in range(2):
        with pytest.raises(MemoryError):
            optimizer.apply([np.ones(2)], [weight])
        assert not optimizer.built and optimizer.slots == [] and len(optimizer.variables) == 2
    optimizer.fail = False
    optimizer.apply([np.ones(2)], [weight])
    assert len(optimizer.slots) == 1 and int(optimizer.iterations) == 1


def test_a_build_that_does_not_call_its_base_is_an_error():
    class Forgets(optimizers.SGD):
        def build(self, variables):
            self.slots = self.add_optimizer_variables(variables, "slot")

    with pytest.raises(RuntimeError, match="super\\(\\).build"):
        Forgets().build([Variable(np.ones(2, "float32"))])


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))])
@pytest.mark.parametrize("name", ALL)
def test_copies_go_on_as_the_original(name, duplicate):
    optimizer = ALL[name]()
    assert duplicate(optimizer).get_config() == optimizer.get_config()
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    weights = [Variable(np.ones(2, "float32")), Variable(np.ones((), "float32"), name="bias")]
    gradients = [np.array([1.0, -2.0], "float32"), np.float32(3.0)]
    optimizer.apply(gradients, weights)
    # Together, so that the copy is bound to the copied weights.
    copied, copied_weights = duplicate((optimizer, weights))
    copied.apply(gradients, copied_weights)
    assert all((a.numpy() != b.numpy()).any() for a, b in zip(copied_weights, weights, strict=True))
    optimizer.apply(gradients, weights)
    for ours, theirs in zip(
        [*copied_weights, *copied.variables], [*weights, *optimizer.variables], strict=True
    ):
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy())


OTHERS = [
    losses.MeanSquaredError(reduction="sum"),
    losses.SparseCategoricalCrossentropy(ignore_class=0),
    losses.BinaryCrossentropy(label_smoothing=0.1),
    losses.LossFunctionWrapper(losses.huber, delta=0.5),
    regularizers.L1L2(0.1, 0.2),
    regularizers.L1(0.1),
    regularizers.L2(0.1),
    constraints.MinMaxNorm(0.5, 1.0, 0.5, axis=[0, 1]),
    constraints.MaxNorm(1.0),
    constraints.NonNeg(),
    constraints.UnitNorm(),
    schedules.ExponentialDecay(0.1, 2, 0.5),
    schedules.InverseTimeDecay(0.1, 2, 0.5),
    schedules.PiecewiseConstantDecay([2], [0.1, 0.2]),
    schedules.PolynomialDecay(0.1, 2),
    schedules.CosineDecay(0.1, 2),
    schedules.CosineDecayRestarts(0.1, 2),
]


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))])
def test_losses_regularizers_constraints_and_schedules_can_be_copied(duplicate):
    for value in OTHERS:
        copied = duplicate(value)
        assert type(copied) is type(value) and copied.get_config() == value.get_config()


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))])
def test_metrics_can_be_copied_with_their_state(duplicate):
    y_true, y_pred = np.eye(3, dtype="float32"), np.full((3, 3), 0.3, "float32")
    for name in metrics.__all__:
        if not isinstance(getattr(metrics, name), type) or name in ("Metric", "MeanMetricWrapper"):
            continue
        metric = getattr(metrics, name)()
        takes_values, takes_labels = name in ("Mean", "Sum"), name.startswith("Sparse")
        data = [y_pred] if takes_values else [y_true.argmax(-1) if takes_labels else y_true, y_pred]
        metric.update_state(*data)
        copied = duplicate(metric)
        assert copied.get_config() == metric.get_config()
        np.testing.assert_array_equal(copied.result(), metric.result(), err_msg=name)
        before = [variable.numpy() for variable in metric.variables]
        copied.update_state(*data)
        for variable, array in zip(metric.variables, before, strict=True):
            np.testing.assert_array_equal(variable.numpy(), array, err_msg=name)
        duplicate(getattr(metrics, name)()).update_state(*data)
