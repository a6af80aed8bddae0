"""Shadows on paper are no ink, and strokes under them and beside them are kept."""

import time

import numpy as np
import pytest
from digit_pictures import distance, draw_large
from PIL import Image
from scipy import ndimage

from mnist_keras import read_number
from mnist_keras.inference.ink import drop_shadows, find_strokes
from mnist_keras.inference.preprocessing import to_mnist_image

SIZE = (400, 400)
Y, X = np.indices(SIZE)
SHADOWS = {
    "an edge": X + 2 * Y < 500,
    "a phone": (np.abs(X - 260) < 70) & (Y < 220),
    "a head": (np.hypot(X - 200, Y - 250) < 80) | ((Y > 310) & (np.abs(X - 200) < 160)),
    "fingers": (Y > 190) & (X % 66 < 40) & (np.abs(X - 200) < 130),
    "a bar": np.abs(X - Y / 2 - 40) < 34,
}


def photo(ink=0, shadow=False, *, depth=0.3, blur=11.0, pen=40):
    """Returns a picture of paper; the shadow takes `depth` of the light."""
    light = 1 - depth * ndimage.gaussian_filter(np.broadcast_to(shadow, SIZE).astype(float), blur)
    paper = 225 + (pen - 225) * np.clip(ink, 0, 1)
    return (
        (paper * light + np.random.default_rng(0).normal(0, 2, SIZE)).clip(0, 255).astype(np.uint8)
    )


def digit(value):
    """Returns the ink of a digit in the middle of the picture."""
    ink = draw_large(value).astype(float)[50:-50, 50:-50] / 255
    top, left = ((400 - side) // 2 for side in ink.shape)
    return np.pad(ink, [(top, 400 - top - ink.shape[0]), (left, 400 - left - ink.shape[1])])


@pytest.mark.parametrize("shadow", SHADOWS)
def test_blank_paper_under_a_shadow_holds_no_ink(shadow):
    assert not to_mnist_image(photo(shadow=SHADOWS[shadow])).any()


@pytest.mark.parametrize("shadow", SHADOWS)
@pytest.mark.parametrize("value", [0, 4, 7])
def test_a_digit_under_a_shadow_is_cut_out(shadow, value):
    ink = digit(value)
    alone, under = (to_mnist_image(photo(ink, shade)) for shade in (False, SHADOWS[shadow]))
    assert alone.any()
    assert distance(under, alone) < 12


@pytest.mark.parametrize("shadow", SHADOWS)
def test_no_number_is_found_on_blank_paper_under_a_shadow(shadow):
    assert read_number(photo(shadow=SHADOWS[shadow])) == []


@pytest.mark.parametrize(("pen", "blur"), [(165, 0), (145, 2), (145, 5), (120, 6)])
def test_a_pencil_out_of_focus_is_no_shadow(pen, blur):
    sharp = to_mnist_image(photo(digit(3)))
    faint = ndimage.gaussian_filter(photo(digit(3), pen=pen), blur)
    assert distance(to_mnist_image(faint), sharp) < 25


@pytest.mark.parametrize("pen", [40, 150])
def test_a_digit_that_touches_the_border_is_no_shadow(pen):
    paper = photo(digit(7), pen=pen)
    rows, columns = (np.flatnonzero((digit(7) > 0.5).any(axis=axis)) for axis in (1, 0))
    cut = paper[rows[0] + 3 : rows[-1] - 3, columns[0] + 3 : columns[-1] - 3]
    assert distance(to_mnist_image(cut), to_mnist_image(photo(digit(7)))) < 40
    below = paper[rows[0] + 5 :]  # its bar lies along the border
    assert to_mnist_image(below).any()


def test_a_coarse_picture_keeps_what_may_be_a_digit():
    shadow = photo(shadow=SHADOWS["a bar"])
    gray = shadow.astype(np.float32)
    assert find_strokes(gray, False, is_coarse=True).max() > 0.9
    assert find_strokes(gray, False, is_coarse=False).max() < 0.3
    assert to_mnist_image(Image.fromarray(shadow).resize((60, 60))).any()


def test_a_small_digit_under_a_shadow_is_cut_out_close_up_too():
    ink = np.asarray(Image.fromarray((255 * digit(7)).astype(np.uint8)).resize((110, 110))) / 255
    sheet = np.zeros(SIZE)
    sheet[150:260, 150:260] = ink
    alone, under = (to_mnist_image(photo(sheet, shade)) for shade in (False, SHADOWS["a bar"]))
    assert distance(under, alone) < 12


def test_pencil_far_from_a_shadow_is_kept():
    paper = photo(shadow=(X > 250) & (np.abs(Y - 200) < 50))
    for left in (20, 50, 80):
        paper[150:175, left : left + 4] = 140
    lines = read_number(paper)
    assert [line.text for line in lines] == ["111"]


def test_noise_as_large_as_a_page_takes_seconds():
    y, x = np.mgrid[:1600, :1600]
    hatching = (200 - 40 * ((x + y) % 12 < 4)).astype(np.float32)
    start = time.process_time()
    find_strokes(hatching, False, is_coarse=False)
    assert time.process_time() - start < 20


def test_ink_without_shadows_is_returned_as_it_is():
    ink = digit(8).astype(np.float32)
    assert drop_shadows(ink, 30 + 180 * ink, np.full_like(ink, 30)) is ink
