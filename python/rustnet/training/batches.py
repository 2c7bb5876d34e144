"""Batches that arrive one by one: from a generator, or from an object that gives them again and again."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from rustnet.training.arguments import ran_out
from rustnet.training.columns import Data, make_batch, make_data

_END = object()
# So many batches of a generator are kept, for a pass that begins when it has run out.
_KEPT = 2


def is_stream(x: Any) -> bool:
    """True for what gives batches: a generator or other iterator, a sequence of batches, an iterable.

    Arrays, tensors, data frames, lists, tuples and dictionaries are data themselves.
    """
    if isinstance(x, (list, tuple, Mapping, str, bytes)) or hasattr(x, "shape") or hasattr(x, "__array__"):
        return False
    return hasattr(x, "__iter__") or _is_sequence(x)


def _is_sequence(x: Any) -> bool:
    return hasattr(x, "__getitem__") and hasattr(x, "__len__")


class Stream:
    """Batches `(x,)`, `(x, y)` or `(x, y, sample_weight)`, of which an epoch takes a pass or some steps.

    A sequence (`__getitem__` and `__len__`) and an iterable begin again as often as they are asked. A
    generator cannot: once it has run out, a pass is what was kept, its first two batches, with a warning.

    Arguments:
        source: a generator, iterator, sequence or iterable.
        class_weight: as in `fit`.
        seed: for an order of a sequence's batches that is new in each pass; None for as they are.
        any_nesting: whether a batch may be anything else too, for a step of the user's own.
    """

    def __init__(
        self,
        source: Any,
        class_weight: Any = None,
        seed: int | None = None,
        any_nesting: bool = False,
    ) -> None:
        self._source = source
        self._class_weight = class_weight
        self._any_nesting = any_nesting
        self._is_sequence = _is_sequence(source)
        # The number of batches of a pass, `None` where the source does not tell.
        self.steps: int | None = len(source) if hasattr(source, "__len__") else None
        self._orders = None if seed is None else np.random.default_rng(seed)
        self._current: Iterator[Any] | None = None
        self._seen = 0
        # Of a generator, which gives each batch once: the first batches, those to come, and whether it ended.
        self._kept: list[Any] = []
        self._rest: Iterator[Any] | None = None
        if not self._is_sequence and not hasattr(source, "__len__"):
            iterator = iter(source)
            if iterator is source:
                self._rest = self._keeping_first(iterator)
        self._has_ended = False

    def first(self) -> Data:
        """The first batch, which is given again when the first epoch begins."""
        if self._rest is not None:
            if not self._kept:
                next(self._rest, None)
            batches = self._kept[:1]
        else:
            batches = [self._source[0]] if self._is_sequence and self.steps else []
            if not self._is_sequence:
                batches = list(itertools.islice(self._source, 1))
        if not batches:
            raise self._empty()
        return self._batch(batches[0])

    def epoch(self, steps: int | None, goes_on: bool = False) -> Iterator[Data]:
        """The next `steps` batches, or a whole pass; `goes_on` from where the epoch before stopped."""
        self._hook("on_epoch_begin")
        if steps is None or not goes_on or self._current is None:
            self._begin()
        taken = 0
        while steps is None or taken < steps:
            batch = next(self._current or iter(()), _END)
            if batch is not _END:
                taken += 1
                self._seen += 1
                yield self._batch(batch)
                continue
            if self._seen == 0:
                raise self._empty()
            if (taken or self._rest is not None) and (steps is not None or self._has_ended):
                ran_out(taken, steps)
            self._has_ended = self._rest is not None
            if taken:
                self._current = None
                break
            # The epoch before ended with the last batch.
            self._begin()
        if self._seen == self.steps:
            self._current = None
        self._hook("on_epoch_end")

    def _begin(self) -> None:
        self._seen = 0
        if self._rest is not None:
            self._current = itertools.chain(list(self._kept), self._rest)
        elif self._is_sequence:
            count = self.steps or 0
            order = range(count) if self._orders is None else map(int, self._orders.permutation(count))
            self._current = map(self._source.__getitem__, order)
        else:
            self._current = iter(self._source)

    def _keeping_first(self, iterator: Iterator[Any]) -> Iterator[Any]:
        for batch in iterator:
            if len(self._kept) < _KEPT:
                self._kept.append(batch)
            yield batch

    def _hook(self, name: str) -> None:
        """What a sequence wants to do between epochs."""
        if self._is_sequence and hasattr(self._source, name):
            getattr(self._source, name)()

    def _empty(self) -> ValueError:
        return ValueError(
            f"expected at least one batch. Received: {type(self._source).__name__} that gives none"
        )

    def _batch(self, batch: Any) -> Data:
        if self._is_sequence and isinstance(batch, list):
            batch = tuple(batch)
        if self._any_nesting and self._class_weight is None:
            return make_batch(batch)
        parts = batch if isinstance(batch, tuple) else (batch,)
        if not 1 <= len(parts) <= 3 or parts[0] is None:
            received = "a batch without x" if 1 <= len(parts) <= 3 else f"a tuple of {len(parts)}"
            raise ValueError(f"expected batches (x,), (x, y) or (x, y, sample_weight). Received: {received}")
        x, y, sample_weight = (*parts, None, None)[:3]
        data = make_data(x, y, sample_weight, self._class_weight)
        if data.rows == 0:
            raise ValueError("expected batches of at least one sample. Received: a batch x of 0 rows")
        return data
