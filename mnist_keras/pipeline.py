"""uint8 arrays in memory -> normalised, batched, prefetched `tf.data`.

Which images a training batch holds is a pure function of (seed, global step, row): `get_batch` stands under
`make_dataset` and under the training loop. Whole batches are gathered from the uint8 array by index, and scaled after
that: per-image shuffling and mapping costs more than a training step of a small net.
"""

import dataclasses

import numpy as np
import tensorflow as tf

from mnist_keras._validation import check_images, check_integer, check_labels, check_seed, invalid
from mnist_keras.augmentation import AUGMENTATIONS, Augmentation, get_augmentation

MEAN, STANDARD_DEVIATION = 0.1307, 0.3081  # of MNIST's training pixels in [0, 1]


@dataclasses.dataclass(frozen=True, eq=False)
class BatchSource:
    """Images in memory and how batches are made of them.

    Attributes:
        images: Tensor of shape `(n, height, width)`, uint8, or float32 in [0, 1].
        labels: Integer tensor of shape `(n,)`.
        batch_size: Rows of a global batch.
        augmentation: What varies the training images, or None.
    """

    images: tf.Tensor
    labels: tf.Tensor
    batch_size: int
    augmentation: Augmentation | None = None

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches in an epoch; the images left over are in another place of the next epoch's order."""
        return self.images.shape[0] // self.batch_size


def make_batch_source(images, labels, *, batch_size, augmentation=None) -> BatchSource:
    """Checks the arrays and puts them on the current device.

    Raises:
        InputError: If the images, the labels or the batch size are not legal.
    """
    images = check_images(images)
    labels = check_labels(labels, num_examples=len(images))
    check_integer("batch_size", batch_size, minimum=1)
    if batch_size > len(images):
        raise invalid(
            "batch_size", expected=f"at most the {len(images)} training images", received=batch_size
        )
    augmentation = get_augmentation(augmentation)
    if augmentation == AUGMENTATIONS["none"]:
        augmentation = None
    return BatchSource(tf.constant(images), tf.constant(labels), batch_size, augmentation)


def epoch_order(num_images: int, seed: int, epoch: int | tf.Tensor) -> tf.Tensor:
    """Returns the order of an epoch: a permutation of `range(num_images)`, int64, a function of (seed, epoch)."""
    key = tf.stack([tf.constant(seed, tf.int64), tf.cast(epoch, tf.int64)])
    return tf.random.experimental.stateless_shuffle(tf.range(num_images, dtype=tf.int64), key)


def get_batch(source: BatchSource, seed, step, first_row=0, num_rows=None, *, order=None):
    """Returns rows of the global training batch of a step.

    Args:
        source: The images.
        seed: Whole number.
        step: Global step, from 0; Python integer or int64 tensor.
        first_row: First row of the global batch to return; a replica asks for its share.
        num_rows: Number of rows to return; all of the batch if None.
        order: `epoch_order` of the step's epoch, if the caller has it already.

    Returns:
        Images, float32 in [0, 1] of shape `(num_rows, height, width, 1)`, and labels of shape `(num_rows,)`. The same
        for the same (seed, step, row), whoever asks for which rows.
    """
    num_rows = source.batch_size if num_rows is None else num_rows
    step = tf.cast(step, tf.int64)
    epoch, index = step // source.steps_per_epoch, step % source.steps_per_epoch
    if order is None:
        order = epoch_order(source.images.shape[0], seed, epoch)
    start = index * source.batch_size + tf.cast(first_row, tf.int64)
    rows = tf.slice(order, [start], [num_rows])
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
    """Makes a `tf.data.Dataset` of normalised batches from arrays in memory.

    With `training=True` the dataset is infinite and indexed by the global step, and each epoch has another order:
    use `model.fit(dataset, steps_per_epoch=n // batch_size, epochs=..., shuffle=False)`. Otherwise it is finite and in
    the order of the arrays; its last batch may be smaller.

    Args:
        images: Array of shape `(n, height, width)` or `(n, height, width, 1)`: uint8, or floats in [0, 1].
        labels: Integer array of shape `(n,)`, or None for batches of images alone.
        batch_size: Images in a batch.
        training: Whether the batches are shuffled, augmented and endless.
        seed: Fixes order and augmentation of training batches.
        augmentation: Name or configuration of an augmentation of training batches, see `mnist_keras.augmentation`.
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
    images = check_images(images)
    check_integer("batch_size", batch_size, minimum=1)
    with tf.device("CPU"):  # tf.data runs there
        source = make_batch_source(
            images,
            np.zeros(len(images), np.int64) if labels is None else labels,
            batch_size=batch_size if training else min(batch_size, len(images)),
            augmentation=augmentation,
        )
        batches = _endless(source, seed, start_step) if training else _finite(source)
    if standardize:
        batches = batches.map(lambda x, y: ((x - MEAN) / STANDARD_DEVIATION, y))
    if labels is None:
        batches = batches.map(lambda x, _: x)
    return batches.prefetch(tf.data.AUTOTUNE)


def _endless(source, seed, start_step):
    steps_per_epoch = source.steps_per_epoch
    start_epoch, start_index = divmod(start_step, steps_per_epoch)

    def batches_of(epoch):
        order = epoch_order(source.images.shape[0], seed, epoch)
        first = tf.where(epoch == start_epoch, tf.constant(start_index, tf.int64), 0)
        return tf.data.Dataset.range(first, steps_per_epoch).map(
            lambda index: get_batch(source, seed, epoch * steps_per_epoch + index, order=order),
            num_parallel_calls=tf.data.AUTOTUNE,
            deterministic=True,
        )

    return tf.data.Dataset.range(start_epoch, tf.int64.max).flat_map(batches_of)


def _finite(source):
    num_images, batch_size = source.images.shape[0], source.batch_size

    def batch(first):
        last = tf.minimum(first + batch_size, num_images)
        return to_input(source.images[first:last]), source.labels[first:last]

    return tf.data.Dataset.range(0, num_images, batch_size).map(
        batch, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True
    )
