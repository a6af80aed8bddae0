"""The borders at which a digit may begin or end, and the candidates: the ink between any two borders.

A border is the beginning of a component, or a cut through one. The lattice decides which candidates are digits.
"""

from typing import NamedTuple

import numpy as np
from scipy import ndimage

from mnist_keras.data.readers.pictures import DIGIT_BOX, IMAGE_SIZE, frame
from mnist_keras.inference.numbers.cuts import MIN_INK, MIN_SIDE, find_cuts
from mnist_keras.inference.numbers.rows import DIGIT_HEIGHT, INK
from mnist_keras.inference.preprocessing import THIN_STROKE

MAX_UNITS = 4  # units in one candidate
MAX_WIDTH = 1.25  # of the usual height; wider candidates are dropped, except whole units
SMALL = 0.35  # of the usual height; narrower low marks are separate units: dust or signs
# Pixels of a row per pixel of a window, in which digits are as high as MNIST's.
STEP = DIGIT_HEIGHT // DIGIT_BOX
REACH = STEP * IMAGE_SIZE // 2  # pixels of a row from the middle of a window to its edges


class Border(NamedTuple):
    """Where a digit may begin or end.

    Attributes:
        unit: The unit that begins here or is cut.
        columns: Integer array of shape `(height,)`: the column of the cut in each line of pixels; None for the
            beginning of a unit.
        left: The leftmost column of the cut; for the beginning of a unit, its first column.
        right: The rightmost column of the cut; for the beginning of a unit, its first column.
    """

    unit: int
    columns: np.ndarray | None
    left: int
    right: int


class Pieces(NamedTuple):
    """A row's units and borders, from left to right.

    Attributes:
        values: uint8 array of shape `(height, width)`: the row's ink, with strokes at full strength.
        labels: int32 array of the same shape: 0 for the ground, 1 for the first unit. A unit is a component of ink
            with its soft edges, and with the low components above and below it.
        boxes: The rows and columns of each unit.
        borders: The borders of all units. The end of the row is one more border, without an entry here.
    """

    values: np.ndarray
    labels: np.ndarray
    boxes: list[tuple[slice, slice]]
    borders: list[Border]

    def way(self, border: int) -> np.ndarray | None:
        """Returns the columns of a border's cut; None for the beginning of a unit and the end of the row."""
        return self.borders[border].columns if border < len(self.borders) else None


class Candidate(NamedTuple):
    """The ink between two borders, which may be a digit.

    Attributes:
        start: The border at which it begins.
        stop: The border at which it ends.
        box: Its rows and columns.
        window: uint8 array of shape `(28, 28, 2)`: the candidate's ink in the middle, and all other ink around it. A
            digit of the usual height is as high as MNIST's.
    """

    start: int
    stop: int
    box: tuple[slice, slice]
    window: np.ndarray


def cut_pieces(ink: np.ndarray) -> Pieces:
    """Returns the units and borders of a row of ink, whose digits are usually `DIGIT_HEIGHT` pixels high."""
    mask = ink > INK
    stroke = stroke_width(mask)
    units, boxes = find_units(mask, stroke)
    borders = []
    for unit, (rows, columns) in enumerate(boxes):
        borders.append(Border(unit, None, columns.start, columns.start))
        own = units[rows, columns] == unit + 1
        for cut in find_cuts(np.where(own, ink[rows, columns], 0), stroke):
            above, below = rows.start, len(ink) - rows.stop
            way = np.pad(cut.columns + columns.start, (above, below), mode="edge")
            borders.append(Border(unit, way, int(way.min()), int(way.max())))
    distance, (y, x) = ndimage.distance_transform_edt(units == 0, return_indices=True)
    labels = np.where(distance <= 2, units[y, x], 0)
    return Pieces(darkened(ink, stroke), labels, boxes, borders)


def find_units(mask: np.ndarray, stroke: float) -> tuple[np.ndarray, list[tuple[slice, slice]]]:
    """Returns the label of each pixel's unit and the units' boxes, in the order of the units' centers."""
    components, count = ndimage.label(mask, np.ones((3, 3)))
    sizes = np.bincount(components.ravel(), minlength=count + 1)
    boxes = ndimage.find_objects(components)
    kept = [place for place in range(count) if sizes[place + 1] >= 0.3 * stroke**2]  # others: dust
    owner = {place: place for place in kept}
    for place in kept:
        height, width = (s.stop - s.start for s in boxes[place])
        if height >= MIN_SIDE * DIGIT_HEIGHT or width < SMALL * DIGIT_HEIGHT:
            continue
        for other in kept:
            own, its = boxes[place][1], boxes[other][1]
            common = min(own.stop, its.stop) - max(own.start, its.start)
            tall = boxes[other][0].stop - boxes[other][0].start >= MIN_SIDE * DIGIT_HEIGHT
            if other != place and tall and common > 0.5 * width:
                owner[place] = other
    numbers = np.zeros(count + 1, np.int32)
    for place, unit in owner.items():
        numbers[place + 1] = unit + 1
    units = numbers[components]
    names = np.unique(units[units > 0])
    centers = ndimage.mean(np.broadcast_to(np.arange(mask.shape[1]), mask.shape), units, names)
    order = np.zeros(count + 1, np.int32)
    order[names[np.argsort(centers, kind="stable")]] = np.arange(1, len(names) + 1)
    labels = order[units]
    return labels, ndimage.find_objects(labels)


