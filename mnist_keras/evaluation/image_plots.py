"""Plots of images with a model's answers."""

from __future__ import annotations  # help() shows the names of types, not what they stand for

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from mnist_keras._files import replace_file
from mnist_keras._validation import (
    check_class_names,
    check_images,
    check_integer,
    check_labels,
    check_probabilities,
    invalid,
)
from mnist_keras.data.splits import Split
from mnist_keras.evaluation.figures import MAX_FONT, MIN_FONT, VERMILION, WIDTH, new_axes, shorten
from mnist_keras.evaluation.metrics import Evaluation

GRID_COLUMNS, GRID_IMAGES = 6, 24
SHEET_IMAGES, SHEET_CLASSES = 10, 62  # of a class, and classes; EMNIST's largest set has as many
GAP = 3  # pixels between images
PITCH = 1.34  # height of an image with two lines of text, in image widths


def plot_predictions(
    images: ArrayLike,
    probabilities: ArrayLike,
    *,
    labels: ArrayLike | None = None,
    class_names: Iterable[str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draws the first 24 images with the predicted class, its probability and the true class.

    Args:
        images: Array of shape `(n, height, width)` or `(n, height, width, 1)`, `uint8` or float.
        probabilities: Float array of shape `(n, num_classes)`; rows sum to 1.
        labels: Integer array of shape `(n,)`, or None if the true classes are unknown.
        class_names: A name for each class, or None for "0", "1", ...
        ax: Axes to draw into; if None, a new figure, `ax.figure`.
    """
    images, scored = _check_scored(images, probabilities, labels, class_names)
    return draw_predictions(images[:GRID_IMAGES], scored, ax)


def plot_errors(
    images: ArrayLike,
    labels: ArrayLike,
    probabilities: ArrayLike,
    *,
    class_names: Iterable[str] | None = None,
    max_errors: int = GRID_IMAGES,
    ax: Axes | None = None,
) -> Axes:
    """Draws the `max_errors` wrong predictions with the highest probability; see `plot_predictions` for arguments."""
    max_errors = check_integer("max_errors", max_errors, minimum=1)
    images, scored = _check_scored(images, probabilities, labels, class_names, labeled=True)
    errors = worst_errors(scored.labels, scored.probabilities)
    return draw_errors(images[errors[:max_errors]], scored, errors, ax)


def worst_errors(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Returns the rows of the wrong predictions, highest probability first."""
    errors = np.flatnonzero(probabilities.argmax(axis=1) != labels)
    return errors[np.argsort(-probabilities[errors].max(axis=1), kind="stable")]


def save_contact_sheet(path: Path, split: Split) -> None:
    """Draws the first ten images of each class, one class in each row; without labels, just the first images."""
    names: tuple[str, ...] = ("",)
    labels = split.labels if split.is_labeled else np.zeros(len(split), int)
    if split.is_labeled:
        names = split.class_names[:SHEET_CLASSES]
    height, width = split.shape[1:]
    sheet = np.full((len(names) * (height + GAP) - GAP, SHEET_IMAGES * (width + GAP) - GAP), np.nan)
    for row in range(len(names)):
        images = split.read(np.flatnonzero(labels == row)[:SHEET_IMAGES])[0]
        for column, image in enumerate(images):
            top, left = row * (height + GAP), column * (width + GAP)
            sheet[top : top + height, left : left + width] = image
    ax = new_axes(None, height=WIDTH * sheet.shape[0] / sheet.shape[1] * 0.85 + 0.4)
    ax.imshow(sheet, cmap="gray", vmin=0, vmax=255 if np.nanmax(sheet) > 1 else 1)
    ax.set_xticks([])
    ax.set_yticks(np.arange(len(names)) * (height + GAP) + height / 2, map(shorten, names))
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    title = f"{split.name}: first {SHEET_IMAGES} images of each class"
    if split.is_labeled and split.num_classes > len(names):
        title += f", {split.num_classes - len(names)} classes not shown"
    ax.set_title(title)
    with replace_file(path) as temporary:
        ax.figure.savefig(temporary, format="png")  # type: ignore[union-attr]  # of a new figure


class _Scored(NamedTuple):
    """A model's answers, checked; an `Evaluation` has them, too."""

    probabilities: np.ndarray
    labels: Any  # an array; None if they are unknown
    class_names: tuple[str, ...]


def draw_predictions(
    images: np.ndarray, scored: _Scored | Evaluation, ax: Axes | None = None
) -> Axes:
    """Draws the images of the first rows of what was scored."""
    ax = _draw_grid(images, scored, range(len(images)), ax)
    known = ", true class" if scored.labels is not None else ""
    ax.set_title(f"Predicted class and its probability{known}")
    return ax


def draw_errors(
    images: np.ndarray, scored: _Scored | Evaluation, errors: np.ndarray, ax: Axes | None = None
) -> Axes:
    """Draws the images of the first of `errors`, which are rows of what was scored."""
    ax = _draw_grid(images, scored, errors[: len(images)], ax)
    title = f"Most confident errors: {len(images)} of {len(errors):,}"
    ax.set_title(title if len(images) else f"No errors in {len(scored.labels):,} images")
    return ax


def _draw_grid(images, scored, rows_of_images, ax) -> Axes:
    columns = min(GRID_COLUMNS, len(images))
    rows = max(-(-len(images) // GRID_COLUMNS), 0.5)  # without images there is only the title
    ax = new_axes(ax, height=(WIDTH - 0.2) / GRID_COLUMNS * PITCH * rows + 0.3)
    cell = ax.bbox.width / GRID_COLUMNS  # pixels
    font = float(np.clip(72 * cell / ax.figure.dpi / 10, MIN_FONT, MAX_FONT))
    high = 255 if images.dtype == np.uint8 else 1
    for place, (image, index) in enumerate(zip(images, rows_of_images, strict=True)):
        row, column = divmod(place, GRID_COLUMNS)
        height, width = np.array(images.shape[1:]) / max(images.shape[1:]) * 0.92 / 2
        x, y = column + 0.5, row * PITCH + 0.46
        extent = (x - width, x + width, y + height, y - height)
        ax.imshow(image, extent=extent, cmap="gray", vmin=0, vmax=high)
        predicted = scored.probabilities[index].argmax()
        name, share = scored.class_names[predicted], scored.probabilities[index, predicted]
        caption, wrong = f"{shorten(name)} ({share:.0%})", False
        if scored.labels is not None:
            label = scored.labels[index]
            caption += f"\ntrue: {shorten(scored.class_names[label])}"
            wrong = label != predicted
        text = ax.text(x, y + 0.5, caption, fontsize=font, ha="center", va="top")
        text.set(color=VERMILION if wrong else "black", weight="bold" if wrong else "normal")
        text.set_fontsize(font * min(1, 0.94 * cell / text.get_window_extent().width))
    left = (columns - GRID_COLUMNS) / 2  # fewer images than columns stay in the middle
    ax.set(xlim=(left, left + GRID_COLUMNS), ylim=(rows * PITCH, 0))
    ax.set_axis_off()
    return ax


def _check_scored(
    images, probabilities, labels, class_names, *, labeled=False
) -> tuple[np.ndarray, _Scored]:
    images = check_images(images)
    probabilities = check_probabilities(probabilities)
    n, k = probabilities.shape
    if len(images) != n:
        expected = f"{n} images, as many as predictions"
        raise invalid("images", expected=expected, received=len(images))
    if labeled or labels is not None:
        labels = check_labels(labels, num_examples=n, num_classes=k)
    names = check_class_names(class_names, num_classes=k)
    return images, _Scored(probabilities, labels, names)
