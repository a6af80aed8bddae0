"""Records on disk give the batches and the weights of the same images in memory, and their errors say what is wrong."""

import contextlib
import gc
import itertools
import os
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from data_files import write_records

import mnist_keras as mk
from mnist_keras._validation import InputError, MissingExtraError
from mnist_keras.data import batches, downloads, pipeline, windows
from mnist_keras.data.array_records import open_records
from mnist_keras.data.records import FINGERPRINTED, Records
from mnist_keras.data.windows import ReadAhead
from mnist_keras.training import loop
from mnist_keras.training.train import train

NUM_TRAIN, NUM_TEST = 200, 60
EVERYTHING = {"rotation": 10, "shift": 2, "zoom": 0.1, "elastic_alpha": 24, "erasing": 0.5}


@pytest.fixture(scope="module")
def arrays():
    """200 digits to train on, 60 to test on."""
    (images, labels), (test_images, test_labels) = mk.load_data("digits")
    train_split = images[:NUM_TRAIN], labels[:NUM_TRAIN]
    return train_split, (test_images[:NUM_TEST], test_labels[:NUM_TEST])


@pytest.fixture(scope="module")
def directory(arrays, tmp_path_factory):
    """A dataset of ArrayRecord files, the PNG images of TensorFlow Datasets in them."""
    directory = tmp_path_factory.mktemp("tfds")
    write_records(directory, dict(zip(("train", "test"), arrays, strict=True)))
    return directory


class Disk:
    """A source with random access that fabricates images from their number, and notes how it is read."""

    def __init__(self, length, *, fail_at=None):
        self.length, self.fail_at = length, fail_at
        self.most, self.threads = 0, set()

    def __len__(self):
        return self.length

    def __getitems__(self, rows):
        if self.fail_at in rows:
            raise OSError("the disk is gone")
        self.most = max(self.most, len(rows))
        self.threads.add(threading.get_ident())
        return [self.element(row) for row in rows]

    @staticmethod
    def element(row):
        image = np.full((28, 28), row * 2654435761 % 251, np.uint8)
        image[row % 28] = row % 256
        return image, row * 7 % 10


def in_memory(source, length):
    elements = [source.element(row) for row in range(length)]
    return np.stack([x for x, _ in elements]), np.array([y for _, y in elements])


@pytest.fixture
def small_windows(monkeypatch):
    """Three steps of 32 images of 28x28 a window: the last of six steps' two windows is whole, of seven's not."""
    monkeypatch.setattr(windows, "WINDOW_BYTES", 3 * 32 * 28 * 28)


@pytest.fixture(scope="module")
def two_cpus():
    return tf.distribute.MirroredStrategy(
        ["CPU:0", "CPU:1"], cross_device_ops=tf.distribute.ReductionToOneDevice()
    )


def net(*, dropout=0.0):
    keras.utils.set_random_seed(0)
    layers = [keras.Input((28, 28, 1)), keras.layers.Flatten(), keras.layers.Dense(16, "relu")]
    layers += [keras.layers.Dropout(dropout), keras.layers.Dense(10, "softmax")]
    return keras.Sequential(layers)


def assert_equal_weights(first, second):
    for a, b in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def take(dataset, count):
    return [tuple(tensor.numpy() for tensor in batch) for batch in itertools.islice(dataset, count)]


def assert_same_batches(first, second):
    assert len(first) == len(second) > 0
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a[0], b[0])
        np.testing.assert_array_equal(a[1], b[1])


# Reading


def test_array_records_hold_the_images(directory, arrays):
    for split, (images, labels) in zip(("train", "test"), arrays, strict=True):
        records = open_records("digits", split=split, data_dir=directory)
        assert len(records) == len(images)
        assert (records.input_shape, records.num_classes) == ((28, 28, 1), 10)
        rows = [5, 3, 3, len(images) - 1]
        read_images, read_labels = records.read(rows)
        assert (read_images.dtype, read_labels.dtype) == (np.uint8, np.int64)
        np.testing.assert_array_equal(read_images, images[rows])
        np.testing.assert_array_equal(read_labels, labels[rows])


def test_a_set_is_opened_by_its_name_or_a_path(directory):
    for path in ("digits", "digits/1.0.0"):
        assert len(open_records(path, data_dir=directory)) == NUM_TRAIN
        assert len(open_records(directory / path)) == NUM_TRAIN


def test_a_part_of_a_split(directory, arrays):
    (images, _), _ = arrays
    records = open_records("digits", split="train[50%:]", data_dir=directory)
    np.testing.assert_array_equal(records.read(range(100))[0], images[100:])


