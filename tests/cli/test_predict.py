"""`mnist-keras predict`: the digit in each picture, for people and for programs."""

import json

import numpy as np
import pytest
from PIL import Image

from mnist_keras.cli.main import main
from mnist_keras.data.augmentation.strokes import WAYS, draw_ink
from mnist_keras.data.readers.pictures import frame


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Drawings of a 3 and an 8 as dark ink on a light background, and a text file called a picture."""
    folder = tmp_path_factory.mktemp("scans")
    for digit in (3, 8):
        way = next(way for way in WAYS if way.digit == digit)
        ink = np.pad(draw_ink(way, np.random.default_rng(digit)), 30)
        Image.fromarray(255 - ink).save(folder / f"{digit}.png")
    (folder / "broken.png").write_text("hello")
    return folder


def test_a_folder_for_people(folder, capsys):
    assert main(["predict", "cnn_fast", str(folder)]) == 0
    lines = dict(line.split("  ", 1) for line in capsys.readouterr().out.splitlines())
    assert lines[str(folder / "3.png")].strip().startswith("3 ")
    assert lines[str(folder / "8.png")].strip() == "8  >99.9%", "no model is certain"
    broken = lines[f"{folder / 'broken.png'}"]
    assert broken.strip().startswith("is not a readable picture"), "the name is not repeated"


def test_the_model_may_be_left_out(folder, capsys):
    assert main(["predict", str(folder / "3.png"), "--json"]) == 0
    row = json.loads(capsys.readouterr().out)
    assert (row["label"], row["class_name"], row["reason"]) == (3, "3", "")


def test_the_school_that_was_inferred_is_named(tmp_path, capsys):
    for name in ("crossed", "long flag"):
        way = next(way for way in WAYS if way.name == name)
        for seed in range(3):
            ink = np.pad(draw_ink(way, np.random.default_rng(seed)), 30)
            Image.fromarray(255 - ink).save(tmp_path / f"{way.digit}-{seed}.png")
    assert main(["predict", str(tmp_path)]) == 0
    said = capsys.readouterr().err
    assert said.startswith("Read as European handwriting (") and "crossed 7s: " in said
    assert main(["predict", str(tmp_path), "--json"]) == 0
    assert not capsys.readouterr().err
    assert main(["predict", str(tmp_path / "7-0.png"), "--writing", "european"]) == 0
    assert not capsys.readouterr().err


def test_a_terminal_shows_what_the_model_saw_beside_each_answer(folder, capsys, monkeypatch):
    monkeypatch.setattr("mnist_keras.cli.predict.shows_pictures", lambda stream: True)
    assert main(["predict", "cnn_fast", str(folder)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 7 + 7 + 1  # the file that can't be read has no picture
    beside = [line for line in lines if "3.png" in line]
    assert len(beside) == 1 and beside[0].count("▀") == 14


def test_csv_and_what_the_model_saw(folder, capsys, tmp_path):
    seen = tmp_path / "seen"
    assert (
        main(["predict", "cnn_fast", str(folder), "--csv", "--save-preprocessed", str(seen)]) == 0
    )
    head, *rows = capsys.readouterr().out.splitlines()
    assert head == "source,label,class_name,confidence,reason"
    assert len(rows) == 3
    assert sorted(path.name for path in seen.iterdir()) == ["0000-3.png", "0001-8.png"]
    with Image.open(seen / "0000-3.png") as image:
        assert image.size == (28, 28)


def test_a_table_without_labels_gives_what_kaggle_takes(tmp_path, capsys):
    ways = [next(way for way in WAYS if way.digit == digit) for digit in (3, 8)]
    images = [frame(draw_ink(way, np.random.default_rng(way.digit))) for way in ways]
    header = ",".join(f"pixel{i}" for i in range(784))
    table = np.reshape(images, (2, 784))
    np.savetxt(path := tmp_path / "test.csv", table, "%d", ",", header=header, comments="")
    assert main(["predict", "cnn_fast", str(path), "--csv"]) == 0
    assert capsys.readouterr().out == "ImageId,Label\n1,3\n2,8\n"
    assert main(["predict", "cnn_fast", str(path), "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(row["source"], row["label"]) for row in rows] == [(f"{path}:1", 3), (f"{path}:2", 8)]


@pytest.fixture(scope="module")
def number(tmp_path_factory):
    """A picture of 38, and one of nothing."""
    folder = tmp_path_factory.mktemp("numbers")
    ways = [next(way for way in WAYS if way.digit == digit) for digit in (3, 8)]
    inks = [draw_ink(way, np.random.default_rng(way.digit)) for way in ways]
    sheet = np.zeros((max(map(len, inks)), sum(ink.shape[1] for ink in inks) + 20), np.uint8)
    sheet[: len(inks[0]), : inks[0].shape[1]] = inks[0]
    sheet[: len(inks[1]), -inks[1].shape[1] :] = inks[1]
    Image.fromarray(255 - np.pad(sheet, 30)).save(folder / "38.png")
    Image.fromarray(np.full((90, 90), 255, np.uint8)).save(folder / "blank.png")
    return folder


def test_numbers_for_people_and_for_programs(number, capsys):
    assert main(["predict", "--number", str(number)]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.split()[:2] == [str(number / "38.png"), "38"]
    assert second.endswith("blank.png  there is no number in the picture")
    assert main(["predict", "--number", str(number / "38.png"), "--json"]) == 0
    row = json.loads(capsys.readouterr().out)
    assert (row["line"], row["text"], row["reason"]) == (1, "38", "")
    assert [digit["label"] for digit in row["digits"]] == [3, 8]
    assert len(row["digits"][0]["box"]) == 4
    assert main(["predict", "--number", str(number), "--csv"]) == 0
    head, first, second = capsys.readouterr().out.splitlines()
    assert head == "source,line,text,confidence,reason"
    assert first == f"{number / '38.png'},1,38,{row['confidence']},"
    assert second == f"{number / 'blank.png'},,,0.0,there is no number in the picture"


def test_progress_is_shown_on_a_terminal(number, capsys, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    for options in ([], ["--number"]):
        assert main(["predict", *options, str(number)]) == 0
        assert capsys.readouterr().err.endswith(" 2 of 2\n")


def test_bad_input_is_status_2(folder, tmp_path, capsys):
    for arguments, text in (
        (
            ["cnn_fast"],
            "Invalid `PATH`. Expected at least one picture or folder. Received: only a model.",
        ),
        (["cnn_fats", str(folder)], "Unknown model 'cnn_fats'. Did you mean 'cnn_fast'?"),
        (["cnn_fast", str(folder / "none.png")], "none.png cannot be read: No such file"),
        (["cnn_fast", *[str(folder / "broken.png")] * 2], "None of the 2 pictures can be read."),
        (["cnn_fast", "a.csv", "b.png"], "A .csv file of pixels must be the only input."),
        (["cnn_fast", str(folder / "none.csv")], "none.csv cannot be read: No such file"),
        ([str(tmp_path)], "holds no pictures. Expected files named"),
        (
            ["cnn_fast", str(folder / "3.png"), "--writing", "european"],
            "does not know ways of writing",
        ),
        (["--number", str(folder / "none.png")], "none.png cannot be read: No such file"),
        (["--number", *[str(folder / "broken.png")] * 2], "None of the 2 pictures can be read."),
        (
            ["--number", "--save-preprocessed", "seen", "a.png"],
            "--number cannot be combined with --save-preprocessed.",
        ),
        (["--number", "a.csv"], "--number cannot be combined with a table of pixels."),
    ):
        assert main(["predict", *arguments]) == 2
        assert text in capsys.readouterr().err


def test_an_empty_path_is_not_the_working_directory(capsys):
    """As of a shell's variable that is not set."""
    assert main(["predict", "cnn_tiny", ""]) == 2
    text = "mnist-keras predict: Invalid `PATH`. Expected a picture or folder. Received: ''.\n"
    assert capsys.readouterr().err == text


def test_where_nothing_can_be_saved_is_found_before_anything_is_read(tmp_path, capsys):
    (path := tmp_path / "file").write_text("mine")
    assert main(["predict", "cnn_tiny", "nothing.png", "--save-preprocessed", str(path)]) == 2
    text = f"mnist-keras predict: {path} cannot be written: Not a directory. Choose another directory.\n"
    assert capsys.readouterr().err == text
