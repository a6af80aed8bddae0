"""Reads pictures whose file names and labels are the rows of a table beside them."""

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from mnist_keras._validation import InputError
from mnist_keras.data.readers.files import Place, RawData, assemble
from mnist_keras.data.readers.names import label_column, split_at, split_of
from mnist_keras.data.readers.pictures import SUFFIXES, read_pictures
from mnist_keras.data.readers.tables import SUFFIXES as TABLES, cells_of, header_of, lines_of

_FILE_COLUMNS = {
    "file",
    "filename",
    "file_name",
    "image",
    "image_name",
    "img",
    "path",
    "name",
    "id",
    "image_id",
}
_SPLIT_COLUMNS = {"split", "usage", "subset", "partition", "set"}


def find_table(place: Place) -> bool:
    """Tells whether a text table beside pictures names them."""
    return bool(_tables(place)) and bool(place.named(*SUFFIXES))


def read_named_pictures(place: Place) -> RawData:
    """Reads pictures whose file names and labels are the rows of a table beside them, one table or one a split."""
    by_name: dict[str, list[str]] = {}  # with and without its suffix
    for name in place.named(*SUFFIXES):
        last = Path(name)
        for key in {last.name, last.stem}:
            by_name.setdefault(key, []).append(name)
    arrays: dict[str, np.ndarray] = {}
    used: list[str] = []
    tables = _tables(place)
    for table in tables:
        used.append(place.relative(table))
        for split, rows in _named_rows(table, split_at(place, table) or "train").items():
            if f"{split}_images" in arrays:
                shown = " and ".join(map(place.relative, tables))
                raise InputError(
                    f"{place.path} has two tables of the {split} split: {shown}. Expected one."
                )
            found = [_find_picture(place, table, name, by_name) for name, _ in rows]
            arrays |= {
                f"{split}_images": read_pictures(place, found, len(found)),
                f"{split}_labels": np.array([label for _, label in rows]),
            }
            used += found
    files = map(place.relative, tables)
    return assemble(place, arrays, files=files, left_out=place.others(used))


def _tables(place: Place) -> list[Path]:
    return [path for path in place.files(*TABLES) if _file_column(header_of(path))]


def _rows(table: Path) -> Iterator[list[str]]:
    return (cells_of(line) for line in lines_of(table))


def _file_column(header: list[str]) -> str | None:
    """Returns the column of the file names, if there is one and another of the labels, in a table of few columns."""
    if len(header) > 20 or not label_column(set(header) - _file_names(header)):
        return None
    return next(iter(sorted(_file_names(header), key=header.index)), None)


def _file_names(header: list[str]) -> set[str]:
    return {name for name in header if name.strip().lower().replace(" ", "_") in _FILE_COLUMNS}


Rows = dict[str, list[tuple[str, str]]]  # file name and label of each picture, by split


def _named_rows(table: Path, split: str) -> Rows:
    """Returns the rows of a table, all in `split` unless a column says which split each row is in."""
    try:
        return _read_rows(table, split)
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            f"{table} is not a readable table ({error}). Expected UTF-8 text with columns of file names and labels."
        ) from error


def _read_rows(table: Path, split: str) -> Rows:
    rows = _rows(table)
    header = next(rows)
    file_column = header.index(_file_column(header))  # type: ignore[arg-type]
    label = header.index(label_column(set(header) - _file_names(header)))  # type: ignore[arg-type]
    of_split = [i for i, name in enumerate(header) if name.lower() in _SPLIT_COLUMNS][:1]
    found: Rows = {}
    for number, row in enumerate(rows, start=2):
        if len(row) != len(header) or not row[label]:
            raise InputError(
                f"{table} has {len(row)} cells in row {number}. Expected {len(header)}, with a file name and a label."
            )
        for column in of_split:
            if not (named := split_of(row[column])):
                raise InputError(
                    f"{table} has {row[column]!r} in the column {header[column]}, row {number}. Expected train, "
                    "validation or test. Rename the column if it is not the split."
                )
            split = named
        found.setdefault(split, []).append((row[file_column], row[label]))
    if not found:
        raise InputError(f"{table} lists no pictures.")
    return found


def _find_picture(place: Place, table: Path, name: str, by_name: dict[str, list[str]]) -> str:
    """Returns the picture that a table names, by its path beside the table or by its name alone."""
    path = Path(name.replace("\\", "/"))
    beside = str(table.relative_to(place.root).parent / path)
    found = by_name.get(path.name, [])
    if beside in found:
        return beside
    if len(found) == 1:
        return found[0]
    if not found:
        raise InputError(f"{table} lists {name!r}, but there is no such picture in {place.path}.")
    raise InputError(
        f"{table} lists {name!r}, but there are {len(found)} pictures with that name: {', '.join(found[:3])}. Write "
        "the path into the table."
    )
