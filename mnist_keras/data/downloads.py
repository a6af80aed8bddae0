"""Downloads the published datasets, and loads them through TensorFlow Datasets (TFDS).

TFDS prepares them from files that are downloaded here, because its own downloader has no timeout. A download goes to a
`.part` file, which gets its final name only if its SHA-256 is the published one.
"""

import contextlib
import hashlib
import http.client
import os
import re
import sys
import threading
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np

from mnist_keras._validation import InputError
from mnist_keras.data.catalog import DATASETS

PROBE_SECONDS = 3.0  # a host that has not answered by then counts as unreachable
STALL_SECONDS = 10.0  # a download that receives nothing for this long has failed

KERAS_URL = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz"
KERAS_SHA256 = "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1"
KERAS_SIZE = 11_490_434  # bytes


class DownloadError(InputError):
    """A file could not be downloaded; the text says why."""

    fault_of_input = False


def expand_home(path: str | os.PathLike[str]) -> Path:
    """Returns a path with a leading `~` expanded, or unchanged if there is no such home."""
    return Path(os.path.expanduser(path))  # noqa: PTH111  (the method of Path raises there)


def keras_cache() -> Path:
    """Returns the directory where Keras keeps datasets."""
    return expand_home(os.environ.get("KERAS_HOME") or "~/.keras") / "datasets"


