"""`predict`: the outputs for every row."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rustnet.core import structure
from rustnet.training import arguments
from rustnet.training.batches import Stream, is_stream
from rustnet.training.collected import Collected, joined
from rustnet.training.columns import Data, make_data
from rustnet.training.isolation import run_of
from rustnet.training.rows import Rows
from rustnet.training.running import LOOK_SECONDS, Running, each_batch


class Predicting(Running):
    """The part of a model that predicts."""

    stop_predicting = False

    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: Any = "auto",
        steps: int | None = None,
        callbacks: Any = None,
    ) -> Any:
        """The outputs for every row of `x`, as NumPy arrays in the nesting of the model's outputs.

        Arguments: as `evaluate`. No `compile` is needed.

        Raises: `ValueError` for data that does not fit.

        >>> probabilities = model.predict(x_test, verbose=0)

        Source: https://keras.io/api/models/model_training_apis/#predict-method
        """
        verbose = arguments.verbosity(verbose)
        steps = arguments.optional_count(steps, "steps")
        if not is_stream(x):
            data = make_data(x)
            whole = arguments.batch_size_for(batch_size, steps, data.rows)
            if data.rows == 0 or (data.rows <= whole and callbacks is None and not verbose):
                # One batch, and nobody who looks on.
                return self._predicted(data)
            source: Any = Rows(data, batch_size, steps)
        else:
            arguments.batches_alone(batch_size=batch_size)
            source = Stream(x, any_nesting=not self._has_default("predict_step"))

        def run() -> Any:
            callback_list = self._callbacks(callbacks, steps or source.steps, verbose)
            self._set_flag("stop_predicting", False)
            self._ensure_built("predict", source)
            callback_list.on_predict_begin()
            if isinstance(source, Rows):
                outputs = self._predict_rows(source, callback_list)
            else:
                outputs = self._predict_batches(source.epoch(steps), callback_list)
            callback_list.on_predict_end()
            return outputs

        return run_of(self, run)

    def _predict_rows(self, source: Rows, callback_list: Any) -> Any:
        data, size = source.data, source.batch_size
        part = source.epoch(0)
        total = -(-part.stop // size)
        collected = Collected(part.stop)
        each = callback_list.needs_batches
        if each:
            callback_list.on_predict_batch_begin(0)
        before = 0
        for done, step, _ in each_batch(
            data,
            size,
            part,
            lambda rows: self._step("predict", data, rows),
            collected.places,
            0.0 if each or self.run_eagerly else LOOK_SECONDS,
            keeps_all=True,
        ):
            new = collected.take(step, done - before)
            before = done
            if callback_list.sees_batches:
                callback_list.on_predict_batch_end(done - 1, {"outputs": step.returned(new)})
            if self.stop_predicting:
                break
            if each and done < total:
                callback_list.on_predict_batch_begin(done)
        return step.returned(collected.arrays())

    def _predict_batches(self, batches: Iterator[Data], callback_list: Any) -> Any:
        parts = []
        for index, data in enumerate(batches):
            callback_list.on_predict_batch_begin(index)
            parts.append(self._predicted(data))
            callback_list.on_predict_batch_end(index, {"outputs": parts[-1]})
            if self.stop_predicting:
                break
        leaves = zip(*map(structure.flatten, parts), strict=True)
        return structure.pack(parts[0], map(joined, leaves))

    def _predicted(self, data: Data) -> Any:
        """The outputs for all rows as one batch."""
        step = self._step("predict", data, max(data.rows, 1))
        # A scalar is one of a list, as where there are several batches.
        outputs = [array if array.ndim else array[None] for array in step.new_outputs()]
        if data.rows == 0:
            return step.returned([array[:0] for array in outputs])
        step.program.run_batches(data.columns, None, (0, data.rows), outputs, 0.0, data.whole, keeps_all=True)
        return step.returned(outputs)
