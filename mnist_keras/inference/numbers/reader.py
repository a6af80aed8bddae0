"""`read_number`: the numbers in a picture, with a box and a confidence for each digit."""

from __future__ import annotations  # help() shows the names of types, not what they stand for

import dataclasses
import functools
import os
from typing import Any, NamedTuple

import numpy as np
from scipy.special import softmax

from mnist_keras._validation import InputError, invalid
from mnist_keras.inference.classifier import DigitClassifier, Prediction, name_of
from mnist_keras.inference.numbers.lattice import (
    Part,
    add_likeness,
    find_parts,
    list_options,
    near_best,
    probability_of,
    score_candidates,
)
from mnist_keras.inference.numbers.pieces import (
    Candidate,
    Pieces,
    cut_pieces,
    image_of,
    make_candidates,
)
from mnist_keras.inference.numbers.rows import DIGIT_HEIGHT, TALL, Row, find_rows
from mnist_keras.inference.numbers.segments import NOT_ONE_DIGIT, read_segments
from mnist_keras.inference.pictures import load_sized
from mnist_keras.inference.writing import check_writing

MAX_ROWS = 100  # more rows are noise, texture or fine print, and would take minutes
UNREAD = "?"  # in the text, for a mark among digits that does not look like one
TINY = np.finfo(np.float32).tiny  # a float32 softmax can underflow to 0, which has no logarithm
CLEAR = 0.3  # probability of one whole digit by `read_segments`; above it, a digit is read even if it looks odd


@dataclasses.dataclass(frozen=True, eq=False)
class NumberLine:
    """A number that was read in a picture.

    Attributes:
        text: The digits, with any decimal point, comma or minus that was found, and "?" for a mark among them that
            does not look like a digit.
        confidence: The probability that the text is correct, in [0, 1]: the total probability of all ways to cut the
            row and to read its digits that give this text. 0 if the text has a "?".
        boxes: Left, top, width and height of each digit, in pixels of the source.
        digits: The prediction for each digit.
    """

    text: str
    confidence: float
    boxes: list[tuple[int, int, int, int]]
    digits: list[Prediction]

    def __repr__(self) -> str:
        return f"NumberLine({self.text!r}, confidence {self.confidence:.3f})"


@dataclasses.dataclass
class _Line:
    """A row on its way from ink to text.

    Attributes:
        row: The row.
        pieces: Its pieces.
        candidates: Its candidates for digits.
        answers: The answer of `read_segments` for each candidate.
        options: What each candidate may be.
        parts: The chosen options.
        score: The total score of `parts`.
        digits: The digits among `parts`, by candidate.
    """

    row: Row
    pieces: Pieces
    candidates: list[Candidate]
    answers: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros((0, 11)))
    options: list[Part] = dataclasses.field(default_factory=list)
    parts: list[Part] = dataclasses.field(default_factory=list)
    score: float = 0.0
    digits: dict[int, _Digit] = dataclasses.field(default_factory=dict)


class _Digit(NamedTuple):
    """A candidate chosen as a digit: its image, its probabilities, and whether it does not look like a digit."""

    image: np.ndarray
    probabilities: np.ndarray
    is_odd: bool


