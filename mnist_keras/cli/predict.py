"""`mnist-keras predict`: reads the digits in picture files."""

import argparse
import csv
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mnist_keras.cli.terminal import (
    picture_lines,
    quiet_startup,
    show_progress,
    shows_pictures,
    typed_path,
)

if TYPE_CHECKING:
    from mnist_keras._validation import InputError
    from mnist_keras.inference.classifier import DigitClassifier, Prediction
    from mnist_keras.inference.numbers.reader import NumberLine

TABLE = ".csv"  # a table of pixels, one image per row
MAX_BESIDE = 30  # answers that have what the model saw beside them, which takes seven lines each
OTHER_DIRECTORY = "Choose another directory."
COLUMNS = ("source", "label", "class_name", "confidence", "reason")
NUMBER_COLUMNS = ("source", "line", "text", "confidence", "reason")


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Adds the arguments of the command."""
    option = command.add_argument
    described = (
        "pictures, folders of pictures, or a CSV file of pixels; before them, optionally, a run directory, a "
        ".keras file or a model"
    )
    option("items", nargs="+", metavar="PATH", help=described)
    form = command.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print a line of JSON for each picture")
    form.add_argument("--csv", action="store_true", help="print CSV")
    described = "the writer's handwriting: american, european or auto; default: auto"
    option("--writing", default="auto", metavar="NAME", help=described)
    described = "read numbers of any length: each picture holds a row of digits, or several rows"
    option("--number", action="store_true", help=described)
    option(
        "--save-preprocessed",
        type=typed_path,
        metavar="DIR",
        help="directory for the images that the model saw",
    )


def run(args: argparse.Namespace) -> None:
    """Prints what was read in each picture, and writes what the model saw if it is asked to."""
    from mnist_keras._files import check_writable, input_errors
    from mnist_keras._validation import InputError
    from mnist_keras.inference.writing import check_writing_name

    model, paths = _split_items(args.items)
    is_table = any(Path(path).suffix.lower() == TABLE for path in paths)
    if is_table and len(paths) > 1:
        raise InputError(
            f"A {TABLE} file of pixels must be the only input. Received: {', '.join(paths)}."
        )
    if args.save_preprocessed is not None:
        with input_errors(args.save_preprocessed, "written", OTHER_DIRECTORY):
            check_writable(args.save_preprocessed)
    check_writing_name(args.writing)
    if args.number:
        _check_number_options(args, is_table)
        numbers = _read_numbers(model, args.writing, paths)
        _print_numbers(numbers, as_json=args.json, as_csv=args.csv)
        return
    files = [] if is_table else _list_files(paths)  # before the model, which takes seconds to load
    classifier = _classifier(model, args.writing)
    predictions = _predict_table(classifier, paths[0]) if is_table else _predict(classifier, files)
    if all(prediction.image is None for prediction in predictions):
        raise _unreadable([prediction.reason for prediction in predictions])
    if args.save_preprocessed is not None:
        _save(args.save_preprocessed, predictions)
    _print(predictions, as_json=args.json, as_csv=args.csv, is_table=is_table)
    taken = classifier.writing_taken
    if (
        args.writing == "auto"
        and taken
        and taken.school != "neutral"
        and not (args.json or args.csv)
    ):
        shown = f"Read as {taken.school.capitalize()} handwriting ({taken.reason})."
        print(f"{shown} To change this, set --writing.", file=sys.stderr)


def _split_items(items: list[str]) -> tuple[str | None, list[str]]:
    """Returns the model if the first item is one, otherwise None; and the paths of the pictures.

    Raises:
        InputError: If the first item seems to be a misspelled model, or there is no path.
    """
    from mnist_keras._validation import invalid, unknown
    from mnist_keras.models.registry import MODELS

    first, *rest = items
    if first in MODELS or first.endswith(".keras") or Path(first, "config.json").is_file():
        if not rest:
            raise invalid(
                "PATH", expected="at least one picture or folder", received="only a model"
            )
        return first, rest
    if rest and not Path(first).suffix and not os.path.exists(first):  # noqa: PTH110  (any string)
        raise unknown("model", first, MODELS)
    return None, items


def _unreadable(reasons: list[str]) -> "InputError":
    """Returns the error for a call in which no picture can be read."""
    from mnist_keras._validation import InputError

    if len(reasons) == 1:
        return InputError(reasons[0])
    return InputError(f"None of the {len(reasons)} pictures can be read. The first: {reasons[0]}")


def _classifier(model: str | None, writing: str) -> "DigitClassifier":
    with quiet_startup():
        from mnist_keras.inference.classifier import DEFAULT_MODEL, DigitClassifier
    return DigitClassifier(model or DEFAULT_MODEL, writing=writing)


def _predict(classifier: "DigitClassifier", files: list[Path]) -> "list[Prediction]":
    """Returns the predictions of all pictures, read together: other pictures show how a writer writes."""
    progress = show_progress if _shows_progress(files) else None
    predictions = classifier.predict(files, progress=progress)
    assert isinstance(predictions, list)  # of a list
    return predictions


def _shows_progress(files: list[Path]) -> bool:
    return sys.stderr.isatty() and len(files) > 1


def _list_files(paths: list[str]) -> list[Path]:
    from mnist_keras._files import check_path

    with quiet_startup():
        from mnist_keras.inference.classifier import list_pictures
    files: list[Path] = []
    for path in [check_path("PATH", x, expected="a picture or folder") for x in paths]:
        files += list_pictures(path) if path.is_dir() else [path]
    return files


def _check_number_options(args: argparse.Namespace, is_table: bool) -> None:
    from mnist_keras._validation import InputError

    for unfit, what in (
        (is_table, "a table of pixels"),
        (args.save_preprocessed is not None, "--save-preprocessed"),
    ):
        if unfit:
            raise InputError(
                f"--number cannot be combined with {what}. It reads pictures, and prints a table, --json or --csv."
            )


def _read_numbers(model: str | None, writing: str, paths: list[str]) -> list[dict[str, Any]]:
    """Returns a row for each number, and one with a reason for each picture that holds none or can't be read."""
    from mnist_keras._validation import InputError

    files = _list_files(paths)
    classifier = _classifier(model, "auto")
    from mnist_keras.inference.numbers.reader import read_number
    from mnist_keras.inference.writing import check_writing

    check_writing(writing, classifier.scorer.ways, classifier.model.name)
    rows, failed = [], []
    show = _shows_progress(files)
    for done, file in enumerate(files, start=1):
        try:
            lines = read_number(file, classifier=classifier, writing=writing)
        except InputError as error:
            failed.append(str(error))
            rows.append(_number_row(str(file), reason=str(error)))
        else:
            numbered = enumerate(lines, start=1)
            rows += [_number_row(str(file), number, line) for number, line in numbered]
            if not lines:
                rows.append(_number_row(str(file), reason="there is no number in the picture"))
        if show:
            show_progress(done, len(files))
    if len(failed) == len(files):
        raise _unreadable(failed)
    return rows


