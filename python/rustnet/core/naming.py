"""Automatic names: the class in snake case, numbered from the second on."""

from __future__ import annotations

import re
from collections import Counter

_counts: Counter[str] = Counter()


def to_snake_case(name: str) -> str:
    """`"MaxPooling2D"` → `"max_pooling2d"`, `"LSTM"` → `"lstm"`."""
    name = re.sub(r"\W+", "", name)
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


def auto_name(prefix: str) -> str:
    """`prefix`, then `prefix_1`, `prefix_2`, … until `clear_session`."""
    number = _counts[prefix]
    _counts[prefix] += 1
    return f"{prefix}_{number}" if number else prefix


def clear_session() -> None:
    """Forgets the automatic names given so far, so that the next layer is again called `dense`."""
    _counts.clear()
