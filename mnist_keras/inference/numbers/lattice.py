"""The lattice of a row: every sequence of candidates that covers the row, each taken for a digit, a sign or dust.

The score of a sequence is the sum of the scores of its candidates, and its probability is proportional to the
exponential of that sum. The score of a digit is the log-odds that the candidate is exactly one whole digit, less a
price for cuts.
"""

from typing import NamedTuple

import numpy as np

from mnist_keras.inference.numbers.pieces import Candidate, Pieces
from mnist_keras.inference.numbers.rows import DIGIT_HEIGHT
from mnist_keras.inference.numbers.segments import NOT_ONE_DIGIT

SIGN = 2.0  # score of a mark with the shape and position of a sign
DUST = -1.0  # score of a small mark that is left out
NEAR = 6.0  # the classifier reads the digits of sequences that score at most this much less than the best one
# Chosen on 1,340 strips of held-out training images.
LIKENESS = 0.35  # weight of the classifier's log-odds of "a digit"
CUT = 2.0  # price of a cut through ink; without it, a clear 9 can be read as a clear 0 and 1


class Part(NamedTuple):
    """A candidate read as a digit, a sign or dust.

    Attributes:
        candidate: Its index in the list of candidates.
        kind: "digit", ".", ",", "-", or "" for dust.
        score: Its score as that.
    """

    candidate: int
    kind: str
    score: float


def score_candidates(answers: np.ndarray) -> np.ndarray:
    """Returns the scores of candidates as digits.

    Args:
        answers: Float array of shape `(n, 11)`, the answers of `read_segments`.
    """
    others = np.clip(answers[:, NOT_ONE_DIGIT].astype(float), 1e-5, 1 - 1e-5)
    return np.log((1 - others) / others)


def add_likeness(options: list[Part], likeness: dict[int, float]) -> list[Part]:
    """Returns the options with the classifier's opinion added to the scores of digits.

    Args:
        options: The options of a row.
        likeness: The classifier's probability of "a digit", by candidate. Other candidates are no longer options for
            digits.
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
    """Returns the usual top and bottom of a row's digits, in pixels from the top of the row."""
    tall = [rows for rows, _ in pieces.boxes if rows.stop - rows.start > 0.6 * DIGIT_HEIGHT]
    if not tall:
        return 0.0, float(DIGIT_HEIGHT)
    return float(np.median([s.start for s in tall])), float(np.median([s.stop for s in tall]))


def find_sign(c: Candidate, pieces: Pieces, top: float, bottom: float) -> str:
    """Returns the sign whose shape and position a unit has: a point, a comma or a minus; "" for none."""
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
    level = ((y.start + y.stop) / 2 - top) / (bottom - top)  # 0 at the digits' top, 1 at the bottom
    if width >= 1.8 * height and height < 0.3 * DIGIT_HEIGHT and 0.25 < level < 0.8:
        return "-"
    if max(height, 1.5 * width) > 0.55 * DIGIT_HEIGHT or level < 0.7:
        return ""
    if height > 1.3 * width and y.stop > bottom + 0.1 * DIGIT_HEIGHT:
        return ","
    return "." if max(height, width) < 0.35 * DIGIT_HEIGHT else ""


def list_options(candidates: list[Candidate], pieces: Pieces, scores: np.ndarray) -> list[Part]:
    """Returns everything that each candidate may be, ordered by the border at which candidates end.

    Args:
        candidates: The candidates of a row.
        pieces: The pieces of the row.
        scores: Float array of shape `(n,)`, the scores of the candidates as digits.
    """
    top, bottom = row_level(pieces)
    options = []
    for place in sorted(range(len(candidates)), key=lambda place: candidates[place].stop):
        candidate = candidates[place]
        price = CUT / 2 * count_cuts(candidate, pieces)  # each cut has a candidate on both sides
        options.append(Part(place, "digit", float(scores[place]) - price))
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
    """Returns the sequence of options that covers the row with the highest total score, and that score."""
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
        assert last is not None  # a whole unit is always a candidate
        parts.append(last)
        stop = candidates[last.candidate].start
    return parts[::-1], best[count]


def near_best(options: list[Part], candidates: list[Candidate], pieces: Pieces) -> set[int]:
    """Returns the candidates that are digits in sequences whose score is close to the best one, see `NEAR`."""
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
    """Returns the probability of a text: that of all sequences that read as this text, wherever they cut.

    Args:
        read: Digits and signs.
        options: All options of the row.
        candidates: The candidates of the row.
        pieces: The pieces of the row.
        digits: Float array of shape `(n, 10)`, the probabilities of the digits for each candidate.
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
    """Returns whether a candidate is one whole unit that has no cuts."""
    return candidate.stop - candidate.start == 1 and not count_cuts(candidate, pieces)


def count_cuts(candidate: Candidate, pieces: Pieces) -> int:
    """Returns how many of a candidate's two ends are cuts through ink."""
    return sum(pieces.way(end) is not None for end in (candidate.start, candidate.stop))


def is_small(candidate: Candidate) -> bool:
    y, x = candidate.box
    return max(y.stop - y.start, x.stop - x.start) < 0.35 * DIGIT_HEIGHT
