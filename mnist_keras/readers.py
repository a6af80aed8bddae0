"""Readers of the file formats that data sets come in: IDX, NPZ, CSV and a folder of pictures per class.

Whatever a file holds, a reader returns arrays or raises `InputError` with the file's name in it. No reader allocates
more than the file can fill, whatever size its header declares, and none runs code from a file (pickles).
"""

import gzip
import math
import os
import warnings
import zipfile
import zlib
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from mnist_keras._validation import InputError, check_images, invalid

IMAGE_SIZE = 28  # pixels; what pictures in a folder are resized to
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg")
NPZ_KEYS = ("x_train", "y_train", "x_test", "y_test")  # Keras's mnist.npz

_IDX_MAGIC = {"images": 0x803, "labels": 0x801}  # unsigned bytes; 3 dimensions, 1 dimension
_DEFLATE_RATIO = 1032  # bytes out for a byte in, at most; zlib.net/zlib_tech.html
_MAX_PIXELS = 50_000_000  # of one picture; a phone's photo has 12 to 50 million


class Splits(NamedTuple):
    """Arrays as a source gives them; `test_labels` is None for unlabelled test images."""

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray | None
    class_names: tuple[str, ...] | None = None


def find_idx(directory: Path, *, prefix: str = "") -> dict[str, Path]:
    """Returns the IDX files in a directory, by array: "train_images", "train_labels", and so on.

    Args:
        directory: Where to look.
        prefix: What stands before "train-images-idx3-ubyte", as in EMNIST's "emnist-letters-"; there the test files are
            called "test", elsewhere "t10k".
    """
    found = {}
    for split, stem in (("train", "train"), ("test", "test" if prefix else "t10k")):
        for kind, rank in (("images", 3), ("labels", 1)):
            # Some mirrors write "train-images.idx3-ubyte".
            names = [
                f"{prefix}{stem}-{kind}{dot}idx{rank}-ubyte{z}" for dot in "-." for z in ("", ".gz")
            ]
            paths = [directory / name for name in names if (directory / name).is_file()]
            if paths:
                found[f"{split}_{kind}"] = paths[0]
    return found


def read_idx_set(files: dict[str, Path], directory: Path) -> Splits:
    """Reads the files that `find_idx` found; the training pair is required."""
    missing = [key for key in ("train_images", "train_labels") if key not in files]
    if missing:
        raise InputError(
            f"{directory} holds IDX files, but not {' and '.join(missing)}. {EXPECTED_IDX}"
        )
    arrays = {key: read_idx(path, key.split("_")[1]) for key, path in files.items()}
    for split in ("train", "test"):
        images, labels = arrays.get(f"{split}_images"), arrays.get(f"{split}_labels")
        if images is None and labels is not None:
            raise InputError(
                f"{files[f'{split}_labels']} has no file of images beside it. {EXPECTED_IDX}"
            )
        if images is not None and labels is not None and len(images) != len(labels):
            raise InputError(
                f"{files[f'{split}_images']} holds {len(images)} images, but "
                f"{files[f'{split}_labels']} {len(labels)} labels. Expected as many labels as images."
            )
    train_images = arrays["train_images"]
    test_images = arrays.get("test_images", train_images[:0])
    test_labels = arrays.get("test_labels", None if len(test_images) else np.empty(0, np.uint8))
    return Splits(train_images, arrays["train_labels"], test_images, test_labels)


EXPECTED_IDX = (
    "Expected train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and "
    "t10k-labels-idx1-ubyte, each with or without .gz."
)


def read_idx(path: Path, kind: str) -> np.ndarray:
    """Reads one IDX file of unsigned bytes, compressed with gzip or not.

    Args:
        path: The file.
        kind: "images" (three dimensions) or "labels" (one dimension).

    Returns:
        `uint8` array of shape `(n, height, width)` or `(n,)`.

    Raises:
        InputError: If the magic number, the length or the compression is wrong, or there is nothing in it.

    Reference:
        Y. LeCun, "The MNIST database", section "File formats for the MNIST database".
    """
    try:
        with path.open("rb") as file:
            zipped = file.read(2) == b"\x1f\x8b"  # by content: browsers unzip and keep the name
            file.seek(0)
            available = os.fstat(file.fileno()).st_size * (_DEFLATE_RATIO if zipped else 1)
            with gzip.GzipFile(fileobj=file) if zipped else file as stream:
                return _read_idx_stream(stream, path, kind, available)  # type: ignore[arg-type]
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(
            f"{path} is a broken gzip file ({error}). Expected the complete published file; "
            "copy or download it again."
        ) from error


