"""Training and test images as one: `ImageData`, and how arrays and splits become it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mnist_keras._html import escape, table
from mnist_keras._validation import InputError, check_images, check_labels, invalid
from mnist_keras.data.splits import ArraySplit, Split, as_split

HELD_OUT_SHARE = 0.2  # of the training images, where there are no labeled test images
SHOWN_NAMES = 10  # of classes, where data is printed in a notebook
MAX_CLASSES = 256  # of a dataset; a label is a byte in IDX files


@dataclass(frozen=True, eq=False)
class ImageData:
    """Training and test images.

    It unpacks as Keras's datasets do: `(x_train, y_train), (x_test, y_test) = load_data("mnist")`.

    Attributes:
        train: The training images.
        test: The test images; may be empty or unlabeled.
        name: The dataset's name, or the path that it was read from.
        source: "idx", "npz", "csv", "folder", "tfds", "keras", "scikit-learn", "memory" or "records".
        sha256: SHA-256 of each array as a raw IDX file, by the array's name; of records, their fingerprint.
    """

    train: Split
    test: Split
    name: str
    source: str
    sha256: Mapping[str, str]

    @property
    def train_images(self) -> np.ndarray:
        """Array of shape `(n, height, width)`, light ink on dark ground in the known datasets."""
        return self.train.images

    @property
    def train_labels(self) -> np.ndarray:
        """`int64` array of shape `(n,)`."""
        return self.train.labels

    @property
    def test_images(self) -> np.ndarray:
        """Array of shape `(m, height, width)`; m is 0 where there are none."""
        return self.test.images

    @property
    def test_labels(self) -> np.ndarray | None:
        """`int64` array of shape `(m,)`; None for unlabeled test images."""
        return self.test.labels if self.test.is_labeled else None

    @property
    def class_names(self) -> tuple[str, ...]:
        """The name of each label."""
        return self.train.class_names

    @property
    def num_classes(self) -> int:
        """The number of classes."""
        return self.train.num_classes

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """The shape of one image as a model takes it: `(height, width, 1)`."""
        return self.train.input_shape

    def __repr__(self) -> str:
        facts = self._facts()
        return (
            f"ImageData({self.name}: {facts['training images']} training and {facts['test images']} test images of "
            f"{facts['pixels']} pixels, {self.num_classes} classes, from {self.source})"
        )

    def _repr_html_(self) -> str:
        return table([(name, escape(fact)) for name, fact in self._facts().items()])

    def _facts(self) -> dict[str, str]:
        height, width, _ = self.input_shape
        names = ", ".join(self.class_names[:SHOWN_NAMES])
        more = ", ..." if self.num_classes > SHOWN_NAMES else ""
        return {
            "name": self.name,
            "source": self.source,
            "training images": f"{len(self.train):,}",
            "test images": f"{len(self.test):,}",
            "pixels": f"{height}x{width}",
            "classes": f"{self.num_classes}: {names}{more}",
        }

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
        yield self.train_images, self.train_labels
        yield self.test_images, self.test_labels

    def with_test_split(self) -> "ImageData":
        """Returns itself or, without labeled test images, 20% of the training images as test images.

        They are drawn in the proportions of the classes, the same ones every time.
        """
        if len(self.test) and self.test.is_labeled:
            return self
        if not len(self.train):
            raise InputError(
                f"{self.name} holds {len(self.test)} images without labels. Expected labeled ones, to "
                "train or to evaluate on; in a CSV file, a label first in every row."
            )
        labels = self.train.labels
        train, test = stratified_split(labels, round(HELD_OUT_SHARE * len(labels)))
        return make_image_data(
            self.train.take(train), self.train.take(test), name=self.name, source=self.source
        )


def make_image_data(train: Split, test: Split, *, name: str, source: str) -> ImageData:
    """Returns training and test images as one, hashed.

    Raises:
        InputError: If the two differ in shape or in classes.
    """
    if train.shape[1:] != test.shape[1:]:
        raise InputError(
            f"{name} holds training images of shape {train.shape[1:]} and test images of "
            f"shape {test.shape[1:]}. Expected one shape."
        )
    if train.class_names != test.class_names:
        raise invalid(
            "data",
            expected=f"training and test images of the same classes ({', '.join(train.class_names)})",
            received=", ".join(test.class_names),
        )
    return ImageData(train, test, name, source, train.sha256("train") | test.sha256("test"))


def from_arrays(
    train_images: Any,
    train_labels: Any,
    test_images: Any = None,
    test_labels: Any = None,
    class_names: Sequence[str] | None = None,
    *,
    name: str,
    source: str,
    may_be_empty: bool = False,
) -> ImageData:
    """Checks arrays and returns them as data; without test images, the test split is empty.

    Args:
        train_images: As `as_split` takes them, and the other arrays likewise.
        train_labels: Integer array of shape `(n,)`.
        test_images: None for no test images.
        test_labels: None for unlabeled test images.
        class_names: A name for each label; "0", "1", ... up to the highest label if None.
        name: What the data is called.
        source: Where it is from.
        may_be_empty: Whether there may be no training image, as in a file of unlabeled ones.

    Raises:
        InputError: If an array is not legal, or the arrays do not fit one another.
    """
    limit = MAX_CLASSES if class_names is None else len(class_names)
    pairs = {"train": (train_images, train_labels)}
    if test_images is not None:
        pairs["test"] = test_images, test_labels
    checked: dict[str, tuple[np.ndarray, np.ndarray | None]] = {}
    for part, (images, labels) in pairs.items():
        pixels = check_images(images, name=f"{part}_images", may_be_empty=may_be_empty)
        checked[part] = pixels, None
        if labels is not None or part == "train":
            checked[part] = (
                pixels,
                check_labels(
                    labels, num_examples=len(pixels), num_classes=limit, name=f"{part}_labels"
                ),
            )
    if class_names is None:
        highest = max(int(x.max(initial=-1)) for _, x in checked.values() if x is not None)
        class_names = tuple(map(str, range(highest + 1)))
    splits = {part: ArraySplit(*pair, tuple(class_names), name) for part, pair in checked.items()}
    train = splits["train"]
    return make_image_data(train, splits.get("test", train.take(())), name=name, source=source)


def as_image_data(data: Any) -> ImageData:
    """Returns data in memory or on disk as `ImageData` with labeled test images; the public border of `train`.

    Args:
        data: An `ImageData`; `(images, labels)`; or `(train, test)`, each of the two a `Split` such as `Records`, or
            `(images, labels)`.

    Raises:
        InputError: If it is something else, or not legal.
    """
    if isinstance(data, ImageData):
        return data.with_test_split()
    try:
        first, second = data
        in_parts = isinstance(first, Split | tuple | list) or isinstance(second, Split)
        parts = [first, second] if in_parts else [(first, second)]
        pairs = [(x, None) if isinstance(x, Split) else tuple(x) for x in parts]
        if any(len(pair) != 2 for pair in pairs):
            raise ValueError
    except (TypeError, ValueError) as error:
        received = type(data).__name__
        if isinstance(data, tuple | list):
            received = f"({', '.join(type(x).__name__ for x in data)})"
        raise invalid(
            "data",
            expected="a name, a path, an ImageData, (images, labels) or (train, test), each of the two "
            "(images, labels) or Records",
            received=received,
        ) from error
    if all(labels is not None for _, labels in pairs):
        arrays = [array for pair in pairs for array in pair]
        return from_arrays(*arrays, name="arrays", source="memory").with_test_split()
    named = next(x for x, _ in pairs if isinstance(x, Split))
    splits = [
        as_split(*pair, name=named.name, class_names=named.class_names, part=part)
        for pair, part in zip(pairs, ("train", "test"), strict=True)
    ]
    return make_image_data(*splits, name=named.name, source="records")


def stratified_split(labels: np.ndarray, test_size: int) -> tuple[np.ndarray, np.ndarray]:
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
