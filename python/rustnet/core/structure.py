"""Nested lists, tuples and dicts of tensors: flatten, map, pack."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any


def flatten(structure: Any) -> list[Any]:
    """The leaves in order; dicts by sorted key. `None` is a leaf."""
    if not isinstance(structure, (dict, list, tuple)):
        return [structure]
    leaves: list[Any] = []
    _collect(structure, leaves)
    return leaves


def _collect(structure: Any, leaves: list[Any]) -> None:
    if isinstance(structure, dict):
        for key in keys(structure):
            _collect(structure[key], leaves)
    elif isinstance(structure, (list, tuple)):
        for item in structure:
            _collect(item, leaves)
    else:
        leaves.append(structure)


def map_structure(function: Callable[[Any], Any], structure: Any) -> Any:
    """The same nesting with `function` applied to every leaf."""
    return pack(structure, map(function, flatten(structure)))


def pack(structure: Any, leaves: Iterable[Any]) -> Any:
    """The nesting of `structure` filled with `leaves`."""
    return _fill(structure, iter(leaves))


def _fill(structure: Any, leaves: Iterator[Any]) -> Any:
    if isinstance(structure, dict):
        filled = {key: _fill(structure[key], leaves) for key in keys(structure)}
        return {key: filled[key] for key in structure}
    if isinstance(structure, (list, tuple)):
        items = [_fill(item, leaves) for item in structure]
        if isinstance(structure, list):
            return items
        return type(structure)(*items) if hasattr(structure, "_fields") else tuple(items)
    return next(leaves)


def keys(structure: Mapping[Any, Any]) -> list[Any]:
    """The keys of a dictionary in the order of `flatten`."""
    try:
        return sorted(structure)
    except TypeError:
        return list(structure)
