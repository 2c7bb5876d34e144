"""Batches that arrive one by one: from a generator, or from an object with `__getitem__` and `__len__`."""

from __future__ import annotations

import types
from collections.abc import Iterator
from typing import Any

from rustnet.training.columns import Data, make_data


def is_stream(x: Any) -> bool:
    """True for a generator and for a sequence of batches that is no array, list or dictionary."""
    if isinstance(x, types.GeneratorType):
        return True
    is_container = isinstance(x, (list, tuple, dict, str)) or hasattr(x, "shape") or hasattr(x, "__array__")
    return not is_container and hasattr(x, "__getitem__") and hasattr(x, "__len__")


class Stream:
    """Batches `(x,)`, `(x, y)` or `(x, y, sample_weight)`, as an endless or finite series."""

    def __init__(self, source: Any, class_weight: Any = None) -> None:
        self._source = source
        self._class_weight = class_weight
        self._generator: Iterator[Any] | None = source if isinstance(source, types.GeneratorType) else None

    @property
    def steps(self) -> int | None:
        """The number of batches of a pass, `None` where a generator does not tell."""
        return None if self._generator is not None else len(self._source)

    def epoch(self, steps: int | None) -> Iterator[Data]:
        """The next `steps` batches, or one pass. A generator goes on where the last epoch left it."""
        if self._generator is None:
            total = len(self._source)
            for index in range(total if steps is None else steps):
                yield self._batch(self._source[index % total])
            if hasattr(self._source, "on_epoch_end"):
                self._source.on_epoch_end()
            return
        taken = 0
        while steps is None or taken < steps:
            try:
                batch = next(self._generator)
            except StopIteration:
                return
            yield self._batch(batch)
            taken += 1

    def _batch(self, batch: Any) -> Data:
        parts = batch if isinstance(batch, tuple) else (batch,)
        if not 1 <= len(parts) <= 3:
            raise ValueError(
                f"expected batches (x,), (x, y) or (x, y, sample_weight). Received: a tuple of {len(parts)}"
            )
        x, y, sample_weight = (*parts, None, None)[:3]
        return make_data(x, y, sample_weight, self._class_weight)
