"""Labels as a source has them, numbers or names, become class ids and class names."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from mnist_keras._validation import InputError

MAX_CLASSES = 256  # of a dataset whose labels are names; more are no classes, but row numbers, say


def order(names: Iterable[str]) -> tuple[str, ...]:
    """Returns names without repetitions: numbers by value, and others in alphabetical order."""
    distinct = set(names)
    if all(name.isdecimal() for name in distinct):
        return tuple(sorted(distinct, key=lambda name: (int(name), name)))
    return tuple(sorted(distinct))


def name_classes(
    parts: Sequence[Any], *, where: object, class_names: Sequence[str] | None = None
) -> tuple[list[np.ndarray | None], tuple[str, ...]]:
    """Turns the labels of several splits into class ids.

    Args:
        parts: The labels of each split, the training split's first: whole numbers or strings of shape `(n,)`, or None.
        where: The source, for errors.
        class_names: The name of each class, if they are known: strings are looked up in them, numbers are ids. If None,
            the labels themselves are the names.

    Returns:
        The ids, int64, and the class names.

    Raises:
        InputError: If a label is missing, negative or not whole, or there are too many classes.
    """
    if class_names is not None:
        names = tuple(class_names)
        return [
            part if part is None or part.dtype.kind in "iu" else _ids(part, names, where)
            for part in parts
        ], names
    texts = [None if part is None else _texts(part, where) for part in parts]
    names = order(name for text in texts if text is not None for name in np.unique(text))
    if len(names) > MAX_CLASSES:
        raise InputError(
            f"{where} has {len(names):,} different labels, from {names[0]} to {names[-1]}. Expected at most "
            f"{MAX_CLASSES} classes."
        )
    return [None if text is None else _ids(text, names, where) for text in texts], names


def _texts(labels: np.ndarray, where: object) -> np.ndarray:
    """Returns labels as strings: 3 and "3" are the same, and so are "3" and " 3"."""
    labels = np.asarray(labels)
    if labels.dtype.kind == "f" and (labels == np.round(labels)).all():  # MATLAB's
        labels = labels.astype(np.int64)
    if labels.dtype.kind in "iu" and labels.ndim == 1:
        if len(labels) and labels.min() < 0:
            raise InputError(f"{where} has the label {labels.min()}. Expected 0 or above.")
        return labels.astype(str)
    if labels.dtype.kind not in "US" or labels.ndim != 1:
        raise InputError(
            f"{where} has labels of dtype {labels.dtype} and shape {labels.shape}. Expected whole numbers or strings, "
            "one for each image."
        )
    stripped = np.char.strip(labels.astype(str))
    if (stripped == "").any():
        raise InputError(
            f"{where} has no label in row {int((stripped == '').argmax())}. Expected one in each row."
        )
    return stripped


def _ids(texts: np.ndarray, names: tuple[str, ...], where: object) -> np.ndarray:
    distinct, places = np.unique(texts.astype(str), return_inverse=True)
    if unknown := sorted(set(distinct.tolist()) - set(names)):
        raise InputError(
            f"{where} has the label {unknown[0]!r}. Expected one of: {', '.join(names)}."
        )
    return np.array([names.index(name) for name in distinct], np.int64)[places.ravel()]
