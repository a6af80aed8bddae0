"""Turns the labels of a source, numbers or names, into class ids and class names."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from mnist_keras._validation import InputError

MAX_CLASSES = (
    256  # of a dataset whose labels are names; more are probably not classes, but row numbers
)


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
        parts: The labels of each split, the training split's first: integers or strings of shape `(n,)`, or None.
        where: The source, for errors.
        class_names: The name of each class, if they are known: strings are looked up in them, numbers are ids. If None,
            the labels themselves are the names.

    Returns:
        The ids, int64, and the class names.

    Raises:
        InputError: If a label is missing, negative or not whole, or there are too many classes.
    """
    if class_names is None:
        found = [None if part is None else _distinct(part, where) for part in parts]
        names = order(name for part in found if part is not None for name in part[0])
    else:
        names = tuple(class_names)
        numbers = [part is None or part.dtype.kind in "iu" for part in parts]
        if all(numbers):
            return [None if part is None else part.astype(np.int64) for part in parts], names
        found = [None if part is None else _distinct(part, where) for part in parts]
    if class_names is None and len(names) > MAX_CLASSES:
        raise InputError(
            f"{where} has {len(names):,} different labels, from {names[0]} to {names[-1]}. Expected at most "
            f"{MAX_CLASSES} classes."
        )
    return [None if part is None else _ids(*part, names, where) for part in found], names


def _distinct(labels: np.ndarray, where: object) -> tuple[list[str], np.ndarray]:
    """Returns the different labels as strings, and the place of each label among them; 3 and " 3" are the same."""
    labels = np.asarray(labels)
    if labels.dtype.kind == "f" and (labels == np.round(labels)).all():  # MATLAB's
        labels = labels.astype(np.int64)
    if labels.dtype.kind not in "iuUS" or labels.ndim != 1:
        raise InputError(
            f"{where} has labels of dtype {labels.dtype} and shape {labels.shape}. Expected integers or strings, "
            "one for each image."
        )
    if labels.dtype.kind in "iu":
        if len(labels) and labels.min() < 0:
            raise InputError(f"{where} has the label {labels.min()}. Expected 0 or above.")
    else:
        labels = np.char.strip(labels.astype(str))
        if (labels == "").any():
            row = int((labels == "").argmax())
            raise InputError(f"{where} has no label in row {row}. Expected a label in each row.")
    distinct, places = np.unique(labels, return_inverse=True)
    return [str(name) for name in distinct], places.ravel()


def _ids(
    distinct: list[str], places: np.ndarray, names: tuple[str, ...], where: object
) -> np.ndarray:
    if unknown := sorted(set(distinct) - set(names)):
        raise InputError(
            f"{where} has the label {unknown[0]!r}. Expected one of: {', '.join(names)}."
        )
    return np.array([names.index(name) for name in distinct], np.int64)[places]
