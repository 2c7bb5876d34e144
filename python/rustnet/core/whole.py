"""All or nothing: what makes the state of an object makes all of it, or leaves the object as it was."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

Method = TypeVar("Method", bound=Callable[..., Any])


def is_being_made(owner: Any) -> bool:
    """Whether an `all_or_nothing` method of this object runs."""
    return "_is_being_made" in vars(owner)


def all_or_nothing(method: Method) -> Method:
    """`method`, which takes back what it did to the object's attributes if it does not return.

    Whatever is raised, Ctrl-C between any two lines included, the attributes are those of before; so is the
    content of the lists, dictionaries and sets among them. Of methods that call each other on one object, the
    outermost counts.
    """

    @functools.wraps(method)
    def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
        if is_being_made(self):
            return method(self, *args, **kwargs)
        before = vars(self)
        copies = {name: value.copy() for name, value in before.items() if type(value) in (list, dict, set)}
        try:
            # The attributes of before stay in a dictionary that nothing writes to.
            object.__setattr__(self, "__dict__", {**before, **copies, "_is_being_made": True})
            result = method(self, *args, **kwargs)
            del vars(self)["_is_being_made"]
            return result
        except BaseException:
            object.__setattr__(self, "__dict__", before)
            raise

    return wrapper  # type: ignore[return-value]
