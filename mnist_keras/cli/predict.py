"""`mnist-keras predict`: reads the digits in picture files."""

import argparse
import csv
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mnist_keras.cli.terminal import quiet_startup

if TYPE_CHECKING:
    from mnist_keras.inference.classifier import DigitClassifier, Prediction

COLUMNS = ("source", "label", "class_name", "confidence", "reason")


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Adds the arguments of the command."""
    option = command.add_argument
    described = "pictures and folders of pictures; before them, if you like, a run directory, a .keras file or a model"
    option("items", nargs="+", metavar="[RUN_OR_MODEL] PATH", help=described)
    form = command.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print a line of JSON for each picture")
    form.add_argument("--csv", action="store_true", help="print CSV")
    described = "the writer's school, american or european; default: auto"
    option("--writing", default="auto", metavar="SCHOOL", help=described)
    option("--save-preprocessed", type=Path, metavar="DIR", help="write what the model saw there")


def run(args: argparse.Namespace) -> None:
    """Prints what was read in each picture, and writes what the model saw if it is asked to."""
    from mnist_keras._validation import invalid
    from mnist_keras.models.registry import MODELS

    model, *rest = args.items
    is_model = model in MODELS or model.endswith(".keras") or Path(model, "config.json").is_file()
    paths = rest if is_model else args.items
    if not paths:
        raise invalid("PATH", expected="at least one picture or folder", received="a model alone")
    predictions = _predict(_classifier(model if is_model else None, args.writing), paths)
    if args.save_preprocessed is not None:
        _save(args.save_preprocessed, predictions)
    _print(predictions, as_json=args.json, as_csv=args.csv)


def _classifier(model: str | None, writing: str) -> "DigitClassifier":
    with quiet_startup():
        from mnist_keras.inference.classifier import DEFAULT_MODEL, DigitClassifier
    from mnist_keras.models.registry import MODELS

    if model is None or model in MODELS:
        return DigitClassifier.from_pretrained(model or DEFAULT_MODEL, writing=writing)
    return DigitClassifier(model, writing=writing)


def _predict(classifier: "DigitClassifier", paths: list[str]) -> "list[Prediction]":
    """Returns the predictions of all pictures, which are read together: a writer's pictures tell of the school."""
    from mnist_keras.inference.classifier import list_pictures

    files: list[Any] = []
    for path in map(Path, paths):
        files += list_pictures(path) if path.is_dir() else [path]
    show = sys.stderr.isatty() and len(files) > 1

    def progress(done: int, total: int) -> None:
        print(f"\r{done} of {total}", end="" if done < total else "\n", file=sys.stderr)

    predictions = classifier.predict(files, progress=progress if show else None)
    assert isinstance(predictions, list)  # of a list
    return predictions


def _row(prediction: "Prediction") -> dict[str, Any]:
    confidence = round(prediction.confidence, 4)
    return {**{name: getattr(prediction, name) for name in COLUMNS}, "confidence": confidence}


def _print(predictions: "list[Prediction]", *, as_json: bool, as_csv: bool) -> None:
    rows = list(map(_row, predictions))
    if as_json:
        print("\n".join(map(json.dumps, rows)))
    elif as_csv:
        writer = csv.DictWriter(sys.stdout, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    else:
        width = max(len(row["source"]) for row in rows)
        for row in rows:
            answer = row["reason"] or f"{row['class_name']}  {row['confidence']:.1%}"
            print(f"{row['source']:<{width}}  {answer}")


def _save(directory: Path, predictions: "list[Prediction]") -> None:
    """Writes the 28x28 image of each picture that could be loaded, under its number and its name."""
    from PIL import Image

    from mnist_keras._files import input_errors, replace_file

    with input_errors(directory, "written"):
        for number, prediction in enumerate(predictions):
            if prediction.image is not None:
                stem = f"{number:04}-{Path(prediction.source).stem}.png"
                with replace_file(directory / stem) as path:
                    Image.fromarray(prediction.image).save(path)
