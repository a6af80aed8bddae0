"""`read_number`: the numbers in a picture, with a box and a confidence for each digit."""

from __future__ import annotations  # help() shows the names of types, not what they stand for

import dataclasses
import functools
import os
from typing import Any

import numpy as np

from mnist_keras._validation import InputError, invalid
from mnist_keras.inference.classifier import DigitClassifier, Prediction, name_of
from mnist_keras.inference.numbers.lattice import (
    WEIGHTS,
    Part,
    describe,
    find_parts,
    list_options,
    probability_of,
)
from mnist_keras.inference.numbers.pieces import Candidate, Pieces, cut_pieces, make_candidates
from mnist_keras.inference.numbers.rows import DIGIT_HEIGHT, TALL, Row, find_rows
from mnist_keras.inference.pictures import load_scaled
from mnist_keras.inference.writing import check_writing

UNREAD = "?"  # in the text, for what stands between digits and does not look like one


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
    """A row on its way from ink to text."""

    row: Row
    pieces: Pieces
    candidates: list[Candidate]
    answers: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros((0, 10)))
    likeness: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros(0))
    parts: list[Part] = dataclasses.field(default_factory=list)
    score: float = 0.0
    confidence: float = 0.0


def read_number(
    source: Any, *, classifier: DigitClassifier | str | None = None, writing: str = "auto"
) -> list[NumberLine]:
    """Reads the numbers in a picture of a row of digits, or of several rows.

    Shadows, ruled paper and polarity are taken care of as in `to_mnist_image`. Ink is cut in more places than digits
    touch at, the ink between any two cuts is classified, all in one batch, and the most probable way through it is
    taken. Digits that lie farther apart than two and a half heights are numbers of their own. A point or a comma counts
    where a digit follows it, and so does a minus.

    Args:
        source: What `to_mnist_image` takes, with digits of at least 16 pixels in height if the picture is made smaller
            until its longer side has 1,600.
        classifier: A classifier of ten digits; or what `DigitClassifier` takes; None for "cnn_real_world". It reads
            best, because it tells parts of digits and pairs from digits.
        writing: The school that taught the writer, "american" or "european"; "auto" takes it from the digits of the
            page. For models with ways of writing ("cnn_real_world").

    Returns:
        The numbers from top to bottom, and from left to right; an empty list where there is no digit.

    Raises:
        InputError: If it is not a picture that can be read, the classifier is not one of ten digits, or it can't read
            by that school.

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
    pages = [[_cut(row) for row in rows] for rows in find_rows(picture)]
    _score(classifier, [line for lines in pages for line in lines])
    lines = max(pages, key=lambda lines: sum(line.score for line in lines))
    return _answer(classifier, lines, writing, scale, name_of(source, 0))


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
    return _Line(row, pieces, make_candidates(row.ink, pieces))


def _score(classifier: DigitClassifier, lines: list[_Line]) -> None:
    """Finds the parts of each line; the candidates of all lines are classified together."""
    images = [candidate.image for line in lines for candidate in line.candidates]
    if not images:
        return
    likeness, answers = classifier.scorer.score(np.stack(images))
    digits = classifier.scorer.add_up(answers)
    start = 0
    for line in lines:
        own = slice(start, start := start + len(line.candidates))
        line.answers, line.likeness = answers[own], likeness[own]
        if line.candidates:
            table = describe(line.candidates, line.pieces, digits[own], likeness[own])
            options = list_options(line.candidates, line.pieces, table @ WEIGHTS)
            line.parts, line.score = find_parts(options, line.candidates, line.pieces)
            line.confidence = probability_of(
                line.parts, options, line.candidates, line.pieces, digits[own]
            )


def _answer(
    classifier: DigitClassifier, lines: list[_Line], writing: str, scale: float, name: str
) -> list[NumberLine]:
    """Returns what was read; the digits of all lines tell of the school together."""
    digits = [(line, part) for line in lines for part in line.parts if part.kind == "digit"]
    if not digits:
        return []
    answers = np.stack([line.answers[part.candidate] for line, part in digits])
    probabilities = iter(classifier.scorer.weigh(answers, writing)[0])
    numbers: list[NumberLine] = []
    for line in lines:
        number = len(numbers) + 1
        if answer := _read(classifier, line, probabilities, scale, f"{name}, line {number}"):
            numbers.append(answer)
    return numbers


def _read(classifier, line: _Line, probabilities, scale: float, name: str) -> NumberLine | None:
    text, confidence = "", line.confidence
    predictions: list[Prediction] = []
    boxes = []
    for part in line.parts:
        if part.kind != "digit":
            text += part.kind
            continue
        candidate, answer = line.candidates[part.candidate], next(probabilities)
        is_no_digit = classifier.is_no_digit(line.likeness[part.candidate])
        if is_no_digit and candidate.box[0].stop - candidate.box[0].start < TALL * DIGIT_HEIGHT:
            continue  # dust, or what is left of a line
        source = f"{name}, digit {len(predictions) + 1}"
        prediction = classifier.answer(candidate.image, answer, source, is_no_digit)
        text += UNREAD if prediction.label is None else prediction.class_name
        confidence = min(confidence, prediction.confidence)  # 0 for what is no digit
        predictions.append(prediction)
        boxes.append(_box(line.row, candidate, scale))
    text = _tidy(text)
    if not any(character.isdigit() for character in text):
        return None
    return NumberLine(text, float(confidence), boxes, predictions)


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
    left, top = row.left + row.scale * x.start, row.top + row.scale * y.start
    width, height = row.scale * (x.stop - x.start), row.scale * (y.stop - y.start)
    return round(scale * left), round(scale * top), round(scale * width), round(scale * height)
