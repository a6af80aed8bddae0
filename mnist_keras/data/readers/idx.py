"""Reads IDX files, the format that MNIST is published in.

Reference:
    Y. LeCun, "The MNIST database", section "File formats for the MNIST database".
"""

import gzip
import math
import os
import zlib
from pathlib import Path
from typing import IO, Any

import numpy as np

from mnist_keras._validation import InputError
from mnist_keras.data.readers.files import DEFLATE_RATIO, RawData, wrong_length

_IDX_KINDS = {"images": (0x803, 3), "labels": (0x801, 1)}  # magic number, number of dimensions


def find_set(name: str, prefix: str, root: Path, source: str = "auto") -> tuple[str, Path] | None:
    """Returns the format and the place (a directory or an NPZ file) of a known set's files, if they are there.

    Args:
        name: The set's name; its files lie in `root/name` or in `root`. Keras has dashes for underscores.
        prefix: What the IDX files' names begin with. A set that has one is not kept as NPZ.
        root: Where to look.
        source: "idx", "npz", or anything else for both.
    """
    own = root / name
    for directory in dict.fromkeys((own, root / name.replace("_", "-"), own.parent, root)):
        if source != "npz" and find_idx(directory, prefix):
            return "idx", directory
        path = directory / f"{name}.npz"
        if source != "idx" and not prefix and path.is_file():
            return "npz", path
    return None


def _idx_name(key: str, prefix: str) -> str:
    split, kind = key.split("_")
    stem = "t10k" if split == "test" and not prefix else split  # EMNIST says "test"
    return f"{prefix}{stem}-{kind}-idx{_IDX_KINDS[kind][1]}-ubyte"


def expected_idx(prefix: str = "") -> str:
    """Returns the sentence that names the published files."""
    names = [_idx_name(f"{s}_{kind}", prefix) for s in ("train", "test") for kind in _IDX_KINDS]
    return f"Expected {', '.join(names)}, each with or without .gz."


def find_idx(directory: Path, prefix: str = "") -> dict[str, Path]:
    """Returns the IDX files in a directory by array: "train_images", "train_labels" and so on."""
    found: dict[str, Path] = {}
    for key in ("train_images", "train_labels", "test_images", "test_labels"):
        name = _idx_name(key, prefix)
        for variant in (name, name.replace("-idx", ".idx")):  # some mirrors write a dot
            for path in (directory / variant, directory / f"{variant}.gz"):
                if path.is_file():
                    found.setdefault(key, path)
    return found


def read_idx_set(directory: Path, prefix: str = "") -> RawData:
    """Reads a directory of IDX files: the training images and labels, the test images and their labels."""
    files = find_idx(directory, prefix)
    needed = {"train_images", "train_labels"}
    needed |= {"test_images"} if "test_labels" in files else set()
    if missing := sorted(needed - set(files)):
        names = " and ".join(_idx_name(key, prefix) for key in missing)
        raise InputError(f"{directory} lacks {names}. {expected_idx(prefix)}")
    arrays: dict[str, Any] = {key: read_idx(path, key.split("_")[1]) for key, path in files.items()}
    for split in ("train", "test"):
        images, labels = (arrays.get(f"{split}_{kind}") for kind in _IDX_KINDS)
        if images is not None and labels is not None and len(images) != len(labels):
            raise InputError(
                f"{files[f'{split}_images']} holds {len(images)} images and "
                f"{files[f'{split}_labels']} {len(labels)} labels. Expected as many of both."
            )
    return RawData(**arrays)


def read_idx(path: Path, kind: str) -> np.ndarray:
    """Reads one IDX file of unsigned bytes, compressed with gzip or not.

    Args:
        path: The file.
        kind: "images" (three dimensions) or "labels" (one).

    Returns:
        `uint8` array of shape `(n, height, width)` or `(n,)`.

    Raises:
        InputError: If the magic number, the length or the compression is wrong, or nothing is in it.

    Reference:
        Y. LeCun, "The MNIST database", section "File formats for the MNIST database".
    """
    try:
        with path.open("rb") as file:
            zipped = file.read(2) == b"\x1f\x8b"  # by content: browsers unzip and keep the name
            file.seek(0)
            capacity = os.fstat(file.fileno()).st_size * (DEFLATE_RATIO if zipped else 1)
            stream = gzip.GzipFile(fileobj=file) if zipped else file
            return _read_idx_stream(stream, path, kind, capacity)  # type: ignore[arg-type]
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(
            f"{path} is a damaged gzip file ({error}). Expected the complete file; copy or "
            "download it again."
        ) from error


def _read_idx_stream(stream: IO[bytes], path: Path, kind: str, capacity: int) -> np.ndarray:
    magic, rank = _IDX_KINDS[kind]
    header = stream.read(4 + 4 * rank)
    received = int.from_bytes(header[:4], "big")
    if received != magic:
        others = [other for other, (number, _) in _IDX_KINDS.items() if number == received]
        hint = f" That is a file of {others[0]}: are two files swapped?" if others else ""
        raise InputError(
            f"{path} is no IDX file of {kind}. Expected the magic number {magic}. "
            f"Received: {received}.{hint}"
        )
    shape = tuple(int.from_bytes(header[i : i + 4], "big") for i in range(4, len(header), 4))
    size = math.prod(shape)
    if len(header) < 4 + 4 * rank or size > capacity:
        raise wrong_length(path, kind, size, "fewer")
    if size == 0:
        raise InputError(f"{path} is empty. Expected {kind}. Received: shape={shape}.")
    array, position = np.empty(size, np.uint8), 0
    while chunk := stream.read(min(1 << 20, size - position)):
        array[position : position + len(chunk)] = np.frombuffer(chunk, np.uint8)
        position += len(chunk)
    if position < size:
        raise wrong_length(path, kind, size, f"{position:,}")
    if stream.read(1):  # at the end gzip compares its checksum
        raise wrong_length(path, kind, size, "more")
    return array.reshape(shape)
