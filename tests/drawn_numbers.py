"""Rows of drawn digits, whose text and boxes are known."""

import numpy as np
from PIL import Image
from scipy import ndimage

from mnist_keras.data.augmentation.strokes import WAYS, draw_ink
from mnist_keras.inference.numbers.pieces import cut_pieces
from mnist_keras.inference.numbers.rows import find_rows

HEIGHT = 60  # pixels of a drawn digit


def draw_digit(digit, seed=0):
    """Returns a digit's ink, 60 pixels high, without a border."""
    way = next(way for way in WAYS if way.digit == digit)
    ink = draw_ink(way, np.random.default_rng((digit, seed)))
    rows, columns = (np.flatnonzero((ink > 60).any(axis=axis)) for axis in (1, 0))
    ink = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    width = max(8, round(ink.shape[1] * HEIGHT / ink.shape[0]))
    return np.asarray(Image.fromarray(ink).resize((width, HEIGHT)))


def write(text, gap=18, seed=0):
    """Returns a row of ink with a border: digits, points, commas and minus signs; and the digits' boxes."""
    sheet = np.zeros((3 * HEIGHT, 80 * len(text) + 80), np.uint8)
    left, boxes = 40, []
    for place, character in enumerate(text):
        top = HEIGHT
        if character.isdigit():
            ink = draw_digit(int(character), seed + place)
            boxes.append((left, HEIGHT, ink.shape[1], HEIGHT))
        elif character == "-":
            ink, top = np.full((7, 30), 255, np.uint8), HEIGHT + 27
        else:
            ink, top = np.full((9 if character == "." else 24, 9), 255, np.uint8), 2 * HEIGHT - 9
        part = sheet[top : top + ink.shape[0], left : left + ink.shape[1]]
        np.maximum(part, ink, out=part)
        left += ink.shape[1] + gap
    return sheet[:, : left + 40], boxes


def on_paper(ink):
    smooth = ndimage.gaussian_filter(ink.astype(np.float32), 0.7)
    return (230 - 180 / 255 * smooth).astype(np.uint8)


def pieces_of(ink):
    """Returns the only row of some ink, and its pieces."""
    (row,) = find_rows(np.repeat(on_paper(ink)[..., None], 3, axis=2))[0]
    return row, cut_pieces(row.ink)
