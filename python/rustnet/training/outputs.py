"""What `compile` was told about each output: its loss, its metrics, their weights and names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rustnet import losses as losses_module
from rustnet import metrics as metrics_module
from rustnet.core import structure
from rustnet.losses import Loss
from rustnet.metrics import Mean, MeanMetricWrapper, Metric


def aligned(value: Any, outputs: Any, names: list[str], what: str) -> list[Any]:
    """`value` as one item for each output: given alone, as a list in the outputs' order, or by output name.

    `outputs` is the nesting of the model's outputs, `names` the name of each leaf. A missing name is `None`.
    """
    if len(names) == 1 and not isinstance(value, Mapping):
        while isinstance(value, (list, tuple)) and len(value) == 1 and not isinstance(outputs, (list, tuple)):
            value = value[0]
        if isinstance(outputs, (list, tuple)) and isinstance(value, (list, tuple)) and len(value) == 1:
            value = value[0]
        return [value]
    if isinstance(value, Mapping):
        keys = list(outputs) if isinstance(outputs, Mapping) else names
        unknown = [key for key in value if key not in keys and key not in names]
        if unknown:
            raise ValueError(f"expected {what} by output name, among {names}. Received: {what} for {unknown}")
        if isinstance(outputs, Mapping):
            by_leaf = zip(sorted(outputs), names, strict=True)
            return [value.get(key, value.get(name)) for key, name in by_leaf]
        return [value.get(name) for name in names]
    items = (
        structure.flatten(value) if what == "y" else list(value) if isinstance(value, (list, tuple)) else None
    )
    if items is None or len(items) != len(names):
        received = type(value).__name__ if items is None else f"{len(items)} of them"
        raise ValueError(
            f"expected {what} for each of the {len(names)} outputs {names}. Received: {what}={received}"
        )
    return items


class OutputLosses:
    """The losses of a model's outputs and the scalar that is minimised."""

    def __init__(self, loss: Any, loss_weights: Any) -> None:
        self._loss = loss
        self._loss_weights = loss_weights
        # Unknown names fail here, at compile, and not when training starts.
        for leaf in structure.flatten(loss):
            self._check(leaf)
        self._losses: list[Loss | None] | None = None
        self._weights: list[Any] = []
        # Means of each output's own loss, where there are several.
        self.trackers: list[Mean | None] = []

    @staticmethod
    def _check(identifier: Any) -> None:
        if identifier is not None and identifier not in ("crossentropy", "ce"):
            losses_module.get(identifier)

    @property
    def metrics(self) -> list[Metric]:
        return [tracker for tracker in self.trackers if tracker is not None]

    def __call__(self, y: Any, outputs: Any, names: list[str], sample_weight: Any) -> Any:
        """The weighted sum of the outputs' losses, `None` where no output has one."""
        predictions = structure.flatten(outputs)
        targets = aligned(y, outputs, names, "y")
        if self._losses is None:
            self._build(targets, predictions, outputs, names)
        weights = _per_output(sample_weight, outputs, names)
        total: Any = None
        for loss, target, prediction, weight, factor, tracker in zip(
            self._losses or [], targets, predictions, weights, self._weights, self.trackers, strict=True
        ):
            if loss is None:
                continue
            if target is None:
                raise ValueError(f"expected targets for every output with a loss. Received: y={y!r}")
            value = loss(target, prediction, weight)
            if len(value.shape) > 0:
                raise ValueError(
                    f"expected loss '{loss.name}' to reduce to a scalar. "
                    f"Received: shape={tuple(value.shape)}, reduction={loss.reduction!r}"
                )
            if tracker is not None:
                tracker.update_state(value, sample_weight=float(prediction.shape[0]))
            value = value if factor is None else value * float(factor)
            total = value if total is None else total + value
        return total

    def _build(self, targets: list[Any], predictions: list[Any], outputs: Any, names: list[str]) -> None:
        # A single name or function serves every output.
        single = not isinstance(self._loss, (list, tuple, Mapping))
        given = [self._loss] * len(names) if single else aligned(self._loss, outputs, names, "loss")
        self._losses = [
            None if loss is None else _loss(loss, target, prediction)
            for loss, target, prediction in zip(given, targets, predictions, strict=True)
        ]
        self._weights = (
            [None] * len(names)
            if self._loss_weights is None
            else aligned(self._loss_weights, outputs, names, "loss_weights")
        )
        several = sum(loss is not None for loss in self._losses) > 1
        self.trackers = [
            Mean(name=f"{name}_loss") if several and loss is not None else None
            for name, loss in zip(names, self._losses, strict=True)
        ]


