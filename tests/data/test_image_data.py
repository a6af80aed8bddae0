import numpy as np
from errors import error_of

from mnist_keras.data.augmentation.strokes import make_strokes
from mnist_keras.data.image_data import as_image_data, from_arrays
from mnist_keras.data.pipeline import make_dataset
from mnist_keras.data.records import Records


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
