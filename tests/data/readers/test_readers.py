"""Which reader answers for a path."""

import numpy as np
import pytest
from data_files import IDX_NAMES, small_arrays, write_csv, write_idx_set, write_npz

from mnist_keras._validation import InputError
from mnist_keras.data.readers import detect

ARRAYS = small_arrays()
FORMATS = ("idx", "npz", "csv", "folder")


def assert_same(splits, arrays=ARRAYS):
    for key, array in arrays.items():
        np.testing.assert_array_equal(getattr(splits, key), array)


def test_detect(tmp_path):
    assert detect(tmp_path, FORMATS) == ("folder", tmp_path)
    csv = write_csv(tmp_path / "train.csv", ARRAYS["train_images"], ARRAYS["train_labels"])
    assert detect(csv, FORMATS) == ("csv", csv)
    assert detect(tmp_path, FORMATS) == ("csv", tmp_path)
    npz = write_npz(tmp_path / "a.npz", ARRAYS)
    assert detect(npz, FORMATS) == detect(tmp_path, FORMATS) == ("npz", npz)
    write_idx_set(tmp_path, ARRAYS)
    assert detect(tmp_path, FORMATS) == ("idx", tmp_path)
    assert detect(tmp_path, ("csv",)) == ("csv", tmp_path)


def test_detect_refuses(tmp_path):
    with pytest.raises(InputError, match=r"holds no data of the format idx"):
        detect(tmp_path, ("idx",))
    write_idx_set(tmp_path, ARRAYS)
    with pytest.raises(
        InputError,
        match=r"Expected a directory, or a .npz or .csv file .* Pass the directory that IDX",
    ):
        detect(tmp_path / IDX_NAMES["train_images"], FORMATS)
    with pytest.raises(InputError, match=r"file \(source: csv\). Received"):
        detect(write_npz(tmp_path / "a.npz", ARRAYS), ("csv",))
    write_npz(tmp_path / "b.npz", ARRAYS)
    with pytest.raises(InputError, match=r"holds 2 NPZ files. Expected one; pass its path"):
        detect(tmp_path, ("npz",))
