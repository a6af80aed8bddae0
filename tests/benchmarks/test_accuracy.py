"""The benchmark of accuracy: no seed is trained twice, none stands for another recipe; weights are packaged rounded."""

import dataclasses
import json

import keras
import numpy as np
import pytest

import mnist_keras as mk
from mnist_keras._validation import InputError
from mnist_keras.models import pretrained, recipes, registry


@pytest.fixture
def accuracy(benchmark):
    """The benchmark's room."""
    return benchmark("accuracy")


@pytest.fixture
def ledger(accuracy, tmp_path):
    """Rows and runs in a directory of the test's own."""
    return accuracy.Ledger(tmp_path / "accuracy.csv", tmp_path / "runs")


@pytest.fixture
def run_benchmark(accuracy, monkeypatch, tmp_path):
    """Runs the command on scikit-learn's digits in place of MNIST; returns the seeds that it trained."""
    data = mk.load_data("digits")
    monkeypatch.setattr(accuracy, "load_published", lambda *_: data)

    def run(*arguments, recipe="softmax_regression"):
        trained = []
        train = mk.train
        with monkeypatch.context() as patch:
            patch.setattr(mk, "train", lambda *a, **k: trained.append(k["seed"]) or train(*a, **k))
            options = ["--data-dir", "x", "--out", str(tmp_path), *arguments]
            argv = ["accuracy.py", "--recipes", recipe, *options]
            patch.setattr("sys.argv", argv)
            accuracy.main()
        return trained

    return run


def test_a_seed_is_trained_once(accuracy, ledger, run_benchmark, monkeypatch):
    assert run_benchmark("--seeds", "2") == [0, 1]
    rows = accuracy.read_rows(ledger.rows)
    assert [row["seed"] for row in rows] == ["0", "1"]
    assert all(0.5 < float(row["accuracy"]) <= 1 for row in rows)
    assert all(
        int(row["errors"]) == round(360 * (1 - float(row["accuracy"])))
        and 0 <= int(row["errors_in_first_half"]) <= int(row["errors"])
        for row in rows
    )
    assert run_benchmark("--seeds", "3") == [2]

    changed = dataclasses.replace(recipes.RECIPES["softmax_regression"], epochs=1)
    monkeypatch.setitem(recipes.RECIPES, "softmax_regression", changed)
    assert run_benchmark("--seeds", "1") == [0]
    digests = {row["digest"] for row in accuracy.read_rows(ledger.rows)}
    assert len(digests) == 2, "the rows of the other seeds are of the recipe before"


def test_the_table_leaves_out_rows_of_a_recipe_before(accuracy, ledger, run_benchmark, monkeypatch):
    run_benchmark("--seeds", "2")
    table = accuracy.make_table(accuracy.read_rows(ledger.rows))
    start = "| `softmax_regression` | 784 - softmax 10 | 7,850 | 2 | "
    assert table.splitlines()[2].startswith(start)
    changed = dataclasses.replace(recipes.RECIPES["softmax_regression"], epochs=1)
    monkeypatch.setitem(recipes.RECIPES, "softmax_regression", changed)
    assert accuracy.make_table(accuracy.read_rows(ledger.rows)).count("\n") == 1


