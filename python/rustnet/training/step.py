"""One step of a model, recorded: what a training, evaluation or prediction program computes."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Mapping
from typing import Any

from rustnet.core import structure
from rustnet.core.tensors import TracedTensor
from rustnet.core.trace import Trace
from rustnet.training.stepping import Stepping

_BY_NAME = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def record_prediction(trainer: Stepping, x: Any) -> Any:
    """The outputs."""
    return trainer(x, training=False)


def record_evaluation(trainer: Stepping, trace: Trace, x: Any, y: Any, sample_weight: Any) -> None:
    """The outputs, their loss and their metrics."""
    outputs = record_prediction(trainer, x)
    _record_loss(trainer, trace, x, y, outputs, sample_weight, training=False)
    _record_metrics(trainer, trace, x, y, outputs, sample_weight)


def record_training(trainer: Stepping, trace: Trace, x: Any, y: Any, sample_weight: Any) -> None:
    """The outputs, their loss, its gradient, the optimizer's update, and the metrics."""
    outputs = trainer(x, training=True)
    loss = _record_loss(trainer, trace, x, y, outputs, sample_weight, training=True)
    _record_update(trainer, trace, loss)
    _record_metrics(trainer, trace, x, y, outputs, sample_weight)


def _record_loss(
    trainer: Stepping, trace: Trace, x: Any, y: Any, outputs: Any, sample_weight: Any, training: bool
) -> Any:
    with trace.scope("loss"):
        loss = _computed_loss(trainer, x, y, outputs, sample_weight, training)
        rows = structure.flatten(x)[0].shape[0]
        trainer._loss_tracker.update_state(loss, sample_weight=float(rows))
    return loss


def _record_update(trainer: Stepping, trace: Trace, loss: Any) -> None:
    variables = _trained_variables(trainer)
    gradients = trace.gradients(trainer.optimizer.scale_loss(loss), variables)
    missing = [variable.path for variable, one in zip(variables, gradients, strict=True) if one is None]
    if missing and len(missing) == len(variables):
        raise ValueError(f"expected a loss that depends on the weights. Received: no gradient for {missing}")
    if missing:
        warnings.warn(f"The loss does not depend on {missing}; they are not trained.", stacklevel=2)
    pairs = [(one, variable) for one, variable in zip(gradients, variables, strict=True) if one is not None]
    if pairs:
        with trace.scope("optimizer"):
            trainer.optimizer.apply_gradients(pairs)


def _record_metrics(
    trainer: Stepping, trace: Trace, x: Any, y: Any, outputs: Any, sample_weight: Any
) -> None:
    with trace.scope("metrics"):
        if trainer._reports_as_it_is():
            # Without the results, which nobody reads in a step.
            trainer._update_metrics(y, outputs, sample_weight)
            return
        returned = trainer.compute_metrics(x, y, outputs, sample_weight)
    reported = trainer.get_metrics_result()
    if not isinstance(returned, Mapping) or set(returned) != set(reported):
        received = sorted(returned) if isinstance(returned, Mapping) else repr(returned)
        raise ValueError(
            f"expected compute_metrics to return the values of model.metrics, {sorted(reported)}. "
            f"Received: {received}"
        )


def _computed_loss(
    trainer: Stepping, x: Any, y: Any, outputs: Any, sample_weight: Any, training: bool
) -> Any:
    """What `compute_loss` returns; an override may leave out arguments, or name them otherwise."""
    known = {"x": x, "y": y, "y_pred": outputs, "sample_weight": sample_weight, "training": training}
    parameters = inspect.signature(trainer.compute_loss).parameters
    if all(one.name in known and one.kind in _BY_NAME for one in parameters.values()):
        loss = trainer.compute_loss(**{name: known[name] for name in parameters})
    elif any(one.kind is inspect.Parameter.VAR_KEYWORD for one in parameters.values()):
        loss = trainer.compute_loss(**known)
    else:
        takes_all = any(one.kind is inspect.Parameter.VAR_POSITIONAL for one in parameters.values())
        count = len(known) if takes_all else len(parameters)
        loss = trainer.compute_loss(*list(known.values())[:count])
    if not isinstance(loss, TracedTensor) or loss.shape:
        raise ValueError(f"expected compute_loss to return a scalar tensor. Received: {loss!r}")
    return loss


def _trained_variables(trainer: Stepping) -> list[Any]:
    """The trainable weights as `compile` found them; those made since, as they are now."""
    now = {id(weight) for weight in trainer.trainable_weights}
    known = {id(weight) for weight in trainer._known_at_compile}
    trained = {id(weight) for weight in trainer._trainable_at_compile}
    variables = [
        weight for weight in trainer.weights if id(weight) in (trained if id(weight) in known else now)
    ]
    if not trainer.optimizer.built:
        trainer.optimizer.build(variables)
    return variables
