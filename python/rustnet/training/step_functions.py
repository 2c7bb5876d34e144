"""Keras's methods that make the functions of `fit`, `evaluate` and `predict`: refused by name."""

from __future__ import annotations

import inspect

from rustnet.core.refused import Refused

_INSTEAD = "every step is recorded and compiled: define train_step, test_step or predict_step"


class StepFunctions:
    """The methods that make Keras's loops over steps. None of them is called here."""

    make_train_function = Refused(_INSTEAD)
    make_test_function = Refused(_INSTEAD)
    make_predict_function = Refused(_INSTEAD)

    def _refuse_own_functions(self) -> None:
        """Raises `NotImplementedError` where a subclass or an attribute stands in for one of the methods."""
        for name, method in vars(StepFunctions).items():
            if isinstance(method, Refused) and inspect.getattr_static(self, name) is not method:
                raise NotImplementedError(
                    f"expected no {name} of one's own, which nothing would call; {_INSTEAD}. "
                    f"Received: {type(self).__name__}.{name}"
                )
