"""Pictures as data: a folder of PNG and JPEG files per class, and scikit-learn's digits in MNIST's size."""

import os
from pathlib import Path
from typing import Any

import numpy as np

from mnist_keras._validation import InputError

IMAGE_SIZE = 28  # pixels; MNIST's
DIGIT_BOX = 20  # pixels; LeCun et al. 1998, section III-A
INK_LEVEL = 40  # of 255; what is fainter does not widen the box
SUFFIXES = (".png", ".jpg", ".jpeg")

_MAX_PIXELS = 50_000_000  # of one picture; the largest photos of telephones


def read_folder(directory: Path) -> tuple[Any, ...]:
    """Reads a folder of PNG and JPEG pictures per class, or `train/` and `test/` of such folders.

    Class names are the folders' names, in numeric order if all are numbers and else in alphabetical
    order; a label is a place in that order. For pictures see `read_picture`.

    Returns:
        Training images and labels, test images and labels (None where there are none), class names.
    """
    split = (directory / "train").is_dir()
    images, labels, names = _read_class_folders(directory / "train" if split else directory)
    test: tuple[Any, ...] = (None, None)
    if split and (directory / "test").is_dir():
        test = _read_class_folders(directory / "test", names)[:2]
    # Bytes that are no UTF-8 stand in a name as surrogates, which nothing prints or draws.
    return images, labels, *test, tuple(os.fsencode(x).decode(errors="replace") for x in names)


def _read_class_folders(
    directory: Path, names: tuple[str, ...] = ()
) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    expected = "Expected a folder for each class, with PNG or JPEG pictures in it"
    folders = [p.name for p in directory.iterdir() if p.is_dir() and p.name[0] != "."]
    if not folders:
        raise InputError(f"{directory} holds no data. {expected}; or IDX, NPZ or CSV files.")
    if all(name.isdecimal() for name in folders):
        folders.sort(key=lambda name: (int(name), name))
    else:
        folders.sort()
    names = names or tuple(folders)
    if new := sorted(set(folders) - set(names)):
        raise InputError(
            f"{directory / new[0]} is a class that has no training pictures. "
            f"Expected one of: {', '.join(names)}."
        )
    images, labels = [], []
    for folder in folders:
        files = sorted(p for p in (directory / folder).iterdir() if p.suffix.lower() in SUFFIXES)
        if not files:
            raise InputError(f"{directory / folder} holds no pictures. {expected}.")
        images += [read_picture(path) for path in files]
        labels += [names.index(folder)] * len(files)
    return np.stack(images), np.array(labels, np.int64), names


def read_picture(path: Path) -> np.ndarray:
    """Reads a picture as a gray `uint8` array of shape `(28, 28)`.

    A larger, smaller or oblong one is resized to that. Its ground is not inverted. A transparent one
    is laid on black if its ink is light and on white if its ink is dark.
    """
    from PIL import Image, ImageOps

    size = (IMAGE_SIZE, IMAGE_SIZE)
    try:
        with Image.open(path, formats=("PNG", "JPEG")) as image:
            if image.width * image.height > _MAX_PIXELS:
                raise ValueError(f"{image.width} x {image.height} pixels are too many")
            picture: Image.Image = ImageOps.exif_transpose(image)
            if picture.mode.startswith("I"):  # 16 bits, which Pillow would cut off at 255
                picture = Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8))
            if picture.has_transparency_data:
                picture = _on_contrasting_ground(picture.convert("LA"))
            picture = picture.convert("L")
            if picture.size != size:
                picture = picture.resize(size, Image.Resampling.HAMMING)  # leaves no halos
            return np.asarray(picture)
    except Exception as error:  # Pillow's decoders raise many types on damaged files
        raise InputError(
            f"{path} is not a readable picture ({error}). Expected PNG or JPEG; remove or repair it."
        ) from error


def _on_contrasting_ground(picture: Any) -> Any:
    from PIL import Image

    gray, alpha = (np.asarray(band, np.float32) for band in picture.split())
    ground = 0 if (gray * alpha).sum() > 127.5 * alpha.sum() else 255
    return Image.fromarray((ground + (gray - ground) * alpha / 255).round().astype(np.uint8))


def read_digits() -> tuple[np.ndarray, np.ndarray]:
    """Returns scikit-learn's 1,797 digits, their 8x8 pixels resized to 28x28, and their labels."""
    from PIL import Image
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    small = (images.reshape(-1, 8, 8) * (255 / 16)).round().astype(np.uint8)  # 16 is full ink there
    size, smooth = (IMAGE_SIZE, IMAGE_SIZE), Image.Resampling.BICUBIC
    return np.stack([np.asarray(Image.fromarray(x).resize(size, smooth)) for x in small]), labels


def frame(ink: np.ndarray) -> np.ndarray:
    """Puts ink into MNIST's frame: fitted to 20x20 pixels, its center of mass in the middle of 28x28.

    Args:
        ink: uint8 array of shape `(height, width)`, light ink on dark ground, of any size.

    Returns:
        uint8 array of shape `(28, 28)`; all 0 where there is no ink. Ink whose center of mass lies so far from its
        middle that it would leave the picture is moved no farther than the border.

    Reference:
        LeCun et al., 1998, "Gradient-Based Learning Applied to Document Recognition", section III-A.
    """
    from PIL import Image

    framed = np.zeros((IMAGE_SIZE, IMAGE_SIZE), np.uint8)
    is_ink = ink > INK_LEVEL
    rows, columns = np.flatnonzero(is_ink.any(axis=1)), np.flatnonzero(is_ink.any(axis=0))
    if not len(rows):
        return framed
    box = Image.fromarray(ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])
    scale = DIGIT_BOX / max(box.size)
    width, height = (max(1, round(side * scale)) for side in box.size)
    smooth = Image.Resampling.BOX if scale < 1 else Image.Resampling.BILINEAR
    digit = np.asarray(box.resize((width, height), smooth))
    total = max(int(digit.sum()), 1)
    x = digit.sum(axis=0) @ (np.arange(width) + 0.5) / total
    y = digit.sum(axis=1) @ (np.arange(height) + 0.5) / total
    left = min(max(round(IMAGE_SIZE / 2 - x), 0), IMAGE_SIZE - width)
    top = min(max(round(IMAGE_SIZE / 2 - y), 0), IMAGE_SIZE - height)
    framed[top : top + height, left : left + width] = digit
    return framed
