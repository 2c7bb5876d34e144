"""Metrics: what is reported beside the loss."""

from collections.abc import Sequence

from rustnet.losses import (
    binary_crossentropy,
    categorical_crossentropy,
    categorical_hinge,
    hinge,
    huber,
    kl_divergence,
    log_cosh,
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_error,
    mean_squared_logarithmic_error,
    poisson,
    sparse_categorical_crossentropy,
    squared_hinge,
)
from rustnet.metrics.accuracy import (
    Accuracy,
    BinaryAccuracy,
    CategoricalAccuracy,
    SparseCategoricalAccuracy,
    SparseTopKCategoricalAccuracy,
    TopKCategoricalAccuracy,
    binary_accuracy,
    categorical_accuracy,
    sparse_categorical_accuracy,
    sparse_top_k_categorical_accuracy,
    top_k_categorical_accuracy,
)
from rustnet.metrics.auc import AUC
from rustnet.metrics.confusion import (
    FalseNegatives,
    FalsePositives,
    Precision,
    Recall,
    TrueNegatives,
    TruePositives,
)
from rustnet.metrics.from_losses import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    CategoricalHinge,
    CosineSimilarity,
    Hinge,
    KLDivergence,
    LogCoshError,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredError,
    MeanSquaredLogarithmicError,
    Poisson,
    R2Score,
    RootMeanSquaredError,
    SparseCategoricalCrossentropy,
    SquaredHinge,
)
from rustnet.metrics.fscore import F1Score, FBetaScore
from rustnet.metrics.metric import Metric
from rustnet.metrics.reduction import Mean, MeanMetricWrapper, Sum
from rustnet.registry import Registry

_registry = Registry(
    "metric",
    Metric,
    [
        Accuracy, BinaryAccuracy, CategoricalAccuracy, SparseCategoricalAccuracy,
        SparseTopKCategoricalAccuracy, TopKCategoricalAccuracy, AUC, FalseNegatives, FalsePositives,
        Precision, Recall, TrueNegatives,
        TruePositives, BinaryCrossentropy, CategoricalCrossentropy, CategoricalHinge, CosineSimilarity, Hinge,
        KLDivergence, LogCoshError, MeanAbsoluteError, MeanAbsolutePercentageError, MeanSquaredError,
        MeanSquaredLogarithmicError, Poisson, R2Score, RootMeanSquaredError, SparseCategoricalCrossentropy,
        SquaredHinge, F1Score, FBetaScore, Mean, MeanMetricWrapper, Sum,
    ],
    {
        **{name: MeanSquaredError for name in ("mse", "MSE")},
        **{name: MeanAbsoluteError for name in ("mae", "MAE")},
        **{name: MeanAbsolutePercentageError for name in ("mape", "MAPE")},
        **{name: MeanSquaredLogarithmicError for name in ("msle", "MSLE")},
        **{name: BinaryCrossentropy for name in ("bce", "BCE")},
        **{name: KLDivergence for name in ("kld", "KLD")},
        "rmse": RootMeanSquaredError,
        "log_cosh": LogCoshError,
        "huber": huber,
    },
)  # fmt: skip
get = _registry.get
serialize = _registry.serialize
deserialize = _registry.deserialize

Shape = Sequence[int | None]


def resolve_accuracy(y_true_shape: Shape, y_pred_shape: Shape) -> type[Metric]:
    """The class that `"accuracy"` stands for, by the shapes alone (the loss plays no part).

    Arguments:
        y_true_shape, y_pred_shape: with the batch axis.

    Example:
        >>> resolve_accuracy((None,), (None, 10)).__name__
        'SparseCategoricalAccuracy'
    """
    kind = _kind(y_true_shape, y_pred_shape)
    classes: dict[str, type[Metric]] = {
        "binary": BinaryAccuracy,
        "sparse": SparseCategoricalAccuracy,
        "categorical": CategoricalAccuracy,
    }
    return classes[kind]


def resolve_crossentropy(y_true_shape: Shape, y_pred_shape: Shape) -> type[Metric]:
    """The class that `"crossentropy"` or `"ce"` stands for, by the shapes alone.

    Arguments:
        y_true_shape, y_pred_shape: with the batch axis.

    Example:
        >>> resolve_crossentropy((None, 1), (None, 1)).__name__
        'BinaryCrossentropy'
    """
    kind = _kind(y_true_shape, y_pred_shape)
    classes: dict[str, type[Metric]] = {
        "binary": BinaryCrossentropy,
        "sparse": SparseCategoricalCrossentropy,
        "categorical": CategoricalCrossentropy,
    }
    return classes[kind]


def _kind(y_true_shape: Shape, y_pred_shape: Shape) -> str:
    if not y_pred_shape or y_pred_shape[-1] == 1:
        return "binary"
    if len(y_true_shape) < len(y_pred_shape) or y_true_shape[-1] == 1:
        return "sparse"
    return "categorical"


__all__ = [
    "AUC",
    "Accuracy",
    "BinaryAccuracy",
    "BinaryCrossentropy",
    "CategoricalAccuracy",
    "CategoricalCrossentropy",
    "CategoricalHinge",
    "CosineSimilarity",
    "F1Score",
    "FBetaScore",
    "FalseNegatives",
    "FalsePositives",
    "Hinge",
    "KLDivergence",
    "LogCoshError",
    "Mean",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanMetricWrapper",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
    "Metric",
    "Poisson",
    "Precision",
    "R2Score",
    "Recall",
    "RootMeanSquaredError",
    "SparseCategoricalAccuracy",
    "SparseCategoricalCrossentropy",
    "SparseTopKCategoricalAccuracy",
    "SquaredHinge",
    "Sum",
    "TopKCategoricalAccuracy",
    "TrueNegatives",
    "TruePositives",
    "binary_accuracy",
    "binary_crossentropy",
    "categorical_accuracy",
    "categorical_crossentropy",
    "categorical_hinge",
    "deserialize",
    "get",
    "hinge",
    "huber",
    "kl_divergence",
    "log_cosh",
    "mean_absolute_error",
    "mean_absolute_percentage_error",
    "mean_squared_error",
    "mean_squared_logarithmic_error",
    "poisson",
    "resolve_accuracy",
    "resolve_crossentropy",
    "serialize",
    "sparse_categorical_accuracy",
    "sparse_categorical_crossentropy",
    "sparse_top_k_categorical_accuracy",
    "squared_hinge",
    "top_k_categorical_accuracy",
]
