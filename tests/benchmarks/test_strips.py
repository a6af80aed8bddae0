"""Strips of digits: strokes that a pen connects."""

import numpy as np
from scipy import ndimage


def test_a_faint_stroke_is_drawn_between_two_dark_ones(benchmark):
    strips = benchmark("strips")
    image = np.zeros((28, 28), np.uint8)
    image[4:12, 13:15] = image[16:24, 13:15] = 255
    image[12:16, 13:15] = 80
    image[10, 22:25] = 80  # a speck by itself
    broken = strips.ink_of(image, 84, thickness=-0.2)
    connected = strips.connected_ink(image, 84, thickness=-0.2)
    assert ndimage.label(broken > 0.5)[1] == 2
    assert ndimage.label(connected > 0.5)[1] == 1
    assert (connected >= broken).all()
    assert not connected[:, 60:].any()
    width = (connected[42] > 0.5).sum() * 28 / 84
    assert 0.5 < width < 1.5


def test_a_thick_stroke_is_drawn_as_it_was(benchmark):
    strips = benchmark("strips")
    image = np.zeros((28, 28), np.uint8)
    image[4:24, 12:16] = 255
    for thickness in (0.0, 0.3):
        ink = strips.ink_of(image, 84, thickness=thickness)
        assert np.allclose(strips.connected_ink(image, 84, thickness=thickness), ink, atol=0.05)
