"""The dtype in which the operands of an op meet."""

from __future__ import annotations

from typing import Any

import numpy as np

from rustnet.core import structure
from rustnet.core.arrays import as_array
from rustnet.core.dtypes import ORDER, array_dtype, floatx


def result_dtype(*values: Any) -> str:
    """The dtype in which mixed operands meet. Python scalars give way to tensors, as in Keras."""
    strong = [0]
    weak = 0
    for value in values:
        if isinstance(value, bool):
            continue
        if isinstance(value, int):
            weak = max(weak, 1)
        elif isinstance(value, float):
            weak = 2
        else:
            strong.append(ORDER.index(dtype_of(value)))
    strongest = max(strong)
    if strongest >= weak:
        return ORDER[strongest]
    return "int32" if weak == 1 else floatx()


def dtype_of(value: Any) -> str:
    """The engine's dtype of a tensor, variable, array, array-like or scalar."""
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        return "int32"
    if isinstance(value, float):
        return floatx()
    dtype = getattr(value, "dtype", None)
    if isinstance(dtype, str):
        return dtype
    if isinstance(dtype, np.dtype):
        return array_dtype(dtype)
    if isinstance(value, (list, tuple)):
        leaves = structure.flatten(value)
        if any(isinstance(getattr(leaf, "dtype", None), str) for leaf in leaves):
            # Tensors among them, of which a traced one has no values to make an array from.
            return result_dtype(*leaves)
    return as_array(value).dtype.name
