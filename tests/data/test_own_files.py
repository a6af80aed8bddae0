"""`load_data` with the path of the user's own files: what comes back, and what is refused."""

import os

import numpy as np
import pytest
from data_files import (
    NUM_TEST,
    assert_holds,
    small_arrays,
    write_csv,
    write_folder,
    write_idx_set,
    write_npz,
)

from mnist_keras._validation import InputError
from mnist_keras.data.datasets import load_data

ARRAYS = small_arrays()
pytestmark = pytest.mark.usefixtures("bare_machine")


def test_unlabeled_images_alone_are_none_to_train_on(tmp_path):
    path = write_csv(tmp_path / "test.csv", ARRAYS["test_images"])
    with pytest.raises(
        InputError,
        match=r"test.csv holds 6 images without labels. Expected labels, to train or to evaluate on;",
    ):
        load_data(path).with_test_split()


def test_path_of_every_format(tmp_path):
    assert_holds(load_data(write_idx_set(tmp_path / "idx", ARRAYS, zipped=True)))
    assert_holds(load_data(str(write_npz(tmp_path / "npz" / "a.npz", ARRAYS))))
    assert_holds(load_data(tmp_path / "npz"))
    write_csv(tmp_path / "csv" / "train.csv", ARRAYS["train_images"], ARRAYS["train_labels"])
    write_csv(tmp_path / "csv" / "test.csv", ARRAYS["test_images"], ARRAYS["test_labels"])
    assert_holds(load_data(tmp_path / "csv"))
    large = small_arrays(side=28)
    write_folder(tmp_path / "folder", large["train_images"], large["train_labels"])
    data = load_data(tmp_path / "folder")
    np.testing.assert_array_equal(
        data.train_images[data.train_labels == 1], large["train_images"][1::3]
    )
    sources = [load_data(tmp_path / source).source for source in ("idx", "npz", "csv", "folder")]
    assert sources == ["idx", "npz", "csv", "folder"]


def test_unlabeled_test_images(tmp_path):
    write_csv(tmp_path / "train.csv", ARRAYS["train_images"], ARRAYS["train_labels"])
    write_csv(tmp_path / "test.csv", ARRAYS["test_images"])
    data = load_data(tmp_path)
    assert data.test_labels is None
    assert len(data.test_images) == NUM_TEST
    assert "test_labels" not in data.sha256
    alone = load_data(tmp_path / "test.csv")
    assert alone.train_images.shape == (0, 5, 5)
    assert alone.class_names == ()
    np.testing.assert_array_equal(alone.test_images, ARRAYS["test_images"])


def test_home_is_expanded(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    write_idx_set(tmp_path / "data", ARRAYS)
    assert_holds(load_data("~/data"))
    assert_holds(load_data("mnist", data_dir="~/data"))
    monkeypatch.setenv("MNIST_KERAS_DATA_DIR", "~/data")
    assert_holds(load_data("mnist"))


def test_training_and_test_images_of_two_shapes(tmp_path):
    arrays = ARRAYS | {"test_images": np.zeros((NUM_TEST, 4, 4), np.uint8)}
    with pytest.raises(
        InputError, match=r"training images of shape \(5, 5\) and test images of shape \(4, 4\)"
    ):
        load_data(write_npz(tmp_path / "a.npz", arrays))


def test_a_validation_split_of_a_file_is_kept(tmp_path):
    arrays = {f"x_{split}": ARRAYS["test_images"] for split in ("train", "val", "test")}
    arrays |= {f"y_{split}": ARRAYS["test_labels"] for split in ("train", "val", "test")}
    np.savez(tmp_path / "a.npz", **arrays)
    data = load_data(tmp_path / "a.npz")
    np.testing.assert_array_equal(data.validation.images, ARRAYS["test_images"])
    assert data.validation.labels.tolist() == ARRAYS["test_labels"].tolist()
    assert data.with_test_split().validation is data.validation


def test_what_was_read_and_left_out(tmp_path):
    write_npz(tmp_path / "a.npz", ARRAYS)
    (tmp_path / "notes.txt").write_text("none")
    data = load_data(tmp_path)
    assert data.files == tuple(
        f"a.npz[{key}]" for key in ("x_train", "y_train", "x_test", "y_test")
    )
    assert data.left_out == ("notes.txt",)


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read any file"
)
def test_a_file_that_may_not_be_read(tmp_path):
    path = write_npz(tmp_path / "a.npz", ARRAYS)
    path.chmod(0)
    with pytest.raises(InputError, match=r"a.npz cannot be read: Permission denied"):
        load_data(path)


def test_what_the_file_system_refuses_names_the_file(tmp_path, monkeypatch):
    def refuse(path, **options):
        raise OSError(5, "Input/output error", str(path))

    monkeypatch.setattr(np, "load", refuse)
    with pytest.raises(InputError, match=r"a.npz cannot be read: Input/output error"):
        load_data(write_npz(tmp_path / "a.npz", ARRAYS))
