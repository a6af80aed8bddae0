"""A training batch is a function of (seed, step, row), whoever asks for which rows."""

import numpy as np
import pytest
import tensorflow as tf

from mnist_keras.data.batches import epoch_order, get_batch, make_batch_source
from mnist_keras.data.splits import as_split

N, BATCH = 50, 8  # six whole batches in an epoch, two images left over
EVERYTHING = {"rotation": 10, "shift": 2, "zoom": 0.1, "elastic_alpha": 24, "erasing": 0.5}


@pytest.fixture(scope="module")
def arrays():
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (N, 9, 7), np.uint8), np.arange(N) % 10


@pytest.mark.parametrize("augmentation", [None, EVERYTHING])
def test_slices_equal_the_whole(arrays, augmentation):
    source = make_batch_source(as_split(*arrays), batch_size=BATCH, augmentation=augmentation)
    # A convolution, which the elastic distortion is smoothed by, rounds by the number of its rows.
    tolerance = 1e-6 if augmentation else 0
    for parts in (1, 2, 4):
        rows = BATCH // parts
        for step in (0, 5, 6):
            images, labels = get_batch(source, 3, step)
            slices = [get_batch(source, 3, step, part * rows, rows) for part in range(parts)]
            joined = np.concatenate([x for x, _ in slices])
            np.testing.assert_allclose(images, joined, rtol=0, atol=tolerance)
            np.testing.assert_array_equal(labels, np.concatenate([y for _, y in slices]))


def test_the_step_may_be_a_tensor_in_a_compiled_function(arrays):
    source = make_batch_source(as_split(*arrays), batch_size=BATCH, augmentation="affine")

    @tf.function
    def batch(step, first_row):
        return get_batch(source, 3, step, first_row, 4)

    for step in (0, 11):
        images, labels = batch(tf.constant(step, tf.int64), tf.constant(4))
        expected_images, expected_labels = get_batch(source, 3, step, 4, 4)
        assert images.shape == (4, 9, 7, 1)
        np.testing.assert_allclose(images, expected_images, atol=1e-6)
        np.testing.assert_array_equal(labels, expected_labels)


def test_the_order_of_an_epoch_is_a_permutation():
    images, labels = np.zeros((100, 9, 7), np.uint8), np.zeros(100, np.int64)
    source = make_batch_source(as_split(images, labels), batch_size=25)
    orders = [epoch_order(source, 0, epoch).numpy() for epoch in range(3)]
    for order in orders:
        assert order.dtype == np.int64
        assert order.shape == (4, 25)
        np.testing.assert_array_equal(np.sort(order.ravel()), np.arange(100))
    np.testing.assert_array_equal(orders[1], epoch_order(source, 0, tf.constant(1, tf.int64)))
