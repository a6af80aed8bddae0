"""The table of formats: each form is read by the reader that knows it, and what can be read in two ways is refused."""

import numpy as np
import pytest
from data_files import write_folder, write_idx_set, write_npz
from data_formats import ARRAYS, FORMS
from errors import error_of

from mnist_keras.data.readers import READERS, read_path


def assert_holds(raw, by_class=False, splits=("train", "test")):
    for split in splits:
        images, labels = ARRAYS[f"{split}_images"], ARRAYS[f"{split}_labels"]
        order = np.argsort(labels, kind="stable") if by_class else np.arange(len(labels))
        np.testing.assert_array_equal(getattr(raw, f"{split}_images"), images[order])
        np.testing.assert_array_equal(getattr(raw, f"{split}_labels"), labels[order])
        assert getattr(raw, f"{split}_images").dtype == np.uint8
        assert getattr(raw, f"{split}_labels").dtype == np.int64


@pytest.mark.parametrize("name", FORMS)
def test_every_form_is_read(tmp_path, name):
    form = FORMS[name]
    reader, raw = read_path(form.write(tmp_path))
    assert reader == form.reader
    assert_holds(raw, form.by_class, ("train",) if raw.test_images is None else ("train", "test"))
    assert raw.files
    if "emnist letters" in name:
        assert raw.class_names[:3] == ("a", "b", "c"), "counted from 0"
    else:
        assert raw.class_names[:3] == ("0", "1", "2")


def test_every_reader_has_a_form():
    assert {form.reader for form in FORMS.values()} == {reader.name for reader in READERS}


def test_nothing_there(tmp_path):
    (tmp_path / "notes.txt").write_text("none")
    assert error_of(read_path, tmp_path).startswith(
        f"{tmp_path} holds no data of the format idx, npz, npy, mat, csv, parquet, folder, table. Received: notes.txt. "
        "Expected a folder of pictures for each class; pictures and a CSV file with the columns file and label; files"
    )
    assert "format csv. Received: notes.txt" in error_of(read_path, tmp_path, "csv")


def test_two_ways_are_named_and_either_can_be_chosen(tmp_path):
    write_idx_set(tmp_path, ARRAYS)
    write_npz(tmp_path / "a.npz", ARRAYS)
    assert error_of(read_path, tmp_path).startswith(
        f"{tmp_path} can be read in 2 ways: idx, npz. Choose one with source='idx' (in Python), or pass the path"
    )
    for source in ("idx", "npz"):
        reader, raw = read_path(tmp_path, source)
        assert reader == source
        assert_holds(raw)


@pytest.mark.parametrize("form", ["idx", "npz of Kuzushiji", "npy", "emnist letters, idx"])
def test_a_file_stands_for_its_set(tmp_path, form):
    FORMS[form].write(tmp_path)
    file = next(path for path in tmp_path.rglob("*") if path.is_file() and "train" in path.name)
    assert_holds(read_path(file)[1])


def test_what_is_left_out_is_named(tmp_path):
    write_folder(tmp_path, ARRAYS["train_images"], ARRAYS["train_labels"])
    (tmp_path / "1" / "notes.txt").write_text("none")
    (tmp_path / "0" / ".hidden.png").write_bytes(b"")
    (tmp_path / "__MACOSX" / "2").mkdir(parents=True)
    (tmp_path / "__MACOSX" / "2" / "a.png").write_bytes(b"")
    raw = read_path(tmp_path)[1]
    assert raw.files == ("12 pictures in 3 folders (train)",)
    assert raw.left_out == ("1/notes.txt",)
