"""Where a row's digits may begin and end, and the candidates for digits between any two such borders.

A border is the beginning of a component, or a cut through one. A candidate is the ink between two borders; the lattice
decides.
"""

from typing import NamedTuple

import numpy as np
from scipy import ndimage

from mnist_keras.data.readers.pictures import frame
from mnist_keras.inference.numbers.cuts import MIN_INK, MIN_SIDE, find_cuts
from mnist_keras.inference.numbers.rows import DIGIT_HEIGHT, INK
from mnist_keras.inference.preprocessing import THIN_STROKE

MAX_UNITS = 4  # of one candidate
MAX_WIDTH = 1.25  # of the usual height; of one candidate, unless it is a whole component
SMALL = 0.35  # of the usual height; a mark that is narrower and low is a unit of its own: dust or a sign


class Border(NamedTuple):
    """Where a digit may begin or end.

    Attributes:
        unit: The unit that begins or is cut.
        columns: Integer array of shape `(row height,)`, where the cut lies in each row; None for the unit's beginning.
        cost: What is cut, in stroke widths; 0 for a beginning.
    """

    unit: int
    columns: np.ndarray | None
    cost: float


class Pieces(NamedTuple):
    """A row's units and borders, from left to right.

    Attributes:
        labels: int32 array of the row's shape: 0 for the ground, 1 for the first unit. A unit is a component of ink,
            with the low ones above and below it.
        boxes: Rows and columns of each unit.
        borders: Those of all units; the end of the row is one more.
        stroke: Width of the row's strokes in pixels.
    """

    labels: np.ndarray
    boxes: list[tuple[slice, slice]]
    borders: list[Border]
    stroke: float

    @property
    def costs(self) -> list[float]:
        """What is cut at each border, in stroke widths, and at the row's end; 0 where nothing is."""
        return [border.cost for border in self.borders] + [0.0]


class Candidate(NamedTuple):
    """The ink between two borders, which may be a digit.

    Attributes:
        start: The border at which it begins.
        stop: The border at which it ends.
        box: Rows and columns of the row.
        area: Pixels of ink.
        image: uint8 array of shape `(28, 28)`, in MNIST's form.
    """

    start: int
    stop: int
    box: tuple[slice, slice]
    area: int
    image: np.ndarray


def cut_pieces(ink: np.ndarray) -> Pieces:
    """Returns the units and borders of a row whose digits are `DIGIT_HEIGHT` high."""
    mask = ink > INK
    stroke = stroke_width(mask)
    labels, boxes = find_units(mask, stroke)
    borders = []
    for unit, (rows, columns) in enumerate(boxes):
        borders.append(Border(unit, None, 0.0))
        own = labels[rows, columns] == unit + 1
        for cut in find_cuts(np.where(own, ink[rows, columns], 0), stroke):
            above, below = rows.start, len(ink) - rows.stop
            way = np.pad(cut.columns + columns.start, (above, below), mode="edge")
            borders.append(Border(unit, way, cut.cost / stroke))
    return Pieces(labels, boxes, borders, stroke)


def find_units(mask: np.ndarray, stroke: float) -> tuple[np.ndarray, list[tuple[slice, slice]]]:
    """Returns the number of each pixel's unit, in the order of their centers, and the units' boxes."""
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
    """Returns the usual width of strokes in pixels."""
    distance = ndimage.distance_transform_edt(np.pad(mask, 1))
    ridge = distance[(distance > 0) & (distance >= ndimage.maximum_filter(distance, 3))]
    return max(2.0, 2 * float(np.median(ridge)) - 1) if len(ridge) else 2.0


def darkened(ink: np.ndarray, stroke: float) -> np.ndarray:
    """Returns a row's ink from 0 to 255, its strokes full; hairlines are widened, as `darken` does for a digit."""
    if stroke < THIN_STROKE * DIGIT_HEIGHT:
        ink = ndimage.grey_dilation(ink, footprint=ndimage.generate_binary_structure(2, 1))
    return (np.clip(ink * 1.25, 0, 1) * 255).round().astype(np.uint8)


def make_candidates(ink: np.ndarray, pieces: Pieces) -> list[Candidate]:
    """Returns the ink between any two borders, unless it is too wide for a digit or, where it is cut, too low."""
    if not pieces.borders:
        return []
    # Soft edges belong to the unit that they lie at.
    distance, (y, x) = ndimage.distance_transform_edt(pieces.labels == 0, return_indices=True)
    near = np.where(distance <= 2, pieces.labels[y, x], 0)
    values = darkened(ink, pieces.stroke)
    ends = [*pieces.borders, Border(len(pieces.boxes), None, 0.0)]
    candidates = []
    for start, first in enumerate(pieces.borders):
        for stop, last in enumerate(ends[start + 1 :], start + 1):
            units = pieces.boxes[first.unit : last.unit + (last.columns is not None)]
            if len(units) > MAX_UNITS:
                break
            lefts, rights = ([getattr(box[1], end) for box in units] for end in ("start", "stop"))
            if first.columns is not None:
                lefts[0] = first.columns.min()
            if last.columns is not None:
                rights[-1] = last.columns.max()
            left, right = min(lefts), max(rights)
            part = slice(max(0, left - 2), right + 2)
            x = np.arange(ink.shape[1])[part]
            unit = near[:, part] - 1
            own = (unit >= first.unit) & (unit < first.unit + len(units))
            if first.columns is not None:
                own &= (unit > first.unit) | (x >= first.columns[:, None])
            if last.columns is not None:
                own &= (unit < last.unit) | (x < last.columns[:, None])
            core = own & (pieces.labels[:, part] > 0)
            area = int(np.count_nonzero(core))
            if not area:
                continue
            rows, columns = (np.flatnonzero(core.any(axis=axis)) for axis in (1, 0))
            box = (slice(rows[0], rows[-1] + 1), slice(x[columns[0]], x[columns[-1]] + 1))
            is_cut = first.columns is not None or last.columns is not None
            too_low = rows[-1] - rows[0] < MIN_SIDE * DIGIT_HEIGHT
            if is_cut and (too_low or area < MIN_INK * DIGIT_HEIGHT**2):
                continue
            too_wide = columns[-1] - columns[0] > MAX_WIDTH * DIGIT_HEIGHT
            if too_wide and (is_cut or len(units) > 1):
                continue  # a unit by itself is a candidate in any case: there is a way through all rows
            image = frame(np.where(own, values[:, part], 0))
            candidates.append(Candidate(start, stop, box, area, image))
    return candidates
