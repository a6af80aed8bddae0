"""`load_data`: finds or downloads MNIST and similar datasets, or reads the user's own files."""

import contextlib
import dataclasses
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from mnist_keras._files import check_path, input_errors
from mnist_keras._validation import InputError, check_choice, invalid, say, unknown
from mnist_keras.data import downloads
from mnist_keras.data.augmentation.strokes import make_strokes
from mnist_keras.data.catalog import DATASETS, altered, published_as
from mnist_keras.data.downloads import DownloadError
from mnist_keras.data.image_data import ImageData, as_image_data, from_arrays, stratified_split
from mnist_keras.data.readers import READERS, read_path
from mnist_keras.data.readers.arrays import read_npz
from mnist_keras.data.readers.files import RawData
from mnist_keras.data.readers.idx import expected_idx, find_set, read_idx_set
from mnist_keras.data.readers.pictures import read_digits

DATA_DIR_VARIABLE = "MNIST_KERAS_DATA_DIR"
FORMATS = tuple(reader.name for reader in READERS)
SOURCES = ("auto", *FORMATS, "tfds", "keras", "scikit-learn", "generated")
STROKES_SIZES = (10_000, 2_000)  # training and test images, drawn in about seven seconds
STROKES_SEED = 0
DIGITS_TEST_SIZE = 360  # of scikit-learn's 1,797 digits


class NotFoundError(InputError):
    """A known dataset was not found and could not be downloaded; the text says which files to put where."""

    def __init__(self, what: str, advice: str, *, download_failed: bool = False):
        super().__init__(f"{what}. {advice}")
        self.what, self.fault_of_input = what, not download_failed


def load_data(
    name: str | os.PathLike[str] = "mnist",
    *,
    source: str = "auto",
    data_dir: str | os.PathLike[str] | None = None,
) -> ImageData:
    """Loads a known dataset by name, or your own dataset from a path.

    It looks for a known dataset in `data_dir`, then in the directory that the environment variable
    `MNIST_KERAS_DATA_DIR` names, and then in the caches of Keras and TensorFlow Datasets. In the first two, it looks in
    `DIR/NAME/` and then in `DIR`, for the published IDX files, with or without .gz, or `NAME.npz` with Keras's keys. If
    the dataset is in none of these places, TensorFlow Datasets downloads it; if that fails for MNIST, Keras's
    `mnist.npz` is downloaded. EMNIST's images are returned upright, and its letters with labels from 0.

    Args:
        name: One of:

            - a known dataset: "mnist", "fashion_mnist", "kmnist", "emnist/digits" (or letters, balanced, byclass,
              bymerge, mnist);
            - scikit-learn's 1,797 digits of 8x8 pixels, fitted to MNIST's frame: "digits", always available;
            - 12,000 digits drawn by a program in several styles of handwriting: "strokes", always available;
            - MNIST if it is found or can be downloaded, otherwise "digits", with a notice on stderr: "auto";
            - a path to IDX, NPZ, NPY, MATLAB, CSV or Parquet files, a folder of pictures for each class, pictures and a
              table, or an archive of one of these. Labels in files become class names.
        source: Where to load from: "auto"; only one file format, "idx", "npz", "npy", "mat", "csv", "parquet", "folder"
            or "table"; "tfds", "keras", "scikit-learn" or "generated".
        data_dir: Directory of a known dataset's files; it is an error if they are not there.

    Returns:
        Images and labels, in their published order from any source.

    Raises:
        InputError: If there is no such dataset, it was not found, or its files are damaged or belong to another
            dataset.
    """
    check_choice("source", source, SOURCES)
    check_path("name", name, expected="the name of a dataset or a path")
    if name == "auto" and source == "auto":
        try:
            return _load_known("mnist", source, data_dir)
        except NotFoundError as error:
            if data_dir is not None:
                raise
            say(f"{error.what}. Using scikit-learn's 1,797 digits of 8x8 pixels instead.")
            return _load_digits()
    if name == "auto":
        name = "digits" if source == "scikit-learn" else "mnist"
    if name not in DATASETS:
        return _load_path(name, source, data_dir)
    if name == "digits":
        check_choice("source", source, ("auto", "scikit-learn"))
        _check_no_data_dir(data_dir, "for 'digits', which comes with scikit-learn")
        return _load_digits()
    if name == "strokes":
        check_choice("source", source, ("auto", "generated"))
        _check_no_data_dir(data_dir, "for 'strokes', which are generated")
        return _draw_strokes()
    return _load_known(str(name), source, data_dir)


