"""Keras's callbacks: whether a training can use them, and their state in a checkpoint."""

import copy
import sys
from collections.abc import Sequence, Sized
from typing import Any

import keras
import numpy as np

from mnist_keras._validation import invalid, say

NOT_STATE = {"min_delta"}  # its sign flips in the first epoch after each `on_train_begin`
KERAS_SETS = {"_model", "model", "params"}  # in every callback
RATE_SETTERS = (keras.callbacks.LearningRateScheduler, keras.callbacks.ReduceLROnPlateau)
WRITERS = (  # of Keras's callbacks, those that write files
    keras.callbacks.BackupAndRestore,
    keras.callbacks.CSVLogger,
    keras.callbacks.ModelCheckpoint,
    keras.callbacks.TensorBoard,
)
BATCH_HOOKS = ("on_batch_begin", "on_batch_end", "on_train_batch_begin", "on_train_batch_end")


def check_callbacks(callbacks: object, schedule: str = "constant") -> None:
    """Checks that these are callbacks, and that none sets a learning rate that the recipe's schedule sets.

    Raises:
        InputError: If it is not a list of callbacks, or a callback and the schedule both set the learning rate.
    """
    legal = keras.callbacks.Callback
    if not isinstance(callbacks, Sequence) or not all(isinstance(x, legal) for x in callbacks):
        raise invalid(
            "callbacks",
            expected="a list of keras.callbacks.Callback objects",
            received=repr(callbacks),
        )
    setters = [x for x in callbacks if isinstance(x, RATE_SETTERS)]
    if setters and schedule != "constant":
        name = type(setters[0]).__name__
        raise invalid(
            "callbacks",
            expected=f"no {name} with the recipe's schedule {schedule!r}, which sets the learning rate itself",
            received=name,
            hint='Pass recipe=recipe.replace(schedule="constant").',
        )


def for_worker(
    callbacks: Sequence[keras.callbacks.Callback], *, is_chief: bool
) -> list[keras.callbacks.Callback]:
    """Returns a worker's callbacks: those that write files only on the chief."""
    return [callback for callback in callbacks if is_chief or not isinstance(callback, WRITERS)]


def choose_verbosity(verbose: int | str) -> int:
    """Returns Keras's verbosity; "auto" is a progress bar in a terminal, otherwise one line per epoch."""
    if verbose == "auto":
        return 1 if sys.stdout.isatty() else 2
    if verbose not in (0, 1, 2):
        raise invalid("verbose", expected="0, 1, 2 or 'auto'", received=repr(verbose))
    return int(verbose)


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
    """The attributes that callbacks have changed since `on_train_begin`, to save and restore them.

    This way, EarlyStopping's patience and best weights, and ReduceLROnPlateau's counters, survive an interruption.
    Constructor arguments, such as a path, come from the callbacks of the resumed run.

    Args:
        callbacks: The callbacks, right after `on_train_begin`.
    """

    def __init__(self, callbacks: Sequence[keras.callbacks.Callback]):
        self._callbacks = callbacks
        self._begun = [copy.deepcopy(_plain_attributes(callback)) for callback in callbacks]
        self._others = [_other_attributes(callback) for callback in callbacks]
        self._said: set[str] = set()

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
        self._say_what_is_lost()
        return states, arrays

    def _say_what_is_lost(self) -> None:
        """Warns once about each attribute that has changed and cannot be saved."""
        for callback, begun in zip(self._callbacks, self._others, strict=True):
            for name, now in _other_attributes(callback).items():
                attribute = f"{type(callback).__name__}.{name}"
                if now != begun.get(name) and attribute not in self._said:
                    self._said.add(attribute)
                    say(
                        f"{attribute} is a {type(vars(callback)[name]).__name__}, which a checkpoint cannot hold; a "
                        "resumed run starts it afresh. Use numbers, strings, or lists of these or of arrays"
                    )

    def restore(self, states: Sequence[dict[str, Any]], arrays: dict[str, np.ndarray]) -> None:
        """Restores what `save` returned: the first callback of each class gets the first saved state, and so on."""
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


def _other_attributes(callback: keras.callbacks.Callback) -> dict[str, tuple[int, int]]:
    """Returns a value per unsaved attribute that shows whether it changed; empty for Keras's own callbacks."""
    if type(callback).__module__.split(".")[0] == "keras":
        return {}
    return {
        name: (id(value), len(value) if isinstance(value, Sized) else 0)
        for name, value in vars(callback).items()
        if name not in KERAS_SETS and not (_is_plain(value) or _is_list_of_arrays(value))
    }


def _is_list_of_arrays(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(x, np.ndarray) for x in value)


def _is_plain(value: Any) -> bool:
    if isinstance(value, list):
        return all(map(_is_plain, value))
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_plain(x) for key, x in value.items())
    return value is None or isinstance(value, bool | int | float | str)
