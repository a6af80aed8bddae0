"""`mnist-keras evaluate` and `compare`: on which data, what they print and write, and what they refuse."""

import dataclasses
import errno
import json

import numpy as np
import pytest
from commands import out_of_next, output_of

import mnist_keras.data.datasets
from mnist_keras.training.run_directory import RunDirectory

pytestmark = pytest.mark.usefixtures("empty_folder")


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
