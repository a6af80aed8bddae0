"""Images on disk are divided among the workers: none reads another's share, and together they read all of it."""

import functools
import json

import keras
import numpy as np
import pytest
import tensorflow as tf

import mnist_keras as mk
from mnist_keras.data.batches import epoch_order, make_batch_source
from mnist_keras.data.records import Records
from mnist_keras.evaluation.evaluate import measure_accuracy
from mnist_keras.training import loop
from mnist_keras.training.pace import Pace
from mnist_keras.training.workers.exchange import Workers

NUM_TRAIN, NUM_VALIDATION, BATCH_SIZE, SEED = 250, 1300, 60, 3


class Disk:
    """A source with random access that notes the rows of each read, for another process in a file."""

    def __init__(self, length, path=None):
        self.length, self.path, self.reads = length, path, []

    def __len__(self):
        return self.length

    def __getitems__(self, rows):
        self.reads.append(list(rows))
        if self.path is not None:
            self.path.write_text(json.dumps(self.reads))
        return [(np.full((28, 28), row % 120, np.uint8), row % 10) for row in rows]

    def take_rows(self):
        """Returns the rows that were read since the last call."""
        reads, self.reads = self.reads, []
        return flat(reads)


def flat(lists):
    return [row for rows in lists for row in rows]


class Worker:
    """One of several workers without the others, who add nothing to its sums."""

    sum = staticmethod(lambda array: array)

    def __init__(self, index, count):
        self.index, self.count = index, count


def look_alone(signals, workers, *arguments, **options):
    """Returns the pace of a process alone: in a training of several, the chief sets it."""
    return Pace(signals, Workers(tf.distribute.get_strategy()), *arguments, **options)


def train_for_an_epoch(train, validation):
    layers = keras.layers
    model = keras.Sequential(
        [keras.Input((28, 28, 1)), layers.Flatten(), layers.Dense(10, "softmax")]
    )
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy())
    source = make_batch_source(train, batch_size=BATCH_SIZE)
    training = loop.TrainingLoop(
        model, mk.get_strategy("none"), source, seed=SEED, validation=validation
    )
    training.run(1)
    return model, epoch_order(source, SEED, 0).numpy()


@pytest.mark.parametrize("count", [2, 3])
def test_no_worker_reads_the_share_of_another(monkeypatch, count):
    monkeypatch.setattr(loop, "Pace", look_alone)
    trained, validated, evaluated = [], [], []
    for index in range(count):
        worker = Worker(index, count)
        monkeypatch.setattr(loop, "Workers", lambda strategy, worker=worker: worker)
        disk, other = Disk(NUM_TRAIN), Disk(NUM_VALIDATION)
        train, validation = Records(disk), Records(other)
        for each in (disk, other):
            each.take_rows()  # the first record alone, for its shape
        model, batches = train_for_an_epoch(train, validation)
        trained.append(np.reshape(disk.take_rows(), (len(batches), -1)))
        validated.append(other.take_rows())
        measure_accuracy(model, validation, share=worker)
        evaluated.append(other.take_rows())
    assert [share.shape[1] for share in trained] == [BATCH_SIZE // count] * count
    np.testing.assert_array_equal(np.concatenate(trained, axis=1), batches)
    assert sorted(flat(validated)) == sorted(flat(evaluated)) == list(range(NUM_VALIDATION))


def records(path):
    """Returns the data of a worker that notes its reads."""
    return Records(Disk(NUM_TRAIN, path)), Records(Disk(NUM_TRAIN))


@pytest.mark.slow
def test_two_processes_read_a_half_each(benchmark, monkeypatch, tmp_path):
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")
    faults, paths = benchmark("faults"), [tmp_path / "0.json", tmp_path / "1.json"]
    processes = faults.start_workers(
        tmp_path / "run",
        2,
        model="softmax_regression",
        data=[functools.partial(records, path) for path in paths],
        recipe={"batch_size": BATCH_SIZE, "epochs": 1, "augmentation": None},
        checkpoint_steps=None,
        seed=SEED,
    )
    assert [faults.end(each) for each in processes] == [0, 0], faults.said(tmp_path / "run")
    batches = epoch_order(make_batch_source(records(None)[0], batch_size=BATCH_SIZE), SEED, 0)
    halves = []
    for path in paths:
        reads = json.loads(path.read_text())
        # What is read in order is the first record, the fingerprint, and batches to measure the accuracy.
        (rows,) = [rows for rows in reads if rows != sorted(rows)]
        halves.append(np.reshape(rows, (len(batches), -1)))
    np.testing.assert_array_equal(np.concatenate(halves, axis=1), batches)
