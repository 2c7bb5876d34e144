"""What belongs to this process only: left out where an object is pickled or copied."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar


class Transient:
    """An object some of whose attributes cannot leave the process: compiled programs, caches, recorded calls.

    `_TRANSIENT` names them, each with what makes the value that a pickle or copy starts with, or `None` where
    it starts without the attribute.
    """

    _TRANSIENT: ClassVar[Mapping[str, Callable[[], Any] | None]] = {}

    def __getstate__(self) -> dict[str, Any]:
        state = dict(vars(self))
        for name, fresh in self._TRANSIENT.items():
            if name in state:
                if fresh is None:
                    del state[name]
                else:
                    state[name] = fresh()
        return state
