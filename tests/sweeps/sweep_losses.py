"""Random calls of losses and metrics beside Keras: values, shapes, gradients, or an error with a reason.

`python tests/sweeps/sweep_losses.py [cases] [seed]` runs as many cases as wanted and prints what differs;
`test_sweeps.py` runs a few of them.
"""

from __future__ import annotations

import os
import re
import sys
import warnings
from typing import Any

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(__file__), os.pardir))

import jax  # noqa: E402

from oracle import keras  # noqa: E402
from rustnet import losses, metrics, ops  # noqa: E402
from rustnet.core.trace import Trace  # noqa: E402

Array = np.ndarray[Any, Any]

# What each loss is a function of: the values of its targets and predictions.
NUMBERS, POSITIVE, BITS, ONE_HOT, LABELS, SIGNS, SHARES = (
    "numbers positive bits one_hot labels signs shares".split()
)

LOSSES: dict[str, tuple[str, dict[str, list[Any]]]] = {
    "MeanSquaredError": (NUMBERS, {}),
    "MeanAbsoluteError": (NUMBERS, {}),
    "MeanAbsolutePercentageError": (NUMBERS, {}),
    "MeanSquaredLogarithmicError": (NUMBERS, {}),
    "Huber": (NUMBERS, {"delta": [0.5, 1.0]}),
    "LogCosh": (NUMBERS, {}),
    "CosineSimilarity": (NUMBERS, {"axis": [-1, 0]}),
    "Poisson": (POSITIVE, {}),
    "KLDivergence": (SHARES, {}),
    "Hinge": (SIGNS, {}),
    "SquaredHinge": (SIGNS, {}),
    "CategoricalHinge": (ONE_HOT, {}),
    "BinaryCrossentropy": (
        BITS,
        {"from_logits": [False, True], "label_smoothing": [0.0, 0.3], "axis": [-1, 0]},
    ),
    "CategoricalCrossentropy": (
        ONE_HOT,
        {"from_logits": [False, True], "label_smoothing": [0.0, 0.3], "axis": [-1, 1]},
    ),
    "SparseCategoricalCrossentropy": (LABELS, {"from_logits": [False, True], "ignore_class": [None, 0, -1]}),
}

METRICS: dict[str, tuple[str, dict[str, list[Any]]]] = {
    **{
        name: (kind, {key: values for key, values in choices.items() if key != "axis"})
        for name, (kind, choices) in LOSSES.items()
        if name not in ("Huber", "LogCosh")
    },
    "LogCoshError": (NUMBERS, {}),
    "RootMeanSquaredError": (NUMBERS, {}),
    "R2Score": (
        NUMBERS,
        {
            "class_aggregation": [None, "uniform_average", "variance_weighted_average"],
            "num_regressors": [0, 1],
        },
    ),
    "Accuracy": (BITS, {}),
    "BinaryAccuracy": (BITS, {"threshold": [0.3, 0.5]}),
    "CategoricalAccuracy": (ONE_HOT, {}),
    "SparseCategoricalAccuracy": (LABELS, {}),
    "TopKCategoricalAccuracy": (ONE_HOT, {"k": [1, 2]}),
    "SparseTopKCategoricalAccuracy": (LABELS, {"k": [1, 2], "from_sorted_ids": [False, True]}),
    "TruePositives": (BITS, {"thresholds": [None, 0.3, [0.2, 0.7]]}),
    "FalsePositives": (BITS, {"thresholds": [None, 0.3, [0.2, 0.7]]}),
    "TrueNegatives": (BITS, {"thresholds": [None, 0.3, [0.2, 0.7]]}),
    "FalseNegatives": (BITS, {"thresholds": [None, 0.3, [0.2, 0.7]]}),
    "Precision": (BITS, {"thresholds": [None, [0.2, 0.7]], "top_k": [None, 2], "class_id": [None, 1]}),
    "Recall": (BITS, {"thresholds": [None, [0.2, 0.7]], "top_k": [None, 2], "class_id": [None, 1]}),
    "AUC": (
        BITS,
        {
            "num_thresholds": [3, 200],
            "curve": ["ROC", "PR"],
            "summation_method": ["interpolation", "minoring", "majoring"],
            "thresholds": [None, [0.2, 0.7]],
            "multi_label": [False, True],
            "from_logits": [False, True],
        },
    ),
    "F1Score": (BITS, {"average": [None, "micro", "macro", "weighted"], "threshold": [None, 0.4]}),
    "FBetaScore": (
        BITS,
        {"average": [None, "micro", "macro", "weighted"], "threshold": [None, 0.4], "beta": [0.5, 2.0]},
    ),
}