def _loss(identifier: Any, target: Any, prediction: Any) -> Loss:
    if identifier in ("crossentropy", "ce") and isinstance(identifier, str):
        kind = metrics_module.resolve_crossentropy(target.shape, prediction.shape).__name__
        identifier = getattr(losses_module, kind)()
    loss = losses_module.get(identifier)
    if isinstance(loss, type):
        loss = loss()
    if isinstance(loss, Loss):
        return loss
    return losses_module.LossFunctionWrapper(loss, name=getattr(loss, "__name__", None))


def _per_output(sample_weight: Any, outputs: Any, names: list[str]) -> list[Any]:
    if sample_weight is None:
        return [None] * len(names)
    if len(names) > 1 and not isinstance(sample_weight, (list, tuple, Mapping)):
        return [sample_weight] * len(names)
    return aligned(sample_weight, outputs, names, "sample_weight")


class OutputMetrics:
    """The metrics of a model's outputs. Classes may depend on shapes: they are made at the first batch."""

    def __init__(self, metrics: Any, weighted_metrics: Any) -> None:
        self._given = (metrics, weighted_metrics)
        for leaf in structure.flatten(self._given):
            if isinstance(leaf, str) and leaf not in _BY_SHAPE:
                metrics_module.get(leaf)
            elif leaf is not None and not isinstance(leaf, (str, Metric, type)) and not callable(leaf):
                raise ValueError(f"expected a metric's name, a Metric or a function. Received: {leaf!r}")
        self._entries: list[tuple[int, Metric, bool]] | None = None

    @property
    def metrics(self) -> list[Metric]:
        return [metric for _, metric, _ in self._entries or []]

    def update(self, y: Any, outputs: Any, names: list[str], sample_weight: Any) -> None:
        """Adds the batch to every metric."""
        predictions = structure.flatten(outputs)
        targets = aligned(y, outputs, names, "y")
        if self._entries is None:
            self._entries = self._build(targets, predictions, outputs, names)
        weights = _per_output(sample_weight, outputs, names)
        for index, metric, weighted in self._entries:
            weight = weights[index] if weighted else None
            metric.update_state(targets[index], predictions[index], sample_weight=weight)

    def _build(
        self, targets: list[Any], predictions: list[Any], outputs: Any, names: list[str]
    ) -> list[tuple[int, Metric, bool]]:
        entries: list[tuple[int, Metric, bool]] = []
        taken: set[str] = set()
        for given, weighted in zip(self._given, (False, True), strict=True):
            for index, listed in enumerate(_metrics_per_output(given, outputs, names)):
                for identifier in listed:
                    metric = _metric(identifier, targets[index], predictions[index])
                    if len(names) > 1:
                        metric.name = f"{names[index]}_{metric.name}"
                    metric.name = _unique(metric.name, taken, weighted)
                    entries.append((index, metric, weighted))
        return entries


_BY_SHAPE = {
    "accuracy": metrics_module.resolve_accuracy,
    "acc": metrics_module.resolve_accuracy,
    "crossentropy": metrics_module.resolve_crossentropy,
    "ce": metrics_module.resolve_crossentropy,
}


def _metrics_per_output(given: Any, outputs: Any, names: list[str]) -> list[list[Any]]:
    if given is None:
        return [[] for _ in names]
    if len(names) == 1 and not isinstance(given, Mapping):
        return [structure.flatten(given)]
    if not isinstance(given, Mapping) and (not isinstance(given, (list, tuple)) or len(given) != len(names)):
        raise ValueError(
            f"expected metrics for each of the {len(names)} outputs {names}, as a list of lists or a "
            f"dictionary. Received: metrics={given!r}"
        )
    listed = aligned(given, outputs, names, "metrics")
    return [[item for item in structure.flatten(items) if item is not None] for items in listed]


def _metric(identifier: Any, target: Any, prediction: Any) -> Metric:
    """A metric; its name is the string as it was typed, else the function's or the instance's own."""
    if isinstance(identifier, str) and identifier in _BY_SHAPE:
        return _BY_SHAPE[identifier](target.shape, prediction.shape)(name=identifier)
    metric: Any = metrics_module.get(identifier)
    if isinstance(metric, type):
        metric = metric()
    if not isinstance(metric, Metric):
        metric = MeanMetricWrapper(metric, name=getattr(metric, "__name__", None))
    if isinstance(identifier, str):
        metric.name = identifier
    return metric


def _unique(name: str, taken: set[str], weighted: bool) -> str:
    candidate = f"weighted_{name}" if weighted and name in taken else name
    number = 0
    while candidate in taken:
        number += 1
        candidate = f"{name}_{number}"
    taken.add(candidate)
    return candidate