def test_emnist_comes_upright_with_labels_from_0(tmp_path):
    images = np.arange(2 * 28 * 28, dtype=np.uint32).reshape(2, 28, 28, 1).astype(np.uint8)
    splits = {"train": (images[..., 0], np.array([1, 26]))}
    path = write_records(tmp_path, splits, name="emnist", num_classes=37)
    letters = tmp_path / "emnist" / "letters" / "3.1.0"  # where the published set is prepared
    shutil.copytree(path, letters)
    for file in letters.glob("*.json"):
        text = file.read_text(encoding="utf-8").replace("1.0.0", "3.1.0")
        file.write_text(
            text.replace('"name": "emnist"', '"configName": "letters", "name": "emnist"'),
            encoding="utf-8",
        )
    records = open_records("emnist/letters", data_dir=tmp_path)
    assert records.class_names == tuple("abcdefghijklmnopqrstuvwxyz")
    read, labels = records.read([0, 1])
    np.testing.assert_array_equal(read, images[..., 0].swapaxes(1, 2))
    assert labels.tolist() == [0, 25]


def test_a_list_is_a_source_and_gives_what_it_holds():
    elements = [{"image": np.full((5, 4, 1), i, np.uint8), "label": np.int64(i)} for i in range(3)]
    records = Records(elements, class_names="abc")
    assert (records.shape, records.class_names) == ((3, 5, 4), ("a", "b", "c"))
    images, labels = records.read(np.array([2, 0]))
    assert images[:, 0, 0].tolist() == labels.tolist() == [2, 0]


def test_one_thread_at_a_time_reads():
    class Exclusive(Disk):
        busy, collisions = False, 0

        def __getitems__(self, rows):
            self.collisions += self.busy
            self.busy = True
            time.sleep(0.01)
            self.busy = False
            return super().__getitems__(rows)

    records = Records(source := Exclusive(50))
    views = [records, records.without_last(5)] * 3
    with ThreadPoolExecutor(6) as threads:
        list(threads.map(lambda view: view.read(range(20)), views))
    assert len(source.threads) > 1
    assert source.collisions == 0


def test_the_last_records_can_be_left_out():
    records = Records(Disk(10))
    rest = records.without_last(4)
    assert (len(rest), len(records), rest.shape) == (6, 10, (6, 28, 28))
    with pytest.raises(InputError, match=r"Invalid `count`. .* at most 9. Received: 10"):
        records.without_last(10)


def test_the_fingerprint_is_that_of_the_content():
    source = Disk(3000)
    images, labels = in_memory(source, 3000)
    same = Records(list(zip(images, labels, strict=True)))
    assert Records(source).sha256("train") == same.sha256("train")
    assert Records(source).without_last(1).sha256("train") != same.sha256("train")
    labels[-1] = (labels[-1] + 1) % 10
    assert Records(list(zip(images, labels, strict=True))).sha256("train") != same.sha256("train")


# Batches


@pytest.mark.parametrize("augmentation", [None, EVERYTHING])
@pytest.mark.parametrize("start_step", [0, 4, 13])
def test_training_batches_are_those_of_the_arrays(
    directory, arrays, small_windows, augmentation, start_step
):
    options = {"batch_size": 32, "training": True, "seed": 5, "augmentation": augmentation}
    records = open_records("digits", data_dir=directory)
    on_disk = mk.make_dataset(records, start_step=start_step, **options)
    memory = mk.make_dataset(*arrays[0], start_step=start_step, **options)
    assert on_disk.element_spec == memory.element_spec
    assert_same_batches(take(on_disk, 14), take(memory, 14))


def test_batches_in_order_are_those_of_the_arrays(directory, arrays):
    records = open_records("digits", split="test", data_dir=directory)
    for batch_size in (25, 100):
        on_disk = mk.make_dataset(records, batch_size=batch_size, standardize=True)
        memory = mk.make_dataset(*arrays[1], batch_size=batch_size, standardize=True)
        assert_same_batches(take(on_disk, 9), take(memory, 9))


def test_records_train_through_fit(directory, arrays):
    models = []
    for source in ((open_records("digits", data_dir=directory),), arrays[0]):
        models.append(model := net())
        model.compile("adam", "sparse_categorical_crossentropy")
        dataset = mk.make_dataset(*source, batch_size=32, training=True)
        model.fit(dataset, steps_per_epoch=6, epochs=2, shuffle=False, verbose=0)
    assert_equal_weights(*models)


