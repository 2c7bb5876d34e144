"""The steps of a model: `train_step`, `test_step`, `predict_step`, or what a subclass puts in their place."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from rustnet.core import structure
from rustnet.core.convert import tensor
from rustnet.core.operation import operation
from rustnet.core.tensors import TracedTensor
from rustnet.core.trace import Trace, current_trace
from rustnet.training.columns import Data
from rustnet.training.measuring import Measuring
from rustnet.training.programs import Kind
from rustnet.training.step import Step, arguments_of, record_step
from rustnet.utils.data_parts import unpack_x_y_sample_weight

_BY_NAME = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
_STEPS = ("train_step", "test_step", "predict_step")


class Stepping(Measuring):
    """The part of a model that says what a step is.

    A step is a function of a batch. It is recorded once for each shape of a batch, and the program runs in
    its place; `fit` and `evaluate` run many of them without coming back to Python. Code in it that is not
    written with `rustnet.ops`, layers, losses, metrics and optimizers runs while the step is recorded, which
    is again after `compile`, and after a change of an attribute of these that it has read; with `run_eagerly`
    each time.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        # Called outside of `fit`, a step is recorded as a whole too, so that gradients are there.
        super().__init_subclass__(**kwargs)
        for name in _STEPS:
            if inspect.isfunction(vars(cls).get(name)):
                setattr(cls, name, operation(vars(cls)[name]))

    @operation
    def train_step(self, data: Any) -> Any:
        """One step of training on a batch: outputs, loss, gradients, update, metrics. May be overridden.

        An override takes any nesting of arrays that `fit` is given and may train any number of models with
        any number of optimizers: `rustnet.gradients(loss, variables)` gives `optimizer.apply` what it needs.

        Arguments:
            data: `x`, `(x, y)` or `(x, y, sample_weight)`; see `rustnet.utils.unpack_x_y_sample_weight`.

        Returns: a dictionary of tensors or numbers. Where its names are those of the model's metrics, an
        epoch reports what these say at its end; otherwise what the step of the last batch returned.

        >>> class Scaled(rustnet.Sequential):
        ...     def train_step(self, data):
        ...         x, y = data
        ...         return super().train_step((x / 255.0, y))
        >>> model = Scaled([rustnet.Input((4,)), rustnet.layers.Dense(3, activation="softmax")])
        >>> model.compile("sgd", "sparse_categorical_crossentropy")
        >>> sorted(model.fit(x_train, y_train, verbose=0).history)
        ['loss']

        Source: https://keras.io/guides/custom_train_step_in_tensorflow/
        """
        return self._measured(*self._train(data))

    @operation
    def test_step(self, data: Any) -> Any:
        """One step of `evaluate` on a batch: outputs, loss, metrics. May be overridden, as `train_step`."""
        return self._measured(*self._test(data))

    @operation
    def predict_step(self, data: Any) -> Any:
        """One step of `predict` on a batch: the outputs, in any nesting. May be overridden.

        `predict` joins the outputs of the batches along their first axis, and lists scalars.
        """
        x, _, _ = unpack_x_y_sample_weight(data)
        return self(x, training=False)

    # --- what the default steps are made of -----------------------------------------------------------------

    def _train(self, data: Any) -> tuple[Any, Any, Any, Any]:
        """Everything but the metrics; returns what they are computed from."""
        x, y, sample_weight = unpack_x_y_sample_weight(data)
        outputs = self(x, training=True)
        loss = self._tracked_loss(x, y, outputs, sample_weight, training=True)
        self._update_weights(loss)
        return x, y, outputs, sample_weight

    def _test(self, data: Any) -> tuple[Any, Any, Any, Any]:
        x, y, sample_weight = unpack_x_y_sample_weight(data)
        outputs = self(x, training=False)
        self._tracked_loss(x, y, outputs, sample_weight, training=False)
        return x, y, outputs, sample_weight

    def _measured(self, x: Any, y: Any, outputs: Any, sample_weight: Any) -> Any:
        with _scope("metrics"):
            return self.compute_metrics(x, y, outputs, sample_weight)

    def _tracked_loss(self, x: Any, y: Any, outputs: Any, sample_weight: Any, training: bool) -> Any:
        with _scope("loss"):
            loss = self._computed_loss(x, y, outputs, sample_weight, training)
            rows = structure.flatten(x)[0].shape[0]
            self._loss_tracker.update_state(loss, sample_weight=float(rows))
        return loss

    def _computed_loss(self, x: Any, y: Any, outputs: Any, sample_weight: Any, training: bool) -> Any:
        """What `compute_loss` returns; an override may leave out arguments, or name them otherwise."""
        known = {"x": x, "y": y, "y_pred": outputs, "sample_weight": sample_weight, "training": training}
        parameters = inspect.signature(self.compute_loss).parameters
        if all(one.name in known and one.kind in _BY_NAME for one in parameters.values()):
            loss = self.compute_loss(**{name: known[name] for name in parameters})
        elif any(one.kind is inspect.Parameter.VAR_KEYWORD for one in parameters.values()):
            loss = self.compute_loss(**known)
        else:
            takes_all = any(one.kind is inspect.Parameter.VAR_POSITIONAL for one in parameters.values())
            count = len(known) if takes_all else len(parameters)
            loss = self.compute_loss(*list(known.values())[:count])
        if not isinstance(loss, TracedTensor) or loss.shape:
            raise ValueError(f"expected compute_loss to return a scalar tensor. Received: {loss!r}")
        return loss

    def _update_weights(self, loss: Any) -> None:
        trace = current_trace()
        assert trace is not None, "steps run in a trace"
        variables = self._trained_variables()
        gradients = trace.gradients(self.optimizer.scale_loss(loss), variables)
        missing = [variable.path for variable, one in zip(variables, gradients, strict=True) if one is None]
        if missing and len(missing) == len(variables):
            raise ValueError(
                f"expected a loss that depends on the weights. Received: no gradient for {missing}"
            )
        if missing:
            warnings.warn(f"The loss does not depend on {missing}; they are not trained.", stacklevel=2)
        pairs = [
            (one, variable) for one, variable in zip(gradients, variables, strict=True) if one is not None
        ]
        if pairs:
            with trace.scope("optimizer"):
                self.optimizer.apply_gradients(pairs)

    def _trained_variables(self) -> list[Any]:
        """The trainable weights as `compile` found them; those made since, as they are now."""
        now = {id(weight) for weight in self.trainable_weights}
        known = {id(weight) for weight in self._known_at_compile}
        trained = {id(weight) for weight in self._trainable_at_compile}
        variables = [
            weight for weight in self.weights if id(weight) in (trained if id(weight) in known else now)
        ]
        if not self.optimizer.built:
            self.optimizer.build(variables)
        return variables

    # --- how drivers get at a step --------------------------------------------------------------------------

    def _step(self, kind: Kind, data: Data, rows: int) -> Step:
        """The recorded step for batches of `rows` rows of such data."""
        if self.run_eagerly:
            return self._step_programs.once(self._record_step, kind, data, rows)
        return self._step_programs.get((kind, rows, data.signature), self._record_step, kind, data, rows)

    def _record_step(self, trace: Trace, kind: Kind, data: Data, rows: int) -> Step:
        self._refuse_own_functions()
        # What a step of the user's own does with its data is not known.
        dtypes = self._input_dtypes(data.x) if self._has_default(f"{kind}_step") else []
        batch = arguments_of(trace, data, rows, dtypes, self._takes_float64)
        return record_step(trace, self._function_of(kind), batch)

    def _function_of(self, kind: Kind) -> Callable[[Any], Any]:
        """The function that a step of this kind runs; it returns None where the metrics say all."""
        if kind == "predict":
            return self._predicted_tensors
        if not (self._has_default(f"{kind}_step") and self._has_default("compute_metrics")):
            return lambda data: self._checked_logs(f"{kind}_step", getattr(self, f"{kind}_step")(data))
        # The results are computed when somebody looks, not in each step.
        parts = self._train if kind == "train" else self._test

        def update(data: Any) -> None:
            _, y, outputs, sample_weight = parts(data)
            with _scope("metrics"):
                self._update_metrics(y, outputs, sample_weight)

        return update

    def _predicted_tensors(self, data: Any) -> Any:
        outputs = self.predict_step(data)
        return structure.map_structure(lambda leaf: None if leaf is None else tensor(leaf), outputs)

    def _checked_logs(self, name: str, logs: Any) -> Any:
        if not isinstance(logs, Mapping) or not all(isinstance(key, str) for key in logs):
            raise ValueError(
                f"model '{self.name}' expected {name} (or the compute_metrics that it calls) to return a "
                f"dictionary of what to report, by name. Received: {logs!r}"
            )
        return dict(logs)

    def _has_default(self, name: str) -> bool:
        """Whether neither a subclass nor an attribute stands in for a method."""
        return name not in vars(self) and getattr(type(self), name) is getattr(Stepping, name)

    def _input_dtypes(self, inputs: Any) -> list[str | None]:
        """The dtype that each leaf of `inputs` is wanted in, where the model says."""
        return [None] * len(structure.flatten(inputs))


def _scope(name: str) -> AbstractContextManager[None]:
    trace = current_trace()
    return nullcontext() if trace is None else trace.scope(name)
