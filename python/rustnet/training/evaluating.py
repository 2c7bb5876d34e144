"""`evaluate`: the loss and the metrics over data."""

from __future__ import annotations

from typing import Any

from rustnet.training import arguments
from rustnet.training.batches import Stream, is_stream
from rustnet.training.columns import make_data
from rustnet.training.isolation import run_of
from rustnet.training.rows import Rows
from rustnet.training.running import Running


class Evaluating(Running):
    """The part of a model that is evaluated."""

    stop_evaluating = False

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
            source: Any = Stream(x, any_nesting=not self._has_default("test_step"))
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
        self._ensure_built("test", source)
        self.reset_metrics()
        callback_list.on_test_begin()
        logs = self._run("test", source, steps, 0, callback_list)
        callback_list.on_test_end(logs)
        return logs
