"""Keras's methods that make or are a step: refused by name, as long as nothing would call them."""

from __future__ import annotations

from typing import Any

_HINT = (
    "A step is recorded from call, compute_loss, compute_metrics and the optimizer: override these, "
    "or train with train_on_batch in a loop of your own"
)


class StepMethods:
    """The methods that change Keras's `fit`, `evaluate` and `predict`. None of them is called here."""

    def train_step(self, data: Any) -> Any:
        """Not supported. Raises `NotImplementedError`."""
        raise _refusal("train_step()")

    def test_step(self, data: Any) -> Any:
        """Not supported. Raises `NotImplementedError`."""
        raise _refusal("test_step()")

    def predict_step(self, data: Any) -> Any:
        """Not supported. Raises `NotImplementedError`."""
        raise _refusal("predict_step()")

    def make_train_function(self, force: bool = False) -> Any:
        """Not supported. Raises `NotImplementedError`."""
        raise _refusal("make_train_function()")

    def make_test_function(self, force: bool = False) -> Any:
        """Not supported. Raises `NotImplementedError`."""
        raise _refusal("make_test_function()")

    def make_predict_function(self, force: bool = False) -> Any:
        """Not supported. Raises `NotImplementedError`."""
        raise _refusal("make_predict_function()")

    def refuse_own_steps(self) -> None:
        """Raises `NotImplementedError` where a subclass or an attribute stands in for one of the methods."""
        for name in _METHODS:
            if name in vars(self) or getattr(type(self), name) is not vars(StepMethods)[name]:
                raise _refusal(f"{type(self).__name__}.{name}, which nothing would call")


_METHODS = tuple(
    name for name in vars(StepMethods) if name.startswith(("make_", "train_", "test_", "predict_"))
)


def _refusal(received: str) -> NotImplementedError:
    return NotImplementedError(f"expected no training step of one's own: {_HINT}. Received: {received}")
