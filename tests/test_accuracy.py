"""The benchmark of accuracy: no seed is trained twice, none stands for another recipe; weights are packaged rounded."""

import dataclasses
import json
from pathlib import Path

import keras
import numpy as np
import pytest

import mnist_keras as mk
from mnist_keras import pretrained, recipes, registry

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

    def run(*arguments, recipe="softmax_regression"):
        trained = []
        train = mk.train
        with monkeypatch.context() as patch:
            patch.setattr(mk, "train", lambda *a, **k: trained.append(k["seed"]) or train(*a, **k))
            options = ["--data-dir", "x", "--runs-dir", str(tmp_path / "runs"), *arguments]
            argv = ["accuracy.py", "--recipes", recipe, *options]
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


def pretend_mnist(monkeypatch):
    """Makes scikit-learn's digits what `load_data` calls MNIST."""
    named = dataclasses.replace(mk.load_data("digits"), name="mnist")
    monkeypatch.setattr(mk, "load_data", lambda *_, **__: named)


def rename_data(run):
    """Writes into a run's configuration that it was trained on MNIST."""
    path = run / "config.json"
    config = json.loads(path.read_text())
    config["data"]["name"] = "mnist"
    path.write_text(json.dumps(config))


@pytest.fixture
def short(monkeypatch):
    """The recipe of the accurate net, cut to one epoch."""
    changed = dataclasses.replace(recipes.RECIPES["cnn_accurate"], epochs=1)
    monkeypatch.setitem(recipes.RECIPES, "cnn_accurate", changed)
    for name in ("cnn_accurate", "cnn_accurate_ensemble"):
        spec = dataclasses.replace(registry.MODELS[name], recipe=changed)
        monkeypatch.setitem(registry.MODELS, name, spec)


@pytest.mark.slow
def test_the_seeds_vote_once_all_are_there(accuracy, run_benchmark, short, monkeypatch, tmp_path):
    run_benchmark("--seeds", "4", recipe="cnn_accurate")
    assert [row["seed"] for row in accuracy.read_rows(accuracy.RESULTS)] == list("0123")
    assert run_benchmark(recipe="cnn_accurate") == [4]
    *members, vote = accuracy.read_rows(accuracy.RESULTS)
    assert (vote["net"], vote["seed"]) == ("cnn_accurate_ensemble", "0 to 4")
    assert int(vote["errors"]) <= max(int(row["errors"]) for row in members)
    seconds = sum(float(row["train_seconds"]) for row in members)
    assert float(vote["train_seconds"]) == pytest.approx(seconds, abs=0.1)
    assert "| `cnn_accurate_ensemble` | " in accuracy.README.read_text()
    assert run_benchmark(recipe="cnn_accurate") == []

    import package_weights

    pretend_mnist(monkeypatch)
    for room in (package_weights, pretrained):
        monkeypatch.setattr(room, "WEIGHTS_DIRECTORY", tmp_path)
    runs = sorted((tmp_path / "runs").iterdir())
    for run in runs:
        rename_data(run)
    card = package_weights.package(runs, tmp_path, ensemble="cnn_accurate_ensemble")
    assert card["seed"] == [0, 1, 2, 3, 4]
    assert card["command"].endswith(" --recipes cnn_accurate --seeds 5")
    loaded = mk.create_model("cnn_accurate_ensemble", weights="mnist")
    data = mk.load_data("mnist")
    members = [mk.predict_probabilities(mk.load_model(run), data.test_images) for run in runs]
    voted = mk.predict_probabilities(loaded, data.test_images)
    np.testing.assert_allclose(voted, np.mean(members, axis=0), atol=0.01)
    with pytest.raises(SystemExit, match="in their seed alone"):
        package_weights.package([runs[0], runs[0]], tmp_path, ensemble="cnn_accurate_ensemble")


def test_weights_are_packaged_rounded_and_scored_so(accuracy, monkeypatch, tmp_path):
    import package_weights

    data = mk.load_data("digits")
    recipe = mk.get_model_spec("mlp_128").recipe
    run = mk.train("mlp_128", data, recipe=recipe, run_dir=tmp_path / "run", verbose=0)
    pretend_mnist(monkeypatch)
    rename_data(tmp_path / "run")
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
