"""The IDX format of the MNIST family: a big-endian header (type, rank, sizes), then the bytes."""

from __future__ import annotations

import math
import zlib
from pathlib import Path

import numpy as np

from rustnet.datasets.files import Arrays

UNSIGNED_BYTE = 0x08
FILE_NAMES = {
    "x_train": "train-images-idx3-ubyte",
    "y_train": "train-labels-idx1-ubyte",
    "x_test": "t10k-images-idx3-ubyte",
    "y_test": "t10k-labels-idx1-ubyte",
}


def read_idx(path: Path) -> np.ndarray:
    """Reads an IDX file of unsigned bytes, gzip-compressed if its name ends in `.gz`.

    Raises:
        ValueError: the file is truncated, corrupt, or holds another type.
    """
    import gzip

    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(
            f"expected a complete gzip file, or none to have it fetched again. Received: {path}: {error}"
        ) from error
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] != UNSIGNED_BYTE:
        raise ValueError(
            f"expected {path} to be an IDX file of unsigned bytes. Received: header={content[:4]!r}"
        )
    header = 4 + 4 * content[3]
    if len(content) < header:
        raise ValueError(f"expected {path} to have a whole header. Received: {len(content)} bytes")
    shape = tuple(int(size) for size in np.frombuffer(content, ">u4", count=content[3], offset=4))
    expected = header + math.prod(shape)
    if len(content) != expected:
        raise ValueError(
            f"expected {path} to have {expected} bytes for shape {shape}. Received: {len(content)} bytes"
        )
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape).copy()


def find_idx_files(directories: list[Path]) -> dict[str, Path] | None:
    """The four files of the family in the first directory that has them all, plain or gzip-compressed."""
    for directory in directories:
        found = {}
        for part, name in FILE_NAMES.items():
            for candidate in (directory / f"{name}.gz", directory / name):
                if candidate.is_file():
                    found[part] = candidate
                    break
        if len(found) == len(FILE_NAMES):
            return found
    return None


def load_idx_files(paths: dict[str, Path]) -> Arrays:
    """Reads the four files; images (n, 28, 28) and labels (n,), both uint8.

    Raises:
        ValueError: a file is corrupt, or images and labels do not belong together.
    """
    arrays = {part: read_idx(path) for part, path in paths.items()}
    for split in ("train", "test"):
        check_pair(arrays[f"x_{split}"], arrays[f"y_{split}"], paths[f"x_{split}"])
    return (arrays["x_train"], arrays["y_train"]), (arrays["x_test"], arrays["y_test"])


def check_pair(images: np.ndarray, labels: np.ndarray, path: Path) -> None:
    """Raises ValueError unless images are (n, 28, 28) and labels (n,)."""
    if images.ndim != 3 or images.shape[1:] != (28, 28) or labels.shape != images.shape[:1]:
        raise ValueError(
            f"expected {path} to hold images of shape (n, 28, 28) with labels of shape (n,). "
            f"Received: images.shape={images.shape}, labels.shape={labels.shape}"
        )
