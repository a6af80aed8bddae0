"""The command line: what it prints, writes and returns, and what it says to wrong input."""

import errno
import runpy
import shlex
import subprocess
import sys

import numpy as np
import pytest
from commands import TRAIN, output_of, python
from data_files import write_csv

import mnist_keras.data.datasets
import mnist_keras.training.train
from mnist_keras._validation import InputError
from mnist_keras.cli import app, main, train
from mnist_keras.inference.app import server
from mnist_keras.models import recipes
from mnist_keras.training import devices
from mnist_keras.training.run_directory import RunDirectory
from mnist_keras.training.saving import checkpoints

pytestmark = pytest.mark.usefixtures("empty_folder")


# Help and wrong input


def test_help_lists_the_commands_and_loads_neither_tensorflow_nor_numpy():
    done = python(
        "import sys; from mnist_keras.cli.main import main\n"
        "try: main(['--help'])\n"
        "finally: print(sorted({'numpy', 'tensorflow', 'keras'} & set(sys.modules)))"
    )
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1] == "[]"
    for command in ("models", "demo", "train", "evaluate", "compare", "doctor"):
        assert f"\n    {command} " in done.stdout


@pytest.mark.parametrize("command", ["models", "demo", "train", "evaluate", "compare", "doctor"])
def test_the_help_of_each_command_fits_80_columns(run, command):
    out = output_of(run(command, "--help"))
    assert max(map(len, out.splitlines())) <= 80


def test_the_version(run):
    assert run("--version") == (0, f"mnist-keras {mnist_keras.__version__}\n", "")


def test_the_choices_are_those_of_the_library():
    assert train.STRATEGIES == devices.STRATEGIES
    assert train.PRECISIONS == recipes.PRECISIONS
    assert train.KEPT == checkpoints.KEPT
    assert (app.HOST, app.PORT) == (server.HOST, server.PORT)


WRONG = {
    "no command": ([], "the following arguments are required: COMMAND"),
    "command": (["trian"], "); did you mean 'train'? (see mnist-keras --help)"),
    "no such command": (["lenet5"], "argument COMMAND: invalid choice: 'lenet5' (choose from"),
    "abbreviation": ([*TRAIN, "--over"], "unrecognized arguments: --over"),
    "option": (
        [*TRAIN, "--epoch=3"],
        "arguments: --epoch=3; did you mean '--epochs'? (see mnist-keras train --help)",
    ),
    "not a number": (["train", "mlp_128", "--epochs", "two"], "invalid int value: 'two'"),
    "strategy": ([*TRAIN, "--strategy", "mirorred"], "; did you mean 'mirrored'? (see mnist-keras"),
    "both": ([*TRAIN, "--resume", "--overwrite"], "--overwrite: not allowed with argument"),
    "model": (["train", "mlp128"], "Unknown model 'mlp128'. Did you mean 'mlp_128'?"),
    "dataset": (["train", "mlp_128", "--data", "mnits"], "Did you mean 'mnist'?"),
    "epochs": (
        ["train", "mlp_128", "--epochs", "-3"],
        "Invalid `--epochs`. Expected an integer of at least 1. Received: -3.",
    ),
    "batch size": (["train", "mlp_128", "--batch-size", "0"], "Invalid `--batch-size`."),
    "learning rate": (
        ["train", "mlp_128", "--learning-rate", "nan"],
        "Invalid `--learning-rate`. Expected a number above 0. Received: nan.",
    ),
    "seed": (["train", "mlp_128", "--seed", "-1"], "Invalid `--seed`."),
    "recipe": ([*TRAIN, "--recipe", "lenet"], "Unknown recipe 'lenet'. Did you mean 'lenet5'?"),
    "empty recipe": ([*TRAIN, "--recipe", ""], "Unknown recipe ''. Expected one of: "),
    "no recipe file": ([*TRAIN, "--recipe", "none.json"], "recipe none.json cannot be read: "),
    "not JSON": ([*TRAIN, "--recipe", "broken.json"], "recipe broken.json cannot be read: "),
    "recipe field": (
        [*TRAIN, "--recipe", "field.json"],
        "Unknown recipe field 'epoch'. Did you mean 'epochs'?",
    ),
    "recipe value": ([*TRAIN, "--recipe", "value.json"], "Invalid `batch_size`. Expected an"),
    "no data": (["evaluate", "mlp_128", "--data="], "Invalid `--data`. Expected the name of a"),
    "no run directory": (
        [*TRAIN, "--run-dir", ""],
        "argument --run-dir: expected a path, received ''",
    ),
    "no out": (["evaluate", "mlp_128", "--out="], "argument --out: expected a path, received ''"),
    "no sheet": (["data", "digits", "--out="], "argument --out: expected a path, received ''"),
    "no export": (["export", "mlp_128", "--format", "c", "--out="], "--out: expected a path, rec"),
    "no folder": (["predict", "7.png", "--save-preprocessed="], "processed: expected a path, rec"),
    "which run": ([*TRAIN, "--resume"], "--resume and --overwrite need --run-dir"),
    "directory in use": ([*TRAIN, "--run-dir", "full"], "full is not empty and holds no run."),
    "run directory is a file": ([*TRAIN, "--run-dir", "broken.json"], "broken.json is a file."),
    "out in use": (["evaluate", "mlp_128", "--out", "full"], "The directory full is not empty. Ch"),
    "shift": (
        ["evaluate", "mlp_128", "--shift", "-1"],
        "Invalid `--shift`. Expected an integer of at least 0",
    ),
    "out of nothing": (["evaluate", "mlp128"], "Unknown model 'mlp128'. Did you mean 'mlp_128'?"),
    "no run": (["compare", "mlp_128", "full"], "The directory full holds no run. Expected a run"),
    "large seed": (["train", "mlp_128", "--seed", "4294967296"], "at most 4294967295. Received"),
    "no data directory": (["train", "mlp_128", "--data-dir", ""], "Expected a directory. Received"),
    "out of data": (["train", "mlp_128", "--data-dir", "nowhere"], "Invalid `--data-dir`."),
}


