"""Folders of pictures, one for each class, and scikit-learn's digits; `frame`, which fits a digit to MNIST's frame."""

import os
import threading
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from mnist_keras._files import content_errors
from mnist_keras._validation import InputError
from mnist_keras.data.readers.files import Place, RawData, allocate, assemble
from mnist_keras.data.readers.labels import order
from mnist_keras.data.readers.names import split_of

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

IMAGE_SIZE = 28  # pixels; MNIST's
DIGIT_BOX = 20  # pixels; LeCun et al. 1998, section III-A
ENLARGED = 80  # pixels; ten times the side of scikit-learn's digits, to cut their box finely
INK_LEVEL = 40  # of 255; fainter ink does not widen the box
# What Pillow decodes itself, without another program (as for EPS) and without networks or links to other files.
FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "WEBP", "GIF", "PPM")
SUFFIXES = (
    ".png",
    ".jpg",
    ".jpeg",
    ".bmp",
    ".tif",
    ".tiff",
    ".webp",
    ".gif",
    ".ppm",
    ".pgm",
    ".pbm",
)
_READABLE = "PNG, JPEG, BMP, TIFF, WebP, GIF, PGM or PPM"
_EXPECTED = f"Expected a folder for each class, with pictures in it ({_READABLE})"

MAX_PIXELS = 50_000_000  # of one picture; more than the largest photos of phones
_filters = threading.Lock()  # of warnings, which all threads share


def folders_of_classes(place: Place) -> set[str]:
    """Returns the folders that pictures lie in, if they are classes and not splits."""
    if place.path != place.root:
        return set()
    folders = {str(Path(name).parent) for name in place.named(*SUFFIXES)} - {"."}
    return set() if all(split_of(Path(folder).name) for folder in folders) else folders


def read_folder(place: Place) -> RawData:
    """Reads a folder of pictures for each class, in one place or for each split (`train/`, `test/` and so on).

    Class names are the names of the folders, in numeric order if all are numbers, otherwise in alphabetical order. A
    label is a position in that order. For the pictures, see `read_picture`.
    """
    splits, outside = _sort(place)
    unlabeled = outside.pop("test", []) if "test" not in splits else []
    if "" in splits and len(splits) > 1:
        raise InputError(
            f"{place.path} has class folders both in {', '.join(sorted(set(splits) - {''}))} and outside. "
            "Put all of them in one place."
        )
    splits = {split or "train": classes for split, classes in splits.items()}
    names = order(splits.get("train") or set().union(*splits.values()))
    arrays: dict[str, np.ndarray] = {}
    for split, classes in splits.items():
        if new := sorted(set(classes) - set(names)):
            raise InputError(
                f"{(place.root / classes[new[0]][0]).parent} is a class without training pictures. "
                f"Expected one of: {', '.join(names)}."
            )
        counts = [len(classes.get(name, ())) for name in names]
        arrays[f"{split}_images"] = read_pictures(
            place, (x for name in names for x in classes.get(name, ())), sum(counts)
        )
        arrays[f"{split}_labels"] = np.repeat(np.arange(len(names)), counts)
    files = [
        f"{len(arrays[f'{split}_labels']):,} pictures in {len(classes)} folders ({split})"
        for split, classes in splits.items()
    ]
    if unlabeled:
        arrays["test_images"] = read_pictures(place, unlabeled, len(unlabeled))
        files.append(f"{len(unlabeled):,} pictures of no class (test)")
    left_out = (
        *place.others(place.named(*SUFFIXES)),
        *(x for some in outside.values() for x in some),
    )
    # Bytes that are not UTF-8 become surrogates in a name, which cannot be printed or drawn.
    shown = tuple(os.fsencode(name).decode(errors="replace") for name in names)
    return assemble(place, arrays, class_names=shown, files=files, left_out=left_out)


def _sort(place: Place) -> tuple[dict[str, dict[str, list[str]]], dict[str, list[str]]]:
    """Returns the names of the pictures by split and class; and pictures outside any class, by split.

    Raises:
        InputError: If two folders of one split may both be the same class.
    """
    parts = {name: Path(name).parent.parts for name in place.named(*SUFFIXES)}
    splits: dict[str, dict[str, list[str]]] = {}
    outside: dict[str, list[str]] = {}
    for name, folders in parts.items():
        split = next(filter(None, map(split_of, folders[:-1])), "")
        if not folders:
            outside.setdefault("", []).append(name)
            continue
        pictures = splits.setdefault(split, {}).setdefault(folders[-1], [])
        if pictures and parts[pictures[0]] != folders:
            both = " and ".join(str(Path(*parts[x])) for x in (pictures[0], name))
            raise InputError(
                f"{place.path} has two folders of the class {folders[-1]}: {both}. Expected one; pass the directory of "
                "one dataset, or put the pictures of a class into one folder."
            )
        pictures.append(name)
    for split, classes in list(splits.items()) if len(splits) > 1 else ():
        for folder in list(classes):  # test/1.png beside train/3/1.png, or testSet/testSet/1.png
            of_split = split_of(folder)
            if of_split and (not split or (split == of_split and len(classes) == 1)):
                outside.setdefault(of_split, []).extend(classes.pop(folder))
    return {split: classes for split, classes in splits.items() if classes}, outside


