"""uint8 arrays in memory or records on disk -> normalised, batched, prefetched `tf.data`.

The batches are those of `batches.get_batch`, which wants its images in memory. Of records, `Windows` reads those of the
next steps into an array while the steps before run.
"""

import contextlib
import dataclasses
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from mnist_keras._validation import check_images, check_integer, check_seed, invalid
from mnist_keras.batches import BatchSource, epoch_order, get_batch, make_batch_source, to_input
from mnist_keras.records import Records

MEAN, STANDARD_DEVIATION = 0.1307, 0.3081  # of MNIST's training pixels in [0, 1]
WINDOW_BYTES = 8_000_000  # of pixels; two windows of records are in memory at a time


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
    one shape, and the next one is read in a thread of its own. The order of the epoch is all that grows with the
    number of records: 8 bytes an image, 24 while it is drawn.

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


class ReadAhead:
    """Calls `read` with a number ahead of need, in a thread that lives from the first call to `close`."""

    def __init__(self, read: Callable[[int], Any]):
        self._read = read
        self._reader: ThreadPoolExecutor | None = None
        self._next: tuple[int, Future] | None = None

    def start(self, number: int) -> None:
        """Has what `take` will ask for next read."""
        self._reader = self._reader or ThreadPoolExecutor(1)
        self._next = number, self._reader.submit(self._read, number)

    def take(self, number: int) -> Any:
        """Returns what was read, or raises what the read raised; the next call reads again then."""
        if self._next is None or self._next[0] != number:
            self.start(number)
        (_, future), self._next = self._next, None  # type: ignore[misc]
        return future.result()

    def close(self) -> None:
        """Ends the thread, after a read under way; the next read starts another."""
        reader, self._reader, self._next = self._reader, None, None
        if reader is not None:
            reader.shutdown(cancel_futures=True)


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
    parts = parts.apply(
        tf.data.experimental.assert_cardinality(-(-len(records) // source.batch_size))
    )
    return parts.map(lambda images, labels: (to_input(images), labels))
