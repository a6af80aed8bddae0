"""Training batches as pure functions of (seed, global step, row), from images in memory.

`get_batch` stands under `make_dataset` and under the training loop. Whole batches are gathered from the uint8 array by
index, and scaled after that: per-image shuffling and mapping costs more than a training step of a small net.
"""

import dataclasses

import tensorflow as tf

from mnist_keras._validation import check_images, check_integer, check_labels, invalid
from mnist_keras.data.augmentation.transforms import AUGMENTATIONS, Augmentation, get_augmentation
from mnist_keras.data.records import Records


@dataclasses.dataclass(frozen=True, eq=False)
class BatchSource:
    """Images and how batches are made of them.

    Attributes:
        images: Tensor of shape `(n, height, width)`, uint8, or float32 in [0, 1]; or `Records`.
        labels: Integer tensor of shape `(n,)`; None for records, which have theirs.
        batch_size: Rows of a global batch.
        augmentation: What varies the training images, or None.
    """

    images: tf.Tensor | Records
    labels: tf.Tensor | None
    batch_size: int
    augmentation: Augmentation | None = None

    @property
    def num_images(self) -> int:
        """The number of images."""
        return len(self.images) if isinstance(self.images, Records) else self.images.shape[0]

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches in an epoch; the images left over are in another place of the next epoch's order."""
        return self.num_images // self.batch_size


def make_batch_source(images, labels=None, *, batch_size, augmentation=None) -> BatchSource:
    """Checks the arrays and puts them on the current device; leaves records where they are.

    Raises:
        InputError: If the images, the labels or the batch size are not legal.
    """
    if not isinstance(images, Records):
        images = check_images(images)
        labels = check_labels(labels, num_examples=len(images))
    elif labels is not None:
        received = type(labels).__name__
        raise invalid("labels", expected="None with records, which have theirs", received=received)
    check_integer("batch_size", batch_size, minimum=1)
    if batch_size > len(images):
        raise invalid(
            "batch_size", expected=f"at most the {len(images)} training images", received=batch_size
        )
    augmentation = get_augmentation(augmentation)
    if augmentation == AUGMENTATIONS["none"]:
        augmentation = None
    if not isinstance(images, Records):
        images, labels = tf.constant(images), tf.constant(labels)
    return BatchSource(images, labels, batch_size, augmentation)


def epoch_order(source: BatchSource, seed: int, epoch: int | tf.Tensor) -> tf.Tensor:
    """Returns which images the batches hold, the first of a permutation that is a function of (seed, epoch).

    Int64 of shape `(steps_per_epoch, batch_size)`.
    """
    key = tf.stack([tf.constant(seed, tf.int64), tf.cast(epoch, tf.int64)])
    images = tf.range(source.num_images, dtype=tf.int64)
    num_used = source.steps_per_epoch * source.batch_size
    order = tf.random.experimental.stateless_shuffle(images, key)[:num_used]
    return tf.reshape(order, (-1, source.batch_size))


def get_batch(
    source: BatchSource, seed, step, first_row=0, num_rows=None, *, order=None, order_start=0
):
    """Returns rows of the global training batch of a step.

    Args:
        source: The images, in memory.
        seed: Whole number.
        step: Global step, from 0; Python integer or int64 tensor.
        first_row: First row of the global batch to return; a replica asks for its share.
        num_rows: Number of rows to return; all of the batch if None.
        order: Which of `source.images` the batches from `order_start` on hold, of shape `(steps, batch_size)`, if the
            caller knows already; `epoch_order` of the step's epoch if None.
        order_start: Global step at which `order` begins.

    Returns:
        Images, float32 in [0, 1] of shape `(num_rows, height, width, 1)`, and labels of shape `(num_rows,)`. The same
        for the same (seed, step, row), whoever asks for which rows.
    """
    num_rows = source.batch_size if num_rows is None else num_rows
    step = tf.cast(step, tf.int64)
    if order is None:
        epoch = step // source.steps_per_epoch
        order, order_start = epoch_order(source, seed, epoch), epoch * source.steps_per_epoch
    # Not slices, whose start XLA wants to know: it would compile anew for every one.
    rows = tf.gather(order, step - order_start)
    if num_rows != source.batch_size:
        rows = tf.gather(rows, first_row + tf.range(num_rows))
    images = to_input(tf.gather(source.images, rows))
    if source.augmentation is not None:
        images = source.augmentation(
            images, seed=seed, step=step, first_row=first_row, batch_size=source.batch_size
        )
    return images, tf.gather(source.labels, rows)


def to_input(images: tf.Tensor) -> tf.Tensor:
    """Returns images of shape `(n, height, width)` as float32 in [0, 1] of shape `(n, height, width, 1)`."""
    if images.dtype == tf.uint8:
        images = tf.cast(images, tf.float32) * (1 / 255)
    return images[..., tf.newaxis]