def read_number(
    source: Any, *, classifier: DigitClassifier | str | None = None, writing: str = "auto"
) -> list[NumberLine]:
    """Reads the numbers in a picture of a row of digits, or of several rows.

    Shadows, ruled paper and light ink are handled as in `to_mnist_image`. A row of four or more digits may rise or fall
    by up to 20 degrees. Rows must not touch: if ink joins two rows, both are misread.

    Ink is cut in more places than necessary. A small model looks at the ink between any two cuts and around it, and
    the most probable sequence of whole digits is chosen. Both this model and the classifier read these digits. Digits
    more than two and a half heights apart are separate numbers. A point, comma or minus counts only if a digit follows.
    Most letters and other signs are read as digits, so crop the picture to the numbers.

    Args:
        source: A picture, as `to_mnist_image` takes it. Pictures whose longer side has more than 1,600 pixels are
            reduced to that; digits should then still be at least 16 pixels high.
        classifier: A classifier of ten digits, or a model as `DigitClassifier` takes it; None for "cnn_real_world",
            the only one that recognizes marks that are not digits.
        writing: Where the writer learned to write, "american" or "european"; "auto" infers it from the digits on the
            page. Only for models that know ways of writing ("cnn_real_world").

    Returns:
        The numbers from top to bottom and from left to right; an empty list if there is no digit.

    Raises:
        InputError: If the picture can't be loaded or has more than 100 rows of marks, the classifier is not one of ten
            digits, or its model does not know ways of writing.

    Reference:
        Casey and Lecolinet, 1996, "A Survey of Methods and Strategies in Character Segmentation".
        Congedo et al., 1995, "Segmentation of Numeric Strings" (drop-fall).
        Matan et al., 1992, "Multi-Digit Recognition Using a Space Displacement Neural Network" (one lattice for cuts
        and classes).

    Example:
        for line in read_number("meter.jpg"):
            print(line.text, f"{line.confidence:.0%}", line.boxes)
    """
    classifier = _to_classifier(classifier)
    check_writing(writing, classifier.scorer.ways, classifier.model.name)
    picture, size = load_sized(source)
    scale = max(size) / max(picture.shape[:2])
    found = find_rows(picture)
    legible = [rows for rows in found if len(rows) <= MAX_ROWS]
    if found and not legible:
        raise InputError(
            f"{name_of(source, 0)} has {min(map(len, found))} rows of marks. Expected at most {MAX_ROWS}: cut out the "
            "part with the numbers."
        )
    pages = [[_cut(row) for row in rows] for rows in legible]
    _find_parts([line for lines in pages for line in lines])
    lines = max(pages, key=lambda lines: sum(line.score for line in lines))
    _read_digits(classifier, lines, writing)
    numbers: list[NumberLine] = []
    for line in lines:
        source_of_line = f"{name_of(source, 0)}, line {len(numbers) + 1}"
        if number := _put_together(classifier, line, scale, size, source_of_line):
            numbers.append(number)
    return numbers


def _to_classifier(classifier: Any) -> DigitClassifier:
    if classifier is None:
        return _default()
    if not isinstance(classifier, DigitClassifier):
        if not isinstance(classifier, str | os.PathLike):
            raise invalid(
                "classifier",
                expected="a DigitClassifier, a registered name, a run directory or a .keras file",
                received=type(classifier).__name__,
            )
        classifier = DigitClassifier(classifier)
    if list(classifier.class_names) != [str(digit) for digit in range(10)]:
        raise InputError(
            f"read_number takes a classifier of ten digits. Received one of {', '.join(classifier.class_names)}."
        )
    return classifier


@functools.cache
def _default() -> DigitClassifier:
    return DigitClassifier.from_pretrained()


def _cut(row: Row) -> _Line:
    pieces = cut_pieces(row.ink)
    return _Line(row, pieces, make_candidates(pieces))


def _find_parts(lines: list[_Line]) -> None:
    """Chooses the parts of each line. The candidates of all lines are read in one batch."""
    windows = [candidate.window for line in lines for candidate in line.candidates]
    if not windows:
        return
    answers = read_segments(np.stack(windows))
    start = 0
    for line in lines:
        line.answers = answers[start : start + len(line.candidates)]
        start += len(line.candidates)
        if line.candidates:
            scores = score_candidates(line.answers)
            line.options = list_options(line.candidates, line.pieces, scores)
            line.parts, line.score = find_parts(line.options, line.candidates, line.pieces)


