"""How a layer is called: arguments bound and converted, weights made first, losses and masks kept."""

from __future__ import annotations

import functools
import inspect
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np

from rustnet.core import structure
from rustnet.core.arrays import as_data
from rustnet.core.convert import cast, is_tensor, tensor
from rustnet.core.dtypes import is_float
from rustnet.core.masks import masked, masks_of, with_set_masks
from rustnet.core.node import Called, Node
from rustnet.core.operation import any_symbolic, symbolic_outputs
from rustnet.core.tensors import Tensor, TracedTensor
from rustnet.core.trace import Trace, current_trace, escape
from rustnet.core.tracked import Tracked
from rustnet.core.transaction import atomically, is_unfinished, is_within, touch
from rustnet.layers.arguments import (
    call_with_shapes,
    first_argument,
    holds_data,
    is_numeric,
    located,
    shapes_of,
    signature_of,
    too_deep,
)
from rustnet.layers.input_spec import InputSpec, check_inputs, one_tensor
from rustnet.layers.masks import fill_masks, with_masks
from rustnet.layers.state import StateOwner
from rustnet.layers.surface import LayerSurface, check_stated_outputs


def _builder(build: Callable[..., None]) -> Callable[..., None]:
    """Wraps a class's `build`: its ops run at once, and it ends with a layer that is built, or as it was."""

    def complete(self: Calling, *args: Any, **kwargs: Any) -> None:
        try:
            escape(build, self, *args, **kwargs)
        except RecursionError as error:
            raise too_deep(error) from error.__cause__
        self.built = True
        if args or kwargs:
            self._build_shapes = (args, kwargs)

    @functools.wraps(build)
    def wrapper(self: Calling, *args: Any, **kwargs: Any) -> None:
        if self.built and self._own_variables() and not is_within(self):
            raise ValueError(f"layer '{self.name}' expected to be built once. Received: a second build()")
        atomically(self, complete, self, *args, **kwargs)

    return wrapper


