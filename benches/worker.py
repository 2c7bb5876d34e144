"""One peer in a process of its own: reads names of workloads, answers each with milliseconds a step."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import Any

from workloads import WORKLOADS, Workload


def trainer(peer: str, name: str, workload: Workload) -> Callable[[], float]:
    """The function that trains one epoch of a workload with a peer."""
    if peer == "torch":
        from peers import raw_torch

        return raw_torch.trainer(name, workload)
    if peer == "jax":
        from peers import raw_jax

        return raw_jax.trainer(name, workload)
    from peers import keras_api

    return keras_api.trainer("rustnet" if peer == "rustnet" else "keras", workload)


def main() -> None:
    peer, threads = sys.argv[1], int(sys.argv[2])
    # Every peer sizes its thread pool by the processors that it may run on.
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    # Answers go where standard output went; what libraries print goes to standard error.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    prepared: tuple[str, Callable[[], float]] | None = None
    for line in sys.stdin:
        name = line.strip()
        workload = WORKLOADS[name]
        answer: dict[str, Any]
        try:
            if prepared is None or prepared[0] != name:
                prepared = None
                prepared = (name, trainer(peer, name, workload))
            answer = {"milliseconds": 1000 * prepared[1]() / workload.steps}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        answers.write(f"{json.dumps(answer)}\n")
        answers.flush()


if __name__ == "__main__":
    main()
