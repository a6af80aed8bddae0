"""Reads CSV files of one image a row."""

import math
import warnings
from pathlib import Path

import numpy as np

from mnist_keras._validation import InputError
from mnist_keras.data.readers.files import RawData


def read_csv_set(place: Path) -> RawData:
    """Reads a CSV file, or the files in a directory whose names end in train.csv and test.csv.

    One file without labels gives test images alone.
    """
    files = [place]
    if place.is_dir():
        files = [path for end in ("train", "test") for path in sorted(place.glob(f"*{end}.csv"))]
        ends = [path.stem[-4:] for path in files]
        if ends not in (["rain"], ["test"], ["rain", "test"]):
            raise InputError(
                f"{place} holds CSV files. Expected one whose name ends in train.csv and at most "
                f"one in test.csv. Received: {', '.join(p.name for p in files) or 'neither'}. "
                "Rename them or pass the path of one file."
            )
    images, labels = read_csv(files[0])
    if labels is None and len(files) > 1:
        raise InputError(f"{files[0]} has no labels. Expected a label first in every row.")
    if labels is None:
        return RawData(images[:0], np.empty(0, np.uint8), images, None)
    return RawData(images, labels, *(read_csv(files[1]) if len(files) > 1 else ()))


def read_csv(path: Path) -> tuple[np.ndarray, np.ndarray | None]:
    """Reads rows of pixels of square images, the label first or without labels; a header may be.

    Returns:
        Images of shape `(n, side, side)`, and labels of shape `(n,)` or None if the number of columns
        is a square, which leaves none for a label; both `uint8`.
    """
    expected = "Expected in every row a label and the 784 pixels of a 28x28 image, or the pixels"
    try:
        with path.open(encoding="utf-8-sig") as file:
            if not _is_header(file.readline()):
                file.seek(0)
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "loadtxt: input contained no data")
                table = np.loadtxt(file, np.uint8, delimiter=",", comments=None, ndmin=2)
    except ValueError as error:
        reason = str(error).partition(";")[0].rstrip(".")  # after it, NumPy's advice to programmers
        raise InputError(
            f"{path} is not a table of whole numbers from 0 to 255: {reason}. {expected}."
        ) from error
    if not table.size:
        raise InputError(f"{path} holds no rows. {expected}.")
    columns = table.shape[1]
    if math.isqrt(columns) ** 2 == columns:
        return table.reshape(-1, math.isqrt(columns), math.isqrt(columns)), None
    side = math.isqrt(columns - 1)
    if side**2 != columns - 1:
        raise InputError(f"{path} has {columns} columns. {expected}; a square number of pixels.")
    return table[:, 1:].reshape(-1, side, side), table[:, 0].copy()


def _is_header(line: str) -> bool:
    """Tells a header (all words, or "label" and words or numbers) from a damaged first row."""
    cells = [cell.strip().strip('"').lower() for cell in line.split(",")]
    return cells[0] == "label" or not any(cell.replace(".", "").isdigit() for cell in cells)
