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
from mnist_keras.inference.pictures import load_scaled
from mnist_keras.inference.writing import check_writing

MAX_ROWS = 100  # more are noise, texture or fine print, and would take minutes
UNREAD = "?"  # in the text, for what stands between digits and does not look like one
TINY = np.finfo(np.float32).tiny  # a float32 softmax underflows to 0, which has no logarithm
CLEAR = 0.1  # probability of one whole digit among its neighbors, from which one is read that looks odd by itself


@dataclasses.dataclass(frozen=True, eq=False)
class NumberLine:
    """A number that was read in a picture.

    Attributes:
        text: Its digits, with a decimal point, a comma or a minus where one was found, and "?" for what stands among
            them and does not look like a digit.
        confidence: The probability that the text is right, in [0, 1]: the share of all ways to cut the row into digits
            and to read these, each way with its probability, that read this text. 0 with a "?".
        boxes: Of each digit: left, top, width and height, in pixels of the source.
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
        candidates: What may be a digit.
        answers: What `read_segments` says of each candidate.
        options: What each candidate may be.
        parts: The options that are taken.
        score: How good they are together.
        digits: What was read of each part that is a digit.
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
    """A candidate that is taken for a digit: its image, its probabilities, and whether it looks like no digit."""

    image: np.ndarray
    probabilities: np.ndarray
    is_odd: bool


def read_number(
    source: Any, *, classifier: DigitClassifier | str | None = None, writing: str = "auto"
) -> list[NumberLine]:
    """Reads the numbers in a picture of a row of digits, or of several rows.

    Shadows, ruled paper and polarity are taken care of as in `to_mnist_image`. A row of four digits and more may rise
    or fall by up to 20 degrees. Rows must not touch: where ink joins two of them, both are misread.

    Ink is cut in more places than digits touch at. A small model looks at the ink between any two cuts among its
    neighbors, and the way through the row is taken that cuts it into whole digits most probably. Both this model and
    the classifier read these. Digits that lie farther apart than two and a half heights are numbers of their own. A
    point or a comma counts where a digit follows it, and so does a minus.

    Args:
        source: What `to_mnist_image` takes, with digits of at least 16 pixels in height if the picture is made smaller
            until its longer side has 1,600.
        classifier: A classifier of ten digits; or what `DigitClassifier` takes; None for "cnn_real_world", which
            alone can tell marks that are no digits.
        writing: The school that taught the writer, "american" or "european"; "auto" takes it from the digits of the
            page. For models with ways of writing ("cnn_real_world").

    Returns:
        The numbers from top to bottom, and from left to right; an empty list where there is no digit.

    Raises:
        InputError: If it is not a picture that can be read, it has more than 100 rows of marks, the classifier is not
            one of ten digits, or it can't read by that school.

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
    picture, scale = load_scaled(source)
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
        if number := _put_together(classifier, line, scale, source_of_line):
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
    """Finds the parts of each line; the candidates of all lines are read together."""
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
    """Reads the likeliest digits of each line by the classifier too; it has a say in where a line is cut."""
    near = [near_best(line.options, line.candidates, line.pieces) for line in lines]
    places = [(line, place) for line, own in zip(lines, near, strict=True) for place in sorted(own)]
    if not places:
        return
    images = [image_of(line.candidates[place], line.pieces) for line, place in places]
    likeness, hidden = classifier.scorer.score(np.stack(images))
    if classifier.scorer.ways is not None:  # other models take anything for a digit
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
    # The mean of both logarithms: the classifier knows digits best, the other one sees where a neighbor begins. All
    # digits that are taken tell of the school together.
    logs = np.log(np.maximum(classifier.scorer.weigh(hidden[taken], writing)[0], TINY))
    probabilities = softmax((logs + np.log(np.maximum(among[:, :NOT_ONE_DIGIT], TINY))) / 2, axis=1)
    odd = classifier.is_no_digit(likeness[taken]) & (1 - among[:, NOT_ONE_DIGIT] < CLEAR)
    for number, own, is_odd in zip(taken, probabilities, odd, strict=True):
        line, place = places[number]
        line.digits[place] = _Digit(images[number], own, bool(is_odd))


def _put_together(
    classifier: DigitClassifier, line: _Line, scale: float, name: str
) -> NumberLine | None:
    """Returns the number that a line's parts make up; None if no digit is among them."""
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
            continue  # dust, or what is left of a line
        source = f"{name}, digit {len(predictions) + 1}"
        prediction = classifier.answer(digit.image, digit.probabilities, source, digit.is_odd)
        text += UNREAD if prediction.label is None else prediction.class_name
        predictions.append(prediction)
        boxes.append(_box(line.row, candidate, scale))
    text = _tidy(text)
    if not any(character.isdigit() for character in text):
        return None
    digits = np.maximum(line.answers[:, :NOT_ONE_DIGIT], TINY)
    digits /= digits.sum(axis=1, keepdims=True)
    for place, digit in line.digits.items():
        digits[place] = digit.probabilities
    confidence = probability_of(read, line.options, line.candidates, line.pieces, digits)
    # 0 for what is no digit
    confidence = min([confidence, *(prediction.confidence for prediction in predictions)])
    return NumberLine(text, confidence, boxes, predictions)


def _tidy(text: str) -> str:
    """Returns text without the signs that no digit follows."""
    kept = ""
    for place, character in enumerate(text):
        follows = text[place + 1 : place + 2]
        if character not in ".,-" or follows.isdigit() or (character == "-" and follows == "."):
            kept += character
    return kept


def _box(row: Row, candidate: Candidate, scale: float) -> tuple[int, int, int, int]:
    """Returns left, top, width and height of a candidate in pixels of the source."""
    y, x = candidate.box
    corners = [
        row.to_picture(column, line) for column in (x.start, x.stop) for line in (y.start, y.stop)
    ]
    left, top = (scale * min(axis) for axis in zip(*corners, strict=True))
    right, bottom = (scale * max(axis) for axis in zip(*corners, strict=True))
    return round(left), round(top), round(right - left), round(bottom - top)
