"""`ImageData`: training and test images together, and how it is made from arrays and splits."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mnist_keras._html import escape, table
from mnist_keras._validation import InputError, check_flags, check_number, check_seed, invalid
from mnist_keras.data.augmentation.strokes import StrokesBeside, make_strokes
from mnist_keras.data.preview import DataSummary, summarize
from mnist_keras.data.records import Records
from mnist_keras.data.splits import Split, as_split, as_splits, parts_of

HELD_OUT_SHARE = 0.2  # of the training images, if there are no labeled test images
SHOWN_NAMES = 10  # of classes, when data is printed in a notebook
MAX_CLASSES = 256  # in a dataset; a label is a byte in IDX files
DIGITS = tuple("0123456789")  # the classes of drawn digits


@dataclass(frozen=True, eq=False)
class ImageData:
    """Training and test images.

    It unpacks like a dataset from `keras.datasets`: `(x_train, y_train), (x_test, y_test) = load_data("mnist")`.

    Attributes:
        train: The training images.
        test: The test images; may be empty or unlabeled.
        name: The dataset's name, or the path that it was read from.
        source: The format that it was read from, such as "idx" or "csv"; or "tfds", "keras", "scikit-learn", "memory"
            or "records".
        sha256: SHA-256 of each array as a raw IDX file, by the array's name; a fingerprint for records.
        validation: The validation images; None if the source has none.
        files: The user's files that were read.
        left_out: The user's files that were skipped.
    """

    train: Split
    test: Split
    name: str
    source: str
    sha256: Mapping[str, str]
    validation: Split | None = None
    files: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()

    @property
    def train_images(self) -> np.ndarray:
        """Array of shape `(n, height, width)`, light ink on a dark background in the known datasets."""
        return self.train.images

    @property
    def train_labels(self) -> np.ndarray:
        """`int64` array of shape `(n,)`."""
        return self.train.labels

    @property
    def test_images(self) -> np.ndarray:
        """Array of shape `(m, height, width)`; m is 0 if there are none."""
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
        """The shape of one image as a model's input: `(height, width, 1)`."""
        return self.train.input_shape

    @property
    def headline(self) -> str:
        """The dataset in one line."""
        facts = self._facts()
        validation = "" if self.validation is None else f", {len(self.validation):,} validation"
        return (
            f"{self.name}: {facts['training images']} training{validation} and {facts['test images']} test images of "
            f"{facts['pixels']} pixels, {self.num_classes} classes, from {self.source}"
        )

    @property
    def splits(self) -> dict[str, Split]:
        """The splits by name: "train", "validation" if there is one, and "test"."""
        found = {"train": self.train, "validation": self.validation, "test": self.test}
        return {part: split for part, split in found.items() if split is not None}

    def summary(self) -> DataSummary:
        """Examines all images.

        Returns:
            Counts, ranges, polarity, empty and repeated images, images that are in both training and test, and the
            files that were read. Print it to see a report.
        """
        return summarize(
            self.splits,
            headline=self.headline,
            name=self.name,
            source=self.source,
            files=self.files,
            left_out=self.left_out,
        )

    def __repr__(self) -> str:
        return f"ImageData({self.headline})"

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
        """Returns itself if it has labeled test images; otherwise splits off 20% of the training images as test images.

        The split is stratified by class, and the same every time.
        """
        if len(self.test) and self.test.is_labeled:
            return self
        if not len(self.train):
            raise InputError(
                f"{self.name} holds {len(self.test)} images without labels. Expected labels, to "
                "train or to evaluate on; in a table, in a column named label, class, target or y."
                + (f" Not read: {', '.join(self.left_out[:SHOWN_NAMES])}." if self.left_out else "")
            )
        labels = self.train.labels
        if len(rare := np.flatnonzero(np.bincount(labels) == 1)):
            shown = ", ".join(self.class_names[label] for label in rare[:SHOWN_NAMES])
            raise InputError(
                f"{self.name} has only one image of the class {shown}, and no test images. Expected test images with "
                "labels, or at least two images of every class, so that some can be held out."
            )
        train, test = stratified_split(labels, round(HELD_OUT_SHARE * len(labels)))
        split = make_image_data(
            self.train.take(train), self.train.take(test), name=self.name, source=self.source
        )
        return replace(split, validation=self.validation, files=self.files, left_out=self.left_out)

    def with_class_names(self, class_names: Sequence[str]) -> "ImageData":
        """Returns the data with labels that index these names, if they include all of the data's class names."""
        splits = {part: split.with_class_names(class_names) for part, split in self.splits.items()}
        validation = splits.get("validation")
        return replace(self, train=splits["train"], test=splits["test"], validation=validation)

    def with_strokes(self, share: float, *, seed: int = 0, streamed: bool = False) -> "ImageData":
        """Returns the data with drawn digits added to the training images, in American and European handwriting, with
        flagged 1s and crossed 7s, which are rare in MNIST.

        One core draws about 1,800 digits in a second. They come before the other training images, so a recipe that
        validates on the last training images does not validate on them.

        Args:
            share: The drawn digits' share of the training images: at least 0 and less than 1.
            seed: Seed of the drawings.
            streamed: Whether each digit is drawn when a training step needs it, in a thread beside the training. They
                are the same digits, with no wait before and no memory. Always so beside images on disk.

        Raises:
            InputError: If the share is invalid, or the data are not 28x28 images of the ten digits; uint8, if
                streamed.
        """
        if check_number("share", share, minimum=0) >= 1:
            raise invalid(
                "share", expected="a number of at least 0 and less than 1", received=share
            )
        check_flags(streamed=streamed)
        seed, train = check_seed(seed), self.train
        streamed = streamed or not train.in_memory
        is_bytes = train.read(range(min(1, len(train))))[0].dtype == np.uint8
        drawable = train.shape[1:] == (28, 28) and train.class_names == DIGITS
        if not drawable or (streamed and not is_bytes):
            raise InputError(
                f"{self.name} cannot be mixed with drawn digits. Expected images of 28x28 pixels of the classes "
                f"0 to 9{', uint8 to be streamed' if drawable else ''}. Received: {train!r}."
            )
        count = round(len(train) * share / (1 - share))
        if not count:
            return self
        name = f"{self.name} and strokes"
        if streamed:
            more: Split = Records(StrokesBeside(train, count, seed), class_names=DIGITS, name=name)
        else:
            drawn, ways = make_strokes(seed, 0, count)
            drawn = drawn if is_bytes else drawn / np.float32(255)
            labels = np.concatenate([[way.digit for way in ways], train.labels])
            more = as_split(np.concatenate([drawn, train.images]), labels, class_names=DIGITS)
        mixed = make_image_data(more, self.test, name=name, source=self.source)
        return replace(mixed, validation=self.validation, files=self.files, left_out=self.left_out)

    def to_evaluate_on(self) -> "ImageData":
        """Returns itself if it has labeled test images; otherwise all labeled images become test images.

        This is for a model that was not trained on any of them. For one that was, see `with_test_split`.
        """
        if (len(self.test) and self.test.is_labeled) or not len(self.train):
            return self.with_test_split()
        return replace(self, train=self.train.take(()), test=self.train)


