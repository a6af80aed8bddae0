"""The wording of what every room refuses; the rooms' own tests hold the rest."""

import numpy as np
import pytest

from mnist_keras import _validation as checks
from mnist_keras._validation import InputError

CASES = {
    "ragged images": (
        lambda: checks.check_images([[1, 2], [3]]),
        "Invalid `images`. Expected an array, or lists of equal lengths. Received: setting an array",
    ),
    "ragged labels": (lambda: checks.check_labels([0, [1]]), "Invalid `labels`. Expected an array"),
    "ragged predictions": (
        lambda: checks.check_predictions([[0.5, 0.5], [1.0]], num_examples=2),
        "Invalid `predictions`. Expected an array, or lists of equal lengths.",
    ),
    "flat images": (
        lambda: checks.check_images(np.zeros((60, 400), np.uint8)),
        "Received: shape=(60, 400), dtype=uint8. Add an axis to a single image, images[None]; "
        "fold flat rows, images.reshape(-1, 20, 20).",
    ),
    "float labels": (
        lambda: checks.check_labels([0.0, 1.0], name="test_labels"),
        "Invalid `test_labels`. Expected integer class labels. Received: shape=(2,), dtype=float64. "
        "Convert them to integers with test_labels.astype(int).",
    ),
    "words as labels": (
        lambda: checks.check_labels(["cat", "dog"]),
        "Invalid `labels`. Expected integer class labels. Received: shape=(2,), dtype=<U3.",
    ),
    "seed": (
        lambda: checks.check_seed(2**32),
        "Invalid `seed`. Expected an integer of at least 0 and at most 4294967295. "
        "Received: 4294967296.",
    ),
    "truth value": (
        lambda: checks.check_integer("epochs", True, minimum=1),
        "Invalid `epochs`. Expected an integer of at least 1. Received: True.",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_bad_input_has_a_clear_error(case):
    call, text = CASES[case]
    with pytest.raises(InputError) as caught:
        call()
    assert text in str(caught.value)


def test_an_integer_beyond_the_largest_float_is_no_number():
    with pytest.raises(InputError, match=r"Invalid `zoom`\. Expected a number of at least 0"):
        checks.check_number("zoom", 10**400, minimum=0)


def test_numbers_of_numpy_become_pythons():
    assert type(checks.check_seed(np.int64(3))) is int
    assert type(checks.check_number("zoom", np.float32(0.5), minimum=0)) is float
