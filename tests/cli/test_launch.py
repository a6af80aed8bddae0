"""`mnist-keras launch`: workers that end well, fail, hang, or are told to end; small programs stand for them."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from errors import error_of

from mnist_keras.cli import launch, main

ARGUMENTS = ["--", "train", "mlp_128", "--data", "digits", "--run-dir", "run"]


@pytest.fixture(autouse=True)
def empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    return tmp_path


@pytest.fixture
def start(monkeypatch, capfd, empty_folder):
    """Runs launch with a program in place of train; returns its status, output, errors, and the commands."""

    def start(code, *options, arguments=ARGUMENTS, workers=2):
        note = "open(f'said-{os.getpid()}', 'w').write(json.dumps([os.environ.get('TF_CONFIG'), sys.argv[1:]]))"
        program = "\n".join(["import json, os, signal, sys, time", note, code])
        monkeypatch.setattr(launch, "_this_program", lambda: [sys.executable, "-c", program])
        status = 0
        try:
            status = main.main(["launch", "--workers", str(workers), *options, *arguments])
        except SystemExit as stop:
            status = stop.code
        notes = sorted(empty_folder.glob("said-*"), key=lambda path: path.stat().st_mtime_ns)
        said = [json.loads(path.read_text()) for path in notes]
        configs = [config and json.loads(config) for config, _ in said]
        return status, *capfd.readouterr(), configs, [arguments for _, arguments in said]

    return start


INDEX = "index = json.loads(os.environ['TF_CONFIG'])['task']['index']\n"


def test_each_worker_gets_its_place_and_its_lines_bear_its_number(start):
    status, out, err, configs, commands = start(
        INDEX + "print('hello', index, flush=True); print('oops', file=sys.stderr)"
    )
    assert status == 0
    assert sorted(out.splitlines()) == ["[0] hello 0", "[1] hello 1"]
    assert sorted(err.splitlines()) == ["[0] oops", "[1] oops"]
    assert sorted(config["task"]["index"] for config in configs) == [0, 1]
    assert configs[0]["cluster"] == configs[1]["cluster"]
    assert len(set(configs[0]["cluster"]["worker"])) == 2
    assert commands == [[*ARGUMENTS[1:], "--run-dir", "run"]] * 2


def test_a_directory_with_a_finished_run_is_refused_at_once(start, empty_folder):
    (empty_folder / "run").mkdir()
    for name in ("config.json", "metrics.json"):
        (empty_folder / "run" / name).touch()
    status, _, err, _, commands = start("")
    assert (status, commands) == (2, [])
    assert "mnist-keras launch: The run directory run holds a finished run. Resume it" in err


def test_one_worker_is_a_process_alone(start, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", "{}")
    status, _, _, configs, _ = start("", workers=1)
    assert (status, configs) == (0, [None])


def test_a_directory_is_found_where_none_is_named(start, empty_folder):
    _, _, _, _, commands = start("", arguments=ARGUMENTS[:-2])
    assert [command[-2:] for command in commands] == [["--run-dir", "runs/mlp_128-1"]] * 2
    assert not (empty_folder / "runs").exists(), "nothing was written there"


FAILS_ONCE = (
    INDEX
    + "first = not os.path.exists('run/config.json')\n"
    + "if index == 1 and first: os.makedirs('run'); open('run/config.json', 'w').close(); "
    + "os.kill(os.getpid(), signal.SIGKILL)\n"
    + "if first: time.sleep(0.5); sys.exit(1)"
)


def test_workers_start_again_from_the_last_checkpoint(start):
    arguments = [*ARGUMENTS, "--overwrite"]
    status, _, err, configs, commands = start(FAILS_ONCE, "--restarts", "2", arguments=arguments)
    assert status == 0
    assert "mnist-keras launch: worker 1 ended with the signal SIGKILL; the others have" in err
    assert err.endswith("mnist-keras launch: attempt 2 of at most 3, from the last checkpoint\n")
    resumed = [*ARGUMENTS[1:], "--run-dir", "run", "--resume"]
    assert len(commands) == 4 and commands[2:] == [resumed] * 2
    assert configs[0]["cluster"] != configs[2]["cluster"], "a port may still be taken"


def test_a_run_that_had_not_begun_is_not_resumed(start):
    """An old one would be, in place of the new one that was to overwrite it."""
    arguments = [*ARGUMENTS, "--overwrite"]
    status, _, _, _, commands = start("sys.exit(1)", "--restarts", "1", arguments=arguments)
    assert status == 1
    assert len(commands) == 4 and all(command[-3:][0] == "--overwrite" for command in commands)


@pytest.mark.parametrize("status", [2, 130, 143])
def test_what_the_next_try_would_not_change_is_not_tried_again(start, status):
    result = start(f"sys.exit({status})", "--restarts", "3")
    assert result[0] == status
    assert len(result[4]) == 2


def test_a_worker_that_does_not_end_is_ended(start, monkeypatch):
    monkeypatch.setattr(launch, "GRACE_SECONDS", 0.2)
    monkeypatch.setattr(launch, "KILL_SECONDS", 0.2)
    hangs = "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nif index: time.sleep(60)\nsys.exit(7)"
    begun = time.monotonic()
    status, _, err, _, _ = start(INDEX + hangs)
    assert status == 7 and time.monotonic() - begun < 20
    assert "worker 0 ended with exit status 7; the others have 0.2 s" in err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_reaches_every_worker_once(start, empty_folder, number):
    waits = (
        "def note(number, frame): open(f'{os.getpid()}-got', 'a').write('x'); sys.exit(128 + number)\n"
        "signal.signal(signal.SIGTERM, note); signal.signal(signal.SIGINT, note)\n"
        "open(f'{os.getpid()}-ready', 'w').close(); time.sleep(60)"
    )

    def send():
        while len(list(empty_folder.glob("*-ready"))) < 2:
            time.sleep(0.02)
        os.kill(os.getpid(), number)

    thread = threading.Thread(target=send)
    thread.start()
    status, _, err, _, commands = start(waits, "--restarts", "3")
    thread.join()
    assert status == 128 + number and len(commands) == 2
    assert [path.read_text() for path in empty_folder.glob("*-got")] == ["x", "x"]
    assert "the others have" not in err


@pytest.mark.full  # four workers that import TensorFlow
def test_a_real_worker_that_is_killed_is_named_and_the_restart_finishes(empty_folder):
    train = [*ARGUMENTS[1:], "--epochs", "60", "--quiet"]
    command = [sys.executable, "-m", "mnist_keras", "launch", "--workers", "2", "--restarts", "1"]
    process = subprocess.Popen([*command, "--", *train], stderr=subprocess.PIPE, text=True)
    while not list(empty_folder.glob("run/checkpoint/*.json")):
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.05)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    killed = time.monotonic()
    os.kill(int(children[-1]), signal.SIGKILL)
    err = process.communicate(timeout=200)[1]
    assert process.returncode == 0, err
    assert time.monotonic() - killed < 150
    assert "mnist-keras launch: worker 1 ended with the signal SIGKILL" in err
    assert "is gone, and the others cannot go on without it" in err
    assert "mnist-keras launch: attempt 2 of at most 2, from the last checkpoint" in err
    assert (empty_folder / "run" / "metrics.json").is_file()


def test_gpus_are_shared_out(monkeypatch, empty_folder):
    variable = "CUDA_VISIBLE_DEVICES"
    for named, count, expected in (
        ("0,1,2,3,4", 2, ["0,1", "2,3"]),
        ("0, 1", 2, ["0", "1"]),
        ("0,1", 1, [None]),
        ("", 2, [None, None]),
        ("-1", 2, [None, None]),
    ):
        monkeypatch.setenv(variable, named)
        assert [share.get(variable) for share in launch._share_gpus(count)] == expected
    monkeypatch.delenv(variable)
    driver = empty_folder / "nvidia-smi"
    driver.write_text("#!/bin/sh\necho GPU-a1\necho GPU-b2\n")
    driver.chmod(0o755)
    monkeypatch.setenv("PATH", str(empty_folder))
    assert launch._share_gpus(2) == [{variable: "GPU-a1"}, {variable: "GPU-b2"}]
    assert error_of(launch._share_gpus, 3) == (
        "Each of the 3 workers needs its own GPU, but there are only 2. Start fewer workers, or set "
        "CUDA_VISIBLE_DEVICES=-1 to train on the CPU."
    )
    driver.write_text("#!/bin/sh\nexit 9\n")  # a driver without a GPU
    assert launch._share_gpus(2) == [{}, {}]
    driver.unlink()
    assert launch._share_gpus(2) == [{}, {}]


WRONG = {
    "another command": (
        ["--workers", "2", "--", "models"],
        "launch starts several processes of train. For example: mnist-keras launch --workers 2 -- train",
    ),
    "no command": (["--workers", "2"], "launch starts several processes of train."),
    "no workers": (["--workers", "0", *ARGUMENTS], "Invalid `--workers`. Expected an integer"),
    "restarts": (
        ["--workers", "2", "--restarts", "-1", *ARGUMENTS],
        "Invalid `--restarts`. Expected an integer of at least 0. Received: -1.",
    ),
    "an option of train": (["--workers", "2", *ARGUMENTS, "--epoch", "x"], "--epoch x"),
    "no run directory": (
        ["--workers", "2", *ARGUMENTS, "--run-dir="],
        "argument --run-dir: expected a path, received ''",
    ),
    "which run": (
        ["--workers", "2", "--", "train", "mlp_128", "--resume"],
        "--resume and --overwrite need --run-dir, to say which run.",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_said_before_anything_starts(capsys, case):
    arguments, text = WRONG[case]
    status = 0
    try:
        status = main.main(["launch", *arguments])
    except SystemExit as stop:
        status = stop.code
    assert status == 2
    assert text in capsys.readouterr().err
