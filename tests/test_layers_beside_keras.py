"""Every layer beside the same layer of Keras: what its attributes show, and how it takes its arguments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from layer_cases import CASES
from rustnet import layers

KINDS = {case.name: case for case in CASES if case.kind != "Activation" or case.name == "Activation relu"}

# What a user could see and what stays different: (kind of layer, or None for all; attribute): why.
DIFFERENT = {
    (None, "path"): "ours is known from the start, Keras's None until the layer is built",
    (None, "dtype"): "a name, where Keras's configuration has a policy",
    ("SimpleRNN", "seed"): "Keras leaves the seed out of the configuration, and so loses it",
    ("SpatialDropout1D", "trainable"): "Keras leaves it out of the configuration, and so loses it",
    ("SpatialDropout2D", "trainable"): "Keras leaves it out of the configuration, and so loses it",
    ("RNN", "input_spec"): "a sequence of too few axes is refused before the cell sees it",
    (None, "autocast"): "Keras switches it off where it converts in call",
    ("Dense", "call_signature_parameters"): "Keras asks for training to quantise weights",
    ("LayerNormalization", "input_spec"): "inputs of another size along the axes are refused by name",
}
# Attributes of Keras's layers that rustnet has not: of how Keras computes, and of weights in other forms.
ABSENT = {
    *("lora_alpha", "lora_enabled", "lora_rank", "enable_lora", "quantization_config"),
    *("variable_serialization_spec", "convolution_op", "pool_mode", "inner_loop", "use_cudnn", "rms_scaling"),
    *("backend", "convert_weight", "single_state", "states"),
}


def attempt(function: Callable[[], Any]) -> Any:
    try:
        return function()
    except Exception as error:  # both libraries raise what they like; that both do is compared
        return type(Exception), error.__class__ is not None


def simple(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return all(map(simple, value))
    return value is None or isinstance(value, (bool, int, float, str))


def plain(value: Any) -> Any:
    """A configuration's value with lists for tuples, and objects as the names of their classes."""
    if isinstance(value, dict):
        return value["class_name"] if "class_name" in value else {k: plain(v) for k, v in value.items()}
    return [plain(one) for one in value] if isinstance(value, (list, tuple)) else value


def is_different(kind: str, attribute: str) -> bool:
    return (None, attribute) in DIFFERENT or (kind, attribute) in DIFFERENT


def compare(kind: str, ours: Any, theirs: Any) -> None:
    mine, other = plain(ours.get_config()), plain(theirs.get_config())
    for key in {*mine, *other} - {"name"}:
        assert is_different(kind, key) or mine.get(key, "absent") == other.get(key, "absent"), key
    described = [
        [(w.name, tuple(w.shape), w.trainable, w.path.split("/")[1:]) for w in layer.weights]
        for layer in (ours, theirs)
    ]
    # The layers inside a wrapper are numbered, each library's for itself.
    if kind not in ("Bidirectional", "TimeDistributed", "RNN"):
        assert described[0] == described[1]
    else:
        assert [one[:3] for one in described[0]] == [one[:3] for one in described[1]]
    assert len(ours.losses) == len(theirs.losses)
    for attribute in dir(theirs):
        if attribute.startswith("_") or attribute in ABSENT or attribute == "name":
            continue
        if is_different(kind, attribute):
            continue
        expected, actual = (
            attempt(lambda a=attribute: getattr(theirs, a)),
            attempt(lambda a=attribute: getattr(ours, a)),
        )
        if simple(expected) and simple(actual):
            assert plain(actual) == plain(expected), attribute
        else:
            assert (actual is None) == (expected is None), attribute


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.filterwarnings("ignore")
def test_a_layer_shows_what_it_shows_in_keras(keras, name):
    case = KINDS[name]
    ours, theirs = case.make(layers), case.make(keras.layers)
    compare(case.kind, ours, theirs)
    several = isinstance(case.inputs, list)
    shapes = [(None, *x.shape[1:]) for x in (case.inputs if several else [case.inputs])]
    shape = shapes if several else shapes[0]
    assert plain(ours.compute_output_shape(shape)) == plain(theirs.compute_output_shape(shape))
    compare(case.kind, ours, theirs)
    ours.build(shape), theirs.build(shape)
    compare(case.kind, ours, theirs)
    ours(case.inputs), theirs(case.inputs)
    compare(case.kind, ours, theirs)
    for layer in (ours, theirs):
        layer.trainable = False
    compare(case.kind, ours, theirs)
    for layer in (ours, theirs):
        layer.trainable = True
    compare(case.kind, ours, theirs)


@pytest.mark.parametrize("name", KINDS)
def test_a_layer_takes_numbers_of_numpy(name):
    """Every number and bool of a configuration, as NumPy's scalars."""
    case = KINDS[name]

    def of_numpy(value: Any) -> Any:
        if isinstance(value, bool):
            return np.bool_(value)
        if isinstance(value, (int, float)):
            return np.int64(value) if isinstance(value, int) else np.float64(value)
        return type(value)(map(of_numpy, value)) if isinstance(value, (list, tuple)) else value

    layer = case.make(layers)
    config = layer.get_config()
    again = type(layer).from_config({key: of_numpy(value) for key, value in config.items()})
    assert again.get_config() == config
    again(case.inputs)
