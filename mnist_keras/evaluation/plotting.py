"""Draws what an evaluation found: each plot is one matplotlib `Axes`, and none needs a display.

The colours are told apart by colour-blind readers, and none carries a meaning that the text lacks.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import MaxNLocator, PercentFormatter
from numpy.typing import ArrayLike

from mnist_keras._files import replace_file
from mnist_keras._validation import (
    check_class_names,
    check_images,
    check_integer,
    check_labels,
    check_predictions,
    check_probabilities,
    invalid,
)
from mnist_keras.evaluation.calibration import calibration_bins, expected_calibration_error
from mnist_keras.evaluation.metrics import Evaluation, wilson_interval

BLUE, VERMILION = "#0072B2", "#D55E00"  # Okabe and Ito, 2008, "Color Universal Design"
WIDTH, DPI = 8.0, 100  # inches, dots an inch: 800 pixels wide, what a README shows
GRID_COLUMNS, GRID_IMAGES = 6, 24
PITCH = 1.34  # height of an image with two lines of text, in image widths
MIN_FONT, MAX_FONT = 5.5, 10.0  # points; smaller is not legible at 100 dots an inch
MAX_NAME = 18  # characters of a class name that are shown
COLOUR_EXPONENT = 0.4  # below 1, so that a few errors show beside a thousand hits
HISTORY_LINES = (("", "training", BLUE, "o-"), ("val_", "validation", VERMILION, "s--"))


def plot_confusion_matrix(
    labels: ArrayLike,
    predictions: ArrayLike,
    *,
    class_names: Iterable[str] | None = None,
    normalize: bool = False,
    ax: Axes | None = None,
) -> Axes:
    """Draws the confusion matrix: rows are true classes, columns predicted ones; 0 is left blank.

    Args:
        labels: Integer array of shape `(n,)`.
        predictions: Classes of shape `(n,)`, or probabilities of shape `(n, num_classes)`.
        class_names: A name for each class, or None for "0", "1", ...
        normalize: Whether to show percentages of the true class instead of counts.
        ax: Where to draw; None makes a figure of its own, `ax.figure`.
    """
    from sklearn.metrics import confusion_matrix

    labels, predictions, names = _check_classes(labels, predictions, class_names)
    matrix = confusion_matrix(labels, predictions, labels=np.arange(len(names))).astype(float)
    text = np.char.mod("%d", matrix)
    if normalize:
        matrix *= 100 / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
        text = np.char.replace(np.char.mod("%.1f", matrix), "100.0", "100")
    text[matrix == 0] = ""
    unit = "% of the true class" if normalize else "counts"
    ax = _axes(ax, height=WIDTH * min(0.4 + 0.06 * len(names), 1))
    # Points across one cell, when the tick labels have taken a fifth of the room.
    cell = 0.8 * 72 * min(ax.bbox.width, ax.bbox.height) / ax.figure.dpi / len(names)
    font = min(1.2 * MAX_FONT, 1.5 * cell / np.char.str_len(text).max())
    annotated = bool(font >= MIN_FONT)
    sns.heatmap(
        matrix,
        annot=text if annotated else None,
        fmt="",
        annot_kws={"fontsize": font},
        cmap="Blues",
        norm=PowerNorm(COLOUR_EXPONENT, vmin=0, vmax=matrix.max()),
        square=True,
        linewidths=0.5,
        linecolor="0.9",
        cbar=not annotated,
        cbar_kws={"shrink": 0.7, "label": unit},
        ax=ax,
    )
    tick_font = float(np.clip(0.8 * cell, MIN_FONT, MAX_FONT))
    shown = [_shorten(name) for name in names]
    slanted = max(map(len, shown)) * 0.6 * tick_font > cell
    ticks = np.arange(len(names)) + 0.5
    ax.set_xticks(ticks, shown, fontsize=tick_font, rotation=45 if slanted else 0)
    for label in ax.get_xticklabels() if slanted else ():
        label.set(ha="right", rotation_mode="anchor")
    ax.set_yticks(ticks, shown, fontsize=tick_font, rotation=0)
    ax.tick_params(length=0)
    errors = np.count_nonzero(labels != predictions)
    ax.set_title(f"Confusion matrix ({unit}), errors: {errors:,} of {len(labels):,}")
    ax.set(xlabel="predicted class", ylabel="true class")
    return ax


def plot_history(history: Mapping[str, Sequence[float]], *, ax: Axes | None = None) -> Axes:
    """Draws loss and accuracy, in training and validation, over the epochs.

    Args:
        history: A list with a value for each epoch, by name: "loss", "accuracy", "val_loss" and
            "val_accuracy", as in `keras.callbacks.History.history`. Others are left out.
        ax: Where to draw; None makes a figure of its own, `ax.figure`.

    Returns:
        The frame of the plot; the panels of loss and accuracy are its `child_axes`.
    """
    measures = [measure for measure in ("loss", "accuracy") if len(history.get(measure, ()))]
    if not measures:
        raise invalid(
            "history",
            expected='the values of "loss" or "accuracy", one for each epoch',
            received=", ".join(history) or "nothing",
        )
    ax = _axes(ax, height=3.6)
    ax.set_axis_off()
    gap = 0.14  # of the width, for the tick labels of the second panel
    width = (1 + gap) / len(measures) - gap
    for index, measure in enumerate(measures):
        panel = ax.inset_axes((index * (width + gap), 0, width, 1))
        for prefix, name, colour, style in HISTORY_LINES:
            values = history.get(prefix + measure, ())
            if len(values):
                panel.plot(range(1, len(values) + 1), values, style, c=colour, label=name, ms=4)
        panel.set_title(measure, fontsize=MAX_FONT)
        panel.set_xlabel("epoch")
        panel.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        if measure == "accuracy":
            panel.yaxis.set_major_formatter(PercentFormatter(1.0))
        panel.legend(loc="upper right" if measure == "loss" else "lower right", frameon=False)
        panel.grid(alpha=0.3)
        sns.despine(ax=panel)
    return ax


def plot_predictions(
    images: ArrayLike,
    probabilities: ArrayLike,
    *,
    labels: ArrayLike | None = None,
    class_names: Iterable[str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draws the first 24 images with predicted class, its probability and the true class.

    Args:
        images: Array of shape `(n, height, width)` or `(n, height, width, 1)`, `uint8` or float.
        probabilities: Float array of shape `(n, num_classes)`; rows sum to 1.
        labels: Integer array of shape `(n,)`, or None where the true classes are unknown.
        class_names: A name for each class, or None for "0", "1", ...
        ax: Where to draw; None makes a figure of its own, `ax.figure`.
    """
    grid = _check_grid(images, probabilities, labels, class_names)
    ax = _draw_grid(grid, np.arange(len(grid.images))[:GRID_IMAGES], ax)
    ax.set_title("Predicted class and its probability" + ("" if labels is None else ", true class"))
    return ax


