"""Converts labeled images in other libraries' objects to arrays: pandas, PyTorch, JAX, tf.data, the Hub's datasets.

The libraries are not imported; their objects are recognized by their methods.
"""

import io
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from mnist_keras._arrays import fold_rows, to_array
from mnist_keras._validation import invalid
from mnist_keras.data.readers.names import IMAGES, is_row_number, label_column
from mnist_keras.data.readers.pictures import decode

MAX_IMAGES = 10_000_000  # of a tf.data.Dataset whose length is not known; TinyImages-like sets have 80 million
_INFINITE = -1  # what tf.data calls the cardinality of a dataset without an end
_MISSING = {"None", "nan", "<NA>", "NaT"}  # how pandas and Python write a cell without a value


class Examples(NamedTuple):
    """Images and labels as arrays; labels may be strings, and None. Class names if the object has them."""

    images: Any
    labels: Any = None
    class_names: tuple[str, ...] | None = None


def to_examples(images: Any, labels: Any = None, *, name: str = "images") -> Examples:
    """Returns images and labels as arrays, or unchanged so that `check_images` and `check_labels` reject them.

    Args:
        images: Anything that holds images, and labels too if `labels` is None.
        labels: Anything that holds labels, or None.
        name: The argument's name, for errors.

    Raises:
        InputError: If it is an object of a known kind, and its content is not usable.
    """
    examples = Examples(images, labels) if labels is not None else _unpack(images, name)
    pixels = _pixels(examples.images, name)
    found = None if examples.labels is None else _labels(examples.labels)
    if found is not None and isinstance(pixels, np.ndarray):
        pixels = fold_rows(pixels, len(found) if found.ndim else 0)
    return Examples(pixels, found, examples.class_names)


def holds_labels(data: Any) -> bool:
    """Tells whether an object can hold labels as well as images."""
    if _is_frame(data):
        return label_column(map(str, data.columns)) is not None and len(data.columns) > 1
    return hasattr(data, "as_numpy_iterator") or isinstance(data, Mapping) or _has_rows(data)


def _unpack(data: Any, name: str) -> Examples:
    """Splits an object that may also hold labels."""
    if hasattr(data, "train") and hasattr(data, "test") and hasattr(data, "num_classes"):
        raise invalid(
            name,
            expected="images and labels, or one split",
            received=type(data).__name__,
            hint="Pass a split of it, for example data.test.",
        )
    if hasattr(data, "as_numpy_iterator"):
        return _from_tf_data(data, name)
    if _is_frame(data):
        label = label_column(map(str, data.columns))
        return Examples(data) if label is None else Examples(data.drop(columns=label), data[label])
    if isinstance(data, Mapping):
        return _from_columns(data, name)
    if _has_rows(data):
        return _from_rows(data, name)
    return Examples(data)


def _is_frame(data: Any) -> bool:
    return hasattr(data, "columns") and hasattr(data, "to_numpy")


def _pixels(images: Any, name: str) -> Any:
    """Returns a DataFrame's pixels as an array; anything else unchanged."""
    if hasattr(images, "tocsr"):
        raise invalid(
            name,
            expected="an array",
            received="a sparse matrix",
            hint=f"Convert it with {name}.toarray().",
        )
    if not _is_frame(images):
        return images if isinstance(images, Sequence | np.ndarray) else _as_array(images)
    return _pixels_of_frame(images, name)


def _pixels_of_frame(images: Any, name: str) -> np.ndarray:
    """Returns the images of a DataFrame, which has a column for each pixel, or one of pictures."""
    if pictures := [
        column
        for column, dtype in images.dtypes.items()
        if str(column).lower() in IMAGES and dtype.kind == "O"
    ]:
        return _from_rows(images[pictures[:1]].to_dict("records"), name).images
    columns = [column for column in images.columns if not is_row_number(column)]
    frame = (
        images if math.isqrt(len(images.columns)) ** 2 == len(images.columns) else images[columns]
    )
    side = math.isqrt(frame.shape[1])
    if side**2 != frame.shape[1]:
        raise invalid(
            name,
            expected="a column for each pixel of a square image, 784 of 28x28",
            received=f"{frame.shape[1]} columns",
        )
    if objects := [
        str(column) for column, dtype in frame.dtypes.items() if dtype.kind not in "biuf"
    ]:
        raise invalid(
            name,
            expected="columns of numbers",
            received=f"{len(objects)} columns with other types, the first {objects[0]!r}",
            hint=f"Convert strings and objects to numbers with {name}.apply(pd.to_numeric).",
        )
    types = set(frame.dtypes)
    # Plain integers are never missing, and checking them would take as much memory as they do.
    may_miss = any(not isinstance(dtype, np.dtype) or dtype.kind == "f" for dtype in types)
    if may_miss and (missing := int(frame.isna().any(axis=1).sum())):
        whole = f"{name}.notna().all(axis=1)"
        raise invalid(
            name,
            expected="a number in every cell",
            received=f"NaN in {missing} of {len(frame)} rows",
            hint=f"Drop these rows and their labels: {name}[{whole}], labels[{whole}].",
        )
    pixels = frame.to_numpy()
    if pixels.dtype.kind == "O":  # of the types that pandas and Arrow add to NumPy's
        pixels = frame.to_numpy(np.float32)
    return pixels.reshape(-1, side, side)


