"""One type for labeled images, in memory or on disk.

A split has a length, a shape, classes and rows that can be read. Only the code that makes batches looks at `in_memory`,
to gather whole epochs at once.
"""

import abc
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from mnist_keras._validation import (
    InputError,
    check_images,
    check_integer,
    check_labels,
    invalid,
)
from mnist_keras.data.catalog import idx_sha256
from mnist_keras.data.readers.labels import name_classes
from mnist_keras.data.readers.names import LABELS, kind_of, split_of
from mnist_keras.data.readers.objects import holds_labels, to_examples

MAX_LABEL = 65_535  # of any images; a higher number is probably a row number, not a class


class Split(abc.ABC):
    """Labeled gray images of one size.

    Attributes:
        name: What the images are called in reports and errors.
        class_names: The name of each label.
        shape: The shape of all images together: `(n, height, width)`.
        in_memory: Whether `images` and `labels` are arrays already.
    """

    in_memory = False
    name: str
    class_names: tuple[str, ...]
    shape: tuple[int, int, int]

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        n, height, width = self.shape
        name = f"{self.name}: " if self.name else ""
        labels = f"{self.num_classes} classes" if self.is_labeled else "no labels"
        return f"{type(self).__name__}({name}{n:,} images of {height}x{width} pixels, {labels})"

    @property
    def num_classes(self) -> int:
        """The number of classes."""
        return len(self.class_names)

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """The shape of one image as a model's input: `(height, width, 1)`."""
        return (*self.shape[1:], 1)

    @property
    def is_labeled(self) -> bool:
        """Whether the images have labels."""
        return True

    @property
    def images(self) -> np.ndarray:
        """All images, of shape `(n, height, width)`; a split on disk reads them all."""
        return self.read(range(len(self)))[0]

    @property
    def labels(self) -> np.ndarray:
        """All labels, int64 of shape `(n,)`; a split on disk reads all images for them."""
        return self.read(range(len(self)))[1]

    @abc.abstractmethod
    def read(self, rows: Iterable[int]) -> tuple[np.ndarray, np.ndarray]:
        """Reads rows.

        Args:
            rows: Their numbers, in any order.

        Returns:
            Images of shape `(len(rows), height, width)`, uint8, or float32 in [0, 1]; and labels, int64 of shape
            `(len(rows),)`.

        Raises:
            InputError: If a row does not exist or cannot be read.
        """

    @abc.abstractmethod
    def without_last(self, count: int) -> "Split":
        """Returns the same images without the last `count`."""

    @abc.abstractmethod
    def sha256(self, part: str) -> dict[str, str]:
        """Returns hashes of the content by name; the names begin with `part`."""

    def with_class_names(self, class_names: Sequence[str]) -> "Split":
        """Returns the images with labels that index these names, for example the class names of a model.

        Returns the split itself if it has a name that is not among them, or is on disk.
        """
        names = tuple(class_names)
        if names == self.class_names or not set(self.class_names) <= set(names):
            return self
        if not self.in_memory:
            return self
        places = np.array([names.index(name) for name in self.class_names], np.int64)
        labels = places[self.labels] if self.is_labeled else None
        return ArraySplit(self.images, labels, names, self.name)

    def for_classes(self, num_classes: int) -> "Split":
        """Returns the images with the labels of a model that has more classes.

        If all class names are numbers below the model's number of classes, as in a folder with only the digits 3 and 5,
        they are the model's labels.
        """
        return self.with_class_names(tuple(map(str, range(num_classes))))

    def take(self, rows: Sequence[int] | np.ndarray) -> "ArraySplit":
        """Returns some rows, in memory."""
        images, labels = self.read(rows)
        return ArraySplit(images, labels, self.class_names, self.name)


