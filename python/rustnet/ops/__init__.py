"""`rustnet.ops`: Keras's operations, written once for three uses.

On arrays an op runs at once; inside a layer, loss or metric it is recorded into the graph of the step; on
symbolic tensors it becomes a node of the functional model. Each module exports what its `__all__` names.
Source: https://keras.io/api/ops
"""

from typing import TYPE_CHECKING

from rustnet.ops.activation import *
from rustnet.ops.creation import *
from rustnet.ops.crossentropy import *
from rustnet.ops.elementwise import *
from rustnet.ops.gather import *
from rustnet.ops.linear import *
from rustnet.ops.nn import *
from rustnet.ops.nn_spatial import *
from rustnet.ops.ordering import *
from rustnet.ops.rearranging import *
from rustnet.ops.reduction import *
from rustnet.ops.shaping import *
from rustnet.ops.slicing import *

# The functions that came in above. Checkers of types know them from there, and take this for an empty list.
if not TYPE_CHECKING:
    __all__ = sorted(name for name, value in dict(globals()).items() if callable(value) and name[0] != "_")
