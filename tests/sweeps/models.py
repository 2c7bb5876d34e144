"""Random models beside Keras: the same source, weights and data, trained a few steps in both.

A case is a description (`Case`), from which the source of the model follows; what runs is that source. Where
the two disagree, layers are left out for as long as they still do, and the script that is left is printed.

    python tests/sweeps/models.py --cases 10000 [--first 0]     runs the cases of these seeds
    python tests/sweeps/models.py --show 17                     prints the source of one

Keras takes about a second to compile a model. XLA must optimise: at its level 0, which is quicker, it makes
NaN of a batch normalisation before a global maximum.
"""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

os.environ["KERAS_BACKEND"] = "jax"

import rustnet  # noqa: E402

Shape = tuple[int | None, ...]

# Two sums of the same float32 numbers in another order. A step amplifies them, by how much is measured.
ROUNDING = 2e-5
# By how many times that which the last bits of the weights change in a result the two may differ: a step
# has more roundings than weights to begin with.
AMPLIFIED = 100.0
ROWS = 6
NOT_COMPARED = "Keras raises"


@dataclass(frozen=True)
class Step:
    """One value of the model: `call`, an expression in K and L, applied to the values `inputs`.

    With `shares` the layer of that step is applied once more. Without inputs it is an `Input`.
    """

    call: str
    inputs: tuple[int, ...] = ()
    shares: int | None = None


@dataclass(frozen=True)
class Case:
    """A model, how it is trained, and on what."""

    steps: tuple[Step, ...]
    outputs: tuple[int, ...]
    losses: tuple[str, ...]
    # `"one"`, `"list"` or `"dict"`.
    nesting: str
    optimizer: str
    metric: str | None
    # None, `"sample"` or `"class"`.
    weights: str | None
    epochs: int
    seed: int

    def source(self) -> str:
        """A function `make(K)` that makes the model of a library and compiles it."""
        lines = ["def make(K):", "    L, O = K.layers, K.optimizers"]
        for index, step in enumerate(self.steps):
            if not step.inputs:
                lines.append(f"    v{index} = {step.call}")
                continue
            layer = f"l{index}"
            if step.shares is None:
                lines.append(f"    {layer} = {step.call}")
            else:
                layer = f"l{step.shares}"
            values = [f"v{one}" for one in step.inputs]
            lines.append(
                f"    v{index} = {layer}({values[0] if len(values) == 1 else '[' + ', '.join(values) + ']'})"
            )
        inputs = ", ".join(f"v{index}" for index, step in enumerate(self.steps) if not step.inputs)
        lines.append(f"    model = K.Model([{inputs}], {self._nested([f'v{one}' for one in self.outputs])})")
        losses = self._nested([repr(loss) for loss in self.losses])
        metrics = "" if self.metric is None else ", " + self._metrics()
        lines.append(f"    model.compile({self.optimizer}, {losses}{metrics})")
        lines.append("    return model")
        return "\n".join(lines) + "\n"

    def _nested(self, items: list[str]) -> str:
        if self.nesting == "one":
            return items[0]
        if self.nesting == "list":
            return f"[{', '.join(items)}]"
        return "{" + ", ".join(f"'out{index}': {item}" for index, item in enumerate(items)) + "}"

    def _metrics(self) -> str:
        if self.nesting == "one":
            return f"weighted_metrics=['{self.metric}'], metrics=['{self.metric}']"
        return "metrics=" + self._nested([f"['{self.metric}']" for _ in self.outputs])

    def nest(self, items: list[Any]) -> Any:
        """Arrays in the nesting of the outputs."""
        if self.nesting == "one":
            return items[0]
        return items if self.nesting == "list" else {f"out{i}": item for i, item in enumerate(items)}


def make(case: Case, library: Any) -> Any:
    names: dict[str, Any] = {}
    exec(compile(case.source(), f"<case {case.seed}>", "exec"), names)
    return names["make"](library)


# --- random cases -------------------------------------------------------------------------------------------

