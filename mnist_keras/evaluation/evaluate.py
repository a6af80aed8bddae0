"""Evaluates a model on labeled images."""

from __future__ import annotations  # help() shows the names of types, not what they stand for

from collections.abc import Iterator, Sequence
from typing import Protocol

import keras
import numpy as np

from mnist_keras._validation import InputError, check_class_names, check_polarity
from mnist_keras.data.image_data import ImageData
from mnist_keras.data.splits import Split, as_split
from mnist_keras.evaluation.metrics import Evaluation, score
from mnist_keras.inference.prediction import BATCH_SIZE, Predictor
from mnist_keras.models.inspection import check_backend, check_input_shape


def evaluate(
    model: keras.Model,
    images,
    labels=None,
    *,
    class_names: Sequence[str] | None = None,
    dataset: str = "",
    split: str = "test",
    shift: int = 0,
) -> Evaluation:
    """Evaluates a model on labeled images.

    Args:
        model: A classifier of gray images.
        images: Array of shape `(n, height, width)` or `(n, height, width, 1)`: uint8, or floats in [0, 1]; a split,
            such as `data.test` or `Records`, which is read batch by batch; or an object that holds images, such as a
            DataFrame or a `tf.data.Dataset`.
        labels: Integer array of shape `(n,)`, or strings from `class_names`; None with a split or an object that has
            labels.
        class_names: Name of each class of the model, in its order. If None, the names of the split, or numbers. If all
            names of the split are numbers below the model's number of classes, they are used as the model's classes.
        dataset: Name of the dataset for the report; if empty, the name of the split.
        split: Name of the split for the report.
        shift: Averages the probabilities over views that are shifted by this many pixels; 0 for only the images. See
            `predict_probabilities`. The evaluation's name of the split then mentions it.

    Returns:
        Accuracy with its interval, per-class scores, calibration and the confusion matrix.

    Raises:
        InputError: If images or labels are invalid.

    Example:
        evaluation = evaluate(model, data.test_images, data.test_labels)
        print(evaluation.report())
    """
    check_backend("evaluate")
    examples = as_split(images, labels, class_names=class_names)
    check_input_shape(model, examples.shape[1:])
    if class_names is None:
        examples = examples.for_classes(model.output_shape[-1])
        class_names = _names_for(model, examples.class_names)
    else:
        examples = examples.with_class_names(class_names)
    return _evaluate(model, examples, class_names, dataset or examples.name, split, shift)


class Share(Protocol):
    """A process's share of the work of several: each takes every `count`-th batch, starting with batch `index`."""

    count: int
    index: int

    def sum(self, array: np.ndarray) -> np.ndarray:
        """Returns the sum of all processes' arrays."""


class _All:
    """The share of a single process: everything."""

    count, index = 1, 0

    def sum(self, array: np.ndarray) -> np.ndarray:
        return array


ALL = _All()


def evaluate_test(
    model: keras.Model, data: ImageData, *, shift: int = 0, share: Share = ALL
) -> Evaluation:
    """Evaluates a model on the test images of a dataset, which may have fewer classes than the model.

    Several processes that each have a share get the same evaluation, bit for bit equal to that of a single process.

    Raises:
        InputError: If the images or the labels do not fit the model.
    """
    check_backend("evaluate")
    check_input_shape(model, data.test.shape[1:])
    examples = data.test.for_classes(model.output_shape[-1])
    names = _names_for(model, examples.class_names)
    return _evaluate(model, examples, names, data.name, "test", shift, share)


def measure_accuracy(model: keras.Model, examples: Split, *, share: Share = ALL) -> float:
    """Returns the share of right answers, without keeping predictions in memory."""
    num_correct = np.zeros(1, np.int64)
    for _, true, probabilities in _predict_labeled(model, examples, share=share):
        num_correct += (probabilities.argmax(axis=1) == true).sum()
    return int(share.sum(num_correct)[0]) / len(examples)


def _evaluate(model, examples, class_names, dataset, split, shift, share=ALL) -> Evaluation:
    labels = np.zeros(len(examples), np.int64)
    probabilities = np.zeros((len(examples), model.output_shape[-1]), np.float32)
    for rows, *answers in _predict_labeled(model, examples, shift, share):
        labels[rows], probabilities[rows] = answers
    return score(
        share.sum(labels),
        share.sum(probabilities).astype(np.float64),
        check_class_names(class_names, num_classes=model.output_shape[-1]),
        dataset=dataset,
        split=f"{split}, views shifted by {shift}" if shift else split,
    )


def _predict_labeled(
    model: keras.Model, examples: Split, shift: int = 0, share: Share = ALL
) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
    """Yields the rows of a batch, their labels and class probabilities, for each batch of a share."""
    predict = Predictor(model, examples.shape[1:], shift=shift)
    num_classes = model.output_shape[-1]
    for start in range(BATCH_SIZE * share.index, len(examples), BATCH_SIZE * share.count):
        rows = slice(start, min(start + BATCH_SIZE, len(examples)))
        images, labels = examples.read(range(rows.start, rows.stop))
        if start == 0:
            check_polarity(images)
        if (highest := labels.max()) >= num_classes:
            name = examples.class_names[highest]
            name = "" if name == str(highest) else f" ({name})"
            raise InputError(
                f"The model {model.name!r} has {num_classes} classes, but {examples.name or 'the data'} has an "
                f"image of class {highest}{name}. Expected labels in [0, {num_classes - 1}]: choose data with the "
                "classes that the model was trained on, or another model."
            )
        yield rows, labels, predict(images)


def _names_for(model, names):
    """Returns a name for each class of the model; numbers if the data has fewer."""
    num_classes = model.output_shape[-1]
    return (*names, *map(str, range(len(names), num_classes)))[:num_classes]
