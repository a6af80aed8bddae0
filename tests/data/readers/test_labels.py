"""Labels of any kind become class ids and class names, or are refused."""

import numpy as np
import pytest
from data_files import assert_holds, small_arrays, write_csv, write_npz
from errors import error_of

from mnist_keras.data.datasets import load_data
from mnist_keras.data.readers import read_path

ARRAYS = small_arrays()


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (
            ARRAYS["train_labels"].astype(np.int64) - 1,
            "a.npz has the label -1. Expected 0 or above.",
        ),
        (
            ARRAYS["train_labels"][:-1],
            "holds 12 images and 11 labels of the train split. Expected as",
        ),
        (
            ARRAYS["train_labels"] + 0.5,
            "has labels of dtype float64 and shape (12,). Expected integers",
        ),
        (np.full((12, 3), 0.5), "has labels of dtype float64 and shape (12, 3). Expected integers"),
    ],
)
def test_labels_of_another_kind(tmp_path, labels, message):
    path = write_npz(tmp_path / "a.npz", ARRAYS | {"train_labels": labels})
    assert message in error_of(load_data, path)


@pytest.mark.parametrize(
    "change",
    [
        lambda x: x[:, None],
        lambda x: np.eye(3, dtype=np.uint8)[x],
        lambda x: x.astype(np.float32),
        lambda x: x.astype(str),
    ],
)
def test_labels_that_surely_mean_a_class(tmp_path, change):
    arrays = {key: change(x) if x.ndim == 1 else x for key, x in ARRAYS.items()}
    assert_holds(load_data(write_npz(tmp_path / "a.npz", arrays)))


def test_labels_of_a_file_become_class_names(tmp_path):
    arrays = {key: 300 + 5 * x.astype(int) if x.ndim == 1 else x for key, x in ARRAYS.items()}
    data = load_data(write_npz(tmp_path / "a.npz", arrays))
    assert_holds(data)
    assert data.class_names == ("300", "305", "310")


def test_labels_become_class_names_in_order(tmp_path):
    labels = np.array([2, 10, 7, 10, 2, 7, 7, 2, 10, 2, 2, 2])
    path = write_csv(tmp_path / "a.csv", ARRAYS["train_images"], labels)
    raw = read_path(path)[1]
    assert raw.class_names == ("2", "7", "10")
    assert raw.train_labels.tolist() == np.searchsorted([2, 7, 10], labels).tolist()