def stroke_width(mask: np.ndarray) -> float:
    """Returns the median width of strokes in pixels."""
    distance = ndimage.distance_transform_edt(np.pad(mask, 1))
    ridge = distance[(distance > 0) & (distance >= ndimage.maximum_filter(distance, 3))]
    return max(2.0, 2 * float(np.median(ridge)) - 1) if len(ridge) else 2.0


def darkened(ink: np.ndarray, stroke: float) -> np.ndarray:
    """Returns ink from 0 to 255 with strokes at full strength; hairlines are widened, as `darken` does for a digit."""
    if stroke < THIN_STROKE * DIGIT_HEIGHT:
        ink = ndimage.grey_dilation(ink, footprint=ndimage.generate_binary_structure(2, 1))
    return (np.clip(ink * 1.25, 0, 1) * 255).round().astype(np.uint8)


def make_candidates(pieces: Pieces) -> list[Candidate]:
    """Returns the ink between any two borders, without what is too wide for a digit and cut parts that are too low."""
    full = pieces.values > 255 * INK
    candidates = []
    for start in range(len(pieces.borders)):
        for stop in range(start + 1, len(pieces.borders) + 1):
            units = _units_of(pieces, start, stop)
            if len(units) > MAX_UNITS:
                break
            # A whole unit is always a candidate, so that every row has a path.
            is_cut = pieces.way(start) is not None or pieces.way(stop) is not None
            is_unit = len(units) == 1 and not is_cut
            end = pieces.boxes[units[-1]][1].stop
            if pieces.way(stop) is not None:
                end = pieces.borders[stop].left
            if end - pieces.borders[start].right > MAX_WIDTH * DIGIT_HEIGHT and not is_unit:
                continue
            own, left = find_own(pieces, start, stop)
            core = own & full[:, left : left + own.shape[1]]
            rows, columns = (np.flatnonzero(core.any(axis=axis)) for axis in (1, 0))
            if not len(rows):
                continue
            if columns[-1] - columns[0] > MAX_WIDTH * DIGIT_HEIGHT and not is_unit:
                continue
            too_low = rows[-1] - rows[0] < MIN_SIDE * DIGIT_HEIGHT
            too_little = np.count_nonzero(core) < MIN_INK * DIGIT_HEIGHT**2
            if is_cut and (too_low or too_little):
                continue
            box = (
                slice(int(rows[0]), int(rows[-1]) + 1),
                slice(left + int(columns[0]), left + int(columns[-1]) + 1),
            )
            candidates.append(Candidate(start, stop, box, _window(pieces, own, left, box)))
    return candidates


def image_of(candidate: Candidate, pieces: Pieces) -> np.ndarray:
    """Returns a candidate in MNIST's form: a uint8 array of shape `(28, 28)`."""
    own, left = find_own(pieces, candidate.start, candidate.stop)
    return frame(np.where(own, pieces.values[:, left : left + own.shape[1]], 0))


def find_own(pieces: Pieces, start: int, stop: int) -> tuple[np.ndarray, int]:
    """Returns a mask of the pixels between two borders, which spans all rows and some columns, and its first column."""
    units, first, last = _units_of(pieces, start, stop), pieces.way(start), pieces.way(stop)
    left = min([pieces.borders[start].left, *(pieces.boxes[unit][1].start for unit in units[1:])])
    rights = [pieces.boxes[unit][1].stop for unit in units]
    if last is not None:
        rights[-1] = pieces.borders[stop].right
    left = max(0, left - 2)  # with the soft edges
    labels = pieces.labels[:, left : max(rights) + 2]
    x = np.arange(left, left + labels.shape[1])
    own = (labels > units[0]) & (labels <= units[-1] + 1)  # the first unit's label is 1
    if first is not None:
        own &= (labels > units[0] + 1) | (x >= first[:, None])
    if last is not None:
        own &= (labels <= units[-1]) | (x < last[:, None])
    return own, left


def _units_of(pieces: Pieces, start: int, stop: int) -> range:
    """Returns the units between two borders, including those that lie there only in part."""
    first = pieces.borders[start].unit
    if stop == len(pieces.borders):
        return range(first, len(pieces.boxes))
    return range(first, pieces.borders[stop].unit + (pieces.way(stop) is not None))


def _window(pieces: Pieces, own: np.ndarray, left: int, box: tuple[slice, slice]) -> np.ndarray:
    """Returns the window of a candidate, see `Candidate`."""
    y, x = ((side.start + side.stop) // 2 - REACH for side in box)  # the window's first pixel
    height, width = pieces.values.shape
    inks = np.zeros((2, 2 * REACH, 2 * REACH), np.uint8)
    rows = slice(max(0, y), min(height, y + 2 * REACH))
    for ink, first, last in ((0, left, left + own.shape[1]), (1, 0, width)):
        columns = slice(max(first, x), min(last, x + 2 * REACH))
        part = pieces.values[rows, columns]
        if ink == 0:
            part = part * own[rows, columns.start - left : columns.stop - left]
        inks[ink, rows.start - y : rows.stop - y, columns.start - x : columns.stop - x] = part
    sums = inks.reshape(2, IMAGE_SIZE, STEP, -1).sum(axis=2, dtype=np.uint16)
    sums = sums.reshape(2, IMAGE_SIZE, IMAGE_SIZE, STEP).sum(axis=3, dtype=np.uint16)
    sums[1] -= sums[0]
    return (sums // STEP**2).astype(np.uint8).transpose(1, 2, 0)