class Calling(StateOwner, LayerSurface, Called, Tracked):
    """The part of a layer that is called."""

    name: str
    built: bool
    input_spec: Any
    activity_regularizer: Any
    _path: str
    # What the last call added.
    _losses: list[Any]
    _build_shapes: tuple[tuple[Any, ...], dict[str, Any]] | None
    # Whether `mask` is that of the first argument where others hold tensors too. Elsewhere, as in Keras, a
    # call with several tensors has parameters for their masks named after them: `query_mask` for `query`.
    _mask_is_of_first = False
    # Whether `call` takes one tensor, where no `input_spec` says so (some layers show none in Keras).
    _takes_one_tensor = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "build" in cls.__dict__:
            cls.build = _builder(cls.__dict__["build"])  # type: ignore[method-assign]

    def build(self, *shapes: Any, **named_shapes: Any) -> None:
        """Makes the weights, given the shape(s) of the input(s); called once, before the first `call`."""
        self.built = True

    build._is_default = True  # type: ignore[attr-defined]

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """Computes the outputs with `rustnet.ops`."""
        raise NotImplementedError(f"expected {type(self).__name__} to define call()")

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        """The mask of the outputs (or one for each); by default that of the inputs.

        Called where `supports_masking` is set, which it is from the start in a class that defines this
        method, with the first argument of the call and its mask, or None where it has none.
        """
        return previous_mask

    def add_loss(self, loss: Any, inputs: Any = None) -> None:
        """Adds a scalar (or a list of them) to what training minimises; called inside `call`."""
        del inputs
        losses = structure.flatten(loss)
        if not all(is_tensor(one) or isinstance(one, (int, float)) for one in losses):
            raise ValueError(
                f"layer '{self.name}' expected a scalar tensor, or a list of them. Received: loss={loss!r}"
            )
        self._losses.extend(losses)

    @property
    def losses(self) -> list[Any]:
        """The losses added during the last call, and the penalties of the trainable weights' regularizers."""
        added = [loss for layer in self._flatten_layers() for loss in layer._losses]
        return added + [
            weight.regularizer(weight) for weight in self.trainable_weights if weight.regularizer is not None
        ]

    def _clear_losses(self) -> None:
        for layer in self._flatten_layers():
            layer._losses = []

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if "built" not in vars(self):
            raise RuntimeError(f"expected {type(self).__name__}.__init__() to call super().__init__()")
        if any_symbolic((args, kwargs)):
            return self._call_symbolically(args, kwargs)
        if current_trace() is None:
            return self._call_eagerly(args, kwargs)
        return self._call_traced(*args, **kwargs)

    def _call_symbolically(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        args, kwargs = with_set_masks((args, kwargs))
        outputs = self._symbolic_outputs(args, kwargs)
        check_stated_outputs(self, args, kwargs, outputs)
        self._clear_losses()
        touch(self)
        Node(self, args, kwargs, outputs)
        return outputs

    def _symbolic_outputs(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return symbolic_outputs(self._call_traced, args, kwargs)

    def _call_eagerly(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        trace = Trace(binds_arrays=True)

        def record() -> tuple[Any, list[Any], list[tuple[Calling, list[Any]]]]:
            outputs = self._call_traced(*args, **kwargs)
            masks = [getattr(leaf, "_keras_mask", None) for leaf in structure.flatten(outputs)]
            return (
                outputs,
                masks,
                [(layer, layer._losses) for layer in self._flatten_layers() if layer._losses],
            )

        outputs, masks, losses = trace.run_once(trace.call(record))
        for layer, values in losses:
            layer._losses = values
        for leaf, mask in zip(structure.flatten(outputs), masks, strict=True):
            if mask is not None:
                leaf._keras_mask = mask
        return outputs

    def _call_traced(self, *args: Any, **kwargs: Any) -> Any:
        trace = current_trace()
        assert trace is not None
        if not trace.in_layer:
            self._clear_losses()
        outer_training = trace.training
        with trace.layer_scope(self, self.name):
            try:
                arguments = self._bind(args, kwargs)
                return self._run_call(trace, arguments)
            except ValueError as error:
                raise located(error, trace.scope_name) from error.__cause__
            except RecursionError as error:
                raise too_deep(error) from error.__cause__
            finally:
                trace.training = outer_training

    def _run_call(self, trace: Trace, arguments: dict[str, Any]) -> Any:
        signature = signature_of(self.call)
        parameters = signature.parameters
        training = arguments.pop("training", None)
        if training is None:
            training = trace.training
        if training is None and "training" in parameters:
            default = parameters["training"].default
            training = None if default is inspect.Parameter.empty else default
        trace.training = bool(training) if training is not None else None
        arguments = {name: self._converted(value) for name, value in arguments.items()}
        first_name, first = first_argument(arguments, parameters)
        if self._takes_one_tensor or isinstance(self.input_spec, InputSpec):
            first = one_tensor(first, self.name)
            if first_name and parameters[first_name].kind is not inspect.Parameter.VAR_POSITIONAL:
                arguments[first_name] = first
        if self.input_spec is not None:
            check_inputs(self.input_spec, first, self.name)
        if not self.built or is_unfinished(self):
            atomically(self, self._build_for, arguments, trace.unknown_size, trace.scope_name)
            if self.input_spec is not None:
                check_inputs(self.input_spec, first, self.name)
        fill_masks(arguments, parameters, self._mask_is_of_first)
        mask = arguments.get("mask")
        previous_mask = masks_of(first) if mask is None else mask
        if "training" in parameters:
            arguments["training"] = bool(trace.training)
        bound = inspect.BoundArguments(signature, OrderedDict(arguments))
        outputs = self.call(*bound.args, **bound.kwargs)
        if self.activity_regularizer is not None:
            for output in structure.flatten(outputs):
                # The mean over the batch, so that its size does not change how strong the penalty is.
                self.add_loss(
                    self.activity_regularizer(output) / max(output.shape[0] if output.ndim else 1, 1)
                )
        return with_masks(self, first, previous_mask, outputs, structure.flatten(arguments))

    def _bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        """The arguments by name. `training` is accepted by every layer."""
        signature = signature_of(self.call)
        parameters = signature.parameters
        accepts_all = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
        extra = {}
        if "training" in kwargs and "training" not in parameters and not accepts_all:
            kwargs = dict(kwargs)
            extra["training"] = kwargs.pop("training")
        try:
            bound = signature.bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"layer '{self.name}' expected the arguments of its call(): {error}") from None
        arguments = {**bound.arguments, **extra}
        if arguments and not any(holds_data(value) for value in arguments.values()):
            raise ValueError(
                f"layer '{self.name}' expected tensors or arrays. "
                f"Received: {', '.join(f'{key}={value!r}' for key, value in arguments.items())}"
            )
        return arguments

    @property
    def _takes_float64(self) -> bool:
        """Whether float64 data are not to be rounded to float32."""
        return self._dtype == "float64"

    def _converted(self, value: Any) -> Any:
        """Arrays as tensors of the trace, floats in the layer's dtype."""
        if isinstance(value, (list, tuple)) and value and is_numeric(value):
            value = np.asarray(value)

        def convert(leaf: Any) -> Any:
            if isinstance(leaf, (np.ndarray, Tensor)) or hasattr(leaf, "__array_interface__"):
                mask = getattr(leaf, "_keras_mask", None)
                data = leaf if isinstance(leaf, Tensor) else as_data(leaf, self._takes_float64)
                leaf = tensor(data, str(data.dtype))
                if mask is not None:
                    leaf = masked(leaf, mask)
            if isinstance(leaf, TracedTensor) and self._autocast and is_float(leaf.dtype):
                mask, leaf = leaf._keras_mask, cast(leaf, self._dtype)
                leaf._keras_mask = mask
            return leaf

        return structure.map_structure(convert, value)

    def _build_for(self, arguments: dict[str, Any], unknown_size: int | None, path: str) -> None:
        if self.built:
            # By another thread meanwhile.
            return
        self._path = path

        if getattr(type(self).build, "_is_default", False):
            self.built = True
            return
        shapes = shapes_of(arguments, signature_of(self.call).parameters, unknown_size)
        call_with_shapes(self.build, shapes, self.name)
        self.built = True
