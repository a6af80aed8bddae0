"""A large drawn digit and what becomes of it, the digits of scikit-learn, and a small model."""

import keras
import pytest
from digit_pictures import draw_large

import mnist_keras as mk
from mnist_keras.inference.preprocessing import to_mnist_image


@pytest.fixture(scope="module")
def ink():
    return draw_large(5)


@pytest.fixture(scope="module")
def expected(ink):
    return to_mnist_image(ink)


@pytest.fixture(scope="module")
def digits():
    """scikit-learn's digits, which are framed as MNIST's are."""
    data = mk.load_data("digits")
    return data.train_images, data.train_labels


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    return mk.build_mlp((8,), name="small")