def _number_row(
    source: str, number: int | None = None, line: "NumberLine | None" = None, reason: str = ""
) -> dict[str, Any]:
    digits = [] if line is None else list(zip(line.digits, line.boxes, strict=True))
    return {
        "source": source,
        "line": number,
        "text": "" if line is None else line.text,
        "confidence": 0.0 if line is None else round(line.confidence, 4),
        "digits": [
            {"label": digit.label, "confidence": round(digit.confidence, 4), "box": box}
            for digit, box in digits
        ],
        "reason": reason,
    }


def _print_numbers(rows: list[dict[str, Any]], *, as_json: bool, as_csv: bool) -> None:
    if as_json:
        print("\n".join(map(json.dumps, rows)))
        return
    if as_csv:
        _print_csv(rows, NUMBER_COLUMNS)
        return
    width, wide = (max(len(row[column]) for row in rows) for column in ("source", "text"))
    for row in rows:
        print(_line(row, f"{row['text']:<{wide}}", width))


def _line(row: dict[str, Any], answer: str, width: int) -> str:
    """Returns a line of the table: a picture's name in this width, and the answer or the reason that there is none."""
    from mnist_keras.inference.app.answers import percent

    reason = row["reason"].removeprefix(row["source"]).lstrip(" :")
    answer = f"{answer}  {percent(row['confidence'])}"
    return f"{row['source']:<{width}}  {reason or answer}"


def _predict_table(classifier: "DigitClassifier", path: str) -> "list[Prediction]":
    """Returns a prediction for each row of a table of pixels, whose images are taken as they are."""
    from mnist_keras._files import input_errors
    from mnist_keras.data.readers.tables import read_csv
    from mnist_keras.inference.classifier import Prediction

    with input_errors(path):
        images, _ = read_csv(Path(path))
    predictions = []
    for row, (image, probabilities) in enumerate(
        zip(images, classifier.predict_proba(images), strict=True), start=1
    ):
        label = int(probabilities.argmax())
        answer = (label, classifier.class_names[label], float(probabilities[label]), probabilities)
        predictions.append(Prediction(*answer, image, f"{path}:{row}"))
    return predictions


def _row(prediction: "Prediction") -> dict[str, Any]:
    confidence = round(prediction.confidence, 4)
    return {**{name: getattr(prediction, name) for name in COLUMNS}, "confidence": confidence}


def _print(predictions: "list[Prediction]", *, as_json: bool, as_csv: bool, is_table: bool) -> None:
    rows = list(map(_row, predictions))
    if as_json:
        print("\n".join(map(json.dumps, rows)))
    elif as_csv and is_table:  # as Kaggle's Digit Recognizer takes answers
        print("ImageId,Label")
        print("\n".join(f"{number},{row['label']}" for number, row in enumerate(rows, start=1)))
    elif as_csv:
        _print_csv(rows, COLUMNS)
    else:
        width = max(len(row["source"]) for row in rows)
        beside = len(rows) <= MAX_BESIDE and shows_pictures(sys.stdout)
        for row, prediction in zip(rows, predictions, strict=True):
            line = _line(row, row["class_name"], width)
            if not beside or prediction.image is None:
                print(line)
                continue
            drawn = picture_lines(prediction.image)
            print(
                "\n".join(
                    f"{part}  {line if i == len(drawn) // 2 else ''}"
                    for i, part in enumerate(drawn)
                )
            )


def _print_csv(rows: list[dict[str, Any]], columns: tuple[str, ...]) -> None:
    writer = csv.DictWriter(sys.stdout, columns, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)


def _save(directory: Path, predictions: "list[Prediction]") -> None:
    """Writes the 28x28 image of each picture that could be loaded, under its number and its name."""
    from PIL import Image

    from mnist_keras._files import input_errors, replace_file

    with input_errors(directory, "written", OTHER_DIRECTORY):
        for number, prediction in enumerate(predictions):
            if prediction.image is not None:
                stem = f"{number:04}-{Path(prediction.source).stem}.png"
                with replace_file(directory / stem) as path:
                    Image.fromarray(prediction.image).save(path)