# Training


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fields", "options"),
    [
        ({}, {}),
        ({"augmentation": "affine"}, {}),
        ({"label_smoothing": 0.1}, {"class_weight": {3: 2.0}}),
        ({"jit": True}, {}),
        ({"batch_size": 25, "validation_size": 25}, {}),
    ],
)
def test_the_weights_are_those_of_the_arrays_to_the_bit(
    directory, arrays, small_windows, fields, options
):
    recipe = mk.Recipe(**{"batch_size": 32, "epochs": 3, **fields})
    records = [
        open_records("digits", split=split, data_dir=directory) for split in ("train", "test")
    ]
    runs = [
        train(net(dropout=0.2), data, recipe=recipe, verbose=0, **options)
        for data in (arrays, records, (records[0], arrays[1]), (arrays[0], records[1]))
    ]
    for run in runs[1:]:
        assert_equal_weights(runs[0].model, run.model)
        assert run.history["loss"] == runs[0].history["loss"]
        assert run.history.get("val_loss") == runs[0].history.get("val_loss")
        assert run.metrics["accuracy"] == runs[0].metrics["accuracy"]
        assert run.metrics["train_accuracy"] == runs[0].metrics["train_accuracy"]


def test_two_replicas_have_the_weights_that_they_have_from_memory(
    directory, arrays, small_windows, two_cpus
):
    records = open_records("digits", data_dir=directory)
    recipe, models = mk.Recipe(batch_size=32, epochs=2), []
    for data in (arrays, (records, arrays[1])):
        with two_cpus.scope():
            models.append(net())
        train(models[-1], data, recipe=recipe, verbose=0)
    assert_equal_weights(*models)


class Interrupt(keras.callbacks.Callback):
    """Presses Ctrl-C in a step."""

    def __init__(self, step):
        super().__init__()
        self.step = step

    def on_train_batch_end(self, batch, logs=None):
        if batch == self.step:
            import signal

            signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("step", [1, 2, 4, 5])
def test_a_run_goes_on_within_an_epoch(directory, arrays, small_windows, tmp_path, step):
    data = open_records("digits", data_dir=directory), arrays[1]
    options = {"recipe": mk.Recipe(batch_size=32, epochs=2), "verbose": 0}
    whole = train(net(dropout=0.2), arrays, **options)
    with pytest.raises(KeyboardInterrupt):
        train(net(dropout=0.2), data, run_dir=tmp_path, callbacks=[Interrupt(step)], **options)
    resumed = train(net(dropout=0.2), data, run_dir=tmp_path, resume=True, **options)
    assert_equal_weights(whole.model, resumed.model)
    assert (tmp_path / "plots" / "errors.png").is_file()


def test_a_run_does_not_go_on_with_other_records(arrays, tmp_path):
    options = {"recipe": mk.Recipe(batch_size=32, epochs=1), "verbose": 0, "run_dir": tmp_path}
    train(net(), (Records(Disk(64)), arrays[1]), **options)
    with pytest.raises(InputError, match=r"data\.sha256\.train_records"):
        train(net(), (Records(Disk(65)), arrays[1]), resume=True, **options)


@pytest.mark.slow
def test_the_plots_show_the_test_records(directory, arrays, tmp_path):
    records = open_records("digits", split="test", data_dir=directory)
    options = {"recipe": mk.Recipe(batch_size=32, epochs=1), "verbose": 0}
    train(net(), (arrays[0], records), run_dir=tmp_path / "disk", **options)
    train(net(), arrays, run_dir=tmp_path / "memory", **options)
    for plot in ("errors.png", "predictions.png"):
        images = [(tmp_path / place / "plots" / plot).read_bytes() for place in ("disk", "memory")]
        assert images[0] == images[1]


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


def test_what_is_on_disk_is_read_in_order_and_never_all_at_once():
    parts = list(pipeline.read_in_order(Records(source := Disk(50)), 20))
    assert [len(labels) for _, labels in parts] == [20, 20, 10]
    images, labels = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    expected = Records(Disk(50)).read(range(50))
    np.testing.assert_array_equal(images, expected[0])
    np.testing.assert_array_equal(labels, expected[1])
    assert source.most == 20


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
    assert_equal_weights(expected.model, train(net(), (records, test), **run, resume=True).model)


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


