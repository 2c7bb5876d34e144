"""`train_on_batch`, `test_on_batch`, `predict_on_batch`."""

from __future__ import annotations

from typing import Any

from rustnet.training import arguments, class_weights
from rustnet.training.columns import Data, make_data
from rustnet.training.isolation import run_of
from rustnet.training.predicting import Predicting
from rustnet.training.programs import Kind


class OnBatch(Predicting):
    """The part of a model that runs one batch."""

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

    def _on_batch(self, kind: Kind, data: Data, return_dict: bool) -> Any:
        arguments.no_rows(data.rows)

        def run() -> dict[str, Any]:
            self._ensure_built(kind, data)
            self.reset_metrics()
            return self._batch_logs(self._run_batch(kind, data))

        logs = run_of(self, run)
        return logs if return_dict else self._as_list(logs)
