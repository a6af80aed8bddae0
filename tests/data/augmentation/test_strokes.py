"""Digits drawn by strokes: a pure function, every way in its frame, and curves that go where their points are."""

import numpy as np
import pytest
from scipy import ndimage

from mnist_keras.data.augmentation import strokes
from mnist_keras.data.augmentation.strokes import WAYS, make_strokes
from mnist_keras.data.readers.pictures import frame
from mnist_keras.models.ways import DIGITS, HIDDEN_CLASSES


def test_a_digit_depends_on_seed_and_index_alone():
    images, ways = make_strokes(3, 5, 4)
    assert images.shape == (4, 28, 28) and images.dtype == np.uint8
    for row in range(4):
        image, way = make_strokes(3, 5 + row, 1)
        np.testing.assert_array_equal(image[0], images[row])
        assert way == ways[row : row + 1]
    assert not np.array_equal(make_strokes(4, 5, 1)[0][0], images[0])
    assert not np.array_equal(images[0], images[1])


@pytest.mark.parametrize("way", WAYS, ids=lambda way: f"{way.digit} {way.name}")
def test_every_way_lies_in_the_frame_of_mnist(way):
    for seed in range(5):
        image = frame(strokes.draw_ink(way, np.random.default_rng(seed)))
        rows, columns = np.nonzero(image > 40)
        assert max(np.ptp(rows), np.ptp(columns)) + 1 <= 20
        assert image.max() > 150, "full ink somewhere"
        center = [(image.sum(axis) @ np.arange(28)) / image.sum() for axis in (0, 1)]
        assert np.abs(np.array(center) - 13.5).max() < 2, (
            "center of mass in the middle, where the digit stays inside"
        )


def test_each_way_has_a_name_of_its_own_and_a_hidden_class_of_its_digit():
    assert len({(way.digit, way.name) for way in WAYS}) == len(WAYS)
    for way in WAYS:
        assert DIGITS[HIDDEN_CLASSES.index(way.group)] == way.digit


def test_digits_are_equally_frequent():
    random = np.random.default_rng(0)
    digits = [strokes.draw_way(random).digit for _ in range(5000)]
    assert np.abs(np.bincount(digits, minlength=10) / 5000 - 0.1).max() < 0.015


def test_a_curve_goes_through_its_points_and_bends_at_corners():
    curve = strokes._parse("0 0, 50 0!, 50 100")[0]
    points = strokes._run(curve, 0.0, np.random.default_rng(0))
    np.testing.assert_allclose(points[[0, strokes.POINTS, -1]], [[0, 0], [0.5, 0], [0.5, 1]])
    # Straight up to the corner.
    np.testing.assert_allclose(points[: strokes.POINTS, 1], 0, atol=1e-12)
    smooth = strokes._run(strokes._parse("0 0, 50 0, 50 100")[0], 0.0, np.random.default_rng(0))
    assert np.abs(smooth[: strokes.POINTS, 1]).max() > 0.01


def test_points_stay_in_their_ranges():
    curve = strokes._parse("10±5 20±0, 50 0±3")[0]
    ends = np.array(
        [strokes._run(curve, 1.0, np.random.default_rng(i))[[0, -1]] for i in range(50)]
    )
    assert np.abs(ends[:, 0, 0] - 0.1).max() <= 0.05 and np.ptp(ends[:, 0, 0]) > 0.05
    assert (ends[:, 0, 1] == 0.2).all() and (ends[:, 1, 0] == 0.5).all()
    assert np.abs(ends[:, 1, 1]).max() <= 0.03


@pytest.mark.parametrize(
    ("name", "open_share"), [("open", (0.8, 1)), ("closed", (0, 0.2)), ("overlapping", (0, 0.2))]
)
def test_an_open_zero_is_open_and_a_closed_one_is_closed(name, open_share):
    way = next(way for way in WAYS if (way.digit, way.name) == (0, name))
    drawn = [strokes.draw_ink(way, np.random.default_rng(seed)) for seed in range(50)]
    holes = [ndimage.label(ink < 60)[1] - 1 for ink in drawn]
    low, high = open_share
    assert low <= np.mean(np.array(holes) == 0) <= high


def test_a_pen_is_finer_where_a_digit_has_more_lines():
    """The slash of a 0 stays apart from its rim: the widest pen leaves paper between them."""
    slashed = next(way for way in WAYS if way.name == "slashed")
    shares = [
        (strokes.draw_ink(slashed, np.random.default_rng(seed)) > 60).mean() for seed in range(50)
    ]
    assert max(shares) < 0.30
