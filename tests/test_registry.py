"""One contract over every registered net; the table, and what lists, makes and loads nets."""

import subprocess
import sys

import keras
import numpy as np
import pytest

import mnist_keras as mk
from mnist_keras import pretrained
from mnist_keras._validation import InputError
from mnist_keras.distribution import precision_policy
from mnist_keras.recipes import RECIPES
from mnist_keras.registry import MODELS, is_wide

NAMES = mk.list_models()
# Keras 3.15 says so before the error, where a file's layers are others than the net's.
ignore_other_layers = pytest.mark.filterwarnings("ignore:Skipping nested container:UserWarning")


def create(name, seed=0, **options):
    keras.utils.set_random_seed(seed)
    return mk.create_model(name, **options)


def random_images(*shape, n=4):
    return np.random.default_rng(0).random((n, *(shape or (28, 28, 1))), np.float32)


def error_of(call, *args, **kwargs) -> str:
    with pytest.raises(InputError) as caught:
        call(*args, **kwargs)
    return str(caught.value)


# The contract of a registered net.


@pytest.mark.parametrize("name", NAMES)
def test_input_and_output(name):
    model = create(name)
    assert model.name == name
    assert model.input_shape == (None, 28, 28, 1) and model.input.dtype == "float32"
    outputs = np.asarray(model(random_images()))
    assert outputs.shape == (4, 10) and outputs.dtype == np.float32
    assert outputs.min() >= 0
    np.testing.assert_allclose(outputs.sum(axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_number_of_parameters(name):
    assert create(name).count_params() == mk.get_model_spec(name).num_parameters


@pytest.mark.parametrize("name", NAMES)
def test_one_seed_same_weights(name):
    first, again, other = (create(name, seed).get_weights() for seed in (1, 1, 2))
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b)
    assert any(not np.array_equal(a, b) for a, b in zip(first, other, strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_float32_output_under_mixed_precision(name):
    with precision_policy("mixed_bfloat16"):
        model = create(name)
    outputs = np.asarray(model(random_images()))
    assert outputs.dtype == np.float32
    np.testing.assert_allclose(outputs.sum(axis=1), 1, atol=1e-5)
    assert {variable.dtype for variable in model.trainable_variables} == {"float32"}


@pytest.mark.parametrize("name", NAMES)
def test_two_steps_lower_the_loss(name):
    model, images, labels = create(name), random_images(n=32), np.arange(32) % 10
    loss = keras.losses.SparseCategoricalCrossentropy()
    model.compile("sgd", loss, run_eagerly=True)
    before = float(loss(labels, model(images)))
    for _ in range(2):
        model.train_on_batch(images, labels)
    assert float(loss(labels, model(images))) < before


@pytest.mark.parametrize("name", [name for name in NAMES if MODELS[name].member is None])
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


# In a process that cannot import the package: a saved net is stock Keras.
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
        "cnn_tiny",
        "lenet5",
        "mlp_1024_128",
        "mlp_128",
        "mlp_128_64_dropout",
        "mlp_deep",
        "softmax_regression",
    ]


@pytest.mark.parametrize("name", NAMES)
def test_an_entry_is_complete(name):
    spec = mk.get_model_spec(name)
    assert spec.name == name
    assert spec.description and spec.source
    assert spec.recipe is RECIPES[spec.member or name]
    assert spec.claimed_accuracy is None or 0.9 < spec.claimed_accuracy < 1


def test_registry_and_public_builders_are_the_same():
    public = {name for name in mk.__all__ if name.startswith("build_")}
    assert {spec.builder for spec in MODELS.values()} == public
    others = {"cnn_accurate_fashion", "mlp_deep_elastic"}  # asked for by `--recipe`
    plain = {name: spec for name, spec in MODELS.items() if spec.member is None}
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
        "'cnn_accurate_ensemble' is a vote of 5 nets, which are trained one by one. Expected a single net: train "
        "'cnn_accurate' with a seed for each and hand the models to build_ensemble, or take the packaged weights: "
        "create_model('cnn_accurate_ensemble', weights='mnist')."
    )
    for recipe in (None, "cnn_accurate"):
        assert error_of(mk.train, "cnn_accurate_ensemble", "digits", recipe=recipe) == text


def test_an_ensemble_keeps_its_top():
    for weights in (None, "mnist", "nowhere.keras"):
        options = {"weights": weights, "include_top": False}
        assert error_of(mk.create_model, "cnn_accurate_ensemble", **options) == (
            "Invalid `include_top`. Expected True for an ensemble, whose members vote by their probabilities. "
            "Received: False. The features of 'cnn_accurate' are to be had."
        )


def test_claims_are_those_of_the_sources():
    claims = {name: spec.claimed_accuracy for name, spec in MODELS.items() if spec.claimed_accuracy}
    assert claims == {
        "cnn_2conv": 0.97,
        "cnn_fast": 0.9904,
        "lenet5": 0.9905,
        "mlp_128": 0.97,
        "mlp_128_64_dropout": 0.9785,
        "mlp_deep": 0.9811,
    }


def test_bfloat16_speeds_up_all_nets_but_the_smallest():
    assert [name for name in NAMES if not is_wide(name)] == ["softmax_regression"]
    assert not is_wide(mk.create_model("lenet5")), "a model was built in a precision already"


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


# Weights from files.


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A net of seed 3 as a model, and in a directory as weights, as a model and as a run leaves it."""
    directory = tmp_path_factory.mktemp("saved")
    model = create("mlp_128", seed=3)
    model.save_weights(directory / "a.weights.h5")
    model.save(directory / "model.keras")
    return model, directory


@pytest.mark.parametrize("file", ["a.weights.h5", "model.keras"])
def test_weights_from_a_file(saved, file):
    model, directory = saved
    images = random_images()
    loaded = mk.create_model("mlp_128", weights=directory / file)
    np.testing.assert_array_equal(loaded(images), model(images))
    features = mk.create_model("mlp_128", weights=str(directory / file), include_top=False)
    assert features.output_shape == (None, 128) and features.name == "mlp_128"
    expected = keras.Model(model.input, model.get_layer("dense_1").output)(images)
    np.testing.assert_array_equal(features(images), expected)


@ignore_other_layers
@pytest.mark.parametrize(
    ("name", "options"),
    [("cnn_2conv", {}), ("mlp_128", {"num_classes": 5}), ("mlp_128", {"input_shape": (8, 8, 1)})],
)
def test_weights_of_another_net_are_an_error(saved, name, options):
    path = saved[1] / "a.weights.h5"
    text = error_of(mk.create_model, name, weights=path, **options)
    shown = {"num_classes": 10, "input_shape": (28, 28, 1), **options}
    assert text.startswith(
        f"The weights in {path} cannot be loaded or do not fit {name!r} with "
        f"num_classes={shown['num_classes']} and input_shape={shown['input_shape']}. "
        "Packaged weights have 10 classes and (28, 28, 1). Keras says: "
    )


def test_weights_that_are_not_there_are_an_error(tmp_path):
    for weights in ("imagenet", str(tmp_path), str(tmp_path / "none.weights.h5")):
        assert error_of(mk.create_model, "mlp_128", weights=weights) == (
            "Invalid `weights`. Expected None, one of: mnist, fashion_mnist, or the path of a weights "
            f"file. Received: {weights!r}."
        )


def broken_files(directory, source):
    """Yields copies of a file: empty, cut, of another kind, and with bytes changed, as a bad disk leaves it."""
    content = source.read_bytes()
    rng = np.random.default_rng(0)
    contents = [b"", content[: len(content) // 2], b"hello"]
    for number in range(30):
        changed = bytearray(content)
        # Changes in the values themselves make other values, which no reader notices.
        for place in rng.integers(0, 3000 if number % 2 else 400, 5):
            changed[place] ^= int(rng.integers(1, 256))
        contents.append(bytes(changed))
    for number, content in enumerate(contents):
        path = directory / f"{number}{''.join(source.suffixes)}"
        path.write_bytes(content)
        yield path


@ignore_other_layers
@pytest.mark.parametrize("file", ["a.weights.h5", "model.keras"])
def test_damaged_files_load_or_are_an_error(saved, tmp_path, file):
    refused = 0
    for path in broken_files(tmp_path, saved[1] / file):
        calls = [lambda path=path: mk.create_model("mlp_128", weights=path)]
        if path.suffix == ".keras":
            calls.append(lambda path=path: mk.load_model(path))
        for call in calls:
            try:
                call()
            except InputError as error:
                assert str(path) in str(error)
                refused += 1
    assert refused >= 10


@pytest.mark.parametrize("error", [AttributeError, IndexError, KeyError, RuntimeError, OSError])
def test_whatever_keras_raises_for_a_damaged_file_names_it(tmp_path, monkeypatch, error):
    def load_model(path):
        raise error("odd")  # the first two come from config.json with a few characters changed

    monkeypatch.setattr(keras.models, "load_model", load_model)
    (tmp_path / "a.keras").touch()
    text = error_of(mk.load_model, tmp_path / "a.keras")
    assert text.startswith(f"{tmp_path / 'a.keras'} is not a model that Keras can load. ")


def test_load_model_of_a_run_directory_and_of_a_file(saved):
    model, directory = saved
    images = random_images()
    for source in (directory, str(directory), directory / "model.keras"):
        np.testing.assert_array_equal(mk.load_model(source)(images), model(images))


def test_load_model_of_what_is_no_model(tmp_path):
    sources = "Expected a run directory, a .keras file, or a registered name (`mnist-keras models` lists them)."
    assert error_of(mk.load_model, tmp_path) == f"The directory {tmp_path} holds no run. {sources}"
    (tmp_path / "config.json").touch()
    assert error_of(mk.load_model, tmp_path) == (
        f"The directory {tmp_path} holds no finished run: there is no model.keras. Finish the run with "
        "`mnist-keras train ... --resume`, or start it anew with --overwrite."
    )
    long = "x" * 300
    text = f"{long} cannot be read: File name too long. {sources}"
    assert error_of(mk.load_model, long) == text
    path = tmp_path / "none.keras"
    assert error_of(mk.load_model, path) == f"There is no model at {path}. {sources}"
    path.write_text("hello")
    assert error_of(mk.load_model, path).startswith(
        f"{path} is not a model that Keras can load. {sources} Keras says: "
    )


def test_load_model_of_a_name_has_its_packaged_weights(monkeypatch):
    asked = []

    def find_weights(name, dataset):
        asked.append((name, dataset))
        raise InputError("none")

    monkeypatch.setattr(pretrained, "find_weights", find_weights)
    error_of(mk.load_model, "lenet5")
    error_of(mk.create_model, "mlp_128", weights="fashion_mnist")
    assert asked == [("lenet5", "mnist"), ("mlp_128", "fashion_mnist")]
