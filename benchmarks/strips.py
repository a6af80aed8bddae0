"""Strips of handwritten digits side by side: photos of numbers whose digits are known."""

from typing import NamedTuple

import numpy as np
from picture_kinds import ink_of, photo, thinned
from scipy import ndimage

SPACINGS = ("apart", "close", "touching", "overlapping")
SIDE = 84  # pixels of a digit's 28x28
SLANT = 0.25  # columns to the right for a row up, at most; 0.25 is 14 degrees
DROP = {".": 0.29, ",": 0.36}  # of SIDE; how far below a digit's middle a sign's is
SHARED = 255  # owner of a pixel that belongs to two digits
FAINT = 2.2  # times as bright, a stroke narrower than a pixel is seen: 58 of 255 becomes 128
PEN = 0.45  # pixels of 28; half the width of the thinnest pen: a 0.4 mm line in digits of 9 mm


class Strip(NamedTuple):
    """A photo of a number.

    Attributes:
        picture: uint8 array of shape `(height, width)`.
        text: Its digits.
        owners: uint8 array of the same shape: 0 for the ground, 1 for the ink of the first digit, `SHARED`.
    """

    picture: np.ndarray
    text: str
    owners: np.ndarray


def draw_strip(
    images,
    labels,
    length: int,
    spacing: str,
    rng: np.random.Generator,
    *,
    fall: float = 0.0,
    connected: bool = False,
) -> Strip:
    """Returns a strip of digits chosen at random: of one size, slant and thickness of the pen, on uneven light.

    Args:
        images: uint8 array of shape `(n, 28, 28)`, of digits or others.
        labels: The digit of each, or the character that it is.
        length: Number of digits.
        spacing: One of `SPACINGS`. Characters that are not digits are placed apart.
        rng: Draws everything.
        fall: By how many degrees the strip falls to the right.
        connected: Whether faint and thin strokes are drawn by a thin pen. Otherwise they break, as in a worn print:
            where MNIST's gray is below one half, and where thinning leaves nothing.
    """
    rows = rng.integers(len(images), size=length)
    side = int(SIDE * rng.uniform(0.6, 1.4))
    slant, thickness = rng.uniform(-SLANT, SLANT), rng.choice((0.0, rng.uniform(-0.3, 0.4)))
    draw = connected_ink if connected else ink_of
    inks = [slanted(draw(images[row], side, thickness=thickness), slant) for row in rows]
    inks = [resized(ink, rng.uniform(0.9, 1.1)) for ink in inks]
    text = "".join(str(labels[row]) for row in rows)
    canvas = np.zeros((3 * side, (length + 2) * 2 * side), np.float32)
    owners = np.zeros(canvas.shape, np.uint8)
    right = side
    for place, ink in enumerate(map(trimmed, inks)):
        height, width = ink.shape
        middle = 1.5 * side + DROP.get(text[place], 0) * side
        top = int(middle - height / 2 + rng.uniform(-0.06, 0.06) * side)
        left = side
        if place:
            here = spacing if text[place - 1 : place + 1].isdigit() else "apart"
            left = place_beside(canvas, ink, top, right, here, side, rng)
        where = slice(top, top + height), slice(left, left + width)
        np.maximum(canvas[where], ink, out=canvas[where])
        taken = np.where(owners[where] > 0, SHARED, place + 1)
        owners[where] = np.where(ink > 0.3, taken, owners[where])
        right = max(right, left + width)
    margin = int(side * rng.uniform(0.3, 1))
    sheet = slice(side - margin, 2 * side + margin), slice(side - margin, right + margin)
    canvas, owners = canvas[sheet], owners[sheet]
    if fall:
        canvas = np.clip(ndimage.rotate(canvas, -fall, order=1), 0, 1)
        owners = ndimage.rotate(owners, -fall, order=0)
    noise, strength = rng.uniform(2, 16), rng.uniform(0, 0.4)
    return Strip(photo(canvas, rng, strength=strength, noise=noise), text, owners)


def connected_ink(image: np.ndarray, side: int, *, thickness: float) -> np.ndarray:
    """Returns a digit's ink with a pen's line in the middle of strokes that are faint or too thin."""
    ink, scale = ink_of(image, side, thickness=thickness), side / 28
    faint = ink_of(np.minimum(FAINT * image, 255.0).astype(np.uint8), side)
    distance = ndimage.distance_transform_edt(~thinned(faint > 0.5)) / scale
    line = np.minimum(np.clip((PEN - distance) * scale / 2 + 0.5, 0, 1), faint)
    labels, count = ndimage.label(np.maximum(ink, line) > 0.3, np.ones((3, 3)))
    is_kept = ndimage.maximum(ink, labels, range(count + 1)) > 0.5  # other lines are specks
    return np.maximum(ink, np.where(is_kept[labels], line, 0))


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
