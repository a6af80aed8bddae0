"""Packaged weights: found, verified, and as good as their cards say."""

import functools
import hashlib
import json
import math
import re

import h5py
import keras
import numpy as np
import pytest
from errors import error_of

import mnist_keras as mk
from mnist_keras.evaluation.metrics import wilson_interval
from mnist_keras.models import pretrained
from mnist_keras.models.recipes import RECIPES
from mnist_keras.models.ways import HIDDEN_CLASSES, NOT_A_DIGIT

PACKAGED = [
    (name, dataset) for dataset in pretrained.DATASETS for name in pretrained.list_weights(dataset)
]
CARD = {  # key -> type
    "name": str,
    "dataset": str,
    "sha256": str,
    "num_parameters": int,
    "input": dict,
    "output": dict,
    "recipe": dict,
    "seed": int,
    "command": str,
    "results": dict,
    "temperature": float,
    "data_license": str,
    "versions": dict,
    "hardware": str,
    "train_seconds": float,
}


REAL_WORLD = {  # what the card of these weights tells beyond that
    "hidden_classes": list,
    "training_data": str,
    "not_a_digit": dict,
    "held_out": dict,
}
TOP_LAYERS = ("predictions", "hidden_classes")
LICENSED = {"mnist": "MNIST", "fashion_mnist": "Fashion-MNIST"}


# The packaged cards.


def test_every_registered_net_has_weights_for_mnist():
    assert mk.list_models() == pretrained.list_weights("mnist")
    assert pretrained.list_weights("fashion_mnist") == ["cnn_accurate"]


@pytest.mark.parametrize(("name", "dataset"), PACKAGED)
def test_a_card_is_complete_and_true(name, dataset):
    card = pretrained.load_card(name, dataset)
    spec = mk.get_model_spec(name)
    single = spec.trained_as == spec.name
    num_members = 1 if single else spec.num_members
    more = REAL_WORLD if name == "cnn_real_world" else {}
    other = {} if single else {"seed": list, "temperature": type(None)}  # fitted to members alone
    assert {key: type(value) for key, value in card.items()} == CARD | more | other
    assert (card["name"], card["dataset"]) == (name, dataset)
    if more:
        options = f"--data-dir DIR --out OUT --seed {card['seed']}"
        assert card["command"] == f"python tools/train_real_world.py {options}"
        recipe = name
    elif single:
        by = "" if card["recipe"] == spec.recipe.to_dict() else " --recipe .+"
        command = f"mnist-keras train {name} --data {dataset}{by} --seed {card['seed']}"
        assert re.fullmatch(command, card["command"])
        recipe = card["command"].split()[-3] if by else name
        assert card["seed"] == 0, "not a seed that was picked"
    else:
        assert card["seed"] == list(range(spec.num_members))
        recipe = spec.trained_as
        options = f"--recipes {recipe} --seeds {spec.num_members} --out OUT"
        assert card["command"] == f"python benchmarks/accuracy.py --data-dir DIR {options}"
    assert card["recipe"] == RECIPES[recipe].to_dict()
    assert {"mnist_keras", "python", "tensorflow", "keras", "numpy"} <= set(card["versions"])
    assert card["data_license"].startswith(LICENSED[dataset]) and card["hardware"]
    assert 0 < card["train_seconds"] < (3600 if more else 1800 * num_members)

    model = mk.create_model(name, weights=dataset)
    assert card["num_parameters"] == spec.num_parameters == model.count_params()
    contract = card["input"]
    assert tuple(contract["shape"]) == model.input_shape[1:]
    assert (contract["dtype"], contract["range"]) == (model.input.dtype, [0, 1])
    assert tuple(card["output"]["shape"]) == model.output_shape[1:]
    assert card["output"]["dtype"] == model.output.dtype

    results = card["results"]
    low, high = results["test_accuracy_ci95"]
    num_correct = round(10_000 * results["test_accuracy"])
    assert (low, high) == pytest.approx(wilson_interval(num_correct, 10_000))
    if spec.claimed_accuracy is not None and dataset == "mnist":
        assert high >= spec.claimed_accuracy
    assert results["train_accuracy"] > 0.9


def test_all_weights_together_are_small():
    paths = sorted(pretrained.WEIGHTS_DIRECTORY.glob("*.weights.h5"))
    assert len(paths) == len(PACKAGED), "there are weights without a card"
    assert sum(path.stat().st_size for path in paths) < 30_000_000


@pytest.mark.parametrize(("name", "dataset"), PACKAGED)
def test_weights_are_stored_as_float16(name, dataset):
    """All but the classifying layer's: it computes in float32 under any policy."""
    sizes: dict[str, int] = {}

    def count(_, item):
        if isinstance(item, h5py.Dataset):
            sizes[item.dtype.name] = sizes.get(item.dtype.name, 0) + item.size

    with h5py.File(pretrained.find_weights(name, dataset)) as file:
        file.visititems(count)
    weights = mk.get_model_spec(name).build().weights
    top = sum(math.prod(x.shape) for x in weights if x.path.split("/")[-2] in TOP_LAYERS)
    rest = sum(math.prod(x.shape) for x in weights) - top
    assert (sizes["float32"], sizes.get("float16", 0)) == (top, rest)


@pytest.fixture(scope="module")
def load(data_dir):
    return functools.cache(functools.partial(mk.load_data, data_dir=data_dir))


