"""What a model does with data: `compile`, `fit`, `evaluate`, `predict` and their one-batch forms."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from rustnet import _core, optimizers
from rustnet import callbacks as callbacks_module
from rustnet.core import structure
from rustnet.layers.layer import Layer, structure_version
from rustnet.metrics import Mean, Metric
from rustnet.random import new_seed
from rustnet.training import arguments
from rustnet.training.batches import Stream, is_stream
from rustnet.training.columns import Array, Data, make_data, split
from rustnet.training.outputs import OutputLosses, OutputMetrics
from rustnet.training.programs import Kind, Programs, each_batch

# How long the engine runs before Python looks: for Ctrl-C, the progress bar, other threads.
_LOOK_SECONDS = 0.1


class Trainer(Layer):
    """The training side of `Model`, which is its only subclass."""

    # What a run of `fit` writes on the model; no change of the model itself, so compiled steps stay valid.
    _NOT_CONFIGURATION = frozenset({"history", "stop_evaluating", "stop_predicting", "stop_training"})

    _TRANSIENT = {**Layer._TRANSIENT, "_found_in_layers": dict, "_step_programs": None}

    stop_training = False
    stop_evaluating = False
    history: Any = None

    @functools.cached_property
    def _step_programs(self) -> Programs:
        """The compiled steps; made anew by `compile`, and where a model was pickled or copied."""
        return Programs(self)

    # --- compile ----------------------------------------------------------------------------------

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        loss_weights: Any = None,
        metrics: Any = None,
        weighted_metrics: Any = None,
        run_eagerly: bool = False,
        steps_per_execution: int = 1,
        jit_compile: Any = "auto",
        auto_scale_loss: bool = True,
    ) -> None:
        """Says what training minimises, how, and what it reports.

        Arguments:
            optimizer: a name (`"rmsprop"`) or an `Optimizer`.
            loss: a name, a `Loss`, or a function `(y_true, y_pred)` written with `rustnet.ops`; for several
                outputs a list or a dictionary by output name.
            loss_weights: factors of the outputs' losses, as a list or dictionary.
            metrics: a list of names, `Metric`s or functions; for several outputs a list of lists or a
                dictionary.
            weighted_metrics: the same, but they see `sample_weight` and `class_weight`.
            run_eagerly, steps_per_execution, jit_compile, auto_scale_loss: accepted for compatibility;
                every step is compiled, and as many steps as fit run in one call.

        Which weights are trainable is settled here: a later change of `trainable` asks for another `compile`.

        Raises:
            ValueError: an unknown optimizer, loss or metric.

        >>> model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])

        Source: https://keras.io/api/models/model_training_apis/#compile-method
        """
        del run_eagerly, steps_per_execution, jit_compile, auto_scale_loss
        self._output_losses = OutputLosses(loss, loss_weights)
        self._output_metrics = OutputMetrics(metrics, weighted_metrics)
        self.optimizer = optimizers.get(optimizer)
        self.loss = loss
        self._loss_tracker = Mean(name="loss")
        self._step_programs = Programs(self)
        self.stop_training = False
        self._known_at_compile = self.weights
        self._trainable_at_compile = self.trainable_weights
        self._compile_arguments = {
            "optimizer": optimizer,
            "loss": loss,
            "loss_weights": loss_weights,
            "metrics": metrics,
            "weighted_metrics": weighted_metrics,
        }

    @property
    def compiled(self) -> bool:
        """Whether `compile` was called."""
        return getattr(self, "_output_losses", None) is not None

    @property
    def metrics(self) -> list[Metric]:
        """The loss, the metrics of `compile`, and those of the layers."""
        if not self.compiled:
            return self._layer_metrics()
        own = [self._loss_tracker, *self._output_losses.metrics, *self._output_metrics.metrics]
        layers = self._layer_metrics()
        if not layers:
            return own
        return own + [metric for metric in layers if all(metric is not known for known in own)]

    @property
    def metrics_names(self) -> list[str]:
        return [metric.name for metric in self.metrics]

    def reset_metrics(self) -> None:
        """Starts all metrics again."""
        for metric in self.metrics:
            metric.reset_state()

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """The scalar that a step minimises: the outputs' losses plus `self.losses`. May be overridden."""
        del x, training
        total = None
        if self.loss is not None:
            total = self._output_losses(y, y_pred, self._output_names(y_pred), sample_weight)
        for extra in self.losses:
            total = extra if total is None else total + extra
        if total is None:
            raise ValueError(
                "expected compile(loss=...) or a layer that calls add_loss, for something to minimise. "
                f"Received: loss={self.loss!r}"
            )
        return total

    def get_compile_config(self) -> dict[str, Any]:
        """The arguments of `compile`."""
        return dict(self._compile_arguments)

    # --- fit, evaluate, predict -------------------------------------------------------------------

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
                generator of batches `(x, y)` or `(x, y, sample_weight)`, or an object with `__getitem__` and
                `__len__` that gives such batches.
            y: targets, likewise.
            batch_size: rows a step, default 32; the last batch is smaller where it does not divide the rows.
            epochs, initial_epoch: trains for epochs `initial_epoch` to `epochs - 1`.
            verbose: 0 nothing, 1 or `"auto"` a progress bar, 2 a line an epoch.
            callbacks: `Callback`s.
            validation_split: this last part of the data is not trained on but evaluated after each epoch.
            validation_data: `(x, y)` or `(x, y, sample_weight)` to evaluate instead.
            shuffle: a new order of the rows each epoch.
            class_weight: class → weight of its samples in the loss.
            sample_weight: (n,) weight of each sample in the loss.
            steps_per_epoch: ends an epoch after so many steps.
            validation_steps, validation_batch_size, validation_freq: the same for the validation data.

        Returns: `History`; its `history` has a list of one value an epoch for each metric.
        Raises: `ValueError` for data or arguments that do not fit, `RuntimeError` before `compile`. After an
            error or Ctrl-C the model is as of the last whole batch.

        >>> history = model.fit(x_train, y_train, batch_size=128, epochs=5, verbose=0)

        Source: https://keras.io/api/models/model_training_apis/#fit-method
        """
        self._check_compiled("fit")
        epochs = arguments.count(epochs, "epochs")
        initial_epoch = arguments.count(initial_epoch, "initial_epoch", least=0)
        verbose = arguments.verbosity(verbose)
        if is_stream(x):
            if y is not None or sample_weight is not None or batch_size is not None:
                raise ValueError(
                    "expected a generator alone: it gives batches (x, y) or (x, y, sample_weight). "
                    "Received: also y, sample_weight or batch_size"
                )
            source: Any = Stream(x, class_weight)
        else:
            source = make_data(x, y, sample_weight, class_weight)
            arguments.no_rows(source.rows)
        validation: Any = None
        if validation_data is not None:
            validation = self._validation(validation_data)
        elif validation_split:
            if isinstance(source, Stream):
                raise ValueError("expected arrays with validation_split. Received: a generator")
            source, validation = split(source, validation_split)
        batch_size, steps = self._batching(source, batch_size, steps_per_epoch)

        callback_list = callbacks_module.CallbackList(
            callbacks,
            add_history=True,
            add_progbar=verbose != 0,
            model=self,
            verbose=verbose,
            epochs=epochs,
            steps=steps,
        )
        self.stop_training = False
        self._ensure_built(source)
        order_seed = new_seed() if shuffle and isinstance(source, Data) else None
        callback_list.on_train_begin()
        logs: dict[str, Any] = {}
        for epoch in range(initial_epoch, epochs):
            self.reset_metrics()
            callback_list.on_epoch_begin(epoch)
            order = None if order_seed is None else _core.permutation(source.rows, order_seed, epoch)
            for _ in self._run("train", source, batch_size, steps, order, callback_list):
                if self.stop_training:
                    break
            logs = self._step_programs.results(self.metrics)
            if validation is not None and _is_due(validation_freq, epoch):
                results = self.evaluate(
                    validation,
                    batch_size=None
                    if isinstance(validation, Stream)
                    else validation_batch_size or batch_size,
                    steps=validation_steps,
                    callbacks=callback_list,
                    return_dict=True,
                    verbose=0,
                )
                logs.update({f"val_{name}": value for name, value in results.items()})
            callback_list.on_epoch_end(epoch, logs)
            if self.stop_training:
                break
        self.optimizer.finalize_variable_values(
            self._found("trainable_weights", lambda: self.trainable_weights)
        )
        callback_list.on_train_end(logs)
        return self.history

    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: Any = "auto",
        sample_weight: Any = None,
        steps: int | None = None,
        callbacks: Any = None,
        return_dict: bool = False,
    ) -> Any:
        """The loss and the metrics over the data, without training.

        Arguments: as `fit`; `steps` ends after so many batches; `return_dict` asks for a dictionary by name.

        Returns: the loss, or where there are metrics `[loss, metrics in the order of compile…]`.
        Raises: as `fit`.

        >>> loss, accuracy = model.evaluate(x_test, y_test, verbose=0)

        Source: https://keras.io/api/models/model_training_apis/#evaluate-method
        """
        self._check_compiled("evaluate")
        verbose = arguments.verbosity(verbose)
        source = (
            x
            if isinstance(x, (Data, Stream))
            else Stream(x)
            if is_stream(x)
            else make_data(x, y, sample_weight)
        )
        if isinstance(source, Data):
            arguments.no_rows(source.rows)
        batch_size, steps = self._batching(source, batch_size, steps)
        callback_list = callbacks
        if not isinstance(callbacks, callbacks_module.CallbackList):
            callback_list = callbacks_module.CallbackList(
                callbacks, add_progbar=verbose != 0, model=self, verbose=verbose, epochs=1, steps=steps
            )
        self._ensure_built(source)
        self.reset_metrics()
        callback_list.on_test_begin()
        for _ in self._run("test", source, batch_size, steps, None, callback_list):
            if self.stop_evaluating:
                break
        logs = self._step_programs.results(self.metrics)
        callback_list.on_test_end(logs)
        return logs if return_dict else self._as_list(logs)

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
        programs = self._step_programs
        if is_stream(x):
            return _concatenated(self.predict_on_batch(batch.x) for batch in Stream(x).epoch(steps))
        data = make_data(x)
        batch_size, steps = self._batching(data, batch_size, steps)
        if data.rows <= batch_size and callbacks is None and not verbose:
            # One batch, and nobody who looks on.
            return self._predicted(data)
        rows = min(data.rows, steps * batch_size) if steps is not None else data.rows
        # The types of the outputs do not depend on the number of rows.
        program, nesting = programs.step("predict", data, min(batch_size, max(rows, 1)))
        outputs = program.new_outputs(rows)
        callback_list = callbacks_module.CallbackList(
            callbacks, add_progbar=verbose != 0, model=self, verbose=verbose, epochs=1, steps=steps
        )
        callback_list.on_predict_begin()
        each = callback_list.needs_batches
        if each:
            callback_list.on_predict_batch_begin(0)
        for done in each_batch(
            data,
            batch_size,
            None,
            lambda size: programs.step("predict", data, size)[0],
            outputs,
            0.0 if each else _LOOK_SECONDS,
            rows,
        ):
            callback_list.on_predict_batch_end(done - 1, {})
            if each and done * batch_size < rows:
                callback_list.on_predict_batch_begin(done)
        callback_list.on_predict_end()
        return structure.pack(nesting, outputs)

    # --- one batch --------------------------------------------------------------------------------

    def train_on_batch(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        class_weight: Any = None,
        return_dict: bool = False,
    ) -> Any:
        """One training step on this batch; returns its loss and metrics as `evaluate` does."""
        self._check_compiled("train_on_batch")
        return self._on_batch("train", make_data(x, y, sample_weight, class_weight), return_dict)

    def test_on_batch(
        self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False
    ) -> Any:
        """The loss and metrics on this batch, without training."""
        self._check_compiled("test_on_batch")
        return self._on_batch("test", make_data(x, y, sample_weight), return_dict)

    def predict_on_batch(self, x: Any) -> Any:
        """The outputs for this batch, as NumPy arrays."""
        return self._predicted(make_data(x))

    def _predicted(self, data: Data) -> Any:
        """The outputs for all rows as one batch."""
        program, nesting = self._step_programs.step("predict", data, max(data.rows, 1))
        outputs = program.new_outputs(data.rows)
        if data.rows:
            program.run_batches(data.columns, None, (0, data.rows), outputs, 0.0)
        return structure.pack(nesting, outputs)

    def _on_batch(self, kind: Kind, data: Data, return_dict: bool) -> Any:
        arguments.no_rows(data.rows)
        self._ensure_built(data)
        self.reset_metrics()
        program, _ = self._step_programs.step(kind, data, data.rows)
        program.run_batches(data.columns, None, (0, data.rows), [], 0.0)
        logs = self._step_programs.results(self.metrics)
        return logs if return_dict else self._as_list(logs)

    # --- running ----------------------------------------------------------------------------------

    def _run(
        self,
        kind: Kind,
        source: Any,
        batch_size: int,
        steps: int | None,
        order: Array | None,
        callback_list: Any,
    ) -> Iterator[int]:
        """Runs an epoch and yields the number of steps done, after every batch or now and then."""
        begin = callback_list.on_train_batch_begin if kind == "train" else callback_list.on_test_batch_begin
        end = callback_list.on_train_batch_end if kind == "train" else callback_list.on_test_batch_end
        if isinstance(source, Stream):
            for index, data in enumerate(source.epoch(steps)):
                begin(index)
                program, _ = self._step_programs.step(kind, data, data.rows)
                program.run_batches(data.columns, None, (0, data.rows), [], 0.0)
                end(index, self._step_programs.results(self.metrics))
                yield index + 1
            return
        each = callback_list.needs_batches
        stop = None if steps is None else steps * batch_size
        total = -(-(source.rows if stop is None else min(stop, source.rows)) // batch_size)
        if each:
            begin(0)
        for done in each_batch(
            source,
            batch_size,
            order,
            lambda rows: self._step_programs.step(kind, source, rows)[0],
            [],
            0.0 if each else _LOOK_SECONDS,
            stop,
        ):
            if callback_list.sees_batches:
                end(done - 1, self._step_programs.results(self.metrics) if each or done < total else {})
            yield done
            if each and done < total and not self.stop_training:
                begin(done)

    def _batching(self, source: Any, batch_size: Any, steps: Any) -> tuple[int, int | None]:
        """The batch size and the number of steps of a pass, where it is known."""
        if isinstance(source, Stream):
            return 0, source.steps if steps is None else arguments.count(steps, "steps")
        size = arguments.batch_size_for(batch_size, steps, source.rows)
        passes = -(-source.rows // size)
        return size, passes if steps is None else min(passes, arguments.count(steps, "steps"))

    def _validation(self, validation_data: Any) -> Any:
        if is_stream(validation_data):
            return Stream(validation_data)
        if not isinstance(validation_data, (list, tuple)) or not 1 <= len(validation_data) <= 3:
            raise ValueError(
                "expected validation_data to be (x, y) or (x, y, sample_weight). "
                f"Received: {type(validation_data).__name__}"
            )
        data = make_data(*validation_data)
        arguments.no_rows(data.rows)
        return data

    def _check_compiled(self, method: str) -> None:
        if not self.compiled:
            raise RuntimeError(
                f"expected compile() before {method}(). Received: model '{self.name}', not compiled"
            )

    def _as_list(self, logs: dict[str, Any]) -> Any:
        names = self._step_programs.result_names
        if self._output_losses.trackers and len(self._output_losses.trackers) > 1:
            # Keras's order for several outputs: the losses as they are, then the rest by name.
            losses = ["loss", *(metric.name for metric in self._output_losses.metrics)]
            names = losses + sorted(name for name in names if name not in losses)
        values = [logs[name] for name in names]
        return values[0] if len(values) == 1 else values

    def _ensure_built(self, source: Any) -> None:
        """Makes the weights from the shapes of the data, so that they are there before the first callback."""
        if self.built or not isinstance(source, Data):
            return
        self._step_programs.step("predict", Data(source.x), 1)

    # --- what a model knows -----------------------------------------------------------------------

    def _layer_metrics(self) -> list[Metric]:
        """The metrics that layers own."""
        return self._found(
            "metrics",
            lambda: [metric for layer in self._flatten_layers() for metric in layer._owned(Metric)],
        )

    def _found(self, what: str, find: Callable[[], list[Any]]) -> list[Any]:
        """What `find` finds among the layers; looked for again only where a layer was changed since."""
        kept = self.__dict__.setdefault("_found_in_layers", {})
        entry = kept.get(what)
        if entry is None or entry[0] != structure_version():
            found = find()
            entry = kept[what] = (structure_version(), found)
        return entry[1]

    def _output_names(self, outputs: Any) -> list[str]:
        """A name for each leaf of the outputs."""
        leaves = structure.flatten(outputs)
        names = getattr(self, "output_names", None)
        if names is not None and len(names) == len(leaves):
            return list(names)
        if isinstance(outputs, dict) and len(outputs) == len(leaves):
            return sorted(outputs)
        return [f"output_{index + 1}" for index in range(len(leaves))]


def _is_due(frequency: Any, epoch: int) -> bool:
    """Whether to validate after this epoch: every so many, or after the listed ones (counted from 1)."""
    if isinstance(frequency, (list, tuple, set)):
        return epoch + 1 in frequency
    return (epoch + 1) % arguments.count(frequency, "validation_freq") == 0


def _concatenated(parts: Iterator[Any]) -> Any:
    """The batches' predictions joined along the rows."""
    batches = list(parts)
    if not batches:
        raise ValueError("expected at least one batch to predict. Received: an empty generator")
    leaves = zip(*map(structure.flatten, batches), strict=True)
    return structure.pack(batches[0], [np.concatenate(leaf) for leaf in leaves])
