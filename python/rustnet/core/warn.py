"""Warnings that point at the line of the user's program, wherever in the package they arise."""

from __future__ import annotations

import sys
import warnings


def warn(message: str) -> None:
    """A `UserWarning` at the innermost caller outside the package."""
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == "rustnet":
        level, frame = level + 1, frame.f_back
    warnings.warn(message, stacklevel=level)
