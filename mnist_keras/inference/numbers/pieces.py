"""A row's ink in pieces of at most a digit each, and the candidates for digits that they make up.

Components that could hold more than one digit are cut where a way from top to bottom crosses little ink. There are more
cuts than digits touch at: a candidate is one piece, or several neighbors together, and the lattice decides.
"""

from typing import NamedTuple

import numpy as np
from scipy import ndimage

from mnist_keras.data.readers.pictures import frame
from mnist_keras.inference.numbers.rows import DIGIT_HEIGHT, INK
from mnist_keras.inference.preprocessing import THIN_STROKE

MAX_PIECES = 8  # of one candidate, unless it is a whole component
MAX_WIDTH = 1.5  # of the usual height; of one candidate
MAX_CUT = 4.5  # strokes' widths of ink that a cut may cross
MIN_CUT_WIDTH = 0.3  # of the usual height; a narrower component is not cut
MIN_DISTANCE = 0.06  # of the usual height, between two cuts of a component
MIN_PIECE = 0.015  # of the usual height squared; a smaller piece of a component is not worth a cut
MIN_SIDE = 0.5  # of the usual height; what a cut leaves on either side is at least that high
CUTS = 8  # at most, for a component as wide as the usual height
SIDEWAYS = 0.1  # pixels of ink that a step to the side costs
LEVELS = (0.25, 0.5, 0.75)  # of a component's height, at which ways through it are looked for


class Cut(NamedTuple):
    """A way through a component from top to bottom: its column in each row, and the ink that it crosses."""

    columns: np.ndarray
    cost: float


class Pieces(NamedTuple):
    """The pieces of a row, from left to right.

    Attributes:
        labels: int32 array of the row's shape: 0 for the ground, 1 for the first piece.
        owners: The component of each piece.
        costs: What is cut before each piece, in stroke widths, and after the last; 0 where nothing is.
        stroke: Width of the row's strokes in pixels.
    """

    labels: np.ndarray
    owners: list[int]
    costs: list[float]
    stroke: float


class Candidate(NamedTuple):
    """Pieces that may be a digit together.

    Attributes:
        start: The first piece.
        stop: The piece after the last.
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
    """Returns the pieces of a row whose digits are `DIGIT_HEIGHT` high."""
    mask = ink > INK
    components = ndimage.label(mask, np.ones((3, 3)))[0]
    stroke = stroke_width(mask)
    pieces = []  # center, component, cost of the cut before it, where it is, its mask
    for place, box in enumerate(ndimage.find_objects(components)):
        own = components[box] == place + 1
        if own.sum() < 0.3 * stroke**2:
            continue  # dust
        cuts = find_cuts(np.where(own, ink[box], 0), stroke)
        regions = split(own, cuts)
        parts = [own & (regions == number) for number in range(len(cuts) + 1)]
        for number, part in enumerate(parts):
            cost = cuts[number - 1].cost / stroke if number else 0.0
            center = box[1].start + float(np.nonzero(part)[1].mean())
            pieces.append((center, place, cost, box, part))
    pieces.sort(key=lambda piece: piece[0])
    labels = np.zeros(ink.shape, np.int32)
    for number, (_, _, _, box, part) in enumerate(pieces, start=1):
        labels[box][part] = number
    owners = [piece[1] for piece in pieces]
    costs = [0.0] * (len(pieces) + 1)
    for number, owner in enumerate(owners):
        if (
            owner in owners[:number]
        ):  # the cut lies between the one before of the same component and this one
            before = max(place for place in range(number) if owners[place] == owner)
            for place in range(before + 1, number + 1):
                costs[place] += pieces[number][2]
    return Pieces(labels, owners, costs, stroke)


def stroke_width(mask: np.ndarray) -> float:
    """Returns the usual width of strokes in pixels."""
    distance = ndimage.distance_transform_edt(np.pad(mask, 1))
    ridge = distance[(distance > 0) & (distance >= ndimage.maximum_filter(distance, 3))]
    return max(2.0, 2 * float(np.median(ridge)) - 1) if len(ridge) else 2.0


def find_cuts(ink: np.ndarray, stroke: float) -> list[Cut]:
    """Returns the cheapest ways through a component, from left to right, that leave enough on both sides."""
    height, width = ink.shape
    if width < MIN_CUT_WIDTH * DIGIT_HEIGHT or height < 4:
        return []
    straight = [Cut(np.full(height, x), float(ink[:, x].sum())) for x in _minima(ink.sum(axis=0))]
    found = sorted(ways_through(ink) + straight, key=lambda cut: cut.cost)
    mask = ink > INK
    cuts: list[Cut] = []
    for cut in found:
        if cut.cost > MAX_CUT * stroke or len(cuts) >= CUTS * width / DIGIT_HEIGHT:
            break
        if _lower_side(mask, cut) < MIN_SIDE * DIGIT_HEIGHT:
            continue
        is_near = any(
            np.abs(cut.columns - x.columns).mean() < MIN_DISTANCE * DIGIT_HEIGHT for x in cuts
        )
        if not is_near and _smallest(mask, [*cuts, cut]) >= MIN_PIECE * DIGIT_HEIGHT**2:
            cuts.append(cut)
    return sorted(cuts, key=lambda cut: cut.columns.mean())


def _lower_side(mask: np.ndarray, cut: Cut) -> int:
    """Returns the height of the lower of a cut's two sides, in pixels."""
    right = np.arange(mask.shape[1]) >= cut.columns[:, None]
    heights = []
    for side in (mask & right, mask & ~right):
        rows = np.flatnonzero(side.any(axis=1))
        heights.append(rows[-1] - rows[0] + 1 if len(rows) else 0)
    return min(heights)


