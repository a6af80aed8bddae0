"""Readers of the files that data sets come in: IDX, NPZ and CSV.

Whatever a file holds, a reader returns arrays or raises `InputError` with the file's name in it.
None allocates more than the file can fill, whatever size its header declares, and none runs code
from a file (pickles).
"""

import gzip
import hashlib
import math
import os
import struct
import warnings
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from mnist_keras._validation import InputError, check_images, invalid

NPZ_KEYS = ("x_train", "y_train", "x_test", "y_test")  # of Keras's mnist.npz

_IDX_KINDS = {"images": (0x803, 3), "labels": (0x801, 1)}  # magic number, number of dimensions
_DEFLATE_RATIO = 1032  # bytes out per byte in, at most; zlib.net/zlib_tech.html


class Splits(NamedTuple):
    """Arrays as a source gives them: no test images are None, test images without labels have None for labels."""

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray | None = None
    test_labels: np.ndarray | None = None
    class_names: tuple[str, ...] | None = None


def detect(path: Path, formats: tuple[str, ...]) -> tuple[str, Path]:
    """Returns which of the formats lies at a path, and the directory or the file to read."""
    if path.is_file():
        kind = path.suffix[1:].lower()
        if kind not in {"npz", "csv"}.intersection(formats):
            raise invalid(
                "name",
                expected=f"a directory, or a .npz or .csv file (source: {', '.join(formats)})",
                received=str(path),
                hint="Pass the directory that IDX files or pictures are in.",
            )
        return kind, path
    archives = sorted(path.glob("*.npz"))
    if "idx" in formats and find_idx(path):
        return "idx", path
    if "npz" in formats and archives:
        if len(archives) > 1:
            raise InputError(
                f"{path} holds {len(archives)} NPZ files. Expected one; pass its path."
            )
        return "npz", archives[0]
    if "csv" in formats and any(path.glob("*.csv")):
        return "csv", path
    if "folder" in formats:
        return "folder", path
    raise InputError(f"{path} holds no data of the format {', '.join(formats)}.")


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


def read_idx_set(directory: Path, prefix: str = "") -> Splits:
    """Reads a directory of IDX files: the training pair, test images, and labels of those."""
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
    return Splits(**arrays)


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
            capacity = os.fstat(file.fileno()).st_size * (_DEFLATE_RATIO if zipped else 1)
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
        raise _wrong_length(path, kind, size, "fewer")
    if size == 0:
        raise InputError(f"{path} is empty. Expected {kind}. Received: shape={shape}.")
    array, position = np.empty(size, np.uint8), 0
    while chunk := stream.read(min(1 << 20, size - position)):
        array[position : position + len(chunk)] = np.frombuffer(chunk, np.uint8)
        position += len(chunk)
    if position < size:
        raise _wrong_length(path, kind, size, f"{position:,}")
    if stream.read(1):  # at the end gzip compares its checksum
        raise _wrong_length(path, kind, size, "more")
    return array.reshape(shape)


def idx_sha256(array: np.ndarray) -> str:
    """Returns the SHA-256 of an array as an uncompressed IDX file."""
    digest = hashlib.sha256(struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape))
    payload = np.uint8 if array.dtype.kind in "iu" else array.dtype  # the user's own may be floats
    digest.update(np.ascontiguousarray(array, payload).data)
    return digest.hexdigest()


def _wrong_length(path: Path, what: str, expected: int, received: str) -> InputError:
    return InputError(
        f"{path} is cut off or damaged. Its header says {expected:,} bytes of {what}. "
        f"Received: {received}. Copy or download it again."
    )


def read_npz(path: Path) -> Splits:
    """Reads an NPZ file with Keras's keys `x_train`, `y_train` and, if any, `x_test`, `y_test`."""
    keys = f"Expected the keys {', '.join(NPZ_KEYS)}, as numpy.savez writes them"
    try:
        with zipfile.ZipFile(path) as archive:
            members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
            needed = NPZ_KEYS[:3] if "y_test" in members else NPZ_KEYS[:2]
            if missing := [key for key in needed if key not in members]:
                raise InputError(
                    f"{path} lacks {' and '.join(missing)}. {keys}. "
                    f"Received: {', '.join(sorted(members)) or 'nothing'}."
                )
            for key in NPZ_KEYS:
                if key in members:
                    _check_npz_member(archive, members[key], path, key)
        with np.load(path, allow_pickle=False) as file:
            arrays: dict[str, Any] = {key: file[key] for key in NPZ_KEYS if key in file}
    except InputError:
        raise
    except Exception as error:  # zipfile and NumPy raise a dozen types on damaged archives
        if isinstance(error, OSError) and error.filename:  # the file system refused the file
            raise
        raise InputError(f"{path} is not a readable NPZ file ({error}). {keys}.") from error
    for key in {"x_train", "x_test"}.intersection(arrays):
        name = f"{path.name}[{key}]"
        arrays[key] = check_images(arrays[key], name=name)
        if arrays[key].dtype != np.uint8:
            raise invalid(
                name,
                expected="dtype uint8 in [0, 255]",
                received=f"dtype={arrays[key].dtype}",
                hint="Save it as (255 * images).round().astype('uint8').",
            )
    return Splits(arrays["x_train"], arrays["y_train"], arrays.get("x_test"), arrays.get("y_test"))


