"""Fashion-MNIST: 70,000 pictures of clothes in the form of MNIST, by Zalando Research (MIT licence).

The classes 0 to 9 are in `CLASS_NAMES`. Source: H. Xiao, K. Rasul, R. Vollgraf (2017),
https://arxiv.org/abs/1708.07747.
"""

from __future__ import annotations

import os
from pathlib import Path

from rustnet.datasets import files, idx
from rustnet.datasets.files import Arrays

URL = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"
# Of the decompressed files: the distributions of this data set compress the same bytes in different ways.
SHA256 = {
    "x_train": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "y_train": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "x_test": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "y_test": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}
DEBIAN_DIRECTORY = Path("/usr/share/datasets/fashion-mnist")
CLASS_NAMES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)


def load_data(path: str | os.PathLike[str] | None = None) -> Arrays:
    """Loads Fashion-MNIST as `(x_train, y_train), (x_test, y_test)`.

    Looks for the four original files in this order: the directory `path`, rustnet's cache directory
    (`$RUSTNET_HOME/datasets/fashion-mnist` or `~/.rustnet/datasets/fashion-mnist`), Keras's cache directory,
    the place of Debian's package `dataset-fashion-mnist`; else downloads them into rustnet's cache and checks
    their SHA-256.

    Arguments:
        path: a directory that holds the four original `*-ubyte` files, plain or `.gz`; None to search.

    Returns:
        `x_train` (60000, 28, 28) and `x_test` (10000, 28, 28), uint8 from 0 to 255; `y_train` (60000,) and
        `y_test` (10000,), uint8 labels from 0 to 9.

    Raises:
        FileNotFoundError: `path` is given and does not hold the four files.
        ValueError: a file found is corrupt.
        OSError: the files are not on this machine and could not be downloaded.

    Example:
        >>> from rustnet.datasets import fashion_mnist
        >>> (x_train, y_train), (x_test, y_test) = fashion_mnist.load_data()  # doctest: +SKIP

    Source: https://keras.io/api/datasets/fashion_mnist/
    """
    cache = files.cache_directory() / "fashion-mnist"
    if path is not None:
        found = idx.find_idx_files([Path(path)])
        if found is None:
            names = ", ".join(f"{name}.gz" for name in idx.FILE_NAMES.values())
            raise FileNotFoundError(
                f"expected path to be a directory with the files {names}. Received: path={str(path)!r}"
            )
    else:
        keras_cache = files.keras_cache_directory() / "fashion-mnist"
        found = idx.find_idx_files([cache, keras_cache, DEBIAN_DIRECTORY])
    return idx.load_idx_files(found or {part: fetch(part, cache) for part in idx.FILE_NAMES})


def fetch(part: str, cache: Path) -> Path:
    """The path of one file in the cache, downloaded if it is not there."""
    name = f"{idx.FILE_NAMES[part]}.gz"
    target = cache / name
    return target if target.is_file() else files.download(URL + name, target, SHA256[part], gzipped=True)
