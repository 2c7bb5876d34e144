"""Objects whose attributes recorded programs depend on: who reads them, and who is told when they change."""

from __future__ import annotations

import contextlib
import functools
import weakref
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from rustnet.core.trace import current_trace
from rustnet.core.transient import Transient


class Watcher:
    """Something made from attributes of tracked objects, told when one of them changes."""

    def tell(self, owner: Tracked, name: str) -> None:
        """Called by the thread that has set or deleted the attribute."""
        raise NotImplementedError

    def watch(self, owner: Tracked, name: str) -> None:
        """Asks to be told when this attribute of `owner` is set or deleted."""
        watchers = vars(owner).setdefault("_watchers", {}).setdefault(name, [])
        if watchers is not None and self._reference not in watchers:
            # Else a layer that ever new models are made around would keep a trace of each.
            for reference in [one for one in watchers if one() is None]:
                _forget(watchers, reference)
            watchers.append(self._reference)

    @functools.cached_property
    def _reference(self) -> weakref.ref[Watcher]:
        return weakref.ref(self)


class Tracked(Transient):
    """Base of layers, losses, metrics, optimizers and variables.

    A recorded program has the values of the attributes in it that were read while it was recorded. Which
    these were, `Reads` collects; a change of one tells the watchers of that attribute.
    """

    # Attributes that change with every call, or never once they are set.
    _UNWATCHED: ClassVar[frozenset[str]] = frozenset({"_watchers"})
    _TRANSIENT: ClassVar[Mapping[str, Callable[[], Any] | None]] = {"_watchers": None}
    # The watchers of each attribute that has some; `None` for one that recorded code itself changes, such as
    # a counter of calls: a program cannot depend on that.
    _watchers: dict[str, list[weakref.ref[Watcher]] | None] | None = None

    def __setattr__(self, name: str, value: Any) -> None:
        if self._watchers is None:
            object.__setattr__(self, name, value)
            return
        is_new = name not in vars(self)
        object.__setattr__(self, name, value)
        # An attribute that is there and that nobody watches is a note that no program reads.
        if is_new or name in self._watchers:
            _changed(self, name)

    def __delattr__(self, name: str) -> None:
        object.__delattr__(self, name)
        if self._watchers is not None:
            _changed(self, name)


def tell(owner: Tracked, name: str, changed: str | None = None) -> None:
    """Tells the watchers of the attribute `name` that it, or the attribute `changed`, was set."""
    watchers = (owner._watchers or {}).get(name)
    if not watchers:
        return
    for reference in list(watchers):
        watcher = reference()
        if watcher is None:
            _forget(watchers, reference)
        else:
            watcher.tell(owner, changed or name)


def _forget(watchers: list[weakref.ref[Watcher]], reference: weakref.ref[Watcher]) -> None:
    with contextlib.suppress(ValueError):  # Another thread was faster.
        watchers.remove(reference)


def _changed(owner: Tracked, name: str) -> None:
    if name not in (owner._watchers or {}) and callable(getattr(type(owner), name, None)):
        # Stands in for a method, which any program may have called.
        for watched in list(owner._watchers or {}):
            tell(owner, watched, name)
        return
    tell(owner, name)
    trace = current_trace()
    if trace is not None and trace.reads is not None and name in (owner._watchers or {}):
        vars(owner)["_watchers"][name] = None


class Reads:
    """The attributes of tracked objects that were read during `collect`."""

    def __init__(self) -> None:
        self.attributes: list[tuple[Tracked, str]] = []

    def collect(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Calls a function in the trace that these reads belong to.

        Only meanwhile attributes are looked up through Python code, so that it costs nothing at other times.
        One thread collects at a time. What an interrupt leaves in place slows look-ups, and does no harm.
        """
        seen: set[tuple[int, str]] = set()
        look_up = object.__getattribute__

        def noted_look_up(owner: Tracked, name: str) -> Any:
            key = (id(owner), name)
            if key not in seen:
                trace = current_trace()
                # Not in another thread, and not for ops that run at once, as those that make weights.
                if trace is not None and trace.reads is self:
                    seen.add(key)
                    self._note(owner, name)
            return look_up(owner, name)

        Tracked.__getattribute__ = noted_look_up  # type: ignore[assignment, method-assign]
        try:
            return function(*args, **kwargs)
        finally:
            if "__getattribute__" in vars(Tracked):
                del Tracked.__getattribute__

    def _note(self, owner: Tracked, name: str) -> None:
        """Remembers that an attribute was read; methods and properties are none."""
        cls = type(owner)
        if name in cls._UNWATCHED:
            return
        is_own = name in object.__getattribute__(owner, "__dict__")
        # Else it is one of the class, or not there at all yet.
        if is_own or not (name.startswith("__") or hasattr(getattr(cls, name, None), "__get__")):
            self.attributes.append((owner, name))
