"""Figures: drawn where they are told to, shown once, and never left in pyplot."""

import subprocess
import sys

from matplotlib.figure import Figure
from plots import HISTORY, random_case

from mnist_keras.evaluation.image_plots import plot_errors, plot_predictions
from mnist_keras.evaluation.plotting import plot_confusion_matrix, plot_history, plot_reliability


def test_plots_draw_where_they_are_told_to():
    images, labels, probabilities = random_case(num_examples=30)
    axes = Figure(figsize=(12, 8)).subplots(2, 3).flat
    for ax, draw in zip(
        axes,
        [
            lambda ax: plot_confusion_matrix(labels, probabilities, ax=ax),
            lambda ax: plot_history(HISTORY, ax=ax),
            lambda ax: plot_predictions(images, probabilities, ax=ax),
            lambda ax: plot_errors(images, labels, probabilities, ax=ax),
            lambda ax: plot_reliability(labels, probabilities, ax=ax),
        ],
        strict=False,
    ):
        assert draw(ax) is ax


def test_no_figure_is_left_in_pyplot():
    code = """
import numpy as np
import mnist_keras.evaluation.plotting as plotting
plotting.plot_reliability([0, 1], np.eye(2))
plotting.plot_confusion_matrix([0, 1], [0, 1])
import matplotlib.pyplot as plt
print(plt.get_fignums())
"""
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"


def test_a_notebook_shows_a_plot_once():
    from IPython.core.formatters import DisplayFormatter

    ax = plot_history(HISTORY)
    for value in (ax, ax.figure):
        shown, _ = DisplayFormatter().format(value)
        assert shown["image/png"].startswith(b"\x89PNG")
    drawn_elsewhere = plot_history(HISTORY, ax=Figure().subplots())  # pyplot shows its own figures
    assert list(DisplayFormatter().format(drawn_elsewhere)[0]) == ["text/plain"]