SHAPES = [(5,), (5, 1), (5, 3), (5, 3), (2, 3, 4), (1, 3), (0, 3), (0,), ()]
REDUCTIONS = ["sum_over_batch_size", "mean", "sum", "none", None, "mean_with_sample_weight"]
TARGET_DTYPES = ["float32", "float32", "float64", "int32", "int64", "uint8", "bool"]
PREDICTION_DTYPES = ["float32", "float32", "float32", "float64", "int32", "bool"]
EXTREMES = [0.0, 1.0, -1.0, 1e-30, 1e30, -1e30, np.inf, -np.inf, np.nan]


def draw(random: np.random.Generator, options: list[Any]) -> Any:
    return options[random.integers(len(options))]


def arrays(
    random: np.random.Generator, kind: str, shape: tuple[int, ...], extreme: bool
) -> tuple[Array, Array]:
    """Targets and predictions of the kind; the predictions with some extremes where these are wanted."""
    normal = lambda: random.normal(size=shape)  # noqa: E731
    classes = max(1, shape[-1]) if shape else 1
    if kind == LABELS:
        y_true: Any = random.integers(0, classes, shape[:-1]) if shape else np.int64(0)
    elif kind == ONE_HOT:
        y_true = np.eye(classes)[random.integers(0, classes, shape[:-1])][..., : shape[-1]] if shape else 1.0
    elif kind in (BITS, SIGNS):
        y_true = random.integers(0, 2, shape) * (2 if kind == SIGNS else 1) - (1 if kind == SIGNS else 0)
    elif kind == SHARES:
        y_true = random.uniform(0, 1, shape)
    else:
        y_true = np.abs(normal()) if kind == POSITIVE else normal()
    if kind in (BITS, ONE_HOT, LABELS, SHARES):
        y_pred = random.uniform(0, 1, shape)
    else:
        y_pred = np.abs(normal()) if kind == POSITIVE else normal()
    y_pred = np.array(y_pred)
    if extreme and y_pred.size:
        y_pred.reshape(-1)[random.integers(y_pred.size, size=2)] = random.choice(EXTREMES, 2)
    return np.asarray(y_true), y_pred


def case(random: np.random.Generator, table: dict[str, Any]) -> dict[str, Any]:
    """One call: the name, its arguments, its data."""
    name = draw(random, list(table))
    kind, choices = table[name]
    shape = draw(random, SHAPES)
    y_true, y_pred = arrays(random, kind, shape, random.random() < 0.3)
    if random.random() < 0.15 and y_true.ndim and y_true.shape[-1] == 1:
        y_true = y_true[..., 0]
    elif random.random() < 0.15 and kind == LABELS:
        y_true = y_true[..., None]
    dtypes = [dtype for dtype in TARGET_DTYPES if not (kind == SIGNS and dtype in ("uint8", "bool"))]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        y_true, y_pred = y_true.astype(draw(random, dtypes)), y_pred.astype(draw(random, PREDICTION_DTYPES))
    weight_shape = draw(random, [None, None, (), shape[:1], (*shape[:1], 1), shape[:-1], shape])
    weight = None if weight_shape is None else random.uniform(0, 2, weight_shape).astype("float32")
    mask = random.integers(0, 2, shape[:-1] or shape).astype(bool) if random.random() < 0.2 else None
    arguments = {key: draw(random, values) for key, values in choices.items()}
    return {
        "name": name, "arguments": arguments, "y_true": y_true, "y_pred": y_pred, "weight": weight,
        "mask": mask,
        "reduction": draw(random, REDUCTIONS),
    }  # fmt: skip


