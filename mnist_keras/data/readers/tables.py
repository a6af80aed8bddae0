"""Reads text tables (CSV, TSV) with one image in each row."""

import csv
import itertools
import math
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mnist_keras._validation import InputError
from mnist_keras.data.readers.files import Place, RawData, allocate, assemble
from mnist_keras.data.readers.names import LABELS, is_row_number, label_column, split_at

SUFFIXES = (".csv", ".tsv")
MAX_LINE = 4_000_000  # characters of a row: a million pixels of up to three digits
_ROWS_AT_ONCE = 1024  # text that is held in memory at a time
_EXPECTED = "Expected a label and the 784 pixels of a 28x28 image in each row, or only the pixels"
_SKEWED_ROWS = 20  # with fewer, a first column of zeros proves nothing


class Layout(NamedTuple):
    """Where a table has its labels and its pixels.

    Attributes:
        separator: Between the cells.
        has_header: Whether the first row names the columns.
        label: The column of the labels, or None.
        pixels: The columns of the pixels.
    """

    separator: str
    has_header: bool
    label: int | None
    pixels: list[int]

    @property
    def side(self) -> int:
        return math.isqrt(len(self.pixels))


def is_pixel_table(path: Path) -> bool:
    """Tells whether a text table has so many columns that they can be pixels, or an endless row, which is refused."""
    with path.open("rb") as file:
        if len(file.readline(MAX_LINE)) == MAX_LINE:
            return True
    return len(header_of(path)) >= 5  # a label and the pixels of a 2x2 image


def header_of(path: Path) -> list[str]:
    """Returns the cells of the first row; of damaged text as far as they can be read."""
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        try:
            return cells_of(file.readline(MAX_LINE))
        except csv.Error:  # a NUL, or a quotation that does not end
            return []


def read_csv_place(place: Place) -> RawData:
    """Reads one table, or one for each split, whose names say which: `mnist_train.csv` and `mnist_test.csv`."""
    tables = place.files(*SUFFIXES)
    files = [path for path in tables if is_pixel_table(path)]
    by_split: dict[str, list[Path]] = {}
    for path in files:
        split = split_at(place, path) or ("train" if len(files) == 1 else None)
        by_split.setdefault(split or "", []).append(path)
    if place.path.is_file():
        by_split = {"train": [place.path]}
    twice = any(len(paths) > 1 for paths in by_split.values())
    if twice or "" in by_split or not by_split:
        raise InputError(
            f"{place.path} has several CSV files. Expected one with train in its name, and at most one each with test "
            f"and validation. Received: {', '.join(place.relative(p) for p in tables) or 'none'}. Rename them or pass "
            "the path of one file."
        )
    if set(by_split) == {"test"}:  # to evaluate on
        by_split = {"train" if place.path.is_file() else "test": by_split["test"]}
    arrays: dict[str, np.ndarray | None] = {}
    for split, [path] in by_split.items():
        images, labels = read_csv(path)
        if labels is None and split != "test" and len(by_split) > 1:
            raise InputError(
                f"{path} has no labels. Expected a column named label, or the label first in each row."
            )
        arrays |= {f"{split}_images": images, f"{split}_labels": labels}
    used = [path for [path] in by_split.values()]
    return assemble(place, arrays, files=map(place.relative, used), left_out=place.others(used))


def read_csv(path: Path) -> tuple[np.ndarray, np.ndarray | None]:
    """Reads rows of pixels of square images, with or without a label.

    If the first row names the columns, a column `label`, `class`, `target` or `y` has the labels, at any position, and
    a column that counts the rows (`id`) is skipped. Without such names, the label comes first.

    Returns:
        Images of shape `(n, side, side)`, uint8, and labels of shape `(n,)`, integers or strings, or None.
    """
    try:
        layout = _layout(path)
        rows = itertools.islice(lines_of(path), layout.has_header, None)
        images = allocate(path, (_count_lines(path), len(layout.pixels)))
        labels: list[np.ndarray] = []
        count = 0
        while text := list(itertools.islice(rows, _ROWS_AT_ONCE)):
            pixels, part = _parse(text, layout, count)
            images[count : count + len(pixels)] = pixels
            labels.append(part)
            count += len(pixels)
    except (ValueError, csv.Error) as error:
        if isinstance(error, InputError):
            raise
        reason = str(error).partition(";")[0].rstrip(".")  # after it, NumPy's advice to programmers
        raise InputError(
            f"{path} is not a table of integers from 0 to 255: {reason}. {_EXPECTED}."
        ) from error
    if not count:
        raise InputError(f"{path} holds no rows. {_EXPECTED}.")
    images = images[:count].reshape(count, layout.side, layout.side)
    if layout.label is None:
        return images, None
    if not layout.has_header:
        _check_label_first(path, images, found := np.concatenate(labels))
        return images, found
    return images, np.concatenate(labels)


