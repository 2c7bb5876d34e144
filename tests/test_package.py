"""The package as a whole: what importing it costs, what the wheel holds, and that the examples run."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

import rustnet

TOP = Path(__file__).parent.parent
EXAMPLES = sorted((TOP / "examples").glob("*.py"))


def seconds_to_import(module: str) -> float:
    """The median of five runs, each in a new interpreter."""
    script = f"import time; start = time.perf_counter(); import {module}; print(time.perf_counter() - start)"
    runs = [subprocess.run([sys.executable, "-c", script], capture_output=True, text=True) for _ in range(5)]
    assert all(run.stderr == "" for run in runs)
    return statistics.median(float(run.stdout) for run in runs)


def test_importing_costs_little_more_than_numpy():
    assert seconds_to_import("rustnet") - seconds_to_import("numpy") < 0.05


def test_importing_prints_nothing():
    run = subprocess.run([sys.executable, "-W", "error", "-c", "import rustnet"], capture_output=True)
    assert (run.stdout, run.stderr) == (b"", b"")


def test_importing_brings_in_nothing_heavy():
    script = "import sys, rustnet; print(*{'h5py', 'rich', 'IPython', 'urllib.request'} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert run.stdout.strip() == ""


def run_with(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    script = "import rustnet; print(rustnet.config.get_num_threads())"
    return subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env={**os.environ, **environment}
    )


@pytest.mark.parametrize("name, value", [("RUSTNET_ISA", "mmx"), ("RUSTNET_NUM_THREADS", "many")])
def test_a_wrong_setting_of_the_environment_is_an_error(name, value):
    run = run_with({name: value})
    assert run.returncode != 0
    assert run.stderr.strip().endswith(f"Received: {name}={value}")


@pytest.mark.parametrize(
    "environment, threads",
    [
        ({"RUSTNET_NUM_THREADS": "3", "OMP_NUM_THREADS": "2"}, 3),
        ({"RUSTNET_NUM_THREADS": "", "OMP_NUM_THREADS": "2,1"}, 2),
        ({"RUSTNET_ISA": "portable", "RUSTNET_NUM_THREADS": "1"}, 1),
    ],
)
def test_the_environment_sets_threads_and_instructions(environment, threads):
    assert run_with(environment).stdout.strip() == str(threads)


def test_all_public_names_exist():
    for name in rustnet.__all__:
        assert getattr(rustnet, name) is not None


@pytest.mark.parametrize("example", EXAMPLES, ids=[path.stem for path in EXAMPLES])
def test_examples_run(example):
    """One epoch each; those on Fashion-MNIST need its files on this machine."""
    if example.stem.startswith("fashion"):
        from rustnet.datasets import files, idx
        from rustnet.datasets.fashion_mnist import DEBIAN_DIRECTORY

        caches = [files.cache_directory() / "fashion-mnist", files.keras_cache_directory() / "fashion-mnist"]
        if idx.find_idx_files([*caches, DEBIAN_DIRECTORY]) is None:
            pytest.skip("Fashion-MNIST is not on this machine")
    run = subprocess.run(
        [sys.executable, str(example), "--epochs", "1"], capture_output=True, text=True, timeout=300
    )
    assert run.returncode == 0, run.stderr
    assert "\x1b" not in run.stdout
