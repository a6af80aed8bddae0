"""`to_mnist_image`: a photo, scan or drawing of a digit converted to one image in MNIST's form.

Most wrong answers on people's own pictures come from the preparation, not from the model: dark ink that was not
inverted, a digit stretched over the picture, a shadow taken for ink. Each step here is its own function.
"""

from typing import Any, NamedTuple

import numpy as np
from PIL import Image
from scipy import ndimage

from mnist_keras.data.readers.pictures import IMAGE_SIZE, frame
from mnist_keras.inference.ink import find_strokes
from mnist_keras.inference.pictures import load_picture
from mnist_keras.inference.polarity import DOUBT, border_of, look_at, otsu, to_gray

FIND_SIDE = 320  # pixels of the longer side at which ink is searched for
READ_SIDE = 160  # pixels of the longer side of the ink's box at which it is cut out
PAGE_SIDE = 64  # pixels of the longer side at which a page is found
PAGE_SHARE = 0.82  # of the smallest rectangle around it; a page fills more, an ellipse 0.79
MIN_SIDE = 64  # pixels; smaller pictures are enlarged first, so that edges stay smooth
COARSE_SIDE = 128  # pixels of the longer side; smaller pictures may have been enlarged, so their edges are soft
MIN_SPECK = 0.04  # of the largest component's area; smaller components are dust
OTHER = 0.5  # of the largest component's area; a component of this size is another digit, wherever it is
TIP_GAP = 0.05  # of the digit's size, at most between it and the part of it that touches the border
TIP_TOUCH = 0.25  # of the part's height and width, at most on the border
THIN_STROKE = 0.055  # width over height of the digit, below which lines fade away at 20 pixels; MNIST has 0.13


def to_mnist_image(source: Any) -> np.ndarray:
    """Converts a picture of one digit to MNIST's form: light ink on black, fitted to 20x20 pixels, centered by mass.

    It handles transparency, color, polarity, uneven light, shadows, ruled paper, specks, size and position. An image
    that is already in MNIST's form comes back unchanged.

    Args:
        source: A path; the bytes of a picture file; a file object; a PIL image; or an array of shape
            `(height, width)`, `(height, width, channels)` or `(channels, height, width)` with 1, 3 or 4 channels,
            unsigned integers, or floats in [0, 1] or [0, 255].

    Returns:
        uint8 array of shape `(28, 28)`, all 0 if there is no ink in the picture.

    Raises:
        InputError: If it is not a picture that can be read, or too large.

    Reference:
        LeCun et al., 1998, "Gradient-Based Learning Applied to Document Recognition", section III-A.
    """
    return to_mnist_images(source)[0]


def to_mnist_images(source: Any) -> list[np.ndarray]:
    """Returns what `to_mnist_image` returns, followed by the other polarity if the polarity is unclear."""
    return prepare(load_picture(source))


def prepare(picture: np.ndarray) -> list[np.ndarray]:
    """Returns a loaded picture in MNIST's form, and also in the other polarity if the polarity is unclear.

    Args:
        picture: uint8 array of shape `(height, width, 3)`.

    Returns:
        One or two uint8 arrays of shape `(28, 28)`, the more likely one first.
    """
    if is_mnist_image(picture):
        return [picture[..., 0]]
    picture, small = crop_page(enlarge(picture))[:2]
    look = look_at(small)
    polarities = (look.balance >= 0, look.balance < 0)[: 1 + (abs(look.balance) < DOUBT)]
    return [extract(picture, small, look.weights, is_light) for is_light in polarities]


def extract(picture: np.ndarray, small: np.ndarray, weights, is_light: bool) -> np.ndarray:
    """Returns a picture's ink in MNIST's frame; `small` is the picture at `FIND_SIDE`, where the ink is looked for."""
    is_coarse = max(small.shape) < COARSE_SIDE
    found = find_strokes(to_gray(small, weights), is_light, is_coarse=is_coarse)
    box = ink_box(found)
    if box is None:
        return np.zeros((IMAGE_SIZE, IMAGE_SIZE), np.uint8)
    part = shrink(cut(picture, box, found.shape), READ_SIDE)
    ink = find_strokes(to_gray(part, weights), is_light, is_coarse=is_coarse)
    return frame(darken(drop_specks(ink)))


