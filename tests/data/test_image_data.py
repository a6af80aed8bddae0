import numpy as np
import pytest
from data_files import small_arrays, write_idx_set, write_npz
from errors import error_of

from mnist_keras._validation import InputError
from mnist_keras.data.augmentation.strokes import make_strokes
from mnist_keras.data.datasets import load_data
from mnist_keras.data.image_data import as_image_data, from_arrays
from mnist_keras.data.pipeline import make_dataset
from mnist_keras.data.records import Records

ARRAYS = small_arrays()


def make_data(num_classes=12, **arguments):
    labels = np.arange(num_classes)
    images = np.zeros((num_classes, 8, 6), np.uint8)
    return from_arrays(images, labels, **arguments, name="<own>", source="memory")


def test_data_are_a_line_at_a_prompt_and_a_table_in_a_notebook():
    data = make_data()
    assert repr(data) == (
        "ImageData(<own>: 12 training and 0 test images of 8x6 pixels, 12 classes, from memory)"
    )
    assert repr(data.train) == "ArraySplit(<own>: 12 images of 8x6 pixels, 12 classes)"
    shown = data._repr_html_()
    assert "&lt;own&gt;" in shown
    assert "12: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, ..." in shown
    assert len(shown) < 1000


def test_images_without_labels_say_so():
    data = make_data(test_images=np.zeros((3, 8, 6), np.uint8))
    assert repr(data.test) == "ArraySplit(<own>: 3 images of 8x6 pixels, no labels)"


def make_digits(dtype=np.uint8):
    return from_arrays(
        np.ones((12, 28, 28), dtype),
        np.arange(12) % 10,
        np.zeros((2, 28, 28), dtype),
        np.arange(2),
        tuple("0123456789"),
        name="own",
        source="memory",
    )


def test_drawn_digits_are_a_share_of_the_training_images_and_come_first():
    data = make_digits()
    mixed = data.with_strokes(0.25, seed=3)
    assert (mixed.name, len(mixed.train), len(mixed.test)) == ("own and strokes", 16, 2)
    drawn, ways = make_strokes(3, 0, 4)
    np.testing.assert_array_equal(mixed.train_images[:4], drawn)
    assert mixed.train_labels[:4].tolist() == [way.digit for way in ways]
    np.testing.assert_array_equal(mixed.train_images[4:], data.train_images)
    np.testing.assert_array_equal(mixed.train_labels[4:], data.train_labels)
    assert mixed.sha256 != data.sha256 and mixed.sha256 == data.with_strokes(0.25, seed=3).sha256
    assert data.with_strokes(0) is data
    floats = make_digits(np.float32).with_strokes(0.25, seed=3).train_images
    np.testing.assert_allclose(floats[:4], drawn / 255, atol=1e-6)


def test_a_share_of_1_or_more_and_other_images_are_errors():
    data = make_digits()
    for share in (1, 1.5):
        assert error_of(data.with_strokes, share) == (
            f"Invalid `share`. Expected a number of at least 0 and less than 1. Received: {share}."
        )
    for share in (-0.1, float("nan"), "half"):
        assert error_of(data.with_strokes, share).startswith(
            "Invalid `share`. Expected a number of"
        )
    assert error_of(make_data().with_strokes, 0.5) == (
        "<own> cannot be mixed with drawn digits. Expected images of 28x28 pixels of the classes 0 to 9. "
        "Received: ArraySplit(<own>: 12 images of 8x6 pixels, 12 classes)."
    )


def test_streamed_digits_are_those_that_are_drawn_at_once():
    data = make_digits()
    at_once, streamed = (data.with_strokes(0.25, seed=3, streamed=x) for x in (False, True))
    assert (streamed.name, len(streamed.train), streamed.train.in_memory) == (
        "own and strokes",
        16,
        False,
    )
    rows = [15, 0, 3, 4, 2, 0]
    for drawn, expected in zip(streamed.train.read(rows), at_once.train.read(rows), strict=True):
        np.testing.assert_array_equal(drawn, expected)
    options = {"batch_size": 4, "training": True, "seed": 1}
    for drawn, expected in zip(
        make_dataset(streamed.train, **options).take(8),
        make_dataset(at_once.train, **options).take(8),
        strict=True,
    ):
        np.testing.assert_array_equal(drawn[0], expected[0])
        np.testing.assert_array_equal(drawn[1], expected[1])
    assert streamed.sha256 == data.with_strokes(0.25, seed=3, streamed=True).sha256
    assert streamed.sha256 != data.with_strokes(0.25, seed=4, streamed=True).sha256


def test_digits_beside_images_on_disk_are_streamed():
    on_disk = Records([(np.ones((28, 28), np.uint8), 7)] * 3)
    mixed = as_image_data((on_disk, (np.ones((2, 28, 28), np.uint8), [1, 2]))).with_strokes(0.5)
    assert not mixed.train.in_memory
    assert mixed.train.labels[3:].tolist() == [7, 7, 7]


def test_floats_are_not_streamed():
    data = make_digits(np.float32)
    assert error_of(data.with_strokes, 0.25, streamed=True) == (
        "own cannot be mixed with drawn digits. Expected images of 28x28 pixels of the classes 0 to 9, uint8 to be "
        "streamed. Received: ArraySplit(own: 12 images of 28x28 pixels, 10 classes)."
    )


def test_image_data_unpacks_as_keras_does(tmp_path):
    data = load_data(write_idx_set(tmp_path / "set", ARRAYS))
    (x_train, y_train), (x_test, y_test) = data
    assert x_train is data.train_images
    assert y_test is data.test_labels
    assert x_train.dtype == x_test.dtype == np.uint8
    assert y_train.dtype == y_test.dtype == np.int64
    assert data.input_shape == (5, 5, 1)
    assert data.num_classes == 3
    assert data.class_names == ("0", "1", "2")
    assert data.name == str(tmp_path / "set")
    with pytest.raises(AttributeError):
        data.name = "another"


def test_with_test_split_holds_out_a_fifth_of_each_class(tmp_path):
    arrays = {
        "train_images": np.zeros((50, 3, 3), np.uint8),
        "train_labels": np.arange(50, dtype=np.uint8) % 5,
    }
    arrays["train_images"][:, 0, 0] = np.arange(50)
    data = load_data(write_npz(tmp_path / "a.npz", arrays))
    assert data.test_images.shape == (0, 3, 3)
    assert set(data.sha256) == {"train_images", "train_labels"}
    split = data.with_test_split()
    assert np.bincount(split.test_labels).tolist() == [2] * 5
    assert np.bincount(split.train_labels).tolist() == [8] * 5
    held_out, kept = split.test_images[:, 0, 0], split.train_images[:, 0, 0]
    assert sorted([*held_out, *kept]) == list(range(50))
    assert (np.diff(kept.astype(int)) > 0).all(), "the order stays"
    assert split.with_test_split() is split
    assert split.sha256 == data.with_test_split().sha256, "the same every time"


def test_with_test_split_of_too_few_images(tmp_path):
    arrays = {key: x for key, x in ARRAYS.items() if key.startswith("train")}
    arrays["train_labels"] = np.arange(12, dtype=np.uint8)
    data = load_data(write_npz(tmp_path / "a.npz", arrays))
    with pytest.raises(
        InputError,
        match=r"a.npz has only one image of the class 0, 1, .*, 9, and no test images. Expected test",
    ):
        data.with_test_split()
