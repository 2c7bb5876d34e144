"""MNIST: 70,000 hand-written digits of 28×28 pixels, by Y. LeCun, C. Cortes and C. Burges (CC BY-SA 3.0)."""

from __future__ import annotations

import os
import zipfile
import zlib
from pathlib import Path

import numpy as np

from rustnet.datasets import files, idx
from rustnet.datasets.files import Arrays

URL = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz"
SHA256 = "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1"
PARTS = ("x_train", "y_train", "x_test", "y_test")


def load_data(path: str | os.PathLike[str] = "mnist.npz") -> Arrays:
    """Loads MNIST as `(x_train, y_train), (x_test, y_test)`.

    Looks for the file in this order: `path` itself, rustnet's cache directory (`$RUSTNET_HOME/datasets` or
    `~/.rustnet/datasets`), Keras's cache directory; else downloads it into rustnet's cache and checks its
    SHA-256.

    Arguments:
        path: a file name in the cache directory, a path to an `.npz` file, or a directory that holds
            `mnist.npz` or the four original `*-ubyte` files (plain or `.gz`).

    Returns:
        `x_train` (60000, 28, 28) and `x_test` (10000, 28, 28), uint8 from 0 to 255; `y_train` (60000,) and
        `y_test` (10000,), uint8 labels from 0 to 9.

    Raises:
        ValueError: the file found is corrupt.
        OSError: the file is not on this machine and could not be downloaded.

    Example:
        >>> from rustnet.datasets import mnist
        >>> (x_train, y_train), (x_test, y_test) = mnist.load_data()  # doctest: +SKIP

    Source: https://keras.io/api/datasets/mnist/
    """
    path = Path(path)
    if path.is_dir():
        originals = idx.find_idx_files([path])
        if originals is not None:
            return idx.load_idx_files(originals)
        path = path.absolute() / "mnist.npz"
    cached = files.cache_directory() / path
    found = files.first_file([path, cached, files.keras_cache_directory() / path])
    return read_npz(found or files.download(URL, cached, SHA256))


def read_npz(path: Path) -> Arrays:
    """Reads an archive with the arrays `x_train`, `y_train`, `x_test` and `y_test`.

    Raises:
        ValueError: it is not such an archive, or the shapes are wrong.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {part: archive[part] for part in PARTS}
    except (ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(
            f"expected a complete .npz archive with the arrays {', '.join(PARTS)}, or none to have it "
            f"fetched again. Received: {path}: {error}"
        ) from error
    for split in ("train", "test"):
        idx.check_pair(arrays[f"x_{split}"], arrays[f"y_{split}"], path)
    return (arrays["x_train"], arrays["y_train"]), (arrays["x_test"], arrays["y_test"])
