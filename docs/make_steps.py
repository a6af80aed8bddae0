"""Draws a picture after each step of the preparation: docs/_static/steps.png.

    python docs/make_steps.py --data-dir DIR    # the directory that holds MNIST

The pictures are digits of MNIST's training images, drawn by benchmarks/picture_kinds.py and benchmarks/shadows.py.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from mnist_keras import load_data
from mnist_keras.inference import preprocessing as steps
from mnist_keras.inference.ink import find_ground, find_ink, find_strokes
from mnist_keras.inference.pictures import load_picture
from mnist_keras.inference.polarity import look_at, to_gray

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
import shadows
from picture_kinds import PICTURES

PICTURE = Path(__file__).parent / "_static" / "steps.png"
KINDS = ("page_on_table", "squared_paper", "uneven_light", "blackboard", "thin_stroke")
ROWS = (50_000, 50_003, 50_007, 50_013, 50_004)  # training images: a digit for each kind
SHADOW = (shadows.HELD_OUT_SEED, 15)  # seed of a photo under a shadow
DPI = 110  # dots an inch


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", metavar="DIR", help="the directory that holds MNIST")
    data = load_data("mnist", data_dir=parser.parse_args().data_dir)
    rows = {}
    for kind, image in zip(KINDS, data.train_images[list(ROWS)], strict=True):
        rows[kind] = trace(PICTURES[kind](image, np.random.default_rng(0)))
    held_out = data.train.take(range(50_000, 60_000)).read(range(10_000))
    photo, _ = shadows.draw(*held_out, "digit", "moderate", np.random.default_rng(SHADOW))
    rows["shadow"] = trace(photo)
    draw(rows)
    print(PICTURE)


def trace(source) -> dict[str, np.ndarray]:
    """Returns the picture after each step, in the order of `steps.prepare` and `steps.extract`."""
    picture = load_picture(source)
    page, small = steps.crop_page(steps.enlarge(picture))[:2]
    look = look_at(small)
    is_light = look.balance >= 0
    gray = to_gray(small, look.weights)
    bright = gray if is_light else 255 - gray
    strokes = find_strokes(gray, is_light, is_coarse=False)
    part = steps.shrink(steps.cut(page, steps.ink_box(strokes), strokes.shape), steps.READ_SIDE)
    close = find_strokes(to_gray(part, look.weights), is_light, is_coarse=False)
    digit = steps.darken(steps.drop_specks(close))
    return {
        "the picture": picture,
        "the sheet": page,
        "ink alone": find_ink(bright, find_ground(bright)),
        "no lines or shadows": strokes,
        "cut out, no specks": digit,
        "28x28 pixels": steps.frame(digit),
    }


def draw(rows: dict[str, dict[str, np.ndarray]]) -> None:
    """Draws a line of pictures for each kind."""
    titles = list(next(iter(rows.values())))
    figure = Figure(figsize=(1.6 * len(titles), 1.75 * len(rows)), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(len(rows), len(titles))
    for line, (kind, pictures) in zip(grid, rows.items(), strict=True):
        for axes, picture in zip(line, pictures.values(), strict=True):
            axes.imshow(
                picture,
                cmap="gray",
                interpolation="nearest" if picture.shape == (28, 28) else "antialiased",
            )
            axes.set(xticks=[], yticks=[])
        line[0].set_ylabel(kind.replace("_", " "), fontsize=9)
    for axes, title in zip(grid[0], titles, strict=True):
        axes.set_title(title, fontsize=9)
    figure.savefig(PICTURE)


if __name__ == "__main__":
    main()
