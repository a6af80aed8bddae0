import numpy as np
import pytest
from errors import error_of

from mnist_keras.data.augmentation.corruptions import CORRUPTIONS, corrupt, rotate
from mnist_keras.data.datasets import load_data


@pytest.fixture(scope="module")
def digits():
    return load_data("digits").test_images[:40]


def disk(side=28):
    """Half of a white disk: it has no symmetry left and right."""
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    return (255 * ((np.hypot(y, x) < 8) & (x < 0))).astype(np.uint8)


def test_the_fifteen_of_mnist_c():
    names = "shot_noise impulse_noise glass_blur motion_blur shear scale rotate brightness translate stripe fog spatter"
    assert list(CORRUPTIONS) == [*names.split(), "dotted_line", "zigzag", "canny_edges"]


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_corruption_changes_images_and_repeats_with_its_seed(name, digits):
    corrupted = corrupt(digits, name)
    assert corrupted.shape == digits.shape
    assert corrupted.dtype == np.uint8
    assert (corrupted != digits).any(axis=(1, 2)).all()
    np.testing.assert_array_equal(corrupted, corrupt(digits, name))
    of_floats = corrupt(digits[..., None] / np.float64(255), name)
    if name not in ("shot_noise", "glass_blur", "canny_edges"):  # they have thresholds
        assert np.abs(corrupted.astype(int) - of_floats).max() <= 1  # rounded twice
    drawn = name not in ("scale", "brightness", "stripe", "canny_edges")
    assert (corrupted != corrupt(digits, name, seed=1)).any() == drawn


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_corruption_takes_images_of_other_sizes_and_blank_ones(name):
    for shape in ((2, 12, 40), (1, 300, 8), (1, 1, 1)):
        assert corrupt(np.zeros(shape, np.uint8), name).shape == shape


def test_noise_by_its_shares():
    gray = np.full((50, 28, 28), 51, np.uint8)
    impulse = corrupt(gray, "impulse_noise")
    assert np.mean(impulse == 0) == pytest.approx(0.085, abs=0.01)
    assert np.mean(impulse == 255) == pytest.approx(0.085, abs=0.01)
    shot = corrupt(gray, "shot_noise")
    assert set(np.unique(shot)) <= {0, 85, 170, 255}  # whole photons, three of them white
    assert shot.mean() == pytest.approx(51, abs=2)


def test_geometry_by_its_parameters():
    image = disk()
    shrunk = corrupt(image[None], "scale")[0]
    assert (shrunk > 127).sum() == pytest.approx(0.7**2 * (image > 127).sum(), rel=0.1)
    moved = corrupt(image[None], "translate")[0]
    offset = np.argwhere(moved).mean(axis=0) - np.argwhere(image).mean(axis=0)
    np.testing.assert_allclose(np.abs(offset), 3)
    striped = corrupt(image[None], "stripe")[0]
    np.testing.assert_array_equal(striped[:, 7:21], image[:, 7:21])
    np.testing.assert_array_equal(striped[:, :7], 255 - image[:, :7])
    np.testing.assert_array_equal(striped[:, 21:], 255 - image[:, 21:])
    bright = corrupt(image[None], "brightness")[0]
    assert set(np.unique(bright)) == {128, 255}


def test_rotation_is_counterclockwise_about_the_middle():
    image = disk().astype(float)
    np.testing.assert_allclose(rotate(image, 90), np.rot90(image), atol=1e-6)
    np.testing.assert_allclose(rotate(image, -90), np.rot90(image, -1), atol=1e-6)


def test_lines_only_add_light(digits):
    for name in ("dotted_line", "zigzag"):
        corrupted = corrupt(digits, name)
        assert (corrupted >= digits).all()
        added = (corrupted > digits).sum(axis=(1, 2))
        assert (added > 10).all()
    dotted = corrupt(np.zeros((1, 28, 28), np.uint8), "dotted_line")[0]
    assert not dotted[:, np.arange(28) % 4 < 2].any()


def test_edges_surround_a_disk():
    edges = corrupt(disk()[None], "canny_edges")[0]
    assert set(np.unique(edges)) == {0, 255}
    inside = np.zeros((28, 28), bool)
    inside[12:16, 8:11] = True  # the middle of the half disk
    assert not edges[inside].any()
    assert edges[13:15, 3:8].any(axis=1).all()  # its round side
    assert edges[13:15, 12:16].any(axis=1).all()  # its straight side


def test_an_unknown_corruption():
    text = error_of(corrupt, np.zeros((1, 8, 8)), "snow")
    assert text.startswith("Invalid `name`. Expected one of: shot_noise, impulse_noise,")
