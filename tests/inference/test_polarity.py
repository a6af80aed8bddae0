"""Ink is told from its background: whatever their colors, and whichever is brighter."""

import pytest
from digit_pictures import KINDS, distance
from PIL import Image, ImageDraw, ImageOps

from mnist_keras.inference.preprocessing import to_mnist_image


@pytest.mark.parametrize("kind", KINDS)
def test_kinds_of_pictures(ink, expected, kind):
    assert distance(to_mnist_image(KINDS[kind](ink)), expected) < 12


@pytest.mark.parametrize(("height", "width"), [(64, 64), (64, 44)])
@pytest.mark.parametrize("angle", [0, 30])
def test_the_loop_of_a_light_digit_is_no_page(height, width, angle):
    """A light 0 in a tight crop: it is as bright as a page on a dark table, but round."""
    loop = Image.new("L", (width, height))
    ImageDraw.Draw(loop).ellipse((0, 0, width - 1, height - 1), outline=255, width=10)
    loop = loop.rotate(angle, expand=True)
    image = to_mnist_image(loop)
    assert image[14, 14] == 0, "its middle is empty"
    assert distance(image, to_mnist_image(ImageOps.invert(loop))) < 12