class ArraySplit(Split):
    """Images in memory; `as_split` checks arrays and makes one.

    Args:
        images: Array of shape `(n, height, width)`: uint8, or float32 in [0, 1].
        labels: int64 array of shape `(n,)`; None for unlabeled images.
        class_names: The name of each label.
        name: What the images are called.
    """

    in_memory = True

    def __init__(
        self,
        images: np.ndarray,
        labels: np.ndarray | None,
        class_names: tuple[str, ...],
        name: str = "",
    ):
        self._images, self._labels = images, labels
        self.class_names, self.name = class_names, name

    @property
    def shape(self) -> tuple[int, int, int]:  # type: ignore[override]
        n, height, width = self._images.shape
        return n, height, width

    @property
    def is_labeled(self) -> bool:
        return self._labels is not None

    @property
    def images(self) -> np.ndarray:
        return self._images

    @property
    def labels(self) -> np.ndarray | None:  # type: ignore[override]
        return self._labels

    def read(self, rows: Iterable[int]) -> tuple[np.ndarray, np.ndarray]:
        if isinstance(rows, range) and rows.step == 1:  # a view, not a copy
            index: Any = slice(rows.start, rows.stop)
        else:
            index = np.fromiter(rows, np.int64)
        labels = self._labels if self._labels is None else self._labels[index]
        return self._images[index], labels  # type: ignore[return-value]

    def without_last(self, count: int) -> "ArraySplit":
        check_integer("count", count, minimum=0, maximum=len(self) - 1)
        return self.take(range(len(self) - count))

    def sha256(self, part: str) -> dict[str, str]:
        arrays = {f"{part}_images": self._images, f"{part}_labels": self._labels}
        return {key: idx_sha256(x) for key, x in arrays.items() if x is not None and len(x)}


def as_split(
    images: Any,
    labels: ArrayLike | None = None,
    *,
    name: str = "",
    class_names: Sequence[str] | None = None,
    part: str = "",
) -> Split:
    """Returns labeled images as a split; this is the one place that checks them.

    Args:
        images: A split, which has its labels; an array of shape `(n, height, width)` or `(n, height, width, 1)`, uint8,
            or floats in [0, 1]; or an object that converts to such arrays, see `to_examples`.
        labels: Integer array of shape `(n,)`, or strings; None with a split, or an object that has labels.
        name: Name of arrays in reports.
        class_names: A name for each label of arrays. If None, strings become class names in order, and integers get the
            names "0", "1", ... up to the highest.
        part: Name of the arguments in errors: "train" for `train_images` and `train_labels`.

    Raises:
        InputError: If the images or labels are invalid.
    """
    prefix = f"{part}_" if part else ""
    if isinstance(images, Split):
        if labels is not None:
            raise invalid(
                f"{prefix}labels",
                expected="None with a split, which has its labels",
                received=type(labels).__name__,
            )
        return images
    return as_splits({part: (images, labels)}, name=name, class_names=class_names)[part]


