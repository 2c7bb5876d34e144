"""The outputs of many batches as one array each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rustnet.training.columns import Array
from rustnet.training.step import Step


class Collected:
    """The outputs of a step, those of all batches joined along their first axis; scalars are listed.

    Arguments:
        rows: of all batches together; what is made room for at first.
    """

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self._arrays: list[Array] = []
        # How much of each is filled.
        self._filled: list[int] = []

    def places(self, step: Step, batches: int) -> list[Array]:
        """The parts of the arrays that the next `batches` batches go to."""
        shapes = _listed_shapes(step)
        if not self._filled:
            self._arrays = [
                np.empty((max(self._rows, size * batches), *rest), dtype)
                for (dtype, _), (size, *rest) in zip(step.types, shapes, strict=True)
            ]
            self._filled = [0] * len(shapes)
        else:
            _check_alike([array.shape for array in self._arrays], shapes)
        places = []
        for index, ((size, *rest), start) in enumerate(zip(shapes, self._filled, strict=True)):
            stop = start + size * batches
            if stop > len(self._arrays[index]):
                more = np.empty((stop - start, *rest), self._arrays[index].dtype)
                self._arrays[index] = np.concatenate([self._arrays[index][:start], more])
            places.append(self._arrays[index][start:stop])
        return places

    def take(self, step: Step, batches: int) -> list[Array]:
        """The parts that so many batches have filled since the last time."""
        starts = self._filled
        self._filled = [
            start + size * batches for start, (size, *_) in zip(starts, _listed_shapes(step), strict=True)
        ]
        return [
            array[start:stop] for array, start, stop in zip(self._arrays, starts, self._filled, strict=True)
        ]

    def arrays(self) -> list[Array]:
        """All that is filled."""
        return [array[:stop] for array, stop in zip(self._arrays, self._filled, strict=True)]


def joined(parts: Sequence[Array | None]) -> Array | None:
    """The same leaf of the outputs of several batches as one array; None where there is none."""
    arrays = [part for part in parts if part is not None]
    for array in arrays[1:]:
        _check_alike([arrays[0].shape], [array.shape])
    return np.concatenate(arrays) if arrays else None


def _listed_shapes(step: Step) -> list[Sequence[int]]:
    return [shape or [1] for _, shape in step.types]


def _check_alike(known: Sequence[Sequence[int]], shapes: Sequence[Sequence[int]]) -> None:
    if len(known) != len(shapes) or any(
        list(one[1:]) != list(other[1:]) for one, other in zip(known, shapes, strict=False)
    ):
        raise ValueError(
            "expected predict_step to return tensors that differ between batches in their first axis alone. "
            f"Received: {[tuple(shape) for shape in shapes]} after {[tuple(shape) for shape in known]}"
        )
