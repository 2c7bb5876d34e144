"""Keyword arguments that an object hands to a function at every call."""

from __future__ import annotations

from typing import Any


class BoundArguments:
    """The arguments are attributes of the object, so that setting one takes effect."""

    _argument_names: tuple[str, ...] = ()

    def _bind(self, arguments: dict[str, Any]) -> None:
        """Keeps the arguments. Raises `ValueError` for a name that the object uses itself."""
        taken = [name for name in arguments if hasattr(self, name)]
        if taken:
            raise ValueError(f"expected keyword arguments of other names than {taken}. Received: {arguments}")
        for name, value in arguments.items():
            setattr(self, name, value)
        self._argument_names = tuple(arguments)

    @property
    def arguments(self) -> dict[str, Any]:
        """The arguments by name, as they are now."""
        return {name: getattr(self, name) for name in self._argument_names}
