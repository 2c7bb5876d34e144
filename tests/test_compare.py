"""The comparison with other frameworks: what its tables are made from. No speed is tested."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import rustnet

sys.path.insert(0, str(Path(__file__).parent.parent / "benches"))

import flops  # noqa: E402
import report  # noqa: E402
import results  # noqa: E402
import tables  # noqa: E402
from peers import PEERS  # noqa: E402
from workloads import FURTHER, WORKLOADS  # noqa: E402


def dense(*sizes: int) -> list[int]:
    """Multiply-adds of each layer for one row."""
    return [inputs * outputs for inputs, outputs in zip(sizes, sizes[1:], strict=False)]


def convolution(pixels: int, inputs: int, outputs: int) -> int:
    return pixels * 9 * inputs * outputs


# The multiply-adds of each layer for one sample, from the layers' definitions. Three passes go over each,
# except that the first layer of a model needs no gradient of its input.
LAYERS = {
    "W1": dense(784, 512, 10),
    "W2": dense(10_000, 16, 16, 1),
    "W2b": dense(13, 64, 64, 1),
    "W3": [
        *(convolution(26**2, 1, 32), convolution(11**2, 32, 64), convolution(3**2, 64, 64)),
        *dense(576, 64, 10),
    ],
    "W4": [
        *(convolution(32**2, 3, 64), convolution(32**2, 64, 64), convolution(16**2, 64, 128)),
        *(convolution(16**2, 128, 128), convolution(8**2, 128, 256), convolution(8**2, 256, 256), 256 * 10),
    ],
    "W5": [0, 500 * (32 + 32) * 4 * 32, 32],
    # Of the first layer, the product with the input and the product with the state stand apart.
    "W6": [100 * 64 * 4 * 128, 100 * 128 * 4 * 128, 100 * (128 + 128) * 4 * 128, 128 * 10],
}


@pytest.mark.parametrize("name", LAYERS)
def test_flops_are_counted_from_shapes(name):
    first, *others = LAYERS[name]
    expected = 2 * WORKLOADS[name].batch_size * (2 * first + 3 * sum(others))
    assert flops.flops_per_step(WORKLOADS[name], rustnet) == expected


def moved_weights(model):
    """Weights that have left where they start a little, biases too."""
    generator = np.random.default_rng(3)
    return [weight + generator.uniform(-0.01, 0.01, weight.shape) for weight in model.get_weights()]


RATE = 0.1


def trained(model, weights, x, y):
    """The loss of a step with SGD, and the gradient that each weight was moved by."""
    model.set_weights(weights)
    loss = model.train_on_batch(x, y)
    moved = zip(weights, model.get_weights(), strict=True)
    return np.ravel(loss)[0], [(before - after) / RATE for before, after in moved]


def without_dropout(model):
    """The same model, which draws no random numbers, so that its gradients can be compared."""
    for layer in model._flatten_layers():
        for name in ("rate", "dropout", "recurrent_dropout"):
            if isinstance(vars(layer).get(name), float):
                setattr(layer, name, 0.0)
    return model


@pytest.mark.parametrize("workload", FURTHER, ids=[workload.name for workload in FURTHER])
def test_further_models_compute_what_keras_computes(keras, workload):
    """The same code builds the same model: from the same weights the same outputs, loss and gradients."""
    rustnet.utils.set_random_seed(0)
    x, y = workload.make_data(np.random.default_rng(0), 4)
    ours, theirs = (
        without_dropout(replace(workload, optimizer=api.optimizers.SGD(RATE)).model(api))
        for api in (rustnet, keras)
    )
    # A model with layers of its own is built by its first call.
    ours.predict_on_batch(x)
    weights = [weight.astype("float32") for weight in moved_weights(ours)]
    ours.set_weights(weights)
    if not theirs.built:
        theirs.predict_on_batch(x)
    theirs.set_weights(weights)
    actual, expected = ours.predict_on_batch(x), theirs.predict_on_batch(x)
    for name in expected if isinstance(expected, dict) else [...]:
        np.testing.assert_allclose(actual[name], expected[name], rtol=1e-3, atol=1e-4)

    loss, gradients = trained(ours, weights, x, y)
    expected_loss, expected_gradients = trained(theirs, weights, x, y)
    np.testing.assert_allclose(loss, expected_loss, rtol=1e-4)
    # Some gradients are 0 but for rounding, as that of a bias of all keys: they are measured by the largest.
    # Where two pixels of a maximum pooling differ by less than rounding, the gradient goes to the other one:
    # up to 0.006 of that of the first kernel of "pictures" was seen.
    largest = max(map(np.linalg.norm, expected_gradients))
    for weight, own, wanted in zip(ours.weights, gradients, expected_gradients, strict=True):
        error = np.linalg.norm(own - wanted)
        assert error <= 2e-2 * np.linalg.norm(wanted) + 1e-5 * largest, weight.path


def run(**milliseconds: list[float]) -> results.Run:
    samples = {peer.replace("_", "-"): {"milliseconds": figures} for peer, figures in milliseconds.items()}
    return results.Run("training", "W1", "2 threads", "python benches/compare.py", "A machine.", samples)


@pytest.mark.parametrize(
    "samples, text",
    [
        ([], "–"),
        ([0.0], "0"),
        ([0.01394], "0.0139"),
        ([3.0, 1.0, 2.346], "2.35 (1.00–3.00)"),
        ([1234.5], "1,234"),
    ],
)
def test_a_cell_shows_the_median_and_the_range(samples, text):
    assert tables.cell(samples) == text


def test_the_best_peer_is_one_as_its_users_run_it():
    column = {
        "rustnet": [1.0],
        "torch": [4.0, 2.0, 3.0],
        "jax jit": [3.5],
        "torch-tuned": [2.0],
        "jax-scan": [],
    }
    assert tables.best_peer(column) == ("torch", 3.0)
    assert tables.against_best_peer("rustnet")("W1", column) == "3.00× torch"
    assert tables.best_peer({"rustnet": [1.0]}) is None


def test_the_training_table_has_ratios_and_the_share_of_the_peak():
    measured = run(rustnet=[2.0], jax=[3.0], torch_tuned=[1.0])
    # 2 ms at the peak would be twice the FLOPs of the model.
    measured.samples["rustnet"]["peak"] = [0.0, flops.flops_per_step(WORKLOADS["W1"], rustnet) / 1e-3]
    lines = report.report([measured])["training, 2 threads"].splitlines()
    assert lines[0] == "|  | W1 |"
    assert "| **best peer ÷ rustnet** | **1.50× jax** |" in lines
    assert "| **torch-tuned ÷ rustnet** | **0.50×** |" in lines
    assert "| **rustnet's share of the FMA peak** | **50%** |" in lines
    assert lines[-3:] == ["    python benches/compare.py", "", "A machine."]


def test_the_commands_of_a_table_stand_together_above_their_machine():
    here = run(rustnet=[2.0])
    other, elsewhere = replace(here, command="python other.py"), replace(here, machine="Another.")
    assert report.origins([here, other, elsewhere]) == [
        "    python benches/compare.py\n    python other.py\n\nA machine.",
        "    python benches/compare.py\n\nAnother.",
    ]


def test_tables_replace_what_stands_between_their_markers(tmp_path):
    document = tmp_path / "performance.md"
    document.write_text("Before.\n<!-- memory -->\nold\n<!-- end of memory -->\nAfter.\n")
    for _ in range(2):
        assert report.write(document, {"memory": "| new |", "faults": "| none |"}) == ["faults"]
        text = "Before.\n<!-- memory -->\n\n| new |\n\n<!-- end of memory -->\nAfter.\n"
        assert document.read_text() == text


def test_a_newer_run_replaces_that_of_the_same_workload(tmp_path):
    older, newer = run(rustnet=[2.0]), run(rustnet=[1.0])
    results.save(tmp_path / "runs.json", results.merge([older], [newer]))
    assert results.load(tmp_path / "runs.json") == [newer]
    assert results.load(tmp_path / "absent.json") == []


@pytest.mark.parametrize(
    "peer, kind, takes_part_in",
    [
        ("rustnet", "training", ["W1", "W3", "W6"]),
        ("rustnet", "prediction", ["W1", "W3", "W6"]),
        ("torch-channels-last", "training", ["W3"]),
        ("jax-scan", "training", ["W1", "W6"]),
        ("jax-scan", "prediction", []),
        ("onnxruntime", "training", []),
    ],
)
def test_peers_take_part_where_they_can(peer, kind, takes_part_in, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda module: "installed")
    assert [name for name in ("W1", "W3", "W6") if PEERS[peer].can(kind, name)] == takes_part_in
    monkeypatch.setattr("importlib.util.find_spec", lambda module: None)
    assert not PEERS[peer].can(kind, "W1")
