"""Data sets in memory: `load_data` finds MNIST and its relatives, or reads the user's own files, as `ImageData`."""

import hashlib
import os
import struct
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mnist_keras import readers
from mnist_keras._validation import InputError, check_choice, check_labels, invalid, unknown

DATA_DIR_VARIABLE = "MNIST_KERAS_DATA_DIR"
SOURCES = ("auto", "idx", "npz", "csv", "folder", "tfds", "keras", "scikit-learn")
_ARRAYS = ("train_images", "train_labels", "test_images", "test_labels")
_DIGITS = tuple("0123456789")


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
        source: "idx", "npz", "csv", "folder", "tfds", "keras" or "scikit-learn".
        sha256: SHA-256 of each array written as a raw IDX file, by the array's name.
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
        """Returns itself, or where there are no labelled test images, 20 % of the training images as test images.

        Those are drawn in the proportions of the classes, the same ones every time.
        """
        if self.test_labels is not None and len(self.test_images):
            return self
        test_size = round(0.2 * len(self.train_images))
        train, test = _stratified_split(self.train_labels, test_size)
        splits = readers.Splits(
            self.train_images[train],
            self.train_labels[train],
            self.train_images[test],
            self.train_labels[test],
        )
        return _image_data(splits, self.class_names, self.name, self.source)


@dataclass(frozen=True)
class DatasetSpec:
    """What is known of a published data set."""

    title: str
    class_names: tuple[str, ...]
    sha256: Mapping[str, str] = field(default_factory=dict)  # of the raw IDX files
    idx_prefix: str = ""  # before the published files' names
    transposed: bool = False  # the published images lie on their side, mirrored
    first_label: int = 0  # the published labels' lowest


_EMNIST_BALANCED = (*"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabdefghnqrt",)

DATASETS: Mapping[str, DatasetSpec] = {
    "mnist": DatasetSpec(
        "MNIST",
        _DIGITS,
        {
            "train_images": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            "train_labels": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            "test_images": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            "test_labels": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        },
    ),
    "fashion_mnist": DatasetSpec(
        "Fashion-MNIST",
        (
            *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
            *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
        ),
        {
            "train_images": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
            "train_labels": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
            "test_images": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
            "test_labels": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        },
    ),
    "kmnist": DatasetSpec(
        "Kuzushiji-MNIST", ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo")
    ),
    "emnist/digits": DatasetSpec("EMNIST Digits", _DIGITS, {}, "emnist-digits-", True),
    "emnist/letters": DatasetSpec(
        "EMNIST Letters", (*"abcdefghijklmnopqrstuvwxyz",), {}, "emnist-letters-", True, 1
    ),
    "emnist/balanced": DatasetSpec(
        "EMNIST Balanced", _EMNIST_BALANCED, {}, "emnist-balanced-", True
    ),
    "digits": DatasetSpec("scikit-learn's digits", _DIGITS),
}


def load_data(
    name: str | os.PathLike[str] = "mnist",
    *,
    source: str = "auto",
    data_dir: str | os.PathLike[str] | None = None,
) -> ImageData:
    """Loads a known data set, or the user's own from a path.

    A known set is looked for in `data_dir`, in the directory that the environment variable `MNIST_KERAS_DATA_DIR`
    names (in both: `DIR/NAME/`, then `DIR` itself; the published IDX files, with or without .gz, or `NAME.npz` with
    Keras's keys), in Keras's cache, in that of TensorFlow Datasets, and is then downloaded by TensorFlow Datasets, or
    for MNIST from Keras's storage. EMNIST comes upright, its letters with labels from 0.

    Args:
        name: "mnist", "fashion_mnist", "kmnist", "emnist/digits", "emnist/letters", "emnist/balanced"; "digits",
            scikit-learn's 1,797 digits of 8x8 pixels resized to 28x28, always at hand; "auto", MNIST where it can be
            had and else "digits"; or the path of a directory of IDX, NPZ or CSV files or of a folder of PNG and JPEG
            pictures for each class, or of one NPZ or CSV file.
        source: Where from: "auto", or only "idx", "npz", "csv", "folder" (files), "tfds", "keras", "scikit-learn".
        data_dir: Where a known set's files are; an error if they are not there.

    Returns:
        The images and labels, in their published order whatever the source.

    Raises:
        InputError: If there is no such set, it cannot be had, or files are damaged or another set's.
    """
    check_choice("source", source, SOURCES)
    if not (name == "auto" or name in DATASETS):
        return _load_path(name, source, data_dir)
    if name == "digits":
        if data_dir is not None or source not in ("auto", "scikit-learn"):
            raise invalid(
                "source, data_dir",
                expected="neither for 'digits', which comes with scikit-learn",
                received=f"source={source!r}, data_dir={str(data_dir)!r}",
            )
        return _load_digits()
    return _load_known("mnist" if name == "auto" else str(name), source, data_dir)