def _read_idx_stream(stream: BinaryIO, path: Path, kind: str, available: int) -> np.ndarray:
    rank = 3 if kind == "images" else 1
    header = stream.read(4 + 4 * rank)
    magic = int.from_bytes(header[:4], "big")
    if len(header) >= 4 and magic != _IDX_MAGIC[kind]:
        other = next((name for name, number in _IDX_MAGIC.items() if number == magic), None)
        hint = f" It is a file of {other}: are images and labels swapped?" if other else ""
        raise InputError(
            f"{path} is not an IDX file of {kind}. Expected magic number {_IDX_MAGIC[kind]}. "
            f"Received: {magic}.{hint}"
        )
    shape = tuple(int.from_bytes(header[i : i + 4], "big") for i in range(4, len(header), 4))
    declared = math.prod(shape)
    if len(header) < 4 + 4 * rank or declared > available:
        raise _wrong_length(path, f"{declared:,} bytes of {kind}", "a shorter file")
    if declared == 0:
        raise InputError(f"{path} holds no {kind}: its header says {shape}. Expected at least one.")
    array = np.empty(declared, np.uint8)
    view, position = memoryview(array), 0
    while position < declared:
        chunk = stream.read(min(1 << 20, declared - position))
        if not chunk:
            raise _wrong_length(path, f"{declared:,} bytes of {kind}", f"{position:,}")
        view[position : position + len(chunk)] = chunk
        position += len(chunk)
    if stream.read(1):  # reaching the end also makes gzip compare its checksum
        raise _wrong_length(path, f"{declared:,} bytes of {kind}", "a longer file")
    return array.reshape(shape)


def _wrong_length(path: Path, expected: str, received: str) -> InputError:
    return InputError(
        f"{path} is cut off or not what its header says. Expected {expected}. Received: {received}. "
        "Copy or download it again."
    )


def read_npz(path: Path) -> Splits:
    """Reads an NPZ file with Keras's keys: `x_train`, `y_train` and, where there are test images, `x_test`, `y_test`."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
            missing = [key for key in NPZ_KEYS[:2] if key not in members]
            if missing:
                raise InputError(
                    f"{path} has no {' and no '.join(missing)}. Expected the keys {', '.join(NPZ_KEYS)}. "
                    f"Received: {', '.join(sorted(members)) or 'an empty archive'}."
                )
            for key in NPZ_KEYS:
                if key in members:
                    _check_npz_member(archive, members[key], path, key)
        with np.load(path, allow_pickle=False) as file:
            arrays: dict[str, Any] = {key: file[key] for key in NPZ_KEYS if key in file}
    except InputError:
        raise
    except (
        Exception
    ) as error:  # a damaged archive makes zipfile and NumPy raise a dozen different types
        raise InputError(
            f"{path} is not a readable NPZ file ({type(error).__name__}: {error}). Expected a file written by "
            f"numpy.savez or numpy.savez_compressed with the keys {', '.join(NPZ_KEYS)}."
        ) from error
    for key in ("x_train", "x_test"):
        if key in arrays:
            arrays[key] = check_images(arrays[key], name=f"{path.name}[{key}]")
            if arrays[key].dtype != np.uint8:
                raise invalid(
                    f"{path.name}[{key}]",
                    expected="dtype uint8 in [0, 255]",
                    received=f"dtype={arrays[key].dtype}",
                    hint="Save it as (255 * images).round().astype('uint8').",
                )
    x_test = arrays.get("x_test", arrays["x_train"][:0])
    y_test = arrays.get("y_test", None if len(x_test) else np.empty(0, np.uint8))
    return Splits(arrays["x_train"], arrays["y_train"], x_test, y_test)


def _check_npz_member(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path, key: str
) -> None:
    """Refuses pickles and an array that its bytes cannot fill, before NumPy allocates it."""
    with archive.open(info) as stream:
        version = np.lib.format.read_magic(stream)
        read_header = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }[version]
        shape, _, dtype = read_header(stream)
        if dtype.hasobject:
            raise InputError(
                f"{path} holds pickled objects in {key}, which could run code and are never loaded. "
                "Expected arrays of uint8 images and integer labels."
            )
        declared = math.prod(shape) * dtype.itemsize
        stored = info.file_size - stream.tell()
        limit = info.compress_size * (
            1 if info.compress_type == zipfile.ZIP_STORED else _DEFLATE_RATIO
        )
    if declared != stored or info.file_size > limit:
        raise _wrong_length(path, f"{declared:,} bytes of {key}", f"{min(stored, limit):,} bytes")


def find_csv(directory: Path) -> dict[str, Path]:
    """Returns the CSV files whose names end in train.csv and test.csv, as Kaggle's do, by "train" and "test"."""
    found = {}
    for split in ("train", "test"):
        paths = sorted(directory.glob(f"*{split}.csv"))
        if len(paths) > 1:
            raise InputError(
                f"{directory} holds several files of {split} data: {', '.join(p.name for p in paths)}. "
                "Expected one; pass its path."
            )
        if paths:
            found[split] = paths[0]
    return found


def read_csv_set(train: Path, test: Path | None = None) -> Splits:
    """Reads one CSV file as training images, or as test images if it has no labels, or a pair of them."""
    images, labels = read_csv(train)
    if test is None:
        if labels is None:
            return Splits(images[:0], np.empty(0, np.uint8), images, None)
        return Splits(images, labels, images[:0], labels[:0])
    if labels is None:
        raise InputError(
            f"{train} has no labels. Expected the label first in every row, then the pixels."
        )
    return Splits(images, labels, *read_csv(test))


