"""Rows in the files of results, and tables of them in Markdown pages."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from mnist_keras._files import replace_file
from mnist_keras._validation import InputError

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
RESULTS = ROOT / "benchmarks" / "results"


def read_rows(path: Path) -> list[dict[str, str]]:
    """Returns the rows of a CSV file; none if there is no such file."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def write_rows(path: Path, rows: list[dict[str, str]], *, columns: Iterable[str]) -> None:
    """Replaces a CSV file; a row that lacks a column has it empty, one that has another loses it."""
    with replace_file(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)


def named(columns: Sequence[str], rows: Iterable[Sequence]) -> list[dict[str, str]]:
    """Returns rows of cells as rows by column."""
    return [dict(zip(columns, row, strict=True)) for row in rows]


def markdown_table(columns: Mapping[str, str], rows: Iterable[Iterable[object]]) -> str:
    """Returns a Markdown table: title of each column -> "left" or "right", and the cells of each row."""
    rules = {"left": "---", "right": "--:"}
    lines = [f"|{'|'.join(rules[side] for side in columns.values())}|"]
    lines += [f"| {' | '.join(map(str, cells))} |" for cells in rows]
    return "\n".join([f"| {' | '.join(columns)} |", *lines])


def with_block(page: str, name: str, block: str) -> str:
    """Returns a page with a block between the two markers of that name.

    Raises:
        InputError: If one of the markers is not there, or there twice.
    """
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    if (page.count(begin), page.count(end)) != (1, 1):
        raise InputError(f"The page must have the markers {begin} and {end}, once each.")
    before, rest = page.split(begin)
    _, after = rest.split(end)
    return f"{before}{begin}\n{block}\n{end}{after}"