def ours_of(call: dict[str, Any], function: bool) -> list[Array]:
    """The loss, and its gradient by the predictions where these are floats."""
    module = losses
    if function:
        loss: Any = getattr(module, snake(call["name"]))
        compute = lambda y_pred: loss(call["y_true"], y_pred, **call["arguments"])  # noqa: E731
    else:
        loss = getattr(module, call["name"])(reduction=call["reduction"], **call["arguments"])
        compute = lambda y_pred: loss(call["y_true"], y_pred, call["weight"])  # noqa: E731
    trace = Trace(binds_arrays=True)

    def record() -> list[Any]:
        y_pred = ops.convert_to_tensor(call["y_pred"])
        masked = y_pred
        if call["mask"] is not None and not function:
            masked._keras_mask = ops.convert_to_tensor(call["mask"])
        value = compute(masked)
        if y_pred.dtype not in ("float32", "float64"):
            return [value]
        gradient = trace.gradients(ops.sum(value), [y_pred])[0]
        return [value, ops.zeros(y_pred.shape) if gradient is None else gradient]

    return [np.asarray(leaf) for leaf in trace.run_once(trace.call(record))]


def theirs_of(call: dict[str, Any], function: bool) -> list[Array]:
    if function:
        loss: Any = getattr(keras.losses, snake(call["name"]))
        compute = lambda y_pred: loss(call["y_true"], y_pred, **call["arguments"])  # noqa: E731
    else:
        loss = getattr(keras.losses, call["name"])(reduction=call["reduction"], **call["arguments"])
        compute = lambda y_pred: loss(call["y_true"], y_pred, call["weight"])  # noqa: E731

    def total(y_pred: Any) -> tuple[Any, Any]:
        if call["mask"] is not None and not function:
            y_pred._keras_mask = keras.ops.convert_to_tensor(call["mask"])
        value = compute(y_pred)
        return value.sum(), value

    y_pred = keras.ops.convert_to_tensor(call["y_pred"])
    if call["mask"] is not None or call["y_pred"].dtype.kind != "f":
        return [np.asarray(total(y_pred)[1])]
    (_, value), gradient = jax.value_and_grad(total, has_aux=True)(y_pred)
    return [np.asarray(value), np.asarray(gradient)]


def metric_of(library: Any, convert: Any, call: dict[str, Any]) -> list[Array]:
    metric = getattr(library, call["name"])(**call["arguments"])
    for _ in range(2):
        metric.update_state(call["y_true"], call["y_pred"], sample_weight=call["weight"])
    return [np.asarray(metric.result())]


