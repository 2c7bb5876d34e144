"""Products: matrix, inner, outer, and the Einstein sum."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from rustnet.core.convert import axis_of, cast, promoted, tensor
from rustnet.core.dtypes import is_float
from rustnet.core.operation import operation
from rustnet.core.tensors import TracedTensor
from rustnet.core.trace import record
from rustnet.ops.reduction import sum as reduce_sum
from rustnet.ops.shaping import broadcast_shapes, broadcast_to, moveaxis, reshape, transpose
from rustnet.ops.slicing import getitem

__all__ = [
    "diag",
    "diagonal",
    "dot",
    "einsum",
    "inner",
    "matmul",
    "outer",
    "tensordot",
    "trace",
    "vdot",
]


def _matmul(x1: TracedTensor, x2: TracedTensor) -> TracedTensor:
    if is_float(x1.dtype):
        return record("matmul", [x1, x2], transpose_a=False, transpose_b=False)
    stack = broadcast_shapes(x1.shape[:-2], x2.shape[:-2])
    operands = [broadcast_to(cast(x, "int32"), (*stack, *x.shape[-2:])) for x in (x1, x2)]
    return cast(record("integer_matmul", operands), x1.dtype)


@operation
def matmul(x1: Any, x2: Any) -> Any:
    """The matrix product over the last two axes; leading axes broadcast; vectors are rows or columns."""
    x1, x2 = promoted(x1, x2)
    if x1.ndim == 0 or x2.ndim == 0:
        raise ValueError(f"expected tensors of rank 1 or more. Received: shapes {x1.shape} and {x2.shape}")
    inner = x2.shape[-2] if x2.ndim > 1 else x2.shape[0]
    if x1.shape[-1] != inner:
        raise ValueError(
            f"expected the last size of x1 to be the second-last of x2. "
            f"Received: shapes {x1.shape} and {x2.shape}"
        )
    if x1.ndim == 1 or x2.ndim == 1:
        row = reshape(x1, (1, *x1.shape)) if x1.ndim == 1 else x1
        column = reshape(x2, (*x2.shape, 1)) if x2.ndim == 1 else x2
        product = _matmul(row, column)
        sizes = list(product.shape)
        if x2.ndim == 1:
            sizes.pop()
        if x1.ndim == 1:
            sizes.pop(len(product.shape) - 2)
        return reshape(product, sizes)
    if x1.ndim > 2 and x2.ndim == 2:
        # One large product instead of a batch of small ones.
        rows = reshape(x1, (math.prod(x1.shape[:-1]), x1.shape[-1]))
        return reshape(_matmul(rows, x2), (*x1.shape[:-1], x2.shape[-1]))
    return _matmul(x1, x2)


@operation
def dot(x1: Any, x2: Any) -> Any:
    """The sum product over the last axis of `x1` and the second-last (or only) axis of `x2`."""
    x1, x2 = promoted(x1, x2)
    if x1.ndim == 0 or x2.ndim == 0:
        return x1 * x2
    return tensordot(x1, x2, [[x1.ndim - 1], [max(x2.ndim - 2, 0)]])


@operation
def tensordot(x1: Any, x2: Any, axes: Any = 2) -> Any:
    """The sum product over the last `axes` axes of `x1` and the first of `x2`, or over two lists of axes."""
    x1, x2 = promoted(x1, x2)
    if isinstance(axes, int):
        if axes < 0:
            raise ValueError(f"expected a number of axes of 0 or more. Received: axes={axes}")
        first, second = list(range(x1.ndim - axes, x1.ndim)), list(range(axes))
    else:
        first, second = ([one] if isinstance(one, int) else list(one) for one in axes)
    first = [axis_of(axis, x1.ndim, "axes") for axis in first]
    second = [axis_of(axis, x2.ndim, "axes") for axis in second]
    if [x1.shape[axis] for axis in first] != [x2.shape[axis] for axis in second]:
        raise ValueError(
            f"expected equal sizes along the summed axes. "
            f"Received: shapes {x1.shape} and {x2.shape}, axes={axes}"
        )
    kept1 = [axis for axis in range(x1.ndim) if axis not in first]
    kept2 = [axis for axis in range(x2.ndim) if axis not in second]
    inner = math.prod(x1.shape[axis] for axis in first)
    rows = math.prod(x1.shape[axis] for axis in kept1)
    columns = math.prod(x2.shape[axis] for axis in kept2)
    left = reshape(transpose(x1, kept1 + first), (rows, inner))
    right = reshape(transpose(x2, second + kept2), (inner, columns))
    sizes = [x1.shape[axis] for axis in kept1] + [x2.shape[axis] for axis in kept2]
    return reshape(_matmul(left, right), sizes)


@operation
def inner(x1: Any, x2: Any) -> Any:
    """The sum product over the last axes."""
    x1, x2 = promoted(x1, x2)
    return x1 * x2 if x1.ndim == 0 or x2.ndim == 0 else tensordot(x1, x2, [[-1], [-1]])


@operation
def outer(x1: Any, x2: Any) -> Any:
    """Every product of an element of `x1` and one of `x2`, both flattened."""
    x1, x2 = promoted(x1, x2)
    return reshape(x1, (-1, 1)) * reshape(x2, (1, -1))


@operation
def einsum(subscripts: str, *operands: Any) -> Any:
    """The Einstein sum, e.g. `einsum("bij,bjk->bik", x, y)`; a letter twice in an operand is its diagonal."""
    inputs, output = _parse(subscripts, [tensor(one).ndim for one in operands])
    tensors = promoted(*operands)
    for place, labels in enumerate(inputs):
        inputs[place], tensors[place] = _on_diagonals(labels, tensors[place], subscripts)
    sizes: dict[str, int] = {}
    for labels, one in zip(inputs, tensors, strict=True):
        for label, size in zip(labels, one.shape, strict=True):
            if sizes.setdefault(label, size) != size:
                raise ValueError(
                    f"expected one size for {label!r} in {subscripts!r}. Received: {sizes[label]} and {size}"
                )
    labels, result = inputs[0], tensors[0]
    for index in range(1, len(tensors)):
        needed = set(output).union(*inputs[index + 1 :])
        labels, result = _contract(labels, result, inputs[index], tensors[index], needed)
    result, labels = _sum_out(result, labels, set(output))
    return transpose(result, [labels.index(label) for label in output])


def _parse(subscripts: str, ranks: list[int]) -> tuple[list[str], str]:
    """The labels of each operand and of the output, with `...` written out as capital letters."""
    left, arrow, right = subscripts.replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) != len(ranks):
        raise ValueError(f"expected {len(terms)} operands for {subscripts!r}. Received: {len(ranks)}")
    spare = [letter for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ" if letter not in subscripts]
    longest = ""
    inputs = []
    for term, rank in zip(terms, ranks, strict=True):
        width = rank - len(term.replace("...", ""))
        if width < 0 or (width and "..." not in term):
            raise ValueError(f"expected {term!r} to label {rank} axes. Received: {subscripts!r}")
        filled = "".join(spare[:width])
        longest = max(longest, filled, key=len)
        inputs.append(term.replace("...", filled))
    if arrow:
        output = right.replace("...", longest)
        if len(set(output)) != len(output) or not set(output) <= set("".join(inputs)):
            raise ValueError(
                f"expected labels of operands, each once, behind the arrow. Received: {subscripts!r}"
            )
        return inputs, output
    everything = "".join(inputs)
    return inputs, longest + "".join(
        sorted(label for label in set(everything) if everything.count(label) == 1 and label not in longest)
    )


def _on_diagonals(labels: str, x: TracedTensor, subscripts: str) -> tuple[str, TracedTensor]:
    """The operand with each label once: where one stands twice, the diagonal of its axes."""
    for label in labels:
        while labels.count(label) > 1:
            first = labels.index(label)
            second = labels.index(label, first + 1)
            if x.shape[first] != x.shape[second]:
                raise ValueError(
                    f"expected one size for {label!r} in {subscripts!r}. "
                    f"Received: {x.shape[first]} and {x.shape[second]}"
                )
            x = diagonal(x, 0, first, second)
            labels = labels[:first] + labels[first + 1 : second] + labels[second + 1 :] + label
    return labels, x


def _sum_out(x: TracedTensor, labels: str, needed: set[str]) -> tuple[TracedTensor, str]:
    axes = [axis for axis, label in enumerate(labels) if label not in needed]
    if not axes:
        return x, labels
    return reduce_sum(x, axes), "".join(label for label in labels if label in needed)


def _contract(
    labels1: str, x1: TracedTensor, labels2: str, x2: TracedTensor, needed: set[str]
) -> tuple[str, TracedTensor]:
    x1, labels1 = _sum_out(x1, labels1, needed | set(labels2))
    x2, labels2 = _sum_out(x2, labels2, needed | set(labels1))
    shared = [label for label in labels1 if label in labels2]
    batch = [label for label in shared if label in needed]
    summed = [label for label in shared if label not in needed]
    rows = [label for label in labels1 if label not in shared]
    columns = [label for label in labels2 if label not in shared]
    sizes = dict(zip(labels1 + labels2, x1.shape + x2.shape, strict=True))

    def matrix(x: TracedTensor, labels: str, first: list[str], second: list[str]) -> TracedTensor:
        ordered = transpose(x, [labels.index(label) for label in batch + first + second])
        return reshape(ordered, [sizes[label] for label in batch] + [count(first), count(second)])

    def count(labels: list[str]) -> int:
        return math.prod(sizes[label] for label in labels)

    product = _matmul(matrix(x1, labels1, rows, summed), matrix(x2, labels2, summed, columns))
    order = batch + rows + columns
    return "".join(order), reshape(product, [sizes[label] for label in order])


@operation
def vdot(x1: Any, x2: Any) -> Any:
    """The sum product of two tensors, flattened."""
    return dot(reshape(x1, (-1,)), reshape(x2, (-1,)))


@operation
def diagonal(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """The diagonal over two axes, as the last axis."""
    x = moveaxis(tensor(x), (axis1, axis2), (-2, -1))
    rows, columns = x.shape[-2:]
    start, length = (
        (offset, min(rows, columns - offset))
        if offset >= 0
        else (-offset * columns, min(rows + offset, columns))
    )
    flat = reshape(x, (*x.shape[:-2], rows * columns))
    return getitem(
        flat, (Ellipsis, slice(start, start + max(length, 0) * (columns + 1) - columns, columns + 1))
    )


@operation
def trace(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """The sum of the diagonal over two axes."""
    return reduce_sum(diagonal(x, offset, axis1, axis2), -1)


@operation
def diag(x: Any, k: int = 0) -> Any:
    """A matrix with the vector `x` on its `k`-th diagonal, or the diagonal of a matrix."""
    x = tensor(x)
    if x.ndim not in (1, 2):
        raise ValueError(f"expected a vector or a matrix. Received: shape={x.shape}")
    if x.ndim == 2:
        return diagonal(x, k)
    length = x.shape[0] + abs(k)
    column = record("pad", [x], before=[max(-k, 0)], after=[max(k, 0)], value=0.0)
    column = reshape(column, (length, 1))
    # Selected: a product with zeros keeps NaN.
    inside = tensor(np.eye(length, k=k, dtype=bool))
    return record("select", [inside, column, tensor(0, x.dtype)])
