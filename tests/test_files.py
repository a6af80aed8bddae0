"""Paths that cannot be: every public function says what it takes; files are replaced whole, and never a directory."""

import os
import stat

import numpy as np
import pytest
from errors import error_of

import mnist_keras as mk
from mnist_keras._files import check_writable, content_errors, input_errors, replace_file

NULL = "a\0.png"
LONE = "a\ud800.png"  # half of a surrogate pair, which UTF-8 has no bytes for
IMAGES = (np.zeros((20, 28, 28), np.uint8), np.arange(20) % 10)


@pytest.fixture(scope="module")
def model():
    return mk.build_softmax_regression()


TAKES = {  # the argument's name, what is legal, and a call that passes a path as it
    "export_model": (
        *("path", "a path that ends in .c"),
        lambda model, path: mk.export_model(model, path, format="c", data=IMAGES),
    ),
    "export_model, a directory": (
        *("path", "the path of a new directory"),
        lambda model, path: mk.export_model(model, path, data=IMAGES),
    ),
    "train": (
        *("run_dir", "the path of a directory"),
        lambda model, path: mk.train("mlp_128", IMAGES, run_dir=path),
    ),
    "load_model": ("source", "a name or a path", lambda model, path: mk.load_model(path)),
    "DigitClassifier": (
        *("source", "a name or a path"),
        lambda model, path: mk.DigitClassifier(path),
    ),
    "DigitClassifier.predict": (
        *("source", "the path of a picture"),
        lambda model, path: mk.DigitClassifier(model).predict(path),
    ),
    "to_mnist_image": (
        *("source", "the path of a picture"),
        lambda model, path: mk.to_mnist_image(path),
    ),
    "read_number": ("source", "the path of a picture", lambda model, path: mk.read_number(path)),
    "load_data": (
        *("name", "the name of a dataset or a path"),
        lambda model, path: mk.load_data(path),
    ),
    "load_data, data_dir": (
        *("data_dir", "a directory"),
        lambda model, path: mk.load_data("mnist", data_dir=path),
    ),
    "train, data": (
        *("name", "the name of a dataset or a path"),
        lambda model, path: mk.train("mlp_128", path),
    ),
    "open_records": (
        *("name_or_path", "the name of a dataset or a path"),
        lambda model, path: mk.open_records(path),
    ),
    "open_records, data_dir": (
        *("data_dir", "a directory"),
        lambda model, path: mk.open_records("mnist", data_dir=path),
    ),
    "create_model": (
        *("weights", "None, one of: mnist, fashion_mnist, or the path of a weights file"),
        lambda model, path: mk.create_model("mlp_128", weights=path),
    ),
}


@pytest.mark.parametrize("case", TAKES)
@pytest.mark.parametrize("path", [NULL, LONE, ""], ids=["null", "surrogate", "empty"])
def test_a_path_that_no_file_can_have_is_named(model, case, path):
    name, legal, call = TAKES[case]
    text = error_of(call, model, path)
    assert text.startswith(f"Invalid `{name}`. Expected {legal}. Received: {path!r}")
    assert text.isprintable()


OPTIONAL = ("train", "load_data, data_dir", "open_records, data_dir", "create_model")
OF_PICTURES = ("DigitClassifier.predict", "to_mnist_image", "read_number")  # bytes are a picture's
NO_PATHS = [(case, 5) for case in TAKES]
NO_PATHS += [(case, None) for case in TAKES if case not in OPTIONAL]
NO_PATHS += [(case, b"a.png") for case in TAKES if case not in OF_PICTURES]


@pytest.mark.parametrize(("case", "path"), NO_PATHS)
def test_what_is_no_path_is_named(model, case, path):
    name, _, call = TAKES[case]
    text = error_of(call, model, path)
    if case == "DigitClassifier":
        name = "model"
    if case == "train, data":
        name = "data"
    assert text.startswith(f"Invalid `{name}`. Expected ")
    assert "Received: " in text


def test_a_directory_is_not_replaced_by_a_file(tmp_path):
    (path := tmp_path / "a.png").mkdir()
    text = error_of(write, path)
    assert text == f"{path} cannot be written: Is a directory. Choose another path."
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("below", ["a.png", "deep/a.png"])
def test_a_file_is_no_directory(tmp_path, below):
    (tmp_path / "file").write_text("mine")
    path = tmp_path / "file" / below
    text = f"{path} cannot be written: Not a directory. Choose another path."
    assert error_of(write, path) == text
    with pytest.raises(NotADirectoryError, match=str(tmp_path / "file")):
        check_writable(path.parent)
    assert (tmp_path / "file").read_text() == "mine"


def write(path):
    with input_errors(path, "written", "Choose another path."), replace_file(path):
        pass


def test_a_directory_that_forbids_it_is_found_before_the_work(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: path != tmp_path)  # root may do all
    with pytest.raises(PermissionError, match=str(tmp_path)):
        check_writable(tmp_path / "new" / "newer")
    check_writable(tmp_path.parent)


def test_replace_file_keeps_the_suffix_and_gives_the_usual_permissions(tmp_path):
    target = tmp_path / "new" / "model.keras"
    with replace_file(target) as path:
        assert path.suffix == ".keras"
        assert path.parent == target.parent
        path.write_text("first")
        assert not target.exists()
    plain = tmp_path / "plain"
    plain.touch()
    assert stat.S_IMODE(target.stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)


def test_replace_file_keeps_the_old_content_if_the_block_fails(tmp_path):
    target = tmp_path / "history.csv"
    target.write_text("old")
    with pytest.raises(RuntimeError), replace_file(target) as path:
        path.write_text("half of the n")
        raise RuntimeError
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["history.csv"]


def read(error):
    with content_errors("a.png", "picture", "Repair it.", unexplained=(ZeroDivisionError,)):
        raise error


def test_damaged_content_is_a_sentence():
    damaged = "a.png is not a readable picture"
    assert error_of(read, KeyError("a\nb")) == f"{damaged} ('a\\nb'). Repair it."
    assert error_of(read, ValueError("a\nb")) == f"{damaged} (a). Repair it."
    assert error_of(read, OSError()) == f"{damaged} (OSError). Repair it."
    assert error_of(read, ZeroDivisionError("a")) == f"{damaged}. Repair it."


@pytest.mark.parametrize("error", [PermissionError(13, "denied", "a.png"), MemoryError()])
def test_what_is_no_damage_of_the_content_is_raised_as_it_is(error):
    with pytest.raises(type(error)) as caught:
        read(error)
    assert caught.value is error
