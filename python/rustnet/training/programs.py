"""The programs of a model: one for each step and shape of a batch, and one for what the metrics say."""

from __future__ import annotations

from typing import Literal

from rustnet import _core
from rustnet.core.program_cache import ProgramCache

Kind = Literal["train", "test", "predict"]


class Programs(ProgramCache):
    """Recorded steps, made on first use and kept while what they were recorded with stays as it is."""

    def __init__(self, arenas: _core.Arenas) -> None:
        super().__init__(arenas)
        # The names of the last results, in the order in which `evaluate` lists them.
        self.order: list[str] = []
