"""Methods that Keras has and this package does not: each says what to do instead."""

from __future__ import annotations

from typing import Any, NoReturn


class Refused:
    """A method that raises `NotImplementedError` with its name and what there is instead."""

    def __init__(self, instead: str) -> None:
        self.instead = instead

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        def refuse(*args: Any, **kwargs: Any) -> NoReturn:
            raise NotImplementedError(
                f"{(owner or type(instance)).__name__}.{self.name}() is not there; instead: {self.instead}"
            )

        refuse.__name__ = self.name
        refuse.__doc__ = f"Not there; instead: {self.instead}."
        return refuse