def as_splits(
    parts: Mapping[str, tuple[Any, Any]],
    *,
    name: str = "",
    class_names: Sequence[str] | None = None,
    max_classes: int = MAX_LABEL + 1,
    may_be_empty: bool = False,
) -> "dict[str, ArraySplit]":
    """Returns images in memory as splits of the same classes, checked.

    Args:
        parts: Images and labels by the prefix of the arguments, "train" first. Test images may have no labels.
        name: Their name in reports.
        class_names: See `as_split`.
        max_classes: Labels must be lower than this.
        may_be_empty: Whether an array without images is allowed.

    Raises:
        InputError: If images or labels are invalid.
    """
    arrays: dict[str, tuple[np.ndarray, np.ndarray | None]] = {}
    for part, (images, labels) in parts.items():
        prefix = f"{part}_" if part else ""
        examples = to_examples(images, labels, name=f"{prefix}images")
        class_names = examples.class_names if class_names is None else class_names
        pixels = check_images(examples.images, name=f"{prefix}images", may_be_empty=may_be_empty)
        arrays[part] = pixels, examples.labels
    if any(labels is not None and labels.dtype.kind in "US" for _, labels in arrays.values()):
        all_labels = [labels for _, labels in arrays.values()]
        ids, class_names = name_classes(
            all_labels, where=name or "`labels`", class_names=class_names
        )
        arrays = {
            part: (pixels, part_ids)
            for (part, (pixels, _)), part_ids in zip(arrays.items(), ids, strict=True)
        }
    limit = max_classes if class_names is None else len(class_names)
    for part, (pixels, labels) in arrays.items():
        if labels is not None or part != "test":
            prefix = f"{part}_" if part else ""
            checked = check_labels(
                labels, num_examples=len(pixels), num_classes=limit, name=f"{prefix}labels"
            )
            arrays[part] = pixels, checked
    if class_names is None:
        highest = max(int(x.max(initial=-1)) for _, x in arrays.values() if x is not None)
        class_names = tuple(map(str, range(highest + 1)))
    names = tuple(map(str, class_names))
    return {part: ArraySplit(*pair, names, name) for part, pair in arrays.items()}


def parts_of(data: Any) -> dict[str, tuple[Any, Any]]:
    """Takes data in memory or on disk apart, into images and labels by split, "train" first; see `as_image_data`."""
    if isinstance(data, Mapping) and len(data) and all(split_of(str(key)) for key in data):
        return _named_parts(data)
    if holds_labels(data):
        return {"train": (data, None)}
    try:
        first, second = data
    except (TypeError, ValueError) as error:
        raise _no_data(data) from error
    if holds_labels(first) or _is_pair(first) or _holds_images(second):
        return {"train": _pair(first, data), "test": _pair(second, data)}
    return {"train": (first, second)}


def _named_parts(data: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Takes a dictionary of splits, or of their arrays: "x_train", "train_labels" and so on."""
    parts: dict[str, tuple[Any, Any]] = {}
    for key, value in data.items():
        split, kind = str(split_of(str(key))), kind_of(str(key))
        images, labels = parts.get(split, (None, None))
        if kind is None:
            parts[split] = _pair(value, data)
        else:
            parts[split] = (value, labels) if kind == "images" else (images, value)
    if "train" not in parts:
        raise invalid(
            "data",
            expected="training images, under the key train, or x_train and y_train",
            received=f"a dictionary with the keys {', '.join(map(str, data))}",
        )
    return {part: parts[part] for part in ("train", "validation", "test") if part in parts}


def _is_pair(part: Any) -> bool:
    """Tells whether something is a pair of images and labels rather than a list of images."""
    return isinstance(part, Split) or (isinstance(part, tuple | list) and len(part) == 2)


def _holds_images(part: Any) -> bool:
    """Tells whether the second of two parts is a split with images rather than the labels of the first."""
    return isinstance(part, Split) or (_is_pair(part) and getattr(part[0], "ndim", 0) >= 2)


def _pair(part: Any, data: Any) -> tuple[Any, Any]:
    if isinstance(part, Split) or holds_labels(part):
        return part, None
    try:
        images, labels = part
    except (TypeError, ValueError) as error:
        raise _no_data(data) from error
    return images, labels


def _no_data(data: Any) -> InputError:
    received = type(data).__name__
    if isinstance(data, tuple | list):
        received = f"({', '.join(type(x).__name__ for x in data)})"
    hint = ""
    if hasattr(data, "columns"):
        hint = f"Name the column of the labels as one of: {', '.join(sorted(LABELS - {'classes', 'targets'}))}."
    if hasattr(data, "dataset"):
        hint = "Pass what a DataLoader reads, its dataset: loader.dataset."
    return invalid(
        "data",
        expected="a name, a path, an ImageData, (images, labels) or (train, test), where each is "
        "(images, labels) or Records; or an object of both, such as a tf.data.Dataset",
        received=received,
        hint=hint,
    )
