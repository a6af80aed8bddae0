"""The reader of CSV files: what it accepts, and the text of what it refuses."""

import numpy as np
import pytest
from data_files import small_arrays, write_csv

from mnist_keras._validation import InputError
from mnist_keras.data.readers.tables import read_csv, read_csv_set

ARRAYS = small_arrays()
FORMATS = ("idx", "npz", "csv", "folder")


def assert_same(splits, arrays=ARRAYS):
    for key, array in arrays.items():
        np.testing.assert_array_equal(getattr(splits, key), array)


@pytest.mark.parametrize("header", [False, True])
def test_csv_with_labels(tmp_path, header):
    path = write_csv(
        tmp_path / "a.csv", ARRAYS["train_images"], ARRAYS["train_labels"], header=header
    )
    images, labels = read_csv(path)
    np.testing.assert_array_equal(images, ARRAYS["train_images"])
    np.testing.assert_array_equal(labels, ARRAYS["train_labels"])


@pytest.mark.parametrize("header", [False, True])
def test_csv_without_labels(tmp_path, header):
    images, labels = read_csv(write_csv(tmp_path / "a.csv", ARRAYS["test_images"], header=header))
    np.testing.assert_array_equal(images, ARRAYS["test_images"])
    assert labels is None
    splits = read_csv_set(tmp_path / "a.csv")
    assert splits.train_images.shape == (0, 5, 5)
    assert len(splits.test_images) == 6


def test_csv_with_a_byte_order_mark_and_numbered_columns(tmp_path):
    rows = "\r\n".join(f"{i % 3},1,2,3,4" for i in range(6))
    (tmp_path / "a.csv").write_bytes(f"\ufefflabel,0,1,2,3\r\n{rows}\r\n\r\n".encode())
    images, labels = read_csv(tmp_path / "a.csv")
    assert images.shape == (6, 2, 2)
    assert labels.tolist() == [0, 1, 2, 0, 1, 2]


def test_csv_pair_in_a_directory(tmp_path):
    write_csv(tmp_path / "mnist_train.csv", ARRAYS["train_images"], ARRAYS["train_labels"])
    write_csv(
        tmp_path / "mnist_test.csv", ARRAYS["test_images"], ARRAYS["test_labels"], header=False
    )
    (tmp_path / "sample_submission.csv").write_text("ImageId,Label\n1,0\n")
    assert_same(read_csv_set(tmp_path))
    write_csv(tmp_path / "mnist_test.csv", ARRAYS["test_images"])
    assert read_csv_set(tmp_path).test_labels is None


def test_csv_files_with_other_names(tmp_path):
    write_csv(tmp_path / "a.csv", ARRAYS["train_images"])
    with pytest.raises(
        InputError,
        match=r"one whose name ends in train.csv and at most one in test.csv. Received: neither",
    ):
        read_csv_set(tmp_path)
    for name in ("x_train.csv", "y_train.csv"):
        write_csv(tmp_path / name, ARRAYS["train_images"])
    with pytest.raises(InputError, match=r"Received: x_train.csv, y_train.csv. Rename"):
        read_csv_set(tmp_path)


def test_csv_training_file_without_labels(tmp_path):
    write_csv(tmp_path / "train.csv", ARRAYS["train_images"])
    write_csv(tmp_path / "test.csv", ARRAYS["test_images"])
    with pytest.raises(
        InputError, match=r"train.csv has no labels. Expected a label first in every row"
    ):
        read_csv_set(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "0,1,2,3,4\n1,2,3,4\n",
            "is not a table of whole numbers from 0 to 255: the number of columns changed from 5 to 4 "
            r"at row 2\. Expected in every row",
        ),
        (
            "0,1,2,3,x\n",
            r"could not convert string 'x' to uint8 at row 0, column 5\. Expected in every row",
        ),
        ("x0,1,2,3,4\n1,1,2,3,4\n", "could not convert string 'x0' to uint8 at row 0, column 1"),
        ("0,1,2,3,256\n", "could not convert string '256'"),
        ("0,1,2,3,-1\n", "could not convert string '-1'"),
        ("0,1,2,3,0.5\n", "could not convert string '0.5'"),
        ("0,1,2,3,\n", "could not convert string ''"),
        ("0,1,2,3,4,5\n", r"has 6 columns. Expected in every row a label and the 784 pixels"),
        ("", "holds no rows. Expected in every row a label and the 784 pixels"),
        ("label,pixel0\n\n\n", "holds no rows"),
        ("\xff\x00", "is not a table"),
    ],
)
def test_csv_refused(tmp_path, text, message):
    path = tmp_path / "a.csv"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match=message):
        read_csv(path)
