"""What reaches into the training loop: which callbacks want every step, and their state."""

import json

import keras
import numpy as np
import pytest
from errors import error_of

import mnist_keras as mk
from mnist_keras.training.callbacks import CallbackStates, check_callbacks, wants_every_step

callbacks = keras.callbacks


class OnBatch(callbacks.Callback):
    def on_batch_end(self, batch, logs=None):
        pass


class OnEpoch(callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        pass


@pytest.mark.parametrize(
    ("callback", "expected"),
    [
        (callbacks.Callback, False),
        (OnEpoch, False),
        (OnBatch, True),
        (callbacks.EarlyStopping, False),
        (callbacks.ReduceLROnPlateau, False),
        (lambda: callbacks.LearningRateScheduler(lambda epoch: 1e-3), False),
        (lambda: callbacks.CSVLogger("log.csv"), False),
        (callbacks.History, False),
        (callbacks.TerminateOnNaN, True),
        (lambda: callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: None), False),
        (lambda: callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: None), True),
        (lambda: callbacks.ModelCheckpoint("best.keras"), False),
        (lambda: callbacks.ModelCheckpoint("best.keras", save_freq=10), True),
        (lambda: callbacks.TensorBoard("logs"), False),
        (lambda: callbacks.TensorBoard("logs", update_freq="batch"), True),
    ],
)
def test_which_callbacks_want_every_step(callback, expected):
    assert wants_every_step(callback()) is expected


def through_files(states, arrays):
    """Returns the states as a checkpoint gives them back."""
    return json.loads(json.dumps(states)), {key: arrays[key] for key in sorted(arrays)}


def test_early_stopping_keeps_patience_and_best_weights():
    model = mk.build_mlp((4,), input_shape=(2, 2, 1))
    model.compile("sgd", "sparse_categorical_crossentropy")

    def stopping():
        callback = callbacks.EarlyStopping("loss", patience=3, restore_best_weights=True)
        callback.set_model(model)
        callback.on_train_begin()
        return callback

    first = stopping()
    states = CallbackStates([first])
    for epoch, loss in enumerate([1.0, 0.5, np.float32(0.75), 0.75]):
        first.on_epoch_end(epoch, {"loss": loss})
    best = [array.copy() for array in first.best_weights]
    model.set_weights([array + 1 for array in best])

    second = stopping()
    CallbackStates([second]).restore(*through_files(*states.save()))
    assert (second.best, second.best_epoch, second.wait) == (0.5, 1, 2)
    for ours, theirs in zip(second.best_weights, best, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    second.on_epoch_end(4, {"loss": 0.75})
    assert model.stop_training
    second.on_train_end()
    np.testing.assert_array_equal(model.get_weights()[0], best[0])


def test_the_state_holds_what_changed_of_plain_values_and_lists_of_arrays():
    callback = callbacks.Callback()
    callback.path, callback.since, callback.names = "best.keras", 0, []
    states = CallbackStates([callback])
    callback.since, callback.count, callback.rate = 0, np.int64(3), np.float64(0.1)
    callback.names.extend(["a", None])
    callback.nested = {"a": [1, True]}
    callback.arrays = [np.array([index]) for index in range(12)]
    callback.function, callback.by_number = print, {1: 2}
    (state,), arrays = states.save()
    changed = {"count": 3, "rate": 0.1, "names": ["a", None], "nested": {"a": [1, True]}}
    assert state == {"class": "Callback", "attributes": changed}
    assert type(state["attributes"]["count"]) is int
    restored = callbacks.Callback()
    restored.path = "elsewhere.keras"
    CallbackStates([restored]).restore(*through_files([state], arrays))
    assert [int(array[0]) for array in restored.arrays] == list(range(12))
    assert (restored.path, restored.count) == ("elsewhere.keras", 3)


class Counter(callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.count, self.history = 0, []


def test_each_callback_gets_the_state_of_its_class():
    saved = [OnEpoch(), Counter(), Counter()]
    states = CallbackStates(saved)
    saved[0].count, saved[1].count, saved[2].count = 10, 1, 2
    saved[1].history, saved[2].history = [np.zeros(1)], [np.ones(2)]
    given_back = [Counter(), OnBatch(), Counter(), Counter()]
    CallbackStates(given_back).restore(*through_files(*states.save()))
    assert [getattr(x, "count", None) for x in given_back] == [1, None, 2, 0]
    assert [len(x.history[0]) for x in (given_back[0], given_back[2])] == [1, 2]
    assert given_back[3].history == []


@pytest.mark.parametrize("schedule", ["cosine", "one_cycle"])
def test_a_callback_and_a_schedule_do_not_both_set_the_learning_rate(schedule):
    both = [callbacks.EarlyStopping(), callbacks.LearningRateScheduler(lambda epoch: 1e-3)]
    text = error_of(check_callbacks, both, schedule)
    assert text.startswith(
        f"Invalid `callbacks`. Expected no LearningRateScheduler with the recipe's schedule '{schedule}'"
    )
    assert text.endswith('Pass recipe=recipe.replace(schedule="constant").')
    check_callbacks(both, "constant")


class Recorder(callbacks.Callback):
    """Keeps what checkpoints cannot hold."""

    def __init__(self):
        super().__init__()
        self.seen, self.settings, self.count = {1, 2}, {1: "fixed"}, 0

    def on_epoch_end(self, epoch, logs=None):
        self.seen.add(epoch)
        self.count += 1


def test_a_state_that_cannot_be_saved_is_said_once(capsys):
    recorder = Recorder()
    states = CallbackStates([recorder, callbacks.EarlyStopping()])
    states.save()
    assert capsys.readouterr().err == "", "nothing has changed yet"
    recorder.on_epoch_end(7)
    states.save()
    recorder.on_epoch_end(8)
    states.save()
    assert capsys.readouterr().err == (
        "mnist_keras: Recorder.seen is a set, which a checkpoint cannot hold; a resumed run starts it afresh. Use "
        "numbers, strings, or lists of these or of arrays\n"
    )
