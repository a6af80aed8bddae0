"""What is certain is converted, and each advice, run on the array that caused it, gives what was meant."""

import re

import numpy as np
import pytest
from errors import error_of

from mnist_keras._arrays import STANDARDIZED
from mnist_keras._validation import check_images, check_labels

IMAGES = np.random.default_rng(0).integers(0, 256, (12, 28, 28), dtype=np.uint8)
IMAGES[0, 0, :2] = 0, 255
LABELS = np.arange(12) % 5


@pytest.mark.parametrize(
    "change",
    {
        "channel last": lambda x: x[..., None],
        "channel first": lambda x: x[:, None],
        "flat": lambda x: x.reshape(-1, 784),
        "colors last": lambda x: np.repeat(x[..., None], 3, axis=-1),
        "colors first": lambda x: np.repeat(x[:, None], 3, axis=1),
        "int64": lambda x: x.astype(np.int64),
        "uint16": lambda x: x.astype(np.uint16),
        "whole floats": lambda x: x.astype(np.float64),
        "lists": lambda x: x.tolist(),
    }.items(),
    ids=lambda item: item[0],
)
def test_images_that_surely_mean_something(change):
    checked = check_images(change[1](IMAGES))
    assert checked.dtype == np.uint8
    np.testing.assert_array_equal(checked, IMAGES)


def test_one_image_and_truth_values():
    for single in (IMAGES[0], IMAGES[0][..., None]):
        np.testing.assert_array_equal(check_images(single), IMAGES[:1])
    np.testing.assert_array_equal(check_images(IMAGES > 100), (IMAGES > 100) * 255)
    assert check_images(np.zeros((2, 5, 5), np.int64)).dtype == np.uint8


def test_colors_become_gray_as_pillow_does():
    from PIL import Image

    colors = np.random.default_rng(1).integers(0, 256, (3, 28, 28, 3), dtype=np.uint8)
    expected = np.stack([np.asarray(Image.fromarray(x).convert("L")) for x in colors])
    np.testing.assert_array_equal(check_images(colors), expected)
    floats = check_images(colors.astype(np.float32) / 255)
    assert np.abs(floats * 255 - expected).max() < 0.51


MEAN, DEVIATION = STANDARDIZED
ADVISED = {  # the array, the expression in its advice, and what that must make of it
    "uint16": (IMAGES.astype(np.uint16) * 257, "(images // 257).astype('uint8')", IMAGES),
    "uint32": (
        (IMAGES / 255 * 70_000).astype(np.uint32),
        "(images / images.max() * 255).round().astype('uint8')",
        IMAGES,
    ),
    "int8": (
        (IMAGES.astype(np.int16) - 128).astype(np.int8),
        "(images.astype('int16') + 128).astype('uint8')",
        IMAGES,
    ),
    "0 to 16": (
        (IMAGES / 255 * 16).round().astype(int),
        "(images * (255 / 16)).round().astype('uint8')",
        ((IMAGES / 255 * 16).round() / 16 * 255).round(),
    ),
    "0 and 1": (
        (IMAGES > 127).astype(int),
        "(images * (255 / 1)).round().astype('uint8')",
        (IMAGES > 127) * 255,
    ),
    "floats to 255": (IMAGES * 0.9999, "images / 255", IMAGES * 0.9999 / 255),
    "floats to 16": (IMAGES / 255 * 16, "images / 16", IMAGES / 255),
    "-1 to 1": (IMAGES / 127.5 - 1, "(images + 1) / 2", IMAGES / 255),
    "standardized": (
        (IMAGES / 255 - MEAN) / DEVIATION,
        "(images * 0.3081 + 0.1307).clip(0, 1)",
        IMAGES / 255,
    ),
    "flat 20x20": (
        IMAGES[:, :20, :20].reshape(12, 400),
        "images.reshape(-1, 20, 20)",
        IMAGES[:, :20, :20],
    ),
    "transparency": (np.repeat(IMAGES[..., None], 4, axis=-1), "images[..., :3]", IMAGES),
}


@pytest.mark.parametrize("case", ADVISED)
def test_advice_keeps_the_data(case):
    images, expression, meant = ADVISED[case]
    assert error_of(check_images, images).endswith(f"{expression}.")
    checked = check_images(eval(expression, {"images": images}))
    np.testing.assert_allclose(checked, meant, atol=1.01 if checked.dtype == np.uint8 else 1e-6)


@pytest.mark.parametrize(
    "images", [np.full((2, 5, 5), np.nan), np.full((2, 5, 5), 1e9), np.full((2, 5, 5), -500)]
)
def test_no_advice_where_the_scale_is_not_known(images):
    assert re.search(r"maximum=\S+\.$", error_of(check_images, images))


@pytest.mark.parametrize(
    "labels",
    [LABELS[:, None], np.eye(5)[LABELS], np.eye(5, dtype=bool)[LABELS], LABELS.tolist()],
    ids=["column", "one-hot", "truth values", "list"],
)
def test_labels_that_surely_mean_a_class(labels):
    assert check_labels(labels).tolist() == LABELS.tolist()


def test_advice_for_labels():
    scores = np.eye(5)[LABELS] * 0.9
    text = error_of(check_labels, scores)
    assert text.endswith("For the class with the highest score, pass labels.argmax(axis=-1).")
    assert check_labels(scores.argmax(axis=-1)).tolist() == LABELS.tolist()
    text = error_of(check_labels, LABELS * 1.0)
    assert text.endswith("Convert whole numbers with labels.astype(int).")
    assert check_labels((LABELS * 1.0).astype(int)).tolist() == LABELS.tolist()
    assert error_of(check_labels, LABELS + 0.5).endswith("dtype=float64.")
    two_ones = np.eye(5)[LABELS] + np.eye(5)[(LABELS + 1) % 5]
    assert "or one-hot rows of exactly one 1" in error_of(check_labels, two_ones)
