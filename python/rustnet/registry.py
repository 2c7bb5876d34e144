"""Names of objects: finding a loss or an optimizer by its string, and writing one as a dictionary."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

from rustnet.core.naming import to_snake_case

_custom_objects: ContextVar[Mapping[str, Any]] = ContextVar("custom_objects")


def custom_objects() -> Mapping[str, Any]:
    """The classes and functions of the user that names stand for at present."""
    return _custom_objects.get({})


@contextmanager
def custom_objects_of(objects: Mapping[str, Any] | None) -> Iterator[None]:
    """Further classes and functions by name, for what is made from configurations meanwhile."""
    token = _custom_objects.set({**custom_objects(), **(objects or {})})
    try:
        yield
    finally:
        _custom_objects.reset(token)


class Registry:
    """The objects of one kind (`"loss"`, `"optimizer"`, ...), by name.

    Arguments:
        kind: the kind's name, for error messages.
        base: the class that instances of this kind descend from, or None where any callable will do.
        objects: classes and functions; each is known by its own name, and a class by its snake_case name too.
        aliases: further names.
        case_sensitive: False where `"Adam"`, `"adam"` and `"ADAM"` are one name.
    """

    def __init__(
        self,
        kind: str,
        base: type | None,
        objects: Iterable[Callable[..., Any]],
        aliases: Mapping[str, Callable[..., Any]] | None = None,
        case_sensitive: bool = True,
    ) -> None:
        self.kind = kind
        self.base = base
        self.fold: Callable[[str], str] = str if case_sensitive else str.lower
        self.objects: dict[str, Callable[..., Any]] = {}
        entries = list(objects)
        # Functions come last: "binary_crossentropy" is the function, "BinaryCrossentropy" the class.
        for entry in sorted(entries, key=lambda entry: not isinstance(entry, type)):
            name = getattr(entry, "__name__", "")
            self.objects[self.fold(name)] = entry
            if isinstance(entry, type):
                self.objects[self.fold(to_snake_case(name))] = entry
        self.objects.update({self.fold(name): entry for name, entry in (aliases or {}).items()})

    def find(self, name: str, custom_objects: Mapping[str, Any] | None = None) -> Callable[..., Any]:
        """The class or function called `name`; ValueError with the nearest names where there is none."""
        custom = {**_custom_objects.get({}), **(custom_objects or {})}
        found = custom[name] if name in custom else self.objects.get(self.fold(name))
        if found is not None:
            return found
        near = difflib.get_close_matches(self.fold(name), self.objects, n=3, cutoff=0.6)
        hint = f" Did you mean {' or '.join(repr(other) for other in near)}?" if near else ""
        raise ValueError(f"expected a known {self.kind}.{hint} Received: {self.kind}={name!r}")

    def get(self, identifier: Any) -> Any:
        """None, a name, a configuration, a class, a function or an instance -> a function or an instance."""
        if identifier is None:
            return None
        if isinstance(identifier, Mapping):
            return self.deserialize(identifier)
        if isinstance(identifier, str):
            identifier = self.find(identifier)
        if isinstance(identifier, type):
            identifier = identifier()
        if not (callable(identifier) or (self.base is not None and isinstance(identifier, self.base))):
            raise ValueError(
                f"expected a {self.kind}: a name, a configuration, a class, an instance or a function. "
                f"Received: {identifier!r} of type {type(identifier).__name__}"
            )
        return identifier

    def serialize(self, value: Any) -> Any:
        """The inverse of `get`: a dictionary for an instance, a name for a function."""
        return serialize(value)

    def deserialize(self, config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
        """What `serialize` wrote; `custom_objects` names the classes and functions of the user."""
        if isinstance(config, str):
            return self.get(self.find(config, custom_objects))
        if not isinstance(config, Mapping) or "class_name" not in config:
            raise ValueError(
                f"expected the configuration of a {self.kind}: a dictionary with 'class_name' and 'config'. "
                f"Received: {config!r}"
            )
        if config["class_name"] == "function":
            return self.find(str(config["config"]), custom_objects)
        found: Any = self.find(str(config["class_name"]), custom_objects)
        arguments = config.get("config") or {}
        return found.from_config(dict(arguments)) if hasattr(found, "from_config") else found(**arguments)


def serialize(value: Any) -> Any:
    """A plain value that `Registry.deserialize` turns back into `value`.

    Objects with `get_config` become `{"module", "class_name", "config", "registered_name"}`, functions their
    name, arrays and NumPy scalars lists and numbers; plain values stay as they are.
    """
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, (list, tuple)):
        return [serialize(item) for item in value]
    if isinstance(value, Mapping):
        return {key: serialize(item) for key, item in value.items()}
    if hasattr(value, "get_config"):
        module = _public_module(type(value))
        return {
            "module": module,
            "class_name": type(value).__name__,
            "config": serialize(value.get_config()),
            "registered_name": None if module.startswith("rustnet.") else type(value).__name__,
        }
    if isinstance(value, type):
        return value.__name__
    name = getattr(value, "__name__", "<lambda>")
    if name != "<lambda>":
        module = str(getattr(value, "__module__", None))
        # Functions of this package are known by name.
        return name if module.startswith("rustnet.") else _described_function(module, name)
    raise ValueError(
        "expected a value with a configuration: a plain value, an object with `get_config` or a function "
        f"with a name. Received: {value!r} of type {type(value).__name__}"
    )


def _described_function(module: str, name: str) -> dict[str, Any]:
    return {"module": module, "class_name": "function", "config": name, "registered_name": name}


def _public_module(cls: type) -> str:
    """Where users find a class of this package; else the module that defines it."""
    public = ".".join(cls.__module__.split(".")[:2])
    is_public = public.startswith("rustnet.") and getattr(sys.modules.get(public), cls.__name__, None) is cls
    return public if is_public else cls.__module__
