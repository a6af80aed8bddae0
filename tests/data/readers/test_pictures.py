"""Folders of pictures, and scikit-learn's digits in MNIST's size."""

import os
import sys

import numpy as np
import pytest
from data_files import small_arrays, write_folder
from errors import error_of
from PIL import Image

from mnist_keras._validation import InputError
from mnist_keras.data.readers import pictures, read_path
from mnist_keras.data.readers.files import Place
from mnist_keras.data.readers.pictures import (
    read_digits,
    read_folder,
    read_picture,
)

ARRAYS = small_arrays(side=28)
TRAIN = (ARRAYS["train_images"], ARRAYS["train_labels"])
TEST = (ARRAYS["test_images"], ARRAYS["test_labels"])


def by_class(images, labels):
    """Returns images and labels in the order of a folder: class after class."""
    order = np.argsort(labels, kind="stable")
    return images[order], labels[order]


def save(path, array, mode=None):
    Image.fromarray(np.asarray(array, np.uint8), mode).save(path)
    return path


def test_folder(tmp_path):
    images, labels, test_images, test_labels, names, *_ = read_folder(
        Place(write_folder(tmp_path, *TRAIN))
    )
    np.testing.assert_array_equal(images, by_class(*TRAIN)[0])
    assert labels.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert test_images is test_labels is None
    assert names == ("0", "1", "2")


def test_folder_with_train_and_test(tmp_path):
    write_folder(tmp_path / "train", *TRAIN)
    assert read_folder(Place(tmp_path))[2] is None
    write_folder(tmp_path / "test", *TEST)
    images, _, test_images, test_labels, *_ = read_folder(Place(tmp_path))
    np.testing.assert_array_equal(images, by_class(*TRAIN)[0])
    np.testing.assert_array_equal(test_images, by_class(*TEST)[0])
    assert test_labels.tolist() == [0, 0, 1, 1, 2, 2]


def test_folder_names_in_numeric_order_if_all_are_numbers(tmp_path):
    labels = np.array([2, 10, 1])
    assert read_folder(Place(write_folder(tmp_path, TRAIN[0][:3], labels))).class_names == (
        "1",
        "2",
        "10",
    )
    write_folder(tmp_path, TRAIN[0][:1], ["b"])
    assert read_folder(Place(tmp_path)).class_names == ("1", "10", "2", "b")


def test_a_test_folder_may_lack_a_class_but_not_add_one(tmp_path):
    write_folder(tmp_path / "train", *TRAIN)
    write_folder(tmp_path / "test", TEST[0][:1], [2])
    assert read_folder(Place(tmp_path))[3].tolist() == [2]
    write_folder(tmp_path / "test", TEST[0][:1], [7])
    with pytest.raises(
        InputError,
        match=r"test/7 is a class without training pictures. Expected one of: 0, 1, 2",
    ):
        read_folder(Place(tmp_path))


def test_folder_ignores_other_files_and_hidden_folders(tmp_path):
    write_folder(tmp_path, *TRAIN)
    (tmp_path / "0" / "notes.txt").write_text("none of them is real")
    (tmp_path / ".ipynb_checkpoints").mkdir()
    assert len(read_folder(Place(tmp_path))[0]) == 12


@pytest.mark.skipif(sys.platform != "linux", reason="other systems take no such names")
def test_a_folder_whose_name_is_no_utf8(tmp_path):
    for name in (b"caf\xe9", b"tea"):
        folder = tmp_path / os.fsdecode(name)
        folder.mkdir()
        Image.new("L", (28, 28)).save(folder / "a.png")
    assert read_folder(Place(tmp_path)).class_names == ("caf\ufffd", "tea")


@pytest.mark.parametrize("content", [b"", b"no picture", "cut off", "EPS"])
def test_a_broken_picture_is_named(tmp_path, content):
    write_folder(tmp_path, *TRAIN)
    path = tmp_path / "1" / "004.png"
    if content == "EPS":
        Image.fromarray(TRAIN[0][0]).save(path, format="EPS")
    else:
        path.write_bytes(path.read_bytes()[:-200] if content == "cut off" else content)
    with pytest.raises(
        InputError,
        match=r"1/004.png is not a readable picture \(.+\). Expected PNG, JPEG, BMP, .* or PPM; remove or repair it",
    ):
        read_folder(Place(tmp_path))


