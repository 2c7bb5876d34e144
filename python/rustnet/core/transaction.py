"""What is built is built wholly or not at all, and once."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextvars import ContextVar, copy_context
from typing import Any, TypeVar

from rustnet.core.exclusive import exclusively

Method = TypeVar("Method", bound=Callable[..., Any])

# What the transactions of this thread have touched so far, outer before inner. Like the current trace it is
# set only within `Context.run`, so that no exception can leave a transaction open.
_touched: ContextVar[list[_Before] | None] = ContextVar("touched", default=None)

# Owners with a transaction that has not ended, by id: what other threads see of them is not whole yet.
_unfinished: set[int] = set()


def atomically(owner: Any, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Calls a function that changes the attributes of `owner`; they are as before where it raises.

    So are those of the owners of transactions inside, also of those that had ended well. Interrupts count:
    `KeyboardInterrupt` may come between any two lines. One thread at a time is in a transaction.
    """
    return exclusively(_enter, owner, function, args, kwargs)


def all_or_nothing(method: Method) -> Method:
    """`method` as a transaction of the object that it is called on."""

    @functools.wraps(method)
    def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
        return atomically(self, method, self, *args, **kwargs)

    return wrapper  # type: ignore[return-value]


def is_within(owner: Any) -> bool:
    """Whether this thread is in a transaction of the owner, or was in one that is part of the present one."""
    return any(before.owner is owner for before in _touched.get() or ())


def is_unfinished(owner: Any) -> bool:
    """Whether the owner is being changed, perhaps by another thread."""
    return id(owner) in _unfinished


def touch(owner: Any) -> None:
    """Has the attributes of `owner` restored too, where the present transaction fails."""
    touched = _touched.get()
    if touched is not None:
        touched.append(_Before(owner))


def _enter(owner: Any, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    touched = _touched.get()
    if touched is None:
        # What an interrupt may have left: no other thread is in a transaction.
        _unfinished.clear()
        return copy_context().run(_run, [], owner, function, args, kwargs)
    return _run(touched, owner, function, args, kwargs)


def _run(touched: list[_Before], owner: Any, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    _touched.set(touched)
    start = len(touched)
    touched.append(_Before(owner))
    _unfinished.add(id(owner))
    try:
        return function(*args, **kwargs)
    except BaseException:
        for before in reversed(touched[start:]):
            before.restore()
        del touched[start:]
        raise
    finally:
        _unfinished.discard(id(owner))


class _Before:
    """The attributes of an object as they are now, and the content of the containers among them."""

    def __init__(self, owner: Any) -> None:
        self.owner = owner
        self._attributes = dict(vars(owner))
        self._contents = [
            (container, container.copy())
            for name, value in self._attributes.items()
            if name != "_init_arguments"
            for container in _containers(value)
        ]

    def restore(self) -> None:
        for container, content in self._contents:
            container.clear()
            if isinstance(container, list):
                container.extend(content)
            else:
                container.update(content)
        vars(self.owner).clear()
        vars(self.owner).update(self._attributes)


_CONTAINERS = (list, tuple, dict, set)


def _containers(value: Any) -> Iterator[list[Any] | dict[Any, Any] | set[Any]]:
    if isinstance(value, (list, dict, set)):
        yield value
    if isinstance(value, (list, tuple, dict)):
        for item in value.values() if isinstance(value, dict) else value:
            # Looked at here, not within: most items are none, and there may be thousands.
            if isinstance(item, _CONTAINERS):
                yield from _containers(item)
