"""Recorded programs, kept for as long as what was read while they were recorded stays as it was."""

from __future__ import annotations

import itertools
import operator
import weakref
from collections import deque
from collections.abc import Callable, Hashable
from typing import Any

import numpy as np

from rustnet import _core
from rustnet.core.exclusive import exclusively
from rustnet.core.trace import Trace
from rustnet.core.tracked import Reads, Tracked, Watcher
from rustnet.core.variable import Variable

# A model called with ever new shapes (texts of any length) keeps this many programs, the latest.
_MOST_PROGRAMS = 64
# Elements of an array attribute up to which a change in place is seen.
_LARGEST_COMPARED = 4096

_MISSING = object()


class ProgramCache(Watcher):
    """Programs by key (shapes, …), the least recently used dropped first.

    A program is valid while the attributes that were read while it was recorded have the values that they
    had; one that is not is kept, because they may get these values again (`trainable` set to and fro).

    Arguments: `arenas`, the memory that these programs, and those of other caches, take turns to run in.
    """

    def __init__(self, arenas: _core.Arenas) -> None:
        self._arenas = arenas
        self._entries: list[_Entry] = []
        # The entries known to be valid since the last change.
        self._valid: dict[Hashable, _Entry] = {}
        # By the owner's id and the attribute's name: one for each value that programs were recorded with.
        self._guards: dict[tuple[int, str], list[_Guard]] = {}
        self._changes: deque[tuple[int, str]] = deque()
        self._clock = itertools.count()

    def tell(self, owner: Tracked, name: str) -> None:
        self._changes.append((id(owner), name))

    def find(self, key: Hashable) -> Any:
        """The program for a key, `None` where there is none or what it was recorded with has changed."""
        if self._changes:
            self._take_changes()
        entry = self._valid.get(key)
        # Of a valid entry only what changes without being set can be otherwise now.
        if entry is None or not entry.has_same_containers():
            entry = next((one for one in self._entries if one.key == key and one.is_valid()), None)
            if entry is None:
                return None
            self._valid[key] = entry
        entry.used = next(self._clock)
        return entry.program

    def get(self, key: Hashable, record: Callable[..., Any], *args: Any) -> Any:
        """The valid program for a key, recorded by `record(trace, *args)` where there is none."""
        found = self.find(key)
        return found if found is not None else exclusively(self._record, key, record, args)

    def once(self, record: Callable[..., Any], *args: Any) -> Any:
        """A program recorded by `record(trace, *args)` that is not kept."""
        trace = Trace(arenas=self._arenas)
        return exclusively(trace.call, record, trace, *args)

    def _record(self, key: Hashable, record: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        found = self.find(key)
        if found is not None:
            # Another thread has recorded it meanwhile.
            return found
        reads = Reads()
        trace = Trace(arenas=self._arenas, reads=reads)
        program = trace.call(reads.collect, record, trace, *args)
        self._add(key, program, reads)
        return program

    def _add(self, key: Hashable, program: Any, reads: Reads) -> None:
        entry = _Entry(key, program, [self._guard(owner, name) for owner, name in reads.attributes])
        entry.used = next(self._clock)
        kept = sorted([*self._entries, entry], key=operator.attrgetter("used"))
        # Without an owner an entry can never be valid again.
        self._entries = [one for one in kept[-_MOST_PROGRAMS:] if one.may_be_valid()]
        self._valid = {one.key: one for one in self._valid.values() if one in self._entries}
        self._valid[key] = entry
        for dropped in set(kept) - set(self._entries):
            for guard in dropped.guards:
                self._let_go(guard)

    def __len__(self) -> int:
        return len(self._entries)

    def _guard(self, owner: Tracked, name: str) -> _Guard:
        """A guard of the attribute's present value, one that entries share where there is one."""
        guards = self._guards.setdefault((id(owner), name), [])
        new = _Guard(owner, name)
        for guard in guards:
            if guard.owner() is owner and guard.expected == new.expected:
                new = guard
                break
        else:
            guards.append(new)
            self.watch(owner, name)
        new.holds = True
        new.users += 1
        return new

    def _let_go(self, guard: _Guard) -> None:
        guard.users -= 1
        if guard.users == 0:
            guards = self._guards[guard.key]
            guards.remove(guard)
            if not guards:
                del self._guards[guard.key]

    def _take_changes(self) -> None:
        while self._changes:
            owner, name = self._changes.popleft()
            for guard in self._guards.get((owner, name), ()):
                guard.check()
            if (owner, name) not in self._guards:
                # A method was replaced: there is no telling which programs it is in.
                self._entries = [entry for entry in self._entries if not entry.has_owner(owner)]
        self._valid = {}


class _Guard:
    """An attribute's value at the end of a recording, and whether it is that now."""

    __slots__ = ("expected", "holds", "is_container", "key", "name", "owner", "users")

    def __init__(self, owner: Tracked, name: str) -> None:
        self.owner = weakref.ref(owner)
        self.name = name
        self.key = (id(owner), name)
        value = vars(owner).get(name, _MISSING)
        self.expected = _summary(value)
        self.is_container = _may_change_in_place(value)
        self.holds = True
        # The entries that have it.
        self.users = 0

    def check(self) -> bool:
        owner = self.owner()
        if owner is None:
            self.holds = False
        else:
            watchers = owner._watchers or {}
            # Recorded code itself changes it: nothing can depend on its value.
            is_volatile = watchers.get(self.name, _MISSING) is None
            self.holds = is_volatile or _summary(vars(owner).get(self.name, _MISSING)) == self.expected
        return self.holds


class _Entry:
    used = 0

    def __init__(self, key: Hashable, program: Any, guards: list[_Guard]) -> None:
        self.key = key
        self.program = program
        self.guards = guards
        # Those of attributes that can change without being set.
        self.containers = [guard for guard in guards if guard.is_container]

    def has_owner(self, owner: int) -> bool:
        return any(guard.key[0] == owner for guard in self.guards)

    def may_be_valid(self) -> bool:
        return all(guard.owner() is not None for guard in self.guards)

    def has_same_containers(self) -> bool:
        return not self.containers or all([guard.check() for guard in self.containers])

    def is_valid(self) -> bool:
        return self.has_same_containers() and all(guard.holds for guard in self.guards)


class _Same:
    """An object that is compared by what it is, and not kept alive where that can be helped."""

    __slots__ = ("_referent",)

    def __init__(self, value: Any) -> None:
        try:
            self._referent: Callable[[], Any] = weakref.ref(value)
        except TypeError:
            self._referent = lambda: value

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _Same):
            return False
        mine = self._referent()
        return mine is not None and mine is other._referent()

    __hash__ = None  # type: ignore[assignment]


