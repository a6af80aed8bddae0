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
PAGE_SIDE, BALANCE_SIDE, GROUND_SIDE = (
    64,
    48,
    80,
)  # pixels, where a page, polarity and ground are told
MIN_SIDE = 64  # pixels; smaller pictures are enlarged first, so that edges stay smooth
MIN_CONTRAST = 0.08  # of the ground's brightness; less is no ink
MIN_SPECK = 0.04  # of the largest component's area; smaller components are dust
THIN_STROKE = 0.055  # width over height of the digit, below which lines fade away at 20 pixels; MNIST has 0.13
DOUBT = 0.3  # of 1; with less evidence for a polarity the other one is worth a try
TWO_LEVELS = (
    0.88  # of the variance; in pictures above it two levels, ink and ground, explain nearly all
)
GRAY = (0.299, 0.587, 0.114)  # weights of red, green and blue; ITU-R 601


class Look(NamedTuple):
    """How ink differs from its ground.

    Attributes:
        weights: Of red, green and blue, in the sum in which ink stands out.
        balance: Evidence that ink is the brighter one, in [-1, 1]; see `ink_balance`.
    """

    weights: tuple[float, ...]
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
    return prepare(load_picture(source))[0]


def prepare(picture: np.ndarray) -> list[np.ndarray]:
    """Returns a picture that was loaded as MNIST has it, and in the other polarity too if the picture leaves it open.

    Args:
        picture: uint8 array of shape `(height, width, 3)`.

    Returns:
        One or two uint8 arrays of shape `(28, 28)`, the more likely one first.
    """
    if is_mnist_image(picture):
        return [picture[..., 0]]
    picture, small = crop_page(enlarge(picture))
    look = look_at(small)
    polarities = (look.balance >= 0, look.balance < 0)[: 1 + (abs(look.balance) < DOUBT)]
    return [extract(picture, small, look.weights, is_light) for is_light in polarities]


def extract(picture: np.ndarray, small: np.ndarray, weights, is_light: bool) -> np.ndarray:
    """Returns a picture's ink in MNIST's frame; `small` is the picture at `FIND_SIDE`, where the ink is looked for."""
    found = remove_lines(find_ink(to_gray(small, weights), is_light))
    box = ink_box(found)
    if box is None:
        return np.zeros((IMAGE_SIZE, IMAGE_SIZE), np.uint8)
    part = shrink(cut(picture, box, found.shape), READ_SIDE)
    return frame(darken(drop_specks(remove_lines(find_ink(to_gray(part, weights), is_light)))))


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


