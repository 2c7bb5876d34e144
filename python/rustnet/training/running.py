"""What `fit`, `evaluate` and `predict` share: the way over the data, step by step."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rustnet import callbacks as callbacks_module
from rustnet.core import structure
from rustnet.training.batches import Stream
from rustnet.training.columns import Data
from rustnet.training.measuring import Measuring
from rustnet.training.programs import Kind, each_batch
from rustnet.training.rows import Rows

# How long the engine runs before Python looks: for Ctrl-C, the progress bar, other threads.
LOOK_SECONDS = 0.1


class Running(Measuring):
    """The part of a model that runs its steps."""

    def _run(
        self, kind: Kind, source: Any, steps: int | None, epoch: int, callback_list: Any
    ) -> Iterator[int]:
        """Runs an epoch and yields the number of steps done, after every batch or now and then."""
        begin = callback_list.on_train_batch_begin if kind == "train" else callback_list.on_test_batch_begin
        end = callback_list.on_train_batch_end if kind == "train" else callback_list.on_test_batch_end
        if isinstance(source, Stream):
            for index, data in enumerate(source.epoch(steps, goes_on=kind == "train")):
                begin(index)
                program, _ = self._step_programs.step(self, kind, data, data.rows)
                program.run_batches(data.columns, None, (0, data.rows), [], 0.0)
                if callback_list.sees_batches:
                    end(index, self._step_programs.results(self))
                yield index + 1
            return
        each = callback_list.needs_batches
        order, start, stop = source.epoch(epoch)
        total = -(-(stop - start) // source.batch_size)
        if each:
            begin(0)
        for done in each_batch(
            source.data,
            source.batch_size,
            order,
            lambda rows: self._step_programs.step(self, kind, source.data, rows)[0],
            [],
            0.0 if each or self.run_eagerly else LOOK_SECONDS,
            start,
            stop,
        ):
            if callback_list.sees_batches:
                end(done - 1, self._step_programs.results(self) if each or done < total else {})
            yield done
            if each and done < total:
                begin(done)

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

    def _ensure_built(self, source: Any) -> None:
        """Makes the weights from the shapes of the data, so that they are there before the first callback."""
        if self.built:
            return
        if isinstance(source, Stream):
            data = source.first()
        else:
            data = source.data if isinstance(source, Rows) else source
        self._step_programs.step(self, "predict", Data(data.x), 1)

    def _set_flag(self, name: str, value: bool) -> None:
        """Sets an attribute where it has another value: it costs more to set one than to look."""
        if getattr(self, name) is not value:
            setattr(self, name, value)

    def _input_dtypes(self, inputs: Any) -> list[str | None]:
        """The dtype that each leaf of `inputs` is wanted in, where the model says."""
        return [None] * len(structure.flatten(inputs))

    def _classes(self) -> int | None:
        """How many classes a single output tells apart, where that is known."""
        outputs = getattr(self, "outputs", []) if self.built else []
        size = outputs[0].shape[-1] if len(outputs) == 1 and outputs[0].shape else None
        return size if size is not None and size > 1 else None
