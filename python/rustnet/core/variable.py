"""Variables: the state that lives in Rust and is updated in place at the end of a step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from rustnet import _core
from rustnet.core import late_binding, naming
from rustnet.core.arrays import as_array
from rustnet.core.convert import tensor
from rustnet.core.dtypes import standardize_dtype
from rustnet.core.tensors import ConcreteValue, Shape, Tensor, TracedTensor
from rustnet.core.trace import Trace, current_trace, escape
from rustnet.core.tracked import Tracked


class Variable(ConcreteValue, Tracked):
    """A tensor that can be assigned, such as a layer's kernel.

    Arguments: `initializer`, an array-like, or with `shape` a callable `(shape, dtype) -> tensor` or an
    initializer's name; `dtype`, by default that of the value or `floatx()`; `trainable`; `name`.
    Inside a layer's `call`, `assign` takes effect at the end of the step.

    >>> import rustnet
    >>> v = rustnet.Variable([1.0, 2.0])
    >>> _ = v.assign_add([1.0, 1.0])
    >>> v.numpy()
    array([2., 3.], dtype=float32)

    Source: https://keras.io/api/backend_utils
    """

    _UNWATCHED = Tracked._UNWATCHED | {"dtype", "name", "path", "shape", "storage"}

    def __init__(
        self,
        initializer: Any,
        shape: Any = None,
        dtype: Any = None,
        trainable: bool = True,
        autocast: bool = True,
        aggregation: str = "none",
        synchronization: str = "auto",
        name: str | None = None,
    ) -> None:
        del autocast, aggregation, synchronization  # accepted as Keras does; one device, one precision
        self.name = name or naming.auto_name("variable")
        self.path = self.name
        self.trainable = self.made_trainable = bool(trainable)
        self.regularizer: Any = None
        self.constraint: Any = None
        self.storage = _new_storage(initializer, shape, dtype, self.name)
        self.shape: Shape = tuple(self.storage.shape)
        self.dtype: str = self.storage.dtype

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "storage": self.storage.numpy()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, storage=_core.Variable(state["storage"]))

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def value(self) -> Tensor | TracedTensor:
        """The content: traced inside a trace, concrete outside."""
        trace = current_trace()
        return Tensor(self.storage.numpy()) if trace is None else trace.read(self)

    def traced_in(self, trace: Trace) -> TracedTensor:
        return trace.read(self)

    def numpy(self) -> np.ndarray[Any, Any]:
        """A copy of the content."""
        return self.storage.numpy()

    def assign(self, value: Any) -> Any:
        """Replaces the content by a value of the same shape; returns it. Raises `ValueError` otherwise."""
        if callable(value) and not hasattr(value, "shape"):
            value = value(self.shape, self.dtype)
        trace = current_trace()
        if trace is None:
            array = as_array(value, self.dtype, self.path)
            self._check(array.shape)
            try:
                self.storage.assign(array)
            except RuntimeError as error:
                raise RuntimeError(f"variable '{self.path}': {error}") from None
            return Tensor(array)
        content = tensor(value, self.dtype)
        self._check(content.shape)
        trace.assign(self, content)
        return content

    def clear(self) -> None:
        """Sets every element to zero."""
        if current_trace() is None:
            self.storage.clear()
        else:
            self.assign(np.zeros(self.shape, self.dtype))

    def assign_add(self, value: Any) -> Any:
        return self.assign(self + value)

    def assign_sub(self, value: Any) -> Any:
        return self.assign(self - value)

    def _check(self, shape: Shape) -> None:
        if shape != self.shape:
            raise ValueError(
                f"expected shape {self.shape} for variable '{self.path}'. Received: shape={shape}"
            )

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        return np.asarray(self.storage.numpy(), dtype=dtype)

    def __float__(self) -> float:
        return float(self.storage.numpy().item())

    def __int__(self) -> int:
        return int(self.storage.numpy().item())

    def __len__(self) -> int:
        return len(self.storage.numpy())

    def __bool__(self) -> bool:
        return bool(self.storage.numpy())

    def __repr__(self) -> str:
        return f"<Variable path={self.path}, shape={self.shape}, dtype={self.dtype}>"


def _new_storage(initializer: Any, shape: Any, dtype: Any, name: str) -> _core.Variable:
    if shape is None and not callable(initializer) and not isinstance(initializer, str):
        if dtype is None:
            dtype = getattr(initializer, "dtype", None)
            # A tensor keeps its dtype; arrays and numbers get the engine's nearest.
            dtype = dtype if isinstance(dtype, str) else None
        return _core.Variable(as_array(initializer, dtype, name))
    if shape is None:
        raise ValueError(
            f"expected a shape beside an initializer that is a function. Received: {name}.shape=None"
        )
    if isinstance(initializer, str):
        initializer = late_binding.initializers().get(initializer)
    shape, dtype = tuple(int(size) for size in shape), standardize_dtype(dtype)
    if not callable(initializer):
        return _core.Variable(np.broadcast_to(as_array(initializer, dtype, name), shape).copy())
    # Most initializers say what the engine can fill the variable from, with no array between.
    fill = escape(initializer._fill, shape, dtype) if hasattr(initializer, "_fill") else None
    if fill is not None:
        return _core.Variable.filled(dtype, shape, *fill)
    function: Callable[..., Any] = initializer
    value = as_array(escape(function, shape, dtype=dtype), dtype, name)
    if value.shape != shape:
        raise ValueError(
            f"expected the initializer of '{name}' to return shape {shape}. Received: shape={value.shape}"
        )
    return _core.Variable(value)