@pytest.mark.parametrize(
    ("suffix", "file_format"), [("webp", "WEBP"), ("gif", "GIF"), ("ppm", "PPM")]
)
def test_every_format_that_pillow_decodes_itself(tmp_path, suffix, file_format):
    (tmp_path / "a").mkdir()
    picture = Image.fromarray(np.full((28, 28), 200, np.uint8))
    picture.save(tmp_path / "a" / f"0.{suffix}", format=file_format)
    assert abs(read_folder(Place(tmp_path)).train_images[0].astype(int) - 200).max() <= 2


def test_only_test(tmp_path):
    write_folder(tmp_path / "test", *TEST)
    raw = read_folder(Place(tmp_path))
    assert raw.train_images.shape == (0, 28, 28)
    np.testing.assert_array_equal(raw.test_images, by_class(*TEST)[0])


def test_a_validation_split_is_kept(tmp_path):
    write_folder(tmp_path / "train", *TRAIN)
    write_folder(tmp_path / "valid", *TEST)
    np.testing.assert_array_equal(
        read_folder(Place(tmp_path)).validation_images, by_class(*TEST)[0]
    )


def test_classes_inside_and_outside_of_a_split(tmp_path):
    write_folder(tmp_path / "train", *TRAIN)
    write_folder(tmp_path, *TEST)
    assert "has class folders both in train and outside. Put all of them in one place." in error_of(
        read_folder, Place(tmp_path)
    )


@pytest.mark.parametrize("folder", ["test", "testSet/testSet"])
def test_test_pictures_of_no_class_are_unlabeled(tmp_path, folder):
    """As Kaggle's archive of MNIST as JPEG has them."""
    write_folder(tmp_path / "trainingSet" / "trainingSet", *TRAIN)
    write_folder(tmp_path / folder, TEST[0], np.full(len(TEST[0]), "img"))
    for path in (tmp_path / folder / "img").iterdir():
        path.rename(tmp_path / folder / path.name)
    raw = read_path(tmp_path)[1]
    np.testing.assert_array_equal(raw.train_images, by_class(*TRAIN)[0])
    np.testing.assert_array_equal(raw.test_images, TEST[0])
    assert raw.test_labels is None
    assert raw.files == ("12 pictures in 3 folders (train)", "6 pictures of no class (test)")


def test_a_class_may_be_named_as_a_split_is(tmp_path):
    names = np.array(["test", "train", "plane"])
    write_folder(tmp_path, TRAIN[0], names[TRAIN[1]])
    assert read_folder(Place(tmp_path)).class_names == ("plane", "test", "train")
    write_folder(tmp_path / "a" / "train", TRAIN[0], names[TRAIN[1]])
    raw = read_folder(Place(tmp_path / "a"))
    assert raw.class_names == ("plane", "test", "train")


def test_two_folders_of_one_class_are_not_merged(tmp_path):
    for name in ("trainingSet", "trainingSample"):
        write_folder(tmp_path / name, *TRAIN)
    assert (
        " has two folders of the class 0: trainingSample/0 and trainingSet/0. Expected one; pass the directory of one "
        "dataset, or put the pictures of a class into one folder."
    ) in error_of(read_path, tmp_path)
    assert len(read_path(tmp_path / "trainingSample")[1].train_images) == 12


def test_a_link_to_a_folder_above_is_not_followed(tmp_path):
    write_folder(tmp_path / "set", *TRAIN)
    (tmp_path / "set" / "1" / "above").symlink_to(tmp_path / "set")
    (tmp_path / "set" / "3").symlink_to(tmp_path / "set" / "2")
    raw = read_path(tmp_path / "set")[1]
    assert np.bincount(raw.train_labels).tolist() == [4, 4, 4, 4], "a link to another is"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="has no pipes")
def test_a_pipe_is_no_picture(tmp_path):
    write_folder(tmp_path, *TRAIN)
    os.mkfifo(tmp_path / "1" / "x.png")
    raw = read_path(tmp_path)[1]
    assert len(raw.train_images) == 12
    assert raw.left_out == ("1/x.png",)
    os.mkfifo(tmp_path / "y.npz")
    assert "y.npz is not a regular file. Expected a file or a directory." in error_of(
        read_path, tmp_path / "y.npz"
    )


def test_jpeg(tmp_path):
    smooth = np.add.outer(np.arange(28), np.arange(28)).astype(np.uint8) * 4
    write_folder(tmp_path, smooth[None], ["a"], suffix=".JPG")
    image = read_folder(Place(tmp_path))[0][0]
    assert np.abs(image.astype(int) - smooth).max() <= 4


