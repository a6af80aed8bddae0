"""Reads Parquet files such as those of the Hugging Face Hub: a column of encoded pictures and one of labels."""

import contextlib
import io
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from mnist_keras._arrays import fold_rows
from mnist_keras._files import content_errors
from mnist_keras._validation import InputError, missing_extra
from mnist_keras.data.readers.files import Place, RawData, allocate, assemble
from mnist_keras.data.readers.names import (
    IMAGES,
    is_row_number,
    label_column,
    split_at,
)
from mnist_keras.data.readers.pictures import decode

SUFFIX = ".parquet"
_ROWS_AT_ONCE = 256  # pictures that lie in memory encoded
_EXPECTED = "Expected a column image of pictures (PNG bytes), or a column for each pixel, and a column label"


def read_parquet_place(place: Place) -> RawData:
    """Reads the Parquet files of one dataset, whose names or folders say the split; a split may have several."""
    shards: dict[str, list[Path]] = {}
    for path in place.files(SUFFIX):
        split = split_at(place, path) or "train"
        shards.setdefault(split, []).append(path)
    _check_one_dataset(place, shards)
    arrays: dict[str, np.ndarray | None] = {}
    named: dict[str, tuple[str, ...]] = {}
    unread: list[str] = []
    for split, paths in shards.items():
        images, labels, names, columns = _read_shards(paths)
        arrays |= {f"{split}_images": images, f"{split}_labels": labels}
        named |= {split: names} if names else {}
        unread += [f"{place.relative(paths[0])}[{column}]" for column in columns]
    if len(set(named.values())) > 1:
        shown = " and ".join(f"{_shown(list(names))} ({split})" for split, names in named.items())
        raise InputError(f"{place.path} names its classes in two ways: {shown}. Expected one.")
    used = [path for paths in shards.values() for path in paths]
    return assemble(
        place,
        arrays,
        files=[place.relative(path) for path in used],
        left_out=(*unread, *place.others(used)),
        class_names=next(iter(named.values()), None),
    )


def _check_one_dataset(place: Place, shards: dict[str, list[Path]]) -> None:
    for split, paths in shards.items():
        folders = sorted({path.parent for path in paths})
        if len(folders) > 1:
            names = ", ".join(place.relative(folder) or "." for folder in folders)
            raise InputError(
                f"{place.path} has Parquet files of the {split} split in {len(folders)} folders: {names}. Expected "
                "only one dataset; pass the path of its folder."
            )


def _read_shards(
    paths: list[Path],
) -> tuple[np.ndarray, np.ndarray | None, tuple[str, ...] | None, list[str]]:
    """Returns the images and the labels of one split, the class names if the files say them, and unread columns."""
    images: np.ndarray | None = None
    labels: list[np.ndarray] = []
    names: tuple[str, ...] | None = None
    unread: list[str] = []
    count = 0
    with contextlib.ExitStack() as stack:
        stack.enter_context(_frugal())
        files = [(path, stack.enter_context(_open(path))) for path in paths]
        total = sum(file.metadata.num_rows for _, file in files)
        for path, file in files:
            with content_errors(path, "Parquet file", f"{_EXPECTED}."):
                label = label_column(file.schema_arrow.names)
                wanted = _wanted(path, file.schema_arrow.names, label)
                unread += [x for x in file.schema_arrow.names if x not in {*wanted, label, *unread}]
                names = names or _class_names(file.schema_arrow.metadata, label)
                for pixels, part in _batches(path, file, wanted, label):
                    if images is None:
                        images = allocate(path, (total, *pixels.shape[1:]))
                    if pixels.shape[1:] != images.shape[1:]:
                        raise _sizes(path, images.shape[1:], pixels.shape[1:])
                    images[count : count + len(pixels)] = pixels
                    count += len(pixels)
                    labels += [] if part is None else [part]
    if images is None:
        raise InputError(f"{paths[0]} holds no rows. {_EXPECTED}.")
    return images, np.concatenate(labels) if labels else None, names, unread


@contextlib.contextmanager
def _frugal() -> Iterator[None]:
    """Lets Arrow allocate without its pool, which would keep freed memory, half the size of the images."""
    pyarrow = _import_pyarrow()
    before = pyarrow.default_memory_pool()
    pyarrow.set_memory_pool(pyarrow.system_memory_pool())
    try:
        yield
    finally:
        pyarrow.set_memory_pool(before)


def _import_pyarrow() -> Any:
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise missing_extra("Reading Parquet files", "data") from error
    return pyarrow


def _open(path: Path) -> Any:
    pyarrow = _import_pyarrow()
    with content_errors(path, "Parquet file", f"{_EXPECTED}."):
        # Small buffers: a row group of 60,000 pictures would be in memory encoded, beside the decoded ones.
        return pyarrow.parquet.ParquetFile(path, pre_buffer=False, buffer_size=1 << 16)


