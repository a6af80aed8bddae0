"""What readers share: the files at a place, and files that do not fit into memory."""

import numpy as np
import psutil
import pytest
from data_formats import FORMS
from errors import error_of

from mnist_keras.data.readers import arrays, files, read_path
from mnist_keras.data.readers.files import Place

LARGE = ("idx", "idx, compressed", "npz of Keras", "npy", "csv", "parquet of the Hub", "folder")


@pytest.fixture
def little_memory(monkeypatch):
    """A machine with 5,000 bytes of free memory."""
    memory = psutil.virtual_memory()._replace(available=5_000)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)


@pytest.mark.parametrize("form", [*LARGE, "emnist letters, mat"])
def test_a_file_larger_than_memory(tmp_path, form, little_memory):
    text = error_of(read_path, FORMS[form].write(tmp_path))
    assert text.endswith(
        " GiB of memory; 0.0 GiB are free. Write its images as records and open them with open_records(), which reads "
        "them from disk."
    )
    assert str(tmp_path) in text


def test_memory_that_runs_out_while_reading(tmp_path, monkeypatch):
    def fail(*arguments, **options):
        raise MemoryError

    monkeypatch.setattr(arrays.np, "load", fail)
    text = error_of(read_path, FORMS["npz of Keras"].write(tmp_path))
    assert text.startswith(f"{tmp_path / 'mnist.npz'} needs more memory than the machine has; ")
    assert "open_records()" in text


def test_too_many_files(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "MAX_ENTRIES", 3)
    assert "holds more than 3 files. Pass the directory of one dataset." in error_of(
        read_path, FORMS["folder"].write(tmp_path)
    )


def test_links_in_circles_end(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "again").symlink_to(tmp_path)
    (tmp_path / "a" / "nowhere.png").symlink_to(tmp_path / "nothing")
    np.save(tmp_path / "a" / "x.npy", np.zeros(3))
    assert len(Place(tmp_path).names) <= files.MAX_DEPTH
