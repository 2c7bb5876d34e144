"""Peers in processes of their own, measured in turn, so that all of them meet the same machine."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from peers import PEERS
from results import Samples

# A peer whose one measurement takes more seconds than this is not asked for another.
LONG = 15.0
# ONNX Runtime has no such setting and uses what it finds.
ISA_ENVIRONMENT = {
    "": {},
    "avx2": {
        "RUSTNET_ISA": "avx2",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "DNNL_MAX_CPU_ISA": "AVX2",
        "MKL_ENABLE_INSTRUCTIONS": "AVX2",
        "ATEN_CPU_CAPABILITY": "avx2",
        "XLA_FLAGS": "--xla_cpu_max_isa=AVX2",
    },
}

# Seconds between two peers' turns: threads of some wait for more work without sleeping for a while.
REST = 0.5


class Worker:
    """A peer that waits in its own process. It answers numbers by name, or text that says what failed."""

    def __init__(
        self, kind: str, peer: str, workload: str, threads: int, isa: str, time_limit: float
    ) -> None:
        quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "TORCHINDUCTOR_COMPILE_THREADS": "1"}
        self.peer, self.time_limit = peer, time_limit
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("worker.py")), kind, peer, workload, str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ
            | quiet
            | {"OMP_NUM_THREADS": str(threads)}
            | PEERS[peer].environment
            | ISA_ENVIRONMENT[isa],
            text=True,
            start_new_session=True,
        )

    def answer(self) -> Any:
        assert self.process.stdout is not None
        if not select.select([self.process.stdout], [], [], self.time_limit)[0]:
            return f"no answer in {self.time_limit:.0f} seconds"
        return json.loads(self.process.stdout.readline() or '"the process ended"')

    def measure(self) -> Any:
        assert self.process.stdin is not None
        self.process.stdin.write("measure\n")
        self.process.stdin.flush()
        return self.answer()

    def stop(self) -> None:
        """Ends the process, and a compiler that it may be waiting for."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.communicate()


def measure(
    kind: str, workload: str, peers: list[str], threads: int, isa: str, rounds: int, time_limit: float
) -> Samples:
    """One measurement from each peer in each round. What a peer cannot do is said on standard error."""
    waiting: list[Worker] = []
    samples: Samples = {}
    try:
        for peer in peers:
            worker = Worker(kind, peer, workload, threads, isa, time_limit)
            waiting.append(worker)
            if (answer := worker.answer()) != "ready":
                print(f"{peer}, {kind} of {workload}: {answer}", file=sys.stderr)
                waiting.pop().stop()
        for _ in range(rounds):
            for worker in list(waiting):
                time.sleep(REST)
                start = time.perf_counter()
                answer = worker.measure()
                if isinstance(answer, str):
                    print(f"{worker.peer}, {kind} of {workload}: {answer}", file=sys.stderr)
                else:
                    for name, value in answer.items():
                        samples.setdefault(worker.peer, {}).setdefault(name, []).append(value)
                if isinstance(answer, str) or time.perf_counter() - start > LONG:
                    waiting.remove(worker)
                    worker.stop()
    finally:
        for worker in waiting:
            worker.stop()
    return samples