def write_wrong_files(folder):
    (folder / "full").mkdir()
    (folder / "full" / "thesis.txt").touch()
    (folder / "broken.json").write_text("{", encoding="utf-8")
    (folder / "field.json").write_text('{"epoch": 3}', encoding="utf-8")
    (folder / "value.json").write_text('{"batch_size": 0}', encoding="utf-8")


@pytest.mark.parametrize("case", WRONG)
def test_wrong_input_gets_one_line_and_status_2(run, empty_folder, case):
    write_wrong_files(empty_folder)
    before = sorted(empty_folder.rglob("*"))
    arguments, text = WRONG[case]
    status, out, err = run(*arguments)
    assert (status, out) == (2, "")
    assert err.startswith("mnist-keras")
    assert err.count("\n") == 1
    assert text in err
    assert sorted(empty_folder.rglob("*")) == before, "nothing may be written"


def test_wrong_input_is_told_before_tensorflow_is_imported(empty_folder):
    write_wrong_files(empty_folder)
    done = python(
        "import sys; from mnist_keras.cli.main import main\n"
        f"for arguments in {[arguments for arguments, _ in WRONG.values()]}:\n"
        "    try: assert main(arguments) == 2\n"
        "    except SystemExit as stop: assert stop.code == 2\n"
        "assert not {'tensorflow', 'keras'} & set(sys.modules), arguments\n"
    )
    assert done.returncode == 0, done.stderr


# The commands


def test_demo_trains_reports_shows_and_draws(run, monkeypatch, empty_folder):
    load_data = mnist_keras.data.datasets.load_data
    monkeypatch.setattr(mnist_keras.data.datasets, "load_data", lambda name: load_data("digits"))
    out = output_of(run("demo"))
    assert max(map(len, out.splitlines())) <= 80
    lines = out.splitlines()
    assert lines[0] == "Training mlp_128_64_dropout on 1,437 images of digits"
    assert "weighted average" in out
    labels = next(line for line in lines if line.startswith("true "))
    assert labels.count("true ") == 5
    pictures = lines[lines.index("Pictures:") + 1 : -3]
    assert "  runs/mlp_128_64_dropout-1/plots/confusion_matrix.png" in pictures
    assert all((empty_folder / picture.strip()).is_file() for picture in pictures)
    assert lines[-2].endswith("on one page: runs/mlp_128_64_dropout-1/report.html")
    assert lines[-1] == "Next, a more accurate model: mnist-keras train cnn_fast"
    accuracy = RunDirectory("runs/mlp_128_64_dropout-1").read_metrics()["accuracy"]
    assert accuracy > 0.93  # 97.5% is usual


def test_doctor(run):
    out = output_of(run("doctor"))
    assert out.startswith("versions ")


