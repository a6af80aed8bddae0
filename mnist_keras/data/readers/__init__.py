"""One reader for each format that datasets come in.

A reader returns arrays or raises `InputError` with the file's name in it. No reader allocates more memory than the
file can fill, whatever its header declares, and none runs code from a file (pickles).

files      what every reader returns, and how a damaged file is reported
idx        the published files of MNIST
arrays     NumPy archives
tables     CSV
pictures   folders of pictures, one for each class; scikit-learn's digits
"""

from collections.abc import Callable, Mapping
from pathlib import Path

from mnist_keras._validation import InputError, invalid
from mnist_keras.data.readers.arrays import read_npz
from mnist_keras.data.readers.idx import find_idx, read_idx_set
from mnist_keras.data.readers.pictures import read_folder
from mnist_keras.data.readers.tables import read_csv_set

READERS: Mapping[str, Callable[[Path], tuple]] = {
    "idx": read_idx_set,
    "npz": read_npz,
    "csv": read_csv_set,
    "folder": read_folder,
}


def detect(path: Path, formats: tuple[str, ...]) -> tuple[str, Path]:
    """Returns which of the formats lies at a path, and the directory or the file to read."""
    if path.is_file():
        kind = path.suffix[1:].lower()
        if kind not in {"npz", "csv"}.intersection(formats):
            raise invalid(
                "name",
                expected=f"a directory, or a .npz or .csv file (source: {', '.join(formats)})",
                received=str(path),
                hint="Pass the directory that IDX files or pictures are in.",
            )
        return kind, path
    archives = sorted(path.glob("*.npz"))
    if "idx" in formats and find_idx(path):
        return "idx", path
    if "npz" in formats and archives:
        if len(archives) > 1:
            raise InputError(
                f"{path} holds {len(archives)} NPZ files. Expected one; pass its path."
            )
        return "npz", archives[0]
    if "csv" in formats and any(path.glob("*.csv")):
        return "csv", path
    if "folder" in formats:
        return "folder", path
    raise InputError(f"{path} holds no data of the format {', '.join(formats)}.")
