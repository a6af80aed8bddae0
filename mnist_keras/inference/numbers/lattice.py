"""The lattice of a row's candidates, and the best way through it: which pieces are digits, signs and dust.

A candidate's score is the logarithm of the odds that it is one whole digit, by a logistic regression. It sees what the
classifier says of the candidate's image, its shape, the ink that was cut and the gaps that were joined.
"""

from typing import NamedTuple

import numpy as np

from mnist_keras.inference.numbers.pieces import Candidate, Pieces
from mnist_keras.inference.numbers.rows import DIGIT_HEIGHT

SIGN = 2.0  # score of a piece that has the form and place of a sign
DUST = -1.0  # score of a small piece that is left out
# Of `describe`'s columns, the last of 1; fitted by benchmarks/read_numbers.py --fit to strips of training images.
WEIGHTS = np.array(
    [
        *(-0.149, -0.014, 0.384, -0.282, 6.907, -10.133, 1.464, 15.641, -7.433, 2.146),
        *(10.409, -3.050, 0.093, -0.184, -1.220, -0.819, -0.712, -2.968, -11.617, -0.014),
        *(-0.757, -4.657, 4.133, -5.344, -5.678, -0.010, -2.966, -13.892),
    ]
)


class Part(NamedTuple):
    """A part of a row: a digit, a sign, or dust.

    Attributes:
        candidate: Its place in the list of candidates.
        kind: "digit", ".", ",", "-", or "" for dust.
        score: Logarithm of the odds that it is that.
    """

    candidate: int
    kind: str
    score: float


def describe(
    candidates: list[Candidate], pieces: Pieces, digits: np.ndarray, likeness: np.ndarray
) -> np.ndarray:
    """Returns what tells one whole digit from a part of one and from two, for each candidate.

    Args:
        candidates: Those of a row.
        pieces: Those of the row.
        digits: Float array of shape `(n, 10)`, each candidate's probabilities.
        likeness: Float array of shape `(n,)`, how much each looks like a digit.

    Returns:
        Float array of shape `(n, len(WEIGHTS))`.
    """
    spans = {c.start: c.box[1] for c in candidates if c.stop - c.start == 1}
    top, bottom = row_level(candidates)
    best = digits.max(axis=1)
    rows = []
    for number, c in enumerate(candidates):
        y, x = c.box
        width, height = (x.stop - x.start) / DIGIT_HEIGHT, (y.stop - y.start) / DIGIT_HEIGHT
        before, after = pieces.costs[c.start], pieces.costs[c.stop]
        inner = range(c.start + 1, c.stop)
        cuts = [pieces.costs[k] for k in inner if pieces.costs[k] > 0]
        joins = [k for k in inner if pieces.costs[k] == 0]
        gaps = [spans[k].start - max(spans[i].stop for i in range(c.start, k)) for k in joins]
        gap = max(gaps, default=0) / DIGIT_HEIGHT
        above, below = (y.start - top) / DIGIT_HEIGHT, (y.stop - bottom) / DIGIT_HEIGHT
        rows.append(
            (
                *(np.log(max(best[number], 1e-3)), np.log(max(1 - best[number], 1e-4))),
                *(np.log(max(likeness[number], 1e-4)), np.log(max(1 - likeness[number], 1e-4))),
                *(width, width**2, width**3, height, height**2, width * height),
                *(width / height, (width / height) ** 2),
                *(min(before, after), max(before, after), before > 0, after > 0),
                *(len(joins), gap, max(gap, 0), len(cuts), np.exp(-min(cuts, default=9))),
                *(above, below, abs(above), abs(below)),
                *(c.area / DIGIT_HEIGHT / pieces.stroke, pieces.stroke / DIGIT_HEIGHT, 1.0),
            )
        )
    return np.array(rows, float)


def row_level(candidates: list[Candidate]) -> tuple[float, float]:
    """Returns where a row's digits begin and end, in pixels from its top."""
    tall = [c.box[0] for c in candidates if c.box[0].stop - c.box[0].start > 0.6 * DIGIT_HEIGHT]
    if not tall:
        return 0.0, float(DIGIT_HEIGHT)
    return float(np.median([s.start for s in tall])), float(np.median([s.stop for s in tall]))


def find_sign(place: int, candidates: list[Candidate], pieces: Pieces) -> str:
    """Returns the sign that a piece has the form and the place of: a point, a comma or a minus; "" if it has none."""
    c = candidates[place]
    if c.stop - c.start > 1 or pieces.costs[c.start] or pieces.costs[c.stop]:
        return ""
    top, bottom = row_level(candidates)
    y, x = c.box
    height, width = y.stop - y.start, x.stop - x.start
    beside = all(
        min(x.stop, other.box[1].stop) - max(x.start, other.box[1].start) < 0.4 * width
        for other in candidates
        if other.stop - other.start == 1 and other is not c
    )
    if not beside:
        return ""
    level = ((y.start + y.stop) / 2 - top) / (bottom - top)  # 0 at the digits' top, 1 at their foot
    if width >= 1.8 * height and height < 0.3 * DIGIT_HEIGHT and 0.25 < level < 0.8:
        return "-"
    if max(height, 1.5 * width) > 0.55 * DIGIT_HEIGHT or level < 0.7:
        return ""
    if height > 1.3 * width and y.stop > bottom + 0.1 * DIGIT_HEIGHT:
        return ","
    return "." if max(height, width) < 0.35 * DIGIT_HEIGHT else ""


def find_parts(
    candidates: list[Candidate], pieces: Pieces, scores: np.ndarray
) -> tuple[list[Part], float]:
    """Returns the parts of a row that together have the greatest score, and that score.

    Args:
        candidates: Those of the row.
        pieces: Those of the row.
        scores: Float array of shape `(n,)`, logarithms of the odds that each is one whole digit.
    """
    count = len(pieces.owners)
    best: list[float] = [0.0] + [-np.inf] * count
    chosen: list[Part | None] = [None] * (count + 1)
    order = sorted(range(len(candidates)), key=lambda place: candidates[place].stop)
    for place in order:
        start, stop = candidates[place].start, candidates[place].stop
        options = [Part(place, "digit", float(scores[place]))]
        if sign := find_sign(place, candidates, pieces):
            options.append(Part(place, sign, SIGN))
        if stop - start == 1 and is_small(candidates[place]):
            options.append(Part(place, "", DUST))
        part = max(options, key=lambda x: x.score)
        if best[start] + part.score > best[stop]:
            best[stop], chosen[stop] = best[start] + part.score, part
    parts: list[Part] = []
    stop = count
    while stop:
        last = chosen[stop]
        assert last is not None  # a piece alone is always a candidate
        parts.append(last)
        stop = candidates[last.candidate].start
    return parts[::-1], best[count]


def is_small(candidate: Candidate) -> bool:
    y, x = candidate.box
    return max(y.stop - y.start, x.stop - x.start) < 0.35 * DIGIT_HEIGHT
