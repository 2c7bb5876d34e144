"""Which rows of the user's arrays an epoch takes, and in which order."""

from __future__ import annotations

from typing import Any, NamedTuple

from rustnet import _core
from rustnet.training import arguments
from rustnet.training.columns import Data


class Part(NamedTuple):
    """The rows `start` to `stop` of an order (None for as they lie)."""

    order: Any
    start: int
    stop: int


class Rows:
    """Epochs over arrays: all rows, or `steps` batches that go on where the epoch before stopped.

    Arguments:
        data: the arrays.
        batch_size: None for 32, or for so many rows that `steps` batches are all of them.
        steps: batches an epoch; None for all.
        seed: of the order of the rows, new in each pass; None for as they lie.
    """

    def __init__(self, data: Data, batch_size: Any, steps: int | None, seed: int | None = None) -> None:
        arguments.no_rows(data.rows)
        self.data = data
        self.batch_size = arguments.batch_size_for(batch_size, steps, data.rows)
        self._asked = steps
        # What a progress bar counts to.
        self.steps = self._asked or -(-data.rows // self.batch_size)
        self._seed = seed
        self._order: Any = None
        self._next = 0

    def epoch(self, index: int) -> Part:
        """The rows of the epoch of this index; the order of a new pass follows from it."""
        start = self._next
        if start == 0 and self._seed is not None:
            self._order = _core.permutation(self.data.rows, self._seed, index)
        stop = self.data.rows
        if self._asked is not None:
            stop = min(start + self._asked * self.batch_size, stop)
            batches = -(-(stop - start) // self.batch_size)
            if batches < self._asked:
                arguments.ran_out(batches, self._asked)
        self._next = stop % self.data.rows
        return Part(self._order, start, stop)
