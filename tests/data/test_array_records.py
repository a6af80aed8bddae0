"""ArrayRecord files of TensorFlow Datasets: opened by name or path, with errors that say how to prepare them."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from data_files import write_records

from mnist_keras._validation import InputError, MissingExtraError
from mnist_keras.data import downloads
from mnist_keras.data.array_records import open_records


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
        assert len(open_records(path, data_dir=directory)) == 200
        assert len(open_records(directory / path)) == 200


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
