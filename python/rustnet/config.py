"""Settings of the session: float dtype, epsilon, threads, rewrites.

Some come from the environment and are read once:

- `RUSTNET_NUM_THREADS`, else `OMP_NUM_THREADS`: the number of threads until `set_num_threads` is called; by
  default as many as the process may use processors (its affinity and its control group's quota).
- `RUSTNET_ISA`: `avx512`, `avx2`, `neon` or `portable` instead of the best instructions of the machine.
- `RUSTNET_DISABLE_RULES`: names of rewrites of the engine, with commas between them, that are switched off
  until `disable_rules` is called.
"""

from __future__ import annotations

from rustnet import _core
from rustnet.core.dtypes import floatx, set_floatx
from rustnet.core.rules import disable_rules, disabled_rules, rule_names

_epsilon = 1e-7


def epsilon() -> float:
    """The small number that keeps divisions and logarithms finite, `1e-7` unless changed."""
    return _epsilon


def set_epsilon(value: float) -> None:
    """Sets `epsilon`. Raises `ValueError` unless it is above 0."""
    global _epsilon
    if not value > 0:
        raise ValueError(f"expected an epsilon above 0. Received: value={value!r}")
    _epsilon = float(value)


def image_data_format() -> str:
    """Always `"channels_last"`."""
    return "channels_last"


def set_image_data_format(data_format: str) -> None:
    """Accepts `"channels_last"`, the one format there is. Raises `ValueError` for another."""
    if data_format != "channels_last":
        raise ValueError(f"expected 'channels_last'. Received: data_format={data_format!r}")


def set_num_threads(threads: int) -> None:
    """The number of threads that programs run on; the results are the same bits for any number."""
    if isinstance(threads, bool) or not isinstance(threads, int) or threads < 1:
        raise ValueError(f"expected a number of threads of 1 or more. Received: threads={threads!r}")
    _core.set_num_threads(threads)


def get_num_threads() -> int:
    """The number of threads that programs run on."""
    return _core.get_num_threads()


__all__ = [
    "disable_rules",
    "disabled_rules",
    "epsilon",
    "floatx",
    "get_num_threads",
    "image_data_format",
    "rule_names",
    "set_epsilon",
    "set_floatx",
    "set_image_data_format",
    "set_num_threads",
]
