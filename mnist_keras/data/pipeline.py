"""uint8 arrays in memory or records on disk -> normalised, batched, prefetched `tf.data`.

The batches are those of `batches.get_batch`, which wants its images in memory. Of records, `Windows` reads those of the
next steps into an array while the steps before run.
"""

import contextlib
import dataclasses

import numpy as np
import tensorflow as tf

from mnist_keras._validation import check_images, check_integer, check_seed, invalid
from mnist_keras.data.batches import (
    epoch_order,
    get_batch,
    make_batch_source,
    to_input,
)
from mnist_keras.data.records import Records
from mnist_keras.data.windows import Windows

MEAN, STANDARD_DEVIATION = 0.1307, 0.3081  # of MNIST's training pixels in [0, 1]


def make_dataset(
    images,
    labels=None,
    *,
    batch_size: int = 128,
    training: bool = False,
    seed: int = 0,
    augmentation=None,
    start_step: int = 0,
    standardize: bool = False,
) -> tf.data.Dataset:
    """Makes a `tf.data.Dataset` of normalised batches from arrays in memory or records on disk.

    With `training=True` the dataset is infinite and indexed by the global step, and each epoch has another order:
    use `model.fit(dataset, steps_per_epoch=n // batch_size, epochs=..., shuffle=False)`. Otherwise it is finite and in
    the order of the arrays; its last batch may be smaller.

    Args:
        images: Array of shape `(n, height, width)` or `(n, height, width, 1)`: uint8, or floats in [0, 1]; or
            `Records`, which give the batches of the same images in memory, with their labels.
        labels: Integer array of shape `(n,)`, or None for batches of images alone; None with records.
        batch_size: Images in a batch.
        training: Whether the batches are shuffled, augmented and endless.
        seed: Fixes order and augmentation of training batches.
        augmentation: Name or configuration of an augmentation of training batches, see `mnist_keras.data.augmentation`.
        start_step: Global step of the first training batch, to go on where a run stopped.
        standardize: Whether pixels are given MNIST's mean 0 and deviation 1 (mean 0.1307, deviation 0.3081 are taken
            off), for nets of your own; the registered nets want pixels in [0, 1].

    Returns:
        A prefetched dataset of `(images, labels)`, or of `images`: float32 of shape `(b, height, width, 1)`, and int64
        of shape `(b,)`.

    Raises:
        InputError: If an argument is not legal.

    Example:
        >>> images = np.zeros((256, 28, 28), np.uint8)
        >>> next(iter(make_dataset(images, batch_size=100))).shape
        TensorShape([100, 28, 28, 1])
    """
    if not training and (augmentation is not None or start_step):
        raise invalid(
            "training",
            expected="True where augmentation or start_step is given",
            received=f"training={training}, augmentation={augmentation!r}, start_step={start_step}",
        )
    check_integer("start_step", start_step, minimum=0)
    seed = check_seed(seed)
    on_disk = isinstance(images, Records)
    images = images if on_disk else check_images(images)
    check_integer("batch_size", batch_size, minimum=1)
    with tf.device("CPU"):  # tf.data runs there
        source = make_batch_source(
            images,
            np.zeros(len(images), np.int64) if labels is None and not on_disk else labels,
            batch_size=batch_size if training else min(batch_size, len(images)),
            augmentation=augmentation,
        )
        if training:
            batches = (_endless_records if on_disk else _endless)(source, seed, start_step)
        else:
            batches = (_finite_records if on_disk else _finite)(source)
    if standardize:
        batches = batches.map(lambda x, y: ((x - MEAN) / STANDARD_DEVIATION, y))
    if labels is None and not on_disk:
        batches = batches.map(lambda x, _: x)
    return batches.prefetch(tf.data.AUTOTUNE)


def _endless(source, seed, start_step):
    steps_per_epoch = source.steps_per_epoch

    def batches_of(epoch):
        order, begin = epoch_order(source, seed, epoch), epoch * steps_per_epoch
        first = tf.maximum(begin, start_step)
        return _training_batches(source, seed, order, begin, first, begin + steps_per_epoch)

    epochs = tf.data.Dataset.range(start_step // steps_per_epoch, tf.int64.max)
    return epochs.flat_map(batches_of)


def _training_batches(source, seed, order, order_start, first, end):
    return tf.data.Dataset.range(first, end).map(
        lambda step: get_batch(source, seed, step, order=order, order_start=order_start),
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=True,
    )


def _finite(source):
    def batch(first):
        last = tf.minimum(first + source.batch_size, source.num_images)
        return to_input(source.images[first:last]), source.labels[first:last]

    return tf.data.Dataset.range(0, source.num_images, source.batch_size).map(
        batch, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True
    )


def _endless_records(source, seed, start_step):
    def windows(step=start_step):
        with contextlib.closing(Windows(source, seed)) as ahead:
            while True:
                window = ahead.at(step)
                yield *window.tensors, step, window.end
                step = window.end
                del window

    def batches_of(images, labels, order, start, step, end):
        in_memory = dataclasses.replace(source, images=images, labels=labels)
        return _training_batches(in_memory, seed, order, start, step, end)

    shapes = (None,), (None, source.batch_size), (), (), ()
    numbers = [tf.TensorSpec(shape, tf.int64) for shape in shapes]
    images = tf.TensorSpec((None, *source.images.input_shape[:2]), tf.uint8)
    signature = (images, *numbers)
    return tf.data.Dataset.from_generator(windows, output_signature=signature).flat_map(batches_of)


def _finite_records(source):
    records = source.images

    def batches():
        for first in range(0, len(records), source.batch_size):
            yield records.read(range(first, min(first + source.batch_size, len(records))))

    images = tf.TensorSpec((None, *records.input_shape[:2]), tf.uint8)
    signature = images, tf.TensorSpec((None,), tf.int64)
    parts = tf.data.Dataset.from_generator(batches, output_signature=signature)
    parts = parts.apply(
        tf.data.experimental.assert_cardinality(-(-len(records) // source.batch_size))
    )
    return parts.map(lambda images, labels: (to_input(images), labels))
