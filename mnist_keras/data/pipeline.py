"""make_dataset: normalized, batched, prefetched `tf.data` from images in memory or on disk."""

from __future__ import annotations  # help() shows the names of types, not what they stand for

import contextlib
from functools import partial

import numpy as np
import tensorflow as tf

from mnist_keras._validation import check_flags, check_images, check_integer, check_seed, invalid
from mnist_keras.data.batches import Rows, epoch_rows, get_batch, make_batch_source, to_input
from mnist_keras.data.readers.objects import holds_labels
from mnist_keras.data.splits import ArraySplit, Split, as_split
from mnist_keras.data.windows import Windows

MEAN, STANDARD_DEVIATION = 0.1307, 0.3081  # of MNIST's training pixels in [0, 1]
# AutoGraph would only copy the functions below, which have no branch or loop over tensors. Errors, debuggers and
# coverage would then show the copies.
_not_copied = tf.autograph.experimental.do_not_convert


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
    """Makes a `tf.data.Dataset` of normalized batches from arrays in memory or records on disk.

    With `training=True`, the dataset is infinite, and each epoch has a new order: use
    `model.fit(dataset, steps_per_epoch=n // batch_size, epochs=..., shuffle=False)`. Otherwise, it is finite and in the
    order of the arrays, and its last batch may be smaller.

    Args:
        images: Array of shape `(n, height, width)` or `(n, height, width, 1)`: uint8, or floats in [0, 1]; or a
            split, such as `data.train` or `Records`; or an object with labels, such as a DataFrame.
        labels: Integer array of shape `(n,)`, or None for batches of images only; None with a split.
        batch_size: Number of images in a batch.
        training: Whether the batches are shuffled, augmented and endless.
        seed: Seed of the order and the augmentation of training batches.
        augmentation: Name or configuration of an augmentation of training batches, see `mnist_keras.data.augmentation`.
        start_step: Global step of the first training batch, to continue an interrupted run.
        standardize: Whether to subtract MNIST's mean (0.1307) and divide by its standard deviation (0.3081), for
            models of your own. The registered models take pixels in [0, 1].

    Returns:
        A prefetched dataset of `(images, labels)`, or of `images`: float32 of shape `(b, height, width, 1)`, and int64
        of shape `(b,)`.

    Raises:
        InputError: If an argument is invalid.

    Example:
        >>> images = np.zeros((256, 28, 28), np.uint8)
        >>> next(iter(make_dataset(images, batch_size=100))).shape
        TensorShape([100, 28, 28, 1])
    """
    check_flags(training=training, standardize=standardize)
    if not training and (augmentation is not None or start_step):
        raise invalid(
            "training",
            expected="True where augmentation or start_step is given",
            received=f"training={training}, augmentation={augmentation!r}, start_step={start_step}",
        )
    check_integer("start_step", start_step, minimum=0)
    seed = check_seed(seed)
    labeled = isinstance(images, Split) or labels is not None or holds_labels(images)
    if not labeled:
        images = check_images(images)
        split: Split = ArraySplit(images, np.zeros(len(images), np.int64), ("0",))
    else:
        split = as_split(images, labels)
    check_integer("batch_size", batch_size, minimum=1)
    with tf.device("CPU"):  # tf.data runs there
        source = make_batch_source(
            split,
            batch_size=batch_size if training else min(batch_size, len(split)),
            augmentation=augmentation,
        )
        if training:
            make = _endless if split.in_memory else _endless_from_disk
            batches = make(source, seed, start_step)
        else:
            batches = (_finite if split.in_memory else _finite_from_disk)(source)
    if standardize:
        batches = batches.map(_not_copied(lambda x, y: ((x - MEAN) / STANDARD_DEVIATION, y)))
    if not labeled:
        batches = batches.map(_not_copied(lambda x, _: x))
    return batches.prefetch(tf.data.AUTOTUNE)


def _endless(source, seed, start_step):
    steps_per_epoch = source.steps_per_epoch

    @_not_copied
    def batches_of(epoch):
        rows, begin = epoch_rows(source, seed, epoch), epoch * steps_per_epoch
        first = tf.maximum(begin, start_step)
        return _training_batches(source, seed, rows, first, begin + steps_per_epoch)

    source.tensors  # noqa: B018  (made here, on this device, not in the traced function)
    epochs = tf.data.Dataset.range(start_step // steps_per_epoch, tf.int64.max)
    return epochs.flat_map(batches_of)


def _training_batches(source, seed, rows, first, end):
    return tf.data.Dataset.range(first, end).map(
        _not_copied(lambda step: get_batch(source, seed, step, rows=rows)),
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=True,
    )


def _finite(source):
    (images, labels), num_images = source.tensors, len(source.split)

    @_not_copied
    def batch(first):
        last = tf.minimum(first + source.batch_size, num_images)
        return to_input(images[first:last]), labels[first:last]

    return tf.data.Dataset.range(0, num_images, source.batch_size).map(
        batch, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True
    )


def _endless_from_disk(source, seed, start_step):
    @_not_copied
    def batches_of(images, labels, order, start, step, end):
        return _training_batches(source, seed, Rows(images, labels, order, start), step, end)

    shapes = (None,), (None, source.batch_size), (), (), ()
    numbers = [tf.TensorSpec(shape, tf.int64) for shape in shapes]
    images = tf.TensorSpec((None, *source.split.shape[1:]), tf.uint8)
    signature = (images, *numbers)
    windows = tf.data.Dataset.from_generator(
        partial(windows_from, source, seed, start_step), output_signature=signature
    )
    return windows.flat_map(batches_of)


def windows_from(source, seed, step):
    """Yields the rows of each window from a step on, that step or the window's first one, and the end of the window."""
    with contextlib.closing(Windows(source, seed)) as ahead:
        while True:
            window = ahead.at(step)
            yield *window.rows, step, window.end
            step = window.end
            del window  # its memory is free before the next one is read


def _finite_from_disk(source):
    split = source.split
    images = tf.TensorSpec((None, *split.shape[1:]), tf.uint8)
    signature = images, tf.TensorSpec((None,), tf.int64)
    parts = tf.data.Dataset.from_generator(
        partial(read_in_order, split, source.batch_size), output_signature=signature
    )
    parts = parts.apply(
        tf.data.experimental.assert_cardinality(-(-len(split) // source.batch_size))
    )
    return parts.map(_not_copied(lambda images, labels: (to_input(images), labels)))


def read_in_order(split, batch_size):
    """Yields images and labels in their order, `batch_size` at a time; the last part may be smaller."""
    for first in range(0, len(split), batch_size):
        yield split.read(range(first, min(first + batch_size, len(split))))
