"""Tables in Markdown: peers down, workloads across."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable

from peers import PEERS
from results import Run

# Column -> row -> samples
Grid = dict[str, dict[str, list[float]]]


def figure(value: float) -> str:
    """Three significant digits, and all digits before the point."""
    if value < 0.0005:
        return "0"
    return f"{value:,.{max(0, 2 - math.floor(math.log10(value)))}f}"


def cell(samples: list[float]) -> str:
    """The median and, of several samples, the smallest and the largest."""
    if not samples:
        return "–"
    if len(samples) == 1:
        return figure(samples[0])
    return f"{figure(statistics.median(samples))} ({figure(min(samples))}–{figure(max(samples))})"


def markdown(rows: list[list[str]]) -> str:
    """A table whose first row is its head, with numbers to the right."""
    head, *body = rows
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *body]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def transposed(rows: list[list[str]]) -> list[list[str]]:
    """The same table with its columns as rows."""
    return [list(column) for column in zip(*rows, strict=True)]


def grid(runs: list[Run], of: str) -> Grid:
    """One figure of every peer in every run."""
    return {run.workload: {peer: run.samples[peer].get(of, []) for peer in run.samples} for run in runs}


def body(columns: Grid) -> list[list[str]]:
    """The head, and a row for each name that has a figure in some column; names in the order of the peers."""
    found = dict.fromkeys(name for column in columns.values() for name in column if column[name])
    names = sorted(found, key=lambda name: list(PEERS).index(peer_of(name)))
    rows = [[name, *(cell(column.get(name, [])) for column in columns.values())] for name in names]
    return [["", *columns], *rows]


def peer_of(name: str) -> str:
    """A row is named by a peer alone, or by a peer and the way in which it is called."""
    return name.split()[0]


def medians(column: dict[str, list[float]]) -> dict[str, float]:
    return {name: statistics.median(samples) for name, samples in column.items() if samples}


def best_peer(column: dict[str, list[float]]) -> tuple[str, float] | None:
    """The smallest median of the peers as they are used."""
    peers = {
        name: median
        for name, median in medians(column).items()
        if peer_of(name) != "rustnet" and PEERS[peer_of(name)].as_used
    }
    return min(peers.items(), key=lambda item: item[1]) if peers else None


def summary(title: str, columns: Grid, cell: Callable[[str, dict[str, list[float]]], str]) -> list[str]:
    """A row that says one thing of every column, in bold."""
    cells = (cell(name, column) for name, column in columns.items())
    return [f"**{title}**", *(f"**{text}**" if text else "–" for text in cells)]


def against_best_peer(ours: str) -> Callable[[str, dict[str, list[float]]], str]:
    """How many times the best peer's figure is ours, and who that is."""

    def cell(_: str, column: dict[str, list[float]]) -> str:
        own, best = medians(column).get(ours), best_peer(column)
        return f"{best[1] / own:.2f}× {best[0]}" if own and best else ""

    return cell