def _class_names(metadata: dict[bytes, bytes] | None, label: str | None) -> tuple[str, ...] | None:
    """Returns the names that the Hub's `ClassLabel` gives the labels."""
    try:
        features = json.loads((metadata or {})[b"huggingface"])["info"]["features"]
        return tuple(map(str, features[label]["names"]))
    except (KeyError, TypeError, ValueError, RecursionError):
        return None


def _wanted(path: Path, columns: list[str], label: str | None) -> list[str]:
    """Returns the column of pictures, or the columns of pixels."""
    pictures = [name for name in columns if name.lower() in IMAGES and name != label]
    if len(pictures) > 1:
        raise InputError(
            f"{path} has the columns {' and '.join(pictures)}. Expected only one column of pictures."
        )
    if pictures:
        return pictures
    pixels = [name for name in columns if name != label and not is_row_number(name)]
    if len(pixels) < 4 or math.isqrt(len(pixels)) ** 2 != len(pixels):
        raise InputError(
            f"{path} has {len(columns)} columns ({_shown(columns)}). {_EXPECTED}; a square number of pixels."
        )
    return pixels


def _batches(
    path: Path, file: Any, wanted: list[str], label: str | None
) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
    """Yields the pixels and the labels of some rows at a time."""
    side = math.isqrt(len(wanted))
    columns = [*wanted, *([label] if label else [])]
    for batch in file.iter_batches(_ROWS_AT_ONCE, columns=columns, use_threads=False):
        labels = _labels(path, batch.column(label)) if label else None
        if side == 1:
            yield _decode_all(path, batch.column(wanted[0])), labels
        else:
            flat = np.stack([_whole(path, name, batch.column(name)) for name in wanted], axis=1)
            yield flat.reshape(-1, side, side), labels


def _shown(columns: list[str]) -> str:
    return ", ".join(columns if len(columns) <= 6 else [*columns[:3], "...", columns[-1]])


def _labels(path: Path, column: Any) -> np.ndarray:
    from pyarrow import types

    if column.null_count:
        raise InputError(f"{path} has rows without a label. Expected a label in each row.")
    if types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if types.is_integer(column.type):
        return column.to_numpy(zero_copy_only=False).astype(np.int64)
    if types.is_string(column.type) or types.is_large_string(column.type):
        return np.array(column.to_pylist())
    raise InputError(f"{path} has labels of type {column.type}. Expected integers or strings.")


def _whole(path: Path, name: str, column: Any) -> np.ndarray:
    values = column.to_numpy(zero_copy_only=False)
    legal = values.dtype.kind in "iuf" and not column.null_count
    pixels = values.astype(np.uint8) if legal and ((values >= 0) & (values <= 255)).all() else None
    if pixels is None or (pixels != values).any():
        raise InputError(
            f"{path} has a value in the column {name} that is not an integer from 0 to 255."
        )
    return pixels


def _decode_all(path: Path, column: Any) -> np.ndarray:
    """Returns the pictures of a column: bytes, a struct of bytes and a path, or nested lists of numbers."""
    pictures = []
    for value in column.to_pylist():
        content = value.get("bytes") if isinstance(value, dict) else value
        if isinstance(content, bytes):
            try:
                pictures.append(decode(io.BytesIO(content), name=f"A picture in {path}"))
            except InputError:
                raise
            except Exception as error:  # Pillow's decoders raise many types on damaged files
                raise InputError(f"{path} has a picture that cannot be read ({error}).") from error
        elif isinstance(content, list):
            pictures.append(np.asarray(content))
        else:
            raise InputError(
                f"{path} has a row without a picture: {type(content).__name__}. Expected its bytes in the file; a file "
                "that only lists other files does not hold the images."
            )
        if pictures[-1].shape != pictures[0].shape:
            raise _sizes(path, pictures[0].shape, pictures[-1].shape)
    return _gray(path, fold_rows(np.stack(pictures), len(pictures)))


def _gray(path: Path, images: np.ndarray) -> np.ndarray:
    if images.ndim != 3 or images.dtype.kind not in "iu" or images.min() < 0 or images.max() > 255:
        raise InputError(
            f"{path} has images of shape {images.shape[1:]} and dtype {images.dtype}. {_EXPECTED}."
        )
    return images.astype(np.uint8, copy=False)


def _sizes(path: Path, first: tuple[int, ...], other: tuple[int, ...]) -> InputError:
    return InputError(
        f"{path} has pictures of different sizes: {first} and {other} (height, width). Expected one size; resize them "
        "first."
    )
