"""Trains and asks the same models with rustnet and with the peers that are installed; prints Markdown tables.

Every peer has a process of its own for each workload, and all peers of a workload are measured in turn, so
that they meet the same machine. A figure is the median over the rounds, with the smallest and the largest
beside it.

Training is milliseconds a step in a steady state. rustnet and Keras train through `fit`, with shuffling and
metrics; `torch` and `jax` are hand-written loops without either. Prediction is microseconds a call.

The best peer is the fastest of all peers as their users run them. `torch-tuned` is PyTorch with an allocator
that keeps freed memory; it is shown, but is never the best peer. The share of the FMA peak is of what
multiply-adds of registers alone reach in the same run.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

from machine import describe
from peers import PEERS
from processes import ISA_ENVIRONMENT, measure
from report import report, write
from results import Run, load, merge, save
from workloads import PREDICTED, WORKLOADS

KINDS = {"training": tuple(WORKLOADS), "prediction": PREDICTED}


def names(known: list[str]) -> Callable[[str], list[str]]:
    """A parser of a comma-separated list of known names."""

    def parse(text: str) -> list[str]:
        chosen = text.split(",")
        unknown = [name for name in chosen if name not in known]
        if unknown:
            raise argparse.ArgumentTypeError(f"expected some of {', '.join(known)}. Received: {unknown[0]}")
        return chosen

    return parse


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--kinds", type=names(list(KINDS)), default=list(KINDS), help="training, prediction or both")
    add("--workloads", type=names(list(WORKLOADS)), default=list(WORKLOADS))
    add("--peers", type=names(list(PEERS)), default=list(PEERS))
    add("--rounds", type=int, default=3, help="0: only show what --json holds")
    add("--threads", type=int, default=len(os.sched_getaffinity(0)))
    add("--isa", choices=list(ISA_ENVIRONMENT), default="", help="restrict everybody to these instructions")
    add("--time-limit", type=float, default=120, help="seconds that a peer may take to prepare or to measure")
    add("--json", type=Path, help="add the figures to this file, and show all that it holds")
    add("--write", type=Path, help="put the tables between their markers in this document")
    return parser.parse_args()


def settings(threads: int, isa: str) -> str:
    return f"{threads} thread{'s' if threads > 1 else ''}{isa and f', {isa}'}"


def command(given: argparse.Namespace, workload: str) -> str:
    """What measures this workload again as it was measured."""
    isa = f" --isa {given.isa}" if given.isa else ""
    peers = f" --peers {','.join(given.peers)}" if given.peers != list(PEERS) else ""
    return (
        f"python benches/compare.py --rounds {given.rounds} --threads {given.threads}{isa}"
        f" --workloads {workload}{peers}"
    )


def main() -> None:
    given = arguments()
    missing = {module for peer in given.peers for module in PEERS[peer].missing}
    for module in sorted(missing):
        print(f"{module} is not installed", file=sys.stderr)

    runs = load(given.json) if given.json else []
    for kind in given.kinds if given.rounds else []:
        for workload in given.workloads:
            peers = [peer for peer in given.peers if PEERS[peer].can(kind, workload)]
            if workload not in KINDS[kind] or not peers:
                continue
            print(f"{kind} of {workload}", file=sys.stderr)
            samples = measure(kind, workload, peers, given.threads, given.isa, given.rounds, given.time_limit)
            machine = describe(given.threads, given.isa)
            tables = settings(given.threads, given.isa)
            runs = merge(runs, [Run(kind, workload, tables, command(given, workload), machine, samples)])
            if given.json:
                save(given.json, runs)

    texts = report(runs)
    print("\n\n".join(f"## {name}\n\n{text}" for name, text in texts.items()))
    for name in write(given.write, texts) if given.write else []:
        print(f"{given.write} has no place for the table of {name}", file=sys.stderr)


if __name__ == "__main__":
    main()
