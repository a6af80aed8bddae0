"""The lattice of a row's candidates, and the best way through it: which pieces are digits, signs and dust.

A way's score is the sum of its candidates' scores, and its probability grows with the exponential of that sum: a
conditional random field. A candidate's score sees what the classifier says of the candidate's image, its shape, the ink
that was cut and the gaps that were joined.
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
        *(-0.369, -0.162, 0.218, -0.812, 0.917, -0.416, -0.886, 1.751, 0.144),
        *(0.683, 0.618, -0.427, 0.213, -0.237, -0.487, -0.485, -0.342, -5.560),
        *(-0.500, 0.006, -0.410, -2.161, 0.825, -1.488, -4.778, 0.097, -33.655),
        *(1.517, -0.101, -0.968, -1.788, 0.638, -1.843, 2.242, 0.312, 2.756),
        *(2.722, 2.205, 0.909, 1.493, 3.291, -0.339, 1.855, -0.340, -0.278),
        *(-1.170, -1.320, -3.034),
    ]
)


class Part(NamedTuple):
    """A part of a row: a digit, a sign, or dust.

    Attributes:
        candidate: Its place in the list of candidates.
        kind: "digit", ".", ",", "-", or "" for dust.
        score: How much better it is as that than others.
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
    borders, costs = pieces.borders, pieces.costs
    top, bottom = row_level(candidates)
    best = digits.max(axis=1)
    rows = []
    for number, c in enumerate(candidates):
        y, x = c.box
        width, height = (x.stop - x.start) / DIGIT_HEIGHT, (y.stop - y.start) / DIGIT_HEIGHT
        before, after = costs[c.start], costs[c.stop]
        inner = range(c.start + 1, c.stop)
        cuts = [costs[k] for k in inner if borders[k].columns is not None]
        joins = [borders[k].unit for k in inner if borders[k].columns is None]
        spans = {unit: pieces.boxes[unit][1] for unit in (borders[c.start].unit, *joins)}
        gaps = [
            spans[k].start - max(span.stop for unit, span in spans.items() if unit < k)
            for k in joins
        ]
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
                *(c.area / DIGIT_HEIGHT / pieces.stroke, pieces.stroke / DIGIT_HEIGHT),
                *digits[number],
                *(width * digits[number]),
                1.0,
            )
        )
    return np.array(rows, float)


def row_level(candidates: list[Candidate]) -> tuple[float, float]:
    """Returns where a row's digits begin and end, in pixels from its top."""
    tall = [c.box[0] for c in candidates if c.box[0].stop - c.box[0].start > 0.6 * DIGIT_HEIGHT]
    if not tall:
        return 0.0, float(DIGIT_HEIGHT)
    return float(np.median([s.start for s in tall])), float(np.median([s.stop for s in tall]))


def find_sign(c: Candidate, pieces: Pieces, top: float, bottom: float) -> str:
    """Returns the sign that a unit has the form and the place of: a point, a comma or a minus; "" if it has none."""
    unit = pieces.borders[c.start].unit
    y, x = c.box
    height, width = y.stop - y.start, x.stop - x.start
    beside = all(
        min(x.stop, other[1].stop) - max(x.start, other[1].start) < 0.4 * width
        for number, other in enumerate(pieces.boxes)
        if number != unit
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


def list_options(candidates: list[Candidate], pieces: Pieces, scores: np.ndarray) -> list[Part]:
    """Returns what each candidate may be, in the order in which they end.

    Args:
        candidates: Those of a row.
        pieces: Those of the row.
        scores: Float array of shape `(n,)`, how much better each is as one digit than others.
    """
    top, bottom = row_level(candidates)
    options = []
    for place in sorted(range(len(candidates)), key=lambda place: candidates[place].stop):
        candidate = candidates[place]
        options.append(Part(place, "digit", float(scores[place])))
        if not is_unit(candidate, pieces):
            continue
        if sign := find_sign(candidate, pieces, top, bottom):
            options.append(Part(place, sign, SIGN))
        if is_small(candidate):
            options.append(Part(place, "", DUST))
    return options


def find_parts(
    options: list[Part], candidates: list[Candidate], pieces: Pieces
) -> tuple[list[Part], float]:
    """Returns the parts of a row, out of the options, that together have the greatest score, and that score."""
    count = len(pieces.borders)
    best: list[float] = [0.0] + [-np.inf] * count
    chosen: list[Part | None] = [None] * (count + 1)
    for part in options:
        start, stop = candidates[part.candidate].start, candidates[part.candidate].stop
        if best[start] + part.score > best[stop]:
            best[stop], chosen[stop] = best[start] + part.score, part
    parts: list[Part] = []
    stop = count
    while stop:
        last = chosen[stop]
        assert last is not None  # a unit alone is always a candidate
        parts.append(last)
        stop = candidates[last.candidate].start
    return parts[::-1], best[count]


def probability_of(
    parts: list[Part],
    options: list[Part],
    candidates: list[Candidate],
    pieces: Pieces,
    digits: np.ndarray,
) -> float:
    """Returns the probability of what the parts read: the share of all ways that read the same, wherever they cut.

    Args:
        parts: Those that were found.
        options: All that the candidates may be.
        candidates: Those of the row.
        pieces: Those of the row.
        digits: Float array of shape `(n, 10)`, each candidate's probabilities.
    """
    read = [part for part in parts if part.kind]
    is_digit = np.array([part.kind == "digit" for part in read], bool)
    labels = np.array([digits[part.candidate].argmax() for part in read], int)
    logs = np.where(is_digit, np.log(np.maximum(digits[:, labels], 1e-9)), -np.inf)
    ways = np.full((len(pieces.borders) + 1, len(read) + 1), -np.inf)
    every = np.full(len(pieces.borders) + 1, -np.inf)
    ways[0, 0] = every[0] = 0
    for part in options:
        start, stop = candidates[part.candidate].start, candidates[part.candidate].stop
        every[stop] = np.logaddexp(every[stop], every[start] + part.score)
        came = ways[start] + part.score
        if part.kind == "digit":
            came[1:] = came[:-1] + logs[part.candidate]
            came[0] = -np.inf
        elif part.kind:
            came[1:] = np.where([x.kind == part.kind for x in read], came[:-1], -np.inf)
            came[0] = -np.inf
        ways[stop] = np.logaddexp(ways[stop], came)
    return float(min(1.0, np.exp(ways[-1, -1] - every[-1])))


def is_unit(candidate: Candidate, pieces: Pieces) -> bool:
    """Returns whether a candidate is one whole unit, in which there is no cut."""
    ends = (candidate.start, candidate.stop)
    return ends[1] - ends[0] == 1 and not any(
        end < len(pieces.borders) and pieces.borders[end].columns is not None for end in ends
    )


def is_small(candidate: Candidate) -> bool:
    y, x = candidate.box
    return max(y.stop - y.start, x.stop - x.start) < 0.35 * DIGIT_HEIGHT
