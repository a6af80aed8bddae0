"""One contract for every registered model, and the table that lists them."""

import subprocess
import sys

import keras
import numpy as np
import pytest
from errors import error_of

import mnist_keras as mk
from mnist_keras.models.recipes import RECIPES
from mnist_keras.models.registry import MODELS
from mnist_keras.training.devices import precision_policy

NAMES = mk.list_models()
every_model = pytest.mark.parametrize(
    "name",
    [pytest.param(x, marks=[pytest.mark.slow] * x.endswith("_ensemble")) for x in NAMES],
)


def create(name, seed=0, **options):
    keras.utils.set_random_seed(seed)
    return mk.create_model(name, **options)


def random_images(*shape, n=4):
    return np.random.default_rng(0).random((n, *(shape or (28, 28, 1))), np.float32)


# The contract of a registered model.


@every_model
def test_input_and_output(name):
    model = create(name)
    assert model.name == name
    assert model.input_shape == (None, 28, 28, 1) and model.input.dtype == "float32"
    outputs = np.asarray(model(random_images()))
    assert outputs.shape == (4, 10) and outputs.dtype == np.float32
    assert outputs.min() >= 0
    np.testing.assert_allclose(outputs.sum(axis=1), 1, atol=1e-5)


@every_model
def test_number_of_parameters(name):
    assert create(name).count_params() == mk.get_model_spec(name).num_parameters


@every_model
def test_one_seed_same_weights(name):
    first, again, other = (create(name, seed).get_weights() for seed in (1, 1, 2))
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b)
    assert any(not np.array_equal(a, b) for a, b in zip(first, other, strict=True))


@every_model
def test_float32_output_under_mixed_precision(name):
    with precision_policy("mixed_bfloat16"):
        model = create(name)
    outputs = np.asarray(model(random_images()))
    assert outputs.dtype == np.float32
    np.testing.assert_allclose(outputs.sum(axis=1), 1, atol=1e-5)
    assert {variable.dtype for variable in model.trainable_variables} == {"float32"}


@every_model
def test_two_steps_lower_the_loss(name):
    model, images, labels = create(name), random_images(n=32), np.arange(32) % 10
    loss = keras.losses.SparseCategoricalCrossentropy()
    model.compile("sgd", loss, run_eagerly=True)
    before = float(loss(labels, model(images)))
    for _ in range(2):
        model.train_on_batch(images, labels)
    assert float(loss(labels, model(images))) < before


@pytest.mark.parametrize("name", [name for name in NAMES if MODELS[name].trained_as == name])
def test_variants(name):
    spec = mk.get_model_spec(name)
    images = random_images(32, 20, 3)
    small = create(name, num_classes=5, input_shape=(32, 20, 3))
    assert np.asarray(small(images)).shape == (4, 5)
    features = create(name, include_top=False, input_shape=(32, 20, 3))
    assert small.layers[-2].output.shape == features.output.shape
    keras.utils.set_random_seed(0)
    options = {"num_classes": 5, "input_shape": (32, 20, 3)}
    logits = spec.build(classifier_activation=None, include_rescaling=True, **options)
    np.testing.assert_allclose(
        keras.ops.softmax(logits(images * 255)), small(images), rtol=1e-3, atol=1e-6
    )


# In a process that cannot import the package: a saved model is stock Keras.
LOAD = """
import sys
sys.modules["mnist_keras"] = None
import keras, numpy as np
from pathlib import Path

directory = Path(sys.argv[1])
images = np.load(directory / "images.npy")
for path in sorted(directory.glob("*.keras")):
    outputs = np.asarray(keras.models.load_model(path)(images))
    np.testing.assert_array_equal(outputs, np.load(path.with_suffix(".npy")))
    print(path.stem)
"""


