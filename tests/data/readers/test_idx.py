"""The reader of IDX files: what it accepts, and the text of what it refuses."""

import gzip
import struct
import tracemalloc

import numpy as np
import pytest
from data_files import IDX_NAMES, idx_bytes, small_arrays, write_idx_set

from mnist_keras._validation import InputError
from mnist_keras.data.readers.idx import read_idx, read_idx_set

ARRAYS = small_arrays()
FORMATS = ("idx", "npz", "csv", "folder")


def assert_same(splits, arrays=ARRAYS):
    for key, array in arrays.items():
        np.testing.assert_array_equal(getattr(splits, key), array)


@pytest.mark.parametrize("zipped", [False, True])
def test_idx_set(tmp_path, zipped):
    assert_same(read_idx_set(write_idx_set(tmp_path, ARRAYS, zipped=zipped)))


def test_idx_with_a_dot_in_the_names(tmp_path):
    names = {key: name.replace("-idx", ".idx") for key, name in IDX_NAMES.items()}
    assert_same(read_idx_set(write_idx_set(tmp_path, ARRAYS, names=names)))


def test_idx_unzipped_under_the_name_of_the_zipped(tmp_path):
    names = {key: f"{name}.gz" for key, name in IDX_NAMES.items()}
    assert_same(read_idx_set(write_idx_set(tmp_path, ARRAYS, names=names)))


def test_idx_without_test_images_or_their_labels(tmp_path):
    write_idx_set(tmp_path, ARRAYS)
    (tmp_path / IDX_NAMES["test_labels"]).unlink()
    splits = read_idx_set(tmp_path)
    assert len(splits.test_images) == 6
    assert splits.test_labels is None
    (tmp_path / IDX_NAMES["test_images"]).unlink()
    assert read_idx_set(tmp_path).test_images is None


@pytest.mark.parametrize("missing", ["train_images", "train_labels", "test_images"])
def test_idx_set_lacks_a_file(tmp_path, missing):
    write_idx_set(tmp_path, ARRAYS)
    (tmp_path / IDX_NAMES[missing]).unlink()
    with pytest.raises(
        InputError, match=rf"lacks {IDX_NAMES[missing]}\. Expected train-images-idx3-ubyte, "
    ):
        read_idx_set(tmp_path)


def test_idx_counts_differ(tmp_path):
    write_idx_set(tmp_path, ARRAYS | {"train_labels": ARRAYS["train_labels"][:-1]})
    with pytest.raises(
        InputError, match=r"holds 12 images and .* 11 labels. Expected the same number of both"
    ):
        read_idx_set(tmp_path)


def test_idx_files_swapped(tmp_path):
    write_idx_set(
        tmp_path, {"train_images": ARRAYS["train_labels"], "train_labels": ARRAYS["train_labels"]}
    )
    with pytest.raises(
        InputError,
        match=r"magic number 2051. Received: 2049. This is a file of labels: did you swap two",
    ):
        read_idx_set(tmp_path)


def test_idx_wrong_magic_number(tmp_path):
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(b"PK\x03\x04" + bytes(100))
    with pytest.raises(
        InputError,
        match=r"train-images-idx3-ubyte is not an IDX file of images.* Received: 1347093252\.$",
    ):
        read_idx(path, "images")


IMAGES = idx_bytes(ARRAYS["train_images"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            IMAGES[:-1],
            "is truncated or damaged. Its header says 300 bytes of images. Received: 299. Copy",
        ),
        (
            IMAGES + b"x",
            "is truncated or damaged. Its header says 300 bytes of images. Received: more. Copy",
        ),
        (IMAGES[:9], "is truncated or damaged"),
        (b"", "is not an IDX file of images"),
        (
            idx_bytes(ARRAYS["train_images"][:0]),
            r"is empty. Expected images. Received: shape=\(0, 5, 5\)",
        ),
        (gzip.compress(IMAGES)[:-20], r"is a damaged gzip file \(.+\). Expected a complete file"),
        (
            gzip.compress(IMAGES[:-9]),
            "Its header says 300 bytes of images. Received: 291. Copy or download",
        ),
        (gzip.compress(IMAGES + b"x"), "Received: more"),
        (gzip.compress(IMAGES)[:-8] + bytes(8), r"damaged gzip file \(CRC check failed"),
        (b"\x1f\x8b" + bytes(50), "damaged gzip file"),
    ],
)
def test_idx_damaged(tmp_path, content, message):
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_idx(path, "images")


def peak_of_refusal(call):
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match=r"is truncated or damaged"):
            call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("zipped", [False, True])
def test_idx_that_declares_four_gigabytes_is_not_allocated(tmp_path, zipped):
    content = struct.pack(">4I", 0x803, 2**16 - 1, 256, 256) + bytes(1000)
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(gzip.compress(content) if zipped else content)
    assert peak_of_refusal(lambda: read_idx(path, "images")) < 1e6


def test_idx_gzip_bomb_is_read_to_the_declared_size_only(tmp_path):
    path = tmp_path / "train-images-idx3-ubyte.gz"
    path.write_bytes(gzip.compress(IMAGES + bytes(100_000_000), compresslevel=1))
    assert peak_of_refusal(lambda: read_idx(path, "images")) < 1e6