ACTIVATIONS = "relu sigmoid tanh elu selu softplus softsign gelu silu hard_sigmoid exponential linear".split()
HEADS = {
    "mse": ("None", 2),
    "mae": ("None", 1),
    "huber": ("None", 2),
    "log_cosh": ("'tanh'", 1),
    "binary_crossentropy": ("'sigmoid'", 2),
    "categorical_crossentropy": ("'softmax'", 3),
    "sparse_categorical_crossentropy": ("'softmax'", 3),
    "poisson": ("'softplus'", 2),
    "squared_hinge": ("'tanh'", 1),
    "kl_divergence": ("'softmax'", 3),
}
# A gradient that is zero but for rounding would be scaled to a whole step: a large epsilon leaves it small.
OPTIMIZERS = (
    "O.SGD(0.05)",
    "O.SGD(0.05, momentum=0.9, nesterov=True)",
    "O.SGD(0.05, clipnorm=0.5)",
    "O.Adam(0.02, epsilon=1e-2)",
    "O.Adam(0.02, epsilon=1e-2, amsgrad=True)",
    "O.AdamW(0.02, epsilon=1e-2)",
    "O.RMSprop(0.02, epsilon=1e-2)",
    "O.RMSprop(0.02, momentum=0.5, centered=True, epsilon=1e-2)",
    "O.Adagrad(0.05, epsilon=1e-2)",
)


