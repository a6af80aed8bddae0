"""Draws the strip of digits at the top of the README: docs/_static/strip.png.

    python docs/make_strip.py --data-dir DIR    # the directory that holds MNIST

For each digit it shows the test image that `mlp_128` misreads with the highest probability while `cnn_accurate` reads
it right. Both models have their packaged weights; nothing is trained.
"""

import argparse
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from mnist_keras import create_model, load_data, predict_probabilities

PICTURE = Path(__file__).parent / "_static" / "strip.png"
SIZE, DPI = (8.0, 1.6), 200  # inches, dots an inch: twice the 800 pixels that a README shows
RIGHT, WRONG = "#56B4E9", "#E69F00"  # Okabe and Ito, 2008, "Color Universal Design"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", metavar="DIR", help="the directory that holds MNIST")
    data = load_data("mnist", data_dir=parser.parse_args().data_dir)
    probabilities = {
        name: predict_probabilities(create_model(name, weights="mnist"), data.test_images)
        for name in ("cnn_accurate", "mlp_128")
    }
    rows = choose_rows(data.test_labels, *probabilities.values())
    draw(data.test_images[rows], {name: values[rows] for name, values in probabilities.items()})
    print(PICTURE)


def choose_rows(labels: np.ndarray, good: np.ndarray, poor: np.ndarray) -> list[int]:
    """Returns a row for each digit: one that `good` reads right and `poor` misreads with the highest probability."""
    fooled = (good.argmax(axis=1) == labels) & (poor.argmax(axis=1) != labels)
    sureness = np.where(fooled, poor.max(axis=1), 0)
    return [int(np.where(labels == digit, sureness, 0).argmax()) for digit in range(10)]


def draw(images: np.ndarray, probabilities: dict[str, np.ndarray]) -> None:
    """Draws the images side by side, with what each model reads below and how sure it is."""
    figure = Figure(figsize=SIZE, dpi=DPI, facecolor="black")
    FigureCanvasAgg(figure)
    left, width = 0.125, 0.087  # of the figure's width: the first tile, and each tile
    figure.text(0.01, 0.7, "MNIST's\ntest images", color="white", fontsize=8, va="center")
    for line, (name, color) in enumerate(zip(probabilities, (RIGHT, WRONG), strict=True)):
        style = {"y": 0.29 - 0.19 * line, "color": color, "va": "center_baseline"}
        figure.text(0.01, s=name, fontsize=8, weight="bold", **style)
        for column, row in enumerate(probabilities[name]):
            x = left + width * (column + 0.45)
            figure.text(x, s=row.argmax(), fontsize=13, weight="bold", ha="right", **style)
            figure.text(x, s=f" {row.max():.0%}", fontsize=7, ha="left", **style)
    for column, image in enumerate(images):
        axes = figure.add_axes((left + width * column, 0.4, width, 0.6))
        axes.imshow(image, cmap="gray", interpolation="nearest")
        axes.set_axis_off()
    figure.savefig(PICTURE)


if __name__ == "__main__":
    main()