def _load_known(name: str, source: str, data_dir: str | os.PathLike[str] | None) -> ImageData:
    for directory in [data_dir, os.environ.get(DATA_DIR_VARIABLE)]:
        if directory:
            files = readers.find_idx(Path(directory) / name)
            if files:
                splits = readers.read_idx_set(files, Path(directory) / name)
                return _image_data(splits, DATASETS[name].class_names, name, "idx")
    raise InputError(f"{name} was not found")


def _load_path(
    name: str | os.PathLike[str], source: str, data_dir: str | os.PathLike[str] | None
) -> ImageData:
    raise unknown("data set", name, DATASETS)


def _image_data(
    splits: readers.Splits, class_names: tuple[str, ...] | None, name: str, source: str
) -> ImageData:
    """Checks arrays against one another and hashes them."""
    train_images, test_images = splits.train_images, splits.test_images
    if train_images.shape[1:] != test_images.shape[1:]:
        raise InputError(
            f"{name}: training images of shape {train_images.shape[1:]} and test images of shape "
            f"{test_images.shape[1:]}. Expected one shape."
        )
    num_classes = len(class_names) if class_names is not None else 256  # IDX labels are bytes
    train_labels = check_labels(
        splits.train_labels,
        num_examples=len(train_images),
        num_classes=num_classes,
        name="train_labels",
    )
    test_labels = splits.test_labels
    if test_labels is not None:
        test_labels = check_labels(
            test_labels, num_examples=len(test_images), num_classes=num_classes, name="test_labels"
        )
    if class_names is None:
        labels = [x.max() + 1 for x in (train_labels, test_labels) if x is not None and len(x)]
        class_names = tuple(map(str, range(max(labels, default=0))))
    arrays = dict(zip(_ARRAYS, (train_images, train_labels, test_images, test_labels), strict=True))
    sha256 = {key: _idx_sha256(x) for key, x in arrays.items() if x is not None and len(x)}
    return ImageData(
        train_images, train_labels, test_images, test_labels, class_names, name, source, sha256
    )


def _idx_sha256(array: np.ndarray) -> str:
    """Returns the SHA-256 of the array as an uncompressed IDX file, so that MNIST gives the published values."""
    header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    digest = hashlib.sha256(header)
    digest.update(np.ascontiguousarray(array, np.uint8).data)
    return digest.hexdigest()


def _stratified_split(labels: np.ndarray, test_size: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns sorted indices of training and test images, the same every time."""
    from sklearn.model_selection import train_test_split

    try:
        train, test = train_test_split(
            np.arange(len(labels)), test_size=test_size, stratify=labels, random_state=0
        )
    except ValueError as error:
        raise InputError(
            f"{len(labels)} training images are too few to hold out a test set ({error}) "
            "Expected at least two images of each class and 20 % of them to cover all classes; "
            "give test images."
        ) from error
    return np.sort(train), np.sort(test)


def _load_digits() -> ImageData:
    """Returns scikit-learn's 1,797 digits of 8x8 pixels, resized to 28x28; 360 of them are test images."""
    from PIL import Image
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    inked = (images.reshape(-1, 8, 8) * (255 / 16)).round().astype(np.uint8)  # full ink is 16 there
    size = (readers.IMAGE_SIZE, readers.IMAGE_SIZE)
    resized = np.stack(
        [np.asarray(Image.fromarray(x).resize(size, Image.Resampling.BICUBIC)) for x in inked]
    )
    train, test = _stratified_split(labels, 360)
    splits = readers.Splits(resized[train], labels[train], resized[test], labels[test])
    return _image_data(splits, _DIGITS, "digits", "scikit-learn")
