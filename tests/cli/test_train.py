"""`mnist-keras train` beside other processes, and over a network that fails."""

import http.server
import os
import subprocess
import sys
import threading

import pytest

from mnist_keras.cli import main
from mnist_keras.data import downloads
from mnist_keras.training.run_directory import RunDirectory

TRAIN = ("train", "softmax_regression", "--data", "digits", "--epochs", "1")


@pytest.fixture(autouse=True)
def empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MNIST_KERAS_DATA_DIR", raising=False)
    return tmp_path


def start(*arguments):
    command = [sys.executable, "-m", "mnist_keras", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


CLAIM = """
import sys
from mnist_keras.training.run_directory import claim_run_directory
print("ready", flush=True)
sys.stdin.readline()
with claim_run_directory("mlp_128") as path:
    (path / "config.json").touch()
print(path)
"""


def test_processes_that_claim_a_directory_together_get_one_each():
    command = [sys.executable, "-c", CLAIM]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen(command, **pipes) for _ in range(3)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    claimed = {process.communicate(timeout=60)[0].strip() for process in processes}
    assert claimed == {f"runs/mlp_128-{number}" for number in (1, 2, 3)}


@pytest.mark.full
def test_three_runs_that_start_together_have_three_directories():
    processes = [start(*TRAIN, "--seed", str(seed)) for seed in range(3)]
    outputs = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], outputs
    seeds = {RunDirectory(f"runs/softmax_regression-{n}").read_config()["seed"] for n in (1, 2, 3)}
    assert seeds == {0, 1, 2}
    for seed, (out, _) in enumerate(outputs):
        said = next(line for line in out.splitlines() if line.startswith("Scores, model"))
        own = said.split(" are in ")[1].split(";")[0]
        assert RunDirectory(own).read_config()["seed"] == seed
        assert RunDirectory(own).is_finished


def test_a_directory_that_another_process_writes_is_refused(tmp_path, capsys):
    directory = RunDirectory(tmp_path / "run")
    with directory.writing():
        for flag in ([], ["--overwrite"], ["--resume"]):
            assert main.main([*TRAIN, "--run-dir", str(directory.path), *flag]) == 2
            assert capsys.readouterr().err.startswith(
                f"mnist-keras train: The run directory {directory.path} is in use by process {os.getpid()} on "
            )


@pytest.fixture
def nothing_here(monkeypatch, empty_folder):
    monkeypatch.setenv("KERAS_HOME", str(empty_folder / "keras"))
    monkeypatch.setenv("TFDS_DATA_DIR", str(empty_folder / "tfds"))


class Garbage(http.server.BaseHTTPRequestHandler):
    """Sends something else than the published file."""

    def do_HEAD(self):
        self.send_response(200)
        self.end_headers()

    def do_GET(self):
        self.do_HEAD()
        self.wfile.write(b"<html>Please log in</html>")

    def log_message(self, *_):
        pass


def test_a_dead_network_is_no_fault_of_the_input(nothing_here, monkeypatch, capsys):
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # where nobody listens
    assert main.main(["train", "mlp_128", "--data", "mnist"]) == 1
    said = capsys.readouterr().err
    assert "MNIST was not found on this machine and could not be downloaded (no connection" in said
    assert main.main(["train", "mlp_128", "--data", "mnist", "--data-dir", "nowhere"]) == 2


def test_a_damaged_download_is_no_fault_of_the_input(nothing_here, monkeypatch, capsys):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Garbage) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/mnist.npz"
        monkeypatch.setattr(downloads, "KERAS_URL", url)

        def fail(*_):
            raise downloads.DownloadError("no connection")

        monkeypatch.setattr(downloads, "load_tfds", fail)
        assert main.main(["train", "mlp_128", "--data", "mnist"]) == 1
        server.shutdown()
    assert f"{url} is not the published file: 26 bytes" in capsys.readouterr().err
