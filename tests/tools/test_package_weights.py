"""What puts weights into the package: they are rounded, scored so, and have a card that says how to repeat them."""

import dataclasses
import importlib
import json
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
from errors import error_of

import mnist_keras as mk
from mnist_keras.models import pretrained, registry


@pytest.fixture
def package_weights(monkeypatch, tmp_path):
    """The tool's module, on scikit-learn's digits in place of MNIST; it packages into the test's directory."""
    digits = dataclasses.replace(mk.load_data("digits"), name="mnist")
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "tools"))
    module = importlib.import_module("package_weights")
    monkeypatch.setattr(module, "load_published", lambda *_: digits)
    for place in (module, pretrained):
        monkeypatch.setattr(place, "WEIGHTS_DIRECTORY", tmp_path)
    return module


def train_as_mnist(name, run_dir, *, seed=0):
    """Trains on the digits and writes into the configuration that they were MNIST."""
    run = mk.train(name, mk.load_data("digits"), seed=seed, run_dir=run_dir, verbose=0)
    path = run_dir / "config.json"
    config = json.loads(path.read_text())
    config["data"]["name"] = "mnist"
    path.write_text(json.dumps(config))
    return run


def test_weights_are_packaged_rounded_and_scored_so(package_weights, tmp_path):
    run = train_as_mnist("mlp_128", tmp_path / "run")
    card = package_weights.package([tmp_path / "run"], tmp_path)
    assert card["command"] == "mnist-keras train mlp_128 --data mnist --seed 0"
    assert json.loads((tmp_path / "mlp_128.json").read_text()) == card
    assert (tmp_path / "mlp_128.weights.h5").stat().st_size < 2.2 * 101_770 + 30_000
    loaded = mk.create_model("mlp_128", weights="mnist")
    assert {variable.dtype for variable in loaded.variables} == {"float32"}
    for ours, trained in zip(loaded.get_weights(), run.model.get_weights(), strict=True):
        np.testing.assert_allclose(ours, trained, rtol=2**-11, atol=2**-24)
    assert (
        card["results"]["test_accuracy"]
        == mk.evaluate(loaded, mk.load_data("digits").test).accuracy
    )
    assert keras.config.dtype_policy().name == "float32"


@pytest.mark.slow
def test_members_are_packaged_as_one_ensemble(package_weights, monkeypatch, tmp_path):
    """A small dense model shows it as well as `cnn_accurate` does."""
    member = registry.MODELS["softmax_regression"]
    spec = registry.MODELS["cnn_accurate_ensemble"]
    spec = dataclasses.replace(spec, member=member.name, num_members=2, recipe=member.recipe)
    monkeypatch.setitem(registry.MODELS, spec.name, spec)
    runs = [tmp_path / f"run-{seed}" for seed in range(2)]
    for seed, run in enumerate(runs):
        train_as_mnist(member.name, run, seed=seed)
    card = package_weights.package(runs, tmp_path, ensemble=spec.name)
    assert card["seed"] == [0, 1]
    assert card["command"].endswith(" --recipes softmax_regression --seeds 2 --out OUT")
    images = mk.load_data("digits").test.images
    voted = mk.predict_probabilities(mk.create_model(spec.name, weights="mnist"), images)
    members = [mk.predict_probabilities(mk.load_model(run), images) for run in runs]
    np.testing.assert_allclose(voted, np.mean(members, axis=0), atol=0.01)
    same = error_of(package_weights.package, [runs[0]] * 2, tmp_path, ensemble=spec.name)
    assert same == "The runs have the seeds [0, 0]. Expected: [0, 1]."


def test_weights_beyond_float16_are_not_packaged(package_weights, tmp_path):
    model = mk.create_model("mlp_128")
    model.set_weights([1e6 * np.ones_like(weights) for weights in model.get_weights()])
    message = error_of(package_weights.save_rounded, model, tmp_path / "a.weights.h5")
    assert message == "The weights dense_1/kernel are beyond the range of float16."
    assert not (tmp_path / "a.weights.h5").exists()


def test_a_run_of_a_recipe_without_a_name_is_not_packaged(package_weights):
    config = {"model": {"name": "mlp_128"}, "recipe": mk.Recipe(epochs=77).to_dict(), "seed": 0}
    message = error_of(package_weights.train_command, "mlp_128", "mnist", config)
    assert message == "The recipe of mlp_128's run is not a registered one."


def test_a_temperature_is_of_the_same_model_recipe_and_data(package_weights, monkeypatch, tmp_path):
    recipe = mk.get_model_spec("mlp_128").recipe
    row = {"data": "mnist", "digest": package_weights.model_digest("mlp_128", recipe)}
    row |= {"temperature": "1.5", "held_out": "10000"}
    few, old = {**row, "temperature": "1.6", "held_out": "64"}, {**row, "temperature": ""}
    pd.DataFrame([row, few, old]).to_csv(tmp_path / "trials.csv", index=False)
    monkeypatch.setattr(package_weights, "RESULTS", tmp_path)
    card = {"name": "mlp_128", "dataset": "mnist", "recipe": recipe.to_dict()}
    find = package_weights.find_temperature
    assert find(card) == 1.5, "not one of so few images"
    assert find({**card, "dataset": "fashion_mnist"}) is None
    assert find({**card, "recipe": recipe.replace(epochs=3).to_dict()}) is None
    spec = registry.MODELS["mlp_128"]
    spec = dataclasses.replace(spec, arguments={"hidden_units": (128,), "dropout": 0.1})
    monkeypatch.setitem(registry.MODELS, "mlp_128", spec)
    assert find(card) is None, "the model has changed"
