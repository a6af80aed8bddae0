"""What workers tell each other: agreement at the start, and who is gone. Real processes are in test_together.py."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from unittest.mock import create_autospec

import numpy as np
import pytest
import tensorflow as tf
from errors import error_of

import mnist_keras as mk
from mnist_keras._validation import InputError
from mnist_keras.training.saving.checkpoints import Checkpoint
from mnist_keras.training.saving.state import send_checkpoint
from mnist_keras.training.workers.exchange import LostWorkerError, Workers


class Together(Workers):
    """Workers whose words are given, so that one process can stand for all."""

    def __init__(self, *words, index=0):
        super().__init__(tf.distribute.get_strategy())
        self._words, self.index, self.count = words, index, max(len(words), 3)
        self.addresses = tuple(f"host{number}:2222" for number in range(self.count))

    def gather(self, value):
        return list(self._words)


class InThread(Workers):
    """One of several workers in threads of this process: arrays are added up as the collectives do it."""

    def __init__(self, index, brought, barrier):
        super().__init__(tf.distribute.get_strategy())
        self.index, self.count = index, len(brought)
        self._brought, self._barrier = brought, barrier

    def sum(self, array):
        assert array.dtype in (np.int32, np.int64, np.float32, np.float64), (
            "collectives add no others"
        )
        self._brought[self.index] = array
        self._barrier.wait()
        total = sum(self._brought)
        self._barrier.wait()  # nobody brings the next array before all have this sum
        return total


def in_threads(count, call):
    """Returns what a call returns for each of several workers that run at a time."""
    brought, barrier = [None] * count, threading.Barrier(count, timeout=60)
    workers = [InThread(index, brought, barrier) for index in range(count)]
    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(call, workers))


TERMS = {
    "seed": 0,
    "recipe": {"epochs": 3, "learning_rate": 0.1},
    "data": {"train_images": "a1"},
    "versions": {"keras": "3.15.1", "mnist_keras": "0.1.0"},
}
DIFFERENT = {
    "seed": ({"seed": 1}, "seed 1, the chief 0"),
    "recipe": (
        {"recipe": {"epochs": 4, "learning_rate": 0.1}},
        "recipe.epochs 4, the chief 3",
    ),
    "data": ({"data": {"train_images": "b2"}}, "data.train_images 'b2', the chief 'a1'"),
    "versions": (
        {"versions": {"keras": "3.14.0", "mnist_keras": "0.1.0"}},
        "versions.keras '3.14.0', the chief '3.15.1'",
    ),
}


@pytest.mark.parametrize("case", DIFFERENT)
def test_a_worker_that_was_started_differently_is_named(case):
    change, text = DIFFERENT[case]
    assert error_of(Together(TERMS, TERMS, {**TERMS, **change}).check_agreement, TERMS) == (
        f"The workers were started with different settings: worker 2 (host2:2222) has {text}. Start all of them with "
        "one command, on the same data, with the same versions."
    )
    Together(TERMS, TERMS, TERMS).check_agreement(TERMS)


def test_every_worker_gets_the_error_of_the_chief():
    answer = {"error": "The directory is a file."}
    for index in (0, 1):
        workers = Together(answer, None, None, index=index)

        def fail():
            raise InputError("The directory is a file.")

        assert error_of(workers.from_chief, fail) == "The directory is a file."


@pytest.mark.parametrize("form", ["/job:worker/replica:0/task:{}", "/job:worker/task:{}"])
def test_the_worker_that_is_gone_is_named_and_not_the_one_that_tells(form):
    workers = Together(TERMS, TERMS, TERMS, index=0)
    text = (
        f"From {form.format(0)}: Error reported from {form.format(2)}: stopped sending heartbeats"
    )
    with pytest.raises(LostWorkerError) as caught, workers.naming_the_lost():
        raise tf.errors.UnavailableError(None, None, text)
    assert str(caught.value) == (
        "Worker 2 (host2:2222) is gone, and the others cannot go on without it"
    )


def test_a_worker_that_tensorflow_does_not_name_is_another_one():
    lost = pytest.raises(LostWorkerError, match=r"^Another worker is gone")
    with lost, Together(TERMS, TERMS, TERMS).naming_the_lost():
        raise tf.errors.CancelledError(None, None, "step was cancelled")


def test_a_worker_with_several_devices_is_counted_once():
    workers = Workers(mk.get_strategy("mirrored"))  # four logical CPUs
    workers.count = 2
    np.testing.assert_array_equal(workers.sum(np.arange(3)), np.arange(3))


def test_a_process_alone_hears_itself():
    workers = Workers(tf.distribute.get_strategy())
    assert (workers.count, workers.index, workers.is_chief) == (1, 0, True)
    assert workers.gather({"seed": 1}) == [{"seed": 1}]
    array = np.arange(3)
    assert workers.sum(array) is array
    with pytest.raises(tf.errors.CancelledError), workers.naming_the_lost():
        raise tf.errors.CancelledError(None, None, "not about workers")


def test_every_worker_hears_what_all_say():
    said = [{"a": 1}, "zwölf", None]  # of different lengths in bytes
    assert in_threads(3, lambda workers: workers.gather(said[workers.index])) == [said] * 3


def test_every_worker_gets_what_the_chief_makes_and_only_the_chief_makes_it():
    made = []

    def ask(workers):
        return workers.from_chief(lambda: made.append(workers.index) or {"seed": 3})

    assert in_threads(3, ask) == [{"seed": 3}] * 3
    assert made == [0]


ARRAYS = {
    "weights": np.linspace(-1, 1, 6, dtype=np.float32).reshape(2, 3),
    "odd": np.arange(5, dtype=np.uint8),  # not a multiple of four bytes
    "nan": np.array([np.nan, -0.0, np.inf]),
    "step": np.array(2**40),
    "none": np.zeros((0, 3), np.float16),
}


def test_every_worker_gets_the_bits_of_the_chiefs_arrays():
    received = in_threads(2, lambda w: w.arrays_from_chief(ARRAYS if w.is_chief else None))
    for arrays in received:
        assert arrays.keys() == ARRAYS.keys()
        for name, array in arrays.items():
            assert (array.dtype, array.shape) == (ARRAYS[name].dtype, ARRAYS[name].shape)
            assert array.tobytes() == ARRAYS[name].tobytes()
            assert array.flags.writeable


def test_every_worker_gets_the_state_that_only_the_chief_can_read():
    saved = Checkpoint(7, ARRAYS, {"stopped": False, "history": {"loss": [0.5]}})
    chief, other = in_threads(2, lambda w: send_checkpoint(w, saved if w.is_chief else None))
    for state in (chief, other):
        assert (state.step, state.state) == (7, saved.state)
        assert state.arrays["weights"].tobytes() == ARRAYS["weights"].tobytes()
    assert in_threads(2, lambda workers: send_checkpoint(workers, None)) == [None, None]
    alone = Workers(tf.distribute.get_strategy())
    assert send_checkpoint(alone, saved) is saved


def test_nobody_goes_on_before_all_are_there():
    there = []

    def arrive(workers):
        there.append(workers.index)
        workers.wait()
        return len(there)

    assert in_threads(3, arrive) == [3, 3, 3]


@pytest.mark.parametrize(("job", "number", "index"), [("chief", 0, 0), ("worker", 1, 2)])
def test_the_chief_comes_first_of_the_workers_that_tf_config_names(monkeypatch, job, number, index):
    cluster = {"chief": ["a:1"], "worker": ["b:1", "c:1"]}
    config = {"cluster": cluster, "task": {"type": job, "index": number}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(config))
    strategy = create_autospec(tf.distribute.MultiWorkerMirroredStrategy, instance=True)
    strategy.cluster_resolver = tf.distribute.cluster_resolver.TFConfigClusterResolver()
    workers = Workers(strategy)
    assert workers.addresses == ("a:1", "b:1", "c:1")
    assert (workers.count, workers.index, workers.is_chief) == (3, index, index == 0)
