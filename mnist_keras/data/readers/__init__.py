"""One reader for each dataset format.

A reader returns arrays or raises an `InputError` that names the file. No reader allocates more memory than the file can
fill, whatever its header declares, and none runs code from a file (pickles).

files      input and output of readers; errors about damaged and oversized files
names      guesses from the names of files, columns and keys: which split, images or labels
labels     turns labels into class ids and class names; errors about bad labels in files
idx        the published files of MNIST
arrays     files of NumPy and MATLAB
tables     text tables of pixels (CSV)
parquet    Parquet files, such as the Hugging Face Hub's
pictures   folders of pictures (PNG, JPEG, ...), one for each class; scikit-learn's digits
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
        name: Its name in `source`.
        layout: The expected files, for the documentation.
        recognizes: Tells whether it can read a place.
        read: Reads the place.
    """

    name: str
    layout: str
    recognizes: Callable[[Place], bool]
    read: Callable[[Place], RawData]


def _is_folder_of_classes(place: Place) -> bool:
    """Tells whether pictures are in one folder for each class; one folder with a table of labels does not count."""
    folders = pictures.folders_of_classes(place)
    return len(folders) > 1 or (len(folders) == 1 and not named.find_table(place))


READERS = (
    Reader(
        "idx",
        "IDX files, the format in which MNIST is published, with or without gzip, with any prefix to their names: "
        "MNIST, Fashion-MNIST, Kuzushiji-MNIST, EMNIST (returned upright, with labels from 0), QMNIST; also the "
        "directory that torchvision downloads to",
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
        "A MATLAB file: EMNIST's (returned upright, with labels from 0), or arrays named `X` and `y`, or `data` and "
        "`label`",
        lambda place: bool(place.named(".mat")),
        arrays.read_mat_place,
    ),
    Reader(
        "csv",
        "Tables with one image in each row, separated by commas, semicolons or tabs. A column `label`, `class`, "
        "`target` or `y` has the labels; without a header, the first column has them. One table, or `train.csv` and "
        "`test.csv`",
        lambda place: any(map(tables.is_pixel_table, place.files(*tables.SUFFIXES))),
        tables.read_csv_place,
    ),
    Reader(
        "parquet",
        "Parquet files such as the Hugging Face Hub's: a column `image` or `img` of PNG bytes, and a column `label` or "
        "`labels`; or a column for each pixel. A split can have several files",
        lambda place: bool(place.named(parquet.SUFFIX)),
        parquet.read_parquet_place,
    ),
    Reader(
        "folder",
        "A folder of pictures for each class. For a split, put these folders into `train`, `training` or "
        "`trainingSet`, `valid`, `val` or `validation`, and `test`, `testing` or `testSet`. PNG, JPEG, BMP, TIFF, "
        "WebP, GIF, PGM, PPM",
        _is_folder_of_classes,
        pictures.read_folder,
    ),
    Reader(
        "table",
        "Pictures, and next to them a CSV file with their file names and labels, and a column `split` if it lists "
        "several splits",
        named.find_table,
        named.read_named_pictures,
    ),
)


def read_path(path: Path, source: str = "auto") -> tuple[str, RawData]:
    """Reads the dataset at a path, its labels as class ids.

    Args:
        path: A file or a directory.
        source: "auto", or the name of a reader.

    Returns:
        The name of the reader that was used, and what it read.

    Raises:
        InputError: If no reader recognizes the files, more than one does, or the data is damaged or does not fit into
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
            "Expected a folder of pictures for each class; pictures and a CSV file with the columns file and label; "
            "files of IDX, NPZ, CSV, Parquet or another of these formats; or an archive of them."
        )
    if len(able) > 1:
        names = ", ".join(reader.name for reader in able)
        raise InputError(
            f"{place.path} can be read in {len(able)} ways: {names}. Choose one with source={able[0].name!r} (in "
            "Python), or pass the path of a file or a directory that holds one of them."
        )
    return able[0].name, able[0].read(place)