# How it ends


def stop_with(error):
    def train(*_, run_dir, **__):
        RunDirectory(run_dir).start({})
        raise error

    return train


def test_ctrl_c_says_how_to_go_on(run, monkeypatch):
    monkeypatch.setattr(mnist_keras.training.train, "train", stop_with(KeyboardInterrupt()))
    status, _, err = run(*TRAIN)
    assert status == 130
    assert err.splitlines()[1:] == [
        "The state is saved. To continue, repeat the command with --run-dir runs/mlp_128-1 --resume",
        "mnist-keras train: interrupted",
    ]


def test_termination_keeps_its_status(run, monkeypatch):
    monkeypatch.setattr(mnist_keras.training.train, "train", stop_with(SystemExit(143)))
    status, _, err = run(*TRAIN)
    assert status == 143
    assert "The state is saved." in err


def test_a_full_disk_is_a_failed_run(run, monkeypatch):
    full = OSError(errno.ENOSPC, "No space left on device", "runs/mlp_128-1/model.keras")
    monkeypatch.setattr(mnist_keras.training.train, "train", stop_with(full))
    status, _, err = run(*TRAIN)
    assert status == 1
    assert err == (
        "mnist-keras train: [Errno 28] No space left on device: 'runs/mlp_128-1/model.keras'. "
        "Free some space. To continue, repeat the command with --run-dir runs/mlp_128-1 --resume\n"
    )


def test_the_command_that_goes_on_can_be_pasted(run, monkeypatch):
    monkeypatch.setattr(mnist_keras.training.train, "train", stop_with(OSError("lost")))
    _, _, err = run(*TRAIN, "--run-dir", "two words")
    assert err.endswith("with --run-dir 'two words' --resume\n")


def test_an_error_of_several_lines_is_one_line(run, monkeypatch):
    monkeypatch.setattr(mnist_keras.training.train, "train", stop_with(InputError("one\ntwo")))
    assert run(*TRAIN)[2] == "mnist-keras train: one two\n"


def test_unlabeled_data_alone_is_refused(run, empty_folder):
    write_csv(empty_folder / "test.csv", np.zeros((2, 28, 28), np.uint8))
    for arguments in (["train", "mlp_128"], ["evaluate", "mlp_128"]):
        status, _, err = run(*arguments, "--data", "test.csv")
        assert status == 2
        assert "test.csv holds 2 images without labels. Expected labels, to train" in err
    assert not (empty_folder / "runs").exists()


def test_a_missing_extra_is_told(run, monkeypatch):
    from mnist_keras._validation import missing_extra

    monkeypatch.setattr(mnist_keras.training.train, "train", stop_with(missing_extra("It", "app")))
    status, _, err = run(*TRAIN)
    assert status == 2
    assert err == (
        "mnist-keras train: It needs the extra 'app'. "
        'Install it with: pip install "mnist-keras[app]"\n'
    )


def test_a_defect_keeps_its_traceback(monkeypatch):
    monkeypatch.setattr(mnist_keras.training.train, "train", stop_with(RuntimeError("a defect")))
    with pytest.raises(RuntimeError, match="a defect"):
        main.main(list(TRAIN))


def test_a_reader_that_leaves_is_no_error():
    command = [sys.executable, "-m", "mnist_keras", "models", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1


@pytest.mark.skipif(sys.platform == "win32", reason="needs a POSIX shell")
@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&- <&-"])
def test_closed_streams_are_no_error(closed):
    command = f"{shlex.quote(sys.executable)} -m mnist_keras models {closed}"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.returncode == 0


# TensorFlow's chatter


def test_tensorflow_starts_without_chatter():
    done = python(f"import sys; from mnist_keras.cli.main import main; sys.exit(main({TRAIN}))")
    assert done.stderr == ""
    assert done.returncode == 0
    assert (
        done.stdout.splitlines()[-2]
        == "Scores, model and plots are in runs/mlp_128-1; open runs/mlp_128-1/report.html"
    )


def test_predict_starts_without_chatter():
    done = python("from mnist_keras.cli.main import main; main(['predict', 'none.png'])")
    assert done.stderr == (
        "mnist-keras predict: none.png cannot be read: No such file or directory.\n"
    )


def test_python_m_is_the_same_command(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["mnist-keras", "--version"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("mnist_keras", run_name="__main__")
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("mnist-keras ")
