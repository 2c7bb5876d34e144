"""What `compile` was told about each output: its loss, its metrics, their weights and names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from rustnet import losses as losses_module
from rustnet import metrics as metrics_module
from rustnet.core import structure
from rustnet.losses import Loss
from rustnet.metrics import Mean, MeanMetricWrapper, Metric
from rustnet.training.alignment import Outputs


class OutputLosses:
    """The losses of a model's outputs and the scalar that is minimised."""

    def __init__(self, loss: Any, loss_weights: Any) -> None:
        self._loss = loss
        self._loss_weights = loss_weights
        # Unknown names fail here, at compile, and not when training starts.
        for leaf in structure.flatten(loss):
            if leaf is not None and leaf not in ("crossentropy", "ce"):
                losses_module.get(leaf)
        for leaf in structure.flatten(loss_weights):
            _check_factor(leaf)
        # One for each output; known when these are.
        self._losses: list[Loss | None] | None = None
        self._factors: list[float | None] = []
        # Means of each output's own loss, where there are several.
        self._trackers: list[Mean | None] = []
        # These in the order in which `compile` was given the losses.
        self.metrics: list[Metric] = []

    def targets(self, y: Any, outputs: Outputs) -> list[Any]:
        """The target of each output, None for those without a loss that are given none.

        Raises:
            ValueError: a target is missing, or `y` is nested in another way than the outputs.
        """
        given = self._given(outputs)
        with_loss = [index for index, loss in enumerate(given) if loss is not None]
        if not isinstance(y, Mapping) and len(with_loss) < len(outputs):
            leaves = structure.flatten(y)
            if len(leaves) == len(with_loss) and all(leaf is not None for leaf in leaves):
                # For the outputs that have a loss, and for these alone.
                targets: list[Any] = [None] * len(outputs)
                for index, leaf in zip(with_loss, leaves, strict=True):
                    targets[index] = leaf
                return targets
        targets = outputs.align(y, "y", partial=True)
        missing = [outputs.names[index] or index for index in with_loss if targets[index] is None]
        if missing:
            raise ValueError(
                f"expected y for every output with a loss, among {outputs}. Received: none for {missing}"
            )
        return targets

    def __call__(self, y: Any, outputs: Outputs, sample_weight: Any) -> Any:
        """The weighted sum of the outputs' losses, `None` where no output has one."""
        targets = self.targets(y, outputs)
        if self._losses is None:
            self._build(targets, outputs)
        weights = _per_output(sample_weight, outputs)
        total: Any = None
        for loss, target, prediction, weight, factor, tracker in zip(
            self._losses or [], targets, outputs.leaves, weights, self._factors, self._trackers, strict=True
        ):
            if loss is None:
                continue
            value = loss(target, prediction, weight)
            if len(value.shape) > 0:
                raise ValueError(
                    f"expected loss '{loss.name}' to reduce to a scalar. "
                    f"Received: shape={tuple(value.shape)}, reduction={loss.reduction!r}"
                )
            if tracker is not None:
                tracker.update_state(value, sample_weight=float(prediction.shape[0]))
            value = value if factor is None else value * factor
            total = value if total is None else total + value
        return total

    def _given(self, outputs: Outputs) -> list[Any]:
        """The identifier of each output's loss."""
        if not isinstance(self._loss, (list, tuple, Mapping)):
            # A single name or function serves every output.
            return [self._loss] * len(outputs)
        # As in Keras: of a dictionary of outputs some may have no loss, but names of layers are all needed.
        return outputs.align(self._loss, "loss", partial=outputs.has_keys)

    def _build(self, targets: list[Any], outputs: Outputs) -> None:
        losses = [
            None if loss is None else _loss(loss, target, prediction)
            for loss, target, prediction in zip(self._given(outputs), targets, outputs.leaves, strict=True)
        ]
        factors = [None] * len(outputs)
        if self._loss_weights is not None:
            factors = outputs.align(self._loss_weights, "loss_weights", partial=None in losses)
            missing = [
                outputs.names[index] or index
                for index, loss in enumerate(losses)
                if loss is not None and factors[index] is None
            ]
            if missing:
                raise ValueError(f"expected loss_weights for {outputs}. Received: none for {missing}")
        several = sum(loss is not None for loss in losses) > 1
        taken: set[str] = set()
        trackers = [
            Mean(name=_unique([outputs.loss_name(index, loss.name)], taken)) if several and loss else None
            for index, loss in enumerate(losses)
        ]
        self._factors = [None if factor is None else float(factor) for factor in factors]
        self._trackers = trackers
        order = _positions(self._loss, outputs.paths) if outputs.has_keys else range(len(outputs))
        self.metrics = [tracker for tracker in map(trackers.__getitem__, order) if tracker is not None]
        self._losses = losses


def _positions(loss: Any, paths: list[tuple[Any, ...]], path: tuple[Any, ...] = ()) -> list[int]:
    """The outputs' indices in the order in which nested losses name them."""
    if isinstance(loss, (list, tuple, Mapping)):
        items = loss.items() if isinstance(loss, Mapping) else enumerate(loss)
        return [index for key, item in items for index in _positions(item, paths, (*path, key))]
    return [index for index, one in enumerate(paths) if one[: len(path)] == path]


def _check_factor(factor: Any) -> None:
    is_number = isinstance(factor, (int, float, np.number)) and not isinstance(factor, bool)
    if factor is not None and not (is_number and np.isfinite(factor)):
        raise ValueError(f"expected finite numbers as loss_weights. Received: loss_weights with {factor!r}")