class Maker:
    """Makes the steps of one case, with rustnet's symbolic shapes to tell what fits."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.steps: list[Step] = []
        self.values: list[Any] = []
        self.layers: list[Any] = []

    def choice(self, items: Any) -> Any:
        return items[int(self.random.integers(len(items)))]

    def chance(self, probability: float) -> bool:
        return bool(self.random.random() < probability)

    def size(self, low: int, high: int) -> int:
        return int(self.random.integers(low, high + 1))

    def add(self, call: str, *inputs: int, shares: int | None = None) -> int:
        """The index of a new value. Raises what the layer raises where it does not fit."""
        layer = self.layers[shares] if shares is not None else eval(call, {"L": rustnet.layers, "K": rustnet})
        values = [self.values[one] for one in inputs]
        value = layer if not inputs else layer(values[0] if len(values) == 1 else values)
        if int(np.prod([size or 1 for size in value.shape])) > 400:
            raise ValueError("too large")
        self.steps.append(Step(call, inputs, shares))
        self.values.append(value)
        self.layers.append(layer)
        return len(self.steps) - 1

    def shape(self, index: int) -> Shape:
        return tuple(self.values[index].shape[1:])

    def input(self) -> int:
        kind = self.choice(["vector", "vector", "sequence", "image", "tokens", "tokens"])
        if kind == "vector":
            return self.add(f"L.Input(({self.size(1, 6)},))")
        if kind == "sequence":
            return self.add(f"L.Input(({self.size(2, 6)}, {self.size(1, 4)}))")
        if kind == "image":
            return self.add(f"L.Input(({self.size(2, 6)}, {self.size(2, 6)}, {self.size(1, 3)}))")
        tokens = self.add(f"L.Input(({self.size(2, 6)},), dtype='int32')")
        return self.add(f"L.Embedding(7, {self.size(1, 4)}, mask_zero={self.chance(0.5)})", tokens)

    def grow(self) -> None:
        """One more layer on a random value; most often on the latest."""
        usable = [index for index, value in enumerate(self.values) if value.dtype != "int32"]
        index = usable[-1] if self.chance(0.6) else self.choice(usable)
        shape = self.shape(index)
        same = [one for one in usable if self.shape(one) == shape and one != index]
        if self.chance(0.2) and same:
            self._merge(index, self.choice(same))
        elif self.chance(0.08) and self._share(index):
            pass
        else:
            makers = {1: self._on_vectors, 2: self._on_sequences, 3: self._on_images}
            self.add(makers[len(shape)](shape) if self.chance(0.7) else self._anywhere(shape), index)

    def _merge(self, first: int, second: int) -> None:
        kind = self.choice("Add Subtract Multiply Average Maximum Minimum Concatenate Dot".split())
        arguments = (
            "axes=-1" if kind == "Dot" else f"axis={self.choice([1, -1])}" if kind == "Concatenate" else ""
        )
        self.add(f"L.{kind}({arguments})", first, second)

    def _share(self, index: int) -> bool:
        fitting = [
            one
            for one, step in enumerate(self.steps)
            if len(step.inputs) == 1
            and step.shares is None
            and self.shape(step.inputs[0]) == self.shape(index)
            and self.values[step.inputs[0]].dtype == self.values[index].dtype
            # On JAX Keras forgets the penalty of all calls but the last, although `model.losses` has each.
            and "ActivityRegularization" not in step.call
        ]
        if fitting:
            shared = self.choice(fitting)
            self.add(self.steps[shared].call, index, shares=shared)
        return bool(fitting)

    def _activation(self) -> str:
        return repr(self.choice(ACTIVATIONS))

    def _regularizer(self) -> str:
        return f", kernel_regularizer='{self.choice(['l1', 'l2'])}'" if self.chance(0.15) else ""

    def _dense(self) -> str:
        bias = "" if self.chance(0.8) else ", use_bias=False"
        return f"L.Dense({self.size(1, 6)}, activation={self._activation()}{bias}{self._regularizer()})"

    def _anywhere(self, shape: Shape) -> str:
        return self.choice(
            [
                f"L.Activation({self._activation()})",
                "L.BatchNormalization()",
                f"L.BatchNormalization(momentum=0.5, center={self.chance(0.5)}, scale={self.chance(0.5)})",
                "L.LayerNormalization()",
                f"L.LeakyReLU(negative_slope={self.choice([0.1, 0.3])})",
                "L.ELU()",
                "L.PReLU()",
                "L.ReLU(max_value=1.0)",
                "L.Softmax()",
                "L.Dropout(0.0)",
                "L.GaussianNoise(0.0)",
                "L.ActivityRegularization(l2=0.01)",
                "L.Rescaling(0.5, offset=0.1)",
                "L.Identity()",
                "L.Flatten()",
                self._nested(shape),
            ]
        )

    def _nested(self, shape: Shape) -> str:
        last = shape[-1]
        if self.chance(0.5):
            return f"K.Sequential([L.Input({shape}), {self._dense()}, L.LayerNormalization()])"
        return f"K.Model(i := L.Input({shape}), L.Add()([L.Dense({last}, activation='tanh')(i), i]))"

    def _on_vectors(self, shape: Shape) -> str:
        size = shape[0] or 1
        divisor = self.choice([one for one in range(1, size + 1) if size % one == 0])
        return self.choice(
            [
                self._dense(),
                self._dense(),
                self._dense(),
                f"L.Reshape(({divisor}, {size // divisor}))",
                f"L.RepeatVector({self.size(1, 4)})",
            ]
        )

    def _on_sequences(self, shape: Shape) -> str:
        cell = f"L.{self.choice(['SimpleRNN', 'GRU', 'LSTM'])}({self.size(1, 4)}, return_sequences="
        recurrent = f"{cell}{self.chance(0.6)}, go_backwards={self.chance(0.2)})"
        merge = self.choice(["concat", "sum", "mul", "ave"])
        padding = self.choice(["valid", "same"])
        pool = self.size(1, 3)
        return self.choice(
            [
                recurrent,
                recurrent,
                f"L.Bidirectional({cell}{self.chance(0.5)}), merge_mode='{merge}')",
                f"L.Conv1D({self.size(1, 4)}, {self.size(1, 3)}, strides={self.size(1, 2)}, "
                f"padding='{padding}', activation={self._activation()}{self._regularizer()})",
                f"L.Conv1D({self.size(1, 4)}, 2, dilation_rate=2, padding='causal')",
                f"L.MaxPooling1D({pool}, padding='{padding}')",
                f"L.AveragePooling1D({pool}, strides={self.size(1, 2)}, padding='{padding}')",
                "L.GlobalAveragePooling1D()",
                "L.GlobalMaxPooling1D()",
                f"L.TimeDistributed({self._dense()})",
                self._dense(),
                "L.Masking(mask_value=0.0)",
                "L.SpatialDropout1D(0.0)",
                "L.Permute((2, 1))",
                f"L.Reshape((-1, {shape[-1]}, 1))",
            ]
        )

    def _on_images(self, shape: Shape) -> str:
        padding = self.choice(["valid", "same"])
        kernel, pool = (self.size(1, 3), self.size(1, 3)), (self.size(1, 2), self.size(1, 3))
        return self.choice(
            [
                f"L.Conv2D({self.size(1, 4)}, {kernel}, strides={self.size(1, 2)}, padding='{padding}', "
                f"activation={self._activation()}{self._regularizer()})",
                f"L.Conv2D({self.size(1, 4)}, {kernel}, dilation_rate={self.size(1, 2)}, padding='same')",
                f"L.MaxPooling2D({pool}, padding='{padding}')",
                f"L.AveragePooling2D({pool}, padding='{padding}')",
                "L.GlobalAveragePooling2D()",
                "L.GlobalMaxPooling2D()",
                self._dense(),
                "L.SpatialDropout2D(0.0)",
                "L.Permute((3, 1, 2))",
                f"L.Reshape(({shape[0]}, -1))",
            ]
        )


def random_case(seed: int) -> Case:
    with warnings.catch_warnings():
        # Layers that drop a mask say so.
        warnings.simplefilter("ignore")
        return _random_case(seed)


def _random_case(seed: int) -> Case:
    maker = Maker(seed)
    for _ in range(maker.size(1, 2)):
        maker.input()
    wanted = maker.size(2, 8)
    for _ in range(20):
        if wanted == 0:
            break
        try:
            maker.grow()
            wanted -= 1
        except (ValueError, TypeError):
            # It does not fit here: a kernel larger than the image, a merge of other shapes.
            continue
    used = {one for step in maker.steps for one in step.inputs}
    ends = [index for index in range(len(maker.steps)) if index not in used]
    losses = [maker.choice(list(HEADS)) for _ in ends[:3]]
    outputs = []
    for end, loss in zip(ends, losses, strict=False):
        if len(maker.shape(end)) > 1:
            end = maker.add("L.Flatten()", end)
        activation, units = HEADS[loss]
        name = f"out{len(outputs)}"
        outputs.append(maker.add(f"L.Dense({units}, activation={activation}, name='{name}')", end))
    nesting = "one" if len(outputs) == 1 else maker.choice(["list", "dict"])
    sparse = nesting == "one" and "categorical" in losses[0]
    case = Case(
        steps=tuple(maker.steps),
        outputs=tuple(outputs),
        losses=tuple(losses),
        nesting=nesting,
        optimizer=maker.choice(OPTIMIZERS),
        metric=maker.choice([None, "mae"]),
        weights=maker.choice([None, None, "sample", "class" if sparse else "sample"]),
        epochs=maker.size(1, 5),
        seed=seed,
    )
    if "sparse_categorical_crossentropy" in losses:
        case = replace(case, metric=None)
    return without_unused(case)


def without_unused(case: Case) -> Case:
    """The case without the steps that no output needs."""
    needed = set(case.outputs)
    for index in reversed(range(len(case.steps))):
        if index in needed:
            needed |= set(case.steps[index].inputs)
            if case.steps[index].shares is not None:
                # The shared layer stands where it is made.
                needed.add(case.steps[index].shares or 0)
    changed = True
    while changed:
        more = {one for index in needed for one in case.steps[index].inputs}
        more |= {s for index in needed if (s := case.steps[index].shares) is not None}
        changed = not more <= needed
        needed |= more
    new = {old: index for index, old in enumerate(sorted(needed))}
    steps = [
        Step(
            step.call,
            tuple(new[one] for one in step.inputs),
            None if step.shares is None else new[step.shares],
        )
        for index, step in enumerate(case.steps)
        if index in needed
    ]
    return replace(case, steps=tuple(steps), outputs=tuple(new[one] for one in case.outputs))


# --- running ------------------------------------------------------------------------------------------------


def data_for(case: Case) -> tuple[list[Any], Any, Any]:
    """The inputs, the targets and the weights of the samples."""
    random = np.random.default_rng(case.seed + 1)
    inputs = []
    for step in case.steps:
        if not step.inputs:
            value = eval(step.call, {"L": rustnet.layers})
            shape = (ROWS, *value.shape[1:])
            if value.dtype == "int32":
                # Zeros at the end of some rows, where an embedding may mask.
                ids = random.integers(1, 7, shape)
                ids[np.arange(shape[1]) >= random.integers(1, shape[1] + 1, (ROWS, 1))] = 0
                inputs.append(ids.astype("int32"))
            else:
                inputs.append(random.normal(size=shape).astype("float32"))
    targets, weights = [], []
    for loss in case.losses:
        units = HEADS[loss][1]
        classes = random.integers(0, units, ROWS)
        if loss == "sparse_categorical_crossentropy":
            target = classes
        elif loss == "squared_hinge":
            target = random.choice([-1.0, 1.0], (ROWS, units))
        elif "crossentropy" in loss or loss == "kl_divergence":
            target = np.eye(units)[classes]
        else:
            target = np.abs(random.normal(size=(ROWS, units)))
        targets.append(target.astype("int32" if target.ndim == 1 else "float32"))
        weights.append(random.uniform(0.2, 2.0, ROWS).astype("float32"))
    return inputs, case.nest(targets), case.nest(weights)


def weights_for(case: Case, model: Any) -> list[Any]:
    """Weights of which none is special: no zeros, and positive variances."""
    random = np.random.default_rng(case.seed + 2)
    return [
        (weight + random.uniform(0.05, 0.3, weight.shape)).astype("float32") for weight in model.get_weights()
    ]


def trained(case: Case, model: Any, weights: list[Any]) -> list[tuple[str, Any]]:
    """The losses of each epoch, the outputs and the weights after training, each with a name."""
    inputs, targets, sample_weights = data_for(case)
    model.set_weights(weights)
    keywords: dict[str, Any] = {}
    if case.weights == "sample":
        keywords["sample_weight"] = sample_weights
    elif case.weights == "class":
        keywords["class_weight"] = {0: 0.5, 1: 2.0}
    history = model.fit(
        inputs, targets, batch_size=ROWS, epochs=case.epochs, shuffle=False, verbose=0, **keywords
    ).history
    outputs = model.predict(inputs, batch_size=ROWS, verbose=0)
    results = [(name, np.asarray(values)) for name, values in history.items()]
    listed = [outputs] if case.nesting == "one" else outputs.values() if case.nesting == "dict" else outputs
    results += [(f"output {index}", np.asarray(one)) for index, one in enumerate(listed)]
    return results + [(f"weight {index}", one) for index, one in enumerate(model.get_weights())]


def failure(case: Case, keras: Any) -> str | None:
    """What is wrong with a case: a difference, or an exception that Keras does not raise.

    `NOT_COMPARED` where Keras raises: then it is no model.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            theirs = make(case, keras)
            weights = weights_for(case, theirs)
            expected = trained(case, theirs, weights)
        except Exception:
            return NOT_COMPARED
        try:
            got = trained(case, make(case, rustnet), weights)
            # The same from weights that differ in their last bits: how much the model makes of a rounding.
            nearby = [np.nextafter(weight, np.float32(np.inf)) for weight in weights]
            shaken = trained(case, make(case, rustnet), nearby)
        except Exception as error:
            return f"{type(error).__name__}: {error}"
        return difference(got, expected, shaken)


