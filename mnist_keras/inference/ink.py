"""Finds the ink in a picture: what is darker than its ground, or lighter, without noise, ruled lines and shadows."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from PIL import Image
from scipy import ndimage

from mnist_keras.inference.lines import remove_lines
from mnist_keras.inference.polarity import otsu, reduce_to

GROUND_SIDE = 80  # pixels of the longer side at which the background is estimated
MIN_CONTRAST = 0.08  # of the background's brightness; less is not ink
LEAST_LIGHT = 64  # brightness in [0, 255]; darker ground counts as this bright
# Below, thresholds of shadows, chosen with benchmarks/shadows.py --held-out.
SHADOW_MIN = 32  # pixels of a component's longer side; smaller ones have too few pixels at their edges to judge
INK = 0.3  # in [0, 1]; pixels above it are part of a component
PEAK = 0.9  # quantile of a component's pixels, used instead of the maximum, which noise raises
FAINT = 0.45  # of the ground's light; moderate shadows and pencils take less
DARK = 0.6  # of the ground's light; most strokes of a pen take more
EDGE = 0.025  # of a component's longer side, over which a sharp stroke goes from paper to ink
SHARP = 0.8  # of a component's height over the ground; a smaller step at its edge is a soft one
SOFT_EDGE = 2  # pixels around a component that still hold some of its ink
ROUND = 0.33  # of a component's longer side; strokes of faint and blurred digits are narrower
ALONG = 0.3  # of height plus width, on the picture's border; above it, a component is no digit that is cut off
BESIDE = 1.0  # of a shadow's longer side; within this distance, faint parts belong to it
MAX_AREA = 20  # times the picture's area in the boxes of components; more is noise
ROW_HEIGHT = 0.6  # of the picture's; two components of this height are digits in a tight crop
TIGHT = 3  # sides of the picture; a component that touches that many is a digit in a tight crop


def find_strokes(
    gray: np.ndarray,
    is_light: bool,
    *,
    is_coarse: bool,
    clean: Callable[[np.ndarray], np.ndarray] = remove_lines,
) -> np.ndarray:
    """Returns how much ink each pixel holds, without uneven light, noise, ruled lines and shadows.

    Args:
        gray: float32 array of shape `(height, width)` in [0, 255].
        is_light: Whether ink is brighter than its ground.
        is_coarse: Whether the picture was enlarged, which makes all edges soft. Then no shadow is dropped.
        clean: Removes the lines of ruled paper.

    Returns:
        float32 array of the same shape in [0, 1]: 0 is blank ground.
    """
    bright = gray if is_light else 255 - gray
    ground = find_ground(bright)
    ink = clean(find_ink(bright, ground))
    return ink if is_coarse else drop_shadows(ink, bright, ground)


def find_ink(bright: np.ndarray, ground: np.ndarray) -> np.ndarray:
    """Returns how much bright ink each pixel holds, in [0, 1], without noise."""
    values = bright - ground  # changed in place: new arrays would take half of the time
    values /= np.maximum(255 - ground, LEAST_LIGHT)
    samples = values[::3, ::3]
    # The standard deviation, if the noise is normal.
    noise = 1.4826 * float(np.median(np.abs(samples - np.median(samples))))
    values -= np.clip(3 * noise, 0.03, 0.25)
    np.maximum(values, 0, out=values)
    peak = max(float(np.quantile(values[::2, ::2], 0.995)), _highest_mean(values) / 1.2)
    if peak < MIN_CONTRAST:
        return np.zeros_like(values)
    values /= peak
    return np.minimum(values, 1, out=values)


def _highest_mean(values: np.ndarray) -> float:
    """Returns the highest mean of 3x3 pixels; a quarter of SciPy's time."""
    above, here, below = _three(values)
    left, middle, right = _three((above + here + below).T)
    return float((left + middle + right).max()) / 9


