"""What reaches into the training loop from outside: callbacks, signals, and the pace of both."""

import signal
import threading
from typing import Any

import keras
import numpy as np

CHUNK_SECONDS = 0.25  # between updates of the progress bar, and the longest wait after Ctrl-C
# What `on_train_begin` and the first epoch set anew; Keras turns round the sign of `min_delta` there, each time.
NOT_STATE = {"params", "min_delta"}
BATCH_HOOKS = ("on_batch_begin", "on_batch_end", "on_train_batch_begin", "on_train_batch_end")


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


def callback_state(
    callback: keras.callbacks.Callback,
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Returns a callback's plain attributes, and its lists of arrays as `NAME/INDEX` -> array.

    So EarlyStopping's patience and best weights, and ReduceLROnPlateau's counters, survive an interruption.
    """
    plain: dict[str, Any] = {}
    arrays: dict[str, np.ndarray] = {}
    for name, value in vars(callback).items():
        if isinstance(value, np.generic):
            plain[name] = value.item()
        elif name not in NOT_STATE and _is_plain(value):
            plain[name] = value
        elif isinstance(value, list) and all(isinstance(x, np.ndarray) for x in value):
            arrays |= {f"{name}/{index}": array for index, array in enumerate(value)}
    return plain, arrays


def restore_callback(
    callback: keras.callbacks.Callback, plain: dict[str, Any], arrays: dict[str, np.ndarray]
) -> None:
    """Gives a callback the state that `callback_state` returned."""
    vars(callback).update(plain)
    lists: dict[str, list[np.ndarray]] = {}
    for key in sorted(arrays, key=lambda key: int(key.split("/")[1])):
        lists.setdefault(key.split("/")[0], []).append(arrays[key])
    vars(callback).update(lists)


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

    def adapt(self, seconds: float) -> None:
        if self._fixed:
            return
        if seconds < CHUNK_SECONDS / 2:
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
