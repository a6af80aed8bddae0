"""Rows of text in CSV files: read, replaced by their keys, and written at once."""

from collections.abc import Iterable
from pathlib import Path

import machine
import pandas as pd

from mnist_keras._files import replace_file

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"


def read_rows(path: Path) -> pd.DataFrame:
    """Returns the rows of a file, every cell as text; none if there is no such file."""
    return pd.read_csv(path, dtype=str, keep_default_na=False) if path.exists() else pd.DataFrame()


def write_rows(path: Path, rows, *, columns: Iterable[str] | None = None) -> None:
    """Replaces a file; a row that lacks a column has an empty cell there, and other columns are dropped."""
    table = pd.DataFrame(rows)
    if columns is not None:
        table = table.reindex(columns=list(columns))
    with replace_file(path) as temporary:
        table.to_csv(temporary, index=False)


def update_rows(path: Path, rows, *, keys: list[str], order: list[tuple]) -> None:
    """Adds rows; one takes the place of the row with the same cells in the columns `keys`.

    The file gets the order of `order`, cells of the first columns of `keys`. Rows of anything else are dropped: it is
    not measured any more.
    """
    new = pd.DataFrame(rows)
    table = pd.concat([read_rows(path), new]).groupby(keys, sort=False, as_index=False).last()
    places = table[keys[: len(order[0])]].agg(tuple, axis=1)
    places = places.map({place: number for number, place in enumerate(order)}).dropna()
    write_rows(path, table.loc[places.sort_values(kind="stable").index], columns=new.columns)


def update_class(path: Path, rows: pd.DataFrame, columns: list[str]) -> None:
    """Replaces the rows of this class of CPU; those of others stay, and all are in the order of the classes."""
    old, here = read_rows(path), machine.cpu()
    kept = old[old["class"] != here] if len(old) else old
    table = pd.concat([kept, rows.assign(**{"class": here})])
    table = table.sort_values("class", key=lambda x: x.map(machine.CLASSES.index), kind="stable")
    write_rows(path, table, columns=["class", *columns])


def matching(rows: pd.DataFrame, cells: dict[str, str]) -> pd.DataFrame:
    """Returns the rows with these cells by column."""
    return rows[(rows[list(cells)] == pd.Series(cells)).all(axis=1)] if len(rows) else rows