def _three(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns each pixel's upper neighbor, the pixels, and their lower neighbors; the border repeats."""
    padded = np.pad(values, ((1, 1), (0, 0)), "edge")
    return padded[:-2], values, padded[2:]


def _median_of_nine(values: np.ndarray) -> np.ndarray:
    """Returns the median of 3x3 pixels around each; a tenth of SciPy's time.

    It is the median of three: the highest of the columns' lowest, the median of their medians, the lowest of their
    highest.
    """
    low, middle, high = (_three(part.T) for part in _sorted(*_three(values)))
    parts = _sorted(*low)[2], _sorted(*middle)[1], _sorted(*high)[0]
    return _sorted(*parts)[1].T


def _sorted(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> tuple[np.ndarray, ...]:
    low, high = np.minimum(a, b), np.maximum(a, b)
    return np.minimum(low, c), np.maximum(low, np.minimum(high, c)), np.maximum(high, c)


def find_ground(bright: np.ndarray) -> np.ndarray:
    """Returns the brightness of the ground under bright ink; it follows shadow edges."""
    small = reduce_to(bright, GROUND_SIDE)
    size = max(3, max(small.shape) // 3)
    ground = ndimage.grey_opening(_median_of_nine(small), size=(size, size), mode="nearest")
    ground = ndimage.gaussian_filter(ground, 1.5, mode="nearest")
    image = Image.fromarray(ground.astype(np.float32))
    return np.asarray(image.resize(bright.shape[::-1], Image.Resampling.BILINEAR))


class Part(NamedTuple):
    """A connected component.

    Attributes:
        label: Its number among all components.
        box: Its rows and columns.
        own: Whether each pixel in the box belongs to it.
        sides: How many sides of the picture it touches.
        rim: How many of its pixels are on them; a corner counts twice.
    """

    label: int
    box: tuple[slice, ...]
    own: np.ndarray
    sides: int
    rim: int


def drop_shadows(ink: np.ndarray, bright: np.ndarray, ground: np.ndarray) -> np.ndarray:
    """Returns ink without what is left of shadows, and keeps the strokes on them.

    What casts a shadow is mostly outside of the picture, shadows are fainter than most ink, and compared with the size
    of a digit, the edges of its strokes are sharp. So a component that is not dark is a shadow if it lies along the
    border, or if its edge is soft and it touches the border. What is faint and soft without touching the border is one
    if it is wider than a stroke or beside another shadow; otherwise, it may be a digit in pencil, out of focus. Light
    ink is judged in the same way.

    Args:
        ink: float32 array of shape `(height, width)` in [0, 1].
        bright: The picture in which it was found, in [0, 255]; ink is brighter than its ground.
        ground: The brightness of the ground at each pixel.
    """
    labels, parts = find_parts(ink > INK)
    tall = [part.own.shape[0] > ROW_HEIGHT * len(ink) for part in parts]
    is_row = sum(tall) > 1  # of digits, in a tight crop
    found = [
        part
        for part, is_tall in zip(parts, tall, strict=True)
        if not (is_row and is_tall) and _is_shadow(part, bright, ground)
    ]
    sure = [part for part in found if part.sides or _is_round(part)]
    if not sure:
        return ink
    beside = np.zeros(ink.shape, bool)
    for part in sure:
        beside[_around(part, round(BESIDE * max(part.own.shape)), ink.shape)[0]] = True
    rest = ink.copy()
    for part in found:
        if not beside[part.box].all():
            continue
        near, _ = _around(part, _reach(part) + SOFT_EDGE, ink.shape)
        own = ndimage.binary_dilation(labels[near] == part.label, iterations=SOFT_EDGE)
        own &= (labels[near] == 0) | (labels[near] == part.label)
        rest[near][own] = _strokes_on(ink[near], own, bright[near], ground[near])[own]
    limit = max(np.quantile(ink[part.box][part.own], PEAK) for part in sure)
    return _drop_dust(rest, beside, limit)


def _drop_dust(ink: np.ndarray, beside: np.ndarray, limit: float) -> np.ndarray:
    """Returns ink without the noise beside shadows: small components that are fainter than the shadows' `limit`."""
    labels, count = ndimage.label(ink > INK, np.ones((3, 3)))
    highest = ndimage.maximum(ink, labels, range(count + 1))
    is_dust = np.zeros(count + 1, bool)
    for label, box in enumerate(ndimage.find_objects(labels), start=1):
        is_small = max(side.stop - side.start for side in box) < SHADOW_MIN
        is_dust[label] = is_small and highest[label] < limit and beside[box].all()
    return np.where(is_dust[labels], 0, ink)


def find_parts(mask: np.ndarray) -> tuple[np.ndarray, list[Part]]:
    """Returns the label of each pixel, and the components that are large enough to be judged; none in noise."""
    labels, count = ndimage.label(mask, np.ones((3, 3)))
    border = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    rim = np.bincount(border, minlength=count + 1)
    large = [
        (label, box)
        for label, box in enumerate(ndimage.find_objects(labels), start=1)
        if max(side.stop - side.start for side in box) >= SHADOW_MIN
    ]
    if sum(labels[box].size for _, box in large) > MAX_AREA * mask.size:
        return labels, []
    parts = []
    for label, box in large:
        ends = zip(box, mask.shape, strict=True)
        sides = sum((side.start == 0) + (side.stop == end) for side, end in ends)
        parts.append(Part(label, box, labels[box] == label, sides, int(rim[label])))
    return labels, parts


def _is_shadow(part: Part, bright: np.ndarray, ground: np.ndarray) -> bool:
    """Tells whether a component can be a shadow."""
    if part.sides >= TIGHT:
        return False
    if _depth(part, bright, ground, 0.5) > DARK:
        return False
    if part.rim > ALONG * sum(part.own.shape):
        return True
    return bool(part.sides or _depth(part, bright, ground) < FAINT) and not _is_sharp(
        part, bright, ground
    )


def _is_round(part: Part) -> bool:
    """Tells whether a circle fits into a component that is wider than strokes are."""
    return bool(
        2 * ndimage.distance_transform_edt(np.pad(part.own, 1)).max() > ROUND * max(part.own.shape)
    )


def _depth(part: Part, bright: np.ndarray, ground: np.ndarray, quantile: float = PEAK) -> float:
    """Returns a quantile of the share of the ground's light that the pixels of a component take."""
    level = ground[part.box][part.own]
    depth = (bright[part.box][part.own] - level) / np.maximum(255 - level, LEAST_LIGHT)
    return float(np.quantile(depth, quantile))


def _reach(part: Part) -> int:
    """Returns the distance in pixels over which a sharp stroke goes from paper to ink."""
    return max(2, round(EDGE * max(part.own.shape)))


def _around(
    part: Part, margin: int, shape: tuple[int, ...]
) -> tuple[tuple[slice, ...], list[tuple[int, int]]]:
    """Returns a component's box with a margin, and the margin before and behind it on both axes."""
    margins = [
        (min(margin, side.start), min(margin, end - side.stop))
        for side, end in zip(part.box, shape, strict=True)
    ]
    near = tuple(
        slice(side.start - before, side.stop + after)
        for side, (before, after) in zip(part.box, margins, strict=True)
    )
    return near, margins


def _is_sharp(part: Part, bright: np.ndarray, ground: np.ndarray) -> bool:
    """Tells whether the brightness changes at the edge of a component by most of its height over the ground."""
    reach = _reach(part)
    near, margins = _around(part, reach, bright.shape)
    own = np.pad(part.own, margins)
    edge = own & ~ndimage.binary_erosion(own, border_value=1)  # the picture's border is not an edge
    smooth = ndimage.uniform_filter(bright[near], reach | 1)
    highest, lowest = (
        extreme(smooth, 2 * reach + 1)[edge]
        for extreme in (ndimage.maximum_filter, ndimage.minimum_filter)
    )
    height = (bright - ground)[part.box][part.own]
    return bool(np.median(highest - lowest) >= SHARP * np.quantile(height, PEAK))


def _strokes_on(
    ink: np.ndarray, own: np.ndarray, bright: np.ndarray, ground: np.ndarray
) -> np.ndarray:
    """Returns the ink of the strokes on a shadow, whose pixels are `own`."""
    seen = own & (ink > INK)
    level = otsu(255 * ink[seen]) / 255
    deep, shade = seen & (ink > level), seen & (ink <= level)
    strokes = np.zeros_like(ink)
    if not shade.any():
        return strokes
    below = ground + np.median((bright - ground)[shade])
    labels, parts = find_parts(deep)
    kept = [
        part.label
        for part in parts
        if part.rim <= ALONG * sum(part.own.shape)
        and _is_sharp(part, bright, below)
        and _depth(part, bright, below) >= FAINT
    ]
    if not kept:
        return strokes
    shadow = np.median(ink[shade])
    inked = ndimage.binary_dilation(np.isin(labels, kept), iterations=SOFT_EDGE)
    strokes[inked] = np.maximum(ink[inked] - shadow, 0) / (1 - shadow)
    return strokes
