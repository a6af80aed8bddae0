"""Reads a picture from any source: a path, bytes, a file object, a PIL image or an array."""

import contextlib
import io
import os
import stat
from pathlib import Path
from typing import IO, Any

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from mnist_keras._files import check_path, content_errors, input_errors
from mnist_keras._validation import InputError, invalid
from mnist_keras.data.readers.pictures import (
    FORMATS,
    SUFFIXES as DATASET_SUFFIXES,
    check_size,
    open_picture,
)

MAX_BYTES = 200_000_000  # of one file
OVERSHOOT = 0.02  # beyond [0, 1], as a cubic resize leaves it
DRAFT_SIDE = 1280  # pixels of the longer side; larger pictures are made smaller by a whole factor
SUFFIXES = tuple(sorted((*DATASET_SUFFIXES, ".pnm")))  # of the files that are read in a folder


def load_picture(source: Any) -> np.ndarray:
    """Returns a picture upright, over its ground, as a uint8 array of shape `(height, width, 3)`.

    Raises:
        InputError: If it is not a picture that can be read, or too large.
    """
    return load_sized(source)[0]


def load_sized(source: Any) -> tuple[np.ndarray, tuple[int, int]]:
    """Returns what `load_picture` does, and the height and width of the upright source, which may be larger."""
    if isinstance(source, np.ndarray) or (hasattr(source, "__array__") and not _is_pil(source)):
        return _in_full(_load_array(np.asarray(source)))
    if _is_pil(source):
        check_size("the picture", *source.size)
        with _picture_errors("the picture"):
            return _flatten(source.copy(), "the picture")  # the caller's stays as it is
    if isinstance(source, str | os.PathLike):
        path = check_path("source", source, expected="the path of a picture")
        return _load_file(Path(os.path.expanduser(path)))  # noqa: PTH111  (the method of Path can raise)
    if isinstance(source, bytes | bytearray | memoryview):
        return _decode(io.BytesIO(source), "the byte string")
    if hasattr(source, "read"):
        with _picture_errors("the file object"):
            content = source.read(MAX_BYTES + 1)
        if not isinstance(content, bytes):
            raise invalid("source", expected="a file opened in binary mode", received="a text file")
        name = getattr(source, "name", None)  # that of an open file is its path
        return _decode(io.BytesIO(content), name if isinstance(name, str) else "the file object")
    raise invalid(
        "source",
        expected="a path, bytes, a file object, a PIL image or an array",
        received=type(source).__name__,
    )


def _is_pil(source: Any) -> bool:
    return isinstance(source, Image.Image)


def _load_file(path: Path) -> tuple[np.ndarray, tuple[int, int]]:
    with input_errors(path):
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # a pipe would never end
            kind = "a directory" if stat.S_ISDIR(status.st_mode) else "a device or a pipe"
            raise InputError(f"{path} is {kind}. Expected a picture file.")
        if status.st_size > MAX_BYTES:
            raise InputError(
                f"{path} has {status.st_size:,} bytes. Expected a picture of at most {MAX_BYTES:,}."
            )
        with path.open("rb") as file:
            return _decode(file, str(path))


def _decode(file: IO[bytes], name: str) -> tuple[np.ndarray, tuple[int, int]]:
    with _picture_errors(name), open_picture(file, name) as image:
        return _flatten(image, name)


def _picture_errors(name: str) -> contextlib.AbstractContextManager[None]:
    advice = f"Expected one of {', '.join(sorted(FORMATS))}."
    return content_errors(name, "picture", advice, unexplained=(UnidentifiedImageError,))


def _flatten(image: Image.Image, name: str) -> tuple[np.ndarray, tuple[int, int]]:
    """Returns the first frame, upright, as RGB on a background, and its height and width before it was reduced."""
    check_size(name, *image.size)
    width, height = image.size
    if image.mode in ("L", "RGB"):  # for a large JPEG, decode an eighth, a quarter or half of it
        image.draft(None, (DRAFT_SIDE, DRAFT_SIDE))
    before = image.size
    ImageOps.exif_transpose(image, in_place=True)
    if image.size != before:
        width, height = height, width
    if image.mode.startswith(("I", "F")):
        return _in_full(_load_array(np.asarray(image)))
    mode = "RGBA" if image.has_transparency_data else "RGB"
    if image.mode != mode:
        image = image.convert(mode)
    # Before the steps with floats, which take more memory.
    if (factor := max(image.size) // DRAFT_SIDE) > 1:
        image = image.reduce(factor)
    pixels = np.asarray(image)
    return _over_contrasting_ground(pixels) if mode == "RGBA" else pixels, (height, width)


def _in_full(pixels: np.ndarray) -> tuple[np.ndarray, tuple[int, int]]:
    height, width = pixels.shape[:2]
    return pixels, (height, width)


def _over_contrasting_ground(rgba: np.ndarray) -> np.ndarray:
    """Puts a transparent picture on white, or on black if its ink is light."""
    alpha = rgba[..., 3:].astype(np.float32) / 255
    color = rgba[..., :3].astype(np.float32)
    ground = 0 if (color * alpha).sum() > 3 * 127.5 * alpha.sum() else 255
    return (ground + (color - ground) * alpha).round().astype(np.uint8)


def _load_array(array: np.ndarray) -> np.ndarray:
    shape = f"shape={array.shape}, dtype={array.dtype}"
    if array.ndim == 3 and array.shape[-1] not in (1, 3, 4) and array.shape[0] in (1, 3, 4):
        array = np.moveaxis(array, 0, -1)
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or array.shape[-1] not in (1, 3, 4) or 0 in array.shape:
        raise invalid(
            "source",
            expected="one image of shape (height, width), (height, width, channels) or (channels, height, width)",
            received=shape,
            hint="For several images, pass a list of them." if array.ndim == 4 else "",
        )
    check_size("the array", array.shape[1], array.shape[0])
    array = _to_bytes(array, shape)
    if array.shape[-1] == 4:
        return _over_contrasting_ground(array)
    return np.broadcast_to(array, (*array.shape[:2], 3))


def _to_bytes(array: np.ndarray, shape: str) -> np.ndarray:
    """Returns pixels from 0 to 255, scaled by what the values show their range to be."""
    if array.dtype == np.uint8:
        return array
    if array.dtype.kind not in "buif":
        raise invalid("source", expected="numbers", received=shape)
    low, high = float(array.min()), float(array.max())  # NaN if any pixel is NaN
    if array.dtype.kind == "f" and 0 < max(-low, high - 1) <= OVERSHOOT:
        array, low, high = array.clip(0, 1), max(low, 0.0), min(high, 1.0)
    if not (low >= 0 and np.isfinite(high)):
        raise invalid(
            "source",
            expected="finite pixels of 0 and above",
            received=f"{shape}, minimum={low:g}, maximum={high:g}",
        )
    whites = (1.0, 255.0, 65_535.0) if array.dtype.kind in "bf" else (255.0, 65_535.0)
    white = next((value for value in whites if high <= value), whites[-1])
    if high > white:
        raise invalid(
            "source", expected="pixels of at most 65,535", received=f"{shape}, maximum={high:g}"
        )
    return (array.astype(np.float32) * (255 / white)).round().astype(np.uint8)
