"""Ctrl-C, SIGTERM and SIGHUP during training, and how many steps run between two looks at them."""

import signal
import threading
from typing import Any

CHUNK_SECONDS = 0.25  # between updates of the progress bar; a read of records apart, the longest wait after Ctrl-C


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
        """Takes the time of a chunk; one that the epoch's end cut short says nothing about a longer one."""
        if self._fixed:
            return
        if seconds < CHUNK_SECONDS / 2 and num_steps == self.num_steps:
            self.num_steps *= 4 if seconds < CHUNK_SECONDS / 8 else 2
        elif seconds > CHUNK_SECONDS * 2:
            self.num_steps = max(1, self.num_steps // 2)


class Signals:
    """Notes SIGINT, SIGTERM and SIGHUP, so that the loop ends between two chunks; a second one ends it at once.

    A signal that was ignored when the program started stays ignored: `nohup` ignores SIGHUP, and a shell script
    ignores SIGINT for the commands that it starts in the background.
    """

    def __init__(self):
        self.received = 0
        self._before: dict[int, Any] = {}

    def __enter__(self):
        if threading.current_thread() is threading.main_thread():
            for number in WATCHED:
                # None: a handler from outside of Python, which could not be given back.
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
