"""One reader for each format that datasets come in.

A reader returns arrays or raises `InputError` with the file's name in it. No reader allocates more memory than the
file can fill, whatever its header declares, and none runs code from a file (pickles).

files      what readers take and give, and how damaged and oversized files are reported
names      what the names of files, columns and keys say: which split, images or labels
labels     labels become class ids and class names
idx        the published files of MNIST
arrays     files of NumPy and MATLAB
tables     text tables of pixels (CSV)
parquet    Parquet files, the Hugging Face Hub's
pictures   folders of pictures, one for each class; scikit-learn's digits
named      pictures and a table of their names and labels
archives   zip, tar and compressed files
objects    labeled images in objects of other libraries
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from mnist_keras._arrays import flatten_labels
from mnist_keras._validation import InputError, check_choice
from mnist_keras.data.readers import arrays, idx, named, parquet, pictures, tables
from mnist_keras.data.readers.archives import find_archives, unpacked
from mnist_keras.data.readers.files import Place, RawData, too_large
from mnist_keras.data.readers.labels import name_classes

_NESTED = 3  # archives in archives that are opened


class Reader(NamedTuple):
    """A format.

    Attributes:
        name: What `source` calls it.
        layout: What lies at the path, for the documentation.
        recognizes: Whether it can read a place.
        read: Reads it.
    """

    name: str
    layout: str
    recognizes: Callable[[Place], bool]
    read: Callable[[Place], RawData]


def _is_folder_of_classes(place: Place) -> bool:
    """Tells whether pictures lie in folders that are classes; one folder that a table names is none."""
    folders = pictures.folders_of_classes(place)
    return len(folders) > 1 or (len(folders) == 1 and not named.find_table(place))


READERS = (
    Reader(
        "idx",
        "IDX files, the format that MNIST is published in, compressed with gzip or not, whatever their names begin "
        "with: MNIST, Fashion-MNIST, Kuzushiji-MNIST, EMNIST (delivered upright, from 0), QMNIST; the directory that "
        "torchvision downloads to",
        lambda place: bool(idx.find_idx_sets(place)),
        idx.read_idx_place,
    ),
    Reader(
        "npz",
        "One NumPy archive with the keys `x_train`, `y_train`, `x_test`, `y_test`; `train_images`, `train_labels`, "
        "`val_images` and so on (MedMNIST); `X`, `y`; `data`, `target`; or one file for each array (Kuzushiji-MNIST)",
        lambda place: bool(place.named(".npz")),
        arrays.read_npz_place,
    ),
    Reader(
        "npy",
        "NumPy files named `x_train.npy`, `y_train.npy`, `x_test.npy` and so on",
        lambda place: bool(place.named(".npy")),
        arrays.read_npy_place,
    ),
    Reader(
        "mat",
        "A MATLAB file: EMNIST's (delivered upright, from 0), or arrays named `X` and `y`, `data` and `label`",
        lambda place: bool(place.named(".mat")),
        arrays.read_mat_place,
    ),
    Reader(
        "csv",
        "Tables of one image a row, separated by commas, semicolons or tabs; a column `label`, `class`, `target` or "
        "`y` has the labels, and without a header the first column has; `train.csv` and `test.csv`",
        lambda place: any(map(tables.is_pixel_table, place.files(*tables.SUFFIXES))),
        tables.read_csv_place,
    ),
    Reader(
        "parquet",
        "Parquet files as the Hugging Face Hub has them: a column `image` or `img` of PNG bytes, and `label` or "
        "`labels`; or a column for each pixel. A split may have several files",
        lambda place: bool(place.named(parquet.SUFFIX)),
        parquet.read_parquet_place,
    ),
    Reader(
        "folder",
        "A folder of pictures for each class, also inside `train`, `training` or `trainingSet`, `valid`, `val` or "
        "`validation`, `test`, `testing` or `testSet`. PNG, JPEG, BMP, TIFF, WebP, GIF, PGM, PPM",
        _is_folder_of_classes,
        pictures.read_folder,
    ),
    Reader(
        "table",
        "Pictures, and beside them a CSV file with their file names and their labels",
        named.find_table,
        named.read_named_pictures,
    ),
)


def read_path(path: Path, source: str = "auto") -> tuple[str, RawData]:
    """Reads the dataset at a path, its labels as class ids.

    Args:
        path: A file or a directory.
        source: "auto", or the name of the one reader to ask.

    Returns:
        The name of the reader that answered, and what it read.

    Raises:
        InputError: If no reader knows what is there, more than one does, or the data is damaged or does not fit into
            memory.
    """
    check_choice("source", source, ("auto", *(reader.name for reader in READERS)))
    try:
        reader, raw = _read(Place(path), source, _NESTED)
    except MemoryError as error:
        raise too_large(path) from error
    parts = [
        None if labels is None else flatten_labels(labels)
        for labels in (raw.train_labels, raw.validation_labels, raw.test_labels)
    ]
    (train, validation, test), names = name_classes(parts, where=path, class_names=raw.class_names)
    labels: dict[str, Any] = {"train_labels": train, "validation_labels": validation}
    return reader, raw._replace(**labels, test_labels=test, class_names=names)


def _read(place: Place, source: str, nested: int) -> tuple[str, RawData]:
    readers = [reader for reader in READERS if source in ("auto", reader.name)]
    able = [reader for reader in readers if reader.recognizes(place)]
    if not able and nested and find_archives(place):
        with unpacked(place) as inside:
            return _read(inside, source, nested - 1)
    if not able:
        names = ", ".join(reader.name for reader in readers)
        shown = [*place.names[:5], *(["..."] if len(place.names) > 5 else [])]
        raise InputError(
            f"{place.path} holds no data of the format {names}. Received: {', '.join(shown) or 'nothing'}. "
            "Expected a folder of pictures for each class, or files of IDX, NPZ, CSV, Parquet or another of these "
            "formats, or an archive of them."
        )
    if len(able) > 1:
        names = ", ".join(reader.name for reader in able)
        raise InputError(
            f"{place.path} can be read in {len(able)} ways: {names}. Choose one with source={able[0].name!r} (in "
            "Python), or pass the path of a file or a directory that holds one of them."
        )
    return able[0].name, able[0].read(place)
