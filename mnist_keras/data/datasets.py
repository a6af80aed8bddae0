"""Data sets in memory: `load_data` finds MNIST and its relatives, or reads the user's own files, as `ImageData`."""

import contextlib
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mnist_keras._validation import InputError, check_choice, check_labels, invalid, unknown
from mnist_keras.data import downloads
from mnist_keras.data.catalog import DATASETS, altered, idx_sha256, published_as
from mnist_keras.data.downloads import DownloadError
from mnist_keras.data.readers import READERS, detect
from mnist_keras.data.readers.arrays import read_npz
from mnist_keras.data.readers.files import RawData
from mnist_keras.data.readers.idx import expected_idx, find_set, read_idx_set
from mnist_keras.data.readers.pictures import read_digits

DATA_DIR_VARIABLE = "MNIST_KERAS_DATA_DIR"
SOURCES = ("auto", "idx", "npz", "csv", "folder", "tfds", "keras", "scikit-learn")


class NotFoundError(InputError):
    """A known data set is neither here nor to be had; the text says where to put which files."""

    def __init__(self, what: str, advice: str):
        super().__init__(f"{what}. {advice}")
        self.what = what


@dataclass(frozen=True, eq=False)
class ImageData:
    """Images and labels in memory, in their published order.

    It unpacks as Keras's data sets do: `(x_train, y_train), (x_test, y_test) = load_data("mnist")`.

    Attributes:
        train_images: `uint8` array of shape `(n, height, width)`, light ink on dark ground in the known sets.
        train_labels: `int64` array of shape `(n,)`.
        test_images: `uint8` array of shape `(m, height, width)`; m is 0 where there are none.
        test_labels: `int64` array of shape `(m,)`; None for unlabelled test images.
        class_names: The name of each label.
        name: The set's name, or the path that it was read from.
        source: "idx", "npz", "csv", "folder", "tfds", "keras", "scikit-learn" or "memory".
        sha256: SHA-256 of each array as a raw IDX file, by the array's name.

    `train` keeps `Records` in the place of arrays, their labels being None, with "records" for source.
    """

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray | None
    class_names: tuple[str, ...]
    name: str
    source: str
    sha256: Mapping[str, str]

    @property
    def num_classes(self) -> int:
        """The number of classes."""
        return len(self.class_names)

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """The shape of one image as a net takes it: `(height, width, 1)`."""
        height, width = self.train_images.shape[1:]
        return height, width, 1

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
        yield self.train_images, self.train_labels
        yield self.test_images, self.test_labels

    def with_test_split(self) -> "ImageData":
        """Returns itself or, without labelled test images, 20 % of the training images as test images.

        Those are drawn in the proportions of the classes, the same ones every time.
        """
        if self.test_labels is not None and len(self.test_images):
            return self
        images, labels = self.train_images, self.train_labels
        if not len(images):
            raise InputError(
                f"{self.name} holds {len(self.test_images)} images without labels. Expected labelled ones, to "
                "train or to evaluate on; in a CSV file a label first in every row."
            )
        train, test = _stratified_split(labels, round(0.2 * len(labels)))
        splits = RawData(images[train], labels[train], images[test], labels[test], self.class_names)
        return make_image_data(*splits, name=self.name, source=self.source)


def load_data(
    name: str | os.PathLike[str] = "mnist",
    *,
    source: str = "auto",
    data_dir: str | os.PathLike[str] | None = None,
) -> ImageData:
    """Loads a known data set, or the user's own from a path.

    A known set is looked for in `data_dir`, in the directory that the environment variable
    `MNIST_KERAS_DATA_DIR` names (both: `DIR/NAME/`, then `DIR` itself; the published IDX files, with or without
    .gz, or `NAME.npz` with Keras's keys), in Keras's cache and in that of TensorFlow Datasets. Then TensorFlow
    Datasets downloads it; for MNIST, Keras's `mnist.npz` stands in. EMNIST comes upright, its letters with labels
    from 0.

    Args:
        name: "mnist", "fashion_mnist", "kmnist", "emnist/digits", "emnist/letters" or "emnist/balanced";
            "digits", scikit-learn's 1,797 digits of 8x8 pixels, resized to 28x28 and always at hand;
            "auto", MNIST where it can be had and else "digits", with a line on stderr;
            or a path: a directory of IDX, NPZ or CSV files, a folder of PNG and JPEG pictures for each class
            (also under `train/` and `test/`), or one NPZ or CSV file.
        source: Where from: "auto", or only "idx", "npz", "csv", "folder", "tfds", "keras" or "scikit-learn".
        data_dir: Where a known set's files are; it is an error if they are not there.

    Returns:
        Images and labels, in their published order whatever the source.

    Raises:
        InputError: If there is no such set, it cannot be had, or its files are damaged or another set's.
    """
    check_choice("source", source, SOURCES)
    if not isinstance(name, str | os.PathLike) or not str(name):
        raise invalid("name", expected="the name of a data set or a path", received=repr(name))
    if name == "auto" and source == "auto":
        try:
            return _load_known("mnist", source, data_dir)
        except NotFoundError as error:
            if data_dir is not None:
                raise
            _say(f"{error.what}. Using scikit-learn's 1,797 digits of 8x8 pixels instead.")
            return _load_digits()
    if name == "auto":
        name = "digits" if source == "scikit-learn" else "mnist"
    if name not in DATASETS:
        return _load_path(name, source, data_dir)
    if name == "digits":
        check_choice("source", source, ("auto", "scikit-learn"))
        _check_no_data_dir(data_dir, "for 'digits', which comes with scikit-learn")
        return _load_digits()
    return _load_known(str(name), source, data_dir)


