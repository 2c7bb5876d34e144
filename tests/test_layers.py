"""What every layer must do: compute what Keras computes, forward and in training, with right gradients."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

import rustnet
from layer_cases import CASES, WITHOUT_ROW, LayerCase
from oracle import recording
from rustnet import layers, ops
from rustnet.core.trace import Trace

# The layers whose `call` asks whether it is training.
USE_TRAINING = ("BatchNormalization", "Dropout")


def parametrize(cases: list[LayerCase]) -> Any:
    return pytest.mark.parametrize("case", cases, ids=[case.name for case in cases])


def arguments(case: LayerCase, dtype: str = "float32") -> Any:
    """The inputs of a case, float ones of `dtype`."""

    def convert(x: np.ndarray) -> np.ndarray:
        return x.astype(dtype) if x.dtype.kind == "f" else x

    return [convert(x) for x in case.inputs] if isinstance(case.inputs, list) else convert(case.inputs)


def listed(values: Any) -> list[Any]:
    return list(values) if isinstance(values, (list, tuple)) else [values]


def built(case: LayerCase, module: Any, inputs: Any) -> Any:
    """The layer, built, with weights that differ from each other and from their starting values."""
    layer = case.make(module)
    layer(inputs)
    generator = np.random.default_rng(3)
    layer.set_weights([weight + generator.uniform(0.05, 0.4, weight.shape) for weight in layer.get_weights()])
    return layer


def assert_close(actual: Any, expected: Any, tolerance: float) -> None:
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.shape == expected.shape
    np.testing.assert_allclose(actual, expected, rtol=10 * tolerance, atol=tolerance)


def check_outputs(keras: Any, case: LayerCase, training: bool) -> None:
    inputs = arguments(case)
    ours, theirs = built(case, layers, inputs), built(case, keras.layers, inputs)
    theirs.set_weights(ours.get_weights())
    keywords = {"training": training} if case.kind in USE_TRAINING else {}
    expected = listed(theirs(inputs, **keywords))
    for actual, wanted in zip(listed(ours(inputs, **keywords)), expected, strict=True):
        assert_close(actual, wanted, case.tolerance)
    for actual, wanted in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        assert_close(actual, wanted, case.tolerance)
    for actual, wanted in zip(ours.losses, theirs.losses, strict=True):
        assert_close(actual, wanted, case.tolerance)


@parametrize(CASES)
def test_outputs_are_those_of_keras(keras, case):
    check_outputs(keras, case, training=False)


@parametrize([case for case in CASES if case.deterministic and case.kind in USE_TRAINING])
def test_outputs_in_training_are_those_of_keras(keras, case):
    check_outputs(keras, case, training=True)


@parametrize([case for case in CASES if case.deterministic])
def test_the_weights_after_training_are_those_of_keras(keras, case):
    """Three steps of gradient descent with the same weights and data give the same weights and losses."""
    inputs = arguments(case)

    def model(api: Any) -> Any:
        symbolic = [api.Input(x.shape[1:], dtype=str(x.dtype)) for x in listed(inputs)]
        layer = case.make(api.layers)
        outputs = layer(symbolic if isinstance(inputs, list) else symbolic[0])
        flat = [api.layers.Flatten()(output) for output in listed(outputs)]
        whole = api.Model(symbolic, flat[0] if len(flat) == 1 else api.layers.Concatenate()(flat))
        whole.compile(optimizer=api.optimizers.SGD(0.1), loss="mse")
        generator = np.random.default_rng(3)
        whole.set_weights([w + generator.uniform(0.05, 0.4, w.shape) for w in whole.get_weights()])
        return whole

    ours, theirs = model(rustnet), model(keras)
    theirs.set_weights(ours.get_weights())
    width = ours.output_shape[-1]
    targets = np.random.default_rng(4).normal(size=(len(listed(inputs)[0]), width)).astype("float32")
    for _ in range(3):
        assert_close(ours.train_on_batch(inputs, targets), theirs.train_on_batch(inputs, targets), 2e-5)
    for actual, wanted in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        # Three steps multiply the rounding of the forward pass.
        assert_close(actual, wanted, 5 * case.tolerance)


@pytest.fixture
def float64():
    rustnet.config.set_floatx("float64")
    yield
    rustnet.config.set_floatx("float32")


@parametrize([case for case in CASES if case.differentiable])
def test_gradients_are_those_of_finite_differences(case, float64):
    inputs = arguments(case, "float64")
    layer = built(case, layers, inputs)
    with recording(Trace(binds_arrays=True)) as trace:
        traced = [trace.constant(x) for x in listed(inputs)]
        outputs = listed(layer(traced if isinstance(inputs, list) else traced[0]))
        loss = sum(
            ops.sum(output * np.cos(np.arange(output.size) + position).reshape(output.shape))
            for position, output in enumerate(outputs)
        )
        sources = [x for x in traced if x.dtype == "float64"]
        variables = layer.trainable_weights
        gradients = trace.gradients(loss, [*sources, *variables])
        known = [gradient for gradient in gradients if gradient is not None]
        values = iter(trace.compile(known).run(trace.arrays))
        program = trace.compile([loss])

    def difference(array: np.ndarray, apply: Any) -> np.ndarray:
        expected, step = np.zeros_like(array), 1e-5
        for index in np.ndindex(array.shape):
            kept = array[index]
            losses = []
            for shift in (step, -step):
                array[index] = kept + shift
                apply()
                losses.append(program.run(trace.arrays)[0].item())
            array[index] = kept
            expected[index] = (losses[0] - losses[1]) / (2 * step)
        apply()
        return expected

    positions = {id(source): position for position, source in enumerate(trace.inputs)}
    for gradient, source in zip(gradients, [*sources, *variables], strict=True):
        if isinstance(source, rustnet.Variable):
            array = source.numpy()
            expected = difference(array, lambda v=source, a=array: v.assign(a))
        else:
            array = trace.arrays[positions[id(source)]].copy()
            trace.arrays[positions[id(source)]] = array
            expected = difference(array, lambda: None)
        actual = np.zeros_like(array) if gradient is None else next(values)
        np.testing.assert_allclose(actual, expected, rtol=1e-6, atol=1e-7)


@parametrize(CASES)
def test_a_configuration_makes_the_same_layer(case):
    inputs = arguments(case)
    layer = built(case, layers, inputs)
    config = layer.get_config()
    json.dumps(config)
    twin = type(layer).from_config(config)
    twin(inputs)
    twin.set_weights(layer.get_weights())
    assert twin.get_config() == config
    for actual, expected in zip(listed(twin(inputs)), listed(layer(inputs)), strict=True):
        np.testing.assert_array_equal(actual, expected)


@parametrize(CASES)
def test_shapes_are_known_before_running(case):
    inputs = arguments(case)
    layer = built(case, layers, inputs)
    symbolic = [layers.Input(x.shape[1:], dtype=str(x.dtype)) for x in listed(inputs)]
    outputs = listed(layer(symbolic if isinstance(inputs, list) else symbolic[0]))
    for output, value in zip(outputs, listed(layer(inputs)), strict=True):
        assert output.shape == (None, *value.shape[1:])
        assert output.dtype == value.dtype


def layouts(x: np.ndarray) -> dict[str, Any]:
    """The same values in other layouts and types."""
    spread = np.zeros((*x.shape[:-1], 2 * x.shape[-1]), x.dtype)
    spread[..., ::2] = x
    read_only = x.copy()
    read_only.flags.writeable = False
    return {
        "strided": spread[..., ::2],
        "Fortran order": np.asfortranarray(x),
        "reversed": x[::-1].copy()[::-1],
        "read-only": read_only,
        "big-endian": x.astype(x.dtype.newbyteorder(">")),
        "list": x.tolist(),
        "wider": x.astype("float64" if x.dtype.kind == "f" else "int64"),
    }


@parametrize(CASES)
def test_the_layout_of_the_inputs_does_not_matter(case):
    # Halves, so that float16 would hold the same values; all layouts hold exactly these.
    inputs = [np.round(x * 2) / 2 if x.dtype.kind == "f" else x for x in listed(arguments(case))]
    inputs = [x.astype("float32") if x.dtype.kind == "f" else x for x in inputs]
    layer = built(case, layers, inputs if isinstance(case.inputs, list) else inputs[0])
    expected = listed(layer(inputs if isinstance(case.inputs, list) else inputs[0]))
    forms = [layouts(x) for x in inputs]
    if inputs[0].dtype.kind == "f":
        forms = [form | {"float16": x.astype("float16")} for form, x in zip(forms, inputs, strict=True)]
    for name in forms[0]:
        changed = [form[name] for form in forms]
        if name == "list" and isinstance(case.inputs, list):
            continue  # a list of lists would be a list of inputs
        actual = listed(layer(changed if isinstance(case.inputs, list) else changed[0]))
        for ours, wanted in zip(actual, expected, strict=True):
            np.testing.assert_array_equal(ours, wanted, err_msg=name)


def test_every_layer_has_a_row():
    public = {
        value.__name__
        for value in vars(layers).values()
        if isinstance(value, type) and issubclass(value, rustnet.Layer)
    }
    assert public - set(WITHOUT_ROW) == {case.kind for case in CASES}
