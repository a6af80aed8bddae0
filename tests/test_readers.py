"""Readers of IDX, NPZ and CSV: what they accept, and the text of what they refuse."""

import gzip
import io
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest
from data_files import IDX_NAMES, idx_bytes, small_arrays, write_csv, write_idx_set, write_npz

from mnist_keras._validation import InputError
from mnist_keras.readers import detect, read_csv, read_csv_set, read_idx, read_idx_set, read_npz

ARRAYS = small_arrays()
FORMATS = ("idx", "npz", "csv", "folder")


def assert_same(splits, arrays=ARRAYS):
    for key, array in arrays.items():
        np.testing.assert_array_equal(getattr(splits, key), array)


# IDX


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
        InputError, match=r"holds 12 images and .* 11 labels. Expected as many of both"
    ):
        read_idx_set(tmp_path)


def test_idx_files_swapped(tmp_path):
    write_idx_set(
        tmp_path, {"train_images": ARRAYS["train_labels"], "train_labels": ARRAYS["train_labels"]}
    )
    with pytest.raises(
        InputError, match=r"magic number 2051. Received: 2049. That is a file of labels: are two"
    ):
        read_idx_set(tmp_path)


def test_idx_wrong_magic_number(tmp_path):
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(b"PK\x03\x04" + bytes(100))
    with pytest.raises(
        InputError,
        match=r"train-images-idx3-ubyte is no IDX file of images.* Received: 1347093252\.$",
    ):
        read_idx(path, "images")


IMAGES = idx_bytes(ARRAYS["train_images"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            IMAGES[:-1],
            "is cut off or damaged. Its header says 300 bytes of images. Received: 299. Copy",
        ),
        (
            IMAGES + b"x",
            "is cut off or damaged. Its header says 300 bytes of images. Received: more. Copy",
        ),
        (IMAGES[:9], "is cut off or damaged"),
        (b"", "is no IDX file of images"),
        (
            idx_bytes(ARRAYS["train_images"][:0]),
            r"is empty. Expected images. Received: shape=\(0, 5, 5\)",
        ),
        (gzip.compress(IMAGES)[:-20], r"is a damaged gzip file \(.+\). Expected the complete file"),
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
        with pytest.raises(InputError, match=r"is cut off or damaged"):
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


# NPZ


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
    np.savez(tmp_path / "a.npz", images=ARRAYS["train_images"], y_train=ARRAYS["train_labels"])
    with pytest.raises(
        InputError,
        match=r"a.npz lacks x_train. Expected the keys x_train, y_train, .* Received: images,",
    ):
        read_npz(tmp_path / "a.npz")
    write_npz(tmp_path / "b.npz", {key: x for key, x in ARRAYS.items() if key != "test_images"})
    with pytest.raises(InputError, match=r"b.npz lacks x_test"):
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
        InputError, match=r"a.npz is not a readable NPZ file \(.+\). Expected the keys x_train"
    ):
        read_npz(path)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (
            np.zeros((12, 5, 5), np.float32),
            r"Invalid `a.npz\[x_train\]`. Expected dtype uint8 .* dtype=float32",
        ),
        (
            np.zeros((12, 25), np.uint8),
            r"Expected shape \(n, height, width\) .* Received: shape=\(12, 25\)",
        ),
        (np.zeros((12, 5, 5, 3), np.uint8), r"Received: shape=\(12, 5, 5, 3\)"),
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


# CSV


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
    splits = read_csv_set(tmp_path / "a.csv")
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
    assert_same(read_csv_set(tmp_path))
    write_csv(tmp_path / "mnist_test.csv", ARRAYS["test_images"])
    assert read_csv_set(tmp_path).test_labels is None


def test_csv_files_with_other_names(tmp_path):
    write_csv(tmp_path / "a.csv", ARRAYS["train_images"])
    with pytest.raises(
        InputError,
        match=r"one whose name ends in train.csv and at most one in test.csv. Received: neither",
    ):
        read_csv_set(tmp_path)
    for name in ("x_train.csv", "y_train.csv"):
        write_csv(tmp_path / name, ARRAYS["train_images"])
    with pytest.raises(InputError, match=r"Received: x_train.csv, y_train.csv. Rename"):
        read_csv_set(tmp_path)


def test_csv_training_file_without_labels(tmp_path):
    write_csv(tmp_path / "train.csv", ARRAYS["train_images"])
    write_csv(tmp_path / "test.csv", ARRAYS["test_images"])
    with pytest.raises(
        InputError, match=r"train.csv has no labels. Expected a label first in every row"
    ):
        read_csv_set(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "0,1,2,3,4\n1,2,3,4\n",
            "is not a table of whole numbers from 0 to 255: the number of columns changed from 5 to 4 "
            r"at row 2\. Expected in every row",
        ),
        (
            "0,1,2,3,x\n",
            r"could not convert string 'x' to uint8 at row 0, column 5\. Expected in every row",
        ),
        ("x0,1,2,3,4\n1,1,2,3,4\n", "could not convert string 'x0' to uint8 at row 0, column 1"),
        ("0,1,2,3,256\n", "could not convert string '256'"),
        ("0,1,2,3,-1\n", "could not convert string '-1'"),
        ("0,1,2,3,0.5\n", "could not convert string '0.5'"),
        ("0,1,2,3,\n", "could not convert string ''"),
        ("0,1,2,3,4,5\n", r"has 6 columns. Expected in every row a label and the 784 pixels"),
        ("", "holds no rows. Expected in every row a label and the 784 pixels"),
        ("label,pixel0\n\n\n", "holds no rows"),
        ("\xff\x00", "is not a table"),
    ],
)
def test_csv_refused(tmp_path, text, message):
    path = tmp_path / "a.csv"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match=message):
        read_csv(path)


# Which format it is


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
