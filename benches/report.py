"""The tables of a comparison, and their places in a document."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from pathlib import Path

import rustnet
from flops import flops_per_step
from results import Run
from tables import (
    Grid,
    against_best_peer,
    best_peer,
    body,
    figure,
    grid,
    markdown,
    medians,
    summary,
    transposed,
)
from workloads import BASIC, FURTHER, WORKLOADS, Workload

Column = dict[str, list[float]]


def training(runs: list[Run]) -> str:
    """Milliseconds a step, and how near to the machine's limit that is."""
    columns = grid(runs, "milliseconds")
    # GFLOP/s; other programs can only lower it, so that the largest sample is the best estimate.
    peaks = {
        run.workload: max(run.samples["rustnet"]["peak"]) / 1e9 for run in runs if "rustnet" in run.samples
    }
    flops = {run.workload: flops_per_step(WORKLOADS[run.workload], rustnet) / 1e6 for run in runs}

    def against_tuned(_: str, column: Column) -> str:
        middle = medians(column)
        both = "rustnet" in middle and "torch-tuned" in middle
        return f"{middle['torch-tuned'] / middle['rustnet']:.2f}×" if both else ""

    def share(workload: str, column: Column) -> str:
        if workload not in peaks or "rustnet" not in medians(column):
            return ""
        return f"{flops[workload] / medians(column)['rustnet'] / peaks[workload]:.0%}"

    ours = [
        summary("best peer ÷ rustnet", columns, against_best_peer("rustnet")),
        summary("torch-tuned ÷ rustnet", columns, against_tuned),
        summary("rustnet's share of the FMA peak", columns, share),
    ]
    limits = [
        ["MFLOP a step", *(figure(flops[workload]) for workload in columns)],
        ["FMA peak, GFLOP/s", *(figure(peaks[w]) if w in peaks else "–" for w in columns)],
    ]
    return markdown([*body(columns), *ours, *limits])


def memory(runs: list[Run]) -> str:
    """Peak resident MiB of each process, with the data that it trains on."""
    columns = single(grid(runs, "megabytes"), max)
    return markdown([*body(columns), summary("best peer ÷ rustnet", columns, against_best_peer("rustnet"))])


def page_faults(runs: list[Run]) -> str:
    """Pages that the system gives to the process in a step, once it runs steadily."""
    return markdown(body(single(grid(runs, "faults"), statistics.median)))


def single(columns: Grid, of: Callable[[list[float]], float]) -> Grid:
    """Columns with one sample in place of several: for figures that hardly differ between rounds."""
    return {
        name: {row: [of(samples)] for row, samples in column.items() if samples}
        for name, column in columns.items()
    }


def prediction(runs: list[Run], batch: int) -> str:
    """Microseconds a call; of larger batches also samples a second."""
    columns: Grid = {}
    for run in runs:
        columns[run.workload] = {
            f"{peer} {name.removeprefix(f'{batch} ')}": samples
            for peer, figures in run.samples.items()
            for name, samples in figures.items()
            if name.startswith(f"{batch} ")
        }
    ways = [f"rustnet {way}" for way in ("model(x)", "predict")]
    rows = [summary(f"best peer ÷ {way}", columns, against_best_peer(way)) for way in ways]
    if batch > 1:
        for name in (ways[0], "best peer"):
            rows.append(summary(f"samples/s, {name}", columns, samples_per_second(name, batch)))
    return markdown([*body(columns), *rows])


def samples_per_second(name: str, batch: int) -> Callable[[str, Column], str]:
    def cell(_: str, column: Column) -> str:
        best = best_peer(column)
        microseconds = best and best[1] if name == "best peer" else medians(column).get(name)
        return figure(batch * 1e6 / microseconds) if microseconds else ""

    return cell


def training_of_further_models(runs: list[Run]) -> str:
    """Milliseconds a step, a model a row: of these there are many, and few peers."""
    columns = grid(runs, "milliseconds")
    rows = [*body(columns), summary("best peer ÷ rustnet", columns, against_best_peer("rustnet"))]
    titles = [f"{run.workload}: {WORKLOADS[run.workload].title}" for run in runs]
    return markdown(transposed([["", *titles], *rows[1:]]))


# The kind of runs that a table shows, of which workloads, and how.
TABLES: dict[str, tuple[str, tuple[Workload, ...], Callable[[list[Run]], str]]] = {
    "training": ("training", BASIC, training),
    "training of further models": ("training", FURTHER, training_of_further_models),
    "memory": ("training", BASIC, memory),
    "page faults": ("training", BASIC, page_faults),
    "prediction of one row": ("prediction", BASIC, lambda runs: prediction(runs, 1)),
    "prediction of 256 rows": ("prediction", BASIC, lambda runs: prediction(runs, 256)),
}


def report(runs: list[Run]) -> dict[str, str]:
    """Every table by its name, with the commands and machines that made it."""
    texts: dict[str, str] = {}
    for settings in dict.fromkeys(run.settings for run in runs):
        for name, (kind, workloads, render) in TABLES.items():
            shown = [workload.name for workload in workloads]
            chosen = [
                run for run in runs if (run.kind, run.settings) == (kind, settings) and run.workload in shown
            ]
            # In the order of the workloads, whichever was measured first.
            chosen.sort(key=lambda run: list(WORKLOADS).index(run.workload))
            if chosen:
                texts[f"{name}, {settings}"] = "\n\n".join([render(chosen), *origins(chosen)])
    return texts


def origins(runs: list[Run]) -> list[str]:
    """The commands that made a table, and below them the machine."""
    commands: dict[str, list[str]] = {}
    for run in runs:
        commands.setdefault(run.machine, []).append(f"    {run.command}")
    return ["\n".join([*lines, "", machine]) for machine, lines in commands.items()]


def write(path: Path, texts: dict[str, str]) -> list[str]:
    """Puts each table between its markers in a document; gives the names of those without a place there."""
    document, homeless = path.read_text(), []
    for name, text in texts.items():
        start, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->\n"
        if start in document and end in document:
            before, rest = document.split(start, 1)
            document = f"{before}{start}\n{text}\n\n{end}{rest.split(end, 1)[1]}"
        else:
            homeless.append(name)
    path.write_text(document)
    return homeless
