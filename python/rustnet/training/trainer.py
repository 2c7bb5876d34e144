"""The training side of a model: all that `compile`, `fit`, `evaluate` and `predict` are made of."""

from __future__ import annotations

from rustnet.layers.layer import Layer
from rustnet.training.fitting import Fitting
from rustnet.training.inspecting import Inspecting
from rustnet.training.on_batch import OnBatch


class Trainer(Fitting, OnBatch, Inspecting):
    """The training side of `Model`, which is its only subclass."""

    # What `compile` and a run of `fit` write on the model.
    _UNWATCHED = Layer._UNWATCHED | {
        "_compile_arguments",
        "_known_at_compile",
        "_found_in_layers",
        "_step_programs",
        "_trainable_at_compile",
        "_history",
        "stop_evaluating",
        "stop_predicting",
        "stop_training",
    }
    _TRANSIENT = {**Layer._TRANSIENT, "_arenas": None, "_found_in_layers": None, "_step_programs": None}
