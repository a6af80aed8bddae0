"""Evaluates a model on labeled images."""

from collections.abc import Iterator, Sequence

import keras
import numpy as np

from mnist_keras._validation import InputError, check_images, check_labels, invalid
from mnist_keras.data.datasets import ImageData
from mnist_keras.data.records import Records
from mnist_keras.evaluation.metrics import Evaluation, evaluate_predictions
from mnist_keras.inference.prediction import BATCH_SIZE, predict_probabilities
from mnist_keras.models.inspection import check_input_shape


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
    """Evaluates a model on labelled images.

    Args:
        model: A classifier of grey images.
        images: Array of shape `(n, height, width)` or `(n, height, width, 1)`: uint8, or floats in [0, 1]; or
            `Records`, which are read batch by batch.
        labels: Integer array of shape `(n,)`; None with records, which have theirs.
        class_names: Name of each class; if None, those of the records, or their numbers.
        dataset: Name of the data set, for the report; that of the records if it is empty.
        split: Name of the split, for the report.
        shift: Pixels by which views are shifted, over which probabilities are averaged; 0 for the images alone, see
            `predict_probabilities`. The split of the evaluation then says so.

    Returns:
        Accuracy with its interval, per-class scores, calibration and the confusion matrix.

    Raises:
        InputError: If images or labels are not legal.

    Example:
        evaluation = evaluate(model, data.test_images, data.test_labels)
        print(evaluation.report())
    """
    if isinstance(images, Records):
        dataset = dataset or images.name
        if class_names is None:
            class_names = _names_for(model, images.class_names)
    parts = list(_predict_labelled(model, images, labels, shift))
    return evaluate_predictions(
        np.concatenate([labels for labels, _ in parts]),
        np.concatenate([probabilities for _, probabilities in parts]),
        class_names=class_names,
        dataset=dataset,
        split=f"{split}, views shifted by {shift}" if shift else split,
    )


def measure_accuracy(model: keras.Model, images, labels=None) -> float:
    """Returns the share of right answers; takes what `evaluate` takes and keeps nothing of it in memory."""
    num_correct = num_images = 0
    for true, probabilities in _predict_labelled(model, images, labels):
        num_correct += int((probabilities.argmax(axis=1) == true).sum())
        num_images += len(true)
    return num_correct / num_images


def _predict_labelled(model, images, labels, shift=0) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields labels and class probabilities, batch by batch if the images are records."""
    if not isinstance(images, Records):
        images = check_images(images)
    elif labels is not None:
        received = type(labels).__name__
        raise invalid("labels", expected="None with records, which have theirs", received=received)
    check_input_shape(model, images.shape[1:])
    num_classes = model.output_shape[-1]
    if not isinstance(images, Records):
        labels = check_labels(labels, num_examples=len(images), num_classes=num_classes)
        yield labels, predict_probabilities(model, images, shift=shift)
        return
    for start in range(0, len(images), BATCH_SIZE):
        part, labels = images.read(range(start, min(start + BATCH_SIZE, len(images))))
        check_labels(labels, num_classes=num_classes)
        yield labels, predict_probabilities(model, part, shift=shift)


def evaluate_test(model: keras.Model, data: ImageData, *, shift: int = 0) -> Evaluation:
    """Evaluates a model on the test images of a data set, which may have fewer classes than the model.

    Raises:
        InputError: If the images or the labels are not those of the model.
    """
    check_input_shape(model, data.test_images.shape[1:])
    num_classes, names = model.output_shape[-1], _names_for(model, data.class_names)
    labels = None  # those of records are checked as they are read
    if not isinstance(data.test_images, Records):
        labels = check_labels(data.test_labels, num_examples=len(data.test_images))
    highest = 0 if labels is None else labels.max(initial=0)
    if highest >= num_classes:
        raise InputError(
            f"The model {model.name!r} has {num_classes} classes, and {data.name} has a test image of class "
            f"{highest} ({data.class_names[highest]}). Expected labels in [0, {num_classes - 1}]: choose data with the "
            "classes that the model was trained on, or another model."
        )
    return evaluate(
        model,
        data.test_images,
        labels,
        class_names=names,
        dataset=data.name,
        shift=shift,
    )


def _names_for(model, names):
    """Returns a name for each class of the model; numbers where the data has fewer."""
    num_classes = model.output_shape[-1]
    return (*names, *map(str, range(len(names), num_classes)))[:num_classes]
