"""One thread at a time builds and records."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rustnet import _core

_lock = _core.Exclusive()


def exclusively(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Calls a function while no other thread is within such a call; calls inside it are fine.

    Weights are made once, whichever threads call a new layer at the same time, and programs recorded once.
    The engine gives the lock back itself, so that no exception, wherever it strikes, can leave it taken.
    """
    return _lock.run(lambda: function(*args, **kwargs))