def snake(name: str) -> str:
    return {"KLDivergence": "kl_divergence"}.get(name) or re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def attempt(function: Any, *arguments: Any) -> Any:
    """The results, or the exception."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return function(*arguments)
    except Exception as error:
        return error


def difference(ours: Any, theirs: Any) -> str | None:
    """What differs, or None. An error of both is agreement, and so is a result where Keras has an error."""
    if isinstance(theirs, Exception):
        return None
    if isinstance(ours, Exception):
        return f"{type(ours).__name__}: {ours}"
    for what, a, b in zip(("value", "gradient"), ours, theirs, strict=False):
        if a.shape != b.shape:
            return f"shape of the {what}: {a.shape}, Keras {b.shape}"
        with np.errstate(all="ignore"):
            if not np.allclose(a, b, rtol=2e-4, atol=2e-5, equal_nan=True):
                return f"{what}: {a.tolist()}, Keras {b.tolist()}"
    return None


def shown(call: dict[str, Any]) -> str:
    return ", ".join(
        f"{key}={value.dtype}{value.tolist()}" if isinstance(value, np.ndarray) else f"{key}={value!r}"
        for key, value in call.items()
    )


def sweep(cases: int, seed: int, reasons: Any) -> tuple[dict[str, list[str]], dict[str, int]]:
    """The differences by name that no reason explains, and how many cases each reason did."""
    random = np.random.default_rng(seed)
    found: dict[str, list[str]] = {}
    explained: dict[str, int] = {}
    for index in range(cases):
        form = ("class", "function", "metric")[index % 3]
        call = case(random, METRICS if form == "metric" else LOSSES)
        if form == "metric":
            call.pop("mask"), call.pop("reduction")
            ours = attempt(metric_of, metrics, None, call)
            theirs = attempt(metric_of, keras.metrics, None, call)
        else:
            ours = attempt(ours_of, call, form == "function")
            theirs = attempt(theirs_of, call, form == "function")
        text = difference(ours, theirs)
        if text is None:
            continue
        reason = next(
            (why for why, explains in reasons.items() if explains(form, call, text, ours, theirs)), None
        )
        if reason is None:
            found.setdefault(f"{form} {call['name']}", []).append(f"{text}\n      {shown(call)}")
        else:
            explained[reason] = explained.get(reason, 0) + 1
    return found, explained


def is_nan_of_keras(form: str, call: dict[str, Any], text: str, ours: Any, theirs: Any) -> bool:
    if isinstance(ours, Exception):
        return False
    with np.errstate(all="ignore"):
        return all(
            a.shape == b.shape
            and np.all(np.isclose(a, b, rtol=2e-4, atol=2e-5, equal_nan=True) | np.isfinite(a) & np.isnan(b))
            for a, b in zip(ours, theirs, strict=False)
        )


# Why a result differs from Keras's, and where that is so.
REASONS: dict[str, Any] = {
    "Keras turns targets into integers where the predictions are; here both are floats": (
        lambda form, call, text, *_: form != "class" and call["y_pred"].dtype.kind in "iub"
    ),
    "weights are those of the samples or of their losses; Keras broadcasts any": (
        lambda form, call, text, *_: "`sample_weight` must have" in text
    ),
    "losses that are not reduced keep their shape; Keras's follow that of the weights": (
        lambda form, call, text, *_: (
            "shape of the value" in text and call.get("reduction", "sum") in (None, "none")
        )
    ),
    "a loss of no samples is a scalar; Keras leaves it (0,)": (
        lambda form, call, text, *_: call["y_pred"].size == 0 and "shape of the value" in text
    ),
    "a weight for all is divided by the sum of the weights of all; Keras divides by it once": (
        lambda form, call, text, *_: (
            call.get("reduction") == "mean_with_sample_weight"
            and call["weight"] is not None
            and call["weight"].size == 1
        )
    ),
    "a scalar has no axis of classes or vectors, and there is no distribution over no class": (
        lambda form, call, text, ours, theirs: (
            isinstance(ours, Exception) and (call["y_pred"].ndim == 0 or call["y_pred"].shape[-1] == 0)
        )
    ),
    "targets (n,) are aligned with predictions (n, 1) everywhere; some functions of Keras broadcast": (
        lambda form, call, text, *_: form != "class" and call["y_true"].ndim != call["y_pred"].ndim
    ),
    "a class that the predictions do not have is an error": lambda form, call, text, *_: "`class_id`" in text,
    "infinite or NaN predictions: NaN here, something of Keras's choice there": (
        lambda form, call, text, ours, theirs: (
            not np.isfinite(call["y_pred"].astype("float64")).all()
            and not isinstance(ours, Exception)
            and "shape" not in text
            and (any(np.isnan(leaf).any() for leaf in ours) or form == "metric")
        )
    ),
    "the slope of |x| at 0 is 0, JAX's 1": (
        lambda form, call, text, *_: (
            "gradient" in text
            and "Absolute" in call["name"]
            and bool((call["y_true"] == call["y_pred"]).any())
        )
    ),
    "squares of 1e30 fit into the float64 in which a metric adds up": (
        lambda form, call, text, *_: (
            form == "metric" and bool((np.abs(call["y_pred"].astype("float64")) > 1e29).any())
        )
    ),
    "the F-score of Keras repeats weights that are not (n,) for all samples": (
        lambda form, call, text, *_: (
            call["name"] in ("F1Score", "FBetaScore")
            and call["weight"] is not None
            and call["weight"].ndim != 1
        )
    ),
    "finite where Keras is NaN: clipped or empty, and not infinity times zero": is_nan_of_keras,
}


if __name__ == "__main__":
    count, seed = (int(value) for value in [*sys.argv[1:], *["600", "0"][len(sys.argv) - 1 :]])
    found, explained = sweep(count, seed, REASONS)
    for name, texts in found.items():
        print(f"{name}: {len(texts)}")
        for text in texts[:3]:
            print("   ", text[:700])
    print(explained)