def make_image_data(train: Split, test: Split, *, name: str, source: str) -> ImageData:
    """Returns training and test images as `ImageData`, with their hashes.

    Raises:
        InputError: If the two differ in image shape or in classes.
    """
    _check_one_shape(name, train, test, "test")
    if train.class_names != test.class_names:
        raise invalid(
            "data",
            expected=f"training and test images of the same classes ({', '.join(train.class_names)})",
            received=", ".join(test.class_names),
        )
    return ImageData(train, test, name, source, train.sha256("train") | test.sha256("test"))


def _check_one_shape(name: str, train: Split, other: Split, part: str) -> None:
    if train.shape[1:] != other.shape[1:]:
        raise InputError(
            f"{name} holds training images of shape {train.shape[1:]} and {part} images of "
            f"shape {other.shape[1:]}. Expected the same shape."
        )


def from_arrays(
    train_images: Any,
    train_labels: Any,
    test_images: Any = None,
    test_labels: Any = None,
    class_names: Sequence[str] | None = None,
    validation_images: Any = None,
    validation_labels: Any = None,
    *,
    name: str,
    source: str,
    may_be_empty: bool = False,
) -> ImageData:
    """Checks arrays and returns them as data; without test images, the test split is empty.

    Args:
        train_images: As `as_split` takes them, and the other arrays likewise.
        train_labels: Integer array of shape `(n,)`, or strings.
        test_images: None for no test images.
        test_labels: None for unlabeled test images.
        class_names: A name for each label; if None, the labels' own if they are strings, else "0", "1", ... up to the
            highest label.
        validation_images: None for no validation images.
        validation_labels: None for no validation images.
        name: Name of the data.
        source: Where it is from.
        may_be_empty: Whether having no training images is allowed, as in a file of unlabeled images.

    Raises:
        InputError: If an array is invalid, or the arrays do not match.
    """
    parts = {"train": (train_images, train_labels)}
    if validation_images is not None:
        parts["validation"] = validation_images, validation_labels
    if test_images is not None:
        parts["test"] = test_images, test_labels
    splits = as_splits(
        parts,
        name=name,
        class_names=class_names,
        max_classes=MAX_CLASSES,
        may_be_empty=may_be_empty,
    )
    train, validation = splits["train"], splits.get("validation")
    if validation is not None:
        _check_one_shape(name, train, validation, "validation")
    data = make_image_data(train, splits.get("test", train.take(())), name=name, source=source)
    return replace(data, validation=validation)


def as_image_data(data: Any) -> ImageData:
    """Returns data in memory or on disk as `ImageData` with labeled test images; `train` checks its data here.

    Args:
        data: An `ImageData`; `(images, labels)`; one object with images and labels, see `to_examples`; `(train, test)`,
            where each is a `Split` such as `Records`, `(images, labels)` or such an object; or a dictionary of these by
            split.

    Raises:
        InputError: If it is anything else, or invalid.
    """
    if isinstance(data, ImageData):
        return data.with_test_split()
    parts = parts_of(data)
    if not any(isinstance(images, Split) for images, _ in parts.values()):
        arrays = [parts[part] for part in ("train", "test") if part in parts]
        flat = [array for pair in arrays for array in pair]
        more = dict(
            zip(
                ("validation_images", "validation_labels"),
                parts.get("validation", ()),
                strict=False,
            )
        )
        return from_arrays(*flat, **more, name="arrays", source="memory").with_test_split()
    named = next(images for images, _ in parts.values() if isinstance(images, Split))
    splits = {
        part: as_split(*pair, name=named.name, class_names=named.class_names, part=part)
        for part, pair in parts.items()
    }
    test = splits.get("test", splits["train"].take(()))
    made = make_image_data(splits["train"], test, name=named.name, source="records")
    return replace(made, validation=splits.get("validation")).with_test_split()


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
