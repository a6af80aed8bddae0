"""What the benchmark commands share: options, data, where results go, and how they end on bad input."""

import argparse
import dataclasses
import os
import sys
from collections.abc import Callable
from pathlib import Path

import machine
from tabular import RESULTS, ROOT

from mnist_keras._validation import InputError
from mnist_keras.data.catalog import DATASETS, altered

QUICK_IMAGES = 256  # one batch of `cnn_fast`


def run_command(main: Callable[[], None]) -> None:
    """Runs a command; bad input ends it with one sentence and status 2, an unusable file with status 1."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        main()
    except (InputError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2 if isinstance(error, InputError) else 1) from None


def make_parser(
    document: str, *, data: bool = True, quick: bool = False, stand_in: bool = False
) -> argparse.ArgumentParser:
    """Returns a parser with `--data-dir` and `--out`, and `--quick` and `--stand-in` for a command that has them."""
    parser = argparse.ArgumentParser(description=document.splitlines()[0], allow_abbrev=False)
    parser.set_defaults(quick=False)
    if data:
        parser.add_argument("--data-dir", type=Path, required=True, help="where the datasets are")
    if quick:
        parser.add_argument("--quick", action="store_true", help="a small part of it")
    if stand_in:
        slower = {"choices": machine.STAND_INS, "help": "measure as on a CPU of this slower class"}
        parser.add_argument("--stand-in", type=machine.stand_in, **slower)
    parser.add_argument("--out", type=Path, metavar="DIR", help="where the results go")
    return parser


def results_directory(args: argparse.Namespace, name: str) -> Path:
    """Makes and returns the directory of the results: one in runs/, if they are those of a smoke test."""
    out = args.out or (ROOT / "runs" / name if args.quick else RESULTS)
    out.mkdir(parents=True, exist_ok=True)
    return out.resolve()  # so that it can be compared with `RESULTS`


def load_to_time(args: argparse.Namespace, *, part: int | None = QUICK_IMAGES):
    """Returns MNIST once the machine is quiet.

    If quick, returns the first images of anything with that name, all of them if `part` is None; few ones at once.
    """
    if args.quick:
        from mnist_keras import load_data

        data = load_data("mnist", data_dir=args.data_dir)
        data = first_images(data, part or len(data.train))
    else:
        data = load_published("mnist", args.data_dir)
    if len(data.train) > QUICK_IMAGES:
        machine.wait_for_quiet()
    return data


def load_published(name: str, data_dir: Path):
    """Returns a dataset as it was published: results on other images must not bear its name."""
    from mnist_keras import load_data

    data = load_data(name, data_dir=data_dir)
    if name in DATASETS and altered(name, data.sha256):
        raise InputError(
            f"{data_dir} holds another {name} than the published one: the SHA-256 of its arrays differ. "
            "Expected the published files, because the results bear its name."
        )
    return data


def first_images(data, count: int, test_count: int | None = None):
    """Returns the first training images and the first test images of a dataset, as many if not said otherwise."""
    counts = ((data.train, count), (data.test, test_count or count))
    train, test = (split.take(range(min(wanted, len(split)))) for split, wanted in counts)
    return dataclasses.replace(data, train=train, test=test)
