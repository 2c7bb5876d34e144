"""What a callback runs on a model that is being run leaves the outer run alone."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rustnet.training.trainer import Trainer

_FLAGS = ("stop_training", "stop_evaluating", "stop_predicting", "history")


class _Running(threading.local):
    def __init__(self) -> None:
        # The models that this thread runs, outer before inner.
        self.models: list[Trainer] = []


_running = _Running()


@contextmanager
def run_of(model: Trainer) -> Iterator[None]:
    """A run of `fit`, `evaluate`, `predict` or of one batch.

    Inside another run of the same model, so in a callback, the metrics, the flags that stop a run and the
    history are afterwards as they were.
    """
    if not any(model is outer for outer in _running.models):
        _running.models.append(model)
        try:
            yield
        finally:
            _running.models.pop()
        return
    values = {id(metric): [one.numpy() for one in metric.variables] for metric in model.metrics}
    flags = [(name, getattr(model, name)) for name in _FLAGS]
    try:
        yield
    finally:
        for metric in model.metrics:
            kept = values.get(id(metric), ())
            if not kept:
                # Made by the inner run.
                metric.reset_state()
            for variable, value in zip(metric.variables, kept, strict=False):
                variable.assign(value)
        for name, flag in flags:
            setattr(model, name, flag)
