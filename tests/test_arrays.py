"""What is certain is converted, and each advice, run on the array that caused it, gives what was meant."""

import re
from pathlib import Path

import numpy as np
import pytest
import scipy.special
from errors import error_of

from mnist_keras._arrays import STANDARDIZED
from mnist_keras._validation import check_images, check_labels, check_probabilities

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
    "12 bits": (
        (IMAGES / 255 * 4095).round().astype(np.uint16),
        "(images * (255 / 4095)).round().astype('uint8')",
        IMAGES,
    ),
    "-0.5 to 0.5": (np.float32(IMAGES / 255 - 0.5), "images + 0.5", IMAGES / 255),
    "a little above 1": (
        (IMAGES / 255 * 1.0234543).astype(np.float32),
        "images / images.max()",
        IMAGES / 255,
    ),
    "one flat image": (IMAGES[0].ravel(), "images.reshape(1, 28, 28)", IMAGES[:1]),
    "one image of another size": (IMAGES[0, :20, :21], "images[None]", IMAGES[:1, :20, :21]),
    "one picture in color": (
        np.repeat(IMAGES[0][..., None], 3, axis=-1),
        "images[None, ..., :3]",
        IMAGES[:1],
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
    text = error_of(check_images, images)
    assert f" {expression}." in text
    assert f" {expression}." in error_of(check_images, images, name="a.npz[x]"), "it can be run"
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
    assert text.endswith("Convert them to integers with labels.astype(int).")
    assert check_labels((LABELS * 1.0).astype(int)).tolist() == LABELS.tolist()
    truth = LABELS > 2
    assert error_of(check_labels, truth).endswith(
        "Convert them to integers with labels.astype(int)."
    )
    assert check_labels(truth.astype(int)).tolist() == [0, 0, 0, 1, 1] * 2 + [0, 0]
    assert error_of(check_labels, None) == (
        "Invalid `labels`. Expected a label for each image. Received: None."
    )
    assert error_of(check_labels, LABELS + 0.5).endswith("dtype=float64.")
    two_ones = np.eye(5)[LABELS] + np.eye(5)[(LABELS + 1) % 5]
    assert "or one-hot rows of exactly one 1" in error_of(check_labels, two_ones)


def test_advice_for_logits():
    logits = np.random.default_rng(2).normal(0, 3, (6, 4))
    text = error_of(check_probabilities, logits)
    assert text.endswith("with scipy.special.softmax(logits, axis=-1).")
    probabilities = eval(
        "scipy.special.softmax(logits, axis=-1)", {"scipy": scipy, "logits": logits}
    )
    assert (
        check_probabilities(probabilities).argmax(axis=1).tolist() == logits.argmax(axis=1).tolist()
    )


@pytest.mark.parametrize("name", ["mnist", Path("a.png")])
def test_a_name_is_no_image(name):
    assert error_of(check_images, name) == (
        f"Invalid `images`. Expected an array of images. Received: '{name}'. For a dataset pass "
        f"load_data('{name}').test; DigitClassifier.predict reads a picture."
    )


def test_bfloat16_becomes_float32():
    ml_dtypes = pytest.importorskip("ml_dtypes")
    checked = check_images((IMAGES / 255).astype(ml_dtypes.bfloat16))
    assert checked.dtype == np.float32
    np.testing.assert_allclose(checked * 255, IMAGES, atol=0.6)
    assert check_labels(np.eye(5)[LABELS].astype(ml_dtypes.bfloat16)).tolist() == LABELS.tolist()
