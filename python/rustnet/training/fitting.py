"""`fit`: training, epoch by epoch."""

from __future__ import annotations

import operator
from typing import Any

from rustnet.callbacks.history import History, KeptHistory
from rustnet.random import new_seed
from rustnet.training import arguments, class_weights
from rustnet.training.batches import Stream, is_stream
from rustnet.training.columns import Data, make_data, of_parts, split
from rustnet.training.evaluating import Evaluating
from rustnet.training.isolation import run_of
from rustnet.training.rows import Rows


class Fitting(Evaluating):
    """The part of a model that is trained."""

    stop_training = False
    # Whether the present `fit` validates, for callbacks.
    _validates = False

    @property
    def history(self) -> Any:
        """The `History` of the last `fit`, `None` before."""
        kept = vars(self).get("_history")
        return kept.of(self) if isinstance(kept, KeptHistory) else kept

    @history.setter
    def history(self, history: Any) -> None:
        self._history = KeptHistory(history) if isinstance(history, History) else history

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: Any = "auto",
        callbacks: Any = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool = True,
        class_weight: Any = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_batch_size: int | None = None,
        validation_freq: Any = 1,
    ) -> Any:
        """Trains for `epochs` passes over the data and returns the `History`.

        Arguments:
            x: an array (or list or dictionary of arrays for several inputs) with a row for each sample, a
                generator of batches `(x, y)` or `(x, y, sample_weight)`, or an object that gives such batches
                by `__getitem__` and `__len__`, or by `__iter__` again and again.
            y: targets, likewise.
            batch_size: rows a step, default 32; the last batch is smaller where it does not divide the rows.
            epochs, initial_epoch: trains for epochs `initial_epoch` to `epochs - 1`.
            verbose: 0 nothing, 1 or `"auto"` a progress bar, 2 a line an epoch.
            callbacks: `Callback`s.
            validation_split: this last part of the data is not trained on but evaluated after each epoch.
            validation_data: `(x, y)` or `(x, y, sample_weight)` to evaluate instead.
            shuffle: a new order of the rows each epoch; with `__getitem__`, of the batches.
            class_weight: class (an int) → weight of its samples in the loss, 1 for those that are not listed;
                for a single output, and not for the validation data.
            sample_weight: (n,) weight of each sample in the loss, or (n, steps) of each step; for several
                outputs one for all, or nested as they are.
            steps_per_epoch: ends an epoch after so many steps; the next goes on where it stopped. Where the
                data ends before, so does the epoch, with a warning, and the next begins again: of a
                generator, which cannot, with the first two batches, which are kept.
            validation_steps, validation_batch_size: the same for the validation data, which begins again
                each time.
            validation_freq: validates every so many epochs, or after the listed ones, counted from 1.

        A callback may call `fit`, `evaluate`, `predict` and their one-batch forms: the metrics of this run
        stay as they were.

        Returns: `History`; its `history` has a list of one value an epoch for each metric.
        Raises: `ValueError` for data or arguments that do not fit, `RuntimeError` before `compile`. After an
            error or Ctrl-C the model is as of the last whole batch.

        >>> history = model.fit(x_train, y_train, batch_size=128, epochs=5, verbose=0)

        Source: https://keras.io/api/models/model_training_apis/#fit-method
        """
        self._check_compiled("fit")
        epochs = arguments.count(epochs, "epochs", least=0)
        initial_epoch = arguments.count(initial_epoch, "initial_epoch", least=0)
        verbose = arguments.verbosity(verbose)
        steps = arguments.optional_count(steps_per_epoch, "steps_per_epoch")
        validation_steps = arguments.optional_count(validation_steps, "validation_steps")
        arguments.check_frequency(validation_freq)
        if class_weight is not None:
            class_weight = class_weights.checked(class_weight, self._classes())
        seed = new_seed() if shuffle else None
        if is_stream(x):
            arguments.batches_alone(y=y, sample_weight=sample_weight, batch_size=batch_size)
            if validation_split and validation_data is None:
                raise ValueError("expected arrays with validation_split. Received: a generator")
            source: Any = Stream(x, class_weight, seed, any_nesting=not self._has_default("train_step"))
        else:
            source = make_data(x, y, sample_weight, class_weight, are_all=True)
            if validation_split and validation_data is None:
                source, validation_data = split(source, validation_split)
                if class_weight is not None:
                    # These weigh what is trained on, and there are no other weights beside them.
                    validation_data = of_parts(*validation_data.parts[:2])
            source = Rows(source, batch_size, steps, seed)
        validation = None if validation_data is None else self._validation(validation_data)
        return run_of(
            self,
            self._fit,
            source,
            epochs=range(initial_epoch, epochs),
            steps=steps,
            verbose=verbose,
            callbacks=callbacks,
            validation=validation,
            validation_steps=validation_steps,
            validation_batch_size=validation_batch_size or batch_size,
            validation_freq=validation_freq,
        )

    def _fit(
        self,
        source: Any,
        *,
        epochs: range,
        steps: int | None,
        verbose: int,
        callbacks: Any,
        validation: Any,
        validation_steps: int | None,
        validation_batch_size: int | None,
        validation_freq: Any,
    ) -> Any:
        callback_list = self._callbacks(callbacks, steps or source.steps, verbose, epochs.stop, history=True)
        self._set_flag("stop_training", False)
        self._set_flag("_validates", validation is not None)
        self._ensure_built("train", source)
        callback_list.on_train_begin()
        logs: dict[str, Any] = {}
        for epoch in epochs:
            self.reset_metrics()
            callback_list.on_epoch_begin(epoch)
            logs = self._run("train", source, steps, epoch, callback_list)
            if validation is not None and _is_due(validation_freq, epoch):
                if isinstance(validation, Stream):
                    again: Any = validation
                else:
                    again = Rows(validation, validation_batch_size, validation_steps)
                results = self._evaluate(again, validation_steps, callback_list)
                logs.update({f"val_{name}": value for name, value in results.items()})
            callback_list.on_epoch_end(epoch, logs)
            if self.stop_training:
                break
        self.optimizer.finalize_variable_values(
            self._found_in_layers.find("trainable_weights", self, operator.attrgetter("trainable_weights"))
        )
        callback_list.on_train_end(logs)
        return self.history

    def _validation(self, validation_data: Any) -> Any:
        if isinstance(validation_data, Data):
            return validation_data
        if is_stream(validation_data):
            return Stream(validation_data, any_nesting=not self._has_default("test_step"))
        if not isinstance(validation_data, (list, tuple)) or not 1 <= len(validation_data) <= 3:
            raise ValueError(
                "expected validation_data to be (x, y) or (x, y, sample_weight). "
                f"Received: {type(validation_data).__name__}"
            )
        data = make_data(*validation_data)
        arguments.no_rows(data.rows)
        return data


def _is_due(frequency: Any, epoch: int) -> bool:
    """Whether to validate after this epoch: every so many, or after the listed ones (counted from 1)."""
    if isinstance(frequency, (list, tuple, set)):
        return epoch + 1 in frequency
    return (epoch + 1) % frequency == 0
