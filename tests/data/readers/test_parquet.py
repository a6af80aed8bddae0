"""The reader of Parquet files: what it accepts, and the text of what it refuses."""

import json
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from data_formats import ARRAYS, FORMS, png
from errors import error_of

from mnist_keras._validation import MissingExtraError
from mnist_keras.data.datasets import load_data
from mnist_keras.data.readers import read_path

PICTURES = [{"bytes": png(image), "path": None} for image in ARRAYS["train_images"]]
LABELS = ARRAYS["train_labels"].tolist()


def write(tmp_path, columns, name="train.parquet"):
    pq.write_table(pa.table(columns), tmp_path / name)
    return tmp_path


@pytest.mark.parametrize("image", ["image", "img"])
@pytest.mark.parametrize("label", ["label", "labels"])
def test_names_of_columns(tmp_path, image, label):
    raw = read_path(write(tmp_path, {image: PICTURES, label: LABELS}))[1]
    np.testing.assert_array_equal(raw.train_images, ARRAYS["train_images"])
    assert raw.train_labels.tolist() == LABELS


def test_bytes_and_nested_lists(tmp_path):
    raw = read_path(write(tmp_path, {"image": [x["bytes"] for x in PICTURES], "label": LABELS}))[1]
    np.testing.assert_array_equal(raw.train_images, ARRAYS["train_images"])
    raw = read_path(write(tmp_path, {"image": ARRAYS["train_images"].tolist(), "label": LABELS}))[1]
    np.testing.assert_array_equal(raw.train_images, ARRAYS["train_images"])


def test_labels_as_strings_and_categories(tmp_path):
    names = [("shoe", "bag", "hat")[label] for label in LABELS]
    for labels in (names, pa.array(names).dictionary_encode()):
        raw = read_path(write(tmp_path, {"image": PICTURES, "label": labels}))[1]
        assert raw.class_names == ("bag", "hat", "shoe")
        assert raw.train_labels[:3].tolist() == [2, 0, 1]


def test_without_labels_and_with_a_validation_split(tmp_path):
    write(tmp_path, {"image": PICTURES})
    assert read_path(tmp_path)[1].test_labels is None
    write(tmp_path, {"image": PICTURES, "label": LABELS})
    write(
        tmp_path, {"image": PICTURES[:3], "label": LABELS[:3]}, "validation-00000-of-00001.parquet"
    )
    assert len(read_path(tmp_path)[1].validation_images) == 3


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            {"text": ["a"], "label": [1]},
            "has 2 columns (text, label). Expected a column image of pictures",
        ),
        (
            {"image": PICTURES, "img": PICTURES, "label": LABELS},
            "has the columns image and img. Expected only one",
        ),
        (
            {"image": PICTURES, "label": LABELS, "y": LABELS},
            "The columns label and y could both be the labels",
        ),
        ({"image": PICTURES, "label": [None, *LABELS[1:]]}, "has rows without a label"),
        (
            {"image": PICTURES, "label": [0.5] * 12},
            "has labels of type double. Expected integers",
        ),
        ({"image": PICTURES, "label": [-1] * 12}, "has the label -1. Expected 0 or above."),
        ({"image": [None] * 12, "label": LABELS}, "has a row without a picture: NoneType."),
        (
            {"image": ["a.png"] * 12, "label": LABELS},
            "has a row without a picture: str. Expected its bytes",
        ),
        (
            {"image": [b"none"] * 12, "label": LABELS},
            "has a picture that cannot be read (cannot identify",
        ),
        (
            {
                "image": [png(np.zeros((8, 8), np.uint8)), png(np.zeros((9, 8), np.uint8))],
                "label": [0, 1],
            },
            "has pictures of different sizes: (8, 8) and (9, 8) (height, width). Expected one size; resize them",
        ),
        (
            {"image": [[[1, 2], [3]]], "label": [1]},
            "is not a readable Parquet file (setting an array element",
        ),
        ({"image": [[[1.5, 2.0]]], "label": [1]}, "has images of shape (1, 2) and dtype float64"),
        (
            {**{str(i): [300] for i in range(4)}, "label": [1]},
            "has a value in the column 0 that is not an integer from 0 to 255.",
        ),
        (
            {**{str(i): [0] for i in range(783)}, "label": [1]},
            "has 784 columns (0, 1, 2, ..., label). Expected a column image of pictures (PNG bytes), or a column for "
            "each pixel, and a column label; a square number of pixels.",
        ),
        ({"image": pa.array([], pa.binary()), "label": pa.array([], pa.int64())}, "holds no rows."),
    ],
)
def test_refused(tmp_path, columns, message):
    text = error_of(read_path, write(tmp_path, columns))
    assert message in text
    assert str(tmp_path) in text or text.startswith("The columns")


def test_two_datasets(tmp_path):
    for name in ("mnist", "kmnist"):
        (tmp_path / name).mkdir()
        write(tmp_path / name, {"image": PICTURES, "label": LABELS})
    assert (
        "has Parquet files of the train split in 2 folders: kmnist, mnist. Expected only one dataset; pass the path"
    ) in error_of(read_path, tmp_path)


def test_sizes_that_differ_between_shards(tmp_path):
    for i, side in enumerate((8, 9)):
        image = png(np.zeros((side, side), np.uint8))
        write(tmp_path, {"image": [image], "label": [0]}, f"train-{i}.parquet")
    assert "has pictures of different sizes: (8, 8) and (9, 9)" in error_of(read_path, tmp_path)


def test_damaged(tmp_path):
    path = FORMS["parquet of pixels"].write(tmp_path) / "train.parquet"
    content = path.read_bytes()
    for part in (content[:-20], content[:5000] + content[6000:], b"PAR1"):
        path.write_bytes(part)
        assert f"{path} is not a readable Parquet file (" in error_of(read_path, tmp_path)


def test_without_pyarrow(tmp_path, monkeypatch):
    write(tmp_path, {"image": PICTURES, "label": LABELS})
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(MissingExtraError, match=r'pip install "mnist-keras\[data\]"'):
        read_path(tmp_path)


def test_a_column_that_is_not_read_is_named(tmp_path):
    write(tmp_path, {"image": PICTURES, "digit": LABELS, "source": ["a"] * 12})
    raw = read_path(tmp_path)[1]
    assert raw.test_labels is None
    assert raw.left_out == ("train.parquet[digit]", "train.parquet[source]")
    assert error_of(load_data(tmp_path).with_test_split).endswith(
        "in a column named label, class, target or y. Not read: train.parquet[digit], train.parquet[source]."
    )


def test_flat_lists_of_pixels(tmp_path):
    flat = ARRAYS["train_images"].reshape(12, -1).tolist()
    raw = read_path(write(tmp_path, {"image": flat, "label": LABELS}))[1]
    np.testing.assert_array_equal(raw.train_images, ARRAYS["train_images"])


def test_splits_that_name_their_classes_in_two_ways(tmp_path):
    for split, names in (("train", ["a", "b", "c"]), ("test", ["c", "b", "a"])):
        features = {"info": {"features": {"label": {"names": names}}}}
        table = pa.table({"image": PICTURES, "label": LABELS})
        table = table.replace_schema_metadata({"huggingface": json.dumps(features)})
        pq.write_table(table, tmp_path / f"{split}.parquet")
    text = error_of(read_path, tmp_path)
    assert text.endswith(
        "names its classes in two ways: c, b, a (test) and a, b, c (train). Expected one."
    )
    write(tmp_path, {"image": PICTURES, "label": LABELS}, "test.parquet")
    assert read_path(tmp_path)[1].class_names == ("a", "b", "c")
