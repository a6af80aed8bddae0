"""The reader of NPZ files: what it accepts, and the text of what it refuses."""

import io
import tracemalloc
import zipfile

import numpy as np
import pytest
import scipy.io
from data_files import small_arrays, write_npz
from errors import error_of

from mnist_keras._validation import InputError
from mnist_keras.data.readers import read_path
from mnist_keras.data.readers.arrays import read_npz

ARRAYS = small_arrays()


def assert_same(splits, arrays=ARRAYS):
    for key, array in arrays.items():
        np.testing.assert_array_equal(getattr(splits, key), array)


def peak_of_refusal(call):
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match=r"is truncated or damaged"):
            call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("compressed", [False, True])
def test_npz(tmp_path, compressed):
    assert_same(read_npz(write_npz(tmp_path / "a.npz", ARRAYS, compressed=compressed)))


def test_npz_with_a_channel_axis_and_without_test_images(tmp_path):
    arrays = {
        "train_images": ARRAYS["train_images"][..., None],
        "train_labels": ARRAYS["train_labels"],
    }
    splits = read_npz(write_npz(tmp_path / "a.npz", arrays))
    assert splits.train_images.shape == (12, 5, 5)
    assert splits.test_images is None


def test_npz_lacks_keys(tmp_path):
    np.savez(tmp_path / "a.npz", picture=ARRAYS["train_images"], y_train=ARRAYS["train_labels"])
    with pytest.raises(
        InputError,
        match=r"a.npz lacks train_images. Expected keys that say what the arrays contain: x_train and y_train, .* "
        r"Received: picture, y_train",
    ):
        read_npz(tmp_path / "a.npz")
    write_npz(tmp_path / "b.npz", {key: x for key, x in ARRAYS.items() if key != "test_images"})
    with pytest.raises(InputError, match=r"b.npz lacks test_images"):
        read_npz(tmp_path / "b.npz")


def test_npz_with_pickles_runs_nothing(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (tmp_path.joinpath("ran").touch, ())

    labels = np.array([Bomb()] * 12, dtype=object)
    np.savez(tmp_path / "a.npz", x_train=ARRAYS["train_images"], y_train=labels, allow_pickle=True)
    with pytest.raises(
        InputError,
        match=r"holds pickled objects in y_train, which can run code and are never loaded",
    ):
        read_npz(tmp_path / "a.npz")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("content", [b"", b"not a zip archive", None])
def test_npz_not_an_archive(tmp_path, content):
    path = write_npz(tmp_path / "a.npz", ARRAYS)
    path.write_bytes(path.read_bytes()[:-100] if content is None else content)
    with pytest.raises(
        InputError,
        match=r"a.npz is not a readable NPZ file \(.+\). Expected arrays whose names say",
    ):
        read_npz(path)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (
            np.full((12, 5, 5), -0.5, np.float32),
            r"Invalid `a.npz\[x_train\]`. Expected float pixels that are finite and in \[0, 1\]",
        ),
        (
            np.zeros((12, 25), np.uint8),
            r"Expected shape \(n, height, width\) .* Received: shape=\(12, 25\)",
        ),
        (np.zeros((12, 5, 5, 2), np.uint8), r"Received: shape=\(12, 5, 5, 2\)"),
        (np.zeros((0, 5, 5), np.uint8), "Expected at least one image"),
    ],
)
def test_npz_images_of_another_kind(tmp_path, images, message):
    path = write_npz(tmp_path / "a.npz", ARRAYS | {"train_images": images})
    with pytest.raises(InputError, match=message):
        read_npz(path)


def test_npz_that_declares_four_gigabytes_is_not_allocated(tmp_path):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "|u1", "fortran_order": False, "shape": (2**16, 2**8, 2**8)}
    )
    path = write_npz(
        tmp_path / "a.npz", {key: ARRAYS[key] for key in ("train_labels", "test_images")}
    )
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("x_train.npy", header.getvalue() + bytes(1000))
    assert peak_of_refusal(lambda: read_npz(path)) < 1e6


def test_a_matlab_file_of_version_7_3(tmp_path):
    path = tmp_path / "a.mat"
    head = b"MATLAB 7.3 MAT-file, Platform: GLNXA64, HDF5 schema 1.00 ."
    path.write_bytes(head.ljust(124) + b"\x00\x02IM" + bytes(1000))
    assert error_of(read_path, path) == (
        f"{path} is a MATLAB file of version 7.3, which is not read. Save it in MATLAB with save(file, '-v7')."
    )


def test_several_npz_files_of_whole_datasets_are_named(tmp_path):
    for name in ("a.npz", "b.npz"):
        write_npz(tmp_path / name, ARRAYS)
    text = error_of(read_path, tmp_path, "npz")
    assert text == f"{tmp_path} holds 2 NPZ files: a.npz, b.npz. Expected only one; pass its path."


def test_npy_files_whose_names_say_nothing_are_named(tmp_path):
    np.save(tmp_path / "one.npy", ARRAYS["train_images"])
    text = error_of(read_path, tmp_path, "npy")
    assert text.startswith(
        f"{tmp_path} has NPY files whose names do not say what they contain: one.npy. Known: "
    )


def test_a_matlab_file_with_the_images_along_its_last_axis(tmp_path):
    images, labels = ARRAYS["train_images"], ARRAYS["train_labels"]
    scipy.io.savemat(
        tmp_path / "own.mat", {"X": np.moveaxis(images, 0, -1), "y": labels[:, None], "note": "a"}
    )
    _, raw = read_path(tmp_path / "own.mat", "mat")
    np.testing.assert_array_equal(raw.train_images, images)
    np.testing.assert_array_equal(raw.train_labels, labels)
