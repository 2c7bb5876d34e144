"""The base of all models: a layer that is called on data, compiled once for each set of input shapes."""

from __future__ import annotations

import copy
import functools
import inspect
import json
import weakref
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import numpy as np

from rustnet import _core
from rustnet.core import structure
from rustnet.core.arrays import as_data
from rustnet.core.masks import any_mask, masks_of
from rustnet.core.operation import any_symbolic, symbolic_outputs
from rustnet.core.program_cache import ProgramCache
from rustnet.core.refused import Refused
from rustnet.core.tensors import Tensor, TracedTensor
from rustnet.core.trace import Trace, current_trace
from rustnet.core.variable import Variable
from rustnet.layers.arguments import symbolic_tensors
from rustnet.layers.description import describe
from rustnet.layers.layer import Layer
from rustnet.metrics import Metric
from rustnet.registry import custom_objects_of
from rustnet.training.trainer import Trainer


class _Compiled(NamedTuple):
    program: _core.Program
    outputs: Any  # the structure, traced tensors where the program fills in values
    masks: list[tuple[int, int]]  # positions of a value and of its mask in the program's outputs
    # Which layers added how many losses, at the end of the program's outputs; weakly, for a model owns this.
    losses: list[tuple[weakref.ref[Layer], int]]


class Model(Trainer):
    """A model: `Model(inputs, outputs)` from symbolic tensors, or a subclass that defines `call`.

    Arguments: `inputs`, `outputs`, a symbolic tensor or a list or dict of them; `name`; `trainable`.
    Raises `ValueError` where the outputs do not depend on the inputs alone.

    >>> import rustnet
    >>> x = rustnet.Input((784,))
    >>> model = rustnet.Model(x, rustnet.layers.Dense(10, activation="softmax")(x))
    >>> model.count_params()
    7850

    Source: https://keras.io/api/models/model
    """

    _TRANSIENT = {**Trainer._TRANSIENT, "_calls": None}
    _UNWATCHED = Trainer._UNWATCHED | {"_calls"}
    # `Functional`, which is a model itself and sets this when it is defined.
    _functional: ClassVar[type[Model]]

    @functools.cached_property
    def _calls(self) -> ProgramCache:
        """What `model(x)` runs."""
        return ProgramCache(self._arenas)

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        if cls is Model and _is_functional(args, kwargs):
            cls = Model._functional
        model = super().__new__(cls, *args, **kwargs)
        if _is_functional(args, kwargs):
            # The graph tells what it is made of.
            model._init_arguments = None
        return model

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if _is_functional(args, kwargs):
            if not isinstance(self, Model._functional):
                self.__class__ = _functional_class(type(self))
                Model._functional.__init__(self, *args, **kwargs)
                return
        elif args:
            raise ValueError(
                f"expected Model(inputs, outputs) of symbolic tensors (rustnet.Input). Received: {args!r}"
            )
        super().__init__(**kwargs)

    def build(self, input_shape: Any) -> None:
        """Makes the weights of all layers for inputs of the given shape(s), the batch first."""
        self.built = True
        symbolic_outputs(self._call_traced, (symbolic_tensors(input_shape, self.dtype),), {})
        self._clear_losses()

    build._is_default = True  # type: ignore[attr-defined]

    @property
    def layers(self) -> list[Layer]:
        """The layers directly inside."""
        return [layer for layer in self._sublayers() if isinstance(layer, Layer)]

    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """The layer of a name or index. Raises `ValueError` where there is none."""
        if (name is None) == (index is None):
            raise ValueError(f"expected either a name or an index. Received: name={name!r}, index={index!r}")
        layers = self.layers
        if index is not None:
            if not -len(layers) <= index < len(layers):
                raise ValueError(
                    f"expected an index below {len(layers)}, the number of layers. Received: {index=}"
                )
            return layers[index]
        for layer in layers:
            if layer.name == name:
                return layer
        names = ", ".join(layer.name for layer in layers)
        raise ValueError(f"expected the name of a layer ({names}). Received: name={name!r}")

    def summary(
        self,
        line_length: int | None = None,
        positions: list[float] | None = None,
        print_fn: Callable[[str], Any] | None = None,
        expand_nested: bool = False,
        show_trainable: bool = False,
        layer_range: tuple[str, str] | None = None,
    ) -> None:
        """Prints a table of the layers, their output shapes and numbers of parameters.

        Arguments: `line_length` in characters; `positions`, the columns' ends as fractions; `print_fn`,
        called with the text instead of printing; `expand_nested`, also list the layers of models inside;
        `show_trainable`; `layer_range`, the names (or regular expressions) of the first and last layer shown.
        """
        from rustnet.utils.summary import print_summary

        print_summary(self, line_length, positions, print_fn, expand_nested, show_trainable, layer_range)

    # --- configuration --------------------------------------------------------------------------------------

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        """The model that `get_config` described.

        Arguments: `custom_objects`, the user's classes and functions by name.
        Raises `ValueError` for a class that is neither imported nor among them.
        """
        from rustnet.models.configuration import graph_from

        with custom_objects_of(custom_objects):
            if "input_layers" not in config or not takes_tensors(cls):
                return super().from_config(config)
            inputs, outputs = graph_from(config)
        rest = {k: v for k, v in config.items() if k not in ("layers", "input_layers", "output_layers")}
        if rest.get("trainable"):
            # Layers of their own may be frozen.
            del rest["trainable"]
        return cls(inputs, outputs, **rest)

    def _duplicate(self) -> Any:
        model = super()._duplicate()
        model._compile_as(self)
        return model

    def _compile_as(self, other: Model) -> None:
        """Compiles this model as another was compiled, with state of its own."""
        if not other.compiled or type(other).compile is not Trainer.compile:
            return
        optimizer = other.optimizer
        with custom_objects_of({type(optimizer).__name__: type(optimizer)}):
            own = {"optimizer": type(optimizer).from_config(optimizer.get_config())}
        for what in ("metrics", "weighted_metrics"):
            own[what] = structure.map_structure(_fresh, other._compile_arguments[what])
        self.compile(**{**other._compile_arguments, **own})

    def to_json(self, **kwargs: Any) -> str:
        """The class and configuration as JSON, for `rustnet.models.model_from_json`.

        Arguments: `kwargs`, those of `json.dumps`. Raises as `get_config` does.
        """
        return json.dumps(describe(self), **kwargs)

    # --- what Keras has beside ------------------------------------------------------------------------------

    save = Refused("pickle the model, or keep to_json() and get_weights()")
    save_weights = Refused("numpy.savez(path, *model.get_weights())")
    load_weights = Refused("model.set_weights(arrays) with the arrays of a file")
    export = Refused("pickle the model")
    quantize = Refused("weights of 'float32' or 'float64'")
    get_quantization_layer_structure = Refused("weights of 'float32' or 'float64'")
    get_state_tree = Refused("model.variables and model.optimizer.variables, or pickle the model")
    set_state_tree = Refused("assign to model.variables and model.optimizer.variables")
    stateless_call = Refused("model(x), which reads and updates the model's own variables")
    stateless_compute_loss = Refused("compute_loss, which reads the model's own variables")
    compute_loss_and_updates = Refused("train_on_batch, or fit")
    jax_state_sync = Refused("nothing is to be synchronised: variables hold what training made of them")

    # --- calling on data ------------------------------------------------------------------------------------

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if current_trace() is not None:
            return super().__call__(*args, **kwargs)
        # One array, called before with this shape: nothing but a look-up and the run.
        if len(args) == 1 and not kwargs and type(args[0]) is np.ndarray:
            x = args[0]
            compiled = self._calls.find((x.shape, x.dtype))
            if compiled is None and x.dtype.kind in "iuf":
                x = as_data(x, self._takes_float64)
                compiled = self._calls.find((x.shape, x.dtype))
            if compiled is not None:
                flags = x.flags
                if flags.c_contiguous and flags.aligned:
                    return _results(compiled, [x])
        if any_symbolic(args) or any_symbolic(kwargs):
            return super().__call__(*args, **kwargs)
        return self._call_compiled(args, kwargs)

    def _call_compiled(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if any_mask(masks_of((args, kwargs))):
            # Masks are arguments too, which compiled calls do not have: recorded for this call alone.
            return super().__call__(*args, **kwargs)
        takes_float64 = self._takes_float64

        def data(leaf: Any) -> Any:
            if isinstance(leaf, (Tensor, Variable)):
                return leaf.numpy()
            return as_data(leaf, takes_float64) if hasattr(leaf, "__array__") else leaf

        values, kwargs = structure.map_structure(data, (tuple(map(_plain_lists, args)), kwargs))
        leaves = structure.flatten((values, kwargs))
        arrays = [leaf for leaf in leaves if isinstance(leaf, np.ndarray)]
        names = (tuple(kwargs), structure.map_structure(lambda leaf: None, (values, kwargs)))
        key: Any = (repr(names), *(_key(leaf) for leaf in leaves))
        if len(leaves) == 1 and leaves[0] is values[0] and arrays:
            key = (arrays[0].shape, arrays[0].dtype)
        return _results(self._calls.get(key, self._record, values, kwargs), arrays)

    def _record(self, trace: Trace, args: tuple[Any, ...], kwargs: dict[str, Any]) -> _Compiled:

        def bind(leaf: Any) -> Any:
            return trace.input(leaf.dtype.name, leaf.shape) if isinstance(leaf, np.ndarray) else leaf

        args, kwargs = structure.map_structure(bind, (args, kwargs))
        outputs = self._call_traced(*args, **kwargs)
        losses = [(layer, layer._losses) for layer in self._flatten_layers() if layer._losses]
        wanted = [leaf for leaf in structure.flatten(outputs) if isinstance(leaf, TracedTensor)]
        masked = [position for position, leaf in enumerate(wanted) if leaf._keras_mask is not None]
        masks = [(position, len(wanted) + index) for index, position in enumerate(masked)]
        added = [loss for _, values in losses for loss in values]
        program = trace.compile([*wanted, *(wanted[position]._keras_mask for position in masked), *added])
        owners = [(weakref.ref(layer), len(values)) for layer, values in losses]
        return _Compiled(program, outputs, masks, owners)


def _results(compiled: _Compiled, arrays: list[Any]) -> Any:
    results = compiled.program.run(arrays)
    if compiled.losses:
        position = len(results)
        for reference, count in reversed(compiled.losses):
            layer = reference()
            if layer is not None:
                layer._losses = [Tensor(value) for value in results[position - count : position]]
            position -= count
    if type(compiled.outputs) is TracedTensor and not compiled.masks:
        return Tensor(results[0])
    tensors = [Tensor(value) for value in results]
    for position, mask in compiled.masks:
        tensors[position]._keras_mask = tensors[mask]
    values = iter(tensors)
    return structure.map_structure(
        lambda leaf: next(values) if isinstance(leaf, TracedTensor) else leaf, compiled.outputs
    )


def _is_functional(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    return (len(args) >= 2 or "outputs" in kwargs) and any_symbolic((args, kwargs))


def _fresh(metric: Any) -> Any:
    """A metric in its first state; a name or function as it is."""
    if not isinstance(metric, Metric):
        return metric
    metric = copy.deepcopy(metric)
    metric.reset_state()
    return metric


def takes_tensors(cls: Any) -> bool:
    """Whether a class is made as `Functional` is, with inputs and outputs."""
    parameters = list(inspect.signature(cls.__init__).parameters.values())[1:]
    names = [one.name for one in parameters if one.kind is one.POSITIONAL_OR_KEYWORD]
    kinds = {one.kind for one in parameters}
    takes_all = {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD} <= kinds
    return takes_all or names[:2] == ["inputs", "outputs"]


def _functional_class(cls: type) -> type:
    """The class of those models of `cls` that call `super().__init__(inputs, outputs)`; made once."""
    if "_functional_class" not in vars(cls):
        names = {"__module__": cls.__module__, "__qualname__": cls.__qualname__, "__doc__": cls.__doc__}
        # By its name pickle finds `cls`, not this class.
        reduce: dict[str, Any] = {} if cls.__reduce__ is not object.__reduce__ else {"__reduce__": _reduced}
        cls._functional_class = type(cls.__name__, (cls, Model._functional), {**names, **reduce})  # type: ignore[attr-defined]
    return vars(cls)["_functional_class"]


def _reduced(model: Model) -> tuple[Any, ...]:
    return _new_functional, (type(model).__mro__[1],), model.__getstate__()


def _new_functional(cls: type) -> Any:
    return object.__new__(_functional_class(cls))


def _plain_lists(value: Any) -> Any:
    """Nested lists of numbers as one array."""
    if isinstance(value, (list, tuple)) and value:
        if all(isinstance(leaf, (bool, int, float)) for leaf in structure.flatten(value)):
            return as_data(value, True)
    return value


def _key(leaf: Any) -> Any:
    return (leaf.shape, leaf.dtype) if isinstance(leaf, np.ndarray) else repr(leaf)