def plot_errors(
    images: ArrayLike,
    labels: ArrayLike,
    probabilities: ArrayLike,
    *,
    class_names: Iterable[str] | None = None,
    max_errors: int = GRID_IMAGES,
    ax: Axes | None = None,
) -> Axes:
    """Draws the `max_errors` wrong predictions of highest probability, of what `plot_predictions` takes."""
    max_errors = check_integer("max_errors", max_errors, minimum=1)
    labels = check_labels(labels)
    grid = _check_grid(images, probabilities, labels, class_names)
    errors = worst_errors(labels, grid.probabilities)
    shown = errors[:max_errors]
    ax = _draw_grid(grid, shown, ax)
    title = f"Most confident errors: {len(shown)} of {len(errors):,}"
    ax.set_title(title if len(shown) else f"No errors in {len(grid.images):,} images")
    return ax


def worst_errors(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Returns the rows of the wrong predictions, that of highest probability first."""
    errors = np.flatnonzero(probabilities.argmax(axis=1) != labels)
    return errors[np.argsort(-probabilities[errors].max(axis=1), kind="stable")]


def plot_reliability(
    labels: ArrayLike, probabilities: ArrayLike, *, ax: Axes | None = None
) -> Axes:
    """Draws accuracy against confidence in 15 bins, with 95 % Wilson intervals.

    Bars on the diagonal are a calibrated classifier's, bars below it an overconfident one's.

    Args:
        labels: Integer array of shape `(n,)`, values in `[0, num_classes)`.
        probabilities: Float array of shape `(n, num_classes)`; rows sum to 1.
        ax: Where to draw; None makes a figure of its own, `ax.figure`.
    """
    confidence, accuracy, count = calibration_bins(labels, probabilities)
    ax = _axes(ax, height=5.0)
    width = 1 / len(count)
    filled = np.flatnonzero(count)
    centres = (filled + 0.5) * width
    hits = np.rint(accuracy[filled] * count[filled]).astype(int)
    intervals = [wilson_interval(*pair) for pair in zip(hits, count[filled], strict=True)]
    ax.bar(centres, accuracy[filled], width, color=BLUE, alpha=0.35, edgecolor=BLUE)
    ax.vlines(confidence[filled], *zip(*intervals, strict=True), color=VERMILION, linewidth=2)
    label = "accuracy at the mean confidence, 95% interval"
    ax.plot(confidence[filled], accuracy[filled], "o", color=VERMILION, label=label)
    ax.plot([0, 1], [0, 1], "--", color="0.3", label="perfect calibration")
    ax.set(xlim=(0, 1), ylim=(0, 1.03), xlabel="confidence", ylabel="accuracy")
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter(PercentFormatter(1.0))
    images = ax.secondary_xaxis("top")
    images.set_xticks(centres, [f"{count[i]:,}" for i in filled], fontsize=8)
    images.tick_params(length=0)
    images.set_xlabel("images in the bin", fontsize=9)
    error = expected_calibration_error(labels, probabilities)
    ax.set_title(f"Reliability: expected calibration error {error:.4f}", pad=12)
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.13), ncols=2, frameon=False, fontsize=9)
    return ax


def save_plots(
    directory: str | Path,
    *,
    history: Mapping[str, Sequence[float]] | None,
    images: ArrayLike,
    evaluation: Evaluation,
) -> list[Path]:
    """Writes every plot of an evaluation as a PNG file and returns the paths.

    Args:
        directory: Made if it does not exist.
        history: As `plot_history` takes it, or None for no such plot.
        images: The images that were evaluated, in their order.
        evaluation: What `evaluate_predictions` returned for them.
    """
    labels, probabilities = evaluation.labels, evaluation.probabilities
    names = evaluation.class_names
    draw_matrix = partial(plot_confusion_matrix, labels, probabilities, class_names=names)
    plots = {
        "confusion_matrix": draw_matrix(),
        "confusion_matrix_normalized": draw_matrix(normalize=True),
        "predictions": plot_predictions(images, probabilities, labels=labels, class_names=names),
        "errors": plot_errors(images, labels, probabilities, class_names=names),
        "reliability": plot_reliability(labels, probabilities),
    }
    if history is not None:
        plots["history"] = plot_history(history)
    paths = [Path(directory, f"{name}.png") for name in plots]
    for path, ax in zip(paths, plots.values(), strict=True):
        with replace_file(path) as temporary:
            ax.figure.canvas.print_figure(temporary)
    return paths


def _axes(ax: Axes | None, *, height: float) -> Axes:
    """Returns `ax`, or the axes of a new figure of standard width and `height` inches."""
    if ax is not None:
        return ax
    layout = ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.08)  # inches to the edge
    figure = _Figure(figsize=(WIDTH, height), dpi=DPI, layout=layout)
    FigureCanvasAgg(figure)  # measures text and writes PNG without pyplot's global state
    ax = figure.add_subplot()
    figure.draw_without_rendering()  # lays the axes out, so that its size can be asked
    return ax


class _Figure(Figure):
    """A figure that a notebook shows; IPython by itself knows only those of pyplot."""

    def _repr_png_(self) -> bytes:
        self.savefig(png := BytesIO(), format="png")
        return png.getvalue()


class _Grid(NamedTuple):
    images: np.ndarray
    probabilities: np.ndarray
    labels: np.ndarray | None
    names: tuple[str, ...]


def _draw_grid(grid: _Grid, shown: np.ndarray, ax: Axes | None) -> Axes:
    images, probabilities, labels, names = grid
    columns = min(GRID_COLUMNS, len(shown))
    rows = max(-(-len(shown) // GRID_COLUMNS), 0.5)  # without images there is only the title
    ax = _axes(ax, height=(WIDTH - 0.2) / GRID_COLUMNS * PITCH * rows + 0.3)
    cell = ax.bbox.width / GRID_COLUMNS  # pixels
    font = float(np.clip(72 * cell / ax.figure.dpi / 10, MIN_FONT, MAX_FONT))
    high = 255 if images.dtype == np.uint8 else 1
    for place, index in enumerate(shown):
        row, column = divmod(place, GRID_COLUMNS)
        height, width = np.array(images.shape[1:]) / max(images.shape[1:]) * 0.92 / 2
        x, y = column + 0.5, row * PITCH + 0.46
        extent = (x - width, x + width, y + height, y - height)
        ax.imshow(images[index], extent=extent, cmap="gray", vmin=0, vmax=high)
        predicted = probabilities[index].argmax()
        caption = f"{_shorten(names[predicted])} ({probabilities[index].max():.0%})"
        wrong = labels is not None and labels[index] != predicted
        if labels is not None:
            caption += f"\ntrue: {_shorten(names[labels[index]])}"
        text = ax.text(x, y + 0.5, caption, fontsize=font, ha="center", va="top")
        text.set(color=VERMILION if wrong else "black", weight="bold" if wrong else "normal")
        text.set_fontsize(font * min(1, 0.94 * cell / text.get_window_extent().width))
    left = (columns - GRID_COLUMNS) / 2  # fewer images than columns stay in the middle
    ax.set(xlim=(left, left + GRID_COLUMNS), ylim=(rows * PITCH, 0))
    ax.set_axis_off()
    return ax


def _shorten(name: str) -> str:
    return name if len(name) <= MAX_NAME else f"{name[: MAX_NAME - 1]}…"


def _check_classes(labels, predictions, class_names) -> tuple[np.ndarray, np.ndarray, tuple]:
    names = None if class_names is None else tuple(class_names)
    known = None if names is None else len(names)
    labels = check_labels(labels, num_classes=known)
    if not len(labels):
        raise invalid("labels", expected="at least one label", received="none")
    columns = np.shape(predictions)[1] if np.ndim(predictions) == 2 else 2
    predictions = check_predictions(predictions, num_examples=len(labels), num_classes=known)
    seen = max(columns, int(labels.max()) + 1, int(predictions.max()) + 1)
    return labels, predictions, check_class_names(names, num_classes=known or seen)


def _check_grid(images, probabilities, labels, class_names) -> _Grid:
    images = check_images(images)
    probabilities = check_probabilities(probabilities)
    n, k = probabilities.shape
    if len(images) != n:
        expected = f"{n} images, as many as predictions"
        raise invalid("images", expected=expected, received=len(images))
    if labels is not None:
        labels = check_labels(labels, num_examples=n, num_classes=k)
    return _Grid(images, probabilities, labels, check_class_names(class_names, num_classes=k))
