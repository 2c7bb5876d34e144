"""Keras's backend functions that do not compute: names, float dtype, epsilon."""

from rustnet.config import epsilon, floatx, image_data_format, set_epsilon, set_floatx
from rustnet.core.convert import is_tensor
from rustnet.core.dtypes import standardize_dtype
from rustnet.core.naming import clear_session
from rustnet.core.promotion import result_dtype as result_type


def backend() -> str:
    """The name of the engine, `"rustnet"`."""
    return "rustnet"


__all__ = [
    "backend",
    "clear_session",
    "epsilon",
    "floatx",
    "image_data_format",
    "is_tensor",
    "result_type",
    "set_epsilon",
    "set_floatx",
    "standardize_dtype",
]
