"""Ink and background of a picture: the mix of color channels that separates them, and which of the two is brighter."""

from typing import NamedTuple

import numpy as np
from scipy import ndimage

BALANCE_SIDE = 48  # pixels of the longer side at which polarity is decided
DOUBT = 0.3  # of 1; with less evidence for a polarity, the other one is tried too
TWO_LEVELS = 0.88  # of the variance; above it, two levels, ink and ground, explain nearly all
GRAY = (0.299, 0.587, 0.114)  # weights of red, green and blue; ITU-R 601


class Look(NamedTuple):
    """How ink differs from its background.

    Attributes:
        weights: Weights of red, green and blue in the sum that shows ink best.
        balance: Evidence that ink is brighter than the background, in [-1, 1]; see `ink_balance`.
    """

    weights: tuple[float, ...]
    balance: float


def border_of(gray: np.ndarray) -> np.ndarray:
    width = max(1, min(gray.shape) // 20)
    edges = gray[:width], gray[-width:], gray[:, :width], gray[:, -width:]
    return np.concatenate([edge.ravel() for edge in edges])


def otsu(values: np.ndarray) -> float:
    """Returns the threshold that best separates values in [0, 255] into two classes.

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
    """Returns the mix of color channels that shows ink best, and whether ink is brighter than the background."""
    samples = small[:: max(1, small.shape[0] // 64), :: max(1, small.shape[1] // 64)]
    spread = _spread(samples)
    strongest = int(spread.argmax())
    weights = GRAY
    if spread[strongest] > 1.5 * _spread(samples @ np.array(GRAY)):  # yellow on white, for example
        weights = tuple(np.eye(3)[strongest])
    return Look(weights, ink_balance(to_gray(small, weights)))


def _spread(samples: np.ndarray) -> np.ndarray:
    return np.subtract(*np.percentile(samples, (98, 2), axis=(0, 1)))


def to_gray(picture: np.ndarray, weights: tuple[float, ...]) -> np.ndarray:
    """Returns a weighted sum of red, green and blue, float32 in [0, 255]."""
    return picture.astype(np.float32) @ np.array(weights, np.float32)


def ink_balance(gray: np.ndarray) -> float:
    """Returns evidence in [-1, 1]: above 0 if ink is brighter than its background, below 0 if darker, 0 if unclear.

    If ink covers less than half of a neighborhood, the median is background. Otherwise, the border decides: most of it
    is background, unless a thick stroke reaches all four sides and cuts the background into pieces.
    """
    small = reduce_to(gray, BALANCE_SIDE)
    if surrounded := _reaching_class(small):
        return surrounded
    size = max(3, max(small.shape) // 3)
    window = np.zeros((size, size), bool)
    window[::3, ::3] = True  # a ninth of the pixels has nearly the same median
    difference = small - ndimage.median_filter(small, footprint=window, mode="nearest")
    cubes = difference.astype(np.float64) ** 3
    local = cubes.sum() / max(np.abs(cubes).sum(), 1.0)
    border = np.mean(np.sign(otsu(gray) - border_of(gray)))
    return float((2 * local + border) / 3)


def _reaching_class(gray: np.ndarray) -> float:
    """Returns 1 if one bright stroke reaches all four sides and cuts the dark background into pieces, -1 if a dark
    stroke does, 0 if neither does or the picture does not have two levels.
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
    border = (border_of(gray) > level).mean()
    if reaches == [False, True] and border < 0.7:
        return 1.0
    return -1.0 if reaches == [True, False] and border > 0.3 else 0.0


def _reaches_all_sides(mask: np.ndarray) -> bool:
    labels, _ = ndimage.label(mask, np.ones((3, 3)))
    sides = (set(side) - {0} for side in (labels[0], labels[-1], labels[:, 0], labels[:, -1]))
    return bool(set.intersection(*sides))


def reduce_to(gray: np.ndarray, side: int) -> np.ndarray:
    """Returns a picture of at most about `side` pixels, each the mean of a square."""
    factor = max(1, max(gray.shape) // side)
    height, width = (max(1, size // factor) for size in gray.shape)
    if factor == 1 or min(gray.shape) < factor:
        return gray
    part = gray[: height * factor, : width * factor]
    return part.reshape(height, factor, width, factor).mean(axis=(1, 3))
