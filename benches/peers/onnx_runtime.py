"""ONNX Runtime: the graphs that its users have, channels first, an LSTM as one node."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from peers import Measurement
from timing import calls
from workloads import Workload, channels_first


class Builder:
    """A graph that grows node by node; `value` names what the next node reads."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.weights: list[Any] = []
        self.value = "x"
        self.generator = np.random.default_rng(0)

    def constant(self, array: np.ndarray) -> str:
        name = f"constant{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(array, name))
        return name

    def weight(self, *shape: int) -> str:
        return self.constant(self.generator.uniform(-0.05, 0.05, shape).astype(np.float32))

    def add(self, operator: str, *operands: str, outputs: Sequence[str] = ("",), **attributes: Any) -> None:
        """Appends a node that reads the value; the last name in `outputs` becomes the new value."""
        names = [*outputs[:-1], f"value{len(self.nodes)}"]
        self.nodes.append(helper.make_node(operator, [self.value, *operands], names, **attributes))
        self.value = names[-1]

    def dense(self, inputs: int, units: int, activation: str) -> None:
        self.add("Gemm", self.weight(inputs, units), self.weight(units))
        self.add(activation)

    def convolution(self, channels: int, filters: int) -> None:
        self.add("Conv", self.weight(filters, channels, 3, 3), self.weight(filters), kernel_shape=[3, 3])
        self.add("Relu")

    def pool(self) -> None:
        self.add("MaxPool", kernel_shape=[2, 2], strides=[2, 2])

    def lstm(self, inputs: int, units: int, sequences: bool) -> None:
        """x (T, B, I) to all hidden states (T, B, H) or to the last (B, H)."""
        kernels = self.weight(1, 4 * units, inputs), self.weight(1, 4 * units, units)
        # All states (T, 1, B, H), or as the second output the last one, (1, B, H).
        outputs = ("",) if sequences else ("", "")
        self.add("LSTM", *kernels, self.weight(1, 8 * units), outputs=outputs, hidden_size=units)
        self.add("Squeeze", self.constant(np.array([1 if sequences else 0])))

    def session(self, input_shape: Sequence[int], threads: int) -> onnxruntime.InferenceSession:
        inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", *input_shape])]
        outputs = [helper.make_tensor_value_info(self.value, TensorProto.FLOAT, ["batch", 10])]
        graph = helper.make_graph(self.nodes, "model", inputs, outputs, self.weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        return onnxruntime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])


def dense_classifier(builder: Builder) -> None:
    builder.dense(784, 512, "Relu")
    builder.dense(512, 10, "Softmax")


def small_convnet(builder: Builder) -> None:
    builder.convolution(1, 32)
    builder.pool()
    builder.convolution(32, 64)
    builder.pool()
    builder.convolution(64, 64)
    builder.add("Flatten")
    builder.dense(576, 64, "Relu")
    builder.dense(64, 10, "Softmax")


def stacked_lstm(builder: Builder) -> None:
    builder.add("Transpose", perm=[1, 0, 2])
    builder.lstm(64, 128, sequences=True)
    builder.lstm(128, 128, sequences=False)
    builder.dense(128, 10, "Softmax")


MODELS = {"W1": dense_classifier, "W3": small_convnet, "W6": stacked_lstm}


def predictor(peer: str, workload: Workload, inputs: dict[int, np.ndarray]) -> Measurement:
    builder = Builder()
    MODELS[workload.name](builder)
    inputs = {batch: channels_first(x) for batch, x in inputs.items()}
    session = builder.session(inputs[1].shape[1:], len(os.sched_getaffinity(0)))
    return calls({"session.run": lambda x: session.run(None, {"x": x})}, inputs)
