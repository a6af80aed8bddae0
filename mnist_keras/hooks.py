"""What reaches into the training loop from outside: callbacks, signals, and the pace of both."""

import copy
import signal
import sys
import threading
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from mnist_keras._validation import invalid

CHUNK_SECONDS = 0.25  # between updates of the progress bar; a read of records apart, the longest wait after Ctrl-C
NOT_STATE = {"min_delta"}  # the first epoch after `on_train_begin` turns its sign round, each time
BATCH_HOOKS = ("on_batch_begin", "on_batch_end", "on_train_batch_begin", "on_train_batch_end")


def check_callbacks(callbacks: object) -> None:
    """Checks that these are callbacks.

    Raises:
        InputError: If it is no list, or something else is in it.
    """
    legal = keras.callbacks.Callback
    if not isinstance(callbacks, Sequence) or not all(isinstance(x, legal) for x in callbacks):
        raise invalid(
            "callbacks",
            expected="a list of keras.callbacks.Callback objects",
            received=repr(callbacks),
        )


def choose_verbosity(verbose: int | str) -> int:
    """Returns Keras's verbosity; "auto" is a progress bar in a terminal and else a line per epoch."""
    if verbose == "auto":
        return 1 if sys.stdout.isatty() else 2
    if verbose not in (0, 1, 2):
        raise invalid("verbose", expected="0, 1, 2 or 'auto'", received=repr(verbose))
    return int(verbose)


class Interrupted(Exception):  # noqa: N818  (a request, not an error)
    """SIGINT or SIGTERM came; the state was saved."""

    def __init__(self, signal_number: int):
        super().__init__(signal.Signals(signal_number).name)
        self.signal_number = signal_number


def wants_every_step(callback: keras.callbacks.Callback) -> bool:
    """Returns whether a callback defines a batch hook, other than Keras's own that do nothing per batch."""
    if type(callback) is keras.callbacks.ModelCheckpoint:
        return callback.save_freq != "epoch"
    if type(callback) is keras.callbacks.TensorBoard:
        return callback.update_freq != "epoch"
    base = keras.callbacks.Callback
    return any(
        getattr(getattr(callback, hook), "__func__", None) is not getattr(base, hook)
        for hook in BATCH_HOOKS
    )


class CallbackStates:
    """What callbacks have changed in themselves since `on_train_begin`, to be saved and given back.

    So EarlyStopping's patience and best weights, and ReduceLROnPlateau's counters, survive an interruption. What they
    were made with, such as a path, stays as whoever resumes makes them.

    Args:
        callbacks: The callbacks, right after `on_train_begin`.
    """

    def __init__(self, callbacks: Sequence[keras.callbacks.Callback]):
        self._callbacks = callbacks
        self._begun = [copy.deepcopy(_plain_attributes(callback)) for callback in callbacks]

    def save(self) -> tuple[list[dict[str, Any]], dict[str, np.ndarray]]:
        """Returns for each callback its class and plain attributes, and all their arrays as `INDEX/NAME/NUMBER`."""
        states: list[dict[str, Any]] = []
        arrays: dict[str, np.ndarray] = {}
        for index, (callback, begun) in enumerate(zip(self._callbacks, self._begun, strict=True)):
            changed = {
                name: value
                for name, value in _plain_attributes(callback).items()
                if name not in begun or value != begun[name]
            }
            states.append({"class": type(callback).__name__, "attributes": changed})
            for name, value in vars(callback).items():
                if _is_list_of_arrays(value):
                    arrays |= {f"{index}/{name}/{i}": array for i, array in enumerate(value)}
        return states, arrays

    def restore(self, states: Sequence[dict[str, Any]], arrays: dict[str, np.ndarray]) -> None:
        """Gives what `save` returned back, to the first callback of each class the first one's, and so on."""
        left = list(enumerate(states))
        for callback in self._callbacks:
            same = (saved for saved in left if saved[1]["class"] == type(callback).__name__)
            if (saved := next(same, None)) is None:
                continue
            left.remove(saved)
            index, state = saved
            lists: dict[str, list[np.ndarray]] = {}
            for key in sorted(arrays, key=lambda key: int(key.rsplit("/", 1)[1])):
                owner, name, _ = key.split("/")
                if int(owner) == index:
                    lists.setdefault(name, []).append(arrays[key])
            vars(callback).update(state["attributes"] | lists)


def _plain_attributes(callback: keras.callbacks.Callback) -> dict[str, Any]:
    attributes = {
        name: value.item() if isinstance(value, np.generic) else value
        for name, value in vars(callback).items()
    }
    return {
        name: value
        for name, value in attributes.items()
        if name not in NOT_STATE and _is_plain(value)
    }


def _is_list_of_arrays(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(x, np.ndarray) for x in value)


def _is_plain(value: Any) -> bool:
    if isinstance(value, list):
        return all(map(_is_plain, value))
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_plain(x) for key, x in value.items())
    return value is None or isinstance(value, bool | int | float | str)


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
    """Notes SIGINT and SIGTERM, so that the loop ends between two chunks; a second one ends it at once."""

    def __init__(self):
        self.received = 0
        self._before: dict[int, Any] = {}

    def __enter__(self):
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                if (
                    signal.getsignal(number) is not None
                ):  # else not set from Python: cannot be given back
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
