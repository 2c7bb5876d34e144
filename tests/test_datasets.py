"""Data sets: shapes, where they are looked for, and what is said about missing or corrupt files."""

import gzip
import hashlib
import http.server
import os
import struct
import threading
from pathlib import Path

import numpy as np
import pytest

from rustnet.datasets import digits, fashion_mnist, files, idx, mnist


@pytest.fixture(autouse=True)
def private_home(tmp_path, monkeypatch):
    """No data set of this machine is found or written."""
    monkeypatch.setenv("RUSTNET_HOME", str(tmp_path / "rustnet"))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setattr(fashion_mnist, "DEBIAN_DIRECTORY", tmp_path / "debian")
    monkeypatch.setattr(fashion_mnist, "URL", "http://127.0.0.1:9/")
    monkeypatch.setattr(mnist, "URL", "http://127.0.0.1:9/mnist.npz")
    return tmp_path


def idx_bytes(array):
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def small_arrays():
    generator = np.random.default_rng(0)
    return {
        "x_train": generator.integers(0, 256, (5, 28, 28), dtype=np.uint8),
        "y_train": np.arange(5, dtype=np.uint8),
        "x_test": generator.integers(0, 256, (3, 28, 28), dtype=np.uint8),
        "y_test": np.arange(3, dtype=np.uint8),
    }


def write_idx_files(directory, compressed=True):
    directory.mkdir(parents=True, exist_ok=True)
    for part, array in small_arrays().items():
        content = idx_bytes(array)
        name = idx.FILE_NAMES[part]
        if compressed:
            (directory / f"{name}.gz").write_bytes(gzip.compress(content))
        else:
            (directory / name).write_bytes(content)


def check(loaded):
    (x_train, y_train), (x_test, y_test) = loaded
    for part, array in {"x_train": x_train, "y_train": y_train, "x_test": x_test, "y_test": y_test}.items():
        np.testing.assert_array_equal(array, small_arrays()[part])
        assert array.dtype == np.uint8 and array.flags.writeable


def test_digits_are_those_of_the_repository():
    (x_train, y_train), (x_test, y_test) = digits.load_data()
    assert (x_train.shape, y_train.shape) == ((1437, 8, 8), (1437,))
    assert (x_test.shape, y_test.shape) == ((360, 8, 8), (360,))
    assert x_train.dtype == y_train.dtype == np.uint8
    assert np.concatenate([x_train, x_test]).max() == 16
    # The first image of the file is a zero; the class counts are those of the repository.
    np.testing.assert_array_equal(x_train[0, 0], [0, 0, 5, 13, 9, 1, 0, 0])
    assert np.bincount(np.concatenate([y_train, y_test])).tolist() == [
        178,
        182,
        177,
        183,
        181,
        182,
        181,
        179,
        174,
        180,
    ]


def test_digits_are_packed_small():
    assert (Path(digits.__file__).parent / "data" / "digits.npz").stat().st_size < 60_000


@pytest.mark.parametrize(
    "place", ["rustnet/datasets/fashion-mnist", "keras/datasets/fashion-mnist", "debian"]
)
def test_fashion_mnist_is_found_in_each_place(private_home, place):
    write_idx_files(private_home / place)
    check(fashion_mnist.load_data())


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize("dataset", [mnist, fashion_mnist])
def test_a_directory_of_original_files(tmp_path, dataset, compressed):
    write_idx_files(tmp_path / "given", compressed)
    check(dataset.load_data(path=tmp_path / "given"))


@pytest.mark.parametrize("place", ["rustnet/datasets", "keras/datasets"])
def test_mnist_is_found_in_each_cache(private_home, place):
    (private_home / place).mkdir(parents=True)
    np.savez(private_home / place / "mnist.npz", **small_arrays())
    check(mnist.load_data())


def test_mnist_from_a_file_or_a_directory(tmp_path):
    np.savez(tmp_path / "mnist.npz", **small_arrays())
    check(mnist.load_data(tmp_path / "mnist.npz"))
    check(mnist.load_data(str(tmp_path)))


def test_a_directory_without_the_files_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"train-images-idx3-ubyte.gz.*Received: path="):
        fashion_mnist.load_data(tmp_path)


@pytest.mark.parametrize("dataset", [mnist, fashion_mnist])
def test_a_failing_download_says_what_to_put_where(private_home, dataset):
    with pytest.raises(
        OSError, match=r"Could not download .* from http://127.0.0.1:9/.*put the file at .*rustnet"
    ):
        dataset.load_data()
    assert not list(private_home.rglob("*.npz")) and not list(private_home.rglob("*ubyte*"))