def find_data(
    name: str = "mnist", *, source: str = "auto", data_dir: str | os.PathLike[str] | None = None
) -> tuple[str, Path] | None:
    """Returns the source and the place of a known set on this machine, or None, without reading it."""
    given = data_dir or os.environ.get(DATA_DIR_VARIABLE)
    prefix = DATASETS[name].idx_prefix
    if given and source in ("auto", "idx", "npz"):
        root = downloads.expand_home(given)
        with _named_in_errors(root):
            found = find_set(name, prefix, root, source)
        if found or data_dir is not None:
            return found
    if source in ("auto", "keras") and data_dir is None:
        found = None
        with contextlib.suppress(PermissionError):  # the home of another user, in containers say
            found = find_set(name, prefix, downloads.keras_cache())
        if found and downloads.is_damaged_keras_mnist(found[1]):
            _say(f"{found[1]} is left out: it is not the published file, perhaps cut off.")
        elif found:
            return "keras", found[1]
    if source in ("auto", "tfds") and downloads.in_tfds_cache(name):
        return "tfds", downloads.tfds_cache() / name
    return None


def _load_known(name: str, source: str, data_dir: str | os.PathLike[str] | None) -> ImageData:
    check_choice("source", source, ("auto", "idx", "npz", "tfds", "keras"))
    if data_dir is not None and not (
        str(data_dir) and os.path.isdir(downloads.expand_home(str(data_dir)))  # noqa: PTH112  (never raises)
    ):
        raise invalid("data_dir", expected="a directory", received=repr(str(data_dir)))
    if source == "keras":
        _check_no_data_dir(data_dir, "with source='keras', which has its own directory")
    spec = DATASETS[name]
    expected = expected_idx(spec.idx_prefix)
    expected += "" if spec.idx_prefix else f" Or {name}.npz."
    given = data_dir or os.environ.get(DATA_DIR_VARIABLE)
    root, found = downloads.expand_home(given or ""), None
    if source != "tfds":
        found = find_data(name, source=source, data_dir=data_dir)
    elif given:
        found = find_set(name, spec.idx_prefix, root, "idx")
    if found and source != "tfds" and found[0] != "tfds":
        return _published(name, found[0], _read_known(found[1], spec.idx_prefix), str(found[1]))
    if data_dir is not None and not found:
        places = f"in {data_dir} or in {Path(data_dir) / name}"
        raise NotFoundError(f"{data_dir} holds no {spec.title}", f"{expected} Put them {places}.")
    reasons = []
    try:
        if source in ("auto", "tfds"):
            arrays = downloads.load_tfds(name, found[1] if found and source == "tfds" else None)
            return _published(name, "tfds", RawData(*arrays))
    except (DownloadError, ImportError) as error:
        reasons.append(str(error))
    try:
        if name == "mnist" and source in ("auto", "keras"):
            return _published(name, "keras", read_npz(downloads.download_keras_mnist()))
    except DownloadError as error:
        reasons.append(str(error))
    where = f"in {root} ({DATA_DIR_VARIABLE})" if given else "on this machine"
    failed = f" and could not be downloaded ({'; '.join(dict.fromkeys(reasons))})"
    raise NotFoundError(
        f"{spec.title} was not found {where}{failed if reasons else ''}",
        f"Put its files into a directory and pass that as `data_dir` (--data-dir), or name it in "
        f"the environment variable {DATA_DIR_VARIABLE}. {expected}",
    )


def _read_known(place: Path, prefix: str) -> RawData:
    with _named_in_errors(place):
        return read_npz(place) if place.is_file() else read_idx_set(place, prefix)


