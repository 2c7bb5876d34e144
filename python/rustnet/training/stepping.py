"""What the programs of a model ask of it: how a step is recorded needs to know no more than this."""

from __future__ import annotations

from typing import Any, Protocol

from rustnet.metrics import Mean, Metric


class Stepping(Protocol):
    """A model as the code that records its steps sees it; every model is one."""

    run_eagerly: bool
    optimizer: Any
    _loss_tracker: Mean
    # The weights that there were when it was compiled, and those of them that are trained.
    _known_at_compile: list[Any]
    _trainable_at_compile: list[Any]

    def __call__(self, *args: Any, **kwargs: Any) -> Any: ...

    @property
    def weights(self) -> list[Any]: ...

    @property
    def trainable_weights(self) -> list[Any]: ...

    @property
    def metrics(self) -> list[Metric]: ...

    @property
    def compute_loss(self) -> Any:
        """The method; an override may take other arguments."""

    @property
    def compute_metrics(self) -> Any:
        """The method; an override may return something else."""

    def get_metrics_result(self) -> dict[str, Any]: ...

    def refuse_own_steps(self) -> None: ...

    @property
    def _takes_float64(self) -> bool: ...

    def _reports_as_it_is(self) -> bool: ...

    def _update_metrics(self, y: Any, y_pred: Any, sample_weight: Any) -> None: ...

    def _input_dtypes(self, inputs: Any) -> list[str | None]: ...

    def _in_order(self, names: list[str]) -> list[str]: ...
