"""Pictures and a table: the text of what does not fit."""

import numpy as np
import pytest
from data_files import small_arrays
from errors import error_of
from PIL import Image

from mnist_keras.data.readers.files import Place
from mnist_keras.data.readers.named import read_named_pictures

IMAGES = small_arrays(side=28)["train_images"]


def named_pictures(tmp_path, rows, header="file,label"):
    for i, image in enumerate(IMAGES[:3]):
        Image.fromarray(image).save(tmp_path / f"{i}.png")
    (tmp_path / "labels.csv").write_text("\n".join([header, *rows]))
    return Place(tmp_path)


@pytest.mark.parametrize("names", [("0.png", "2.png"), ("0", "2"), ("pics/0.png", "pics\\2.png")])
def test_pictures_and_a_table(tmp_path, names):
    raw = read_named_pictures(named_pictures(tmp_path, [f"{names[0]},shoe", f"{names[1]},bag"]))
    np.testing.assert_array_equal(raw.train_images, IMAGES[[0, 2]])
    assert raw.train_labels.tolist() == ["shoe", "bag"]
    assert raw.left_out == ("1.png",)


@pytest.mark.parametrize("column", ["split", "Usage"])
def test_a_column_that_says_the_split(tmp_path, column):
    rows = ["0.png,a,train", "1.png,b,Test", "2.png,c,training"]
    raw = read_named_pictures(named_pictures(tmp_path, rows, f"file,label,{column}"))
    np.testing.assert_array_equal(raw.train_images, IMAGES[[0, 2]])
    assert (raw.train_labels.tolist(), raw.test_labels.tolist()) == (["a", "c"], ["b"])


def test_a_column_of_splits_with_another_word(tmp_path):
    place = named_pictures(tmp_path, ["0.png,a,train", "1.png,b,5"], "file,label,set")
    assert error_of(read_named_pictures, place).endswith(
        "labels.csv has '5' in the column set, row 3. Expected train, validation or test. Rename the column if it is "
        "not the split."
    )


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["9.png,1"], "labels.csv lists '9.png', but there is no such picture in "),
        (["../0.png,1", "/etc/passwd,1"], "lists '/etc/passwd', but there is no such picture"),
        ([], "labels.csv lists no pictures."),
        (["0.png"], "labels.csv has 1 cells in row 2. Expected 2, with a file name and a label."),
        (["0.png,"], "has 2 cells in row 2. Expected 2, with a file name and a label."),
    ],
)
def test_a_table_that_does_not_fit_its_pictures(tmp_path, rows, message):
    assert message in error_of(read_named_pictures, named_pictures(tmp_path, rows))


def test_a_table_that_is_no_text(tmp_path):
    place = named_pictures(tmp_path, ["0.png,caf\u00e9"])
    (tmp_path / "labels.csv").write_bytes(b"file,label\n0.png,caf\xe9\n")
    assert "labels.csv is not a readable table ('utf-8' codec can't decode" in error_of(
        read_named_pictures, place
    )


def test_a_name_that_several_pictures_have(tmp_path):
    place = named_pictures(tmp_path, ["x.png,1"])
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        Image.fromarray(IMAGES[0]).save(tmp_path / folder / "x.png")
    assert "lists 'x.png', but there are 2 pictures with that name: a/x.png, b/x.png." in error_of(
        read_named_pictures, place
    )
