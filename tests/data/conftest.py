"""Digits in memory and on disk, windows of few images, and a machine without data."""

from pathlib import Path

import pytest
from data_files import write_records

import mnist_keras as mk
from mnist_keras.data import downloads, windows
from mnist_keras.data.downloads import DownloadError


@pytest.fixture(scope="session")
def arrays():
    """200 digits to train on, 60 to test on."""
    (images, labels), (test_images, test_labels) = mk.load_data("digits")
    train_split = images[:200], labels[:200]
    return train_split, (test_images[:60], test_labels[:60])


@pytest.fixture(scope="session")
def directory(arrays, tmp_path_factory):
    """A dataset of ArrayRecord files, the PNG images of TensorFlow Datasets in them."""
    directory = tmp_path_factory.mktemp("tfds")
    write_records(directory, dict(zip(("train", "test"), arrays, strict=True)))
    return directory


@pytest.fixture
def small_windows(monkeypatch):
    """Three steps of 32 images of 28x28 a window: the last of six steps' two windows is whole, of seven's not."""
    monkeypatch.setattr(windows, "WINDOW_BYTES", 3 * 32 * 28 * 28)


@pytest.fixture
def bare_machine(tmp_path, monkeypatch):
    """No variable, no cache, no network."""
    monkeypatch.delenv("MNIST_KERAS_DATA_DIR", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "tfds"))

    def probe(url):
        raise DownloadError("no connection to anywhere")

    monkeypatch.setattr(downloads, "probe", probe)


@pytest.fixture(scope="session")
def real_dir(data_dir):
    return Path(data_dir)
