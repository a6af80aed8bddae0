"""When the training loop pauses between steps: for Ctrl-C and SIGTERM, for callbacks, and to save its state."""

import dataclasses
import signal
import threading
import time
from typing import Any

import numpy as np

from mnist_keras._validation import check_integer, check_number
from mnist_keras.training.saving.checkpoints import KEPT
from mnist_keras.training.workers.exchange import Workers

CHUNK_SECONDS = 0.25  # between updates of the progress bar; except for reads of records, the longest wait after Ctrl-C
WATCHED = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]


class Interrupted(Exception):  # noqa: N818  (a request, not an error)
    """A signal asked the training to end; the state was saved."""

    def __init__(self, signal_number: int):
        super().__init__(signal.Signals(signal_number).name)
        self.signal_number = signal_number


class Chunk:
    """How many steps one compiled call runs: as many as take about `CHUNK_SECONDS`."""

    def __init__(self, fixed: int | None):
        self.num_steps = fixed or 16
        self._fixed = fixed

    def adapt(self, num_steps: int, seconds: float) -> None:
        """Adapts to the time of a chunk, unless the end of the epoch cut it short."""
        if self._fixed:
            return
        if seconds < CHUNK_SECONDS / 2 and num_steps == self.num_steps:
            self.num_steps *= 4 if seconds < CHUNK_SECONDS / 8 else 2
        elif seconds > CHUNK_SECONDS * 2:
            self.num_steps = max(1, self.num_steps // 2)


class Signals:
    """Records SIGINT, SIGTERM and SIGHUP, so that the loop ends between two chunks; a second one ends it at once.

    A signal that was ignored when the program started stays ignored: `nohup` ignores SIGHUP, and a shell script
    ignores SIGINT for the commands that it starts in the background.
    """

    def __init__(self):
        self.received = 0
        self._before: dict[int, Any] = {}

    def __enter__(self):
        if threading.current_thread() is threading.main_thread():
            for number in WATCHED:
                # None: a handler from outside Python, which could not be restored.
                if signal.getsignal(number) not in (None, signal.SIG_IGN):
                    self._before[number] = signal.signal(number, self._note)
        return self

    def _note(self, number, frame):
        self.received = number
        self._restore()

    def _restore(self):
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def __exit__(self, *exception):
        self._restore()


@dataclasses.dataclass(frozen=True)
class Cadence:
    """How often the state is saved, in addition to the end of each epoch, and how many of the newest are kept.

    Attributes:
        steps: After each multiple of this many steps; not if None.
        seconds: Once this much time has passed since the last save; not if None.
        keep: Number of checkpoints.

    Raises:
        InputError: If a number is invalid.
    """

    steps: int | None = None
    seconds: float | None = None
    keep: int = KEPT

    def __post_init__(self):
        if self.steps is not None:
            check_integer("checkpoint_steps", self.steps, minimum=1)
        if self.seconds is not None:
            check_number("checkpoint_seconds", self.seconds, minimum=0, above=True)
        check_integer("keep_checkpoints", self.keep, minimum=1)


EACH_EPOCH = Cadence()


class Pace:
    """How many steps one compiled call runs, when the state is saved, and whether a signal has come.

    All workers keep the same pace: the chief's clock counts, and the first signal that any of them gets.

    Args:
        signals: The signals that this process records.
        workers: The processes.
        cadence: How often the state is saved.
        fixed: Steps of each call; if None, as many as take about a quarter of a second.

    Attributes:
        signal: Number of the signal that ends the training; 0 if none came.
        stop: Whether a callback asked to end it.
    """

    def __init__(self, signals: Signals, workers: Workers, cadence: Cadence, *, fixed: int | None):
        self.signal, self.stop = 0, False
        self._signals, self._workers, self._cadence = signals, workers, cadence
        self._chunk = Chunk(fixed)
        self._saved, self._time_is_up = time.monotonic(), False
        self.adapt = self._chunk.adapt

    def look(self, *, stop: bool = False) -> None:
        """Checks the signals and the clock; every worker does so at the same steps.

        Args:
            stop: Whether a callback of this worker asks to end the training.
        """
        seconds = self._cadence.seconds
        mine = np.zeros((self._workers.count, 4), np.int64)
        mine[self._workers.index] = (
            self._signals.received,
            stop,
            self._chunk.num_steps,
            seconds is not None and time.monotonic() - self._saved >= seconds,
        )
        seen = self._workers.sum(mine)
        self.signal, self.stop = int(seen[:, 0].max()), bool(seen[:, 1].any())
        self._chunk.num_steps, self._time_is_up = int(seen[0, 2]), bool(seen[0, 3])

    def num_steps(self, step: int, end: int) -> int:
        """Returns how many steps the next call runs: from a global step on, before `end` and the next save."""
        if every := self._cadence.steps:
            end = min(end, (step // every + 1) * every)
        return min(self._chunk.num_steps, end - step)

    def save_is_due(self, step: int) -> bool:
        every = self._cadence.steps
        return self._time_is_up or (every is not None and step % every == 0)

    def saved(self) -> None:
        """Records that the state was saved just now."""
        self._saved, self._time_is_up = time.monotonic(), False
