"""Cuts between touching digits."""

import numpy as np

from mnist_keras.inference.numbers.cuts import find_cuts
from mnist_keras.inference.numbers.rows import DIGIT_HEIGHT


def test_a_thin_stroke_is_not_cut():
    ink = np.zeros((DIGIT_HEIGHT, 12), np.float32)
    ink[:, 4:8] = 1
    assert find_cuts(ink, 4.0) == []