def resolve_data(data: Any, data_dir: str | os.PathLike[str] | None = None) -> ImageData:
    """Returns what the caller of a public function passed as data, with labeled test images.

    Args:
        data: What `load_data` takes, or what `as_image_data` takes.
        data_dir: As `load_data` takes it; None with data in memory.

    Raises:
        InputError: If it is anything else, or cannot be loaded.
    """
    if isinstance(data, str | os.PathLike):
        return load_data(data, data_dir=data_dir).with_test_split()
    _check_no_data_dir(data_dir, "with data in memory")
    return as_image_data(data)


def find_data(
    name: str = "mnist", *, source: str = "auto", data_dir: str | os.PathLike[str] | None = None
) -> tuple[str, Path] | None:
    """Returns the source and the location of a known dataset on this machine, or None, without reading it."""
    request = _Request(name, source, data_dir)
    for sources, find, _ in _ATTEMPTS:
        if source in sources and find and (place := find(request)):
            return place
    return None


@dataclasses.dataclass(frozen=True)
class _Request:
    """A call of `load_data` for a known dataset."""

    name: str
    source: str
    data_dir: str | os.PathLike[str] | None

    @property
    def prefix(self) -> str:
        return DATASETS[self.name].idx_prefix

    @property
    def directory(self) -> str | os.PathLike[str] | None:
        """The directory of the user's files, if one was named."""
        return self.data_dir or os.environ.get(DATA_DIR_VARIABLE)

    def find_files(self, kind: str) -> tuple[str, Path] | None:
        """Returns the format and the place of the user's files of a kind: "idx", "npz", or "auto" for both."""
        if not self.directory:
            return None
        root = downloads.expand_home(self.directory)
        with input_errors(root):
            return find_set(self.name, self.prefix, root, kind)


def _find_in_directory(request: _Request) -> tuple[str, Path] | None:
    return request.find_files(request.source)


def _find_in_keras_cache(request: _Request) -> tuple[str, Path] | None:
    if request.data_dir is not None:
        return None
    found = None
    with contextlib.suppress(PermissionError):  # another user's home, for example in a container
        found = find_set(request.name, request.prefix, downloads.keras_cache())
    if found and downloads.is_damaged_keras_mnist(found[1]):
        say(f"{found[1]} is ignored: it is not the published file, and may be truncated.")
        return None
    return ("keras", found[1]) if found else None


def _find_in_tfds_cache(request: _Request) -> tuple[str, Path] | None:
    if request.data_dir is None and downloads.in_tfds_cache(request.name):
        return "tfds", downloads.tfds_cache() / request.name
    return None


def _load_files(request: _Request, found: tuple[str, Path] | None) -> ImageData | None:
    if found is None:
        return None
    source, place = found
    with input_errors(place):
        raw = read_npz(place) if place.is_file() else read_idx_set(place, request.prefix)
    return _published(request.name, source, raw, str(place))


def _load_tfds(request: _Request, found: tuple[str, Path] | None) -> ImageData | None:
    files = request.find_files("idx") if request.source == "tfds" else None
    if request.data_dir is not None and not files:
        return None
    arrays = downloads.load_tfds(request.name, files[1] if files else None)
    return _published(request.name, "tfds", RawData(*arrays))


def _download_keras(request: _Request, found: tuple[str, Path] | None) -> ImageData | None:
    if request.name != "mnist" or request.data_dir is not None:
        return None
    return _published(request.name, "keras", read_npz(downloads.download_keras_mnist()))


# In this order: for which values of `source`, how a place on this machine is found, how the data is loaded.
_Find = Callable[[_Request], tuple[str, Path] | None]
_Load = Callable[[_Request, tuple[str, Path] | None], ImageData | None]
_ATTEMPTS: tuple[tuple[set[str], _Find | None, _Load], ...] = (
    ({"auto", "idx", "npz"}, _find_in_directory, _load_files),
    ({"auto", "keras"}, _find_in_keras_cache, _load_files),
    ({"auto", "tfds"}, _find_in_tfds_cache, _load_tfds),
    ({"auto", "keras"}, None, _download_keras),
)


def _load_known(name: str, source: str, data_dir: str | os.PathLike[str] | None) -> ImageData:
    check_choice("source", source, ("auto", "idx", "npz", "tfds", "keras"))
    if data_dir is not None:
        directory = check_path("data_dir", data_dir, expected="a directory")
        if not os.path.isdir(downloads.expand_home(directory)):  # noqa: PTH112  (never raises)
            raise invalid("data_dir", expected="a directory", received=repr(str(data_dir)))
    if source == "keras":
        _check_no_data_dir(data_dir, "with source='keras', which uses Keras's directory")
    request, reasons = _Request(name, source, data_dir), []
    for sources, find, load in _ATTEMPTS:
        if source not in sources:
            continue
        try:
            data = load(request, find(request) if find else None)
        except (DownloadError, ImportError) as error:
            reasons.append(str(error))
            continue
        if data is not None:
            return data
    raise _not_found(request, reasons)


