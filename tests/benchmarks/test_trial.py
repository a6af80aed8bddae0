"""The benchmark of trials: what it trains on, what it counts errors on, how it ends at bad input."""

import json

import numpy as np
import pytest

import mnist_keras as mk

SHORT = '{"epochs": 1, "batch_size": 32}'


@pytest.fixture
def trial(benchmark, monkeypatch):
    """The benchmark's module, on scikit-learn's digits in place of MNIST."""
    trial = benchmark("trial")
    monkeypatch.setattr(trial, "load_published", lambda *_: mk.load_data("digits"))
    return trial


@pytest.fixture
def run_trial(trial, monkeypatch, tmp_path):
    """Runs the command; returns what `train` was called with, and the rows."""

    def run(*arguments):
        splits = []
        train = mk.train
        with monkeypatch.context() as patch:
            patch.setattr(mk, "train", lambda m, s, **k: splits.append(s) or train(m, s, **k))
            options = ["--data-dir", "x", "--out", str(tmp_path), *arguments]
            patch.setattr("sys.argv", ["trial.py", *options])
            trial.run_command(trial.main)
        return splits, trial.read_rows(tmp_path / "trials.csv").to_dict("records")

    return run


def test_a_trial_trains_on_the_first_images_and_counts_errors_on_the_last(run_trial):
    data = mk.load_data("digits")
    splits, rows = run_trial("mlp_128", "--held-out", "64", "--recipe", SHORT)
    seen, held_out = splits[0]
    np.testing.assert_array_equal(seen.images, data.train_images[:-64])
    np.testing.assert_array_equal(seen.labels, data.train_labels[:-64])
    np.testing.assert_array_equal(held_out.images, data.train_images[-64:])
    np.testing.assert_array_equal(held_out.labels, data.train_labels[-64:])
    assert rows[0]["held_out"] == "64"
    errors = int(rows[0]["held_out_errors"])
    assert float(rows[0]["held_out_accuracy"]) == pytest.approx(1 - errors / 64, abs=1e-4)


def test_a_trial_of_a_builder_is_a_row_more(run_trial):
    run_trial("mlp_128", "--held-out", "64", "--recipe", SHORT)
    options = ["--arguments", '{"hidden_units": [8]}', "--held-out", "64", "--seed", "3"]
    _, rows = run_trial("build_mlp", *options, "--recipe", SHORT)
    assert [row["net"] for row in rows] == ["mlp_128", "build_mlp"]
    assert json.loads(rows[1]["arguments"]) == {"hidden_units": [8]}
    assert (rows[1]["parameters"], rows[1]["seed"]) == (str(784 * 8 + 8 + 8 * 10 + 10), "3")
    assert float(rows[1]["temperature"]) > 0
    for row in rows:
        errors = int(row["held_out_errors"])
        assert float(row["held_out_accuracy"]) == pytest.approx(1 - errors / 64, abs=1e-4)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["mlp_129"], "Unknown model 'mlp_129'. Did you mean 'mlp_128'?"),
        (["mlp_128", "--recipe", "nope"], "Unknown recipe 'nope'."),
        (["mlp_128", "--recipe", "{"], "Invalid `--recipe`. Expected a JSON object like"),
        (["mlp_128", "--recipe", '{"epoch": 1}'], "Unknown recipe field 'epoch'."),
        (["mlp_128", "--arguments", "[]"], "Invalid `--arguments`. Expected a JSON object like"),
        (["mlp_128", "--arguments", '{"units": 3}'], "build_mlp cannot be called so: "),
        (["mlp_128", "--arguments", '{"activation": "nope"}'], "build_mlp cannot be called so: "),
        (["mlp_128", "--arguments", '{"dropout": 2}'], "Invalid `dropout`."),
        (["mlp_128", "--seed", "-1"], "Invalid `seed`."),
        (["mlp_128", "--held-out", "1437"], "Invalid `--held-out`."),
    ],
)
def test_bad_input_is_one_error(run_trial, arguments, text, capsys):
    with pytest.raises(SystemExit) as caught:
        run_trial(*arguments)
    assert caught.value.code == 2
    assert capsys.readouterr().err.startswith(f"error: {text}")


def test_a_result_that_cannot_be_written_is_known_before_the_training(
    trial, monkeypatch, capsys, tmp_path
):
    (tmp_path / "trials.csv").mkdir()
    argv = ["trial.py", "mlp_128", "--data-dir", "x", "--out", str(tmp_path)]
    monkeypatch.setattr("sys.argv", argv)
    monkeypatch.setattr(trial, "try_out", None)
    with pytest.raises(SystemExit) as caught:
        trial.run_command(trial.main)
    assert caught.value.code == 1
    assert "Is a directory: " in capsys.readouterr().err