@pytest.mark.slow
@pytest.mark.parametrize(("name", "dataset"), PACKAGED)
def test_a_card_gives_the_accuracy_on_the_test_images(load, name, dataset):
    results, data = pretrained.load_card(name, dataset)["results"], load(dataset)
    model = mk.create_model(name, weights=dataset)
    evaluation = mk.evaluate(model, data.test_images, data.test_labels)
    # Another processor rounds otherwise and may turn an image that lies between two classes.
    assert evaluation.accuracy == pytest.approx(results["test_accuracy"], abs=3e-4)
    for score in ("negative_log_likelihood", "brier_score"):
        assert getattr(evaluation, score) == pytest.approx(results[score], rel=1e-2)
    assert evaluation.expected_calibration_error == pytest.approx(
        results["expected_calibration_error"], abs=1e-3
    )


# Finding and verifying, in a directory of the test's own.


@pytest.fixture
def directory(tmp_path, monkeypatch):
    """Weights of one model for two datasets."""
    monkeypatch.setattr(pretrained, "WEIGHTS_DIRECTORY", tmp_path)
    for seed, (stem, dataset) in enumerate(
        [("mlp_128", "mnist"), ("mlp_128-fashion_mnist", "fashion_mnist")]
    ):
        keras.utils.set_random_seed(seed)
        path = tmp_path / f"{stem}.weights.h5"
        mk.create_model("mlp_128").save_weights(path)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        card = {"name": "mlp_128", "dataset": dataset, "sha256": digest}
        (tmp_path / f"{stem}.json").write_text(json.dumps(card), encoding="utf-8")
    return tmp_path


def test_weights_are_found_by_net_and_data_set(directory):
    assert pretrained.list_weights() == pretrained.list_weights("fashion_mnist") == ["mlp_128"]
    assert pretrained.list_weights("kmnist") == []
    assert pretrained.find_weights("mlp_128") == directory / "mlp_128.weights.h5"
    assert pretrained.load_card("mlp_128", "fashion_mnist")["dataset"] == "fashion_mnist"
    for seed, dataset in enumerate(("mnist", "fashion_mnist")):
        keras.utils.set_random_seed(seed)
        expected = mk.create_model("mlp_128").get_weights()
        loaded = mk.create_model("mlp_128", weights=dataset).get_weights()
        for a, b in zip(expected, loaded, strict=True):
            np.testing.assert_array_equal(a, b)


def test_load_model_takes_a_name(directory):
    assert mk.load_model("mlp_128").name == "mlp_128"


def test_packaged_weights_without_the_top(directory):
    assert mk.create_model("mlp_128", weights="mnist", include_top=False).output_shape[1] == 128


@pytest.mark.filterwarnings("ignore:Skipping nested container:UserWarning")
def test_packaged_weights_are_for_one_size_of_image(directory):
    text = error_of(mk.create_model, "mlp_128", weights="mnist", input_shape=(20, 20, 1))
    assert "do not fit 'mlp_128' with num_classes=10 and input_shape=(20, 20, 1)" in text
    assert "Packaged weights have 10 classes and (28, 28, 1)" in text


def test_no_weights_is_an_error_that_says_what_to_do(directory):
    assert error_of(mk.create_model, "lenet5", weights="mnist") == (
        "There are no packaged weights of 'lenet5' for 'mnist'. Models that have them: mlp_128. "
        "Train 'lenet5' with: mnist-keras train lenet5 --data mnist"
    )
    assert error_of(pretrained.load_card, "mlp_128", "kmnist") == (
        "There are no packaged weights of 'mlp_128' for 'kmnist'. Models that have them: none. "
        "Train 'mlp_128' with: mnist-keras train mlp_128 --data kmnist"
    )
    text = error_of(mk.create_model, "cnn_accurate_ensemble", weights="fashion_mnist")
    assert text.endswith(
        ". Train 'cnn_accurate' with: mnist-keras train cnn_accurate --data fashion_mnist"
    ), "an ensemble is not trained as a whole"


@pytest.mark.parametrize("damage", ["flipped", "cut", "missing"])
def test_damaged_weights_are_an_error(directory, damage):
    path = directory / "mlp_128.weights.h5"
    content = bytearray(path.read_bytes())
    expected = hashlib.sha256(content).hexdigest()
    if damage == "flipped":
        content[-100] ^= 1  # a weight, which Keras would load in silence
        path.write_bytes(content)
    elif damage == "cut":
        path.write_bytes(content[:1000])
    else:
        path.unlink()
    received = hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else "no file"
    assert error_of(mk.create_model, "mlp_128", weights="mnist") == (
        f"The packaged weights {path} are damaged. Expected SHA-256 {expected}. Received: {received}. "
        "Install mnist-keras again."
    )


def test_a_damaged_card_is_an_error(directory):
    path = directory / "mlp_128.json"
    for content in (b'{"name": ', b"\xff\xfe"):
        path.write_bytes(content)
        for call in (pretrained.list_weights, lambda: pretrained.find_weights("mlp_128")):
            text = error_of(call)
            assert text.startswith(f"The model card {path} is damaged: ")
            assert text.endswith(". Install mnist-keras again.")


def test_the_card_of_the_real_world_says_how_its_weights_know_no_digit():
    card = pretrained.load_card("cnn_real_world")
    assert tuple(card["hidden_classes"]) == HIDDEN_CLASSES
    assert card["not_a_digit"]["hidden_class"] == NOT_A_DIGIT
    assert 0.05 < card["not_a_digit"]["threshold"] < 0.95
    assert 0.2 < card["temperature"] < 1.5
    assert card["held_out"]["images"] == 10_000 and card["held_out"]["rejected"] <= 0.002
    assert card["held_out"]["accuracy"] > 0.995
    for word in ("strokes", "fonts", "letter", "fragment", "no digits"):
        assert word in card["training_data"]