def _smallest(mask: np.ndarray, cuts: list[Cut]) -> int:
    return int(np.bincount(split(mask, cuts)[mask], minlength=len(cuts) + 1).min())


def split(mask: np.ndarray, cuts: list[Cut]) -> np.ndarray:
    """Returns for each pixel how many cuts lie to its left."""
    regions = np.zeros(mask.shape, np.int32)
    for cut in cuts:
        regions += np.arange(mask.shape[1]) >= cut.columns[:, None]
    return regions


def ways_through(ink: np.ndarray) -> list[Cut]:
    """Returns ways from top to bottom that cross little ink, one step to the side in each row at most.

    This is the drop-fall of Congedo et al., 1995, "Segmentation of Numeric Strings", with the best way in place of the
    first one that a falling drop finds.
    """
    down, came_from = _accumulate(ink)
    up, goes_to = _accumulate(ink[::-1])
    up, goes_to = up[::-1], goes_to[::-1]
    cuts = []
    for level in LEVELS:
        row = round(level * (len(ink) - 1))
        total = down[row] + up[row] - ink[row]
        for x in _minima(total):
            columns = np.full(len(ink), x)
            for y in range(row, 0, -1):
                columns[y - 1] = came_from[y, columns[y]]
            for y in range(row, len(ink) - 1):
                columns[y + 1] = goes_to[y, columns[y]]
            cuts.append(Cut(columns, float(ink[np.arange(len(ink)), columns].sum())))
    return cuts


def _accumulate(ink: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the least cost from the first row to each pixel, and the column in the row before."""
    height, width = ink.shape
    cost = ink.astype(np.float64)
    before = np.tile(np.arange(width), (height, 1))
    for y in range(1, height):
        padded = np.pad(cost[y - 1], 1, constant_values=np.inf)
        choices = np.stack([padded[1:-1], padded[:-2] + SIDEWAYS, padded[2:] + SIDEWAYS])
        best = choices.argmin(axis=0)
        before[y] += np.array([0, -1, 1])[best]
        cost[y] += choices[best, np.arange(width)]
    return cost, before


def _minima(values: np.ndarray) -> list[int]:
    """Returns where values are lowest in their neighborhood; of a flat stretch the middle."""
    reach = max(3, round(MIN_DISTANCE * DIGIT_HEIGHT) | 1)
    low = values <= ndimage.minimum_filter1d(values, reach) + 1e-6
    labels, _ = ndimage.label(low)
    return [(where[0].start + where[0].stop - 1) // 2 for where in ndimage.find_objects(labels)]


def darkened(ink: np.ndarray, stroke: float) -> np.ndarray:
    """Returns a row's ink from 0 to 255, its strokes full; hairlines are widened, as `darken` does for a digit."""
    if stroke < THIN_STROKE * DIGIT_HEIGHT:
        ink = ndimage.grey_dilation(ink, footprint=ndimage.generate_binary_structure(2, 1))
    return (np.clip(ink * 1.25, 0, 1) * 255).round().astype(np.uint8)


def make_candidates(ink: np.ndarray, pieces: Pieces) -> list[Candidate]:
    """Returns every run of neighboring pieces that is no wider than a digit may be."""
    count = len(pieces.owners)
    if not count:
        return []
    boxes = ndimage.find_objects(pieces.labels)
    areas = np.bincount(pieces.labels.ravel(), minlength=count + 1)[1:]
    # Soft edges belong to the piece that they lie at.
    distance, (y, x) = ndimage.distance_transform_edt(pieces.labels == 0, return_indices=True)
    near = np.where(distance <= 2, pieces.labels[y, x], 0)
    values = darkened(ink, pieces.stroke)
    candidates = []
    for start in range(count):
        for stop in range(start + 1, count + 1):
            part = boxes[start:stop]
            if stop - start > MAX_PIECES and (pieces.costs[start] or pieces.costs[stop]):
                continue
            rows, columns = (
                slice(min(x[axis].start for x in part), max(x[axis].stop for x in part))
                for axis in (0, 1)
            )
            if stop > start + 1 and columns.stop - columns.start > MAX_WIDTH * DIGIT_HEIGHT:
                break  # a piece alone is a candidate in any case: there is a way through all rows
            around = tuple(slice(max(0, s.start - 2), s.stop + 2) for s in (rows, columns))
            own = (near[around] > start) & (near[around] <= stop)
            image = frame(np.where(own, values[around], 0))
            area = int(areas[start:stop].sum())
            candidates.append(Candidate(start, stop, (rows, columns), area, image))
    return candidates
