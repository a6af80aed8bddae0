"""Images on disk are read by row, by one thread at a time, and errors name the record."""

import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import tensorflow as tf
from disk import Disk, in_memory, net

import mnist_keras as mk
from mnist_keras._validation import InputError
from mnist_keras.data import pipeline
from mnist_keras.data.records import Records
from mnist_keras.training.train import train

# Reading


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


def test_what_is_on_disk_is_read_in_order_and_never_all_at_once():
    parts = list(pipeline.read_in_order(Records(source := Disk(50)), 20))
    assert [len(labels) for _, labels in parts] == [20, 20, 10]
    images, labels = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    expected = Records(Disk(50)).read(range(50))
    np.testing.assert_array_equal(images, expected[0])
    np.testing.assert_array_equal(labels, expected[1])
    assert source.most == 20


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
