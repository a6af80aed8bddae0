"""Plots of an evaluation's numbers; each plot is one matplotlib `Axes`."""

from __future__ import annotations  # help() shows the names of types, not what they stand for

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.ticker import MaxNLocator, PercentFormatter
from numpy.typing import ArrayLike

from mnist_keras._files import replace_file
from mnist_keras._validation import (
    check_class_names,
    check_flags,
    check_labels,
    check_predictions,
    check_scores,
    invalid,
)
from mnist_keras.data.splits import Split
from mnist_keras.evaluation.calibration import calibration_bins, calibration_error
from mnist_keras.evaluation.figures import (
    BLUE,
    MAX_FONT,
    MIN_FONT,
    VERMILION,
    WIDTH,
    new_axes,
    shorten,
)
from mnist_keras.evaluation.image_plots import (
    GRID_IMAGES,
    draw_errors,
    draw_predictions,
    worst_errors,
)
from mnist_keras.evaluation.metrics import Evaluation, wilson_interval

COLOR_EXPONENT = 0.4  # below 1, so that a few errors show next to a thousand hits
HISTORY_LINES = (("", "training", BLUE, "o-"), ("val_", "validation", VERMILION, "s--"))


class HasHistory(Protocol):
    """The return value of Keras's `fit`, or of `train`."""

    history: Mapping[str, Sequence[float]]


def plot_confusion_matrix(
    labels: ArrayLike,
    predictions: ArrayLike,
    *,
    class_names: Iterable[str] | None = None,
    normalize: bool = False,
    ax: Axes | None = None,
) -> Axes:
    """Draws the confusion matrix: rows are true classes, columns are predicted classes, and zeros are blank.

    Args:
        labels: Integer array of shape `(n,)`.
        predictions: Classes of shape `(n,)`, or probabilities of shape `(n, num_classes)`.
        class_names: A name for each class, or None for "0", "1", ...
        normalize: Whether to show percentages of the true class instead of counts.
        ax: Axes to draw into; if None, a new figure, `ax.figure`.
    """
    from sklearn.metrics import confusion_matrix

    check_flags(normalize=normalize)
    labels, predictions, names = _check_classes(labels, predictions, class_names)
    matrix = confusion_matrix(labels, predictions, labels=np.arange(len(names)))
    return draw_confusion_matrix(matrix, names, normalize=normalize, ax=ax)


def draw_confusion_matrix(
    counts: np.ndarray, names: Sequence[str], *, normalize: bool = False, ax: Axes | None = None
) -> Axes:
    """Draws what `plot_confusion_matrix` does, from counts with true classes as rows."""
    matrix = counts.astype(float)
    text = np.char.mod("%d", matrix)
    if normalize:
        matrix *= 100 / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
        text = np.char.replace(np.char.mod("%.1f", matrix), "100.0", "100")
    text[matrix == 0] = ""
    unit = "% of the true class" if normalize else "counts"
    ax = new_axes(ax, height=WIDTH * min(0.4 + 0.06 * len(names), 1))
    # Points across one cell, once the tick labels have taken a fifth of the space.
    cell = 0.8 * 72 * min(ax.bbox.width, ax.bbox.height) / ax.figure.dpi / len(names)
    font = min(1.2 * MAX_FONT, 1.5 * cell / np.char.str_len(text).max())
    annotated = bool(font >= MIN_FONT)
    sns.heatmap(
        matrix,
        annot=text if annotated else None,
        fmt="",
        annot_kws={"fontsize": font},
        cmap="Blues",
        norm=PowerNorm(COLOR_EXPONENT, vmin=0, vmax=matrix.max()),
        square=True,
        linewidths=0.5,
        linecolor="0.9",
        cbar=not annotated,
        cbar_kws={"shrink": 0.7, "label": unit},
        ax=ax,
    )
    tick_font = float(np.clip(0.8 * cell, MIN_FONT, MAX_FONT))
    shown = [shorten(name) for name in names]
    slanted = max(map(len, shown)) * 0.6 * tick_font > cell
    ticks = np.arange(len(names)) + 0.5
    ax.set_xticks(ticks, shown, fontsize=tick_font, rotation=45 if slanted else 0)
    for label in ax.get_xticklabels() if slanted else ():
        label.set(ha="right", rotation_mode="anchor")
    ax.set_yticks(ticks, shown, fontsize=tick_font, rotation=0)
    ax.tick_params(length=0)
    total, errors = counts.sum(), counts.sum() - counts.trace()
    ax.set_title(f"Confusion matrix ({unit}), errors: {errors:,} of {total:,}")
    ax.set(xlabel="predicted class", ylabel="true class")
    return ax


