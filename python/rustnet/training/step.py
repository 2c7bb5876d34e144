"""A step: any function of a batch, recorded into a program."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rustnet import _core
from rustnet.core import structure
from rustnet.core.convert import tensor
from rustnet.core.tensors import TracedTensor
from rustnet.core.trace import Trace
from rustnet.core.variable import Variable
from rustnet.training.columns import Array, Data, engine_dtype


class Step:
    """A recorded function of a batch.

    Attributes:
        program: computes the tensors that the function returned, and updates the variables that it assigned.
        nesting: what the function returned, None in the place of each leaf.
    """

    def __init__(self, program: _core.Program, returned: Any) -> None:
        self.program = program
        self.nesting = structure.map_structure(lambda _: None, returned)
        leaves = structure.flatten(returned)
        # The leaves that are no tensors, by their place; None where all are tensors.
        plain = {index: leaf for index, leaf in enumerate(leaves) if not isinstance(leaf, TracedTensor)}
        self._plain = plain or None
        self._count = len(leaves)
        # Dtype and shape of each tensor.
        self.types = program.output_types

    def new_outputs(self) -> list[Array]:
        """Arrays for the tensors that one batch gives."""
        return self.program.new_outputs() if self.types else []

    def returned(self, arrays: list[Any]) -> Any:
        """What the function returned, with these arrays in the places of its tensors."""
        if self.nesting is None and not self.types:
            return None
        if self._plain is None:
            return structure.pack(self.nesting, arrays)
        values = iter(arrays)
        plain = self._plain
        leaves = [plain[index] if index in plain else next(values) for index in range(self._count)]
        return structure.pack(self.nesting, leaves)


def record_step(trace: Trace, function: Callable[[Any], Any], data: Any) -> Step:
    """Records a function of a batch whose arrays are arguments of the program, see `arguments_of`."""
    returned = function(data)
    # The present value of a variable is what the step leaves in it.
    returned = structure.map_structure(
        lambda leaf: tensor(leaf) if isinstance(leaf, Variable) else leaf, returned
    )
    leaves = structure.flatten(returned)
    return Step(trace.compile([leaf for leaf in leaves if isinstance(leaf, TracedTensor)]), returned)


def arguments_of(trace: Trace, data: Data, rows: int, dtypes: list[str | None], takes_float64: bool) -> Any:
    """A batch as arguments of the program: `rows` rows of each array, or all of it where it has no rows.

    Arguments:
        dtypes: what the first arrays are wanted in, None for the dtypes of the arrays themselves.
        takes_float64: whether float64 numbers are taken as they are, and not as `floatx()`.
    """
    wanted = iter(dtypes)

    def argument(array: Array | None) -> Any:
        dtype = next(wanted, None)
        if array is None:
            return None
        shape = (rows, *array.shape[1:]) if data.has_rows else array.shape
        return trace.input(dtype or engine_dtype(array, takes_float64), shape)

    return structure.map_structure(argument, data.nested)