def is_mnist_image(picture: np.ndarray) -> bool:
    """Tells whether a picture has MNIST's form: 28x28, gray, black border, ink in 20x20, centered by mass."""
    gray = picture[..., 0]
    if gray.shape != (IMAGE_SIZE, IMAGE_SIZE) or not (gray[..., None] == picture).all():
        return False
    if border_of(gray).max() > 64 or gray.max() < 128:
        return False
    weights = gray / gray.sum(dtype=np.float64)
    middle = (IMAGE_SIZE - 1) / 2
    offset = [abs(np.arange(IMAGE_SIZE) @ weights.sum(axis=axis) - middle) for axis in (0, 1)]
    rows, columns = np.nonzero(gray > 32)
    extent = max(np.ptp(rows), np.ptp(columns)) + 1
    return bool(max(offset) <= 1.0 and 17 <= extent <= 22)


def enlarge(picture: np.ndarray) -> np.ndarray:
    """Returns a small picture enlarged, with smooth edges."""
    height, width = picture.shape[:2]
    if max(height, width) >= MIN_SIDE:
        return picture
    factor = -(-MIN_SIDE // max(height, width))
    size = (width * factor, height * factor)
    return np.asarray(
        Image.fromarray(np.ascontiguousarray(picture)).resize(size, Image.Resampling.BICUBIC)
    )


def shrink(picture: np.ndarray, side: int, *, reducing_gap: float = 2.0) -> np.ndarray:
    """Returns a picture whose longer side is at most `side` pixels; a gap of 1 is fast and rough."""
    height, width = picture.shape[:2]
    if max(height, width) <= side:
        return picture
    scale = side / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    image = Image.fromarray(np.ascontiguousarray(picture))
    return np.asarray(image.resize(size, Image.Resampling.BOX, reducing_gap=reducing_gap))


class Page(NamedTuple):
    """The part of a picture that is searched: a page, or all of it.

    Attributes:
        picture: uint8 array of shape `(height, width, 3)`.
        small: The same picture at `FIND_SIDE`.
        top: Row of the picture that it was cut from, where it begins.
        left: Column of that.
    """

    picture: np.ndarray
    small: np.ndarray
    top: int = 0
    left: int = 0


def crop_page(picture: np.ndarray) -> Page:
    """Returns the inside of a bright page on a dark table; any other picture is returned whole."""
    small = shrink(picture, FIND_SIDE, reducing_gap=1.0)
    gray = shrink(small, PAGE_SIDE).mean(axis=-1)
    level = otsu(gray)
    if (border_of(gray) > level).mean() > 0.3:
        return Page(picture, small)
    bright = ndimage.binary_fill_holes(gray > level)
    core = ndimage.binary_erosion(bright, iterations=max(2, min(gray.shape) // 8))
    if core.sum() < 0.08 * gray.size:
        return Page(picture, small)
    labels, count = ndimage.label(bright)
    page = labels == 1 + np.argmax(ndimage.sum_labels(core, labels, range(1, count + 1)))
    inside = ndimage.binary_erosion(page, iterations=2)
    edge = page & ~ndimage.binary_erosion(page)
    if page.sum() < PAGE_SHARE * _area_around(edge):
        return Page(picture, small)  # the loop of a light digit
    step = ndimage.morphological_gradient(gray, 3)[edge]
    if np.median(step) < 0.4 * (gray[page].mean() - gray[~page].mean()):
        return Page(picture, small)  # the light falls off slowly
    rows, columns = (np.flatnonzero(inside.any(axis=axis)) for axis in (1, 0))
    if not (gray[page] <= level).any() or len(rows) < 8 or len(columns) < 8:
        # Nothing is written on it: a thick light stroke, or a blank page.
        return Page(picture, small)
    scale = picture.shape[0] / gray.shape[0]
    top, bottom, left, right = (
        round(scale * edge) for edge in (rows[0], rows[-1] + 1, columns[0], columns[-1] + 1)
    )
    part = picture[top:bottom, left:right].copy()
    outside = ~np.asarray(
        Image.fromarray(inside[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]).resize(
            part.shape[1::-1]
        )
    )
    part[outside] = np.median(part[~outside][::7], axis=0)  # the corners of a rotated page
    return Page(part, shrink(part, FIND_SIDE, reducing_gap=1.0), top, left)


def _area_around(edge: np.ndarray) -> float:
    """Returns the area of the smallest rectangle, turned in steps of 5 degrees, around the pixels of an edge."""
    angles = np.deg2rad(np.arange(0, 180, 5))
    widths = 1 + np.ptp(np.argwhere(edge) @ [np.cos(angles), np.sin(angles)], axis=0)
    return float((widths[:18] * widths[18:]).min())


def ink_box(values: np.ndarray) -> tuple[int, int, int, int] | None:
    """Returns top, bottom, left and right of the digit's ink, or None if there is none."""
    _, _, boxes = _main_components(values)
    if not boxes:
        return None
    rows, columns = zip(*boxes, strict=True)
    return (
        min(part.start for part in rows),
        max(part.stop for part in rows),
        min(part.start for part in columns),
        max(part.stop for part in columns),
    )


def _main_components(values: np.ndarray) -> tuple[np.ndarray, list[int], list[tuple[slice, ...]]]:
    """Returns the labels of all components, and the labels and boxes of those that make up the digit, without dust and
    without ink that touches the border, unless that is the tip of a stroke next to the rest of the digit. If there is
    another digit, its labels and boxes are included, so that the picture is not taken for one digit.
    """
    labels, count = ndimage.label(values > 0.3, np.ones((3, 3)))
    if not count:
        return labels, [], []
    inked = np.flatnonzero(labels)
    areas = np.bincount(labels.ravel()[inked], values.ravel()[inked], count + 1)[1:]
    rim = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    touch = np.bincount(rim, minlength=count + 1)[1:]
    hangs = touch > 0  # on the border, as shadows, edges and neighbors do
    if areas[~hangs].max(initial=0) <= 0.15 * areas.max():
        hangs[:] = False
    main = int(np.where(hangs, 0, areas).argmax())
    boxes = ndimage.find_objects(labels)
    sides = [[s.stop - s.start for s in box] for box in boxes]
    reach = max(sides[main])
    kept = [
        i
        for i in range(count)
        if areas[i] >= MIN_SPECK * areas[main]
        and (
            _gap(boxes[i], boxes[main]) <= (TIP_GAP if hangs[i] else 0.4) * reach
            or (areas[i] >= OTHER * areas[main] and not hangs[i])
        )
        and not (hangs[i] and touch[i] > TIP_TOUCH * sum(sides[i]))
    ]
    return labels, [i + 1 for i in kept], [boxes[i] for i in kept]


def _gap(box: tuple[slice, ...], other: tuple[slice, ...]) -> float:
    """Returns the distance between two boxes in pixels, 0 if they overlap."""
    return max(max(a.start - b.stop, b.start - a.stop, 0) for a, b in zip(box, other, strict=True))


def cut(picture: np.ndarray, box: tuple[int, int, int, int], shape: tuple[int, ...]) -> np.ndarray:
    """Returns the part of the full picture around a box that was found in a smaller copy of `shape`."""
    scale = picture.shape[0] / shape[0], picture.shape[1] / shape[1]
    margin = 0.25 * max(box[1] - box[0], box[3] - box[2]) + 2
    top, left = (
        max(0, int(s * (start - margin))) for s, start in zip(scale, box[::2], strict=True)
    )
    bottom, right = (
        int(np.ceil(s * (end + margin))) for s, end in zip(scale, box[1::2], strict=True)
    )
    return picture[top:bottom, left:right]


def drop_specks(values: np.ndarray) -> np.ndarray:
    """Returns only the ink of the digit, with its soft edges."""
    labels, kept, _ = _main_components(values)
    if not kept:
        return np.zeros_like(values)
    is_kept = np.zeros(labels.max() + 1, bool)
    is_kept[kept] = True
    return np.where(ndimage.binary_dilation(is_kept[labels], iterations=2), values, 0)


def darken(values: np.ndarray) -> np.ndarray:
    """Returns ink from 0 to 255 at full strength; hairlines, which would fade away at 20 pixels, are widened."""
    mask = values > 0.3
    rows = np.flatnonzero(mask.any(axis=1))
    columns = np.flatnonzero(mask.any(axis=0))
    if len(rows):
        size = max(np.ptp(rows), np.ptp(columns)) + 1
        digit = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        distance = ndimage.distance_transform_edt(np.pad(digit, 1))
        ridge = distance[distance >= ndimage.maximum_filter(distance, 3)]
        width = 2 * float(np.median(ridge[ridge > 0]))
        if width < THIN_STROKE * size:
            missing = round((THIN_STROKE * size - width) / 2 + 0.5)
            values = ndimage.grey_dilation(values, footprint=_disk(missing))
    return (np.clip(values * 1.25, 0, 1) * 255).round().astype(np.uint8)


def _disk(radius: int) -> np.ndarray:
    y, x = np.ogrid[-radius : radius + 1, -radius : radius + 1]
    return x * x + y * y <= radius * radius + 1
