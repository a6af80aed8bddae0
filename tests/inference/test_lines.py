"""Lines of ruled and squared paper are found, also behind a digit; strokes are left alone."""

import numpy as np
import pytest
from digit_pictures import draw_large
from PIL import Image
from scipy import ndimage

from mnist_keras.inference.lines import find_lines, remove_lines
from mnist_keras.inference.preprocessing import to_mnist_image


def blank():
    return np.zeros((200, 320), np.uint8)


def test_a_line_goes_on_behind_a_digit():
    mask = blank()
    mask[100:102] = 1
    mask[60:140, 120:230] = 1  # wider than a gap that is bridged anyway
    expected = blank()
    expected[100:102, :120] = expected[100:102, 230:] = 1
    np.testing.assert_array_equal(find_lines(mask), expected)


def test_two_strokes_that_hang_on_the_border_are_no_line_if_the_ground_is_between_them():
    mask = blank()
    mask[100:102, :110] = mask[100:102, 220:] = 1
    assert not find_lines(mask).any()


def test_a_stroke_that_does_not_reach_the_border_is_no_line():
    mask = blank()
    mask[100:102, 20:310] = 1
    assert not find_lines(mask).any()


def test_lines_that_cross_are_found_to_the_border():
    mask = blank()
    mask[9:11], mask[100:102], mask[191:193] = 1, 1, 1
    level = mask > 0
    mask[:, 40:42] = mask[:, 300:302] = 1
    assert find_lines(mask)[level].mean() > 0.95  # crossings are filled in later
    assert find_lines(mask.T).T[(mask > 0) & ~level].all()
    assert remove_lines(mask.astype(np.float32)).max() == 0


@pytest.mark.parametrize(("digit", "angle"), [(9, 1), (2, -1), (4, 0.5)])
def test_nothing_is_left_of_squared_paper(digit, angle):
    ink = draw_large(digit)
    lines = np.zeros(ink.shape, np.uint8)
    for start in (18, 19):
        lines[start::41] = lines[:, start + 5 :: 41] = 90
    grid = np.asarray(Image.fromarray(lines).rotate(angle, Image.Resampling.BILINEAR))
    expected = to_mnist_image(255 - ink)
    image = to_mnist_image(240 - np.maximum(grid, ink * (240 / 255)).astype(np.uint8))
    assert np.abs(image.astype(int) - expected).mean() < 15  # a row of difference
    assert not image[ndimage.grey_dilation(expected, 5) == 0].any()
