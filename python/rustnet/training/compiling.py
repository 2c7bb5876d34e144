"""What `compile` settles: the optimizer, the losses and metrics, how steps run."""

from __future__ import annotations

import functools
from typing import Any

from rustnet import _core, optimizers
from rustnet.core import structure
from rustnet.core.transaction import atomically
from rustnet.layers.description import revive
from rustnet.layers.layer import Layer
from rustnet.metrics import Mean
from rustnet.registry import serialize
from rustnet.training import arguments
from rustnet.training.outputs import OutputLosses, OutputMetrics
from rustnet.training.programs import Programs
from rustnet.training.step_functions import StepFunctions


class Compiling(Layer, StepFunctions):
    """The part of a model that is compiled."""

    run_eagerly = False
    _jit_compile: Any = "auto"
    _loss: Any = None

    @functools.cached_property
    def _step_programs(self) -> Programs:
        """The compiled steps; made anew by `compile`, and where a model was pickled or copied."""
        return Programs(self._arenas)

    @functools.cached_property
    def _arenas(self) -> _core.Arenas:
        """The memory that all programs of this model run in."""
        return _core.Arenas()

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
        self._refuse_own_functions()
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
    def compiled(self) -> bool:
        """Whether `compile` was called."""
        return getattr(self, "_output_losses", None) is not None

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

    def _check_compiled(self, method: str) -> None:
        if not self.compiled:
            raise RuntimeError(
                f"expected compile() before {method}(). Received: model '{self.name}', not compiled"
            )