def _as_array(values: Any) -> Any:
    """Returns an object of another library as an array, if it can become one."""
    try:
        return to_array(values) if hasattr(values, "__array__") else values
    except (RuntimeError, TypeError, ValueError):  # `check_images` says why
        return values


def _labels(labels: Any) -> np.ndarray:
    """Returns labels as an array of numbers or strings, or unchanged, for `check_labels` to reject."""
    if hasattr(labels, "as_numpy_iterator"):
        raise invalid(
            "labels",
            expected="None with a tf.data.Dataset of images and labels",
            received="a tf.data.Dataset",
        )
    if _is_frame(labels):
        labels = labels.to_numpy()
    try:
        array = to_array(labels)
    except (RuntimeError, TypeError, ValueError) as error:
        received = f"{type(labels).__name__} ({str(error).rstrip('.')})"
        raise invalid("labels", expected="an array", received=received) from error
    if array.dtype.kind == "O" and array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.dtype.kind == "O" and array.size and all(isinstance(x, str) for x in array.ravel()):
        return array.astype(str)
    if array.dtype.kind == "O" and (missing := sum(str(x) in _MISSING for x in array.ravel())):
        raise invalid(
            "labels",
            expected="a label for every image",
            received=f"none for {missing} of {len(array)}",
        )
    if array.dtype.kind == "O" and all(isinstance(x, int | np.integer) for x in array.ravel()):
        return array.astype(np.int64)
    if array.dtype.kind == "O":
        kinds = sorted({type(x).__name__ for x in array.ravel()})
        raise invalid(
            "labels", expected="integers or strings", received=f"objects: {', '.join(kinds)}"
        )
    if array.dtype.kind == "f" and np.isnan(array).any():
        missing = int(np.isnan(array).sum())
        raise invalid(
            "labels",
            expected="a label for every image",
            received=f"NaN for {missing} of {len(array)}",
        )
    return array


def _from_columns(data: Mapping[str, Any], name: str) -> Examples:
    """Splits a mapping of columns: `sklearn.utils.Bunch`, or `{"image": ..., "label": ...}`."""
    label = label_column([str(key) for key in data if str(key) != "target_names"])
    keys = [key for key in ("data", *sorted(IMAGES)) if key in data and key != label]
    if not keys:
        raise invalid(
            name,
            expected="a mapping with the keys image and label, or data and target",
            received=", ".join(map(str, data)) or "an empty mapping",
        )
    return Examples(data[keys[0]], None if label is None else data[label])


def _has_rows(data: Any) -> bool:
    """Tells whether something is a sequence whose rows are an image and a label each."""
    if isinstance(data, str | np.ndarray | tuple) or hasattr(data, "__array__"):
        return False
    if not (hasattr(data, "__len__") and hasattr(data, "__getitem__") and len(data)):
        return False
    try:
        first = data[0]
    except (KeyError, IndexError, TypeError):
        return False
    if isinstance(first, Mapping):
        return True
    return isinstance(first, tuple) and len(first) == 2 and np.ndim(first[1]) == 0


