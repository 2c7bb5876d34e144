"""Graphs can be read: nodes have names, attributes and origins, and what they say is what runs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import rustnet
from op_cases import CASES
from rustnet import _core, layers

X = np.random.default_rng(0).normal(size=(5, 3)).astype("float32")
Y = np.array([0, 1, 1, 0, 1], "int32")


def classifier() -> rustnet.Model:
    model = rustnet.Sequential(
        [
            rustnet.Input((3,)),
            layers.Dense(4, activation="relu", name="hidden"),
            layers.Dense(2, activation="softmax", name="last"),
        ],
        name="classifier",
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def test_a_recorded_graph_reads_as_the_model_was_written():
    assert str(classifier().graph(X)).splitlines() == [
        "input input float32[5, 3]",
        "variable hidden/kernel float32[3, 4]",
        "variable hidden/bias float32[4]",
        "variable last/kernel float32[4, 2]",
        "variable last/bias float32[2]",
        "classifier/hidden/matmul float32[5, 4] = matmul(input, hidden/kernel, "
        "transpose_a=False, transpose_b=False)",
        "classifier/hidden/add float32[5, 4] = add(classifier/hidden/matmul, hidden/bias)",
        "classifier/hidden/relu float32[5, 4] = relu(classifier/hidden/add)",
        "classifier/last/matmul float32[5, 2] = matmul(classifier/hidden/relu, last/kernel, "
        "transpose_a=False, transpose_b=False)",
        "classifier/last/add float32[5, 2] = add(classifier/last/matmul, last/bias)",
        "classifier/last/softmax float32[5, 2] = softmax(classifier/last/add, axis=1)",
        "output classifier/last/softmax",
    ]


def test_a_rewritten_graph_tells_which_rule_made_a_node():
    graph = classifier().graph(stage="rewritten")
    assert [(node.name, node.origin) for node in graph.nodes] == [
        ("classifier/hidden/matmul", "rule bias"),
        ("classifier/hidden/relu", ""),
        ("classifier/last/matmul", "rule bias"),
        ("classifier/last/softmax", ""),
    ]
    rustnet.config.disable_rules("bias")
    try:
        assert "classifier/hidden/add" in [node.name for node in classifier().graph(stage="rewritten").nodes]
    finally:
        rustnet.config.disable_rules()


def test_a_fused_graph_lists_what_runs():
    graph = classifier().graph(X, stage="fused")
    assert str(graph).splitlines() == [
        "matmul + loop of 1: classifier/hidden/matmul, classifier/hidden/relu",
        "matmul: classifier/last/matmul",
        "softmax: classifier/last/softmax",
    ]


def test_a_training_step_lists_gradients_and_assignments():
    model = classifier()
    graph = model.graph(X, Y)
    origins = {node.name: node.origin for node in graph.nodes}
    assert origins["classifier/hidden/relu_backward"] == "gradient of relu"
    assert origins["classifier/hidden/matmul_1"] == "gradient of matmul"
    assert {node.scope.split("/")[0] for node in graph.nodes} == {
        "classifier",
        "loss",
        "optimizer",
        "metrics",
    }
    assigned = [path for path, _ in graph.assignments]
    assert set(assigned) >= {weight.path for weight in model.weights}
    fused = model.graph(X, Y, stage="fused")
    run = [node.name for step in fused.steps for node in step.nodes]
    # Views do not run; every other node does, once.
    assert len(set(run)) == len(run) and set(run) <= {node.name for node in fused.nodes}
    # Listing a step runs nothing.
    assert int(model.optimizer.iterations.numpy()) == 0


def test_the_nodes_of_a_graph_are_enough_to_compute_it():
    model = classifier()
    graph = model.graph(X)
    weights = {weight.path: weight.numpy() for weight in model.weights}
    values: dict[str, Any] = {**{value.name: weights[value.name] for value in graph.variables}, "input": X}

    def softmax(x: np.ndarray, axis: int) -> np.ndarray:
        e = np.exp(x - x.max(axis, keepdims=True))
        return e / e.sum(axis, keepdims=True)

    compute = {
        "matmul": lambda a, b, transpose_a, transpose_b: (
            (a.T if transpose_a else a) @ (b.T if transpose_b else b)
        ),
        "add": np.add,
        "relu": lambda x: np.maximum(x, 0),
        "softmax": softmax,
    }
    for node in graph.nodes:
        [output] = node.outputs
        values[output.name] = compute[node.op](*(values[one.name] for one in node.inputs), **node.attributes)
        assert values[output.name].shape == output.shape and values[output.name].dtype == output.dtype
    np.testing.assert_allclose(values[graph.outputs[0].name], model.predict(X, verbose=0), rtol=1e-5)


@pytest.mark.parametrize("case", CASES, ids=[f"{case.name}-{n}" for n, case in enumerate(CASES)])
def test_attributes_are_those_that_an_op_was_made_with(case):
    def listed(attributes: dict[str, Any]) -> list[Any]:
        graph = _core.Graph()
        inputs = [graph.input(x.dtype.name, x.shape) for x in map(np.asarray, case.inputs)]
        outputs = graph.apply(case.name, inputs, attributes)
        return [(op, found) for _, op, found, *_ in graph.listing(outputs, False)[1]]

    [(name, attributes)] = listed(case.attributes)
    assert name == case.name
    assert listed(attributes) == [(name, attributes)]
    # What one kind of recurrent layer needs is given to all kinds.
    left_out = set(case.attributes) - set(attributes)
    assert not left_out or "rnn" in name or "lstm" in name
    assert attributes == {key: value for key, value in case.attributes.items() if key not in left_out}


def test_names_are_unique_and_the_same_on_every_run():
    script = (
        "import numpy as np, rustnet\n"
        "from rustnet import layers\n"
        "x = rustnet.Input((8, 8, 3))\n"
        "y = layers.Conv2D(4, 3, activation='relu', name='conv')(x)\n"
        "y = layers.Dense(2, name='dense')(layers.Flatten()(layers.MaxPooling2D(2)(y)))\n"
        "model = rustnet.Model(x, y)\n"
        "model.compile('rmsprop', 'mse')\n"
        "for stage in ('recorded', 'rewritten'):\n"
        "    for node in model.graph(np.zeros((4, 8, 8, 3)), np.zeros((4, 2)), stage=stage).nodes:\n"
        "        print(node.name)\n"
    )
    runs = [subprocess.run([sys.executable, "-c", script], capture_output=True, text=True) for _ in range(2)]
    assert runs[0].stdout == runs[1].stdout != ""
    model = classifier()
    names = [node.name for node in model.graph(X, Y).nodes]
    assert len(set(names)) == len(names)
    values = {value.name for node in model.graph(X, Y).nodes for value in node.outputs}
    assert len(values) == sum(len(node.outputs) for node in model.graph(X, Y).nodes)


def test_dot_names_each_end_of_an_edge():
    for graph in (classifier().graph(X), classifier().graph(X, Y, stage="rewritten")):
        dot = graph.to_dot()
        assert dot.startswith("digraph {") and dot.endswith("}")
        declared = set(re.findall(r'^  ("[^"]+") \[', dot, re.MULTILINE))
        edges = re.findall(r'^  ("[^"]+") -> ("[^"]+")', dot, re.MULTILINE)
        assert len(edges) > len(graph.nodes)
        assert {end for edge in edges for end in edge} <= declared


def test_models_of_any_kind_are_listed():
    class Scaled(rustnet.Model):
        def __init__(self) -> None:
            super().__init__(name="scaled")
            self.dense = layers.Dense(2, name="inner")

        def call(self, x: Any) -> Any:
            return self.dense(x) * 3.0

    graph = Scaled().graph(X)
    assert [node.name for node in graph.nodes] == [
        "scaled/inner/matmul",
        "scaled/inner/add",
        "scaled/multiply",
    ]
    [constant] = [value for value in graph.node("scaled/multiply").inputs if value.kind == "constant"]
    assert constant.content == 3.0 and constant.shape == ()
    with pytest.raises(ValueError, match="'scaled' expected x, .*Received: x=None"):
        Scaled().graph()


def test_bad_arguments_are_named():
    model = classifier()
    with pytest.raises(ValueError, match="expected stage among .*Received: stage='later'"):
        model.graph(X, stage="later")
    with pytest.raises(ValueError, match="expected kind among .*Received: kind='fit'"):
        model.graph(X, kind="fit")
    with pytest.raises(ValueError, match="expected the name of a node of this graph. Received: name='x'"):
        model.graph(X).node("x")


def test_the_profile_names_the_same_nodes():
    script = (
        "import numpy as np, rustnet\n"
        "from rustnet import layers\n"
        "model = rustnet.Sequential([rustnet.Input((64,)), layers.Dense(64, 'relu', name='wide')])\n"
        "model.predict(np.zeros((256, 64)), verbose=0)\n"
        "print(model.graph(np.zeros((32, 64)), stage='fused').steps[0].nodes[0].name)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        env={**os.environ, "RUSTNET_PROFILE": "1"},
    )
    [name] = run.stdout.split()
    assert name in run.stderr and "matmul + loop of 1" in run.stderr
