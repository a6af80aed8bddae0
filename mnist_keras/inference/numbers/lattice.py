"""The lattice of a row's candidates, and the best way through it: which pieces are digits, signs and dust.

A way's score is the sum of its candidates' scores, and its probability grows with the exponential of that sum. A
candidate's score is the logarithm of the odds that it is one whole digit.
"""

from typing import NamedTuple

import numpy as np

from mnist_keras.inference.numbers.pieces import Candidate, Pieces
from mnist_keras.inference.numbers.rows import DIGIT_HEIGHT
from mnist_keras.inference.numbers.segments import NOT_ONE_DIGIT

SIGN = 2.0  # score of a piece that has the form and place of a sign
DUST = -1.0  # score of a small piece that is left out
# BONUS and LIKENESS were compared on 270 strips of training images that the model of candidates has not seen; SHARE is
# not fitted. benchmarks/read_numbers.py --fit searches for SHARE and BONUS.
SHARE = 1.0  # of the odds' logarithm that counts: candidates that overlap say the same twice
BONUS = 0.0  # added for each digit: in training there were fewer candidates that are no digits
NEAR = 6.0  # less score than the best way's that a way may have, for its digits to be read by the classifier too
LIKENESS = 0.5  # of the logarithm of the odds that the classifier sees a digit, added to a candidate's score


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


def score_candidates(
    answers: np.ndarray, *, share: float = SHARE, bonus: float = BONUS
) -> np.ndarray:
    """Returns how much better each candidate is as one digit than others.

    Args:
        answers: Float array of shape `(n, 11)`, what `read_segments` returns.
        share: See `SHARE`.
        bonus: See `BONUS`.
    """
    others = np.clip(answers[:, NOT_ONE_DIGIT].astype(float), 1e-5, 1 - 1e-5)
    return share * np.log((1 - others) / others) + bonus


def add_likeness(options: list[Part], likeness: dict[int, float]) -> list[Part]:
    """Returns options in whose scores the classifier has a say; digits that it has not seen are left out.

    Args:
        options: Those of a row.
        likeness: How much the candidates that the classifier has seen look like a digit, in [0, 1].
    """
    odds = {place: np.clip(value, 1e-4, 1 - 1e-4) for place, value in likeness.items()}
    return [
        part
        if part.kind != "digit"
        else part._replace(
            score=part.score
            + LIKENESS * float(np.log(odds[part.candidate] / (1 - odds[part.candidate])))
        )
        for part in options
        if part.kind != "digit" or part.candidate in odds
    ]


def row_level(pieces: Pieces) -> tuple[float, float]:
    """Returns where a row's digits begin and end, in pixels from its top."""
    tall = [rows for rows, _ in pieces.boxes if rows.stop - rows.start > 0.6 * DIGIT_HEIGHT]
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
    top, bottom = row_level(pieces)
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


def near_best(options: list[Part], candidates: list[Candidate], pieces: Pieces) -> set[int]:
    """Returns the candidates that are digits on ways whose score is not much less than the best one's."""
    before = np.full(len(pieces.borders) + 1, -np.inf)
    after = before.copy()
    before[0] = after[-1] = 0
    for part in options:
        start, stop = candidates[part.candidate].start, candidates[part.candidate].stop
        before[stop] = max(before[stop], before[start] + part.score)
    for part in sorted(options, key=lambda part: -candidates[part.candidate].start):
        start, stop = candidates[part.candidate].start, candidates[part.candidate].stop
        after[start] = max(after[start], after[stop] + part.score)
    return {
        part.candidate
        for part in options
        if part.kind == "digit"
        and before[candidates[part.candidate].start]
        + part.score
        + after[candidates[part.candidate].stop]
        > before[-1] - NEAR
    }


def probability_of(
    read: str,
    options: list[Part],
    candidates: list[Candidate],
    pieces: Pieces,
    digits: np.ndarray,
) -> float:
    """Returns the probability of what was read: the share of all ways that read the same, wherever they cut.

    Args:
        read: Digits and signs.
        options: All that the candidates may be.
        candidates: Those of the row.
        pieces: Those of the row.
        digits: Float array of shape `(n, 10)`, each candidate's probabilities.
    """
    is_digit = np.array([character.isdigit() for character in read], bool)
    labels = [int(character) if character.isdigit() else 0 for character in read]
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
            came[1:] = np.where([x == part.kind for x in read], came[:-1], -np.inf)
            came[0] = -np.inf
        ways[stop] = np.logaddexp(ways[stop], came)
    return float(min(1.0, np.exp(ways[-1, -1] - every[-1])))


def is_unit(candidate: Candidate, pieces: Pieces) -> bool:
    """Returns whether a candidate is one whole unit, in which there is no cut."""
    ends = (candidate.start, candidate.stop)
    return ends[1] - ends[0] == 1 and all(pieces.way(end) is None for end in ends)


def is_small(candidate: Candidate) -> bool:
    y, x = candidate.box
    return max(y.stop - y.start, x.stop - x.start) < 0.35 * DIGIT_HEIGHT