def _not_found(request: _Request, reasons: list[str]) -> NotFoundError:
    title, data_dir = DATASETS[request.name].title, request.data_dir
    expected = expected_idx(request.prefix) + ("" if request.prefix else f" Or {request.name}.npz.")
    if data_dir is not None:
        places = f"in {data_dir} or in {Path(data_dir) / request.name}"
        return NotFoundError(f"{data_dir} has no {title}", f"{expected} Put the files {places}.")
    given = request.directory
    where = (
        f"in {downloads.expand_home(given)} ({DATA_DIR_VARIABLE})" if given else "on this machine"
    )
    failed = f" and could not be downloaded ({'; '.join(dict.fromkeys(reasons))})"
    return NotFoundError(
        f"{title} was not found {where}{failed if reasons else ''}",
        f"Put its files into a directory and pass it as `data_dir` (--data-dir), or set "
        f"the environment variable {DATA_DIR_VARIABLE} to it. {expected}",
        download_failed=bool(reasons),
    )


def _published(name: str, source: str, raw: RawData, place: str = "the download") -> ImageData:
    """Converts a known dataset to the form that `load_data` returns, and compares it with the published one."""
    spec = DATASETS[name]
    if raw.test_images is None or raw.test_labels is None:
        raise InputError(
            f"{place} lacks the test set of {spec.title}. {expected_idx(spec.idx_prefix)}"
        )
    images = [raw.train_images, raw.test_images]
    labels = [raw.train_labels, raw.test_labels]
    if spec.transposed:
        images = [x.swapaxes(1, 2).copy() for x in images]
    if spec.first_label:
        labels = [x.astype(np.int64) - spec.first_label for x in labels]
    arrays = images[0], labels[0], images[1], labels[1]
    data = from_arrays(*arrays, spec.class_names, name=name, source=source)
    for key, digest in data.sha256.items():
        for other, part in published_as(digest) - {(name, key)}:
            hint = f" Load it as {other!r}." if other != name else ""
            raise InputError(
                f"{place} holds the wrong files: its {key} are the {part} of "
                f"{DATASETS[other].title}. Expected the {key} of {spec.title}.{hint}"
            )
    if changed := altered(name, data.sha256):
        say(f"{place} differs from {spec.title} as published in {', '.join(changed)}.")
    return data


def _load_path(
    name: str | os.PathLike[str], source: str, data_dir: str | os.PathLike[str] | None
) -> ImageData:
    path = downloads.expand_home(name)
    with input_errors(path):
        there = path.exists()
    if not there:
        hint = f"Or pass the path of a file or directory; {path.absolute()} does not exist."
        raise InputError(f"{unknown('dataset', str(name), ['auto', *DATASETS])} {hint}")
    check_choice("source", source, ("auto", *FORMATS))
    _check_no_data_dir(data_dir, "with a path")
    with input_errors(path):
        reader, raw = read_path(path, source)
    data = from_arrays(*raw[:7], name=str(name), source=reader, may_be_empty=True)
    for known, spec in DATASETS.items():
        if data.sha256 == spec.sha256:
            arrays = raw._replace(class_names=spec.class_names)[:7]
            data = from_arrays(*arrays, name=known, source=reader)
    return dataclasses.replace(data, files=raw.files, left_out=raw.left_out)


def _check_no_data_dir(data_dir: object, when: str) -> None:
    if data_dir is not None:
        raise invalid("data_dir", expected=f"None {when}", received=repr(str(data_dir)))


def _draw_strokes() -> ImageData:
    images, ways = make_strokes(STROKES_SEED, 0, sum(STROKES_SIZES))
    labels = np.array([way.digit for way in ways])
    split = STROKES_SIZES[0]
    arrays = images[:split], labels[:split], images[split:], labels[split:]
    return from_arrays(*arrays, DATASETS["strokes"].class_names, name="strokes", source="generated")


def _load_digits() -> ImageData:
    images, labels = read_digits()
    train, test = stratified_split(labels, DIGITS_TEST_SIZE)
    arrays = images[train], labels[train], images[test], labels[test]
    names = DATASETS["digits"].class_names
    return from_arrays(*arrays, names, name="digits", source="scikit-learn")
