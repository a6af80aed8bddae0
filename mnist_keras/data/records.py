"""Images on disk that are read by row number, for data larger than memory.

Random access is all that training batches need: which images a batch holds is a function of (seed, step, row).
"""

import hashlib
import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from mnist_keras._validation import (
    InputError,
    check_class_names,
    check_flags,
    check_integer,
    invalid,
)
from mnist_keras.data.splits import Split

READ_AT_ONCE = 1024  # records; decoded one by one, they lie in memory as Python objects until then
FINGERPRINTED = 1024  # records at most that the fingerprint reads


class Records(Split):
    """Labeled gray images in a source with random access, which are read only when needed.

    Args:
        source: An object with `len(source)`, and `source[row]`, or `source.__getitems__(rows)` for many rows at once.
            Its elements are dictionaries with "image" and "label", or pairs `(image, label)`. All images are uint8 and
            have one shape, `(height, width)` or `(height, width, 1)`; labels are integers from 0. A data source of
            TensorFlow Datasets works, and so does a list. It is read from several threads, but only one at a time.
        class_names: The name of each label; "0" to "9" if None.
        name: Name of the records in reports and errors.
        transposed: Whether the images are stored transposed, as in EMNIST; they are returned upright.
        first_label: The lowest label in the source; labels are returned from 0.

    Attributes:
        class_names: The name of each label.
        name: Name of the records.
        input_shape: The shape of one image as a model's input: `(height, width, 1)`.

    Raises:
        InputError: If the source has no random access or is empty, or its first record is not such an image and label.
    """

    def __init__(
        self,
        source: Any,
        *,
        class_names: Iterable[str] | None = None,
        name: str = "records",
        transposed: bool = False,
        first_label: int = 0,
    ):
        readable = hasattr(source, "__getitem__") or hasattr(source, "__getitems__")
        if not (hasattr(source, "__len__") and readable) or isinstance(source, Mapping | str):
            raise invalid(
                "source",
                expected="an object with len(source), and source[row] or source.__getitems__(rows)",
                received=type(source).__name__,
                hint="open_records() returns one from ArrayRecord files.",
            )
        if not len(source):
            raise invalid("source", expected="at least one record", received="none")
        check_flags(transposed=transposed)
        self.name = name
        self.class_names = check_class_names(
            class_names, num_classes=10 if class_names is None else None
        )
        self._source, self._length = source, len(source)
        self._transposed, self._first_label = transposed, first_label
        self._lock = threading.Lock()  # the same in `without_last`
        first, _ = self._split(0, self._fetch([0])[0])
        self._stored_shape = first.shape
        height, width = first.shape[1::-1] if transposed else first.shape[:2]
        self._image_shape = (height, width)

    @property
    def shape(self) -> tuple[int, int, int]:  # type: ignore[override]
        """The shape of all images together: `(n, height, width)`."""
        return (self._length, *self._image_shape)

    def read(self, rows: Iterable[int]) -> tuple[np.ndarray, np.ndarray]:
        """Reads records.

        Args:
            rows: Their numbers, in any order.

        Returns:
            Images, uint8 of shape `(len(rows), height, width)`, and labels, int64 of shape `(len(rows),)`.

        Raises:
            InputError: If a record does not exist, cannot be read, or is not an image and a label of this dataset.
        """
        numbers = [int(row) for row in rows]
        for row in (min(numbers, default=0), max(numbers, default=0)):
            if not 0 <= row < len(self):
                raise invalid("rows", expected=f"numbers in [0, {len(self) - 1}]", received=row)
        images = np.empty((len(numbers), *self._image_shape), np.uint8)
        labels = np.empty(len(numbers), np.int64)
        for start in range(0, len(numbers), READ_AT_ONCE):
            part = numbers[start : start + READ_AT_ONCE]
            for place, (row, element) in enumerate(
                zip(part, self._fetch(part), strict=True), start=start
            ):
                image, labels[place] = self._split(row, element)
                if image.shape != (shape := self._stored_shape):
                    raise self._bad(
                        row, f"shape {shape}, like the first record", f"shape={image.shape}"
                    )
                image = image.reshape(image.shape[:2])
                images[place] = image.T if self._transposed else image
        return images, labels

    def without_last(self, count: int) -> "Records":
        """Returns the records without the last `count`."""
        check_integer("count", count, minimum=0, maximum=len(self) - 1)
        rest = object.__new__(type(self))
        vars(rest).update(vars(self), _length=len(self) - count)
        return rest

    def sha256(self, part: str) -> dict[str, str]:
        """Returns a fingerprint, so that a resumed run recognizes its data.

        It covers the number and the shape of the images, and the pixels and labels of at most 1,024 of them, spread
        evenly from the first to the last. Reading all of them would take as long as an epoch.
        """
        rows = np.linspace(0, len(self) - 1, min(len(self), FINGERPRINTED)).round()
        images, labels = self.read(rows)
        digest = hashlib.sha256(repr((len(self), images.shape)).encode())
        digest.update(images.tobytes())
        digest.update(labels.astype("<i8").tobytes())
        return {f"{part}_records": digest.hexdigest()}

    def _fetch(self, rows: list[int]) -> Sequence[Any]:
        """Returns the source's elements; a source can raise anything."""
        try:
            many = getattr(self._source, "__getitems__", None)
            with self._lock:
                elements = many(rows) if many else [self._source[row] for row in rows]
            count = len(elements)
        except Exception as error:
            raise InputError(
                f"{self.name} cannot be read: {type(error).__name__} at one of the records {min(rows)} to {max(rows)} "
                f"({error})."
            ) from error
        if count != len(rows):
            expected = f"{len(rows)} elements from __getitems__ for as many rows"
            raise invalid(f"records of {self.name}", expected=expected, received=count)
        return elements

    def _split(self, row: int, element: Any) -> tuple[np.ndarray, int]:
        """Returns an element's image as it is stored and its label from 0."""
        try:
            image, label = (
                (element["image"], element["label"]) if isinstance(element, Mapping) else element
            )
        except (KeyError, TypeError, ValueError) as error:
            received = list(element) if isinstance(element, Mapping) else type(element).__name__
            expected = '{"image": ..., "label": ...} or (image, label)'
            raise self._bad(row, expected, received) from error
        try:
            image, label = np.asarray(image), np.asarray(label)
        except ValueError as error:  # nested lists of unequal lengths
            raise self._bad(row, "rows of equal length", str(error).rstrip(".")) from error
        if image.dtype != np.uint8 or image.shape[2:] not in ((), (1,)) or image.ndim < 2:
            expected = "a gray image: uint8 of shape (height, width) or (height, width, 1)"
            received = f"shape={image.shape}, dtype={image.dtype}"
            hint = "Convert colors to gray when you write the files."
            raise self._bad(row, expected, received, hint if image.shape[2:] == (3,) else "")
        whole, low = label.ndim == 0 and label.dtype.kind in "iu", self._first_label
        number = int(label) - low if whole else -1
        if not 0 <= number < self.num_classes:
            raise self._bad(
                row,
                f"an integer label in [{low}, {low + self.num_classes - 1}]",
                f"shape={label.shape}, dtype={label.dtype}" if label.ndim else repr(label.tolist()),
                f"There are {self.num_classes} class_names.",
            )
        return image, number

    def _bad(self, row, expected, received, hint=""):
        text = f"Invalid record {row} of {self.name}. Expected {expected}. Received: {received}."
        return InputError(f"{text} {hint}" if hint else text)
