"""`mnist-keras train`: what it writes and says, beside other processes, and over a network that fails."""

import http.server
import json
import os
import subprocess
import sys
import threading

import pytest
from commands import TRAIN, out_of_next, output_of

import mnist_keras
from mnist_keras.cli import main
from mnist_keras.data import downloads
from mnist_keras.training.run_directory import RunDirectory

QUICK = ("train", "softmax_regression", "--data", "digits", "--epochs", "1")
pytestmark = pytest.mark.usefixtures("empty_folder")


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
    processes = [start(*QUICK, "--seed", str(seed)) for seed in range(3)]
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
            assert main.main([*QUICK, "--run-dir", str(directory.path), *flag]) == 2
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


def test_a_batch_that_the_replicas_do_not_divide(run, empty_folder):
    status, _, err = run(*TRAIN, "--strategy", "mirrored", "--batch-size", "130")
    assert status == 2
    assert "Expected a multiple of the 4 replicas" in err
    assert not (empty_folder / "runs").exists()


def test_a_batch_larger_than_the_data(run, empty_folder):
    status, _, err = run(*TRAIN, "--batch-size", "5000")
    assert status == 2
    assert "Expected at most the 1437 training images. Received: 5000." in err
    assert not (empty_folder / "runs").exists()


def test_train_writes_a_run_directory_and_says_what_it_reached(run, empty_folder):
    out = output_of(run(*TRAIN))
    path = empty_folder / "runs" / "mlp_128-1"
    names = {
        "config.json",
        "history.csv",
        "metrics.json",
        "model.keras",
        "checkpoint",
        "plots",
        "report.html",
    }
    assert {entry.name for entry in path.iterdir()} == names
    metrics = json.loads((path / "metrics.json").read_text(encoding="utf-8"))
    assert out.splitlines()[-3].startswith(
        f"Accuracy on 360 test images of digits: {metrics['accuracy']:.2%} (95% interval "
    )
    assert (
        out.splitlines()[-2]
        == "Scores, model and plots are in runs/mlp_128-1; open runs/mlp_128-1/report.html"
    )
    assert out.splitlines()[-1] == (
        "Next, score shifted, rotated and corrupted test images: mnist-keras evaluate runs/mlp_128-1 --robustness"
    )
    assert "10 classes" in out_of_next(run, out)
    assert run(*TRAIN, "--quiet") == (0, "", "")
    assert (empty_folder / "runs" / "mlp_128-2" / "metrics.json").is_file()


@pytest.mark.slow
def test_train_takes_recipe_changes_seed_strategy_and_precision(run, empty_folder):
    recipe = {"optimizer": "sgd", "epochs": 7, "schedule": "cosine"}
    (empty_folder / "mine.json").write_text(json.dumps(recipe), encoding="utf-8")
    changes = ["--recipe", "mine.json", "--batch-size", "64", "--learning-rate", "0.25"]
    machine = ["--strategy", "mirrored", "--precision", "mixed_bfloat16", "--seed", "5"]
    status, out, err = run(*TRAIN, *changes, *machine, "--run-dir", "mine", "--quiet")
    assert (status, out, err) == (0, "", "")
    config = RunDirectory("mine").read_config()
    trained = mnist_keras.Recipe.from_dict(config["recipe"])
    assert trained == mnist_keras.Recipe(
        optimizer="sgd",
        epochs=1,
        schedule="cosine",
        batch_size=64,
        learning_rate=0.25,
        precision="mixed_bfloat16",
    )
    assert (config["seed"], config["num_replicas"]) == (5, 4)
    assert config["data"]["name"] == "digits"


@pytest.mark.slow
def test_train_takes_the_recipe_of_another_net(run):
    status, *_ = run(*TRAIN, "--recipe", "mlp_deep", "--run-dir", "mine", "--quiet")
    assert status == 0
    assert RunDirectory("mine").read_config()["recipe"]["schedule"] == "cosine"


@pytest.mark.slow
def test_a_run_is_neither_lost_nor_repeated(run, runs):
    command = ("train", "softmax_regression", "--data", "digits", "--run-dir", runs[1], "--epochs")
    metrics = (runs[1] / "metrics.json").read_bytes()
    status, _, err = run(*command, 2)
    assert status == 2
    assert f"{runs[1]} holds a finished run. Resume it (--resume" in err
    status, _, err = run(*command, 1, "--resume")
    assert status == 2
    assert "cannot be resumed: recipe.epochs: 2 there, 1 here" in err
    out = output_of(run(*command, 2, "--resume"))
    assert "Epoch" not in out
    assert (runs[1] / "metrics.json").read_bytes() == metrics
    assert run(*command, 2, "--overwrite", "--quiet") == (0, "", "")


def test_resume_starts_a_run_where_there_is_none(run):
    assert run(*TRAIN, "--run-dir", "new", "--resume", "--quiet") == (0, "", "")
    assert RunDirectory("new").is_finished


def test_several_workers_need_one_directory(monkeypatch, capsys):
    workers = {"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 0}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(workers))
    assert main.main(["train", "mlp_128"]) == 2
    assert capsys.readouterr().err == (
        "mnist-keras train: Several workers need --run-dir, the same for all of them.\n"
    )
    monkeypatch.setenv("TF_CONFIG", "{")
    assert main.main(["train", "mlp_128"]) == 2
    assert capsys.readouterr().err.startswith("mnist-keras train: TF_CONFIG is not JSON (")
