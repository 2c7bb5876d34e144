"""Models: `Sequential` for a chain of layers, `Model(inputs, outputs)` for any graph, and subclasses."""

from rustnet.layers.input_layer import Input
from rustnet.models.cloning import clone_model, model_from_json
from rustnet.models.functional import Functional
from rustnet.models.model import Model
from rustnet.models.sequential import Sequential

__all__ = ["Functional", "Input", "Model", "Sequential", "clone_model", "model_from_json"]
