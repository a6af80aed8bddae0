"""The reader of CSV files: what it accepts, and the text of what it refuses."""

import numpy as np
import pytest
from data_files import small_arrays, write_csv
from errors import error_of

from mnist_keras._validation import InputError
from mnist_keras.data.readers import read_path
from mnist_keras.data.readers.files import Place
from mnist_keras.data.readers.tables import read_csv, read_csv_place

ARRAYS = small_arrays()


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
    splits = read_csv_place(Place(tmp_path / "a.csv"))
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
    assert_same(read_csv_place(Place(tmp_path)))
    write_csv(tmp_path / "mnist_test.csv", ARRAYS["test_images"])
    assert read_csv_place(Place(tmp_path)).test_labels is None


def test_csv_files_whose_names_do_not_tell_the_splits(tmp_path):
    write_csv(tmp_path / "digits.csv", ARRAYS["train_images"], ARRAYS["train_labels"])
    assert len(read_csv_place(Place(tmp_path)).train_images) == 12, "one table needs no name"
    for name in ("x_train.csv", "y_train.csv"):
        write_csv(tmp_path / name, ARRAYS["train_images"])
    assert (
        "has several CSV files. Expected one with train in its name, and at most one each with test and validation. "
        "Received: digits.csv, x_train.csv, y_train.csv. Rename them or pass the path of one file."
    ) in error_of(read_csv_place, Place(tmp_path))


def test_csv_training_file_without_labels(tmp_path):
    write_csv(tmp_path / "train.csv", ARRAYS["train_images"])
    write_csv(tmp_path / "test.csv", ARRAYS["test_images"])
    with pytest.raises(
        InputError,
        match=r"train.csv has no labels. Expected a column named label, or the label first in each row",
    ):
        read_csv_place(Place(tmp_path))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "0,1,2,3,4\n1,2,3,4\n",
            "is not a table of integers from 0 to 255: the number of columns changed from 5 to 4 "
            r"at row 2\. Expected a label and",
        ),
        (
            "0,1,2,3,x\n",
            r"could not convert string 'x' to uint8 at row 0, column 5\. Expected a label and",
        ),
        ("x0,1,2,3,4\n1,1,2,3,4\n", "could not convert string 'x0' to uint8 at row 0, column 1"),
        ("0,1,2,3,256\n", "could not convert string '256'"),
        ("0,1,2,3,-1\n", "could not convert string '-1'"),
        ("0,1,2,3,0.5\n", "could not convert string '0.5'"),
        ("0,1,2,3,\n", "could not convert string ''"),
        ("0,1,2,3,4,5\n", r"has 6 columns. Expected a label and the 784 pixels"),
        ("", "holds no rows. Expected a label and the 784 pixels"),
        ("label,pixel0\n\n\n", "holds no rows"),
        ("\xff\x00", "is not a table"),
    ],
)
def test_csv_refused(tmp_path, text, message):
    path = tmp_path / "a.csv"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match=message):
        read_csv(path)


def table_of(tmp_path, header, rows, separator=","):
    lines = [header, *(separator.join(map(str, row)) for row in rows)]
    (tmp_path / "a.csv").write_text("\n".join(filter(None, lines)))
    return tmp_path / "a.csv"


PIXELS = [[10 * row + column for column in range(4)] for row in range(3)]


@pytest.mark.parametrize("name", ["label", "Class", "target", "y"])
@pytest.mark.parametrize("place", [0, 2, 4])
def test_csv_obeys_the_header(tmp_path, name, place):
    columns = ["p0", "p1", "p2", "p3"]
    rows = [list(pixels) for pixels in PIXELS]
    for i, row in enumerate(rows):
        row.insert(place, 200 + i)
    columns.insert(place, name)
    images, labels = read_csv(table_of(tmp_path, ",".join(columns), rows))
    assert images.reshape(3, 4).tolist() == PIXELS
    assert labels.tolist() == [200, 201, 202]


@pytest.mark.parametrize("separator", [";", "\t"])
def test_csv_with_another_separator_and_row_numbers(tmp_path, separator):
    header = separator.join(["id", "a", "b", "c", "d", "label"])
    rows = [[1000 + i, *pixels, 5] for i, pixels in enumerate(PIXELS)]
    images, labels = read_csv(table_of(tmp_path, header, rows, separator))
    assert images.reshape(3, 4).tolist() == PIXELS
    assert labels.tolist() == [5, 5, 5]


def test_csv_with_names_as_labels(tmp_path):
    rows = [[*pixels, name] for pixels, name in zip(PIXELS, ("shoe", "bag", "shoe"), strict=True)]
    images, labels = read_csv(table_of(tmp_path, "a,b,c,d,label", rows))
    assert images.reshape(3, 4).tolist() == PIXELS
    assert labels.tolist() == ["shoe", "bag", "shoe"]


def test_csv_counts_rows_from_the_top_of_the_file(tmp_path):
    rows = [[1, 2, 3, 4, 5]] * 1500 + [[1, 2, 3, 4, "x"]]
    assert "could not convert string 'x' to uint8 at row 1500, column 5" in error_of(
        read_csv, table_of(tmp_path, "", rows)
    )


@pytest.mark.parametrize(
    ("header", "row", "message"),
    [
        (
            "a,b,c,d,e",
            [1, 2, 3, 4, 5],
            "none with a name for labels. Expected one of: class, label,",
        ),
        ("label,a,b,c,d,y", [1, 2, 3, 4, 5, 6], "The columns label and y could both be the labels"),
        ("label,a,b,c,d", [-1, 2, 3, 4, 5], "could not convert string '-1'"),
        ("label,a,b,c,d", ["nan", 2, 3, 4, 5], "could not convert string 'nan'"),
        ("label,a,b,c,d", ["", 2, 3, 4, 5], "could not convert string ''"),
        (
            "label," + ",".join("p" * 783),
            range(784),
            "has 784 columns. Expected a label and",
        ),
    ],
)
def test_csv_with_a_header_refused(tmp_path, header, row, message):
    assert message in error_of(read_csv, table_of(tmp_path, header, [row]))


def test_csv_without_a_header_and_the_label_last(tmp_path):
    rows = [[0, *([7] * 783), i % 10] for i in range(30)]
    assert (
        "Its first column, which should hold the labels, is 0 in all 30 rows; its last column has values from 0 to 9. "
        "Put the label first, or add a header that names it."
    ) in error_of(read_csv, table_of(tmp_path, "", rows))


@pytest.mark.parametrize("content", [b"0" * 5_000_000, bytes(5_000_000)])
def test_csv_with_an_endless_row(tmp_path, content):
    (tmp_path / "a.csv").write_bytes(content)
    for read in (read_csv, read_path):
        assert "a.csv has a row of more than 4,000,000 characters." in error_of(
            read, tmp_path / "a.csv"
        )
