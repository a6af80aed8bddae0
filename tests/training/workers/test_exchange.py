"""What workers tell each other: agreement at the start, and who is gone. Real processes are in test_together.py."""

import numpy as np
import pytest
import tensorflow as tf
from errors import error_of

import mnist_keras as mk
from mnist_keras._validation import InputError
from mnist_keras.training.workers.exchange import LostWorkerError, Workers


class Together(Workers):
    """Workers whose words are given, so that one process can stand for all."""

    def __init__(self, *words, index=0):
        super().__init__(tf.distribute.get_strategy())
        self._words, self.index, self.count = words, index, max(len(words), 3)
        self.addresses = tuple(f"host{number}:2222" for number in range(self.count))

    def gather(self, value):
        return list(self._words)


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
        f"The workers were not started alike: worker 2 (host2:2222) has {text}. Start all of them with one command, "
        "on the same data, with the same versions."
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
