"""Strips of handwritten digits side by side: photos of numbers whose digits are known."""

from typing import NamedTuple

import numpy as np
from picture_kinds import ink_of, photo
from scipy import ndimage

SPACINGS = ("apart", "close", "touching", "overlapping")
SIDE = 84  # pixels of a digit's 28x28
SLANT = 0.25  # columns to the right for a row up, at most; 0.25 is 14 degrees


class Strip(NamedTuple):
    """A photo of a number.

    Attributes:
        picture: uint8 array of shape `(height, width)`.
        text: Its digits.
        boxes: Left, top, width and height of each digit's ink.
    """

    picture: np.ndarray
    text: str
    boxes: list[tuple[int, int, int, int]]


def draw_strip(images, labels, length: int, spacing: str, rng: np.random.Generator) -> Strip:
    """Returns a strip of digits chosen at random: of one size, slant and thickness of the pen, on uneven light."""
    rows = rng.integers(len(images), size=length)
    side = int(SIDE * rng.uniform(0.6, 1.4))
    slant, thickness = rng.uniform(-SLANT, SLANT), rng.choice((0.0, rng.uniform(-0.3, 0.4)))
    inks = [slanted(ink_of(images[row], side, thickness=thickness), slant) for row in rows]
    inks = [resized(ink, rng.uniform(0.9, 1.1)) for ink in inks]
    canvas = np.zeros((3 * side, (length + 2) * 2 * side), np.float32)
    boxes, right = [], side
    for ink in map(trimmed, inks):
        height, width = ink.shape
        top = int(1.5 * side - height / 2 + rng.uniform(-0.06, 0.06) * side)
        left = place_beside(canvas, ink, top, right, spacing, side, rng) if boxes else side
        part = canvas[top : top + height, left : left + width]
        np.maximum(part, ink, out=part)
        boxes.append((left, top, width, height))
        right = max(right, left + width)
    margin = int(side * rng.uniform(0.3, 1))
    y, x = side - margin, side - margin
    sheet = canvas[y : 2 * side + margin, x : right + margin]
    noise, strength = rng.uniform(2, 16), rng.uniform(0, 0.4)
    picture = photo(sheet, rng, strength=strength, noise=noise)
    text = "".join(str(labels[row]) for row in rows)
    return Strip(picture, text, [(left - x, top - y, *size) for left, top, *size in boxes])


def slanted(ink: np.ndarray, slant: float) -> np.ndarray:
    """Returns ink whose stems lean to the right by `slant` columns for each row up."""
    height = len(ink)
    wide = np.pad(ink, [(0, 0), (height // 3, height // 3)])
    return ndimage.affine_transform(wide, [[1, 0], [slant, 1]], (0, -slant * height / 2), order=1)


def resized(ink: np.ndarray, factor: float) -> np.ndarray:
    return np.clip(ndimage.zoom(ink, factor, order=1), 0, 1)


def trimmed(ink: np.ndarray) -> np.ndarray:
    """Returns ink without its empty border."""
    rows, columns = (np.flatnonzero((ink > 0.3).any(axis=axis)) for axis in (1, 0))
    return ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def place_beside(canvas, ink, top, right, spacing, side, rng) -> int:
    """Returns the column in which a digit begins, by how far it stands from the ones before."""
    if spacing == "apart":
        return right + int(side * rng.uniform(0.1, 0.5))
    before = ndimage.maximum_filter1d(canvas[top : top + len(ink)] > 0.5, 3, axis=0)
    rows = np.flatnonzero(before.any(axis=1) & (ink > 0.5).any(axis=1))
    if not len(rows):
        return right
    ends = canvas.shape[1] - before[rows, ::-1].argmax(axis=1)
    starts = (ink[rows] > 0.5).argmax(axis=1)
    touch = int((ends - starts).max())  # where the first pixels are neighbors
    pixel = side / 28
    if spacing == "close":
        return touch + int(np.ceil(pixel * rng.uniform(0.7, 2)))
    depth = (0.3, 0.7) if spacing == "touching" else (1.0, 2.0)  # of pixels of 28
    return touch - int(np.ceil(pixel * rng.uniform(*depth)))