def _published(name: str, source: str, splits: RawData, place: str = "the download") -> ImageData:
    """Brings a known set into the form it is delivered in, and compares it with what was published."""
    spec = DATASETS[name]
    train_images, train_labels, test_images, test_labels, _ = splits
    if test_images is None or test_labels is None:
        raise InputError(
            f"{place} lacks the test set of {spec.title}. {expected_idx(spec.idx_prefix)}"
        )
    if spec.transposed:
        train_images, test_images = (x.swapaxes(1, 2).copy() for x in (train_images, test_images))
    if spec.first_label:
        train_labels, test_labels = (
            x.astype(np.int64) - spec.first_label for x in (train_labels, test_labels)
        )
    splits = RawData(train_images, train_labels, test_images, test_labels, spec.class_names)
    data = make_image_data(*splits, name=name, source=source)
    for key, digest in data.sha256.items():
        for other, part in published_as(digest) - {(name, key)}:
            hint = f" Load it as {other!r}." if other != name else ""
            raise InputError(
                f"{place} holds other files than expected: its {key} are the {part} of "
                f"{DATASETS[other].title}. Expected the {key} of {spec.title}.{hint}"
            )
    if changed := altered(name, data.sha256):
        _say(f"{place} is not {spec.title} as published: {', '.join(changed)} differ.")
    return data


def _load_path(
    name: str | os.PathLike[str], source: str, data_dir: str | os.PathLike[str] | None
) -> ImageData:
    path = downloads.expand_home(name)
    with _named_in_errors(path):
        there = path.exists()
    if not there:
        hint = f"Or the path of a directory or file; there is none at {path.absolute()}."
        raise InputError(f"{unknown('data set', str(name), ['auto', *DATASETS])} {hint}")
    check_choice("source", source, ("auto", *READERS))
    _check_no_data_dir(data_dir, "with a path")
    with _named_in_errors(path):
        kind, place = detect(path, tuple(READERS) if source == "auto" else (source,))
        data = make_image_data(*READERS[kind](place), name=str(name), source=kind)
    for known, spec in DATASETS.items():
        if data.sha256 == spec.sha256:
            return replace(data, name=known, class_names=spec.class_names)
    return data


@contextlib.contextmanager
def _named_in_errors(place: Path) -> Iterator[None]:
    """Turns what the file system refuses into an error that names the file."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or error
        raise InputError(f"{error.filename or place} cannot be read: {reason}.") from error


def _check_no_data_dir(data_dir: object, when: str) -> None:
    if data_dir is not None:
        raise invalid("data_dir", expected=f"None {when}", received=repr(str(data_dir)))


def _say(text: str) -> None:
    print(f"mnist_keras: {text}", file=sys.stderr)


def make_image_data(
    train_images: np.ndarray,
    train_labels: np.ndarray,
    test_images: np.ndarray | None = None,
    test_labels: np.ndarray | None = None,
    class_names: tuple[str, ...] | None = None,
    *,
    name: str,
    source: str,
) -> ImageData:
    """Checks arrays against one another and hashes them.

    Raises:
        InputError: If the shapes differ, or labels are not whole numbers from 0 that name a class.
    """
    if test_images is None:
        test_images, test_labels = train_images[:0], train_labels[:0]
    if train_images.shape[1:] != test_images.shape[1:]:
        raise InputError(
            f"{name} holds training images of shape {train_images.shape[1:]} and test images of "
            f"shape {test_images.shape[1:]}. Expected one shape."
        )
    num_classes = len(class_names) if class_names else 256  # a label is a byte in IDX files
    train_labels = check_labels(
        train_labels, num_examples=len(train_images), num_classes=num_classes, name="train_labels"
    )
    if test_labels is not None:
        test_labels = check_labels(
            test_labels, num_examples=len(test_images), num_classes=num_classes, name="test_labels"
        )
    if class_names is None:
        highest = max(x.max(initial=-1) for x in (train_labels, test_labels) if x is not None)
        class_names = tuple(map(str, range(highest + 1)))
    arrays = (train_images, train_labels, test_images, test_labels)
    keys = zip(RawData._fields, arrays, strict=False)
    sha256 = {key: idx_sha256(x) for key, x in keys if x is not None and len(x)}
    return ImageData(*arrays, class_names, name, source, sha256)


def _stratified_split(labels: np.ndarray, test_size: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns sorted indices of training and test images, the same every time."""
    from sklearn.model_selection import train_test_split

    try:
        train, test = train_test_split(
            np.arange(len(labels)), test_size=test_size, stratify=labels, random_state=0
        )
    except ValueError as error:
        raise InputError(
            f"{len(labels)} training images are too few to hold out a test set ({error}). "
            "Expected test images with labels, or more training images of every class."
        ) from error
    return np.sort(train), np.sort(test)


def _load_digits() -> ImageData:
    images, labels = read_digits()
    train, test = _stratified_split(labels, 360)
    class_names = DATASETS["digits"].class_names
    splits = RawData(images[train], labels[train], images[test], labels[test], class_names)
    return make_image_data(*splits, name="digits", source="scikit-learn")
