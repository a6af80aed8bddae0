"""The benchmark of accuracy: no seed is trained twice, none counts for another recipe; packaged weights are scored."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

import mnist_keras as mk
from mnist_keras.models import recipes, registry
from mnist_keras.training import outcome

LABELS = np.arange(20) % 10


@pytest.fixture(scope="module")
def digits():
    return dataclasses.replace(mk.load_data("digits"), name="mnist")


@pytest.fixture
def accuracy(benchmark, monkeypatch, digits):
    """The benchmark's module, on scikit-learn's digits in place of MNIST."""
    module = benchmark("accuracy")
    monkeypatch.setattr(module, "load_published", lambda *_: digits)
    for name in ("save_plots", "write_report"):  # take longer than the trainings
        monkeypatch.setattr(outcome, name, lambda *_, **__: None)
    return module


@pytest.fixture
def run(accuracy, monkeypatch, tmp_path):
    """Runs the command; returns the seeds that it trained, and its rows."""

    def run(*arguments):
        trained, train = [], mk.train
        options = ["--data-dir", "x", "--out", str(tmp_path), *arguments]
        with monkeypatch.context() as patch:
            patch.setattr(mk, "train", lambda *a, **k: trained.append(k["seed"]) or train(*a, **k))
            patch.setattr("sys.argv", ["accuracy.py", *options])
            accuracy.main()
        name = "packaged.csv" if "--packaged" in arguments else "accuracy.csv"
        return trained, pd.read_csv(tmp_path / name)

    return run


def change_recipe(monkeypatch, name, **fields):
    """Changes the recipe of a registered model."""
    changed = recipes.RECIPES[name].replace(**fields)
    monkeypatch.setitem(recipes.RECIPES, name, changed)
    spec = dataclasses.replace(registry.MODELS[name], recipe=changed)
    monkeypatch.setitem(registry.MODELS, name, spec)


@pytest.mark.slow
def test_a_seed_is_trained_once_and_again_if_its_recipe_changes(run, accuracy, monkeypatch):
    name = "softmax_regression"
    change_recipe(monkeypatch, name, epochs=2)
    trained, rows = run("--recipes", name, "--seeds", "1")
    assert trained == rows["seed"].tolist() == [0]
    assert rows["errors"].tolist() == (360 * (1 - rows["accuracy"])).round().tolist()
    assert (rows["errors_in_first_half"] <= rows["errors"]).all()
    assert run("--recipes", name, "--seeds", "2")[0] == [1]

    change_recipe(monkeypatch, name, epochs=1)
    trained, rows = run("--recipes", name, "--seeds", "1")
    assert trained == [0]
    assert rows["digest"].nunique() == 2, "the rows of the other seeds are of the recipe before"
    assert rows["seed"].tolist() == [0, 1]


@pytest.mark.slow
def test_the_seeds_vote_once_all_are_there(run, accuracy, monkeypatch):
    """A small dense model shows it as well as `cnn_accurate` does."""
    change_recipe(monkeypatch, "softmax_regression", epochs=1)
    vote = dataclasses.replace(
        registry.MODELS["cnn_accurate_ensemble"],
        member="softmax_regression",
        num_members=2,
        recipe=recipes.RECIPES["softmax_regression"],
    )
    monkeypatch.setitem(registry.MODELS, vote.name, vote)
    name = "softmax_regression"
    trained = ((name, name, "mnist", 5), (vote.name, name, "mnist", 0))
    monkeypatch.setattr(accuracy, "ENTRIES", trained)
    assert run("--seeds", "1")[1]["seed"].tolist() == [0]
    trained, rows = run("--seeds", "2")
    assert trained == [1]
    members, row = rows.iloc[:2], rows.iloc[2]
    assert (row["net"], row["seed"]) == ("cnn_accurate_ensemble", "0 to 1")
    assert row["train_seconds"] == pytest.approx(members["train_seconds"].sum(), abs=0.15)
    monkeypatch.setattr(mk, "build_ensemble", None)
    assert run("--seeds", "2")[0] == [], "the vote is not scored again, either"


def probabilities(wrong):
    """Returns rows that are 0.7 sure of the label, or of the next class in the rows that are wrong."""
    rows = np.full((20, 10), 0.3 / 9)
    answers = LABELS.copy()
    answers[list(wrong)] = (answers[list(wrong)] + 1) % 10
    rows[np.arange(20), answers] = 0.7
    return rows


def test_each_score_of_packaged_weights_has_its_cell(accuracy, monkeypatch):
    answers = {("mlp_128", 0): [0, 1, 15], ("mlp_128", 1): [0]}
    answers["lenet5", 0] = [0, 2, 3, 4, 5]  # wrong where ours is too, and in four others

    def evaluate(model, _, shift=0):
        return mk.evaluate_predictions(LABELS, probabilities(answers[model, shift]))

    monkeypatch.setattr(mk, "evaluate", evaluate)
    monkeypatch.setattr(mk, "create_model", lambda name, **_: name)
    card = {"name": "mlp_128", "seed": 4, "recipe": mk.get_model_spec("mlp_128").recipe.to_dict()}
    card["temperature"] = 0.5
    data = type("Data", (), {"name": "mnist", "test": None})
    row = accuracy.packaged_row(card, data)
    assert (row["recipe"], row["seed"], row["accuracy"]) == ("mlp_128", "4", "0.8500")
    assert (row["errors_in_first_half"], row["errors_in_second_half"]) == ("2", "1")
    assert row["accuracy_of_views"] == "0.9500"
    assert (row["only_this_right"], row["only_lenet5_right"]) == ("4", "2")
    assert row["mcnemar_p_value"] == "0.69"  # 2 * (1 + 6 + 15) / 2**6
    expected = -(17 * np.log(0.7) + 3 * np.log(0.3 / 9)) / 20
    assert float(row["negative_log_likelihood"]) == pytest.approx(expected, abs=1e-5)
    total = 0.7**2 + 9 * (0.3 / 9) ** 2  # of the probabilities to the power of 1 / 0.5
    cooled = -(17 * np.log(0.7**2 / total) + 3 * np.log((0.3 / 9) ** 2 / total)) / 20
    assert float(row["negative_log_likelihood_at_temperature"]) == pytest.approx(cooled, abs=1e-5)


def test_packaged_weights_are_scored_and_the_other_rows_stay(run):
    _, rows = run("--packaged", "--recipes", "lenet5", "softmax_regression")
    assert rows["net"].tolist() == ["softmax_regression", "lenet5"]
    assert pd.isna(rows["mcnemar_p_value"][1]) and 0 < rows["mcnemar_p_value"][0] <= 1
    assert rows["accuracy"].between(rows["ci95_low"], rows["ci95_high"]).all()
    _, rows = run("--packaged", "--recipes", "mlp_128")
    assert rows["net"].tolist() == ["softmax_regression", "mlp_128", "lenet5"]


def test_a_title_says_what_is_not_the_usual(accuracy):
    titles = set(accuracy.entries()["title"])
    assert titles > {"`mlp_deep`", "`mlp_deep`, recipe `mlp_deep_elastic`", "`cnn_accurate`"}
    assert "`cnn_accurate`, recipe `cnn_accurate_fashion`, on `fashion_mnist`" in titles


@pytest.mark.parametrize(("arguments", "status"), [(["--seeds", "0"], 2), (["--recipes", "x"], 2)])
def test_bad_input_ends_it_before_any_work(accuracy, monkeypatch, arguments, status):
    monkeypatch.setattr(accuracy, "load_published", None)
    monkeypatch.setattr("sys.argv", ["accuracy.py", "--data-dir", "x", *arguments])
    with pytest.raises(SystemExit) as caught:
        accuracy.run_command(accuracy.main)
    assert caught.value.code == status