def test_color_becomes_gray(tmp_path):
    color = np.zeros((28, 28, 3))
    color[..., 1] = 200
    image = read_picture(save(tmp_path / "a.png", color))
    assert image.dtype == np.uint8
    assert set(image.ravel()) == {117}  # ITU-R 601: 0.587 * 200


def test_another_size_is_resized(tmp_path):
    assert read_picture(save(tmp_path / "a.png", np.full((100, 60), 90))).shape == (28, 28)
    half = np.zeros((8, 8))
    half[:, 4:] = 255
    image = read_picture(save(tmp_path / "b.png", half))
    assert image[:, :10].max() == 0
    assert image[:, 18:].min() == 255


@pytest.mark.parametrize(("ink", "ground"), [(255, 0), (0, 255)])
def test_transparency_is_laid_on_the_ground_that_shows_the_ink(tmp_path, ink, ground):
    picture = np.full((28, 28, 4), ink)
    picture[..., 3] = 0
    picture[10:18, 10:18, 3] = 255
    picture[0, 0, 3] = 51  # a fifth
    image = read_picture(save(tmp_path / "a.png", picture))
    assert image[14, 14] == ink
    assert image[5, 5] == ground
    assert image[0, 0] == ground + round((ink - ground) / 5)


def test_palette_with_a_transparent_color(tmp_path):
    picture = Image.fromarray(np.full((28, 28), 1, np.uint8), "P")
    picture.putpalette([0, 0, 0, 255, 255, 255])
    picture.putpixel((0, 0), 0)
    picture.save(tmp_path / "a.png", transparency=1)
    image = read_picture(tmp_path / "a.png")
    assert image[0, 0] == 0
    assert image[5, 5] == 255


def test_sixteen_bits_are_scaled(tmp_path):
    Image.fromarray(np.full((28, 28), 128 * 256 + 7, np.uint16)).save(tmp_path / "a.png")
    assert set(read_picture(tmp_path / "a.png").ravel()) == {128}


def test_a_picture_of_too_many_pixels_is_refused_before_it_is_decoded(tmp_path):
    Image.new("1", (10_000, 6_000)).save(path := tmp_path / "a.png")
    assert error_of(read_picture, path) == (
        f"{path} has 10000 x 6000 pixels. Expected at most 50,000,000; make it smaller."
    )


def test_digits():
    images, labels = read_digits()
    assert images.shape == (1797, 28, 28)
    assert images.dtype == np.uint8
    assert (images.min(), images.max()) == (0, 255)
    assert (images.reshape(1797, -1).max(axis=1) >= 200).all()
    sides = [max(np.ptp(x) + 1 for x in np.nonzero(image)) for image in images]
    assert set(sides) <= {19, 20}, "as large as MNIST's"
    assert np.bincount(labels).min() > 170


def test_a_packaged_model_reads_the_digits():
    from mnist_keras import load_model, predict_probabilities

    images, labels = read_digits()
    predictions = predict_probabilities(load_model("cnn_accurate"), images).argmax(axis=1)
    assert (predictions == labels).mean() >= 0.98


def test_frame_fits_ink_to_the_box_with_its_center_of_mass_in_the_middle():
    ink = np.zeros((90, 70), np.uint8)
    ink[10:70, 20:40] = 255  # 60 high, 20 wide
    framed = pictures.frame(ink)
    rows, columns = np.nonzero(framed)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (4, 23, 10, 16)
    ink[10:40, 30:60] = 255  # heavier at the upper right
    framed = pictures.frame(ink)
    center = [framed.sum(axis) @ np.arange(28) / framed.sum() for axis in (0, 1)]
    assert np.abs(np.array(center) - 13.5).max() <= 0.5


def test_frame_of_no_ink_is_black_and_ink_stays_inside():
    assert not pictures.frame(np.full((9, 9), pictures.INK_LEVEL, np.uint8)).any()
    ink = np.zeros((100, 100), np.uint8)
    ink[:3], ink[:, 50] = 255, 60  # nearly all the mass at the upper edge
    rows, _ = np.nonzero(pictures.frame(ink))
    assert (rows.min(), rows.max()) == (8, 27)
    assert pictures.frame(np.full((1, 1), 255, np.uint8)).sum() == 20 * 20 * 255
