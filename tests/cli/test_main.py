"""The command line: what it prints, writes and returns, and what it says to wrong input."""

import dataclasses
import errno
import json
import os
import re
import runpy
import shlex
import subprocess
import sys

import numpy as np
import pytest
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

TRAIN = ("train", "mlp_128", "--data", "digits", "--epochs", "1")


@pytest.fixture(autouse=True)
def empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("MNIST_KERAS_DATA_DIR", raising=False)
    return tmp_path


@pytest.fixture
def run(capsys):
    """Runs the command in this process; returns its exit status, output and errors."""

    def run(*arguments):
        capsys.readouterr()
        try:
            status = main.main([str(argument) for argument in arguments])
        except SystemExit as stop:
            status = stop.code
        return status, *capsys.readouterr()

    return run


def output_of(result) -> str:
    status, out, err = result
    assert err == ""
    assert status == 0
    return out


def out_of_next(run, out):
    """Runs the command that the last line of an output ends with, as printed; returns what that prints."""
    command = out.splitlines()[-1].partition("mnist-keras ")[2]
    return output_of(run(*shlex.split(command)))


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two trained runs."""
    root = tmp_path_factory.mktemp("runs")
    for name in ("mlp_128", "softmax_regression"):
        command = ["train", name, "--data", "digits", "--epochs", "2", "--quiet"]
        assert main.main([*command, "--run-dir", str(root / name)]) == 0
    return root / "mlp_128", root / "softmax_regression"


def python(code: str) -> subprocess.CompletedProcess:
    """Runs code in a fresh interpreter, in an environment that does not silence TensorFlow."""
    environment = {key: x for key, x in os.environ.items() if key != "TF_CPP_MIN_LOG_LEVEL"}
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False
    )


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


# The commands


def test_models_lists_every_net_in_80_columns(run):
    out = output_of(run("models"))
    assert max(map(len, out.splitlines())) <= 80
    for name in mnist_keras.list_models():
        assert f"\n{name} " in out
    assert "109,386" in out
    others = "cnn_accurate_fashion, mlp_deep_elastic"
    assert out.endswith(f"\nOther recipes for `train --recipe`: {others}\n")
    assert re.search(r"\nlenet5 +99\.19% +73 s +61,706 +155 kB\n", out), "measured first"
    assert "its source reports 99.05%" in out


def test_models_as_json(run):
    out = output_of(run("models", "--json"))
    nets = {net["name"]: net for net in json.loads(out)}
    assert sorted(nets) == mnist_keras.list_models()
    accuracies = [net["test_accuracy"] or 0 for net in nets.values()]
    assert accuracies == sorted(accuracies)
    assert nets["mlp_128_64_dropout"]["num_parameters"] == 109_386
    assert nets["mlp_128_64_dropout"]["recipe"]["batch_size"] == 64
    assert nets["lenet5"]["claimed_accuracy"] == 0.9905
    assert nets["lenet5"]["member"] is None
    assert nets["cnn_accurate_ensemble"]["member"] == "cnn_accurate"


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


def test_evaluate_a_run_on_the_data_that_it_was_trained_on(run, runs):
    out = output_of(run("evaluate", runs[0]))
    assert out.startswith(
        "digits: 1,437 training and 360 test images of 28x28 pixels, 10 classes, from scikit-learn\n"
        "Evaluation on 360 test images of digits\n"
    )
    assert "F1  support" in out
    metrics = RunDirectory(runs[0]).read_metrics()
    scores = json.loads(run("evaluate", runs[0], "--json")[1])
    assert scores == {key: metrics[key] for key in scores}
    assert scores == json.loads(
        run("evaluate", runs[0] / "model.keras", "--data", "digits", "--json")[1]
    )


def test_a_registered_net_has_the_weights_for_the_data(run, empty_folder, monkeypatch):
    data = mnist_keras.load_data("digits")
    monkeypatch.setattr(mnist_keras.data.datasets, "load_data", lambda *_, **__: data)
    status, _, err = run("evaluate", "softmax_regression")
    assert (status, err) == (0, "softmax_regression: using the packaged weights trained on mnist\n")
    clothes = dataclasses.replace(data, name="fashion_mnist")
    monkeypatch.setattr(mnist_keras.data.datasets, "load_data", lambda *_, **__: clothes)
    status, out, err = run("evaluate", "softmax_regression")
    assert (status, out) == (2, "")
    assert "no packaged weights of 'softmax_regression' for 'fashion_mnist'" in err


def test_evaluate_on_the_users_own_data_and_write_the_scores(run, runs, empty_folder):
    data = mnist_keras.load_data("digits")
    np.savez(
        "own.npz",
        x_train=data.train_images[:50],
        y_train=data.train_labels[:50],
        x_test=data.test_images[:40],
        y_test=data.test_labels[:40],
    )
    out = output_of(run("evaluate", runs[0], "--data", "own.npz", "--out", "scores"))
    assert "Evaluation on 40 test images of own.npz\n" in out
    written = empty_folder / "scores"
    assert {path.name for path in written.iterdir()} == {
        *("metrics.json", "plots", "report.html", "report.md")
    }
    assert (written / "plots" / "confusion_matrix.png").stat().st_size > 5000
    assert "| precision |" in (written / "report.md").read_text(encoding="utf-8")
    page = (written / "report.html").read_text(encoding="utf-8")
    assert "<h2>Training</h2>" in page  # the curves and the recipe of the run
    assert "<code>mnist-keras" in page
    metrics = json.loads((written / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["num_examples"] == 40
    assert "\nScores and plots are in scores; open scores/report.html\n" in out
    assert "--data own.npz --format saved_model --out scores/exported" in out.splitlines()[-1]
    assert "scores/exported" in out_of_next(run, out)
    assert (written / "exported" / "saved_model.pb").is_file()


def test_a_model_that_does_not_exist(run, empty_folder):
    (empty_folder / "empty").mkdir()
    (empty_folder / "not.keras").write_text("no", encoding="utf-8")
    for model, text in {
        "mlp128": "Unknown model 'mlp128'. Did you mean 'mlp_128'?",
        "runs/none": "There is no model at runs/none.",
        "empty": "The directory empty holds no run.",
        "not.keras": "not.keras is not a model that Keras can load.",
    }.items():
        status, out, err = run("evaluate", model, "--data", "digits")
        assert (status, out) == (2, "")
        assert text in err
        assert err.count("\n") == 1


def test_compare_two_runs(run, runs):
    out = output_of(run("compare", *runs))
    assert "\nComparison on 360 images\n" in out
    assert "McNemar's exact test: p " in out


def test_compare_wants_one_data_set(run, runs, empty_folder):
    other = RunDirectory(empty_folder / "other")
    other.start({"data": {"name": "kmnist"}})
    other.model.touch()
    status, _, err = run("compare", runs[0], other.path)
    assert status == 2
    assert (
        "The runs were trained on different datasets, digits and kmnist. Choose one with --data."
        in err
    )


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


def test_scores_that_cannot_be_written_leave_nothing(run, runs, empty_folder, monkeypatch):
    (empty_folder / "file").touch()
    status, _, err = run("evaluate", runs[0], "--out", "file/scores")
    assert status == 2
    assert err == (
        "mnist-keras evaluate: The run directory file/scores cannot be written: Not a directory. "
        "Choose another one.\n"
    )

    def fail(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(RunDirectory, "write_metrics", fail)
    status, _, err = run("evaluate", runs[0], "--out", "scores")
    assert status == 1
    assert err == ("mnist-keras evaluate: [Errno 28] No space left on device. Free some space.\n")
    assert not (empty_folder / "scores").exists()


def test_a_damaged_run_is_told(run, empty_folder):
    other = RunDirectory(empty_folder / "other")
    other.start({"data": None})
    status, out, err = run("evaluate", "other", "--data", "digits")
    assert (status, out) == (2, "")
    assert "The directory other holds no finished run: there is no model.keras." in err
    other.model.touch()
    status, _, err = run("evaluate", "other")
    assert status == 2
    assert err == (
        "mnist-keras evaluate: other/config.json cannot be read: it has the wrong kind of content. "
        "Start the run again with --overwrite.\n"
    )


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


def test_evaluate_robustness(run, runs, empty_folder):
    command = ("evaluate", runs[0], "--data", "digits", "--robustness")
    out = output_of(run(*command, "--out", "scores"))
    assert "\nRobustness on 360 images\n" in out
    assert (empty_folder / "scores" / "plots" / "robustness.png").stat().st_size > 5000
    page = (empty_folder / "scores" / "report.html").read_text(encoding="utf-8")
    assert "<h2>Robustness</h2>" in page
    scores = json.loads(output_of(run(*command, "--json")))
    assert scores["robustness"]["rows"][0]["accuracy"] == pytest.approx(scores["accuracy"])
    written = json.loads((empty_folder / "scores" / "metrics.json").read_text(encoding="utf-8"))
    assert written == scores


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


def test_python_m_is_the_same_command(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["mnist-keras", "--version"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("mnist_keras", run_name="__main__")
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("mnist-keras ")
