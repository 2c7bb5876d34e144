"""Optimizers: how weights follow their gradients."""

from rustnet.optimizers import schedules
from rustnet.optimizers.adagrad import Adadelta, Adagrad
from rustnet.optimizers.adam import Adam, Adamax, AdamW, Nadam
from rustnet.optimizers.optimizer import Optimizer
from rustnet.optimizers.rmsprop import RMSprop
from rustnet.optimizers.sgd import SGD
from rustnet.registry import Registry

_registry = Registry(
    "optimizer",
    Optimizer,
    [Adadelta, Adagrad, Adam, Adamax, AdamW, Nadam, RMSprop, SGD],
    case_sensitive=False,
)
get = _registry.get
serialize = _registry.serialize
deserialize = _registry.deserialize

__all__ = [
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Nadam",
    "Optimizer",
    "RMSprop",
    "SGD",
    "deserialize",
    "get",
    "schedules",
    "serialize",
]