def tfds_cache() -> Path:
    """Returns the directory where TFDS keeps prepared datasets."""
    return expand_home(os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets")


def in_tfds_cache(name: str) -> bool:
    """Tells whether TFDS has prepared a set, without importing TFDS."""
    try:
        return any((tfds_cache() / name).glob("*/dataset_info.json"))
    except OSError:  # the home of another user, for example in a container
        return False


def file_sha256(path: Path) -> str:
    """Returns a file's SHA-256."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_damaged_keras_mnist(path: Path) -> bool:
    """Tells whether a file has the name of Keras's mnist.npz and other contents."""
    return path.name == "mnist.npz" and file_sha256(path) != KERAS_SHA256


def download_keras_mnist() -> Path:
    """Downloads Keras's mnist.npz into Keras's cache and returns its path."""
    path = keras_cache() / "mnist.npz"
    probe(KERAS_URL)
    fetch(KERAS_URL, path, sha256=KERAS_SHA256, size=KERAS_SIZE)
    return path


def load_tfds(name: str, files_dir: Path | None = None) -> tuple[Any, ...]:
    """Loads a dataset through `tfds.load`, which prepares it first if needed.

    Args:
        name: The dataset's name, which is also TFDS's.
        files_dir: Directory of the published files; None downloads them.

    Returns:
        Training images and labels, test images and labels, in the order and form of the published files.

    Raises:
        DownloadError: If the files cannot be downloaded.
        InputError: If files are missing from `files_dir` or are not the published ones.
    """
    prepared = in_tfds_cache(name)
    if not prepared and files_dir is None:
        probe(DATASETS[name].url)  # before imports that take seconds
    import tensorflow_datasets as tfds

    try:
        splits = _load_splits(tfds, name, files_dir)
    except (InputError, ImportError):
        raise
    except Exception as error:  # TFDS, TensorFlow and the file system raise a dozen types
        reason = re.sub(r"\{\{.*?\}\} ?", "", str(error)).partition(" [Op:")[0].strip()
        raise InputError(
            f"TensorFlow Datasets cannot prepare or read {name} in {tfds_cache()} ({reason}). Remove "
            f"{tfds_cache() / name} and try again; {tfds_cache()} must be writable and have enough free space."
        ) from error
    arrays = []
    for split, examples in zip(("train", "test"), splits, strict=True):
        # TFDS sorts examples by the hash of their number in the published files.
        hasher = tfds.core.hashing.Hasher(split)
        keys = [hasher.hash_key(i) for i in range(len(examples["label"]))]
        published = np.argsort(sorted(range(len(keys)), key=keys.__getitem__))
        arrays += [examples["image"][published, :, :, 0], examples["label"][published]]
    return tuple(arrays)


def open_tfds(directory: Path) -> Any:
    """Returns TFDS's builder of the set whose dataset_info.json lies in a directory."""
    import tensorflow_datasets as tfds

    return tfds.builder_from_directory(directory)


def _load_splits(tfds: Any, name: str, files_dir: Path | None) -> Any:
    """Returns TFDS's training and test examples as arrays, in TFDS's order."""
    builder = tfds.builder(name, data_dir=tfds_cache())
    if not builder.is_prepared():
        if files_dir is None:
            files_dir = tfds_cache() / "downloads" / "manual" / name.split("/", maxsplit=1)[0]
            for url, info in builder.url_infos.items():
                fetch(url, files_dir / info.filename, sha256=info.checksum, size=info.size)
        for info in builder.url_infos.values():
            path = files_dir / info.filename
            if not path.is_file() or file_sha256(path) != info.checksum:
                raise InputError(
                    f"{path} is missing or not the published file, which TensorFlow Datasets needs. "
                    f"Expected SHA-256 {info.checksum}, {info.size:,} bytes."
                )
    download_config = tfds.download.DownloadConfig(manual_dir=files_dir)
    with contextlib.redirect_stdout(sys.stderr):  # TFDS announces its work on stdout
        splits = tfds.load(
            name,
            split=["train", "test"],
            batch_size=-1,
            data_dir=tfds_cache(),
            download_and_prepare_kwargs={"download_config": download_config},
            read_config=tfds.ReadConfig(interleave_cycle_length=1),  # shards one after another
        )
    return tfds.as_numpy(splits)


def _open(request: urllib.request.Request, timeout: float) -> http.client.HTTPResponse:
    # `urlopen` would keep the proxies that the environment named at its first call.
    return urllib.request.build_opener().open(request, timeout=timeout)


def probe(url: str) -> None:
    """Raises `DownloadError` unless the host of a URL, or its proxy, answers within seconds."""
    host = urllib.parse.urlsplit(url).hostname
    failure = [f"{host} did not answer within {PROBE_SECONDS:g} seconds"]

    def ask() -> None:
        try:
            _open(urllib.request.Request(url, method="HEAD"), PROBE_SECONDS).close()
        except urllib.error.HTTPError:
            pass  # an answer; the download will show what it says about the file
        except Exception as error:
            failure[0] = f"no connection to {host} ({getattr(error, 'reason', error)})"
            return
        failure.clear()

    # In a thread, because looking up a host name ignores the time-out.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(PROBE_SECONDS)
    if failure:
        raise DownloadError(failure[0])


def fetch(url: str, target: Path, *, sha256: str, size: int) -> None:
    """Downloads and verifies a file, unless it exists; the target appears complete or not at all.

    Raises:
        DownloadError: If the host refuses, stalls or sends the wrong file, or it cannot be written.
    """
    if target.is_file() and file_sha256(target) == sha256:
        return
    part = target.with_name(f"{target.name}.{os.getpid()}.part")
    digest, received = hashlib.sha256(), 0
    print(f"Downloading {url} ({size / 1e6:.1f} MB) to {target.parent}", file=sys.stderr)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _open(urllib.request.Request(url), STALL_SECONDS) as response, part.open("wb") as file:
            while received <= size and (chunk := response.read(1 << 16)):
                file.write(chunk)
                digest.update(chunk)
                received += len(chunk)
                _show_progress(target.name, received, size)
        if received != size or digest.hexdigest() != sha256:
            raise DownloadError(
                f"{url} is not the published file: {received:,} bytes with SHA-256 {digest.hexdigest()} came, "
                f"expected {size:,} bytes with {sha256}"
            )
        part.replace(target)
    except (OSError, http.client.HTTPException) as error:
        raise DownloadError(f"{url} failed ({error})") from error
    finally:
        with contextlib.suppress(OSError):  # the first error is the one to report
            part.unlink(missing_ok=True)


def _show_progress(name: str, received: int, size: int) -> None:
    if sys.stderr.isatty():
        end = "" if received < size else "\n"
        print(f"\r{name}: {received / 1e6:.1f} of {size / 1e6:.1f} MB", end=end, file=sys.stderr)
