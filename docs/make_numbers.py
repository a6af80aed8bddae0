"""Draws a page of numbers and what `read_number` reads in it: docs/_static/numbers.png.

    python docs/make_numbers.py --data-dir DIR    # the directory that holds MNIST

The digits are MNIST's training images, side by side as benchmarks/strips.py draws them.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from mnist_keras import load_data, read_number

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
from picture_kinds import light
from strips import draw_strip

PICTURE = Path(__file__).parent / "_static" / "numbers.png"
NUMBERS = (("apart", 5, 1), ("close", 7, 2), ("touching", 6, 3), ("overlapping", 4, 4))
DPI = 110  # dots an inch


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", required=True, help="where MNIST is")
    args = parser.parse_args()
    data = load_data("mnist", data_dir=args.data_dir)
    page, texts = draw_page(*data.train.take(range(50_000)).read(range(50_000)))
    lines = read_number(page)
    figure = Figure(figsize=(7, 7 * page.shape[0] / page.shape[1]), dpi=DPI, layout="tight")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.imshow(page, cmap="gray", vmin=0, vmax=255)
    axes.set_axis_off()
    for line in lines:
        for left, top, width, height in line.boxes:
            box = Rectangle((left, top), width, height, fill=False, edgecolor="#1b6ac9")
            axes.add_patch(box)
        left, top, *_ = line.boxes[0]
        answer = f"{line.text}  {line.confidence:.0%}"
        axes.text(left, top - 14, answer, color="#1b6ac9", fontsize=13, weight="bold")
    figure.savefig(PICTURE, pil_kwargs={"optimize": True})
    print(f"{PICTURE}: drawn {', '.join(texts)}; read {', '.join(line.text for line in lines)}")


def draw_page(images, labels) -> tuple[np.ndarray, list[str]]:
    """Returns a photo of ruled paper with a number on each line, and the numbers."""
    strips = [
        draw_strip(images, labels, length, spacing, np.random.default_rng(seed))
        for spacing, length, seed in NUMBERS
    ]
    inks = [cut_ink(strip) for strip in strips]
    height, width = (max(ink.shape[axis] for ink in inks) + 70 for axis in (0, 1))
    page = np.ones((len(strips) * height, width))
    for number, ink in enumerate(inks):
        top, left = number * height + 50, 10 + 15 * number
        page[top : top + ink.shape[0], left : left + ink.shape[1]] = ink
        page[(number + 1) * height - 4 : (number + 1) * height - 2] *= 0.7
    random = np.random.default_rng(0)
    page = 220 * page * light(page.shape, random, 0.4) + random.normal(0, 3, page.shape)
    return np.clip(page, 0, 255).astype(np.uint8), [strip.text for strip in strips]


def cut_ink(strip) -> np.ndarray:
    """Returns a strip's ink without its paper, from 0 for black to 1, cut out closely."""
    y, x = np.nonzero(strip.owners)
    top, left = y.min() - 5, x.min() - 5
    bottom, right = y.max() + 6, x.max() + 6
    part = strip.picture[top:bottom, left:right] / np.median(strip.picture)
    return np.where(part < 0.7, part, 1)


if __name__ == "__main__":
    main()
