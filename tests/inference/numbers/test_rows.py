"""Rows that are found, leveled and grouped."""

import numpy as np
from drawn_numbers import pieces_of, write

from mnist_keras.inference.numbers.rows import Blot, find_angle, group, turn


def test_a_row_that_is_level_is_not_turned():
    for text in ("8", "41", "1709", "2222222"):
        row, _ = pieces_of(write(text)[0])
        assert row.angle == 0
    row, _ = pieces_of(write("1709")[0])
    assert np.isclose(find_angle(turn(row, 0.2).ink), -0.2, atol=0.06)


def test_halves_of_a_broken_digit_are_in_one_row():
    boxes = [(73, 100, 40, 82), (48, 72, 49, 84), (51, 97, 103, 136), (47, 99, 144, 183)]
    blots = [Blot(label, *box, 200.0) for label, box in enumerate(boxes, start=1)]
    (row,) = group(blots, 35.0)
    assert sorted(blot.label for blot in row) == [1, 2, 3, 4]
    below = blots[0]._replace(top=110, bottom=140)  # a digit on the next line
    assert sorted(len(row) for row in group([below, *blots[1:]], 35.0)) == [1, 3]