def plot_history(
    history: Mapping[str, Sequence[float]] | HasHistory, *, ax: Axes | None = None
) -> Axes:
    """Draws the loss and the accuracy in training and validation over the epochs.

    Args:
        history: The return value of `fit` or `train`, or the `history` of either: for each name, a list with one value
            for each epoch. "loss", "accuracy", "val_loss" and "val_accuracy" are drawn.
        ax: Axes to draw into; if None, a new figure, `ax.figure`.

    Returns:
        The frame of the plot; the panels of loss and accuracy are its `child_axes`.
    """
    values_by_name = history if isinstance(history, Mapping) else getattr(history, "history", None)
    if not isinstance(values_by_name, Mapping):
        raise invalid(
            "history",
            expected="what fit or train returns, or lists of values by name",
            received=type(history).__name__,
        )
    measures = [measure for measure in ("loss", "accuracy") if len(values_by_name.get(measure, ()))]
    if not measures:
        raise invalid(
            "history",
            expected='the values of "loss" or "accuracy", one for each epoch',
            received=", ".join(values_by_name) or "nothing",
        )
    ax = new_axes(ax, height=3.6)
    ax.set_axis_off()
    gap = 0.14  # of the width, for the tick labels of the second panel
    width = (1 + gap) / len(measures) - gap
    for index, measure in enumerate(measures):
        panel = ax.inset_axes((index * (width + gap), 0, width, 1))
        for prefix, name, color, style in HISTORY_LINES:
            values = values_by_name.get(prefix + measure, ())
            if len(values):
                panel.plot(range(1, len(values) + 1), values, style, c=color, label=name, ms=4)
        panel.set_title(measure, fontsize=MAX_FONT)
        panel.set_xlabel("epoch")
        panel.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        if measure == "accuracy":
            panel.yaxis.set_major_formatter(PercentFormatter(1.0))
        panel.legend(loc="upper right" if measure == "loss" else "lower right", frameon=False)
        panel.grid(alpha=0.3)
        sns.despine(ax=panel)
    return ax


def plot_reliability(
    labels: ArrayLike, probabilities: ArrayLike, *, ax: Axes | None = None
) -> Axes:
    """Draws accuracy against confidence in 15 bins, with 95% Wilson intervals.

    The bars of a calibrated classifier lie on the diagonal, and those of an overconfident one lie below it.

    Args:
        labels: Integer array of shape `(n,)`, values in `[0, num_classes)`.
        probabilities: Float array of shape `(n, num_classes)`; rows sum to 1.
        ax: Axes to draw into; if None, a new figure, `ax.figure`.
    """
    return draw_reliability(*check_scores(labels, probabilities), ax=ax)


def draw_reliability(
    labels: np.ndarray, probabilities: np.ndarray, *, ax: Axes | None = None
) -> Axes:
    """Draws what `plot_reliability` does; takes checked arrays."""
    confidence, accuracy, count = calibration_bins(labels, probabilities)
    ax = new_axes(ax, height=5.0)
    width = 1 / len(count)
    filled = np.flatnonzero(count)
    centers = (filled + 0.5) * width
    hits = np.rint(accuracy[filled] * count[filled]).astype(int)
    intervals = [wilson_interval(*pair) for pair in zip(hits, count[filled], strict=True)]
    ax.bar(centers, accuracy[filled], width, color=BLUE, alpha=0.35, edgecolor=BLUE)
    ax.vlines(confidence[filled], *zip(*intervals, strict=True), color=VERMILION, linewidth=2)
    label = "accuracy at the mean confidence, 95% interval"
    ax.plot(confidence[filled], accuracy[filled], "o", color=VERMILION, label=label)
    ax.plot([0, 1], [0, 1], "--", color="0.3", label="perfect calibration")
    ax.set(xlim=(0, 1), ylim=(0, 1.03), xlabel="confidence", ylabel="accuracy")
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter(PercentFormatter(1.0))
    images = ax.secondary_xaxis("top")
    images.set_xticks(centers, [f"{count[i]:,}" for i in filled], fontsize=8)
    images.tick_params(length=0)
    images.set_xlabel("images in the bin", fontsize=9)
    error = calibration_error(labels, probabilities)
    ax.set_title(f"Reliability: expected calibration error {error:.4f}", pad=12)
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.13), ncols=2, frameon=False, fontsize=9)
    return ax


def save_plots(
    directory: str | Path,
    *,
    history: Mapping[str, Sequence[float]] | None,
    examples: Split,
    evaluation: Evaluation,
) -> list[Path]:
    """Writes every plot of an evaluation as a PNG file and returns the paths.

    Args:
        directory: Where to write; created if it does not exist.
        history: See `plot_history`; None for no learning curves.
        examples: The images that were evaluated; only those that are drawn are read.
        evaluation: Their evaluation.
    """
    labels, probabilities = evaluation.labels, evaluation.probabilities
    matrix, names = evaluation.confusion_matrix, evaluation.class_names
    first = range(min(GRID_IMAGES, len(examples)))
    errors = worst_errors(labels, probabilities)
    plots = {
        "confusion_matrix": draw_confusion_matrix(matrix, names),
        "confusion_matrix_normalized": draw_confusion_matrix(matrix, names, normalize=True),
        "predictions": draw_predictions(examples.read(first)[0], evaluation),
        "errors": draw_errors(examples.read(errors[:GRID_IMAGES])[0], evaluation, errors),
        "reliability": draw_reliability(labels, probabilities),
    }
    if history is not None:
        plots["history"] = plot_history(history)
    paths = [Path(directory, f"{name}.png") for name in plots]
    for path, ax in zip(paths, plots.values(), strict=True):
        with replace_file(path) as temporary:
            ax.figure.canvas.print_figure(temporary)
    return paths


def _check_classes(labels, predictions, class_names) -> tuple[np.ndarray, np.ndarray, tuple]:
    names = None if class_names is None else check_class_names(class_names, num_classes=None)
    known = None if names is None else len(names)
    labels = check_labels(labels, num_classes=known)
    if not len(labels):
        raise invalid("labels", expected="at least one label", received="none")
    columns = np.shape(predictions)[1] if np.ndim(predictions) == 2 else 2
    predictions = check_predictions(predictions, num_examples=len(labels), num_classes=known)
    seen = max(columns, int(labels.max()) + 1, int(predictions.max()) + 1)
    return labels, predictions, check_class_names(names, num_classes=known or seen)
