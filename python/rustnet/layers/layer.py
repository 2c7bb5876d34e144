"""The base of all layers: what each is made with, its weights, and what it answers."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from rustnet.core import naming, structure
from rustnet.core.dtypes import is_float, standardize_dtype
from rustnet.core.node import Node
from rustnet.core.operation import symbolic_outputs
from rustnet.core.tracked import Tracked, tell
from rustnet.core.variable import Variable
from rustnet.layers.arguments import symbolic_tensors, take_batch_input_shape, with_plain_numbers
from rustnet.layers.calling import Calling
from rustnet.layers.configuration import Configurable
from rustnet.layers.state import OWNED, StateOwner, may_own
from rustnet.layers.surface import NEVER_CALLED, refuse


class Layer(Configurable, Calling):
    """A function of tensors with state. Subclass it with `build` (make the weights) and `call` (use `ops`).

    Arguments: `activity_regularizer` on the outputs; `trainable`; `dtype` of weights and computation, by
    default `floatx()`; `name`. In a Sequential model's first layer also `input_shape` (without the batch),
    `input_dim`, `batch_input_shape`. Raises `ValueError` for any other keyword.

    >>> import rustnet
    >>> class Scale(rustnet.Layer):
    ...     def build(self, input_shape):
    ...         self.scale = self.add_weight(shape=(input_shape[-1],), initializer="ones")
    ...
    ...     def call(self, x):
    ...         return x * self.scale
    >>> Scale()([[1.0, 2.0]]).numpy()
    array([[1., 2.]], dtype=float32)

    Source: https://keras.io/api/layers/base_layer
    """

    _UNWATCHED = Tracked._UNWATCHED | {
        "_added_weights",
        "_batch_input_shape",
        "_build_shapes",
        "_init_arguments",
        "_losses",
        "_node_references",
        "_path",
        "name",
    }
    # A layer is pickled without the models that it is part of, and without what its last call added.
    _TRANSIENT = {**Tracked._TRANSIENT, "_node_references": None, "_losses": list}
    # A layer without weights that counts as built before it is called, unless a subclass defines `build`.
    _is_built_from_start = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "__init__" in cls.__dict__ and cls.__module__.startswith("rustnet."):
            cls.__init__ = with_plain_numbers(cls.__dict__["__init__"])  # type: ignore[method-assign]

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        layer = super().__new__(cls)
        # Copies: what happens to a list later is no argument.
        given = structure.map_structure(lambda leaf: leaf, (args, kwargs))
        object.__setattr__(layer, "_init_arguments", given)
        return layer

    def __init__(
        self,
        *,
        activity_regularizer: Any = None,
        trainable: bool = True,
        dtype: Any = None,
        autocast: bool = True,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        if name is not None and (not isinstance(name, str) or "/" in name):
            raise ValueError(f"expected name to be a string without '/'. Received: name={name!r}")
        if not isinstance(trainable, (bool, np.bool_)):
            raise ValueError(f"expected trainable to be True or False. Received: trainable={trainable!r}")
        self.name = name or naming.auto_name(naming.to_snake_case(type(self).__name__))
        self._dtype = standardize_dtype(dtype)
        self._autocast = autocast
        self._trainable = bool(trainable)
        self._path = self.name
        self._losses = []
        self._build_shapes = None
        self.built = self._is_built_from_start and getattr(type(self).build, "_is_default", False)
        self.supports_masking = type(self).compute_mask is not Layer.compute_mask
        self.input_spec = None
        self._batch_input_shape = take_batch_input_shape(kwargs)
        if kwargs:
            raise ValueError(
                f"expected keyword arguments that {type(self).__name__} knows. "
                f"Received: {', '.join(f'{key}={value!r}' for key, value in kwargs.items())}"
            )
        self.activity_regularizer = None
        if activity_regularizer is not None:
            from rustnet import regularizers

            self.activity_regularizer = regularizers.get(activity_regularizer)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in NEVER_CALLED:
            refuse(name, f"{type(self).__name__}.{name} = {value!r}")
        if self._watchers is None:
            object.__setattr__(self, name, value)
            return
        before = vars(self).get(name)
        super().__setattr__(name, value)
        if may_own(before) or may_own(value):
            tell(self, OWNED)

    def compute_output_shape(self, *args: Any, **kwargs: Any) -> Any:
        """The shape(s) of the output(s) for the shape(s) of the input(s), `None` for a size left open."""

        names = {
            key.removesuffix("_shape"): symbolic_tensors(shape, self._dtype) for key, shape in kwargs.items()
        }
        if "input" in names:
            args, names = (*args, kwargs["input_shape"]), {k: v for k, v in names.items() if k != "input"}
        inputs = tuple(symbolic_tensors(shape, self._dtype) for shape in args)
        layer = self if self.built else self._twin()
        losses = [(one, one._losses) for one in layer._flatten_layers()]
        outputs = symbolic_outputs(layer, inputs, names)
        for one, before in losses:
            one._losses = before
        return structure.map_structure(lambda output: output.shape, outputs)

    def _twin(self) -> Layer:
        """A copy that may be built in place of this layer; the layer itself where it cannot be copied."""
        try:
            return copy.deepcopy(self)
        except (TypeError, ValueError):
            return self

    def add_weight(
        self,
        shape: Any = None,
        initializer: Any = None,
        dtype: Any = None,
        trainable: bool = True,
        autocast: bool = True,
        regularizer: Any = None,
        constraint: Any = None,
        aggregation: str = "none",
        name: str | None = None,
    ) -> Variable:
        """A new variable of this layer; floats start as `"glorot_uniform"`, others as zeros, unless told."""
        del autocast, aggregation
        if isinstance(shape, str):
            raise ValueError(f"expected add_weight(shape, ..., name=...). Received: shape={shape!r}")
        dtype = self._dtype if dtype is None else standardize_dtype(dtype)
        sizes = () if shape is None else tuple(shape) if hasattr(shape, "__len__") else (shape,)
        if any(size is None or int(size) < 0 for size in sizes):
            raise ValueError(
                f"layer '{self.name}' expected known sizes of 0 or more for weight {name!r}. "
                f"Received: shape={shape}"
            )
        if initializer is None:
            initializer = "glorot_uniform" if is_float(dtype) else "zeros"
        if isinstance(initializer, (str, dict)):
            from rustnet import initializers

            initializer = initializers.get(initializer)
        variable = Variable(initializer, sizes, dtype, trainable, name=name)
        variable.path = f"{self._path}/{variable.name}"
        if regularizer is not None:
            from rustnet import regularizers

            variable.regularizer = regularizers.get(regularizer)
        if constraint is not None:
            from rustnet import constraints

            variable.constraint = constraints.get(constraint)
        if not self.trainable:
            variable.trainable = False
        # An attribute that the subclass sets usually names it too; the list keeps those that it does not.
        self.__dict__.setdefault("_added_weights", []).append(variable)
        return variable

    @property
    def trainable(self) -> bool:
        """Whether training changes the weights; setting it also sets it in all layers inside.

        The variables' own `trainable` follows, except of those that were made not to be trained.
        """
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        value = bool(value)
        known = {id(self)}
        pending: list[Layer] = [self]
        while pending:
            layer = pending.pop()
            # A flag owns nothing: there is no need to look whether it does.
            Tracked.__setattr__(layer, "_trainable", value)
            for item in layer._owned((StateOwner, Variable)):
                if not isinstance(item, Variable):
                    if id(item) not in known:
                        known.add(id(item))
                        pending.append(item)
                elif item.made_trainable:
                    item.trainable = value

    @property
    def dtype(self) -> str:
        return self._dtype

    compute_dtype = variable_dtype = dtype

    @property
    def path(self) -> str:
        """The names of the layers around this one and its own, as in the names of its weights."""
        return self._path

    @property
    def metrics(self) -> list[Any]:
        from rustnet.metrics import Metric

        return [metric for layer in self._flatten_layers() for metric in layer._owned(Metric)]

    @property
    def input(self) -> Any:
        """The symbolic input of the layer's first call in a functional model."""
        return self._first_node("input").inputs

    @property
    def output(self) -> Any:
        """The symbolic output of the layer's first call in a functional model."""
        return self._first_node("output").outputs

    def _first_node(self, what: str) -> Node:
        nodes = self._nodes
        if not nodes:
            raise AttributeError(
                f"layer '{self.name}' has no {what} yet: "
                "expected a call on a symbolic tensor (rustnet.Input) whose result or model is in use"
            )
        return nodes[0]

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}, built={self.built}>"