def crop_page(picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the inside of a bright page on a dark table, any other picture as it is; and the same at `FIND_SIDE`."""
    small = shrink(picture, FIND_SIDE)
    gray = shrink(small, PAGE_SIDE).mean(axis=-1)
    level = otsu(gray)
    if (_border(gray) > level).mean() > 0.3:
        return picture, small
    bright = ndimage.binary_fill_holes(gray > level)
    core = ndimage.binary_erosion(bright, iterations=max(2, min(gray.shape) // 8))
    if core.sum() < 0.08 * gray.size:
        return picture, small
    labels, count = ndimage.label(bright)
    page = labels == 1 + np.argmax(ndimage.sum_labels(core, labels, range(1, count + 1)))
    inside = ndimage.binary_erosion(page, iterations=2)
    step = ndimage.morphological_gradient(gray, 3)[page & ~ndimage.binary_erosion(page)]
    if np.median(step) < 0.4 * (gray[page].mean() - gray[~page].mean()):
        return picture, small  # the light falls off slowly
    rows, columns = (np.flatnonzero(inside.any(axis=axis)) for axis in (1, 0))
    if not (gray[page] <= level).any() or len(rows) < 8 or len(columns) < 8:
        return picture, small  # nothing is written on it: a thick light stroke, or a blank page
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
    part[outside] = np.median(part[~outside][::7], axis=0)  # the corners of a page that is turned
    return part, shrink(part, FIND_SIDE)


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


def look_at(small: np.ndarray) -> Look:
    """Returns in which mix of colors ink stands out, and whether it is brighter or darker than its ground."""
    samples = small[:: max(1, small.shape[0] // 64), :: max(1, small.shape[1] // 64)]
    spread = _spread(samples)
    strongest = int(spread.argmax())
    weights = GRAY
    if spread[strongest] > 1.5 * _spread(samples @ np.array(GRAY)):  # yellow on white, say
        weights = tuple(np.eye(3)[strongest])
    return Look(weights, ink_balance(to_gray(small, weights)))


def _spread(samples: np.ndarray) -> np.ndarray:
    return np.subtract(*np.percentile(samples, (98, 2), axis=(0, 1)))


def to_gray(picture: np.ndarray, weights: tuple[float, ...]) -> np.ndarray:
    """Returns a weighted sum of red, green and blue, float32 in [0, 255]."""
    return picture.astype(np.float32) @ np.array(weights, np.float32)


def ink_balance(gray: np.ndarray) -> float:
    """Returns above 0 if ink is brighter than its ground, below 0 if it is darker, in [-1, 1]; near 0 if unclear.

    Where ink covers less than half of a neighborhood, the median is the ground. Otherwise the border tells: most of it
    is ground, unless a thick stroke reaches all four sides and leaves the ground in pieces.
    """
    small = _reduce(gray, BALANCE_SIDE)
    if surrounded := _reaching_class(small):
        return surrounded
    size = max(3, max(small.shape) // 3)
    difference = small - ndimage.median_filter(small, size=size, mode="nearest")
    cubes = difference.astype(np.float64) ** 3
    local = cubes.sum() / max(np.abs(cubes).sum(), 1.0)
    border = np.mean(np.sign(otsu(gray) - _border(gray)))
    return float((2 * local + border) / 3)


def _reaching_class(gray: np.ndarray) -> float:
    """Returns 1 if one bright stroke reaches all four sides and the dark ground lies in pieces around it, -1 if a dark
    one does, 0 if neither does or the picture is not of two levels.
    """
    level = otsu(gray)
    bright = gray > level
    share = bright.mean()
    between = (
        share * (1 - share) * (gray[bright].mean() - gray[~bright].mean()) ** 2
        if 0 < share < 1
        else 0
    )
    if between < TWO_LEVELS * gray.var() or not between:
        return 0.0
    reaches = [_reaches_all_sides(mask) for mask in (~bright, bright)]
    border = (_border(gray) > level).mean()
    if reaches == [False, True] and border < 0.7:
        return 1.0
    return -1.0 if reaches == [True, False] and border > 0.3 else 0.0


def _reaches_all_sides(mask: np.ndarray) -> bool:
    labels, _ = ndimage.label(mask, np.ones((3, 3)))
    sides = (set(side) - {0} for side in (labels[0], labels[-1], labels[:, 0], labels[:, -1]))
    return bool(set.intersection(*sides))


def find_ink(gray: np.ndarray, is_light: bool) -> np.ndarray:
    """Returns how much ink each pixel holds, without shadows and noise.

    Args:
        gray: float32 array of shape `(height, width)` in [0, 255].
        is_light: Whether ink is brighter than its ground.

    Returns:
        float32 array of the same shape in [0, 1]: 0 is blank ground.
    """
    gray = gray if is_light else 255 - gray
    ground = _ground(gray)
    values = (gray - ground) / np.maximum(255 - ground, 64)
    samples = values[::3, ::3]
    noise = 1.4826 * float(
        np.median(np.abs(samples - np.median(samples)))
    )  # a deviation, as of a normal distribution
    values = np.clip(values - np.clip(3 * noise, 0.03, 0.25), 0, None)
    peak = max(
        float(np.quantile(values[::2, ::2], 0.995)),
        float(ndimage.uniform_filter(values, 3).max()) / 1.2,
    )
    if peak < MIN_CONTRAST:
        return np.zeros_like(values)
    return np.clip(values / peak, 0, 1)


def _reduce(gray: np.ndarray, side: int) -> np.ndarray:
    """Returns a picture of at most about `side` pixels, each the mean of a square."""
    factor = max(1, max(gray.shape) // side)
    height, width = (max(1, size // factor) for size in gray.shape)
    if factor == 1 or min(gray.shape) < factor:
        return gray
    part = gray[: height * factor, : width * factor]
    return part.reshape(height, factor, width, factor).mean(axis=(1, 3))


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
    mask = (values > 0.1).astype(np.uint8)
    lines = find_lines(mask) | find_lines(mask.T).T
    if not lines.any():
        return values
    lines = ndimage.binary_dilation(lines)
    closed = ndimage.grey_closing(
        np.where(lines, 0, values), size=(7, 7)
    )  # where a stroke crossed a line
    return np.where(lines, closed, values)


def find_lines(mask: np.ndarray) -> np.ndarray:
    """Returns where level lines are in a mask of 0 and 1; they may be turned by a degree or two."""
    length = mask.shape[1]
    lines = np.zeros(mask.shape, bool)
    margin = max(1, round(0.03 * length))
    if not (mask[:, :margin].any() and mask[:, -margin:].any()):
        return lines
    thick = max(4, round(0.025 * length))
    thin = mask & (1 - _opened(mask, thick + 1, axis=0))
    near = ndimage.maximum_filter1d(thin, 3, axis=0)
    gap = max(1, length // 6)
    wide = ndimage.maximum_filter1d(near, gap, axis=1, mode="constant")
    near = np.maximum(ndimage.minimum_filter1d(wide, gap, axis=1, mode="constant"), near)
    labels, _ = ndimage.label(_opened(near, max(9, length // 10), axis=1), np.ones((3, 3)))
    for place, where in enumerate(ndimage.find_objects(labels), start=1):
        rows, columns = where
        crosses = columns.start <= margin and columns.stop >= length - margin
        if crosses and rows.stop - rows.start <= 0.1 * length + thick:
            lines[where] |= (labels[where] == place) & (thin[where] > 0)
    return lines


def _opened(mask: np.ndarray, size: int, axis: int) -> np.ndarray:
    """Returns where a mask of 0 and 1 holds runs of at least `size` along an axis."""
    size |= 1  # an odd window has a middle
    eroded = ndimage.minimum_filter1d(mask, size, axis=axis, mode="constant")
    return ndimage.maximum_filter1d(eroded, size, axis=axis, mode="constant")


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
    areas = np.bincount(labels.ravel(), values.ravel(), count + 1)[1:]
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
    is_kept = np.zeros(count + 1, bool)
    is_kept[np.array(kept) + 1] = True
    return is_kept[labels]


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
