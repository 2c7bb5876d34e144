"""What `fit`, `evaluate` and `predict` share: the way over the data, step by step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from rustnet import callbacks as callbacks_module
from rustnet.core.trace import Trace
from rustnet.training.batches import Stream
from rustnet.training.columns import Array, Data
from rustnet.training.programs import Kind
from rustnet.training.rows import Part, Rows
from rustnet.training.step import Step, arguments_of
from rustnet.training.stepping import Stepping

# How long the engine runs before Python looks: for Ctrl-C, the progress bar, other threads.
LOOK_SECONDS = 0.1


class Running(Stepping):
    """The part of a model that runs its steps."""

    def _run(
        self, kind: Kind, source: Any, steps: int | None, epoch: int, callback_list: Any
    ) -> dict[str, Any]:
        """Runs the steps of an epoch, or some until a callback stops them, and returns the logs."""
        if kind == "train":
            begin, end = callback_list.on_train_batch_begin, callback_list.on_train_batch_end
            stop = "stop_training"
        else:
            begin, end = callback_list.on_test_batch_begin, callback_list.on_test_batch_end
            stop = "stop_evaluating"
        returned = None
        if isinstance(source, Stream):
            for index, data in enumerate(source.epoch(steps, goes_on=kind == "train")):
                begin(index)
                returned = self._run_batch(kind, data)
                if callback_list.sees_batches:
                    end(index, self._batch_logs(returned))
                if getattr(self, stop):
                    break
            return self._logs(returned)
        each = callback_list.needs_batches
        part = source.epoch(epoch)
        total = -(-(part.stop - part.start) // source.batch_size)
        if each:
            begin(0)
        for done, step, outputs in each_batch(
            source.data,
            source.batch_size,
            part,
            lambda rows: self._step(kind, source.data, rows),
            lambda step, batches: step.new_outputs(),
            0.0 if each or self.run_eagerly else LOOK_SECONDS,
        ):
            returned = step.returned(outputs)
            if callback_list.sees_batches:
                end(done - 1, self._batch_logs(returned) if each or done < total else {})
            if getattr(self, stop):
                break
            if each and done < total:
                begin(done)
        return self._logs(returned)

    def _run_batch(self, kind: Kind, data: Data) -> Any:
        """Runs one step on all of the data, and returns what it returned."""
        step = self._step(kind, data, data.rows)
        outputs = step.new_outputs()
        step.program.run_batches(data.columns, None, (0, data.rows), outputs, 0.0, data.whole)
        return step.returned(outputs)

    def _callbacks(
        self, callbacks: Any, steps: int | None, verbose: int, epochs: int = 1, history: bool = False
    ) -> Any:
        """The callbacks as a list that calls them all; one that was made already stays as it is."""
        if isinstance(callbacks, callbacks_module.CallbackList):
            return callbacks
        return callbacks_module.CallbackList(
            callbacks,
            add_history=history,
            add_progbar=verbose != 0,
            model=self,
            verbose=verbose,
            epochs=epochs,
            steps=steps,
        )

    def _ensure_built(self, kind: Kind, source: Any) -> None:
        """Makes the weights from the shapes of the data, so that they are there before the first callback."""
        if self.built:
            return
        if isinstance(source, Stream):
            data, rows = source.first(), None
        elif isinstance(source, Rows):
            data, rows = source.data, min(source.batch_size, source.data.rows)
        else:
            data, rows = source, None
        if self._has_default(f"{kind}_step"):
            self._step_programs.once(self._record_call, data)
        else:
            # What it calls, only the step itself knows.
            self._step(kind, data, rows or data.rows)

    def _record_call(self, trace: Trace, data: Data) -> None:
        inputs = Data(data.x)
        self(arguments_of(trace, inputs, 1, self._input_dtypes(inputs.nested), self._takes_float64))

    def _set_flag(self, name: str, value: bool) -> None:
        """Sets an attribute where it has another value: it costs more to set one than to look."""
        if getattr(self, name) is not value:
            setattr(self, name, value)

    def _classes(self) -> int | None:
        """How many classes a single output tells apart, where that is known."""
        outputs = getattr(self, "outputs", []) if self.built else []
        size = outputs[0].shape[-1] if len(outputs) == 1 and outputs[0].shape else None
        return size if size is not None and size > 1 else None


def each_batch(
    data: Data,
    batch_size: int,
    part: Part,
    step_for: Callable[[int], Step],
    outputs_for: Callable[[Step, int], list[Array]],
    max_seconds: float,
    keeps_all: bool = False,
) -> Iterator[tuple[int, Step, list[Array]]]:
    """Runs some rows batch by batch, the last one smaller, and yields the batches done and who did the last.

    Arguments:
        part: whose `start` is a multiple of `batch_size`.
        step_for: the step for batches of so many rows.
        outputs_for: arrays for what the step returns in so many batches at most.
        max_seconds: how long to run before the next yield; 0 yields after every batch.
        keeps_all: whether the arrays get the outputs of all batches, one after the other, or of the last.
    """
    order, start, stop = part
    whole = stop - (stop - start) % batch_size
    position = start
    while position < stop:
        size, end = (batch_size, whole) if position < whole else (stop - whole, stop)
        step = step_for(size)
        outputs = outputs_for(step, (end - position) // size)
        position = step.program.run_batches(
            data.columns, order, (position, end), outputs, max_seconds, keeps_all=keeps_all
        )
        yield -(-(position - start) // batch_size), step, outputs