def read_pictures(place: Place, names: Iterable[str], count: int) -> np.ndarray:
    """Reads pictures by their names at a place."""
    images = allocate(place.path, (count, IMAGE_SIZE, IMAGE_SIZE))
    for i, name in enumerate(names):
        images[i] = read_picture(place.root / name)
    return images


def read_picture(path: Path) -> np.ndarray:
    """Reads a picture as a gray `uint8` array of shape `(28, 28)`; one of another size is resized.

    Colors are not inverted. A transparent picture is put on black if its ink is light and on white if its ink is dark.
    """
    with content_errors(path, "picture", f"Expected {_READABLE}; remove or repair it."):
        return decode(path, size=(IMAGE_SIZE, IMAGE_SIZE), name=path)


def decode(
    file: Path | IO[bytes], *, size: tuple[int, int] | None = None, name: object = "a picture"
) -> np.ndarray:
    """Returns a picture as a gray `uint8` array, in its own size or in another; raises what `open_picture` raises."""
    from PIL import Image, ImageOps

    with open_picture(file, name) as image:
        picture: Image.Image = ImageOps.exif_transpose(image)
        if picture.mode == "F":
            raise ValueError("its pixels are floats of unknown range")
        if picture.mode.startswith("I"):  # 16 bits, which Pillow would cut off at 255
            picture = Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8))
        if picture.has_transparency_data:
            picture = _on_contrasting_ground(picture.convert("LA"))
        picture = picture.convert("L")
        if size and picture.size != size:
            picture = picture.resize(size, Image.Resampling.HAMMING)  # leaves no halos
        return np.asarray(picture)


def open_picture(file: Path | IO[bytes], name: object) -> "Picture":
    """Opens a picture and reads its head alone.

    Raises:
        InputError: If it has more than `MAX_PIXELS`; calls it by its name.
        Exception: Whatever Pillow raises.
    """
    from PIL import Image

    with _filters, warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # our limit is lower
        try:
            image = Image.open(file, formats=FORMATS)
        except Image.DecompressionBombError as error:
            raise _too_large(name, f"over {2 * (Image.MAX_IMAGE_PIXELS or 0):,}") from error
    try:
        check_size(name, *image.size)
    except InputError:
        image.close()
        raise
    return image


def check_size(name: object, width: int, height: int) -> None:
    """Checks that a picture has at most `MAX_PIXELS`.

    Raises:
        InputError: If it has more; calls it by its name.
    """
    if width * height > MAX_PIXELS:
        raise _too_large(name, f"{width} x {height}")


def _too_large(name: object, size: str) -> InputError:
    return InputError(
        f"{name} has {size} pixels. Expected at most {MAX_PIXELS:,}; make it smaller."
    )


def _on_contrasting_ground(picture: Any) -> Any:
    from PIL import Image

    gray, alpha = (np.asarray(band, np.float32) for band in picture.split())
    ground = 0 if (gray * alpha).sum() > 127.5 * alpha.sum() else 255
    return Image.fromarray((ground + (gray - ground) * alpha / 255).round().astype(np.uint8))


def read_digits() -> tuple[np.ndarray, np.ndarray]:
    """Returns scikit-learn's 1,797 digits of 8x8 pixels in MNIST's frame, and their labels."""
    from PIL import Image
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    small = (images.reshape(-1, 8, 8) * (255 / 16)).round().astype(np.uint8)  # 16 is full ink there
    size, sharp = (ENLARGED, ENLARGED), Image.Resampling.LANCZOS  # strokes stay as thin as MNIST's
    return np.stack(
        [frame(np.asarray(Image.fromarray(x).resize(size, sharp))) for x in small]
    ), labels


def frame(ink: np.ndarray) -> np.ndarray:
    """Fits ink to MNIST's frame: 20x20 pixels, with the center of mass in the middle of 28x28.

    Args:
        ink: uint8 array of shape `(height, width)`, light ink on a dark background, of any size.

    Returns:
        uint8 array of shape `(28, 28)`; all 0 if there is no ink. If centering would push ink out of the image, it is
        moved only as far as the border.

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
