"""Functions of Python that a model calls while it runs: to look at values, to log, to do what no op does.

A layer, loss, metric or training step is recorded once and then run by the engine, so a `print` in it shows
what is recorded, once. What is to happen in every step is recorded as a call:

- It happens once in every step, and the calls of a program happen in the order in which it made them.
- It sees the values of its inputs as of its place in the program, also those of variables that are assigned
  before or after it.
- Variables take on their new content when the step ends. So `variable.numpy()` or `model.predict(x)` in the
  called function see the weights as of the last whole step. A variable that the step uses cannot be
  assigned there: that is a `RuntimeError`. Another thread that assigns one waits until the step ends; so the
  function must not wait for such a thread.
- Where the function raises, the step has not happened: variables are as of the step before, and the exception
  comes out of `fit`, `predict` or `model(x)` as it is.

Source: what `jax.debug.print` and `jax.experimental.io_callback` are to JAX.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from rustnet.core.arrays import as_array
from rustnet.core.convert import as_ints, tensor
from rustnet.core.dtypes import is_float, standardize_dtype
from rustnet.core.operation import operation
from rustnet.core.promotion import dtype_of
from rustnet.core.trace import current_trace

__all__ = ["call_python", "print_tensor"]

Array = np.ndarray[Any, Any]
Type = tuple[str, tuple[int, ...]]


@operation
def call_python(
    function: Callable[..., Any],
    inputs: Any,
    outputs: Any = None,
    gradient: Callable[..., Any] | None = None,
) -> Any:
    """Calls a function with the values of tensors, in every step of what this call is part of.

    Arguments:
        function: called with a NumPy array for each of `inputs`, its own to keep and to change.
        inputs: a tensor or array, or a list of them.
        outputs: what the function returns: `(shape, dtype)`, or anything that has both, such as a tensor; or
            a list of these, where it returns a list. By default what it returns is not used.
        gradient: for a loss that depends on the outputs,
            `gradient(inputs, outputs, output_gradients) -> input_gradients` of lists of arrays. Only outputs
            and inputs of a float dtype have gradients; where one input does, an array may be returned.

    Returns: tensors, nested as `outputs`. Without `outputs` the inputs as they are, for a functional model to
        go on with: that calls only what its outputs depend on.
    Raises: `ValueError` where the function returns other shapes or dtypes, or where a gradient is asked for
        that is not given; and whatever the function raises.

    The function is called by the thread that runs the step, and the step waits for it.

    >>> largest = []
    >>> class Watched(layers.Layer):
    ...     def call(self, x):
    ...         effects.call_python(lambda one: largest.append(one.max()), ops.sum(x, axis=-1))
    ...         return x
    >>> watched = Sequential([Input((2,)), Watched()])
    >>> _ = watched.predict(np.array([[1.0, 2.0], [3.0, 4.0]]), batch_size=1, verbose=0)
    >>> [float(one) for one in largest]
    [3.0, 7.0]

    >>> x = np.array([3.0, 1.0, 2.0])
    >>> effects.call_python(np.sort, x, outputs=x).numpy()
    array([1., 2., 3.], dtype=float32)
    """
    trace = current_trace()
    assert trace is not None, "the body of an operation is recorded"
    several = isinstance(inputs, (list, tuple))
    tensors = [tensor(one) for one in (inputs if several else [inputs])]
    returns_list = isinstance(outputs, list)
    types = [] if outputs is None else [_type(one) for one in (outputs if returns_list else [outputs])]
    where = f"{trace.scope_name}: " if trace.scope_name else ""
    name = getattr(function, "__name__", type(function).__name__)

    def checked(arrays: list[Array]) -> list[Array]:
        result = function(*arrays)
        if outputs is None:
            return []
        return _checked(result, returns_list, types, where, name)

    floats = [one for one in tensors if is_float(one.dtype)]
    input_types = [(one.dtype, one.shape) for one in floats]

    def checked_gradient(arrays: list[Array]) -> list[Array]:
        assert gradient is not None
        ends = len(tensors), len(tensors) + len(types)
        result = gradient(arrays[: ends[0]], arrays[ends[0] : ends[1]], arrays[ends[1] :])
        is_list = len(floats) != 1 or isinstance(result, (list, tuple))
        return _checked(result, is_list, input_types, where, f"the gradient of {name}")

    results = trace.call_python(checked, tensors, types, None if gradient is None else checked_gradient)
    if outputs is None:
        return tensors if several else tensors[0]
    return results if returns_list else results[0]


@operation
def print_tensor(x: Any, message: str = "", summarize: int = 3) -> Any:
    """Prints the values of a tensor in every step, and returns the tensor.

    Arguments:
        x: a tensor, variable or array.
        message: printed before the values.
        summarize: how many values are shown at each end of an axis; -1 shows all.

    Raises: `ValueError` for another `summarize`.

    >>> y = effects.print_tensor(np.arange(8) * 2, message="twice: ")
    twice: [ 0  2  4 ... 10 12 14]

    Source: https://www.tensorflow.org/versions/r2.15/api_docs/python/tf/keras/backend/print_tensor
    """
    if isinstance(summarize, bool) or not isinstance(summarize, int) or (summarize < 1 and summarize != -1):
        raise ValueError(
            f"expected summarize to be an int of 1 or more, or -1. Received: summarize={summarize!r}"
        )

    def show(values: Array) -> None:
        threshold, ends = (values.size, None) if summarize == -1 else (0, summarize)
        print(f"{message}{np.array2string(values, threshold=threshold, edgeitems=ends)}")

    return call_python(show, x)


def _type(output: Any) -> Type:
    """The dtype and shape that an entry of `outputs` describes."""
    if isinstance(output, tuple) and len(output) == 2:
        shape, dtype = output
    elif hasattr(output, "shape") and hasattr(output, "dtype"):
        shape, dtype = output.shape, dtype_of(output)
    else:
        raise ValueError(
            "expected outputs of call_python as (shape, dtype), or what has both, in a list where there are "
            f"several. Received: outputs={output!r}"
        )
    return standardize_dtype(dtype), tuple(as_ints(shape, "outputs"))


def _checked(result: Any, is_list: bool, types: list[Type], where: str, name: str) -> list[Array]:
    """What a function returned as the arrays that the engine takes. Raises `ValueError` for other types."""
    results = result if is_list else [result]
    if not isinstance(results, (list, tuple)) or len(results) != len(types):
        received = f"{len(results)} items" if isinstance(results, (list, tuple)) else repr(result)
        raise ValueError(f"{where}expected {name} to return a list of {len(types)}. Received: {received}")
    arrays = []
    for one, (dtype, shape) in zip(results, types, strict=True):
        # Numbers and lists of them have no dtype of their own; int64 is computed in int32 everywhere.
        own = str(getattr(one, "dtype", dtype))
        array = as_array(one, dtype if own in (dtype, "int64") else None, "what a function returns")
        if (own != dtype and (own, dtype) != ("int64", "int32")) or array.shape != shape:
            raise ValueError(
                f"{where}expected {name} to return {dtype}{list(shape)}. Received: {own}{list(array.shape)}"
            )
        arrays.append(array)
    return arrays