def pretend_mnist(monkeypatch):
    """Makes scikit-learn's digits what `load_data` calls MNIST."""
    import package_weights

    named = dataclasses.replace(mk.load_data("digits"), name="mnist")
    monkeypatch.setattr(mk, "load_data", lambda *_, **__: named)
    monkeypatch.setattr(package_weights, "load_published", lambda *_: named)


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
def test_the_seeds_vote_once_all_are_there(
    accuracy, ledger, run_benchmark, short, monkeypatch, tmp_path
):
    run_benchmark("--seeds", "4", recipe="cnn_accurate")
    assert [row["seed"] for row in accuracy.read_rows(ledger.rows)] == list("0123")
    assert run_benchmark(recipe="cnn_accurate") == [4]
    *members, vote = accuracy.read_rows(ledger.rows)
    assert (vote["net"], vote["seed"]) == ("cnn_accurate_ensemble", "0 to 4")
    assert int(vote["errors"]) <= max(int(row["errors"]) for row in members)
    seconds = sum(float(row["train_seconds"]) for row in members)
    assert float(vote["train_seconds"]) == pytest.approx(seconds, abs=0.1)
    assert "| one vote |" in accuracy.make_table(accuracy.read_rows(ledger.rows))
    with monkeypatch.context() as patch:
        patch.setattr(mk, "build_ensemble", None)
        assert run_benchmark(recipe="cnn_accurate") == [], "the vote is not scored again, either"

    import package_weights

    pretend_mnist(monkeypatch)
    for room in (package_weights, pretrained):
        monkeypatch.setattr(room, "WEIGHTS_DIRECTORY", tmp_path)
    runs = sorted((tmp_path / "runs").iterdir())
    for run in runs:
        rename_data(run)
    card = package_weights.package(runs, tmp_path, ensemble="cnn_accurate_ensemble")
    assert card["seed"] == [0, 1, 2, 3, 4]
    assert card["command"].endswith(" --recipes cnn_accurate --seeds 5 --out OUT")
    loaded = mk.create_model("cnn_accurate_ensemble", weights="mnist")
    data = mk.load_data("mnist")
    members = [mk.predict_probabilities(mk.load_model(run), data.test_images) for run in runs]
    voted = mk.predict_probabilities(loaded, data.test_images)
    np.testing.assert_allclose(voted, np.mean(members, axis=0), atol=0.01)
    with pytest.raises(InputError, match=r"The runs have the seeds \[0, 0\]. Expected: \[0, 1\]"):
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


def test_weights_beyond_float16_are_not_packaged(accuracy, tmp_path):
    import package_weights

    model = mk.create_model("softmax_regression")
    model.set_weights([1e6 * np.ones_like(weights) for weights in model.get_weights()])
    package_weights.save_rounded(model, tmp_path / "a.weights.h5")
    deep = mk.create_model("mlp_128")
    deep.set_weights([1e6 * np.ones_like(weights) for weights in deep.get_weights()])
    with pytest.raises(InputError, match="The weights dense_1/kernel are beyond the range of fl"):
        package_weights.save_rounded(deep, tmp_path / "b.weights.h5")
    assert not (tmp_path / "b.weights.h5").exists()


def test_a_run_of_a_recipe_without_a_name_is_not_packaged(accuracy):
    import package_weights

    config = {"model": {"name": "mlp_128"}, "recipe": mk.Recipe(epochs=77).to_dict(), "seed": 0}
    with pytest.raises(InputError, match="The recipe of mlp_128's run is not a registered one"):
        package_weights.train_command("mlp_128", "mnist", config)


def test_a_changed_net_or_recipe_has_no_row_and_no_temperature(
    accuracy, ledger, monkeypatch, tmp_path
):
    import packaged

    entry = next(x for x in accuracy.ENTRIES if x.net == "mlp_128")
    row = {**entry.key, "seed": "0", "temperature": "1.5", "held_out": "10000"}
    accuracy.write_rows(ledger.rows, [row], columns=list(row))
    accuracy.write_rows(tmp_path / "trials.csv", [row], columns=list(row))
    monkeypatch.setattr(packaged, "RESULTS", tmp_path)
    card = {"dataset": "mnist", "recipe": entry.recipe.to_dict()}
    assert ledger.find_row(entry, "0") == row
    assert packaged.find_temperature("mlp_128", card) == "1.5"
    few = {**row, "temperature": "1.6", "held_out": "64"}
    accuracy.write_rows(tmp_path / "trials.csv", [row, few], columns=list(row))
    assert packaged.find_temperature("mlp_128", card) == "1.5", "not one of so few images"
    assert packaged.find_temperature("mlp_128", {**card, "dataset": "fashion_mnist"}) == ""
    other = {**card, "recipe": entry.recipe.replace(epochs=3).to_dict()}
    assert packaged.find_temperature("mlp_128", other) == ""
    spec = dataclasses.replace(entry.spec, arguments={"hidden_units": (128,), "dropout": 0.1})
    monkeypatch.setitem(registry.MODELS, "mlp_128", spec)
    assert ledger.find_row(entry, "0") is None
    assert packaged.find_temperature("mlp_128", card) == ""