def test_an_evaluation_reads_batch_by_batch(directory, arrays):
    model, records = net(), open_records("digits", split="test", data_dir=directory)
    on_disk, memory = mk.evaluate(model, records), mk.evaluate(model, *arrays[1], dataset="digits")
    assert on_disk.to_dict() == memory.to_dict()
    source = Disk(1200)
    evaluation = mk.evaluate(model, Records(source, class_names="abcdefghij", name="letters"))
    assert (evaluation.class_names, evaluation.dataset) == (tuple("abcdefghij"), "letters")
    assert source.most == 500


# Errors


def test_what_a_source_raises_names_the_record(arrays):
    records = Records(Disk(64, fail_at=40), name="shards")
    message = r"shards cannot be read: OSError at one of the records 0 to 63 \(the disk is gone\)"
    recipe = mk.Recipe(batch_size=64, epochs=1)
    with pytest.raises(InputError, match="the disk is gone"):
        train(net(), (records, arrays[1]), recipe=recipe, verbose=0)
    with pytest.raises(InputError, match=message):
        records.read(range(64))


GRAY, RGB = np.zeros((28, 28), np.uint8), np.zeros((28, 28, 3), np.uint8)


@pytest.mark.parametrize(
    ("element", "message"),
    [
        (
            (RGB, 1),
            r"Invalid record 1 of records\. Expected a gray image: uint8 of shape \(height, width\) or \(height, "
            r"width, 1\)\. Received: shape=\(28, 28, 3\), dtype=uint8\. Convert colors to gray",
        ),
        ((GRAY / 255, 1), r"Received: shape=\(28, 28\), dtype=float64\."),
        ((GRAY[0], 1), r"Received: shape=\(28,\), dtype=uint8\."),
        (
            (GRAY[:20], 1),
            r"Invalid record 1 of records\. Expected shape \(28, 28\), like the first record\. "
            r"Received: shape=\(20, 28\)\.",
        ),
        (
            (GRAY, 10),
            r"Invalid record 1 of records\. Expected an integer label in \[0, 9\]\. Received: 10\. There are 10 class",
        ),
        ((GRAY, -1), r"Received: -1\."),
        ((GRAY, 0.5), r"Received: 0\.5\."),
        ((GRAY, np.eye(10)[0]), r"in \[0, 9\]\. Received: shape=\(10,\), dtype=float64\."),
        (([[1, 2], [3]], 1), r"record 1 of records\. Expected rows of equal length\. Received: "),
        (
            {"image": GRAY},
            r"""Expected \{"image": \.\.\., "label": \.\.\.\} or \(image, label\)\. Received: \['image'\]\.""",
        ),
        (GRAY, r"or \(image, label\)\. Received: ndarray\."),
        (7, r"or \(image, label\)\. Received: int\."),
    ],
)
def test_a_record_that_is_no_gray_image_and_label(element, message):
    records = Records([(GRAY, 0), element, (GRAY, 2)])
    with pytest.raises(InputError, match=message):
        records.read([0, 1])


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ([], r"Invalid `source`\. Expected at least one record\. Received: none\."),
        (
            iter([(GRAY, 0)]),
            r"Expected an object with len\(source\), and source\[row\] or source\.__getitems__\(rows\)\."
            r" Received: list_iterator\. open_records\(\) returns one from ArrayRecord files\.",
        ),
        (tf.data.Dataset.range(3), r"an object with len.* Received: _RangeDataset\."),
        ({"image": GRAY}, r"an object with len.* Received: dict\."),
        ([(RGB, 0)], r"Invalid record 0 of records\. Expected a gray image"),
    ],
)
def test_a_source_that_cannot_be_used(source, message):
    with pytest.raises(InputError, match=message):
        Records(source)


class Short(Disk):
    """Gives an element too few of more than one."""

    def __getitems__(self, rows):
        return super().__getitems__(rows)[: max(1, len(rows) - 1)]


def test_another_number_of_records_than_asked_for():
    with pytest.raises(
        InputError,
        match=r"Invalid `records of short`\. Expected 5 elements from __getitems__ for as many rows\. Received: 4",
    ):
        Records(Short(9), name="short").read(range(5))


@pytest.mark.parametrize("row", [-1, 9])
def test_rows_that_are_not_there(row):
    with pytest.raises(
        InputError, match=rf"Invalid `rows`\. Expected numbers in \[0, 8\]\. Received: {row}\."
    ):
        Records(Disk(10)).without_last(1).read([0, row])


def test_array_record_is_not_installed(directory, monkeypatch):
    class Builder:
        info = downloads.open_tfds(directory / "digits" / "1.0.0").info

        def as_data_source(self, split):
            raise ImportError("No module named 'array_record'")

    monkeypatch.setattr(downloads, "open_tfds", lambda place: Builder())
    with pytest.raises(MissingExtraError, match=r"'array_record'\)\. .* pip install array_record$"):
        open_records("digits", data_dir=directory)


