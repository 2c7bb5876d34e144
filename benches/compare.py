"""Trains the same models with rustnet and with the peers that are installed, and prints a Markdown table.

Every peer runs in a process of its own and trains one epoch when it is its turn, so that all of them meet the
same machine. A figure is the median over the rounds, of milliseconds a training step in a steady state; the
smallest and the largest are beside it. Keras and rustnet are timed through `fit`, with shuffling and metrics;
`torch` and `jax` are hand-written loops without either.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import json
import math
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from workloads import WORKLOADS

HERE = Path(__file__).parent

# peer -> the modules that it needs, and the Keras backend if it has one
PEERS: dict[str, tuple[tuple[str, ...], str | None]] = {
    "rustnet": (("rustnet",), None),
    "keras-jax": (("keras", "jax"), "jax"),
    "keras-tensorflow": (("keras", "tensorflow"), "tensorflow"),
    "keras-torch": (("keras", "torch"), "torch"),
    "torch": (("torch",), None),
    "jax": (("jax",), None),
}


class Worker:
    """A peer that waits in its own process."""

    def __init__(self, peer: str, threads: int) -> None:
        backend = PEERS[peer][1]
        environment = os.environ | ({"KERAS_BACKEND": backend} if backend else {})
        environment |= {"TF_CPP_MIN_LOG_LEVEL": "3", "OMP_NUM_THREADS": str(threads)}
        self.peer = peer
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "worker.py"), peer, str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            text=True,
        )

    def milliseconds(self, workload: str) -> float | None:
        """One measurement, or None if the peer cannot train this model."""
        assert self.process.stdin is not None and self.process.stdout is not None
        try:
            self.process.stdin.write(f"{workload}\n")
            self.process.stdin.flush()
            answer = json.loads(self.process.stdout.readline())
        except (OSError, json.JSONDecodeError):
            answer = {"error": "the process ended"}
        if "error" in answer:
            print(f"{self.peer} could not train {workload}: {answer['error']}", file=sys.stderr)
            return None
        return float(answer["milliseconds"])

    def stop(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def is_installed(peer: str) -> bool:
    return all(importlib.util.find_spec(module) for module in PEERS[peer][0])


def measure(workers: list[Worker], workload: str, rounds: int) -> dict[str, list[float]]:
    """Measurements by peer, one from each peer in each round."""
    results: dict[str, list[float]] = {worker.peer: [] for worker in workers}
    failed: set[str] = set()
    for _ in range(rounds):
        for worker in workers:
            if worker.peer not in failed:
                figure = worker.milliseconds(workload)
                if figure is None:
                    failed.add(worker.peer)
                else:
                    results[worker.peer].append(figure)
    return results


def figure(milliseconds: float) -> str:
    """Three significant digits."""
    return f"{milliseconds:.{max(0, 2 - math.floor(math.log10(milliseconds)))}f}"


def cell(samples: list[float]) -> str:
    if not samples:
        return "–"
    return f"{figure(statistics.median(samples))} ({figure(min(samples))}–{figure(max(samples))})"


def row(workload: str, results: dict[str, list[float]]) -> str:
    """A row of the table; the last column is how many times faster rustnet is than the best peer."""
    medians = {peer: statistics.median(samples) for peer, samples in results.items() if samples}
    ours = medians.pop("rustnet", None)
    ratio = "–"
    if ours and medians:
        best = min(medians, key=lambda peer: medians[peer])
        ratio = f"**{medians[best] / ours:.2f}×** ({best})"
    title = f"{workload} {WORKLOADS[workload].title}, batch {WORKLOADS[workload].batch_size}"
    return f"| {' | '.join([title, *(cell(samples) for samples in results.values()), ratio])} |"


def version(module: str) -> str:
    """A module's version; its distribution may have another name (tensorflow-cpu)."""
    distributions = importlib.metadata.packages_distributions().get(module, [])
    return importlib.metadata.version(distributions[0]) if distributions else "from its sources"


def machine(threads: int) -> str:
    """What the figures were measured on and with."""
    processor = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        processor = next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    modules = sorted({module for needed, _ in PEERS.values() for module in needed})
    versions = [f"{m} {version(m)}" for m in modules if importlib.util.find_spec(m)]
    return f"{processor}, {threads} threads; Python {platform.python_version()}, {', '.join(versions)}."


def names(known: list[str]) -> Callable[[str], list[str]]:
    """A parser of a comma-separated list of known names."""

    def parse(text: str) -> list[str]:
        chosen = text.split(",")
        unknown = [name for name in chosen if name not in known]
        if unknown:
            raise argparse.ArgumentTypeError(f"expected some of {', '.join(known)}. Received: {unknown[0]}")
        return chosen

    return parse


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workloads", type=names(list(WORKLOADS)), default=list(WORKLOADS))
    parser.add_argument("--peers", type=names(list(PEERS)), default=list(PEERS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    arguments = parser.parse_args()

    peers = [peer for peer in arguments.peers if is_installed(peer)]
    for peer in arguments.peers:
        if peer not in peers:
            print(f"{peer} is not installed", file=sys.stderr)
    workers = [Worker(peer, arguments.threads) for peer in peers]
    print("Milliseconds a training step: median (smallest–largest).\n")
    print(f"| model | {' | '.join(peers)} | rustnet against the best peer |")
    print(f"| --- |{' ---: |' * (len(peers) + 1)}")
    try:
        for workload in arguments.workloads:
            print(row(workload, measure(workers, workload, arguments.rounds)), flush=True)
    finally:
        for worker in workers:
            worker.stop()
    print(f"\n{machine(arguments.threads)}")


if __name__ == "__main__":
    main()
