"""Labeled images as a split: class names from labels, splits by name, and what is no data."""

import numpy as np
import pytest
from errors import error_of

from mnist_keras._validation import InputError
from mnist_keras.data.image_data import as_image_data
from mnist_keras.data.splits import as_split

IMAGES = np.random.default_rng(0).integers(0, 256, (20, 28, 28), dtype=np.uint8)
LABELS = np.arange(20) % 4
NAMES = np.array(["bag", "hat", "shoe", "tie"])[LABELS]


@pytest.mark.parametrize(
    "names",
    [
        ("x_train", "y_train", "x_val", "y_val", "x_test", "y_test"),
        ("train_images", "train_labels", "val_images", "val_labels", "test_images", "test_labels"),
    ],
)
def test_a_dictionary_of_the_arrays_of_splits(names):
    arrays = dict(zip(names, [IMAGES, LABELS] * 3, strict=True))
    data = as_image_data(arrays)
    for split in (data.train, data.validation, data.test):
        np.testing.assert_array_equal(split.images, IMAGES)
        assert split.labels.tolist() == LABELS.tolist()
    del arrays[names[0]], arrays[names[1]]
    assert error_of(as_image_data, arrays) == (
        "Invalid `data`. Expected training images, under the key train, or x_train and y_train. Received: a dictionary "
        f"with the keys {', '.join(names[2:])}."
    )


def test_strings_become_class_names_in_order():
    data = as_image_data(((IMAGES, NAMES), (IMAGES[:2], NAMES[:2])))
    assert data.class_names == ("bag", "hat", "shoe", "tie")
    assert data.test_labels.tolist() == [0, 1]
    numbers = np.array(["10", "9", "2"])[np.arange(20) % 3]
    assert as_split(IMAGES, numbers).class_names == ("2", "9", "10")
    split = as_split(IMAGES, NAMES, class_names=["tie", "shoe", "hat", "bag"])
    assert split.labels[:4].tolist() == [3, 2, 1, 0]
    assert "has the label 'bag'. Expected one of: tie, shoe, hat." in error_of(
        as_split, IMAGES, NAMES, class_names=["tie", "shoe", "hat"]
    )


def test_flat_images_of_another_size_with_labels():
    assert as_split(np.zeros((20, 64), np.uint8), LABELS).shape == (20, 8, 8)


@pytest.mark.parametrize("data", [5, None, "x" * 3, (1, 2, 3), iter([1])])
def test_what_is_no_data(data):
    with pytest.raises(
        InputError, match=r"Invalid `data`\. Expected a name, a path|Invalid `train_images`"
    ):
        as_image_data(data)
