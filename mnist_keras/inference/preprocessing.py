"""`to_mnist_image`: a photo, scan or drawing of a digit as one image in the form that MNIST has.

Most wrong answers on people's own pictures come from the preparation and not from the model: dark ink that was not
inverted, a digit stretched over the picture, a shadow taken for ink. Each step here is a function with a name.
"""

from typing import Any, NamedTuple

import numpy as np
from PIL import Image
from scipy import ndimage

from mnist_keras.data.readers.pictures import IMAGE_SIZE, frame
from mnist_keras.inference.pictures import load_picture

FIND_SIDE = 320  # pixels of the longer side, where ink is looked for
READ_SIDE = 160  # pixels of the longer side of the ink's box, where it is cut out
BALANCE_SIDE = 48  # pixels of the longer side, where polarity is told
GROUND_SIDE = 80  # pixels of the longer side, where the ground is told
MIN_SIDE = 64  # pixels; smaller pictures are enlarged first, so that edges stay smooth
MIN_CONTRAST = 0.08  # of the ground's brightness; less is no ink
MIN_SPECK = 0.04  # of the largest component's area; smaller components are dust
THIN_STROKE = 0.055  # width over height of the digit, below which lines fade away at 20 pixels; MNIST has 0.13


class Ink(NamedTuple):
    """Ink on its ground.

    Attributes:
        values: float32 array of shape `(height, width)` in [0, 1]: 0 is blank ground.
        balance: As `ink_balance` returns it.
    """

    values: np.ndarray
    balance: float


def to_mnist_image(source: Any) -> np.ndarray:
    """Returns a picture of one digit as MNIST has it: light ink on black, fitted to 20x20 pixels, centered by mass.

    Transparency, color, polarity, uneven light, ruled paper, specks, size and position are taken care of. An image that
    has MNIST's form already comes back as it is.

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
    return prepare(load_picture(source))


def prepare(picture: np.ndarray, *, flip: bool = False) -> np.ndarray:
    """Returns a picture that was loaded as MNIST has it.

    Args:
        picture: uint8 array of shape `(height, width, 3)`.
        flip: Whether to take the other polarity than the border suggests.
    """
    if not flip and is_mnist_image(picture):
        return picture[..., 0]
    picture = crop_page(enlarge(picture))
    ink = find_ink(shrink(picture, FIND_SIDE), flip=flip)
    box = ink_box(remove_lines(ink.values))
    if box is None:
        return np.zeros((IMAGE_SIZE, IMAGE_SIZE), np.uint8)
    part = cut(picture, box, ink.values.shape)
    values = remove_lines(find_ink(shrink(part, READ_SIDE), flip=flip, like=ink).values)
    return frame(darken(drop_specks(values)))


def is_mnist_image(picture: np.ndarray) -> bool:
    """Tells whether a picture has MNIST's form: 28x28, gray, black border, ink in 20x20, centered by mass."""
    gray = picture[..., 0]
    if gray.shape != (IMAGE_SIZE, IMAGE_SIZE) or not (gray[..., None] == picture).all():
        return False
    if _border(gray).max() > 64 or gray.max() < 128:
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


def shrink(picture: np.ndarray, side: int) -> np.ndarray:
    """Returns a picture whose longer side is at most `side` pixels."""
    height, width = picture.shape[:2]
    if max(height, width) <= side:
        return picture
    scale = side / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    image = Image.fromarray(np.ascontiguousarray(picture))
    return np.asarray(image.resize(size, Image.Resampling.BOX, reducing_gap=2.0))


