"""Cuts between touching digits: paths from the top to the bottom of a component of ink that cross little ink.

Far more cuts are returned than there are digits that touch. Cuts may cross each other.
"""

from typing import NamedTuple

import numpy as np
from scipy import ndimage

from mnist_keras.inference.numbers.rows import DIGIT_HEIGHT, INK

MAX_CUT = 8.0  # stroke widths; the most ink that a cut may cross
MIN_WIDTH = 0.3  # of the usual height; narrower components are not cut
MIN_DISTANCE = 0.06  # of the usual height; of paths closer than this, only the cheapest is kept
MIN_INK = 0.02  # of the usual height squared; two cuts with less ink between them count as one
MIN_SIDE = 0.5  # of the usual height; both sides of a cut must be at least this high
NEAR = 0.25  # of the usual height; cuts within this distance are neighbors
MAX_NEAR = 7  # neighbors that are kept, the cheapest ones
SIDEWAYS = 0.1  # cost of a step to the side, in pixels of ink
STEPS = np.array([0, -1, 1])  # columns by which a path may move from one row to the next
SLANTS = (-0.25, 0.0, 0.25)  # of straight cuts: columns to the right per row upward
LEVELS = (0.1, 0.3, 0.5, 0.7, 0.9)  # of the component's height; rows from which paths are traced


class Cut(NamedTuple):
    """A path through a component from top to bottom: its column in each row, and how much ink it crosses."""

    columns: np.ndarray
    cost: float


def find_cuts(ink: np.ndarray, stroke: float) -> list[Cut]:
    """Returns the cheapest cuts that leave enough ink on both sides, from left to right."""
    height, width = ink.shape
    if width < MIN_WIDTH * DIGIT_HEIGHT or height < 4:
        return []
    mask = ink > INK
    before = np.pad(mask.cumsum(axis=1), [(0, 0), (1, 0)])  # pixels of ink to the left, in each row
    rows, whole = np.arange(height), before[:, -1]
    cuts: list[Cut] = []
    lefts, middles = [np.zeros_like(whole), whole], [-np.inf, np.inf]
    for cut in sorted(ways_through(ink) + straight_ways(ink), key=lambda cut: cut.cost):
        if cut.cost > MAX_CUT * stroke:
            break
        left, middle = before[rows, cut.columns], float(cut.columns.mean())
        if np.count_nonzero(np.abs(np.array(middles) - middle) < NEAR * DIGIT_HEIGHT) >= MAX_NEAR:
            continue
        if np.abs(np.array(lefts) - left).sum(axis=1).min() < MIN_INK * DIGIT_HEIGHT**2:
            continue
        if min(_height(left > 0), _height(left < whole)) >= MIN_SIDE * DIGIT_HEIGHT:
            cuts.append(cut)
            lefts.append(left)
            middles.append(middle)
    return sorted(cuts, key=lambda cut: cut.columns.mean())


def _height(holds_ink: np.ndarray) -> int:
    """Returns the distance from the first to the last row that holds ink."""
    rows = np.flatnonzero(holds_ink)
    return int(rows[-1] - rows[0] + 1) if len(rows) else 0


def straight_ways(ink: np.ndarray) -> list[Cut]:
    """Returns upright and slanted lines at the places where they cross the least ink."""
    height, width = ink.shape
    rows = np.arange(height)
    cuts = []
    for slant in SLANTS:
        ways = np.arange(width)[:, None] + np.rint(slant * (height / 2 - rows)).astype(int)
        ways = np.clip(ways, 0, width - 1)
        sums = ink[rows, ways].sum(axis=1)
        cuts += [Cut(ways[x], float(sums[x])) for x in _minima(sums)]
    return cuts


def ways_through(ink: np.ndarray) -> list[Cut]:
    """Returns paths from top to bottom that cross little ink and move at most one column per row.

    This is drop-fall (Congedo et al., 1995, "Segmentation of Numeric Strings"), but with the cheapest path in place of
    the first one that a falling drop would take.
    """
    down, came_from = _accumulate(ink)
    up, goes_to = _accumulate(ink[::-1])
    up, goes_to = up[::-1], goes_to[::-1]
    cuts = []
    for level in LEVELS:
        row = round(level * (len(ink) - 1))
        starts = np.array(_minima(down[row] + up[row] - ink[row]))
        columns = np.repeat(starts[None], len(ink), axis=0)
        for y in range(row, 0, -1):
            columns[y - 1] = came_from[y, columns[y]]
        for y in range(row, len(ink) - 1):
            columns[y + 1] = goes_to[y, columns[y]]
        costs = np.take_along_axis(ink, columns, axis=1).sum(axis=0)
        cuts += [Cut(way, float(cost)) for way, cost in zip(columns.T, costs, strict=True)]
    return cuts


def _accumulate(ink: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the lowest cost of a path from the first row to each pixel, and its column in the previous row."""
    height, width = ink.shape
    cost = np.pad(ink.astype(np.float64), [(0, 0), (1, 1)], constant_values=np.inf)
    columns, here = np.arange(width), slice(1, -1)
    before = np.tile(columns, (height, 1))
    choices = np.empty((3, width))
    for y in range(1, height):
        above = cost[y - 1]
        choices[0] = above[here]
        choices[1] = above[:-2] + SIDEWAYS
        choices[2] = above[2:] + SIDEWAYS
        best = choices.argmin(axis=0)
        before[y] += STEPS[best]
        cost[y, here] += choices[best, columns]
    return cost[:, here], before


def _minima(values: np.ndarray) -> list[int]:
    """Returns the positions of local minima; of a flat minimum, the middle."""
    reach = max(3, round(MIN_DISTANCE * DIGIT_HEIGHT) | 1)
    low = values <= ndimage.minimum_filter1d(values, reach) + 1e-6
    labels, _ = ndimage.label(low)
    return [(where[0].start + where[0].stop - 1) // 2 for where in ndimage.find_objects(labels)]