def difference(got: list[Any], expected: list[Any], shaken: list[Any]) -> str | None:
    """The first result that differs by more than rounding explains."""
    if [name for name, _ in got] != [name for name, _ in expected]:
        return f"names {[name for name, _ in got]}, in Keras {[name for name, _ in expected]}"
    for (name, value), (_, reference), (_, other) in zip(got, expected, shaken, strict=True):
        if value.shape != reference.shape:
            return f"{name}: shape {value.shape}, in Keras {reference.shape}"
        if not np.array_equal(np.isfinite(value), np.isfinite(reference)):
            return f"{name}: not finite in one of the two"
        finite = np.isfinite(reference)
        if not finite.any():
            continue
        scale = 1.0 + np.abs(reference[finite]).max()
        allowed = ROUNDING * scale + AMPLIFIED * np.abs(value[finite] - other[finite]).max()
        found = np.abs(value[finite] - reference[finite]).max()
        if not found <= allowed:
            return f"{name} differs by {found:.2e}, where {allowed:.2e} is allowed"
    return None


def simpler(case: Case) -> Iterator[Case]:
    """Cases with one thing less."""
    if case.epochs > 1:
        yield replace(case, epochs=1)
    if case.weights is not None:
        yield replace(case, weights=None)
    if case.metric is not None:
        yield replace(case, metric=None)
    if case.optimizer != OPTIMIZERS[0]:
        yield replace(case, optimizer=OPTIMIZERS[0])
    for index in range(len(case.outputs)):
        if len(case.outputs) > 1:
            outputs = case.outputs[:index] + case.outputs[index + 1 :]
            losses = case.losses[:index] + case.losses[index + 1 :]
            nesting = "one" if len(outputs) == 1 else case.nesting
            yield without_unused(replace(case, outputs=outputs, losses=losses, nesting=nesting))
    for index, step in enumerate(case.steps):
        # The step's first input in its place.
        if step.inputs and index not in case.outputs:
            steps = [
                replace(one, inputs=tuple(step.inputs[0] if i == index else i for i in one.inputs))
                for one in case.steps
            ]
            yield without_unused(replace(case, steps=tuple(steps)))
        if step.shares is not None:
            yield replace(
                case,
                steps=tuple(
                    replace(one, shares=None) if i == index else one for i, one in enumerate(case.steps)
                ),
            )


