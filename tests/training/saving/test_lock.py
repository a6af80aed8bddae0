"""One writer of a run directory: the second process is told who holds it, and a dead one's lock is taken over."""

import datetime
import errno
import fcntl
import json
import os
import re
import signal
import socket
import subprocess
import sys

import pytest
from errors import error_of

from mnist_keras.training.saving import lock
from mnist_keras.training.saving.lock import LOCK, check_unlocked, lock_directory

HOLD = """
import sys, time
from pathlib import Path
from mnist_keras.training.saving.lock import lock_directory
with lock_directory(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the lock of a directory."""
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_the_second_process_is_told_who_writes_and_a_killed_one_holds_nothing(tmp_path, holder):
    text = error_of(lock_directory(tmp_path).__enter__)
    assert text == error_of(check_unlocked, tmp_path)
    pattern = (
        rf"The run directory {re.escape(str(tmp_path))} is in use by process {holder.pid} on {socket.gethostname()}, "
        r"since (\S+ \S+)\. Wait until it ends, or choose another directory\."
    )
    since = datetime.datetime.fromisoformat(re.fullmatch(pattern, text)[1])
    assert abs(datetime.datetime.now() - since) < datetime.timedelta(minutes=5)
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert (tmp_path / LOCK).exists(), "a killed process tidies nothing"
    check_unlocked(tmp_path)
    with lock_directory(tmp_path):
        assert json.loads((tmp_path / LOCK).read_text())["pid"] == os.getpid()
    assert not list(tmp_path.iterdir())


def test_a_holder_that_has_not_written_its_name_yet_still_holds(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "PAUSE", 0)
    with (tmp_path / LOCK).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert "is in use by another process. Wait" in error_of(lock_directory(tmp_path).__enter__)


def test_a_lock_whose_file_its_holder_removes_meanwhile_is_asked_for_again(tmp_path, monkeypatch):
    path, take = tmp_path / LOCK, lock._try_lock

    def take_late(file, **options):
        monkeypatch.setattr(lock, "_try_lock", take)
        path.unlink()  # what the holder before does as it ends
        return take(file, **options)

    monkeypatch.setattr(lock, "_try_lock", take_late)
    with lock_directory(tmp_path):
        assert "in use" in error_of(check_unlocked, tmp_path)


def test_a_directory_that_is_removed_while_it_is_locked_does_no_harm(tmp_path):
    directory = tmp_path / "run"
    directory.mkdir()
    with lock_directory(directory):
        (directory / LOCK).unlink()
        directory.rmdir()


def test_a_file_system_without_locks_is_said(tmp_path, monkeypatch, capsys):
    def fail(*args):
        raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))

    monkeypatch.setattr(fcntl, "flock", fail)
    with lock_directory(tmp_path):
        check_unlocked(tmp_path)
    said = capsys.readouterr().err
    assert said.startswith(f"mnist_keras: {tmp_path / LOCK} cannot be locked here (")
    assert said.count("\n") == 1
