"""Windows of images on disk: read ahead by one thread that ends, and never more than needed."""

import contextlib
import gc
import itertools
import threading
import time

import keras
import numpy as np
import pytest
import tensorflow as tf
from disk import Disk, in_memory, net
from small_runs import assert_same_bits

import mnist_keras as mk
from mnist_keras._validation import InputError
from mnist_keras.data import batches, pipeline, windows
from mnist_keras.data.records import FINGERPRINTED, Records
from mnist_keras.data.windows import ReadAhead
from mnist_keras.training import loop
from mnist_keras.training.train import train


@pytest.mark.parametrize("length", [2_000, 40_000])
def test_reading_takes_the_same_memory_whatever_the_length(small_windows, length):
    source = Disk(length)
    ahead = windows.Windows(batches.make_batch_source(Records(source), batch_size=32), seed=0)
    shapes = set()
    for step in range(0, length // 32, max(1, length // 32 // 20)):
        images, labels, order, _ = ahead.at(step).rows
        shapes.add((images.shape, labels.shape, order.shape))
    assert shapes == {((96, 28, 28), (96,), (3, 32))}
    assert source.most == 96


def test_the_next_window_is_read_while_this_one_trains(small_windows):
    source = Disk(200)
    ahead = windows.Windows(batches.make_batch_source(Records(source), batch_size=32), seed=0)
    ahead.num_steps = 6
    first = ahead.at(0)
    assert (first.start, first.end) == (0, 3)
    assert ahead.at(2) is first
    assert (ahead.at(3).start, ahead.at(3).end) == (3, 6)
    assert ahead._ahead._next is None, "nothing is read beyond the last step"
    assert threading.get_ident() in source.threads, "the first record, to know its shape"
    assert len(source.threads) == 2


def threads_since(before):
    """Returns the names of the readers' threads that were not there before."""
    return [
        thread.name
        for thread in set(threading.enumerate()) - before
        if "ThreadPoolExecutor" in thread.name
    ]


class Stop(keras.callbacks.Callback):
    """Ends the training after an epoch, or fails."""

    def __init__(self, *, fail):
        super().__init__()
        self.fail = fail

    def on_epoch_end(self, epoch, logs=None):
        if self.fail:
            raise RuntimeError("the callback failed")
        self.model.stop_training = True


def test_no_thread_is_left_of_a_run(arrays, small_windows):
    before, recipe = set(threading.enumerate()), mk.Recipe(batch_size=32, epochs=3)
    for fail, error in [(False, None), (True, RuntimeError)]:
        source = Disk(200)
        options = {"recipe": recipe, "verbose": 0, "callbacks": [Stop(fail=fail)]}
        with pytest.raises(error) if error else contextlib.nullcontext():
            train(net(), (Records(source), arrays[1]), **options)
        assert len(source.threads) == 2, "the reader was there"
        assert threads_since(before) == []


def test_no_thread_is_left_of_a_data_set(small_windows):
    before = set(threading.enumerate())
    batches = iter(mk.make_dataset(Records(Disk(200)), batch_size=32, training=True))
    next(batches)
    assert len(threads_since(before)) == 1
    del batches
    gc.collect()
    for _ in range(100):
        if not threads_since(before):
            return
        time.sleep(0.05)
    raise AssertionError(threads_since(before))


def test_windows_from_a_step_on_follow_each_other_and_end_their_thread(small_windows):
    before = set(threading.enumerate())
    source = batches.make_batch_source(Records(Disk(200)), batch_size=32)  # six steps in an epoch
    each = pipeline.windows_from(source, 0, 1)
    read = list(itertools.islice(each, 3))
    assert [(step, end) for *_, step, end in read] == [(1, 3), (3, 6), (6, 9)]
    for images, labels, order, start, step, _ in read:
        assert int(start) == step // 3 * 3 and order.shape == (3, 32)
        assert len(images) == len(labels) == 96
    each.close()
    assert threads_since(before) == []


def test_a_loop_that_ended_reads_again(small_windows):
    model = net()
    from mnist_keras.training.compile import compile_model

    compile_model(model, mk.Recipe(), 1)
    source = batches.make_batch_source(Records(Disk(250)), batch_size=32)
    steps = loop.TrainingLoop(model, tf.distribute.get_strategy(), source, seed=0)
    for epochs in (1, 3):
        assert steps.run(epochs).step == epochs * 7


def test_a_record_that_cannot_be_read_costs_no_step_before_it(small_windows, tmp_path):
    disk = Disk(2_000)
    records, test = Records(disk), in_memory(disk, 32)
    run = {"recipe": mk.Recipe(epochs=1, batch_size=32), "run_dir": tmp_path / "run", "verbose": 0}
    expected = train(net(), (records, test), recipe=run["recipe"], verbose=0)

    order = batches.epoch_order(batches.make_batch_source(records, batch_size=32), 0, 0).numpy()
    fingerprinted = np.linspace(0, 1_999, FINGERPRINTED).round()
    disk.fail_at = np.setdiff1d(order[6:9], fingerprinted)[0]  # in the third window of three steps
    with pytest.raises(InputError, match="the disk is gone"):
        train(net(), (records, test), **run)
    assert [path.stem for path in (tmp_path / "run" / "checkpoint").glob("*.json")] == [
        "state-0000000006"
    ]
    disk.fail_at = None
    assert_same_bits(expected.model, train(net(), (records, test), **run, resume=True).model)


def test_a_read_that_failed_is_tried_again():
    answers = iter([OSError("the disk is away"), "images"])

    def read(number):
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer, number

    ahead = ReadAhead(read)
    with contextlib.closing(ahead):
        with pytest.raises(OSError, match="the disk is away"):
            ahead.take(3)
        assert ahead.take(3) == ("images", 3)


def test_the_steps_are_compiled_once(small_windows, arrays):
    model = net()
    from mnist_keras.training.compile import compile_model

    compile_model(model, mk.Recipe(), 1)
    source = batches.make_batch_source(Records(Disk(250)), batch_size=32)
    steps = loop.TrainingLoop(model, tf.distribute.get_strategy(), source, seed=0)
    steps.run(3)
    assert steps._run_steps.experimental_get_tracing_count() == 1