def _check_npz_member(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path, key: str
) -> None:
    """Refuses pickles, and arrays that their bytes cannot fill, before NumPy allocates them."""
    with archive.open(info) as stream:
        version = np.lib.format.read_magic(stream)
        if version == (1, 0):
            shape, _, dtype = np.lib.format.read_array_header_1_0(stream)
        else:
            shape, _, dtype = np.lib.format.read_array_header_2_0(stream)
        header_size = stream.tell()
    if dtype.hasobject:
        raise InputError(
            f"{path} holds pickled objects in {key}, which can run code and are never loaded. "
            "Expected arrays of uint8 images and of integer labels."
        )
    size = math.prod(shape) * dtype.itemsize
    stored = info.compress_type == zipfile.ZIP_STORED
    capacity = info.compress_size * (1 if stored else _DEFLATE_RATIO)
    if size != info.file_size - header_size or info.file_size > capacity:
        received = min(info.file_size - header_size, capacity)
        raise _wrong_length(path, key, size, f"{received:,}")


def read_csv_set(place: Path) -> Splits:
    """Reads a CSV file, or the files in a directory whose names end in train.csv and test.csv.

    One file without labels gives test images alone.
    """
    files = [place]
    if place.is_dir():
        files = [path for end in ("train", "test") for path in sorted(place.glob(f"*{end}.csv"))]
        ends = [path.stem[-4:] for path in files]
        if ends not in (["rain"], ["test"], ["rain", "test"]):
            raise InputError(
                f"{place} holds CSV files. Expected one whose name ends in train.csv and at most "
                f"one in test.csv. Received: {', '.join(p.name for p in files) or 'neither'}. "
                "Rename them or pass the path of one file."
            )
    images, labels = read_csv(files[0])
    if labels is None and len(files) > 1:
        raise InputError(f"{files[0]} has no labels. Expected a label first in every row.")
    if labels is None:
        return Splits(images[:0], np.empty(0, np.uint8), images, None)
    return Splits(images, labels, *(read_csv(files[1]) if len(files) > 1 else ()))


def read_csv(path: Path) -> tuple[np.ndarray, np.ndarray | None]:
    """Reads rows of pixels of square images, the label first or without labels; a header may be.

    Returns:
        Images of shape `(n, side, side)`, and labels of shape `(n,)` or None if the number of columns
        is a square, which leaves none for a label; both `uint8`.
    """
    expected = "Expected in every row a label and the 784 pixels of a 28x28 image, or the pixels"
    try:
        with path.open(encoding="utf-8-sig") as file:
            if not _is_header(file.readline()):
                file.seek(0)
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "loadtxt: input contained no data")
                table = np.loadtxt(file, np.uint8, delimiter=",", comments=None, ndmin=2)
    except ValueError as error:
        reason = str(error).partition(";")[0].rstrip(".")  # after it, NumPy's advice to programmers
        raise InputError(
            f"{path} is not a table of whole numbers from 0 to 255: {reason}. {expected}."
        ) from error
    if not table.size:
        raise InputError(f"{path} holds no rows. {expected}.")
    columns = table.shape[1]
    if math.isqrt(columns) ** 2 == columns:
        return table.reshape(-1, math.isqrt(columns), math.isqrt(columns)), None
    side = math.isqrt(columns - 1)
    if side**2 != columns - 1:
        raise InputError(f"{path} has {columns} columns. {expected}; a square number of pixels.")
    return table[:, 1:].reshape(-1, side, side), table[:, 0].copy()


def _is_header(line: str) -> bool:
    """Tells a header (all words, or "label" and words or numbers) from a damaged first row."""
    cells = [cell.strip().strip('"').lower() for cell in line.split(",")]
    return cells[0] == "label" or not any(cell.replace(".", "").isdigit() for cell in cells)
