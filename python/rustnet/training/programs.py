"""The programs of a model: one training, evaluation or prediction step for each shape of a batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from rustnet import _core
from rustnet.core import structure
from rustnet.core.convert import tensor
from rustnet.core.program_cache import ProgramCache
from rustnet.core.trace import Trace
from rustnet.training.columns import Array, Data, engine_dtype
from rustnet.training.step import record_evaluation, record_prediction, record_training
from rustnet.training.stepping import Stepping

Kind = Literal["train", "test", "predict"]


class Programs:
    """Compiled steps, made on first use and kept while what they were recorded with stays as it is."""

    def __init__(self, arenas: _core.Arenas) -> None:
        self._steps = ProgramCache(arenas)
        # The names of the last results, in the order in which `evaluate` lists them.
        self.order: list[str] = []

    def step(self, trainer: Stepping, kind: Kind, data: Data, rows: int) -> tuple[_core.Program, Any]:
        """The program for batches of `rows` rows of such data, for predictions with the outputs' nesting."""
        if trainer.run_eagerly:
            return self._steps.once(_record_step, trainer, kind, data, rows)
        return self._steps.get((kind, rows, data.signature), _record_step, trainer, kind, data, rows)

    def results(self, trainer: Stepping) -> dict[str, float]:
        """What all metrics say now, by name in alphabetical order."""
        metrics = trainer.metrics
        key = ("results", *map(id, metrics))
        program, names, self.order, _ = self._steps.get(key, _record_results, trainer, metrics)
        return dict(zip(names, map(_number, program.run([])), strict=True))


def _record_step(
    trace: Trace, trainer: Stepping, kind: Kind, data: Data, rows: int
) -> tuple[_core.Program, Any]:
    trainer.refuse_own_steps()

    def argument(column: Array | None, dtype: str | None = None) -> Any:
        if column is None:
            return None
        return trace.input(dtype or engine_dtype(column, takes_float64), (rows, *column.shape[1:]))

    takes_float64 = trainer._takes_float64
    dtypes = iter(trainer._input_dtypes(data.x))
    x = structure.map_structure(lambda column: argument(column, next(dtypes)), data.x)
    y = structure.map_structure(argument, data.y)
    weight = structure.map_structure(argument, data.sample_weight)
    if kind == "predict":
        outputs = record_prediction(trainer, x)
        nesting = structure.map_structure(lambda _: None, outputs)
        return trace.compile(structure.flatten(outputs)), nesting
    record = record_training if kind == "train" else record_evaluation
    record(trainer, trace, x, y, weight)
    return trace.compile([]), None


def _record_results(
    trace: Trace, trainer: Stepping, metrics: list[Any]
) -> tuple[_core.Program, list[str], list[str], list[Any]]:
    # An override may return plain numbers.
    results = {name: tensor(value) for name, value in sorted(trainer.get_metrics_result().items())}
    # The metrics too: while they are kept, the ids that they are found by are theirs.
    return trace.compile(list(results.values())), list(results), trainer._in_order(list(results)), metrics


def _number(value: Array) -> Any:
    """A float; the values of a metric that has one for each class stay an array."""
    return float(value) if value.ndim == 0 else value


def each_batch(
    data: Data,
    batch_size: int,
    order: _core.Order | None,
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
