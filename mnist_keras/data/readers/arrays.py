"""Reads NumPy archives (NPZ)."""

import math
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from mnist_keras._validation import InputError, check_images, invalid
from mnist_keras.data.readers.files import DEFLATE_RATIO, RawData, wrong_length

NPZ_KEYS = ("x_train", "y_train", "x_test", "y_test")  # of Keras's mnist.npz


def read_npz(path: Path) -> RawData:
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
    return RawData(arrays["x_train"], arrays["y_train"], arrays.get("x_test"), arrays.get("y_test"))


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
    capacity = info.compress_size * (1 if stored else DEFLATE_RATIO)
    if size != info.file_size - header_size or info.file_size > capacity:
        received = min(info.file_size - header_size, capacity)
        raise wrong_length(path, key, size, f"{received:,}")
