"""Three kinds of tensors: concrete (with values), traced (in a graph), symbolic (in a functional model)."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

import numpy as np

from rustnet.core import late_binding, naming
from rustnet.core.arrays import as_array
from rustnet.core.dtypes import declared_dtype

if TYPE_CHECKING:
    from collections.abc import Iterator

Shape = tuple[int, ...]


class TensorOperators:
    """Python's operators, each the op of the same meaning."""

    # NumPy's operators give way to ours: array + tensor is a tensor.
    __array_priority__ = 1000.0
    __hash__ = object.__hash__

    def __add__(self, other: Any) -> Any:
        return late_binding.ops().add(self, other)

    def __radd__(self, other: Any) -> Any:
        return late_binding.ops().add(other, self)

    def __sub__(self, other: Any) -> Any:
        return late_binding.ops().subtract(self, other)

    def __rsub__(self, other: Any) -> Any:
        return late_binding.ops().subtract(other, self)

    def __mul__(self, other: Any) -> Any:
        return late_binding.ops().multiply(self, other)

    def __rmul__(self, other: Any) -> Any:
        return late_binding.ops().multiply(other, self)

    def __truediv__(self, other: Any) -> Any:
        return late_binding.ops().true_divide(self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return late_binding.ops().true_divide(other, self)

    def __floordiv__(self, other: Any) -> Any:
        return late_binding.ops().floor_divide(self, other)

    def __rfloordiv__(self, other: Any) -> Any:
        return late_binding.ops().floor_divide(other, self)

    def __mod__(self, other: Any) -> Any:
        return late_binding.ops().mod(self, other)

    def __rmod__(self, other: Any) -> Any:
        return late_binding.ops().mod(other, self)

    def __pow__(self, other: Any) -> Any:
        return late_binding.ops().power(self, other)

    def __rpow__(self, other: Any) -> Any:
        return late_binding.ops().power(other, self)

    def __matmul__(self, other: Any) -> Any:
        return late_binding.ops().matmul(self, other)

    def __rmatmul__(self, other: Any) -> Any:
        return late_binding.ops().matmul(other, self)

    def __neg__(self) -> Any:
        return late_binding.ops().negative(self)

    def __abs__(self) -> Any:
        return late_binding.ops().abs(self)

    def __eq__(self, other: object) -> Any:
        return late_binding.ops().equal(self, other)

    def __ne__(self, other: object) -> Any:
        return late_binding.ops().not_equal(self, other)

    def __lt__(self, other: Any) -> Any:
        return late_binding.ops().less(self, other)

    def __le__(self, other: Any) -> Any:
        return late_binding.ops().less_equal(self, other)

    def __gt__(self, other: Any) -> Any:
        return late_binding.ops().greater(self, other)

    def __ge__(self, other: Any) -> Any:
        return late_binding.ops().greater_equal(self, other)

    def __and__(self, other: Any) -> Any:
        return late_binding.ops().logical_and(self, other)

    def __rand__(self, other: Any) -> Any:
        return late_binding.ops().logical_and(other, self)

    def __or__(self, other: Any) -> Any:
        return late_binding.ops().logical_or(self, other)

    def __ror__(self, other: Any) -> Any:
        return late_binding.ops().logical_or(other, self)

    def __xor__(self, other: Any) -> Any:
        return late_binding.ops().logical_xor(self, other)

    def __rxor__(self, other: Any) -> Any:
        return late_binding.ops().logical_xor(other, self)

    def __invert__(self) -> Any:
        return late_binding.ops().logical_not(self)

    def __getitem__(self, key: Any) -> Any:
        return late_binding.ops().getitem(self, key)


class ConcreteValue(TensorOperators):
    """What has values to show: tensors and variables."""

    def traced_in(self, trace: Any) -> TracedTensor:
        """This value as one of the graph that `trace` records."""
        raise NotImplementedError

    def __format__(self, specification: str) -> str:
        """A scalar as the number it is, anything as `str` without a specification."""
        if not specification:
            return str(self)
        array = np.asarray(self)
        if array.shape != ():
            raise TypeError(
                f"expected a scalar for the format {specification!r}. "
                f"Received: a tensor of shape={array.shape}"
            )
        return format(array.item(), specification)


class Tensor(ConcreteValue):
    """A tensor with values: what an op returns outside a model. Reads like a NumPy array."""

    __slots__ = ("_keras_mask", "array")

    def __init__(self, array: Any) -> None:
        self._keras_mask: Tensor | None = None
        self.array: np.ndarray[Any, Any] = array if isinstance(array, np.ndarray) else as_array(array)

    def traced_in(self, trace: Any) -> TracedTensor:
        return trace.constant(self.array, self.dtype)

    @property
    def shape(self) -> Shape:
        return self.array.shape

    @property
    def ndim(self) -> int:
        return self.array.ndim

    @property
    def size(self) -> int:
        return self.array.size

    @property
    def dtype(self) -> str:
        return self.array.dtype.name

    def numpy(self) -> np.ndarray[Any, Any]:
        """The values as a NumPy array (no copy)."""
        return self.array

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        return np.array(self.array, dtype=dtype) if copy else np.asarray(self.array, dtype=dtype)

    def item(self) -> Any:
        return self.array.item()

    def tolist(self) -> Any:
        return self.array.tolist()

    def __float__(self) -> float:
        return float(self.array.item())

    def __int__(self) -> int:
        return int(self.array.item())

    def __index__(self) -> int:
        return self.array.__index__()

    def __bool__(self) -> bool:
        return bool(self.array)

    def __len__(self) -> int:
        return len(self.array)

    def __iter__(self) -> Iterator[Tensor]:
        return (Tensor(np.asarray(row)) for row in self.array)

    def __repr__(self) -> str:
        return f"Tensor({self.array!r})"


class TracedTensor(TensorOperators):
    """A value of the graph that a trace records: a static shape and a dtype, no content yet."""

    __slots__ = ("_keras_mask", "_logits", "_trace", "dtype", "shape", "value")

    def __init__(self, trace: Any, value: int, dtype: str, shape: Shape) -> None:
        # Weakly: the trace holds its tensors, and the layers that it met. It is there while it records.
        self._trace = weakref.ref(trace)
        self.value = value
        self.dtype = dtype
        self.shape = shape
        self._keras_mask: Any = None
        # "softmax" or "sigmoid", and what it was applied to: the cross-entropy that belongs to that
        # activation is computed from there, stably.
        self._logits: tuple[str, TracedTensor] | None = None

    @property
    def trace(self) -> Any:
        """The trace that records this tensor, `None` once it is gone."""
        return self._trace()

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return int(np.prod(self.shape, dtype=np.int64))

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("expected a tensor of rank 1 or more. Received: a scalar")
        return self.shape[0]

    def __iter__(self) -> Iterator[Any]:
        return (self[row] for row in range(len(self)))

    def _no_value(self, wanted: str) -> TypeError:
        return TypeError(
            f"expected a concrete tensor, because {wanted} needs its values; inside a layer, loss or metric "
            f"use rustnet.ops (ops.where for a choice), or effects.call_python "
            f"for code that is to run in every step. Received: {self!r}"
        )

    def __bool__(self) -> bool:
        raise self._no_value("a Python condition")

    def __float__(self) -> float:
        raise self._no_value("float()")

    def __int__(self) -> int:
        raise self._no_value("int()")

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        raise self._no_value("NumPy")

    def numpy(self) -> np.ndarray[Any, Any]:
        raise self._no_value("numpy()")

    def __repr__(self) -> str:
        return f"TracedTensor(shape={self.shape}, dtype={self.dtype})"


class KerasTensor(TensorOperators):
    """A symbolic tensor of a functional model; `None` in its shape is a size not known yet.

    Arguments: `shape` with the batch dimension first, `dtype`, `name`.
    Source: https://keras.io/api/layers/core_layers/input
    """

    def __init__(self, shape: Any, dtype: str = "float32", name: str | None = None) -> None:
        self.shape: tuple[int | None, ...] = tuple(None if size is None else int(size) for size in shape)
        self.dtype = declared_dtype(dtype)
        self.name = name or naming.auto_name("keras_tensor")
        # The call that produced this tensor (a `node.Node`), and which of its outputs this is.
        self.node: Any = None
        self.position = 0
        # Shape and dtype of the mask that the call puts on the value; None where it puts none.
        self.mask_type: tuple[tuple[int | None, ...], str] | None = None
        # That mask as a symbolic tensor while somebody holds it, and what somebody set in its place.
        self._carried_mask: weakref.ref[KerasTensor] | None = None
        self._set_mask: Any = None
        self.mask_was_set = False

    @property
    def _keras_mask(self) -> Any:
        """The mask of the value, symbolic; None where there is none. Setting it gives the value that mask."""
        if self.mask_was_set or self.mask_type is None:
            return self._set_mask
        mask = None if self._carried_mask is None else self._carried_mask()
        if mask is None:
            mask = late_binding.masks().carried_mask(self)
            self._carried_mask = weakref.ref(mask)
        return mask

    @_keras_mask.setter
    def _keras_mask(self, mask: Any) -> None:
        self._set_mask = mask
        self.mask_was_set = True

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_carried_mask": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        if self.node is not None:
            self.node._living[self.position] = weakref.ref(self)

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def __len__(self) -> int:
        if not self.shape or self.shape[0] is None:
            raise TypeError(f"expected a known first size. Received: {self!r}")
        return self.shape[0]

    def __iter__(self) -> Iterator[Any]:
        return (self[row] for row in range(len(self)))

    def _no_value(self, wanted: str) -> TypeError:
        return TypeError(
            f"expected a tensor with values for {wanted}; a symbolic tensor describes a functional model: "
            f"use layers and rustnet.ops on it. Received: {self!r}"
        )

    def __bool__(self) -> bool:
        raise self._no_value("a Python condition")

    def __float__(self) -> float:
        raise self._no_value("float()")

    def __int__(self) -> int:
        raise self._no_value("int()")

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        raise self._no_value("NumPy")

    def __repr__(self) -> str:
        return f"<KerasTensor shape={self.shape}, dtype={self.dtype}, name={self.name}>"
