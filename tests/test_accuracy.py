"""The benchmark of accuracy: no seed is trained twice, none stands for another recipe; weights are packaged rounded."""

import dataclasses
import json
from pathlib import Path

import keras
import numpy as np
import pytest

import mnist_keras as mk
from mnist_keras import pretrained, recipes

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"


@pytest.fixture
def accuracy(monkeypatch, tmp_path):
    """The benchmark's room, its results in a directory of the test's own."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import accuracy

    monkeypatch.setattr(accuracy, "RESULTS", tmp_path / "accuracy.csv")
    monkeypatch.setattr(accuracy, "README", tmp_path / "README.md")
    accuracy.README.write_text("<!-- accuracy.csv: begin -->\n<!-- accuracy.csv: end -->\n")
    return accuracy


@pytest.fixture
def run_benchmark(accuracy, monkeypatch, tmp_path):
    """Runs the command on scikit-learn's digits in place of MNIST; returns the seeds that it trained."""
    data = mk.load_data("digits")
    monkeypatch.setattr(mk, "load_data", lambda *_, **__: data)

    def run(*arguments):
        trained = []
        train = mk.train
        with monkeypatch.context() as patch:
            patch.setattr(mk, "train", lambda *a, **k: trained.append(k["seed"]) or train(*a, **k))
            options = ["--data-dir", "x", "--runs-dir", str(tmp_path / "runs"), *arguments]
            argv = ["accuracy.py", "--recipes", "softmax_regression", *options]
            patch.setattr("sys.argv", argv)
            accuracy.main()
        return trained

    return run


def test_a_seed_is_trained_once(accuracy, run_benchmark, monkeypatch):
    assert run_benchmark("--seeds", "2") == [0, 1]
    rows = accuracy.read_rows(accuracy.RESULTS)
    assert [row["seed"] for row in rows] == ["0", "1"]
    assert all(0.5 < float(row["accuracy"]) <= 1 for row in rows)
    assert all(
        int(row["errors"]) == round(360 * (1 - float(row["accuracy"])))
        and 0 <= int(row["errors_in_first_half"]) <= int(row["errors"])
        for row in rows
    )
    assert run_benchmark("--seeds", "3") == [2]
    assert run_benchmark("--seeds", "1", "--again") == [0]
    assert accuracy.read_rows(accuracy.RESULTS)[0]["accuracy"] == rows[0]["accuracy"]

    changed = dataclasses.replace(recipes.RECIPES["softmax_regression"], epochs=1)
    monkeypatch.setitem(recipes.RECIPES, "softmax_regression", changed)
    assert run_benchmark("--seeds", "1") == [0]
    digests = {row["recipe_digest"] for row in accuracy.read_rows(accuracy.RESULTS)}
    assert len(digests) == 2, "the rows of the other seeds are of the recipe before"


def test_the_table_leaves_out_rows_of_a_recipe_before(accuracy, run_benchmark, monkeypatch):
    run_benchmark("--seeds", "2")
    table = accuracy.make_table(accuracy.read_rows(accuracy.RESULTS))
    start = "| `softmax_regression` | 784 - softmax 10 | 7,850 | 2 | "
    assert table.splitlines()[2].startswith(start)
    assert f"\n{table}\n" in accuracy.README.read_text()
    changed = dataclasses.replace(recipes.RECIPES["softmax_regression"], epochs=1)
    monkeypatch.setitem(recipes.RECIPES, "softmax_regression", changed)
    assert accuracy.make_table(accuracy.read_rows(accuracy.RESULTS)).count("\n") == 1


def test_weights_are_packaged_rounded_and_scored_so(accuracy, monkeypatch, tmp_path):
    import package_weights

    data = mk.load_data("digits")
    recipe = mk.get_model_spec("mlp_128").recipe
    run = mk.train("mlp_128", data, recipe=recipe, run_dir=tmp_path / "run", verbose=0)
    named = dataclasses.replace(data, name="mnist")
    monkeypatch.setattr(mk, "load_data", lambda *_, **__: named)
    config_path = tmp_path / "run" / "config.json"
    config = json.loads(config_path.read_text())
    config["data"]["name"] = "mnist"
    config_path.write_text(json.dumps(config))
    for room in (package_weights, pretrained):
        monkeypatch.setattr(room, "WEIGHTS_DIRECTORY", tmp_path)

    card = package_weights.package([tmp_path / "run"], tmp_path)
    assert card["command"] == "mnist-keras train mlp_128 --data mnist --seed 0"
    assert (tmp_path / "mlp_128.weights.h5").stat().st_size < 2.2 * 101_770 + 30_000
    loaded = mk.create_model("mlp_128", weights="mnist")
    assert {variable.dtype for variable in loaded.variables} == {"float32"}
    for ours, trained in zip(loaded.get_weights(), run.model.get_weights(), strict=True):
        np.testing.assert_allclose(ours, trained, rtol=2**-11, atol=2**-24)
    evaluation = mk.evaluate(loaded, data.test_images, data.test_labels)
    assert card["results"]["test_accuracy"] == evaluation.accuracy
    assert keras.config.dtype_policy().name == "float32"
