"""Where a component of ink may be cut into digits: ways from its top to its foot that cross little ink.

There are many more of them than digits touch at, and they may cross one another.
"""

from typing import NamedTuple

import numpy as np
from scipy import ndimage

from mnist_keras.inference.numbers.rows import DIGIT_HEIGHT, INK

MAX_CUT = 4.5  # strokes' widths of ink that a cut may cross
MIN_WIDTH = 0.3  # of the usual height; a narrower component is not cut
MIN_DISTANCE = 0.06  # of the usual height, in which one way is kept
MIN_INK = 0.02  # of the usual height squared; less ink between two cuts makes them the same
MIN_SIDE = 0.5  # of the usual height; what is cut is at least that high
NEAR = 0.25  # of the usual height, to the left and to the right of a cut
MAX_NEAR = 7  # cuts that are kept so near to one another, the cheapest ones
SIDEWAYS = 0.1  # pixels of ink that a step to the side costs
STEPS = np.array([0, -1, 1])  # to the side, of a way's next row
SLANTS = (-0.25, 0.0, 0.25)  # columns to the right for a row up, of straight cuts
LEVELS = (0.1, 0.3, 0.5, 0.7, 0.9)  # of a component's height, at which ways through it start


class Cut(NamedTuple):
    """A way through a component from top to bottom: its column in each row, and the ink that it crosses."""

    columns: np.ndarray
    cost: float


def find_cuts(ink: np.ndarray, stroke: float) -> list[Cut]:
    """Returns the cheapest ways through a component, from left to right, that leave enough on both sides."""
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
    """Returns how high something is, from whether each row holds some of it."""
    rows = np.flatnonzero(holds_ink)
    return int(rows[-1] - rows[0] + 1) if len(rows) else 0


def straight_ways(ink: np.ndarray) -> list[Cut]:
    """Returns straight lines through ink, upright and slanted, where they cross the least of it."""
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
    """Returns the least cost from the first row to each pixel, and the column in the row before."""
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
    """Returns where values are lowest in their neighborhood; of a flat stretch the middle."""
    reach = max(3, round(MIN_DISTANCE * DIGIT_HEIGHT) | 1)
    low = values <= ndimage.minimum_filter1d(values, reach) + 1e-6
    labels, _ = ndimage.label(low)
    return [(where[0].start + where[0].stop - 1) // 2 for where in ndimage.find_objects(labels)]
