"""Callbacks: what happens between the batches and epochs of training."""

from rustnet.callbacks.callback import Callback
from rustnet.callbacks.callback_list import CallbackList
from rustnet.callbacks.early_stopping import EarlyStopping
from rustnet.callbacks.history import History
from rustnet.callbacks.learning_rate import LearningRateScheduler, ReduceLROnPlateau
from rustnet.callbacks.progbar_logger import ProgbarLogger
from rustnet.callbacks.simple import CSVLogger, LambdaCallback, TerminateOnNaN

__all__ = [
    "CSVLogger",
    "Callback",
    "CallbackList",
    "EarlyStopping",
    "History",
    "LambdaCallback",
    "LearningRateScheduler",
    "ProgbarLogger",
    "ReduceLROnPlateau",
    "TerminateOnNaN",
]