@pytest.fixture
def server(tmp_path):
    """A server on this machine that serves a directory."""
    (tmp_path / "served").mkdir()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments):
            super().__init__(*arguments, directory=str(tmp_path / "served"))

        def log_message(self, *arguments):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http_server:
        threading.Thread(target=http_server.serve_forever, daemon=True).start()
        yield tmp_path / "served", f"http://127.0.0.1:{http_server.server_port}/"
        http_server.shutdown()


def test_a_download_is_checked_and_cached(server, private_home, monkeypatch):
    directory, url = server
    write_idx_files(directory)
    monkeypatch.setattr(fashion_mnist, "URL", url)
    digests = {part: hashlib.sha256(idx_bytes(array)).hexdigest() for part, array in small_arrays().items()}
    monkeypatch.setattr(fashion_mnist, "SHA256", digests)
    check(fashion_mnist.load_data())
    for file in directory.iterdir():
        file.unlink()
    check(fashion_mnist.load_data())
    assert len(list((private_home / "rustnet" / "datasets" / "fashion-mnist").iterdir())) == 4


def test_a_download_of_something_else_is_refused(server, private_home, monkeypatch):
    directory, url = server
    np.savez(directory / "mnist.npz", **small_arrays())
    monkeypatch.setattr(mnist, "URL", f"{url}mnist.npz")
    with pytest.raises(OSError, match=f"the file with SHA-256 {mnist.SHA256}.*Received: "):
        mnist.load_data()
    assert not (private_home / "rustnet").exists()


def test_a_failing_write_leaves_nothing_behind(tmp_path, monkeypatch):
    def no_space(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(OSError, match="No space left"):
        files.write_atomically(tmp_path / "cache" / "file", b"content")
    assert list((tmp_path / "cache").iterdir()) == []


CORRUPT_IDX = {
    "empty": (b"", "an IDX file"),
    "text": (b"<html>not found</html>", "an IDX file"),
    "float32": (struct.pack(">BBBBI", 0, 0, 0x0D, 1, 1) + b"\0\0\0\0", "an IDX file of unsigned bytes"),
    "header cut": (struct.pack(">BBBB", 0, 0, 8, 3) + b"\0\0", "to have a whole header"),
    "data cut": (
        idx_bytes(np.zeros((2, 28, 28), np.uint8))[:-1],
        r"to have 1584 bytes for shape \(2, 28, 28\)",
    ),
    "too long": (idx_bytes(np.zeros(2, np.uint8)) + b"\0", "to have 10 bytes"),
    "huge": (struct.pack(">BBBB3I", 0, 0, 8, 3, 2**32 - 1, 2**32 - 1, 2**32 - 1), "to have"),
}


@pytest.mark.parametrize("case", CORRUPT_IDX)
@pytest.mark.parametrize("compressed", [True, False])
def test_corrupt_idx_files(tmp_path, case, compressed):
    content, message = CORRUPT_IDX[case]
    path = tmp_path / ("file.gz" if compressed else "file")
    path.write_bytes(gzip.compress(content) if compressed else content)
    with pytest.raises(ValueError, match=message):
        idx.read_idx(path)


@pytest.mark.parametrize(
    "damage",
    [lambda b: b[:-20], lambda b: b[:10], lambda b: b"no gzip", lambda b: b[:12] + b"\xff" * 9 + b[21:]],
)
def test_corrupt_gzip_files(tmp_path, damage):
    (tmp_path / "file.gz").write_bytes(damage(gzip.compress(idx_bytes(np.arange(200, dtype=np.uint8)))))
    with pytest.raises(ValueError, match="a complete gzip file"):
        idx.read_idx(tmp_path / "file.gz")


def test_images_and_labels_must_belong_together(tmp_path):
    write_idx_files(tmp_path, compressed=False)
    (tmp_path / idx.FILE_NAMES["y_test"]).write_bytes(idx_bytes(np.zeros(4, np.uint8)))
    with pytest.raises(ValueError, match=r"images.shape=\(3, 28, 28\), labels.shape=\(4,\)"):
        fashion_mnist.load_data(tmp_path)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut", b"text"])
def test_corrupt_npz_files(tmp_path, content):
    (tmp_path / "mnist.npz").write_bytes(content)
    with pytest.raises(ValueError, match=r"a complete .npz archive with the arrays x_train"):
        mnist.load_data(tmp_path)


def test_an_npz_file_cannot_run_code(tmp_path):
    np.savez(tmp_path / "mnist.npz", **{**small_arrays(), "y_test": np.array([print], dtype=object)})
    with pytest.raises(ValueError, match="allow_pickle=False"):
        mnist.load_data(tmp_path)


def test_an_npz_file_without_an_array(tmp_path):
    arrays = small_arrays()
    del arrays["y_test"]
    np.savez(tmp_path / "mnist.npz", **arrays)
    with pytest.raises(ValueError, match="y_test"):
        mnist.load_data(tmp_path)
