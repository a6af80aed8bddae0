"""Windows of training images: what the training loop needs in memory for its next steps."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from mnist_keras.data.batches import BatchSource, Rows, epoch_order

WINDOW_BYTES = 8_000_000  # of pixels; two windows of a split on disk are in memory at a time


class Window(NamedTuple):
    """What `get_batch` needs for the global steps from `start` to before `end`."""

    rows: Rows
    start: int
    end: int


class Windows:
    """The windows of a training, one after the other; `close` ends the thread that reads from disk.

    For images in memory, an epoch is one window. For images on disk, a window holds at most `WINDOW_BYTES` of pixels,
    always in one shape, and a thread reads the next one ahead. Only the order of the epoch grows with the number of
    images: 8 bytes an image, 24 while it is drawn.

    Args:
        source: The images and how batches are made of them.
        seed: Integer.
        place: Puts images and labels on the devices that need them.
        rows: The rows of each batch that this process needs, of images on disk; all if None.

    Attributes:
        num_steps: Nothing is read ahead from this global step on.
    """

    def __init__(
        self,
        source: BatchSource,
        seed: int,
        place: Callable[..., tuple[Any, Any]] = lambda *tensors: tensors,
        rows: range | None = None,
    ):
        self.source, self.seed, self.place = source, seed, place
        rows = range(source.batch_size) if rows is None else rows
        self._num_rows, self._columns = len(rows), slice(rows.start, rows.stop)
        self.num_steps = 2**62
        self._window: Window | None = None
        self._ahead = ReadAhead(self._read)
        self.close = self._ahead.close
        if source.split.in_memory:
            self._placed = place(*source.tensors)
            return
        batch_bytes = self._num_rows * int(np.prod(source.split.input_shape))
        self._steps = max(1, min(WINDOW_BYTES // batch_bytes, source.steps_per_epoch))
        self._order = -1, np.empty(0, np.int64)  # the epoch and its order

    def at(self, step: int) -> Window:
        """Returns the window of a global step."""
        if self._window is None or not self._window.start <= step < self._window.end:
            in_memory = self.source.split.in_memory
            self._window = self._epoch(step) if in_memory else self._read_window(step)
        return self._window

    def _epoch(self, step):
        steps = self.source.steps_per_epoch
        epoch, start = step // steps, step // steps * steps
        order = epoch_order(self.source, self.seed, epoch)
        rows = Rows(*self._placed, order, tf.constant(start, tf.int64))
        return Window(rows, start, start + steps)

    def _read_window(self, step):
        epoch, index = divmod(step, self.source.steps_per_epoch)
        begin = epoch * self.source.steps_per_epoch
        start = begin + index // self._steps * self._steps
        end = min(start + self._steps, begin + self.source.steps_per_epoch)
        self._window = None  # callers keep none either: its memory is free before another is read
        images, labels = self.place(*map(tf.constant, self._ahead.take(start)))
        if end < self.num_steps:
            self._ahead.start(end)
        # The rows of other workers are never read.
        order = np.zeros((self._steps, self.source.batch_size), np.int64)
        own = order[:, self._columns]
        own[:] = np.arange(own.size).reshape(own.shape)
        rows = Rows(images, labels, tf.constant(order), tf.constant(start, tf.int64))
        return Window(rows, start, end)

    def _read(self, start):
        """Returns images and labels of the window from a step on, padded to the shape of all windows."""
        epoch, index = divmod(start, self.source.steps_per_epoch)
        if self._order[0] != epoch:
            self._order = epoch, epoch_order(self.source, self.seed, epoch).numpy()
        end = min(index + self._steps, self.source.steps_per_epoch)
        numbers = self._order[1][index:end, self._columns]
        images, labels = self.source.split.read(numbers.ravel())
        if missing := self._steps * self._num_rows - len(labels):
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
        """Starts to read what `take` will ask for next."""
        self._reader = self._reader or ThreadPoolExecutor(1)
        self._next = number, self._reader.submit(self._read, number)

    def take(self, number: int) -> Any:
        """Returns what was read, or raises what the read raised; the next call reads again then."""
        if self._next is None or self._next[0] != number:
            self.start(number)
        (_, future), self._next = self._next, None  # type: ignore[misc]
        return future.result()

    def close(self) -> None:
        """Ends the thread after the current read; the next read starts another."""
        reader, self._reader, self._next = self._reader, None, None
        if reader is not None:
            reader.shutdown(cancel_futures=True)
