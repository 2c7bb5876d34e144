"""One peer and one workload in a process of their own: a line in asks to measure, a line out answers."""

from __future__ import annotations

import importlib
import json
import os
import sys

import numpy as np

from peers import PEERS, Measurement
from timing import for_a_while
from workloads import WORKLOADS

BATCH_SIZES = (1, 256)


def prepare(kind: str, peer: str, name: str) -> Measurement:
    """The measurement of `kind` (training or prediction), warmed up."""
    script = importlib.import_module(f"peers.{PEERS[peer].script}")
    workload = WORKLOADS[name]
    if kind == "training":
        measure = for_a_while(script.trainer(peer, workload))
        return with_peak(measure) if peer == "rustnet" else measure
    x, _ = workload.make_data(np.random.default_rng(0), max(BATCH_SIZES))
    return script.predictor(peer, workload, {batch: x[:batch] for batch in BATCH_SIZES})


def with_peak(measure: Measurement) -> Measurement:
    """Adds what multiply-adds of registers alone reach, once and after the training."""
    from rustnet import _core

    return lambda: measure() | {"peak": _core.peak_flops_per_second()}


def main() -> None:
    kind, peer, name, threads = sys.argv[1:]
    # Every peer sizes its thread pool by the processors that it may run on.
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: int(threads)])
    # Answers go where standard output went; what libraries print goes to standard error.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def answer(value: object) -> None:
        answers.write(f"{json.dumps(value)}\n")
        answers.flush()

    try:
        measure = prepare(kind, peer, name)
        answer("ready")
        for _ in sys.stdin:
            answer(measure())
    except Exception as error:
        answer(f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    main()
