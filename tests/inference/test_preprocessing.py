"""Pictures of every kind become what MNIST has; what is no picture is a sentence, and nothing hangs."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from mnist_keras.inference.preprocessing import is_mnist_image, to_mnist_image


def test_the_result_has_mnists_form(expected):
    assert (expected.shape, expected.dtype) == ((28, 28), np.uint8)
    assert is_mnist_image(np.broadcast_to(expected[..., None], (28, 28, 3)))
    np.testing.assert_array_equal(to_mnist_image(expected), expected)


def width_of_ink(paper):
    return np.ptp(np.flatnonzero(to_mnist_image(paper).max(axis=0) > 60))


def test_a_stroke_that_ends_on_the_border_is_part_of_the_digit():
    paper = np.full((100, 80), 255, np.uint8)
    paper[28:90, 20:28] = 0
    assert width_of_ink(paper) < 5
    paper[20:26, 24:] = 0  # as the bar of a 5, which does not touch its body
    assert width_of_ink(paper) > 12
    paper[:, 28:] = paper[:28] = 255
    paper[40:60, 60:] = 0  # too far away, as the next digit
    assert width_of_ink(paper) < 5
    paper[:, 60:] = 255
    paper[20:, 30:40] = paper[92:, :40] = 0  # along the border, as a corner of a frame
    assert width_of_ink(paper) < 5


@pytest.mark.parametrize("angle", [0, 8, 20])
def test_a_page_on_a_dark_table_is_cropped(angle):
    table = Image.new("L", (420, 420), 40)
    table.paste(235, (70, 60, 330, 360))
    ImageDraw.Draw(table).line((200, 120, 200, 300), 30, 16)
    image = to_mnist_image(table.rotate(angle, fillcolor=40))
    assert width_of_ink(table.rotate(angle, fillcolor=40)) < 12 and image.max() > 150


@pytest.mark.parametrize("shape", [(1, 1), (1, 5000), (5000, 1), (3, 3), (28, 28), (600, 600)])
def test_a_blank_picture_holds_no_ink(shape):
    for value in (0, 128, 255):
        assert not to_mnist_image(np.full(shape, value, np.uint8)).any()