def _loss(identifier: Any, target: Any, prediction: Any) -> Loss:
    """A loss; its name is the string as it was typed, else the function's or the instance's own."""
    loss = identifier
    if isinstance(identifier, str) and identifier in ("crossentropy", "ce"):
        kind = metrics_module.resolve_crossentropy(target.shape, prediction.shape).__name__
        loss = getattr(losses_module, kind)(name=identifier)
    loss = losses_module.get(loss)
    if isinstance(loss, Loss):
        return loss
    # Without a name it is the function's.
    return losses_module.LossFunctionWrapper(loss, name=identifier if isinstance(identifier, str) else None)


def _per_output(sample_weight: Any, outputs: Outputs) -> list[Any]:
    if sample_weight is None or not isinstance(sample_weight, (list, tuple, Mapping)):
        return [sample_weight] * len(outputs)
    return outputs.align(sample_weight, "sample_weight")


class _Entry(NamedTuple):
    """A metric, the output that it is about, whether it sees weights, and what its name begins with."""

    output: int
    metric: Metric
    is_weighted: bool
    prefix: str


class OutputMetrics:
    """The metrics of a model's outputs. Classes may depend on shapes: they are made at the first batch."""

    def __init__(self, metrics: Any, weighted_metrics: Any) -> None:
        self._given = {"metrics": metrics, "weighted_metrics": weighted_metrics}
        leaves = structure.flatten((metrics, weighted_metrics))
        for leaf in leaves:
            if isinstance(leaf, str) and leaf not in _BY_SHAPE:
                metrics_module.get(leaf)
            elif leaf is not None and not isinstance(leaf, (str, Metric, type)) and not callable(leaf):
                raise ValueError(f"expected a metric's name, a Metric or a function. Received: {leaf!r}")
        objects = [leaf for leaf in leaves if isinstance(leaf, Metric)]
        if len({id(metric) for metric in objects}) < len(objects):
            raise ValueError(
                "expected each Metric object once, because it counts for itself. "
                f"Received: metrics={metrics!r}, weighted_metrics={weighted_metrics!r}"
            )
        self._entries: list[_Entry] | None = None
        # Whether what the metrics are called in the results begins with an output's name.
        self.are_prefixed = False

    @property
    def metrics(self) -> list[Metric]:
        return [entry.metric for entry in self._entries or []]

    def names(self, metrics: list[Metric]) -> dict[int, str]:
        """What each of a model's metrics is called in the results, by its id: unlike those before it."""
        own = {id(metric): (prefix, is_weighted) for _, metric, is_weighted, prefix in self._entries or []}
        names: dict[int, str] = {}
        taken: set[str] = set()
        for metric in metrics:
            prefix, is_weighted = own.get(id(metric), ("", False))
            candidates = [f"{prefix}{metric.name}"]
            if is_weighted:
                candidates.append(f"{prefix}weighted_{metric.name}")
            names[id(metric)] = _unique(candidates, taken)
        return names

    def update(self, targets: list[Any], outputs: Outputs, sample_weight: Any) -> None:
        """Adds the batch to every metric."""
        if self._entries is None:
            self._build(targets, outputs)
        weights = _per_output(sample_weight, outputs)
        for index, metric, is_weighted, _ in self._entries or []:
            weight = weights[index] if is_weighted else None
            metric.update_state(targets[index], outputs.leaves[index], sample_weight=weight)

    def _build(self, targets: list[Any], outputs: Outputs) -> None:
        entries: list[_Entry] = []
        for what, is_weighted in (("metrics", False), ("weighted_metrics", True)):
            for index, listed in enumerate(_metrics_per_output(self._given[what], outputs, what)):
                if listed and targets[index] is None:
                    raise ValueError(
                        f"expected y for every output with metrics, among {outputs}. "
                        f"Received: none for {outputs.names[index] or index}"
                    )
                for identifier in listed:
                    metric = _metric(identifier, targets[index], outputs.leaves[index])
                    prefix = f"{outputs.names[index]}_" if len(outputs) > 1 and outputs.names[index] else ""
                    entries.append(_Entry(index, metric, is_weighted, prefix))
        self.are_prefixed = len(outputs) > 1 and None not in outputs.names
        self._entries = entries


_BY_SHAPE = {
    "accuracy": metrics_module.resolve_accuracy,
    "acc": metrics_module.resolve_accuracy,
    "crossentropy": metrics_module.resolve_crossentropy,
    "ce": metrics_module.resolve_crossentropy,
}


def _metrics_per_output(given: Any, outputs: Outputs, what: str) -> list[list[Any]]:
    """The identifiers of each output's metrics; at the place of an output there may be one or a list."""
    aligned = outputs.align(given, what, partial=True, many=True) if given else [None] * len(outputs)
    return [[item for item in structure.flatten(items) if item is not None] for items in aligned]


def _metric(identifier: Any, target: Any, prediction: Any) -> Metric:
    """A metric; its name is the string as it was typed, else the function's or the instance's own."""
    if isinstance(identifier, str) and identifier in _BY_SHAPE:
        return _BY_SHAPE[identifier](target.shape, prediction.shape)(name=identifier)
    metric: Any = metrics_module.get(identifier)
    if not isinstance(metric, Metric):
        metric = MeanMetricWrapper(metric)
    if isinstance(identifier, str):
        metric.name = identifier
    return metric


def _unique(candidates: list[str], taken: set[str]) -> str:
    """The first candidate that is not taken, else the last with a number."""
    name = next((one for one in candidates if one not in taken), candidates[-1])
    number = 0
    while name in taken:
        number += 1
        name = f"{candidates[-1]}_{number}"
    taken.add(name)
    return name