def _read_digits(classifier: DigitClassifier, lines: list[_Line], writing: str) -> None:
    """Lets the classifier read the likeliest digits too, chooses the parts of each line again, and fills `digits`."""
    near = [near_best(line.options, line.candidates, line.pieces) for line in lines]
    places = [(line, place) for line, own in zip(lines, near, strict=True) for place in sorted(own)]
    if not places:
        return
    images = [image_of(line.candidates[place], line.pieces) for line, place in places]
    likeness, hidden = classifier.scorer.score(np.stack(images))
    if classifier.scorer.ways is not None:  # other models take every mark for a digit
        for line, own in zip(lines, near, strict=True):
            seen = {
                place: float(value)
                for (owner, place), value in zip(places, likeness, strict=True)
                if owner is line
            }
            if own:
                line.options = add_likeness(line.options, seen)
                line.parts, line.score = find_parts(line.options, line.candidates, line.pieces)
    taken = [
        number
        for number, (line, place) in enumerate(places)
        if any(part.kind == "digit" and part.candidate == place for part in line.parts)
    ]
    if not taken:
        return
    among = np.stack([line.answers[place] for line, place in (places[number] for number in taken)])
    # The mean of both logarithms: the classifier knows digits best, the small model sees the neighbors. The school is
    # inferred from all chosen digits together.
    logs = np.log(np.maximum(classifier.scorer.weigh(hidden[taken], writing)[0], TINY))
    probabilities = softmax((logs + np.log(np.maximum(among[:, :NOT_ONE_DIGIT], TINY))) / 2, axis=1)
    odd = classifier.is_no_digit(likeness[taken]) & (1 - among[:, NOT_ONE_DIGIT] < CLEAR)
    for number, own, is_odd in zip(taken, probabilities, odd, strict=True):
        line, place = places[number]
        line.digits[place] = _Digit(images[number], own, bool(is_odd))


def _put_together(
    classifier: DigitClassifier, line: _Line, scale: float, size: tuple[int, int], name: str
) -> NumberLine | None:
    """Returns the number made of a line's parts; None if there is no digit among them."""
    text, read = "", ""
    predictions: list[Prediction] = []
    boxes = []
    for part in line.parts:
        if part.kind != "digit":
            text, read = text + part.kind, read + part.kind
            continue
        candidate, digit = line.candidates[part.candidate], line.digits[part.candidate]
        read += str(digit.probabilities.argmax())
        if digit.is_odd and candidate.box[0].stop - candidate.box[0].start < TALL * DIGIT_HEIGHT:
            continue  # dust, or a remnant of a ruled line
        source = f"{name}, digit {len(predictions) + 1}"
        prediction = classifier.answer(digit.image, digit.probabilities, source, digit.is_odd)
        text += UNREAD if prediction.label is None else prediction.class_name
        predictions.append(prediction)
        boxes.append(_box(line.row, candidate, scale, size))
    text = _tidy(text)
    if not any(character.isdigit() for character in text):
        return None
    digits = np.maximum(line.answers[:, :NOT_ONE_DIGIT], TINY)
    digits /= digits.sum(axis=1, keepdims=True)
    for place, digit in line.digits.items():
        digits[place] = digit.probabilities
    confidence = probability_of(read, line.options, line.candidates, line.pieces, digits)
    # A mark that is not a digit has confidence 0.
    confidence = min([confidence, *(prediction.confidence for prediction in predictions)])
    return NumberLine(text, confidence, boxes, predictions)


def _tidy(text: str) -> str:
    """Returns the text without signs that are not followed by a digit."""
    kept = ""
    for place, character in enumerate(text):
        follows = text[place + 1 : place + 2]
        if character not in ".,-" or follows.isdigit() or (character == "-" and follows == "."):
            kept += character
    return kept


def _box(
    row: Row, candidate: Candidate, scale: float, size: tuple[int, int]
) -> tuple[int, int, int, int]:
    """Returns left, top, width and height of a candidate, in pixels of the source, which has this height and width."""
    y, x = candidate.box
    corners = [
        row.to_picture(column, line) for column in (x.start, x.stop) for line in (y.start, y.stop)
    ]
    edges = []
    for axis, end in zip(zip(*corners, strict=True), size[::-1], strict=True):
        # The corners of a leveled row's boxes may be outside.
        edges.append([min(max(round(scale * side), 0), end) for side in (min(axis), max(axis))])
    (left, right), (top, bottom) = edges
    return left, top, right - left, bottom - top
