"""Losses, metrics, weights and targets paired with a model's outputs: by key or position, never by guess."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from rustnet.core import structure


class Outputs:
    """The nesting of a model's outputs, and what each of them is called.

    Arguments:
        outputs: the outputs, in their nesting.
        layer_names: of the layers behind them, in the order of `structure.flatten`; None where these are not
            known, as for a subclassed model.

    Attributes:
        names: of each output: its key where the outputs are one dictionary, else that of its layer, or None.
        paths: of each output, the keys and positions that lead to it.
    """

    def __init__(self, outputs: Any, layer_names: list[str] | None) -> None:
        self.nesting = structure.map_structure(lambda _: None, outputs)
        self.leaves = structure.flatten(outputs)
        self.paths = list(_paths(self.nesting))
        self._layer_names: list[str | None] = [None] * len(self.leaves)
        if layer_names is not None and len(layer_names) == len(self.leaves):
            self._layer_names = list(layer_names)
        self.names = self._layer_names
        if isinstance(outputs, Mapping) and len(outputs) == len(self.leaves) > 1:
            self.names = [str(path[0]) for path in self.paths]

    def __len__(self) -> int:
        return len(self.leaves)

    def __str__(self) -> str:
        """For an error: what somebody may refer to."""
        return repr(structure.pack(self.nesting, [name or "an output" for name in self.names]))

    def loss_name(self, index: int, loss_name: str) -> str:
        """What Keras calls an output's own loss: its path, where a last position is the layer's name.

        An output that has no name gets that of its loss.
        """
        *path, last = self.paths[index] or (0,)
        if isinstance(last, int):
            last = self._layer_names[index] or loss_name
        return "/".join(map(str, [*path, last])) + "_loss"

    @property
    def has_keys(self) -> bool:
        """Whether a dictionary is among the nesting."""
        return _has_mapping(self.nesting)

    def align(self, value: Any, what: str, partial: bool = False, many: bool = False) -> list[Any]:
        """`value` as one item for each output: in the outputs' nesting, or by the names of their layers.

        Dictionaries go by key and lists by position. What stands for a single output may be alone or in a
        list or dictionary of one, and the items for nested lists in one list.

        Arguments:
            value: nested items; `None` is one, and anywhere it stands for all that is below.
            what: the argument's name, for errors.
            partial: whether keys may be missing; their items are None.
            many: whether an item may be a list, so that lists are not unpacked further than the outputs are.

        Raises:
            ValueError: an unknown or missing key, or another number of items.
        """
        if len(self) == 1:
            return [self._single(value, what, many)]
        if isinstance(value, Mapping) and not self.has_keys:
            return self._by_layer(value, what, partial)
        if isinstance(value, (list, tuple)) and not (many or self.has_keys) and len(value) == len(self):
            if not any(isinstance(item, (list, tuple, Mapping)) for item in value):
                return list(value)
        return list(self._walk(value, self.nesting, what, what, partial))

    def _single(self, value: Any, what: str, many: bool) -> Any:
        names = set(self.paths[0]) if self.has_keys else {self._layer_names[0]}
        while isinstance(value, Mapping if many else (list, tuple, Mapping)):
            if len(value) != 1:
                raise self._error(what, f"{what} for {len(value)}")
            if isinstance(value, Mapping):
                (key, value) = next(iter(value.items()))
                if key not in names:
                    raise self._error(what, f"{what} for {key!r}")
            else:
                value = value[0]
        return value

    def _by_layer(self, value: Mapping[Any, Any], what: str, partial: bool) -> list[Any]:
        names = self._layer_names
        twice = [name for name, count in Counter(names).items() if count > 1]
        if None in names or twice:
            raise ValueError(
                f"expected {what} as a list in the order of the outputs, which have no names of their own. "
                f"Received: {what} for {list(value)}"
            )
        self._check_keys(value, [str(name) for name in names], what, partial)
        return [value.get(name) for name in names]

    def _check_keys(self, value: Mapping[Any, Any], keys: list[Any], what: str, partial: bool) -> None:
        if any(key not in keys for key in value) or (not partial and any(key not in value for key in keys)):
            raise self._error(what, f"{what} for {list(value)}")

    def _walk(self, value: Any, nesting: Any, where: str, what: str, partial: bool) -> Iterator[Any]:
        if value is None:
            yield from [None] * len(structure.flatten(nesting))
        elif isinstance(nesting, Mapping):
            if not isinstance(value, Mapping):
                raise self._error(what, f"{where}={_described(value)}")
            self._check_keys(value, list(nesting), what, partial)
            for key in structure.keys(nesting):
                yield from self._walk(value.get(key), nesting[key], f"{where}[{key!r}]", what, partial)
        elif isinstance(nesting, (list, tuple)):
            if not isinstance(value, (list, tuple)):
                raise self._error(what, f"{where}={_described(value)}")
            if len(value) != len(nesting):
                raise self._error(what, f"{where} with {len(value)} items")
            for index, (item, one) in enumerate(zip(value, nesting, strict=True)):
                yield from self._walk(item, one, f"{where}[{index}]", what, partial)
        else:
            yield value

    def _error(self, what: str, received: str) -> ValueError:
        return ValueError(f"expected {what} for the outputs {self}. Received: {received}")


def _paths(nesting: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(nesting, Mapping):
        for key in structure.keys(nesting):
            yield from _paths(nesting[key], (*path, key))
    elif isinstance(nesting, (list, tuple)):
        for index, item in enumerate(nesting):
            yield from _paths(item, (*path, index))
    else:
        yield path


def _described(value: Any) -> str:
    if isinstance(value, (list, tuple, Mapping)):
        return f"a {type(value).__name__}"
    return "one array" if hasattr(value, "shape") else repr(value)


def _has_mapping(nesting: Any) -> bool:
    if isinstance(nesting, (list, tuple)):
        return any(map(_has_mapping, nesting))
    return isinstance(nesting, Mapping)