def crop_page(picture: np.ndarray) -> np.ndarray:
    """Returns the inside of a bright page on a dark table; any other picture as it is."""
    gray = shrink(picture, MIN_SIDE).mean(axis=-1)
    border = _border(gray)
    level = otsu(gray)
    bright = ndimage.binary_fill_holes(gray > level)
    core = ndimage.binary_erosion(bright, iterations=max(2, min(gray.shape) // 8))
    if (border > level).mean() > 0.5 or core.sum() < 0.08 * gray.size:
        return picture
    labels, count = ndimage.label(bright)
    page = labels == 1 + np.argmax(ndimage.sum_labels(core, labels, range(1, count + 1)))
    inside = ndimage.binary_erosion(page, iterations=2)
    rows, columns = (np.flatnonzero(inside.any(axis=axis)) for axis in (1, 0))
    if not len(rows) or not (gray[page] <= level).any() or len(rows) < 8 or len(columns) < 8:
        return picture  # nothing is written on it: a thick light stroke, or a blank page
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
    part[outside] = np.median(part[~outside], axis=0)  # the corners of a page that is turned
    return part


def _border(gray: np.ndarray) -> np.ndarray:
    width = max(1, min(gray.shape) // 20)
    edges = gray[:width], gray[-width:], gray[:, :width], gray[:, -width:]
    return np.concatenate([edge.ravel() for edge in edges])


def otsu(values: np.ndarray) -> float:
    """Returns the level that separates values in [0, 255] best into two classes.

    Reference:
        Otsu, 1979, "A Threshold Selection Method from Gray-Level Histograms".
    """
    histogram = np.bincount(np.clip(values, 0, 255).astype(np.uint8).ravel(), minlength=256)
    below = np.cumsum(histogram)[:-1]
    above = below[-1] + histogram[-1] - below
    sums = np.cumsum(histogram * np.arange(256))
    with np.errstate(invalid="ignore", divide="ignore"):
        distance = sums[:-1] / below - (sums[-1] - sums[:-1]) / above
        between = np.nan_to_num(below * above * distance**2)
    best = np.flatnonzero(between == between.max())
    return float(best.mean())


def find_ink(picture: np.ndarray, *, flip: bool = False, like: Ink | None = None) -> Ink:
    """Returns how much ink each pixel holds, without the ground's color, shadows and noise.

    Args:
        picture: uint8 array of shape `(height, width, 3)`.
        flip: Whether to take the other polarity than the picture suggests.
        like: Ink of the whole picture, whose polarity a part has too.
    """
    gray = _strongest_channel(picture).astype(np.float32)
    balance = like.balance if like else ink_balance(gray)
    inverted = (balance < 0) != flip
    if inverted:
        gray = 255 - gray
    # Now ink is bright.
    ground = _ground(gray)
    values = (gray - ground) / np.maximum(255 - ground, 64)
    noise = 1.4826 * float(np.median(np.abs(values - np.median(values))))
    values = np.clip(values - np.clip(3 * noise, 0.03, 0.25), 0, None)
    peak = max(
        float(np.quantile(values, 0.995)), float(ndimage.uniform_filter(values, 3).max()) / 1.2
    )
    if peak < MIN_CONTRAST:
        return Ink(np.zeros_like(values), balance)
    return Ink(np.clip(values / peak, 0, 1), balance)


def ink_balance(gray: np.ndarray) -> float:
    """Returns above 0 if ink is brighter than its ground, below 0 if it is darker, in [-1, 1]; near 0 if unclear.

    Where ink covers less than half of a neighborhood, the median is the ground. Otherwise the border tells.
    """
    small = _reduce(gray, BALANCE_SIDE)
    difference = small - ndimage.median_filter(
        small, size=max(3, max(small.shape) // 3), mode="nearest"
    )
    cubes = difference.astype(np.float64) ** 3
    local = cubes.sum() / max(np.abs(cubes).sum(), 1.0)
    border = np.mean(np.sign(otsu(gray) - _border(gray)))
    return float((2 * local + border) / 3)


def _reduce(gray: np.ndarray, side: int) -> np.ndarray:
    """Returns a picture of at most about `side` pixels, each the mean of a square."""
    factor = max(1, max(gray.shape) // side)
    height, width = (max(1, size // factor) for size in gray.shape)
    if factor == 1 or min(gray.shape) < factor:
        return gray
    part = gray[: height * factor, : width * factor]
    return part.reshape(height, factor, width, factor).mean(axis=(1, 3))


def _strongest_channel(picture: np.ndarray) -> np.ndarray:
    """Returns the gray picture, or the color channel in which ink stands out far more: yellow on white, say."""
    gray = picture.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    small = picture[:: max(1, picture.shape[0] // 64), :: max(1, picture.shape[1] // 64)]
    spread = np.subtract(*np.percentile(small.reshape(-1, 3), (98, 2), axis=0))
    strongest = int(spread.argmax())
    own = np.subtract(*np.percentile(gray[:: max(1, gray.shape[0] // 64)], (98, 2)))
    return picture[..., strongest] if spread[strongest] > 1.5 * own else gray


def _ground(gray: np.ndarray) -> np.ndarray:
    """Returns the brightness of the ground under bright ink; it follows the edges of shadows."""
    small = _reduce(gray, GROUND_SIDE)
    size = max(3, max(small.shape) // 3)
    ground = ndimage.grey_opening(
        ndimage.median_filter(small, 3), size=(size, size), mode="nearest"
    )
    ground = ndimage.gaussian_filter(ground, 1.5, mode="nearest")
    image = Image.fromarray(ground.astype(np.float32))
    return np.asarray(image.resize(gray.shape[::-1], Image.Resampling.BILINEAR))


def remove_lines(values: np.ndarray) -> np.ndarray:
    """Returns ink without the lines of ruled or squared paper: thin, straight, and from one border to the other."""
    mask = values > 0.1
    lines = np.zeros_like(mask)
    for axis in (0, 1):  # upright lines, then level ones
        turned = mask if axis else mask.T
        length = turned.shape[1]
        thick = max(4, round(0.025 * length))
        thin = turned & ~ndimage.binary_opening(turned, np.ones((thick + 1, 1), bool))
        near = ndimage.binary_dilation(
            thin, np.ones((3, 1), bool)
        )  # a line may be turned by a degree or two
        near = ndimage.binary_closing(near, np.ones((1, length // 6), bool), border_value=0) | near
        straight = ndimage.binary_opening(near, np.ones((1, max(9, length // 10)), bool))
        labels, _ = ndimage.label(straight, np.ones((3, 3)))
        for place, where in enumerate(ndimage.find_objects(labels), start=1):
            rows, columns = where
            crosses = columns.start <= 0.03 * length and columns.stop >= 0.97 * length
            if crosses and rows.stop - rows.start <= 0.1 * length + thick:
                part = lines if axis else lines.T
                part[where] |= (labels[where] == place) & thin[where]
    if not lines.any():
        return values
    lines = ndimage.binary_dilation(lines)
    closed = ndimage.grey_closing(
        np.where(lines, 0, values), size=(7, 7)
    )  # where a stroke crossed a line
    return np.where(lines, closed, values)


def ink_box(values: np.ndarray) -> tuple[int, int, int, int] | None:
    """Returns top, bottom, left and right of the digit's ink, or None where there is none."""
    keep = _main_components(values)
    if keep is None:
        return None
    rows, columns = np.flatnonzero(keep.any(axis=1)), np.flatnonzero(keep.any(axis=0))
    return int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1


def _main_components(values: np.ndarray) -> np.ndarray | None:
    """Returns a mask of the components that make up the digit, without dust and what hangs on the border."""
    mask = values > 0.3
    labels, count = ndimage.label(mask, np.ones((3, 3)))
    if not count:
        return None
    areas = ndimage.sum_labels(values, labels, range(1, count + 1))
    inner = np.ones(count, bool)
    rim = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
    inner[rim[rim > 0] - 1] = False
    if areas[inner].max(initial=0) > 0.15 * areas.max():
        areas = np.where(inner, areas, 0)  # the rest hangs on the border: shadows, edges, neighbors
    main = int(areas.argmax())
    boxes = ndimage.find_objects(labels)
    reach = max(s.stop - s.start for s in boxes[main])
    kept = [
        i
        for i in range(count)
        if areas[i] >= MIN_SPECK * areas[main] and _gap(boxes[i], boxes[main]) <= 0.4 * reach
    ]
    return np.isin(labels, np.array(kept) + 1)


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
    """Returns the ink of the digit alone, with its soft edges."""
    keep = _main_components(values)
    if keep is None:
        return np.zeros_like(values)
    return np.where(ndimage.binary_dilation(keep, iterations=2), values, 0)


def darken(values: np.ndarray) -> np.ndarray:
    """Returns ink from 0 to 255, its strokes full; hairlines are widened, which would fade away at 20 pixels."""
    mask = values > 0.3
    rows = np.flatnonzero(mask.any(axis=1))
    columns = np.flatnonzero(mask.any(axis=0))
    if len(rows):
        size = max(np.ptp(rows), np.ptp(columns)) + 1
        distance = ndimage.distance_transform_edt(np.pad(mask, 1))
        ridge = distance[distance >= ndimage.maximum_filter(distance, 3)]
        width = 2 * float(np.median(ridge[ridge > 0]))
        if width < THIN_STROKE * size:
            missing = round((THIN_STROKE * size - width) / 2 + 0.5)
            values = ndimage.grey_dilation(values, footprint=_disk(missing))
    return (np.clip(values * 1.25, 0, 1) * 255).round().astype(np.uint8)


def _disk(radius: int) -> np.ndarray:
    y, x = np.ogrid[-radius : radius + 1, -radius : radius + 1]
    return x * x + y * y <= radius * radius + 1