@pytest.mark.slow
def test_saved_nets_load_where_the_package_is_not_installed(tmp_path):
    images = random_images()
    np.save(tmp_path / "images.npy", images)
    for name in NAMES:
        model = create(name)
        model.save(tmp_path / f"{name}.keras")
        np.save(tmp_path / f"{name}.npy", np.asarray(model(images)))
    done = subprocess.run(
        [sys.executable, "-c", LOAD, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert done.stdout.split() == NAMES, done.stderr


# The table.


def test_the_documented_nets_are_there():
    assert NAMES == [
        "cnn_2conv",
        "cnn_accurate",
        "cnn_accurate_ensemble",
        "cnn_fast",
        "cnn_real_world",
        "cnn_tiny",
        "lenet5",
        "mlp_1024_128",
        "mlp_128",
        "mlp_128_64_dropout",
        "mlp_deep",
        "softmax_regression",
    ]


@every_model
def test_an_entry_is_complete(name):
    spec = mk.get_model_spec(name)
    assert spec.name == name
    assert spec.description and spec.source
    assert spec.recipe is RECIPES[spec.trained_as]
    assert spec.claimed_accuracy is None or 0.9 < spec.claimed_accuracy < 1


def test_registry_and_public_builders_are_the_same():
    public = {name for name in mk.__all__ if name.startswith("build_")}
    built = {getattr(spec, "builder", "build_ensemble") for spec in MODELS.values()}
    assert built == public
    others = {"mlp_deep_elastic", "cnn_accurate_fashion"}  # asked for by `--recipe`
    plain = {name: spec for name, spec in MODELS.items() if spec.trained_as == name}
    assert set(RECIPES) == set(plain) | others
    for name, spec in plain.items():
        built = getattr(mk, spec.builder)(**spec.arguments, name=name)
        assert built.get_config() == mk.create_model(name).get_config()


def test_an_ensemble_is_a_vote_of_its_members():
    spec = MODELS["cnn_accurate_ensemble"]
    vote = mk.create_model(spec.name, num_classes=3, input_shape=(14, 14, 1))
    member = mk.create_model("cnn_accurate", num_classes=3, input_shape=(14, 14, 1))
    assert vote.name == spec.name and vote.output_shape == (None, 3)
    assert vote.count_params() == spec.num_members * member.count_params()
    images = np.random.default_rng(0).random((2, 14, 14, 1), np.float32)
    members = [layer for layer in vote.layers if isinstance(layer, keras.Model)]
    mean = np.mean([member(images) for member in members], axis=0)
    np.testing.assert_allclose(vote(images), mean, atol=1e-6)
    assert not np.allclose(members[0](images), members[1](images)), "each has weights of its own"


def test_an_ensemble_is_not_trained_as_a_whole():
    text = (
        "'cnn_accurate_ensemble' is an ensemble; its members are trained one by one. Expected a single model: train "
        "'cnn_accurate' with a seed for each and pass the models to build_ensemble, or load the packaged weights: "
        "create_model('cnn_accurate_ensemble', weights='mnist')."
    )
    for recipe in (None, "cnn_accurate"):
        assert error_of(mk.train, "cnn_accurate_ensemble", "digits", recipe=recipe) == text


def test_an_ensemble_keeps_its_top():
    for weights in (None, "mnist", "nowhere.keras"):
        options = {"weights": weights, "include_top": False}
        assert error_of(mk.create_model, "cnn_accurate_ensemble", **options) == (
            "Invalid `include_top`. Expected True for an ensemble, whose members vote by their probabilities. "
            "Received: False. For features, use create_model('cnn_accurate', include_top=False)."
        )


def test_claims_are_those_of_the_sources():
    claims = {name: spec.claimed_accuracy for name, spec in MODELS.items() if spec.claimed_accuracy}
    assert claims == {
        "cnn_2conv": 0.97,
        "lenet5": 0.9905,
        "mlp_128": 0.97,
        "mlp_128_64_dropout": 0.9785,
        "mlp_deep": 0.9811,
    }


def test_bfloat16_speeds_up_all_nets_but_the_smallest():
    assert [name for name in NAMES if not MODELS[name].is_wide] == ["softmax_regression"]


def test_list_models_takes_a_pattern():
    assert mk.list_models("mlp_128*") == ["mlp_128", "mlp_128_64_dropout"]
    assert mk.list_models("*resnet*") == []


def test_an_unknown_net_is_an_error_that_names_the_nearest():
    text = f"Unknown model 'mlp128'. Did you mean 'mlp_128'? Expected one of: {', '.join(NAMES)}."
    assert error_of(mk.get_model_spec, "mlp128") == text
    assert error_of(mk.create_model, "mlp128") == text
    assert error_of(mk.load_model, "mlp128") == text
    assert error_of(mk.create_model, "Lenet5").startswith(
        "Unknown model 'Lenet5'. Did you mean 'lenet5'?"
    )


def test_a_wrong_name_is_told_before_keras_is_imported(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "keras", None)  # an import of it would raise ImportError
    for call in (mk.get_model_spec, mk.create_model, mk.load_model):
        error_of(call, "mlp128")
    error_of(mk.load_model, tmp_path)
    error_of(mk.load_model, tmp_path / "none.keras")
