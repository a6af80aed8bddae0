"""What the benchmark commands share: options, data, files of results, and how they end on bad input."""

import argparse
import dataclasses
import math
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import machine
import pandas as pd

from mnist_keras._files import replace_file
from mnist_keras._validation import InputError
from mnist_keras.cli.terminal import typed_path
from mnist_keras.data.catalog import DATASETS, altered

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
QUICK_IMAGES = 256  # one batch of `cnn_fast`


def run_command(main: Callable[[], None]) -> None:
    """Runs a command; bad input ends it with one sentence and status 2, an unusable file with status 1."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        main()
    except (InputError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2 if isinstance(error, InputError) else 1) from None


class Parser(argparse.ArgumentParser):
    """The options that benchmarks share: `--data-dir`, `--out` and, on request, `--quick` and `--stand-in`."""

    def __init__(
        self, document: str, *, data: bool = True, quick: bool = False, stand_in: bool = False
    ):
        super().__init__(description=document.splitlines()[0], allow_abbrev=False)
        self.set_defaults(quick=False)
        if data:
            described = "where the datasets are"
            self.add_argument("--data-dir", type=typed_path, required=True, help=described)
        if quick:
            self.add_argument("--quick", action="store_true", help="measure a small part")
        if stand_in:
            slower = {"type": machine.stand_in, "choices": machine.STAND_INS}
            self.add_argument("--stand-in", **slower, help="measure as on a CPU of a slower class")
        self.add_argument("--out", type=typed_path, metavar="DIR", help="where the results go")

    def parse_args(self, *args) -> argparse.Namespace:
        """Returns the options. `out` is the directory of the results, which is made: with --quick, it is in runs/."""
        found = super().parse_args(*args)
        usual = ROOT / "runs" / Path(self.prog).stem if found.quick else RESULTS
        found.out = (found.out or usual).resolve()  # so that it can be compared with `RESULTS`
        found.out.mkdir(parents=True, exist_ok=True)
        return found


def load_to_time(args: argparse.Namespace, *, part: int | None = QUICK_IMAGES):
    """Returns MNIST once the machine is quiet.

    With --quick, any data under that name is accepted, and only the first images are returned; all if `part` is None. A
    few images are returned without waiting.
    """
    data = load_published("mnist", args.data_dir, check=not args.quick)
    if args.quick and part:
        data = first_images(data, part)
    if len(data.train) > QUICK_IMAGES:
        machine.wait_for_quiet()
    return data


def load_published(name: str, data_dir: Path, *, check: bool = True):
    """Returns a dataset, which must be the published one: results on other images must not bear its name."""
    from mnist_keras import load_data

    data = load_data(name, data_dir=data_dir)
    if check and name in DATASETS and altered(name, data.sha256):
        raise InputError(
            f"{data_dir} holds another {name} than the published one: the SHA-256 of its arrays differ. "
            "Expected the published files, because the results bear its name."
        )
    return data


def first_images(data, count: int, test_count: int | None = None):
    """Returns the first images of both splits of a dataset; `test_count` is `count` by default."""
    counts = ((data.train, count), (data.test, test_count or count))
    train, test = (split.take(range(min(wanted, len(split)))) for split, wanted in counts)
    return dataclasses.replace(data, train=train, test=test)


def read_rows(path: Path) -> pd.DataFrame:
    """Returns the rows of a file with all cells as text; no rows if there is no such file."""
    return pd.read_csv(path, dtype=str, keep_default_na=False) if path.exists() else pd.DataFrame()


def write_rows(path: Path, rows, *, columns: Iterable[str] | None = None) -> None:
    """Replaces a file; a row that lacks a column has an empty cell there, and other columns are dropped."""
    table = pd.DataFrame(rows)
    if columns is not None:
        table = table.reindex(columns=list(columns))
    with replace_file(path) as temporary:
        table.to_csv(temporary, index=False)


def update_rows(path: Path, rows, *, keys: list[str], order: list[tuple]) -> None:
    """Adds rows to a file; a row replaces the one with the same cells in the columns `keys`.

    The file is sorted by `order`, which lists cells of the first columns of `keys`. Rows that it does not list are
    dropped, since they are no longer measured.
    """
    new = pd.DataFrame(rows)
    table = pd.concat([read_rows(path), new]).groupby(keys, sort=False, as_index=False).last()
    places = table[keys[: len(order[0])]].agg(tuple, axis=1)
    places = places.map({place: number for number, place in enumerate(order)}).dropna()
    write_rows(path, table.loc[places.sort_values(kind="stable").index], columns=new.columns)


def update_class(path: Path, rows: pd.DataFrame) -> None:
    """Replaces the rows of this class of CPU, keeps those of others, and sorts them by class."""
    old, here = read_rows(path), machine.cpu()
    kept = old[old["class"] != here] if len(old) else old
    table = pd.concat([kept, rows.assign(**{"class": here})])
    table = table.sort_values("class", key=lambda x: x.map(machine.CLASSES.index), kind="stable")
    write_rows(path, table, columns=["class", *rows.columns])


def matching(rows: pd.DataFrame, cells: dict[str, str]) -> pd.DataFrame:
    """Returns the rows with these cells by column."""
    return rows[(rows[list(cells)] == pd.Series(cells)).all(axis=1)] if len(rows) else rows


class Results(dict[tuple, list[float]]):
    """Values by two names and a metric, in the order in which they were measured."""

    def add(self, *names, **metrics: float) -> None:
        for metric, value in metrics.items():
            self.setdefault((*names, metric), []).append(value)

    def median(self, *key) -> float:
        return pd.Series(self.get(key, []), dtype=float).median()

    def rows(self, columns: Iterable[str], reference) -> pd.DataFrame:
        """Returns each median, its ratio to the median of the reference (a second name), and the number of values."""
        rows = []
        for (task, name, metric), values in self.items():
            median, base = self.median(task, name, metric), self.median(task, reference, metric)
            ratio = f"{median / base:.3f}" if base and math.isfinite(base) else ""
            rows.append((task, name, metric, f"{median:.5g}", ratio, str(len(values))))
        return pd.DataFrame(rows, columns=list(columns))