def test_tables_of_rows_made_by_hand(accuracy):
    import tables

    scores = {"negative_log_likelihood": "0.5", "brier_score": "0.25"}
    scores |= {"expected_calibration_error": "0.125"}
    row = {
        **{"net": "lenet5", "recipe": "r", "data": "mnist", "accuracy": "0.75"},
        **{"ci95_low": "0.5", "ci95_high": "1", "errors_in_first_half": "1"},
        **{"errors_in_second_half": "2", "only_this_right": "3", "only_lenet5_right": "4"},
        **{"mcnemar_p_value": "0.9", "accuracy_of_views": "0.8", "temperature": "2"},
        **scores,
    }
    row |= {"brier_score_at_temperature": "0.75", "negative_log_likelihood_at_temperature": "1"}
    row |= {"expected_calibration_error_at_temperature": "0"}
    assert tables.packaged_table([row]).splitlines()[2] == (
        "| `lenet5` | `r` | mnist | 75.00 | 50.00 to 100.00 | 1, 2 | 3, 4 | 0.9 | 80.00 |"
    )
    assert tables.calibration_table([row]).splitlines()[2] == (
        "| `lenet5` | `r` | mnist | 0.5000 | 0.2500 | 0.1250 | 2 | 1.0000, 0.7500, 0.0000 |"
    )
    trial = {
        **{"net": "build_mlp", "data": "mnist", "arguments": '{"hidden_units": [4, 2]}'},
        **{"recipe": '{"epochs": 3, "augmentation": {"shift": 2}}', "precision": "float32"},
        **{
            "parameters": "1234",
            "held_out_errors": "5",
            "held_out": "1000",
            "negative_log_likelihood": "0.1",
        },
        **{"likelihood_at_temperature": "", "seconds": "60", "cores": "2"},
    }
    assert tables.trials_table([trial]).splitlines()[2] == (
        "| `build_mlp`, hidden_units [4, 2] | mnist | epochs 3, augmentation (shift 2) | float32 | 1,234 "
        "| 5 of 1,000 | 0.1 |  | 60 (2) |"
    )
    changed = {**trial, "net": "cnn_accurate", "seed": "1", "likelihood_at_temperature": "0.01"}
    recipe = recipes.RECIPES["cnn_accurate"].replace(epochs=10, augmentation=None).to_dict()
    changed |= {"arguments": '{"dropout": 0.1, "batch_norm": false}', "recipe": json.dumps(recipe)}
    assert tables.changes_table([trial, changed]).splitlines()[2:] == [
        "| batch_norm false, epochs 10, augmentation none, seed 1 | 5 | 0.01 |"
    ]
    baseline = {
        **{"classifier": "random forest", "settings": "300 trees", "test_accuracy": "0.9712"},
        **{"fit_seconds": "31.26", "predict_seconds": "0.251", "machine": "a laptop"},
    }
    assert tables.baselines_table([baseline]).splitlines()[2] == (
        "| random forest | 300 trees | 97.12 | 31.3 | 0.25 |"
    )


def test_a_title_says_what_is_not_the_usual(accuracy):
    titles = [
        entry.title for entry in accuracy.ENTRIES if entry.net in ("mlp_deep", "cnn_accurate")
    ]
    assert titles == [
        "`mlp_deep`",
        "`mlp_deep` by `mlp_deep_elastic`",
        "`cnn_accurate`",
        "`cnn_accurate` by `cnn_accurate_fashion` on `fashion_mnist`",
    ]


def test_a_page_without_the_markers_is_not_written(accuracy):
    import tabular

    text = (
        "The page must have the markers <!-- seeds: begin --> and <!-- seeds: end -->, once each."
    )
    with pytest.raises(InputError) as caught:
        tabular.with_block("nothing", "seeds", "table")
    assert str(caught.value) == text
