"""Indexing: `x[...]` with integers, slices, `None`, `...` and one index tensor; slices by start and size."""

from __future__ import annotations

import builtins
from typing import Any

import numpy as np

from rustnet.core.convert import as_ints, is_tensor, tensor
from rustnet.core.operation import operation
from rustnet.core.tensors import TracedTensor
from rustnet.core.trace import record
from rustnet.ops.gather import take
from rustnet.ops.shaping import reshape

__all__ = [
    "getitem",
    "slice",
    "slice_update",
]


@operation
def getitem(x: Any, key: Any) -> Any:
    """`x[key]` as in NumPy; an index tensor or list selects rows of its axis."""
    x = tensor(x)
    entries = _with_all_axes(key if isinstance(key, tuple) else (key,), x)
    starts, stops, steps = [0] * x.ndim, list(x.shape), [1] * x.ndim
    sizes: list[int] = []  # of the result, before index tensors are applied
    gathers: list[tuple[int, Any]] = []  # (axis of the result, indices)
    axis = 0
    for entry in entries:
        if entry is None:
            sizes.append(1)
            continue
        length = x.shape[axis]
        if isinstance(entry, builtins.slice):
            starts[axis], stops[axis], steps[axis] = entry.indices(length)
            sizes.append(len(range(*entry.indices(length))))
        elif _is_integer(entry):
            index = entry.__index__()
            if not -length <= index < length:
                raise IndexError(
                    f"expected an index in [{-length}, {length}) for axis {axis}. Received: {index}"
                )
            starts[axis], stops[axis] = index % length, index % length + 1
        else:
            gathers.append((len(sizes), entry))
            sizes.append(length)
        axis += 1
    if starts != [0] * x.ndim or stops != list(x.shape) or steps != [1] * x.ndim:
        x = _slice(x, starts, stops, steps)
    x = reshape(x, sizes)
    for place, indices in gathers:
        x = take(x, indices, place)
    return x


def _with_all_axes(key: tuple[Any, ...], x: TracedTensor) -> list[Any]:
    """The key with `...` and the trailing axes written out."""
    entries: list[Any] = []
    used = sum(1 for entry in key if entry is not None and entry is not Ellipsis)
    if used > x.ndim or sum(entry is Ellipsis for entry in key) > 1:
        raise IndexError(
            f"expected at most {x.ndim} indices for shape {x.shape}. Received: {len(key)} indices"
        )
    gathers = 0
    for entry in key:
        if entry is Ellipsis:
            entries += [builtins.slice(None)] * (x.ndim - used)
            used = x.ndim
            continue
        if isinstance(entry, bool) or getattr(entry, "dtype", None) in ("bool", np.dtype(bool)):
            raise IndexError("expected no mask as an index: shapes must not depend on values (use ops.where)")
        if entry is not None and not isinstance(entry, builtins.slice) and not _is_integer(entry):
            gathers += 1
        entries.append(entry)
    if gathers > 1:
        raise IndexError("expected at most one index tensor; use ops.take_along_axis. Received: more")
    return entries + [builtins.slice(None)] * (x.ndim - used)


def _is_integer(entry: Any) -> bool:
    if is_tensor(entry) or isinstance(entry, (list, np.ndarray)):
        return False
    if not hasattr(entry, "__index__"):
        raise IndexError(f"expected integers, slices, None, ... or an index tensor. Received: {entry!r}")
    return True


def _slice(x: TracedTensor, starts: list[int], stops: list[int], steps: list[int]) -> TracedTensor:
    return record("slice", [x], starts=starts, stops=stops, steps=steps)


@operation
def slice(inputs: Any, start_indices: Any, shape: Any) -> Any:
    """The block of the given shape that starts at `start_indices`."""
    x = tensor(inputs)
    starts, sizes = as_ints(start_indices, "start_indices"), as_ints(shape, "shape")
    stops = [start + size for start, size in zip(starts, sizes, strict=True)]
    fits = len(starts) == x.ndim and all(
        0 <= start <= stop <= size for start, stop, size in zip(starts, stops, x.shape, strict=True)
    )
    if not fits:
        raise ValueError(
            f"expected a block inside a tensor of shape {x.shape}. "
            f"Received: start_indices={start_indices}, shape={shape}"
        )
    return _slice(x, starts, stops, [1] * x.ndim)


@operation
def slice_update(inputs: Any, start_indices: Any, updates: Any) -> Any:
    """`inputs` with a block replaced by `updates`, starting at `start_indices`."""
    x = tensor(inputs)
    updates = tensor(updates, x.dtype)
    before = as_ints(start_indices, "start_indices")
    after = [
        size - start - length for size, start, length in zip(x.shape, before, updates.shape, strict=True)
    ]
    if min([*before, *after, 0]) < 0:
        raise ValueError(
            f"expected the updates inside a tensor of shape {x.shape}. "
            f"Received: start_indices={start_indices}, updates.shape={updates.shape}"
        )
    inside = np.pad(np.ones(updates.shape, bool), list(zip(before, after, strict=True)))
    padded = record("pad", [updates], before=before, after=after, value=0.0)
    return record("select", [tensor(inside), padded, x])
