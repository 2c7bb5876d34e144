"""What a model does with data: `compile`, `fit`, `evaluate`, `predict` and their one-batch forms."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from rustnet import _core, optimizers
from rustnet import callbacks as callbacks_module
from rustnet.callbacks.history import History, KeptHistory
from rustnet.core import structure
from rustnet.core.tracked import Tracked, Watcher
from rustnet.core.transaction import atomically
from rustnet.layers.description import revive
from rustnet.layers.layer import Layer
from rustnet.layers.state import OWNED
from rustnet.metrics import Mean, Metric
from rustnet.random import new_seed
from rustnet.registry import serialize
from rustnet.training import arguments, class_weights
from rustnet.training.alignment import Outputs
from rustnet.training.batches import Stream, is_stream
from rustnet.training.columns import Data, make_data, split
from rustnet.training.isolation import run_of
from rustnet.training.outputs import OutputLosses, OutputMetrics
from rustnet.training.own_steps import StepMethods
from rustnet.training.programs import Kind, Programs, each_batch
from rustnet.training.rows import Rows

# How long the engine runs before Python looks: for Ctrl-C, the progress bar, other threads.
_LOOK_SECONDS = 0.1


class Trainer(Layer, StepMethods):
    """The training side of `Model`, which is its only subclass."""

    # What `compile` and a run of `fit` write on the model.
    _UNWATCHED = Layer._UNWATCHED | {
        "_compile_arguments",
        "_known_at_compile",
        "_found_in_layers",
        "_step_programs",
        "_trainable_at_compile",
        "_history",
        "stop_evaluating",
        "stop_predicting",
        "stop_training",
    }

    _TRANSIENT = {**Layer._TRANSIENT, "_arenas": None, "_found_in_layers": None, "_step_programs": None}

    stop_training = False
    stop_evaluating = False
    stop_predicting = False
    run_eagerly = False
    _jit_compile: Any = "auto"
    _loss: Any = None
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

    @functools.cached_property
    def _step_programs(self) -> Programs:
        """The compiled steps; made anew by `compile`, and where a model was pickled or copied."""
        return Programs(self._arenas)

    @functools.cached_property
    def _arenas(self) -> _core.Arenas:
        """The memory that all programs of this model run in."""
        return _core.Arenas()

    @functools.cached_property
    def _found_in_layers(self) -> FoundInLayers:
        return FoundInLayers()

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
                outputs one for all, or nested as these are: lists by position, dictionaries by key, and for
                lists of outputs also by the names of their layers. None for an output without a loss.
            loss_weights: factors of the outputs' losses, likewise.
            metrics: a list of names, `Metric`s or functions; for several outputs one or a list for each,
                nested likewise.
            weighted_metrics: the same, but they see `sample_weight` and `class_weight`.
            run_eagerly: True to record and compile each step anew, so that the Python code in layers, losses
                and metrics runs each time, which is slow; tensors have no values inside it. Default False.
            steps_per_execution, jit_compile, auto_scale_loss: checked, and without effect: every step is
                compiled, as many run in one call as nobody looks at, and losses need no scaling in float32.

        Which weights are trainable is settled here: a later change of `trainable` asks for another `compile`.

        Raises:
            ValueError: an unknown optimizer, loss or metric, or another argument of a wrong kind.

        >>> model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])

        Source: https://keras.io/api/models/model_training_apis/#compile-method
        """
        arguments.check_execution(run_eagerly, steps_per_execution, jit_compile, auto_scale_loss)
        self.refuse_own_steps()
        # Copies: what happens to a list or dictionary later changes nothing here.
        given = (loss, loss_weights, metrics, weighted_metrics)
        loss, loss_weights, metrics, weighted_metrics = structure.map_structure(lambda leaf: leaf, given)
        atomically(
            self,
            self._set_compiled,
            optimizer,
            loss,
            loss_weights,
            metrics,
            weighted_metrics,
            bool(run_eagerly),
            jit_compile,
        )

    def _set_compiled(
        self,
        optimizer: Any,
        loss: Any,
        loss_weights: Any,
        metrics: Any,
        weighted_metrics: Any,
        run_eagerly: bool,
        jit_compile: Any,
    ) -> None:
        self._output_losses = OutputLosses(loss, loss_weights)
        self._output_metrics = OutputMetrics(metrics, weighted_metrics)
        self.optimizer = optimizers.get(optimizer)
        self._loss = loss
        self.run_eagerly = run_eagerly
        self._jit_compile = jit_compile
        self._loss_tracker = Mean(name="loss")
        self._step_programs = Programs(self._arenas)
        self.stop_training = False
        self._known_at_compile = self.weights
        self._trainable_at_compile = self.trainable_weights
        self._compile_arguments = {
            "optimizer": optimizer,
            "loss": loss,
            "loss_weights": loss_weights,
            "metrics": metrics,
            "weighted_metrics": weighted_metrics,
            "run_eagerly": run_eagerly,
        }

    @property
    def jit_compile(self) -> Any:
        """True, False or `"auto"`, without effect: every step is compiled."""
        return self._jit_compile

    @jit_compile.setter
    def jit_compile(self, value: Any) -> None:
        arguments.check_execution(False, 1, value, True)
        self._jit_compile = value

    @property
    def loss(self) -> Any:
        """What `compile` was given. Raises `AttributeError` where it is set afterwards."""
        return self._loss

    @loss.setter
    def loss(self, value: Any) -> None:
        if self.compiled:
            raise AttributeError(
                f"model '{self.name}' expected compile(loss=...) for another loss. Received: loss={value!r}"
            )
        self._loss = value

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
        """What `evaluate` returns, in its order."""
        return self._in_order(list(self.get_metrics_result())) if self.compiled else []

    def get_metrics_result(self) -> dict[str, Any]:
        """What the metrics say now, by name; those of one that returns a dictionary by its keys."""
        results: dict[str, Any] = {}
        # With an output's name before them, and unlike the rest.
        names = self._output_metrics.names
        for metric in self.metrics:
            result = metric.result()
            name = names.get(id(metric), metric.name)
            results.update(result if isinstance(result, dict) else {name: result})
        return results

    def _metric_name(self, metric: Metric) -> str:
        """What a metric is called in the results."""
        return self._output_metrics.names.get(id(metric), metric.name)

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
            total = self._output_losses(y, self._outputs_of(y_pred), sample_weight)
        for extra in self.losses:
            total = extra if total is None else total + extra
        if total is None:
            raise ValueError(
                "expected compile(loss=...) or a layer that calls add_loss, for something to minimise. "
                f"Received: loss={self.loss!r}"
            )
        return total

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> dict[str, Any]:
        """Updates the metrics with a batch and returns `get_metrics_result()`. May be overridden.

        Raises:
            ValueError: in a step, where an override returns other names than those of `metrics`: the value of
                an epoch can only come from a metric.
        """
        del x
        self._update_metrics(y, y_pred, sample_weight)
        return self.get_metrics_result()

    def _reports_as_it_is(self) -> bool:
        """Whether `compute_metrics` is not overridden."""
        return type(self).compute_metrics is Trainer.compute_metrics

    def _update_metrics(self, y: Any, y_pred: Any, sample_weight: Any) -> None:
        if y is not None:
            outputs = self._outputs_of(y_pred)
            targets = self._output_losses.targets(y, outputs)
            self._output_metrics.update(targets, outputs, sample_weight)

    def get_compile_config(self) -> dict[str, Any]:
        """The arguments of `compile` as plain values; none before it.

        Raises `ValueError` where a function among them has no name.
        """
        if not self.compiled:
            return {}
        return serialize({**self._compile_arguments, "optimizer": self.optimizer})

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compiles the model with what `get_compile_config` wrote."""
        self.compile(**revive(config))

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
                for a single output.
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
            source: Any = Stream(x, class_weight, seed)
        else:
            source = make_data(x, y, sample_weight, class_weight, are_all=True)
            if validation_split and validation_data is None:
                source, validation_data = split(source, validation_split)
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
        self._ensure_built(source)
        callback_list.on_train_begin()
        logs: dict[str, Any] = {}
        for epoch in epochs:
            self.reset_metrics()
            callback_list.on_epoch_begin(epoch)
            for _ in self._run("train", source, steps, epoch, callback_list):
                if self.stop_training:
                    break
            logs = self._step_programs.results(self)
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
        steps = arguments.optional_count(steps, "steps")
        if is_stream(x):
            arguments.batches_alone(y=y, sample_weight=sample_weight, batch_size=batch_size)
            source: Any = Stream(x)
        else:
            source = Rows(make_data(x, y, sample_weight), batch_size, steps)

        def run() -> dict[str, Any]:
            callback_list = self._callbacks(callbacks, steps or source.steps, verbose)
            return self._evaluate(source, steps, callback_list)

        logs = run_of(self, run)
        return logs if return_dict else self._as_list(logs)

    def _evaluate(self, source: Any, steps: int | None, callback_list: Any) -> dict[str, Any]:
        """A pass over the data, or so many steps from its beginning, and what the metrics say then."""
        self._set_flag("stop_evaluating", False)
        self._ensure_built(source)
        self.reset_metrics()
        callback_list.on_test_begin()
        for _ in self._run("test", source, steps, 0, callback_list):
            if self.stop_evaluating:
                break
        logs = self._step_programs.results(self)
        callback_list.on_test_end(logs)
        return logs

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
            source = Stream(x)

        def run() -> Any:
            callback_list = self._callbacks(callbacks, steps or source.steps, verbose)
            self._set_flag("stop_predicting", False)
            self._ensure_built(source)
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
        _, _, rows = source.epoch(0)
        programs = self._step_programs
        # The types of the outputs do not depend on the number of rows.
        program, nesting = programs.step(self, "predict", data, min(size, rows))
        outputs = program.new_outputs(rows)
        each = callback_list.needs_batches
        if each:
            callback_list.on_predict_batch_begin(0)
        done = 0
        for done in each_batch(
            data,
            size,
            None,
            lambda count: programs.step(self, "predict", data, count)[0],
            outputs,
            0.0 if each or self.run_eagerly else _LOOK_SECONDS,
            0,
            rows,
        ):
            if callback_list.sees_batches:
                new = slice((done - 1) * size, min(done * size, rows))
                batch = structure.pack(nesting, [output[new] for output in outputs])
                callback_list.on_predict_batch_end(done - 1, {"outputs": batch})
            if self.stop_predicting:
                break
            if each and done * size < rows:
                callback_list.on_predict_batch_begin(done)
        return structure.pack(nesting, [output[: done * size] for output in outputs])

    def _predict_batches(self, batches: Iterator[Data], callback_list: Any) -> Any:
        parts = []
        for index, data in enumerate(batches):
            callback_list.on_predict_batch_begin(index)
            parts.append(self._predicted(data))
            callback_list.on_predict_batch_end(index, {"outputs": parts[-1]})
            if self.stop_predicting:
                break
        leaves = zip(*map(structure.flatten, parts), strict=True)
        return structure.pack(parts[0], [np.concatenate(leaf) for leaf in leaves])

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
        if class_weight is not None:
            class_weight = class_weights.checked(class_weight, self._classes())
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
        program, nesting = self._step_programs.step(self, "predict", data, max(data.rows, 1))
        outputs = program.new_outputs(data.rows)
        if data.rows:
            program.run_batches(data.columns, None, (0, data.rows), outputs, 0.0)
        return structure.pack(nesting, outputs)

    def _on_batch(self, kind: Kind, data: Data, return_dict: bool) -> Any:
        arguments.no_rows(data.rows)

        def run() -> dict[str, Any]:
            self._ensure_built(data)
            self.reset_metrics()
            program, _ = self._step_programs.step(self, kind, data, data.rows)
            program.run_batches(data.columns, None, (0, data.rows), [], 0.0)
            return self._step_programs.results(self)

        logs = run_of(self, run)
        return logs if return_dict else self._as_list(logs)

    # --- running ----------------------------------------------------------------------------------

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
            0.0 if each or self.run_eagerly else _LOOK_SECONDS,
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

    def _validation(self, validation_data: Any) -> Any:
        if isinstance(validation_data, Data):
            return validation_data
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
        if len(logs) == 1:
            return next(iter(logs.values()))
        return [logs[name] for name in self._step_programs.order]

    def _in_order(self, names: list[str]) -> list[str]:
        """Keras's order of a list of results: the loss, the metrics, the outputs' losses, the rest sorted.

        Metrics whose names begin with that of an output are among the rest.
        """
        own = self._output_metrics
        own_names = own.names
        listed = [] if own.are_prefixed else list(own_names.values())
        others = [metric.name for metric in self.metrics if id(metric) not in own_names]
        first = [name for name in dict.fromkeys(["loss", *listed, *others]) if name in names]
        return first + sorted(name for name in names if name not in first)

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

    # --- what a model knows -----------------------------------------------------------------------

    def _layer_metrics(self) -> list[Metric]:
        """The metrics that layers own."""
        return self._found_in_layers.find("metrics", self, _metrics_of_layers)

    def _input_dtypes(self, inputs: Any) -> list[str | None]:
        """The dtype that each leaf of `inputs` is wanted in, where the model says."""
        return [None] * len(structure.flatten(inputs))

    def _classes(self) -> int | None:
        """How many classes a single output tells apart, where that is known."""
        outputs = getattr(self, "outputs", []) if self.built else []
        size = outputs[0].shape[-1] if len(outputs) == 1 and outputs[0].shape else None
        return size if size is not None and size > 1 else None

    def _outputs_of(self, y_pred: Any) -> Outputs:
        return Outputs(y_pred, getattr(self, "output_names", None))


class FoundInLayers(Watcher):
    """What a model asks its layers for at each call, asked again only where a layer has changed since."""

    def __init__(self) -> None:
        self._kept: dict[str, list[Any]] = {}

    def find(self, what: str, model: Layer, find: Callable[[Layer], list[Any]]) -> list[Any]:
        found = self._kept.get(what)
        if found is None:
            for layer in model._flatten_layers():
                self.watch(layer, OWNED)
                self.watch(layer, "_trainable")
            for weight in model.weights:
                self.watch(weight, "trainable")
            found = self._kept[what] = find(model)
        return found

    def tell(self, owner: Tracked, name: str) -> None:
        if name == OWNED:
            self._kept = {}
        else:
            self._kept.pop("trainable_weights", None)


def _metrics_of_layers(model: Layer) -> list[Metric]:
    """The metrics that the layers own, but not those of models inside, which are for their own training."""
    layers = [one for one in model._flatten_layers() if one is model or not isinstance(one, Trainer)]
    return [metric for layer in layers for metric in layer._owned(Metric)]


def _is_due(frequency: Any, epoch: int) -> bool:
    """Whether to validate after this epoch: every so many, or after the listed ones (counted from 1)."""
    if isinstance(frequency, (list, tuple, set)):
        return epoch + 1 in frequency
    return (epoch + 1) % frequency == 0
