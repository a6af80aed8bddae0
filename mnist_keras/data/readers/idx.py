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
from mnist_keras.data.catalog import DATASETS
from mnist_keras.data.readers.files import (
    DEFLATE_RATIO,
    Place,
    RawData,
    allocate,
    assemble,
    is_regular,
    wrong_length,
)
from mnist_keras.data.readers.names import choose_set, group_files, kind_of, prefix_of

_IDX_KINDS = {"images": (0x803, 3), "labels": (0x801, 1)}  # magic number, number of dimensions
GZIP = b"\x1f\x8b"  # begins every gzip file
_OTHER_KIND = {"images": ("images", "labels"), "labels": ("labels", "images")}
_OTHER_SUFFIXES = (
    ".png",
    ".jpg",
    ".jpeg",
    ".bmp",
    ".csv",
    ".npz",
    ".npy",
    ".mat",
    ".parquet",
    ".json",
    ".txt",
    ".zip",
)
_LABEL_TYPES: dict[int, np.dtype[Any]] = {
    8: np.dtype("u1"),
    9: np.dtype("i1"),
    11: np.dtype(">i2"),
    12: np.dtype(">i4"),
}  # third byte


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
                f"{files[f'{split}_labels']} {len(labels)} labels. Expected the same number of both."
            )
    return RawData(**arrays)


def idx_kind(path: Path) -> str | None:
    """Returns "images" or "labels" if a file begins like an IDX file of them, compressed or not."""
    try:
        with path.open("rb") as file:
            start = file.read(4)
            if start[:2] == GZIP:
                file.seek(0)
                start = gzip.GzipFile(fileobj=file).read(4)
    except (EOFError, zlib.error, gzip.BadGzipFile):  # a damaged file is known by its name
        return kind_of(path.name) if "idx" in path.name else None
    if start == b"\0\0\x08\x03":
        return "images"
    if len(start) < 4:
        return None
    rank = start[3]
    return (
        "labels" if start[:2] == b"\0\0" and start[2] in _LABEL_TYPES and rank in (1, 2) else None
    )


def find_idx_sets(place: Place) -> dict[str, dict[str, Path]]:
    """Returns the datasets of IDX files at a place, recognized by how the files begin: name -> array's name -> file.

    A path to one file stands for the dataset that it belongs to.
    """
    candidates = [place.root / x for x in place.names if not x.lower().endswith(_OTHER_SUFFIXES)]
    if place.path == place.root:
        return group_files(place, candidates, idx_kind)
    if not candidates or not idx_kind(place.path):
        return {}
    beside = [path for path in place.path.parent.iterdir() if is_regular(path)]
    sets = group_files(Place(place.path.parent), sorted(beside), idx_kind)
    return {name: files for name, files in sets.items() if place.path in files.values()}


def read_idx_place(place: Place) -> RawData:
    """Reads the one set of IDX files at a place; EMNIST's is turned upright and named."""
    sets = find_idx_sets(place)
    name = choose_set(place.path, sets, place.relative(min(next(iter(sets.values())).values())))
    files = sets[name]
    if len(files) == 1:
        [(key, path)] = files.items()
        missing = _idx_name(key.replace(*_OTHER_KIND[key.split("_")[1]]), "")
        raise InputError(f"{path} has no {missing} next to it. {expected_idx()}")
    arrays: dict[str, Any] = {key: read_idx(path, key.split("_")[1]) for key, path in files.items()}
    prefix = prefix_of(next(iter(files.values())).name) + "-"
    spec = next((spec for spec in DATASETS.values() if spec.idx_prefix == prefix), None)
    if spec and spec.transposed:
        for images in (array for key, array in arrays.items() if key.endswith("images")):
            turn_upright(images)
    if spec and spec.first_label:
        arrays |= {
            key: array.astype(np.int64) - spec.first_label
            for key, array in arrays.items()
            if key.endswith("labels")
        }
    return assemble(
        place,
        arrays,
        files=[place.relative(path) for path in files.values()],
        left_out=place.others(files.values()),
        class_names=spec.class_names if spec else None,
    )


def turn_upright(images: np.ndarray) -> None:
    """Transposes square images in place, without a second copy of all of them."""
    for start in range(0, len(images), 1024):
        images[start : start + 1024] = images[start : start + 1024].swapaxes(1, 2).copy()


def read_idx(path: Path, kind: str) -> np.ndarray:
    """Reads one IDX file, compressed with gzip or not.

    Args:
        path: The file.
        kind: "images" (three dimensions of unsigned bytes) or "labels" (integers; of two dimensions, as QMNIST's,
            the first column).

    Returns:
        `uint8` array of shape `(n, height, width)`, or integers of shape `(n,)`.

    Raises:
        InputError: If the magic number, the length or the compression is wrong, or the file is empty.

    Reference:
        Y. LeCun, "The MNIST database", section "File formats for the MNIST database".
    """
    try:
        with path.open("rb") as file:
            zipped = file.read(2) == GZIP  # by content: browsers unzip and keep the name
            file.seek(0)
            capacity = os.fstat(file.fileno()).st_size * (DEFLATE_RATIO if zipped else 1)
            stream = gzip.GzipFile(fileobj=file) if zipped else file
            return _read_idx_stream(stream, path, kind, capacity)  # type: ignore[arg-type]
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(
            f"{path} is a damaged gzip file ({error}). Expected a complete file; copy or "
            "download it again."
        ) from error


def _read_idx_stream(stream: IO[bytes], path: Path, kind: str, capacity: int) -> np.ndarray:
    magic, rank = _IDX_KINDS[kind]
    start = stream.read(4)
    received = int.from_bytes(start, "big")
    dtype: np.dtype[Any] = np.dtype("u1")
    if kind == "labels" and start[:2] == b"\0\0" and len(start) == 4 and start[3] in (1, 2):
        dtype, rank = _LABEL_TYPES.get(start[2], dtype), start[3]
        magic = received if start[2] in _LABEL_TYPES else magic
    if received != magic:
        others = [other for other, (number, _) in _IDX_KINDS.items() if number == received]
        hint = f" This is a file of {others[0]}: did you swap two files?" if others else ""
        raise InputError(
            f"{path} is not an IDX file of {kind}. Expected the magic number {magic}. "
            f"Received: {received}.{hint}"
        )
    header = stream.read(4 * rank)
    shape = tuple(int.from_bytes(header[i : i + 4], "big") for i in range(0, len(header), 4))
    size = math.prod(shape) * dtype.itemsize
    if len(header) < 4 * rank or size > capacity:
        raise wrong_length(path, kind, size, "fewer")
    if size == 0:
        raise InputError(f"{path} is empty. Expected {kind}. Received: shape={shape}.")
    array, position = allocate(path, (size,)), 0
    while chunk := stream.read(min(1 << 20, size - position)):
        array[position : position + len(chunk)] = np.frombuffer(chunk, np.uint8)
        position += len(chunk)
    if position < size:
        raise wrong_length(path, kind, size, f"{position:,}")
    if stream.read(1):  # at the end gzip compares its checksum
        raise wrong_length(path, kind, size, "more")
    array = array.view(dtype).reshape(shape)
    if dtype.itemsize > 1:
        array = array.astype(np.int64)
    return array[:, 0].copy() if kind == "labels" and rank == 2 else array
