"""Windows of training images: what the loop needs in memory for its next steps."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from mnist_keras.data.batches import BatchSource, epoch_order
from mnist_keras.data.records import Records

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
