"""What the command does to its terminal."""

import io
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mnist_keras._validation import MissingExtraError, missing_extra
from mnist_keras.cli.terminal import (
    command_line,
    picture_lines,
    quiet_startup,
    show_progress,
    shows_pictures,
)


def test_characters_that_the_terminal_lacks_are_written_out():
    code = "import sys; from mnist_keras.cli.terminal import prepare_streams; prepare_streams(); print('caf\xe9')"
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, env=environment, check=True
    )
    assert done.stdout.strip() == b"caf\\xe9"


def write_to_terminal():
    os.write(2, b"chatter\n")


def test_what_is_written_at_start_up_shows_if_the_import_fails(monkeypatch, capfd):
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "to restore")
    monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL")
    with pytest.raises(ImportError), quiet_startup():
        write_to_terminal()
        raise ImportError("libtensorflow")
    assert capfd.readouterr().err == "chatter\n"


def test_a_missing_extra_needs_no_chatter_beside_it(monkeypatch, capfd):
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "to restore")
    monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL")
    with pytest.raises(MissingExtraError), quiet_startup():
        write_to_terminal()
        raise missing_extra("The app", "app")
    assert capfd.readouterr().err == ""


def test_whoever_sets_the_log_level_sees_everything(monkeypatch, capfd):
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "0")
    with quiet_startup():
        write_to_terminal()
    assert capfd.readouterr().err == "chatter\n"


def test_a_level_that_asks_for_less_gets_less(monkeypatch, capfd):
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")
    with quiet_startup():
        write_to_terminal()
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("called", "found", "typed"),
    [
        ("bin/mnist-keras", None, "bin/mnist-keras"),
        ("bin/mnist-keras", "bin/mnist-keras", "mnist-keras"),
        ("bin/mnist-keras", "elsewhere/mnist-keras", "bin/mnist-keras"),
        ("a program.py", None, "mnist-keras"),
    ],
)
def test_a_command_is_printed_as_it_can_be_typed_here(tmp_path, monkeypatch, called, found, typed):
    monkeypatch.chdir(tmp_path)
    for name in filter(None, (called, found)):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).touch()
    for argument in (called, str(tmp_path / called)):
        monkeypatch.setattr(sys, "argv", [argument, "demo"])
        monkeypatch.setattr(shutil, "which", lambda name: found)
        assert command_line("evaluate", "my runs/1") == f"{typed} evaluate 'my runs/1'"


def test_a_command_is_printed_with_the_interpreter_that_runs_the_package(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/x/mnist_keras/__main__.py"])
    monkeypatch.setattr(shutil, "which", lambda name: sys.executable)
    assert command_line("models") == "python -m mnist_keras models"
    monkeypatch.setattr(shutil, "which", lambda name: None)
    interpreter = tmp_path / "bin" / "python3"
    interpreter.parent.mkdir()
    interpreter.touch()
    monkeypatch.setattr(sys, "executable", str(interpreter))
    monkeypatch.chdir(tmp_path)
    assert command_line("models") == "bin/python3 -m mnist_keras models"


class Terminal(io.TextIOWrapper):
    def isatty(self):
        return True


def test_which_streams_show_pictures(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    terminal = Terminal(io.BytesIO(), encoding="utf-8")
    assert shows_pictures(terminal)
    assert not shows_pictures(io.TextIOWrapper(io.BytesIO(), encoding="utf-8"))
    assert not shows_pictures(Terminal(io.BytesIO(), encoding="ascii"))
    monkeypatch.setenv("NO_COLOR", "1")
    assert not shows_pictures(terminal)


def test_a_picture_is_seven_lines_of_fourteen_blocks():
    image = np.zeros((28, 28), np.uint8)
    image[:2, :2] = 255
    lines = picture_lines(image)
    assert [line.count("▀") for line in lines] == [14] * 7
    assert lines[0].startswith("\x1b[38;5;255;48;5;232m▀\x1b[38;5;232;48;5;232m▀")
    assert all(line.endswith("\x1b[0m") for line in lines)


def test_progress_is_a_bar_on_stderr(capsys):
    show_progress(1, 2)
    show_progress(2, 2)
    half, full = "=" * 15 + " " * 15, "=" * 30
    assert capsys.readouterr().err == f"\r[{half}] 1 of 2\r[{full}] 2 of 2\n"
