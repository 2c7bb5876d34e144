"""Keras's methods that are or make a step: refused by name, as long as nothing would call them."""

from __future__ import annotations

import inspect

from rustnet.core.refused import Refused

_INSTEAD = (
    "a step is recorded from call, compute_loss, compute_metrics and the optimizer: override these, or train "
    "with train_on_batch in a loop of your own"
)


class StepMethods:
    """The methods that change Keras's `fit`, `evaluate` and `predict`. None of them is called here."""

    train_step = Refused(_INSTEAD)
    test_step = Refused(_INSTEAD)
    predict_step = Refused(_INSTEAD)
    make_train_function = Refused(_INSTEAD)
    make_test_function = Refused(_INSTEAD)
    make_predict_function = Refused(_INSTEAD)

    def refuse_own_steps(self) -> None:
        """Raises `NotImplementedError` where a subclass or an attribute stands in for one of the methods."""
        for name, method in vars(StepMethods).items():
            if isinstance(method, Refused) and inspect.getattr_static(self, name) is not method:
                raise NotImplementedError(
                    f"expected no {name} of one's own, which nothing would call; {_INSTEAD}. "
                    f"Received: {type(self).__name__}.{name}"
                )
