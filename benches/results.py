"""The figures of one or several runs, and the file that keeps them."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

# peer -> name of a figure -> its samples, one a round
Samples = dict[str, dict[str, list[float]]]


@dataclass(frozen=True)
class Run:
    """One workload, measured with all peers in turn."""

    kind: str
    workload: str
    # Names the tables that the run belongs to: threads, and instructions if they were restricted.
    settings: str
    command: str
    machine: str
    samples: Samples


def merge(runs: list[Run], newer: list[Run]) -> list[Run]:
    """All runs; a newer one replaces that of the same workload in the same settings."""
    return list({(run.kind, run.settings, run.workload): run for run in (*runs, *newer)}.values())


def load(path: Path) -> list[Run]:
    return [Run(**run) for run in json.loads(path.read_text())] if path.exists() else []


def save(path: Path, runs: list[Run]) -> None:
    path.write_text(f"{json.dumps([asdict(run) for run in runs], indent=1)}\n")
