"""What a callback runs on a model that is being run leaves the outer run alone."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar, copy_context
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rustnet.training.running import Running

_FLAGS = ("stop_training", "stop_evaluating", "stop_predicting", "history")

# The models that this thread runs, outer before inner. Like the current trace it is set only within
# `Context.run`, so that no exception can leave a model behind that is not run any more.
_running: ContextVar[tuple[Running, ...]] = ContextVar("running", default=())


def run_of(model: Running, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """A run of `fit`, `evaluate`, `predict` or of one batch.

    Inside another run of the same model, so in a callback, the metrics, the flags that stop a run and the
    history are afterwards as they were.
    """
    outer = _running.get()
    if not any(model is one for one in outer):
        return copy_context().run(_run_within, (*outer, model), function, args, kwargs)
    values = {id(metric): [one.numpy() for one in metric.variables] for metric in model.metrics}
    flags = [(name, getattr(model, name)) for name in _FLAGS]
    try:
        return function(*args, **kwargs)
    finally:
        for metric in model.metrics:
            kept = values.get(id(metric), ())
            if not kept:
                # Made by the inner run.
                metric.reset_state()
            for variable, value in zip(metric.variables, kept, strict=False):
                # Most runs leave them as they are, and what a running step uses cannot be assigned.
                if variable.numpy().tobytes() != value.tobytes():
                    variable.assign(value)
        for name, flag in flags:
            setattr(model, name, flag)


def _run_within(models: tuple[Running, ...], function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    _running.set(models)
    return function(*args, **kwargs)
