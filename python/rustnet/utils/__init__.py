"""Helpers around training: seeds, one-hot labels, sequences of one length, progress, parts of a batch."""

from rustnet.random import set_random_seed as set_random_seed
from rustnet.utils.data_parts import pack_x_y_sample_weight as pack_x_y_sample_weight
from rustnet.utils.data_parts import unpack_x_y_sample_weight as unpack_x_y_sample_weight
from rustnet.utils.numerical import normalize as normalize
from rustnet.utils.numerical import to_categorical as to_categorical
from rustnet.utils.sequences import pad_sequences as pad_sequences
