"""The programs of a model: one training, evaluation or prediction step for each shape of a batch."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

from rustnet import _core
from rustnet.core import structure
from rustnet.core.trace import Trace
from rustnet.layers.layer import structure_version
from rustnet.training.columns import Array, Data, engine_dtype
from rustnet.training.step import input_dtypes, record_evaluation, record_prediction, record_training

if TYPE_CHECKING:
    from rustnet.training.trainer import Trainer

Kind = Literal["train", "test", "predict"]


class Programs:
    """Compiled steps, made on first use and kept while the model and its compilation stay as they are."""

    def __init__(self, trainer: Trainer) -> None:
        self._trainer = trainer
        self._steps: dict[Any, tuple[_core.Program, Any]] = {}
        # The metrics that `results` was compiled for, the program, and the names of its outputs.
        self._results: tuple[list[Any], _core.Program, list[str]] | None = None
        # What `results` reports, in the order of the metrics.
        self.result_names: list[str] = []
        self._version = structure_version()

    def step(self, kind: Kind, data: Data, rows: int) -> tuple[_core.Program, Any]:
        """The program for batches of `rows` rows of such data, for predictions with the outputs' nesting."""
        if self._version != structure_version():
            self._steps.clear()
            self._version = structure_version()
        key = (kind, rows, data.signature)
        if key not in self._steps:
            self._steps[key] = self._trace(kind, data, rows)
            # Making weights and optimizer slots counts as a change of the model: it is this step's own.
            self._version = structure_version()
        return self._steps[key]

    def _trace(self, kind: Kind, data: Data, rows: int) -> tuple[_core.Program, Any]:
        trainer = self._trainer
        trace = Trace()

        def argument(column: Array | None, dtype: str | None = None) -> Any:
            if column is None:
                return None
            return trace.input(dtype or engine_dtype(column), (rows, *column.shape[1:]))

        dtypes = iter(input_dtypes(trainer, data.x))
        x = structure.map_structure(lambda column: argument(column, next(dtypes)), data.x)
        y = structure.map_structure(argument, data.y)
        weight = structure.map_structure(argument, data.sample_weight)
        if kind == "predict":
            outputs = trace.call(record_prediction, trainer, x)
            nesting = structure.map_structure(lambda _: None, outputs)
            return trace.compile(structure.flatten(outputs)), nesting
        trace.call(record_training if kind == "train" else record_evaluation, trainer, trace, x, y, weight)
        return trace.compile([]), None

    def results(self, metrics: list[Any]) -> dict[str, float]:
        """What all metrics say now, by name in alphabetical order."""
        if self._results is None or not _are_same(self._results[0], metrics):
            trace = Trace()
            items = trace.call(_result_items, metrics)
            self.result_names = [name for name, _ in items]
            items.sort(key=lambda item: item[0])
            program = trace.compile([value for _, value in items])
            self._results = (list(metrics), program, [name for name, _ in items])
        _, program, names = self._results
        return dict(zip(names, map(_number, program.run([])), strict=True))


def _result_items(metrics: list[Any]) -> list[tuple[str, Any]]:
    """What the metrics say, each value by its name."""
    items: list[tuple[str, Any]] = []
    for metric in metrics:
        result = metric.result()
        items += result.items() if isinstance(result, dict) else [(metric.name, result)]
    return items


def _are_same(a: list[Any], b: list[Any]) -> bool:
    """Whether these are the same objects; metrics of users may compare in ways of their own."""
    return len(a) == len(b) and all(map(operator.is_, a, b))


def _number(value: Array) -> Any:
    """A float; the values of a metric that has one for each class stay an array."""
    return float(value) if value.ndim == 0 else value


def each_batch(
    data: Data,
    batch_size: int,
    order: Array | None,
    program_for: Callable[[int], _core.Program],
    outputs: list[Array],
    max_seconds: float,
    start: int,
    stop: int,
) -> Any:
    """Runs the rows `start` to `stop` batch by batch, the last one smaller, and yields the steps done.

    `order` lists all rows; `start` is a multiple of `batch_size`; `max_seconds=0` yields after every batch.
    """
    columns = data.columns
    whole = stop - (stop - start) % batch_size
    position = start
    while position < whole:
        program = program_for(batch_size)
        position = program.run_batches(columns, order, (position, whole), outputs, max_seconds)
        yield (position - start) // batch_size
    if whole < stop:
        program_for(stop - whole).run_batches(columns, order, (whole, stop), outputs, max_seconds)
        yield (whole - start) // batch_size + 1
