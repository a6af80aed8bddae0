"""The benchmark of trials: what it trains on, what it counts errors on, how it ends at bad input."""

import json

import numpy as np
import pytest
from data_files import small_arrays, write_idx_set

import mnist_keras as mk
from mnist_keras._validation import InputError

SHORT = '{"epochs": 1, "batch_size": 32}'


@pytest.fixture
def trial(benchmark, monkeypatch):
    """The benchmark's room, on scikit-learn's digits in place of MNIST."""
    trial = benchmark("trial")
    monkeypatch.setattr(trial, "load_published", lambda *_: mk.load_data("digits"))
    return trial


@pytest.fixture
def run_trial(trial, monkeypatch, tmp_path):
    """Runs the command; returns what `train` was called with, and the rows."""

    def run(*arguments):
        splits = []
        train = mk.train
        out = tmp_path / "trials.csv"
        with monkeypatch.context() as patch:
            patch.setattr(mk, "train", lambda m, s, **k: splits.append(s) or train(m, s, **k))
            patch.setattr(
                "sys.argv", ["trial.py", "--data-dir", "x", "--out", str(out), *arguments]
            )
            trial.run_command(trial.main)
        return splits, trial.read_rows(out)

    return run


def test_a_trial_trains_on_the_first_images_and_counts_errors_on_the_last(run_trial):
    data = mk.load_data("digits")
    splits, rows = run_trial("mlp_128", "--held-out", "64", "--recipe", SHORT)
    ((images, labels), (held_out, held_out_labels)) = splits[0]
    np.testing.assert_array_equal(images, data.train_images[:-64])
    np.testing.assert_array_equal(labels, data.train_labels[:-64])
    np.testing.assert_array_equal(held_out, data.train_images[-64:])
    np.testing.assert_array_equal(held_out_labels, data.train_labels[-64:])
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
        (["mlp_128", "--recipe", "{"], "--recipe is not JSON: "),
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


def test_a_result_that_cannot_be_written_is_known_before_the_training(trial, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["trial.py", "mlp_128", "--data-dir", "x", "--out", "."])
    monkeypatch.setattr(trial, "try_out", None)
    with pytest.raises(SystemExit) as caught:
        trial.run_command(trial.main)
    assert caught.value.code == 1
    assert "Is a directory: '.'" in capsys.readouterr().err


def test_other_data_gets_no_row(benchmark, tmp_path):
    write_idx_set(tmp_path, small_arrays(28))
    with pytest.raises(InputError, match="holds another mnist than the published one: the SHA-256"):
        benchmark("accuracy").load_published("mnist", tmp_path)
