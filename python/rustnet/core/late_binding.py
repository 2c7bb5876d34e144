"""What core's objects call although it stands above them: the operators of tensors are ops, for example.

Core imports nothing from above. The package root, which knows every module, says here how each of these is
found; it is imported when it is first called for.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType


def _unbound() -> ModuleType:
    raise RuntimeError("expected the package `rustnet` to be imported before its parts")


# The module of each.
ops: Callable[[], ModuleType] = _unbound
initializers: Callable[[], ModuleType] = _unbound
masks: Callable[[], ModuleType] = _unbound