def _from_rows(data: Any, name: str) -> Examples:
    """Reads rows one by one: the Hub's datasets, PyTorch's, lists of dictionaries."""
    first = data[0]
    image_key: Any = 0
    label_key: Any = 1
    if isinstance(first, Mapping):
        label_key = label_column(map(str, first))
        image_key = next(
            (key for key in first if str(key).lower() in IMAGES and key != label_key), None
        )
        if image_key is None:
            raise invalid(
                name,
                expected="rows with the keys image and label",
                received=", ".join(map(str, first)),
            )
    images: Any = None
    labels = []
    for i in range(len(data)):  # by number: not every such object ends an iteration
        row = data[i]
        image = _picture(row[image_key])
        if images is None:
            images = np.empty((len(data), *image.shape), image.dtype)
        if image.shape != images.shape[1:] or image.dtype != images.dtype:
            raise invalid(
                name,
                expected=f"images of the same size and type as the first: {images.shape[1:]}, {images.dtype}",
                received=f"{image.shape}, {image.dtype} in row {i}",
            )
        images[i] = image
        if label_key is not None:
            labels.append(row[label_key])
    if images.ndim == 4 and images.shape[1] == 1:  # as PyTorch's transforms give them
        images = images[:, 0]
    names = (
        getattr(getattr(data, "features", {}).get(label_key), "names", None)
        if isinstance(first, Mapping)
        else None
    )
    return Examples(
        images, labels if label_key is not None else None, tuple(names) if names else None
    )


def _picture(image: Any) -> np.ndarray:
    """Returns an image as an array; a picture that is still encoded, as the Hub's files have it, is decoded."""
    content = image.get("bytes") if isinstance(image, Mapping) else image
    return decode(io.BytesIO(content)) if isinstance(content, bytes) else to_array(image)


def _from_tf_data(data: Any, name: str) -> Examples:
    """Reads a `tf.data.Dataset` of batches or of single images, into arrays that grow where its length is not known."""
    cardinality = int(data.cardinality())
    if cardinality == _INFINITE:
        raise invalid(
            name,
            expected="a finite tf.data.Dataset",
            received="one that repeats forever",
            hint="Take as many elements as you want: dataset.take(n).",
        )
    batched = _is_batched(data.element_spec)
    images = _Growing(name)
    labels: list[np.ndarray] = []
    for element in data.as_numpy_iterator():
        part = _element(element, name)
        pixels = part.images if batched else np.asarray(part.images)[None]
        images.append(
            pixels, expected=cardinality * len(pixels) if cardinality > 0 else len(pixels)
        )
        if part.labels is not None:
            labels.append(part.labels if batched else np.asarray(part.labels)[None])
    if images.array is None:
        raise invalid(name, expected="at least one image", received="an empty tf.data.Dataset")
    found = np.concatenate(labels) if labels else None
    if found is not None and found.dtype.kind in "OS":
        found = np.char.decode(found.astype(bytes), "utf-8")
    return Examples(images.array[: images.count], found)


def _is_batched(spec: Any) -> bool:
    part = _element(spec, "dataset")
    if part.labels is not None:
        return len(part.labels.shape) > 0
    rank = len(part.images.shape)
    return rank == 4 or (rank == 3 and part.images.shape[-1] not in (1, 3))


def _element(element: Any, name: str) -> Examples:
    if isinstance(element, Mapping):
        return _from_columns(element, name)
    if isinstance(element, tuple | list):
        if len(element) not in (2, 3):  # the third is a weight
            raise invalid(
                name, expected="pairs of an image and a label", received=f"{len(element)} parts"
            )
        return Examples(element[0], element[1])
    return Examples(element)


class _Growing:
    """An array that grows in place."""

    def __init__(self, name: str):
        self.array: np.ndarray | None = None
        self.count = 0
        self._name = name

    def append(self, part: np.ndarray, *, expected: int) -> None:
        if self.array is None:
            self.array = np.empty((min(expected, MAX_IMAGES), *part.shape[1:]), part.dtype)
        if part.shape[1:] != self.array.shape[1:]:
            raise invalid(
                self._name,
                expected=f"images of the same size as the first: {self.array.shape[1:]}",
                received=part.shape[1:],
            )
        needed = self.count + len(part)
        if needed > MAX_IMAGES:
            raise invalid(
                self._name,
                expected=f"a tf.data.Dataset of at most {MAX_IMAGES:,} images",
                received="more",
                hint="Take as many elements as you want, dataset.take(n), or write records, see open_records().",
            )
        if needed > len(self.array):
            size = min(max(needed, len(self.array) * 3 // 2), MAX_IMAGES)
            self.array.resize((size, *self.array.shape[1:]), refcheck=False)
        self.array[self.count : needed] = part
        self.count = needed
