"""What a model's steps measure: the loss that they minimise, the metrics and their results."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import numpy as np

from rustnet import _core
from rustnet.core.convert import tensor
from rustnet.core.tensors import Tensor
from rustnet.core.trace import Trace
from rustnet.layers.layer import Layer
from rustnet.metrics import Metric
from rustnet.training.alignment import Outputs
from rustnet.training.compiling import Compiling
from rustnet.training.found_in_layers import FoundInLayers


class Measuring(Compiling):
    """The part of a model that knows its loss and its metrics."""

    @functools.cached_property
    def _found_in_layers(self) -> FoundInLayers:
        return FoundInLayers()

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

        What an override returns is what the step reports; see `train_step`.
        """
        del x
        self._update_metrics(y, y_pred, sample_weight)
        return self.get_metrics_result()

    def _update_metrics(self, y: Any, y_pred: Any, sample_weight: Any) -> None:
        if y is not None:
            outputs = self._outputs_of(y_pred)
            targets = self._output_losses.targets(y, outputs)
            self._output_metrics.update(targets, outputs, sample_weight)

    def _outputs_of(self, y_pred: Any) -> Outputs:
        return Outputs(y_pred, getattr(self, "output_names", None))

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

    def _layer_metrics(self) -> list[Metric]:
        """The metrics that layers own."""
        return self._found_in_layers.find("metrics", self, _metrics_of_layers)

    @property
    def metrics_names(self) -> list[str]:
        """What `evaluate` returns, in its order."""
        return self._in_order(list(self.get_metrics_result())) if self.compiled else []

    def get_metrics_result(self) -> dict[str, Any]:
        """What the metrics say now, by name; those of one that returns a dictionary by its keys."""
        results: dict[str, Any] = {}
        metrics = self.metrics
        # With an output's name before them, and unlike the rest.
        names = self._output_metrics.names(metrics)
        for metric in metrics:
            result = metric.result()
            results.update(result if isinstance(result, dict) else {names[id(metric)]: result})
        return results

    def _metric_name(self, metric: Metric) -> str:
        """What a metric is called in the results."""
        return self._output_metrics.names(self.metrics).get(id(metric), metric.name)

    def reset_metrics(self) -> None:
        """Starts all metrics again."""
        for metric in self.metrics:
            metric.reset_state()

    def _results(self) -> dict[str, Any]:
        """What all metrics say now, by name in alphabetical order."""
        metrics = self.metrics
        programs = self._step_programs
        key = ("results", *map(id, metrics))
        program, names, programs.order, _ = programs.get(key, self._record_results, metrics)
        return dict(zip(names, map(_number, program.run([])), strict=True))

    def _record_results(
        self, trace: Trace, metrics: list[Metric]
    ) -> tuple[_core.Program, list[str], list[str], list[Metric]]:
        # An override may return plain numbers.
        results = {name: tensor(value) for name, value in sorted(self.get_metrics_result().items())}
        # The metrics too: while they are kept, the ids that they are found by are theirs.
        return trace.compile(list(results.values())), list(results), self._in_order(list(results)), metrics

    def _logs(self, returned: dict[str, Any] | None) -> dict[str, Any]:
        """What a pass over data reports: what the metrics say, or where a step reports under other names what
        the last one returned."""
        results = self._results()
        return results if returned is None or set(returned) == set(results) else numbers(returned)

    def _batch_logs(self, returned: dict[str, Any] | None) -> dict[str, Any]:
        """What a batch reports: what its step returned, if it did."""
        return self._results() if returned is None else numbers(returned)

    def _in_order(self, names: list[str]) -> list[str]:
        """Keras's order of a list of results: the loss, the metrics, the outputs' losses, the rest sorted.

        Metrics whose names begin with that of an output are among the rest.
        """
        own = self._output_metrics
        all_names = own.names(self.metrics)
        own_names = {id(metric): all_names[id(metric)] for metric in own.metrics if id(metric) in all_names}
        listed = [] if own.are_prefixed else list(own_names.values())
        others = [name for one, name in all_names.items() if one not in own_names]
        loss = [name for name in others if name == "loss"]
        first = [name for name in dict.fromkeys([*loss, *listed, *others]) if name in names]
        return first + sorted(name for name in names if name not in first)

    def _as_list(self, logs: dict[str, Any]) -> Any:
        if len(logs) == 1:
            return next(iter(logs.values()))
        order = self._step_programs.order
        if len(order) != len(logs) or set(order) != set(logs):
            order = self._in_order(list(logs))
        return [logs[name] for name in order]


def numbers(logs: Mapping[str, Any]) -> dict[str, Any]:
    """Logs in alphabetical order, dictionaries among them spread out, and what is one number as a float."""
    flat: dict[str, Any] = {}
    for name, value in sorted(logs.items()):
        flat.update(numbers(value) if isinstance(value, Mapping) else {name: _number(value)})
    return flat


def _number(value: Any) -> Any:
    """A float; what holds several numbers, as a metric that has one for each class, stays an array."""
    if isinstance(value, Tensor):
        value = value.numpy()
    if isinstance(value, np.ndarray):
        return float(value) if value.ndim == 0 else value
    return float(value) if isinstance(value, (bool, int, float, np.number)) else value


def _metrics_of_layers(model: Layer) -> list[Metric]:
    """The metrics that the layers own, but not those of models inside, which are for their own training."""
    layers = [one for one in model._flatten_layers() if one is model or not isinstance(one, Measuring)]
    return [metric for layer in layers for metric in layer._owned(Metric)]
