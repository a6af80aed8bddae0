"""What the command does to its terminal."""

import os
import subprocess
import sys

import pytest

from mnist_keras.cli.terminal import quiet_startup


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
