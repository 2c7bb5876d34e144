"""Helpers around training: seeds, one-hot labels, sequences of one length, progress."""

from rustnet.random import set_random_seed as set_random_seed
from rustnet.utils.numerical import normalize as normalize
from rustnet.utils.numerical import to_categorical as to_categorical
from rustnet.utils.sequences import pad_sequences as pad_sequences