def _parse(text: list[str], layout: Layout, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns the pixels and the labels of some rows; `count` rows are before them."""
    reading: dict[str, Any] = {
        "delimiter": layout.separator,
        "comments": None,
        "ndmin": 2,
        "quotechar": '"',
    }
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*input contained no data")
        try:
            columns = layout.pixels if layout.label is None else [layout.label, *layout.pixels]
            # Of all columns, NumPy holds the rows to one length.
            whole = len(columns) == len(cells_of(text[0], layout.separator))
            try:
                table = np.loadtxt(text, np.uint8, usecols=None if whole else columns, **reading)
            except ValueError:
                if layout.label is None or not layout.has_header:
                    raise
                labels = np.loadtxt(text, str, usecols=[layout.label], **reading)[:, 0]
                if not _are_names(labels):
                    raise
                return np.loadtxt(text, np.uint8, usecols=layout.pixels, **reading), labels
        except ValueError as error:
            raise ValueError(_count_rows_on(str(error), count)) from error
    if not table.size:
        return np.empty((0, len(layout.pixels)), np.uint8), np.empty(0, np.uint8)
    if layout.label is None:
        return table, np.empty(0)
    if whole:
        return np.delete(table, layout.label, axis=1), table[:, layout.label].copy()
    return table[:, 1:], table[:, 0].copy()


def _are_names(labels: np.ndarray) -> bool:
    """Tells whether labels are names, or numbers beyond a byte; a negative, broken or missing number is none."""
    numbers = [label for label in labels if re.fullmatch(r"[-+.\d]*|nan", label.strip().lower())]
    if len(numbers) < len(labels):
        return "" not in numbers
    return all(number.isdecimal() for number in numbers) and max(map(int, numbers)) > 255


def _count_rows_on(reason: str, count: int) -> str:
    return re.sub(r"(?<=at row )\d+", lambda found: str(int(found[0]) + count), reason)


def _layout(path: Path) -> Layout:
    lines = lines_of(path)
    first = next(lines, "")
    separator = _separator(first)
    cells = cells_of(first, separator)
    columns = list(range(len(cells)))
    if not _is_header(cells):
        if math.isqrt(len(cells)) ** 2 == len(cells):
            return Layout(separator, False, None, columns)
        return Layout(separator, False, 0, _square(path, columns[1:], len(cells)))
    if not cells:
        raise InputError(f"{path} holds no rows. {_EXPECTED}.")
    name = label_column(cells)
    label = None if name is None else cells.index(name)
    pixels = [i for i in columns if i != label]
    if math.isqrt(len(pixels)) ** 2 != len(pixels):
        pixels = [i for i in pixels if not is_row_number(cells[i])]
    if name is None and math.isqrt(len(pixels) - 1) ** 2 == len(pixels) - 1:
        known = ", ".join(sorted(LABELS - {"classes", "targets"}))
        raise InputError(
            f"{path} has {len(pixels)} columns, and none with a name for labels. Expected one of: {known}. "
            f"Received: {', '.join(cells[:3])}, ..., {cells[-1]}."
        )
    return Layout(separator, True, label, _square(path, pixels, len(cells)))


def _square(path: Path, pixels: list[int], num_columns: int) -> list[int]:
    if not pixels or math.isqrt(len(pixels)) ** 2 != len(pixels):
        raise InputError(
            f"{path} has {num_columns} columns. {_EXPECTED}; a square number of pixels."
        )
    return pixels


def _check_label_first(path: Path, images: np.ndarray, labels: np.ndarray) -> None:
    """Rejects a table without a header whose labels seem to be last: corners of images are mostly empty."""
    last = images[:, -1, -1]
    if (
        len(labels) >= _SKEWED_ROWS
        and not labels.any()
        and 1 < len(np.unique(last)) <= last.max() + 1 <= 100
    ):
        raise InputError(
            f"{path} has no header. Its first column, which should hold the labels, is 0 in all {len(labels)} rows; "
            f"its last column has values from 0 to {last.max()}. Put the label first, or add a header that names it."
        )


def lines_of(path: Path) -> Iterator[str]:
    """Yields the rows that are not empty; a line without an end is refused before it fills the memory."""
    with path.open(encoding="utf-8-sig") as file:
        while line := file.readline(MAX_LINE):
            if len(line) == MAX_LINE:
                raise InputError(
                    f"{path} has a row of more than {MAX_LINE:,} characters. {_EXPECTED}."
                )
            if line.strip():
                yield line


def _count_lines(path: Path) -> int:
    """Returns an upper bound of the number of rows."""
    with path.open("rb") as file:
        return 1 + sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))


def _separator(line: str) -> str:
    return max(",;\t", key=line.count)


def cells_of(line: str, separator: str = "") -> list[str]:
    """Returns the cells of a row."""
    rows = csv.reader([line], delimiter=separator or _separator(line))
    return [cell.strip() for cell in next(rows, [])]


def _is_header(cells: list[str]) -> bool:
    """Tells a header (all words, or a label's name and words or numbers) from a damaged first row."""
    names = [cell.lower() for cell in cells]
    if LABELS.intersection(names):
        return True
    return not any(name.replace(".", "").isdigit() for name in names)
