"""Where data sets lie on this machine, and how a missing one is fetched."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import numpy as np

DOWNLOAD_TIMEOUT_SECONDS = 30

Arrays = tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


def cache_directory() -> Path:
    """Where rustnet keeps data sets: `$RUSTNET_HOME/datasets`, else `~/.rustnet/datasets`."""
    home = os.environ.get("RUSTNET_HOME")
    return (Path(home) if home else Path.home() / ".rustnet") / "datasets"


def keras_cache_directory() -> Path:
    """Where Keras keeps data sets: `$KERAS_HOME/datasets`, else `~/.keras/datasets`."""
    home = os.environ.get("KERAS_HOME")
    return (Path(home) if home else Path.home() / ".keras") / "datasets"


def first_file(candidates: list[Path]) -> Path | None:
    """The first path that is a file, or None."""
    return next((path for path in candidates if path.is_file()), None)


def download(url: str, target: Path, sha256: str, *, gzipped: bool = False) -> Path:
    """Fetches `url` to `target` whole or not at all, and returns `target`.

    Arguments:
        url: what to fetch.
        target: where to put it; its directory is made.
        sha256: the expected SHA-256, in hexadecimal, of the content.
        gzipped: whether `sha256` is that of the decompressed content. The header of a gzip file holds a name
            and a time, so two files with the same content can differ.

    Raises:
        OSError: the fetch failed, or what came is not the expected content. The message says which file to
            put where.
    """
    import gzip
    import hashlib
    import http.client
    import urllib.request

    by_hand = f"To do without the download, put the file at {target}."
    try:
        with urllib.request.urlopen(url, timeout=DOWNLOAD_TIMEOUT_SECONDS) as response:
            content = response.read()
    except (OSError, http.client.HTTPException) as error:
        raise OSError(f"Could not download {target.name} from {url}: {error}. {by_hand}") from error
    try:
        digest = hashlib.sha256(gzip.decompress(content) if gzipped else content).hexdigest()
    except (OSError, EOFError) as error:
        raise OSError(f"What {url} sent is not a gzip file: {error}. {by_hand}") from error
    if digest != sha256:
        raise OSError(
            f"What {url} sent is not the file with SHA-256 {sha256}. {by_hand} Received: SHA-256 {digest}"
        )
    write_atomically(target, content)
    return target


def write_atomically(target: Path, content: bytes) -> None:
    """Writes a file that other processes see complete or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, target)
    except BaseException:
        os.unlink(name)
        raise