def test_a_path_that_is_not_there(tmp_path):
    with pytest.raises(
        InputError,
        match=r"There is no dataset prepared by TensorFlow Datasets in .*/mnist\. "
        r"Prepare it in a directory of its own: "
        r'tensorflow_datasets\.builder\("mnist", data_dir=DIR, file_format="array_record"\)'
        r"\.download_and_prepare\(\), and open it with data_dir=DIR\.",
    ):
        open_records("mnist", data_dir=tmp_path)
    with pytest.raises(
        InputError,
        match=r'no dataset prepared by TensorFlow Datasets in .*/nowhere\. .*builder\("NAME"',
    ):
        open_records(tmp_path / "nowhere")


def test_a_directory_that_is_not_ours_to_look_into(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "glob", refuse)
    with pytest.raises(InputError, match=r"digits, split 'train', cannot be read \(.*Permission"):
        open_records("digits", data_dir=tmp_path)


def test_a_path_below_a_directory_that_is_not_ours(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "stat", refuse)
    monkeypatch.setattr(os, "stat", refuse)
    with pytest.raises(InputError, match=r"cannot be read \(.*Permission denied"):
        open_records(tmp_path / "digits")


def test_files_of_another_format(tmp_path, arrays):
    path = write_records(tmp_path, {"train": arrays[0]}, file_format="tfrecord")
    with pytest.raises(
        InputError,
        match=r"1\.0\.0 holds tfrecord files, which have no random access\. Prepare it in a directory of its own",
    ):
        open_records(path)


def test_records_without_image_and_label(arrays, tmp_path):
    path = write_records(tmp_path, {"train": arrays[0]}, image_key="picture")
    with pytest.raises(
        InputError, match=r"holds records with label, picture\. Expected image and label\."
    ):
        open_records(path)


def test_another_split_or_version(directory, tmp_path):
    with pytest.raises(
        InputError,
        match=r"Unknown split 'trian'\. Did you mean 'train'\? Expected one of: test, train",
    ):
        open_records("digits", split="trian", data_dir=directory)
    with pytest.raises(InputError, match=r"split 'train\[a:\]', cannot be read"):
        open_records("digits", split="train[a:]", data_dir=directory)
    for version in ("1.0.0", "2.0.0"):
        shutil.copytree(directory / "digits" / "1.0.0", tmp_path / "digits" / version)
    with pytest.raises(
        InputError,
        match=r"digits holds the versions 1\.0\.0, 2\.0\.0\. Pass the path of one of them",
    ):
        open_records("digits", data_dir=tmp_path)


@pytest.mark.parametrize("name", [None, 3, ""])
def test_a_name_that_is_none(name):
    with pytest.raises(
        InputError, match=r"Invalid `name_or_path`\. Expected the name of a dataset"
    ):
        open_records(name)


def test_arguments_that_do_not_go_with_records(arrays):
    records, model = Records(Disk(64)), net()
    labels = np.zeros(64, int)
    with pytest.raises(
        InputError, match=r"Invalid `labels`\. Expected None with a split, which has"
    ):
        mk.make_dataset(records, labels)
    with pytest.raises(InputError, match=r"Invalid `labels`\. Expected None with a split"):
        mk.evaluate(model, records, labels)
    with pytest.raises(InputError, match=r"Expected at most the 64 training images\. Received: 65"):
        mk.make_dataset(records, batch_size=65, training=True)
    many = Records(Disk(64), class_names=map(str, range(11)))
    message = (
        r"Expected images of at most 10 classes, as the model has\. Received: 11 classes in records"
    )
    for data, text in [
        (records, r"\(train, test\), where each is .*Received: Records"),
        (
            (records,),
            r"\(train, test\), where each is .*Records.* Received: \(Records\)",
        ),
        ((records, arrays[1][0]), r"Received: \(Records, ndarray\)"),
        ((records, records, records), r"Received: \(Records, Records, Records\)"),
        ((many, arrays[1]), message),
        (
            (records, many),
            r"Expected training and test images of the same classes \(0, .* 9\)\. Received: 0, .* 10\.",
        ),
    ]:
        with pytest.raises(InputError, match=text):
            train(model, data, verbose=0)
    with pytest.raises(
        InputError, match=r"Expected fewer than the 64 training images. Received: 64"
    ):
        train(model, (records, arrays[1]), validation_size=64, verbose=0)