def shrunk(case: Case, fails: Callable[[Case], bool]) -> Case:
    """A case that fails and none of whose simpler ones does."""
    for one in simpler(case):
        try:
            model = make(one, rustnet)
        except Exception:
            # A layer that does not fit without the one that was left out.
            continue
        if all(len(output.shape) == 2 for output in model.outputs) and fails(one):
            return shrunk(one, fails)
    return case


SCRIPT = """# {what}. To be run where tests/ is.
import sys

sys.path[:0] = ["tests", "tests/sweeps"]
import keras
import rustnet
from models import Case, Step, failure, make, trained, weights_for

# What the case stands for:
#
{source}
case = {case!r}
print(failure(case, keras))
weights = weights_for(case, make(case, keras))
for (name, ours), (_, theirs) in zip(*(trained(case, make(case, one), weights) for one in (rustnet, keras))):
    print(name, ours, theirs, sep="\\n")
"""


def script(case: Case, what: str) -> str:
    source = "".join(f"#     {line}\n" for line in case.source().splitlines())
    return SCRIPT.format(what=what.replace("\n", " "), source=source, case=case)


def sweep(seeds: range, keras: Any) -> Iterator[tuple[Case, str | None]]:
    """Each case and what is wrong with it, made as simple as it can be where something is."""

    def fails(case: Case) -> bool:
        return failure(case, keras) not in (None, NOT_COMPARED)

    for seed in seeds:
        case = random_case(seed)
        what = failure(case, keras)
        if what not in (None, NOT_COMPARED):
            case = shrunk(case, fails)
            what = failure(case, keras)
        yield case, what


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", type=int, default=300)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--show", type=int)
    arguments = parser.parse_args()
    if arguments.show is not None:
        print(random_case(arguments.show).source())
        return 0
    import keras

    count: Counter[str] = Counter()
    for case, what in sweep(range(arguments.first, arguments.first + arguments.cases), keras):
        kind = "agree" if what is None else "are no models for Keras" if what == NOT_COMPARED else "disagree"
        count[kind] += 1
        if kind == "disagree":
            print(script(case, str(what)), flush=True)
    print(", ".join(f"{number} {kind}" for kind, number in count.items()))
    return int(count["disagree"] > 0)


if __name__ == "__main__":
    sys.exit(main())