# Of these, equal values are the same to a program; most attributes are of one of them.
_COMPARED = frozenset({bool, bytes, int, str, type(None)})


def _summary(value: Any) -> Any:
    """Something that equals another value's summary where a program recorded with one serves the other."""
    cls = type(value)
    if cls in _COMPARED:
        return (cls, value)
    if issubclass(cls, Tracked):
        return _Same(value)
    if isinstance(value, (float, complex, np.generic)):
        # So that NaN equals itself, and 0.0 is not -0.0.
        return (type(value), repr(value))
    if isinstance(value, (list, tuple, set, frozenset, deque)):
        # A set that nobody changes keeps its order.
        return (type(value), [_summary(item) for item in value])
    if isinstance(value, dict):
        return (type(value), [(_summary(key), _summary(item)) for key, item in value.items()])
    if isinstance(value, np.ndarray) and value.size <= _LARGEST_COMPARED and value.dtype.kind in "biuf":
        return (np.ndarray, value.shape, value.dtype, value.tobytes())
    return _Same(value)


def _may_change_in_place(value: Any) -> bool:
    """Whether a list, set, dictionary or array is in the value; lists of variables stay as they are."""
    if type(value) in _COMPARED or isinstance(value, Tracked):
        return False
    if isinstance(value, (list, dict, set, deque)):
        return not value or not all(isinstance(item, Variable) for item in value)
    if isinstance(value, tuple):
        return any(map(_may_change_in_place, value))
    return isinstance(value, np.ndarray)
