"""One step of a model, recorded: what a training, evaluation or prediction program computes."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from rustnet.core import structure
from rustnet.core.trace import Trace

if TYPE_CHECKING:
    from rustnet.training.trainer import Trainer


def record_prediction(trainer: Trainer, x: Any) -> Any:
    """The outputs."""
    return trainer(x, training=False)


def record_evaluation(trainer: Trainer, trace: Trace, x: Any, y: Any, sample_weight: Any) -> None:
    """The outputs, their loss and their metrics."""
    outputs = record_prediction(trainer, x)
    _record_loss(trainer, trace, x, y, outputs, sample_weight, training=False)
    _record_metrics(trainer, trace, y, outputs, sample_weight)


def record_training(trainer: Trainer, trace: Trace, x: Any, y: Any, sample_weight: Any) -> None:
    """The outputs, their loss, its gradient, the optimizer's update, and the metrics."""
    outputs = trainer(x, training=True)
    loss = _record_loss(trainer, trace, x, y, outputs, sample_weight, training=True)
    _record_update(trainer, trace, loss)
    _record_metrics(trainer, trace, y, outputs, sample_weight)


def _record_loss(
    trainer: Trainer, trace: Trace, x: Any, y: Any, outputs: Any, sample_weight: Any, training: bool
) -> Any:
    with trace.scope("loss"):
        loss = trainer.compute_loss(x, y, outputs, sample_weight, training)
        rows = structure.flatten(x)[0].shape[0]
        trainer._loss_tracker.update_state(loss, sample_weight=float(rows))
    return loss


def _record_update(trainer: Trainer, trace: Trace, loss: Any) -> None:
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


def _record_metrics(trainer: Trainer, trace: Trace, y: Any, outputs: Any, sample_weight: Any) -> None:
    if y is not None:
        with trace.scope("metrics"):
            trainer._output_metrics.update(y, outputs, trainer._output_names(outputs), sample_weight)


def _trained_variables(trainer: Trainer) -> list[Any]:
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
