"""uint8 arrays in memory or records on disk -> normalised, batched, prefetched `tf.data`.

Which images a training batch holds is a pure function of (seed, global step, row): `get_batch` stands under
`make_dataset` and under the training loop. Whole batches are gathered from the uint8 array by index, and scaled after
that: per-image shuffling and mapping costs more than a training step of a small net. Of records, `Windows` reads those
of the next steps into such an array while the steps before run.
"""

import contextlib
import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from mnist_keras._validation import check_images, check_integer, check_labels, check_seed, invalid
from mnist_keras.augmentation import AUGMENTATIONS, Augmentation, get_augmentation
from mnist_keras.readers import ReadAhead
from mnist_keras.records import Records

MEAN, STANDARD_DEVIATION = 0.1307, 0.3081  # of MNIST's training pixels in [0, 1]
WINDOW_BYTES = 8_000_000  # of pixels; two windows of records are in memory at a time


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


class Window(NamedTuple):
    """What `get_batch` needs in memory for the global steps from `start` to before `end`.

    Attributes:
        tensors: Images, labels, the images' order in the batches from `start` on, and `start`.
        start: First global step.
        end: First global step that is in the next window.
    """

    tensors: tuple[tf.Tensor, ...]
    start: int
    end: int


class Windows:
    """The windows of a training, one after the other; `close` ends the thread that reads records.

    An epoch of images in memory is one window. Of records a window holds at most `WINDOW_BYTES` of pixels, always in
    one shape, and the next one is read in a thread of its own. The order of the epoch, 8 bytes an image, is all that
    grows with the number of records.

    Args:
        source: The images.
        seed: Whole number.
        place: Puts images and labels where they are needed.

    Attributes:
        num_steps: Nothing is read ahead from this global step on.
    """

    def __init__(
        self,
        source: BatchSource,
        seed: int,
        place: Callable[..., tuple[Any, Any]] = lambda *tensors: tensors,
    ):
        self.source, self.seed, self.place = source, seed, place
        self.num_steps = 2**62
        self._window: Window | None = None
        self._ahead = ReadAhead(self._read)
        self.close = self._ahead.close
        if not isinstance(source.images, Records):
            self._placed = place(source.images, source.labels)
            return
        batch_bytes = source.batch_size * int(np.prod(source.images.input_shape))
        self._steps = max(1, min(WINDOW_BYTES // batch_bytes, source.steps_per_epoch))
        self._order = -1, np.empty(0, np.int64)  # the epoch and its order

    def at(self, step: int) -> Window:
        """Returns the window of a global step."""
        if self._window is None or not self._window.start <= step < self._window.end:
            on_disk = isinstance(self.source.images, Records)
            self._window = self._read_window(step) if on_disk else self._epoch(step)
        return self._window

    def _epoch(self, step):
        steps = self.source.steps_per_epoch
        epoch, start = step // steps, step // steps * steps
        order = epoch_order(self.source, self.seed, epoch)
        return Window((*self._placed, order, tf.constant(start, tf.int64)), start, start + steps)

    def _read_window(self, step):
        epoch, index = divmod(step, self.source.steps_per_epoch)
        begin = epoch * self.source.steps_per_epoch
        start = begin + index // self._steps * self._steps
        end = min(start + self._steps, begin + self.source.steps_per_epoch)
        self._window = None  # callers keep none either: its memory is free before another is read
        images, labels = self.place(*map(tf.constant, self._ahead.take(start)))
        if end < self.num_steps:
            self._ahead.start(end)
        order = np.arange(self._steps * self.source.batch_size).reshape(self._steps, -1)
        tensors = images, labels, tf.constant(order), tf.constant(start, tf.int64)
        return Window(tensors, start, end)

    def _read(self, start):
        """Returns images and labels of the window from a step on, filled up to the shape of all windows."""
        epoch, index = divmod(start, self.source.steps_per_epoch)
        if self._order[0] != epoch:
            self._order = epoch, epoch_order(self.source, self.seed, epoch).numpy()
        end = min(index + self._steps, self.source.steps_per_epoch)
        images, labels = self.source.images.read(self._order[1][index:end].ravel())
        if missing := self._steps * self.source.batch_size - len(labels):
            images = np.pad(images, ((0, missing), (0, 0), (0, 0)))
            labels = np.pad(labels, (0, missing))
        return images, labels


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
    return parts.map(lambda images, labels: (to_input(images), labels))
