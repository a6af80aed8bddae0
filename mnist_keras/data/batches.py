"""Training batches as pure functions of (seed, global step, row).

Both `make_dataset` and the training loop call `get_batch`. It gathers whole batches from the uint8 array by index and
scales them after that: shuffling and mapping single images costs more than a training step of a small model.
"""

import dataclasses
import functools
from typing import NamedTuple

import tensorflow as tf

from mnist_keras._validation import check_integer, invalid
from mnist_keras.data.augmentation.transforms import (
    AUGMENTATIONS,
    Augmentation,
    get_augmentation,
)
from mnist_keras.data.splits import Split


@dataclasses.dataclass(frozen=True, eq=False)
class BatchSource:
    """Images, and how to make batches from them.

    Attributes:
        split: The images, in memory or on disk.
        batch_size: Number of rows in a global batch.
        augmentation: Random transform of the training images, or None.
    """

    split: Split
    batch_size: int
    augmentation: Augmentation | None = None

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches in an epoch; leftover images have another place in the next epoch's order."""
        return len(self.split) // self.batch_size

    @functools.cached_property
    def tensors(self) -> tuple[tf.Tensor, tf.Tensor]:
        """All images and labels, on the device that is current at the first call."""
        with tf.init_scope():  # constants, even if the first call is traced
            return tf.constant(self.split.images), tf.constant(self.split.labels)


class Rows(NamedTuple):
    """What to gather the batches of some steps from.

    Attributes:
        images: Tensor of shape `(n, height, width)`, uint8, or float32 in [0, 1].
        labels: int64 tensor of shape `(n,)`.
        order: Which of them each batch holds, int64 of shape `(steps, batch_size)`.
        start: Global step of the first batch in `order`.
    """

    images: tf.Tensor
    labels: tf.Tensor
    order: tf.Tensor
    start: tf.Tensor | int


def make_batch_source(split: Split, *, batch_size: int, augmentation=None) -> BatchSource:
    """Checks how batches are to be made.

    Raises:
        InputError: If the batch size or the augmentation is invalid.
    """
    check_integer("batch_size", batch_size, minimum=1)
    if batch_size > len(split):
        raise invalid(
            "batch_size", expected=f"at most the {len(split)} training images", received=batch_size
        )
    augmentation = get_augmentation(augmentation)
    if augmentation == AUGMENTATIONS["none"]:
        augmentation = None
    return BatchSource(split, batch_size, augmentation)


def epoch_order(source: BatchSource, seed: int, epoch: int | tf.Tensor) -> tf.Tensor:
    """Returns which images an epoch's batches hold: the start of a permutation that depends on (seed, epoch) alone.

    Int64 of shape `(steps_per_epoch, batch_size)`.
    """
    key = tf.stack([tf.constant(seed, tf.int64), tf.cast(epoch, tf.int64)])
    images = tf.range(len(source.split), dtype=tf.int64)
    num_used = source.steps_per_epoch * source.batch_size
    order = tf.random.experimental.stateless_shuffle(images, key)[:num_used]
    return tf.reshape(order, (-1, source.batch_size))


def epoch_rows(source: BatchSource, seed: int, epoch: int | tf.Tensor) -> Rows:
    """Returns what an epoch's batches of images in memory are gathered from."""
    order = epoch_order(source, seed, epoch)
    return Rows(*source.tensors, order, epoch * source.steps_per_epoch)


def get_batch(
    source: BatchSource, seed, step, first_row=0, num_rows=None, *, rows: Rows | None = None
):
    """Returns rows of the global training batch of a step.

    Args:
        source: The images and how batches are made of them.
        seed: Integer.
        step: Global step, from 0; Python integer or int64 tensor.
        first_row: First row of the global batch to return. A replica passes the start of its share.
        num_rows: Number of rows to return; the whole batch if None.
        rows: What to gather the batches around this step from, if the caller has it already; if None, the images in
            memory and the order of the step's epoch.

    Returns:
        Images, float32 in [0, 1] of shape `(num_rows, height, width, 1)`, and labels of shape `(num_rows,)`. A row
        depends only on (seed, step, row), not on which other rows are returned.
    """
    num_rows = source.batch_size if num_rows is None else num_rows
    step = tf.cast(step, tf.int64)
    if rows is None:
        rows = epoch_rows(source, seed, step // source.steps_per_epoch)
    # Not slices: XLA needs the start of a slice when it compiles, and would compile again for each start.
    numbers = tf.gather(rows.order, step - rows.start)
    if num_rows != source.batch_size:
        numbers = tf.gather(numbers, first_row + tf.range(num_rows))
    images = to_input(tf.gather(rows.images, numbers))
    if source.augmentation is not None:
        images = source.augmentation(
            images, seed=seed, step=step, first_row=first_row, batch_size=source.batch_size
        )
    return images, tf.gather(rows.labels, numbers)


def to_input(images: tf.Tensor) -> tf.Tensor:
    """Returns images of shape `(n, height, width)` as float32 in [0, 1] of shape `(n, height, width, 1)`."""
    if images.dtype == tf.uint8:
        images = tf.cast(images, tf.float32) * (1 / 255)
    return images[..., tf.newaxis]
