"""Which rewrites of the engine are left out of the programs that are compiled from now on."""

from __future__ import annotations

import os

from rustnet import _core

_disabled: tuple[str, ...] = ()


def disabled_rules() -> tuple[str, ...]:
    """The rewrites that `disable_rules` or `RUSTNET_DISABLE_RULES` has switched off."""
    return _disabled


def disable_rules(*names: str) -> None:
    """Switches off these rewrites of the engine, and all others on: for finding faults.

    It holds for programs that are compiled from now on: call it before a model is used. Results are the same
    to rounding with any choice; the time and memory that they take are not.

    Args:
        *names: those of `rule_names()` that are switched off; none for all on.

    Raises:
        ValueError: a name that no rule has.

    >>> disable_rules("bias", "pooled_monotone")
    >>> disabled_rules()
    ('bias', 'pooled_monotone')
    >>> disable_rules()
    """
    global _disabled
    known = _core.rule_names()
    for name in names:
        if name not in known:
            raise ValueError(f"expected names of rules: {', '.join(known)}. Received: {name!r}")
    _disabled = names


def rule_names() -> list[str]:
    """The names of all rewrites of the engine, in the order in which they are tried."""
    return _core.rule_names()


def _from_environment() -> None:
    given = os.environ.get("RUSTNET_DISABLE_RULES", "")
    try:
        disable_rules(*(name.strip() for name in given.split(",") if name.strip()))
    except ValueError as error:
        raise ValueError(f"RUSTNET_DISABLE_RULES: {error}") from None


_from_environment()