def read_csv(path: Path) -> tuple[np.ndarray, np.ndarray | None]:
    """Reads a CSV file with a row of pixels per square image, the label first; with or without a header.

    Returns:
        Images of shape `(n, side, side)` and labels of shape `(n,)`, both `uint8`; labels are None if the number of
        columns is a square, so that no label stands before the pixels.
    """
    expected = "Expected a label and the 784 pixels of a 28x28 image, or the pixels alone"
    try:
        with path.open(encoding="utf-8-sig") as file:
            cells = file.readline().rstrip("\r\n").split(",")
            if not _is_header(cells):
                file.seek(0)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # "input contained no data"
                table = np.loadtxt(file, dtype=np.uint8, delimiter=",", comments=None, ndmin=2)
    except (ValueError, OverflowError) as error:
        raise InputError(
            f"{path} is not a table of whole numbers from 0 to 255 ({error}). {expected}, in every row."
        ) from error
    if not table.size:
        raise InputError(f"{path} holds no rows. {expected}, in every row.")
    columns = table.shape[1]
    side = math.isqrt(columns)
    if side * side == columns:
        return table.reshape(-1, side, side), None
    side = math.isqrt(columns - 1)
    if side * side != columns - 1:
        raise InputError(
            f"{path} has rows of {columns} numbers. {expected}: a square number of pixels."
        )
    return np.ascontiguousarray(table[:, 1:]).reshape(-1, side, side), table[:, 0].copy()


def _is_header(cells: list[str]) -> bool:
    """Tells a header from a damaged first row: all words, or "label" and then names or numbers of pixels."""
    words = [
        not cell.strip().strip('"').replace(".", "", 1).lstrip("-").isdigit() for cell in cells
    ]
    return words[0] and (all(words) or cells[0].strip().strip('"').lower() == "label")


def read_folder(directory: Path) -> Splits:
    """Reads a folder of PNG and JPEG pictures per class, optionally under `train/` and `test/`.

    Pictures become grey and 28x28 (stretched, if they are not square); the ground is not inverted. Transparent ones are laid
    on black if their ink is light and on white if it is dark. Class names are the folders' names, in numeric order if
    all are numbers and else in alphabetical order; a class's label is its place in that order.
    """
    if not (directory / "train").is_dir():
        images, labels, names = _read_class_folders(directory, None)
        return Splits(images, labels, images[:0], labels[:0], names)
    images, labels, names = _read_class_folders(directory / "train", None)
    if not (directory / "test").is_dir():
        return Splits(images, labels, images[:0], labels[:0], names)
    return Splits(images, labels, *_read_class_folders(directory / "test", names))


def _read_class_folders(
    directory: Path, names: tuple[str, ...] | None
) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    folders = [p for p in directory.iterdir() if p.is_dir() and not p.name.startswith(".")]
    folders.sort(key=lambda p: p.name)
    if all(p.name.isdecimal() for p in folders):
        folders.sort(key=lambda p: int(p.name))
    expected = "Expected a folder for each class with PNG or JPEG pictures in it."
    if not folders:
        raise InputError(f"{directory} holds no data that can be read. {expected} {EXPECTED_IDX}")
    names = names or tuple(p.name for p in folders)
    images, labels = [], []
    for folder in folders:
        if folder.name not in names:
            raise InputError(
                f"{folder} is a class without training pictures. Expected one of: {', '.join(names)}."
            )
        pictures = sorted(p for p in folder.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES)
        if not pictures:
            raise InputError(f"{folder} holds no pictures. {expected}")
        images += [read_picture(path) for path in pictures]
        labels += [names.index(folder.name)] * len(pictures)
    return np.stack(images), np.array(labels, np.int64), names


def read_picture(path: Path) -> np.ndarray:
    """Reads one picture as a grey `uint8` array of shape `(28, 28)`; see `read_folder`."""
    from PIL import Image, ImageOps

    try:
        with Image.open(path) as image:
            if image.width * image.height > _MAX_PIXELS:
                raise ValueError(f"{image.width}x{image.height} pixels are too many")
            picture = ImageOps.exif_transpose(image)
            if picture.mode.startswith("I"):  # 16 bits; Pillow would clip them to 255
                picture = Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8))
            if picture.has_transparency_data:
                picture = _on_contrasting_ground(picture.convert("LA"))
            picture = picture.convert("L")
            if picture.size != (IMAGE_SIZE, IMAGE_SIZE):
                picture = picture.resize((IMAGE_SIZE, IMAGE_SIZE), Image.Resampling.LANCZOS)
            return np.asarray(picture)
    except Exception as error:  # Pillow's decoders raise many types on damaged files
        raise InputError(
            f"{path} is not a readable picture ({error}). Expected a PNG or JPEG file; repair or remove it."
        ) from error


def _on_contrasting_ground(picture: Any) -> Any:
    from PIL import Image

    grey, alpha = (np.asarray(band, np.float32) for band in picture.split())
    ink = (grey * alpha).sum() / max(alpha.sum(), 1)
    ground = 0 if ink > 127 else 255
    return Image.fromarray((ground + (grey - ground) * alpha / 255).round().astype(np.uint8))
