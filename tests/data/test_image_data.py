import numpy as np

from mnist_keras.data.image_data import from_arrays


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
