"""`graph`: what a model computes, to be read."""

from __future__ import annotations

from typing import Any, cast, get_args

import numpy as np

from rustnet.core.exclusive import exclusively
from rustnet.core.listing import GraphListing, ListingTrace, Stage
from rustnet.training.columns import make_data
from rustnet.training.programs import Kind
from rustnet.training.running import Running


class Inspecting(Running):
    """The part of a model that shows its graphs."""

    def graph(
        self,
        x: Any = None,
        y: Any = None,
        sample_weight: Any = None,
        kind: Kind | None = None,
        stage: Stage = "recorded",
    ) -> GraphListing:
        """What a step of this model computes: every op with its attributes, and where it comes from.

        Arguments:
            x: inputs, of which shapes and dtypes count, all rows as one batch; by default one row of each of
                the model's inputs.
            y, sample_weight: targets and weights, for the steps of `fit` and `evaluate`.
            kind: `"predict"` (the default without targets), `"train"` (with targets) or `"test"`.
            stage: `"recorded"`: as the layers, the loss and the optimizer asked for it; `"rewritten"`: as the
                engine's rules leave it; `"fused"`: also with the kernels and fused loops that run.

        Returns: a `GraphListing`, which prints as text and has `nodes`, `inputs`, `outputs`, `variables`,
            `assignments`, `steps` and `to_dot()`.

        Raises:
            ValueError: an unknown kind or stage, no inputs where shapes are not known, unfit targets.

        >>> import rustnet
        >>> model = rustnet.Sequential([rustnet.Input((3,)), rustnet.layers.Dense(2, "relu", name="last")])
        >>> for node in model.graph(stage="rewritten").nodes:
        ...     print(node.op, node.attributes, node.scope.split("/")[1])
        matmul {'has_bias': True, 'transpose_a': False, 'transpose_b': False} last
        relu {} last
        """
        kind = kind or ("predict" if y is None else "train")
        for name, value, known in (("kind", kind, get_args(Kind)), ("stage", stage, get_args(Stage))):
            if value not in known:
                raise ValueError(f"expected {name} among {known}. Received: {name}={value!r}")
        if kind != "predict":
            self._check_compiled("graph")
        data = make_data(self._row() if x is None else x, y, sample_weight)
        self._ensure_built(kind, data)
        trace = ListingTrace(stage)
        step = exclusively(trace.call, self._record_step, trace, kind, data, data.rows)
        return cast(GraphListing, step.program)

    def _row(self) -> Any:
        """One row of zeros for each input of a model that knows its inputs."""
        inputs = getattr(self, "inputs", None) if self.built else None
        shapes = [tensor.shape[1:] for tensor in inputs or []]
        if not inputs or any(None in shape for shape in shapes):
            raise ValueError(
                f"model '{self.name}' expected x, as the shapes of its inputs are not known. Received: x=None"
            )
        rows = [np.zeros((1, *shape), tensor.dtype) for shape, tensor in zip(shapes, inputs, strict=True)]
        return rows[0] if len(rows) == 1 else rows
