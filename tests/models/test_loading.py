"""Models made by name and loaded from files and runs; a damaged file is an error that names it."""

import keras
import numpy as np
import pytest
from errors import error_of

import mnist_keras as mk
from mnist_keras._validation import InputError
from mnist_keras.models import loading, pretrained

# Keras 3.15 says so before the error, where a file's layers are not the model's.
ignore_other_layers = pytest.mark.filterwarnings("ignore:Skipping nested container:UserWarning")


def random_images(n=4):
    return np.random.default_rng(0).random((n, 28, 28, 1), np.float32)


# Weights from files.


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A model of seed 3, and a directory with its weights, its file, and what a run leaves of it."""
    directory = tmp_path_factory.mktemp("saved")
    keras.utils.set_random_seed(3)
    model = mk.create_model("mlp_128")
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
    missing = (
        "imagenet",
        str(tmp_path),
        str(tmp_path / "none.weights.h5"),
        "x" * 300,
        3,
        True,
        ["mnist"],
    )
    for weights in missing:
        assert error_of(mk.create_model, "mlp_128", weights=weights) == (
            "Invalid `weights`. Expected None, one of: mnist, fashion_mnist, or the path of a weights "
            f"file. Received: {str(weights)!r}."
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
        "`mnist-keras train ... --resume`, or start it again with --overwrite."
    )
    long = "x" * 300
    text = f"{long} cannot be read: File name too long. {sources}"
    assert error_of(mk.load_model, long) == text
    path = tmp_path / "none.keras"
    assert error_of(mk.load_model, path) == f"There is no model at {path}. {sources}"
    path.write_text("hello")
    assert error_of(mk.load_model, path).startswith(
        f"{path} is not a model that Keras can load. {sources} Keras says: "
        "the file is not a zip archive, as .keras files are."
    )


def test_load_model_of_a_name_has_its_packaged_weights(monkeypatch):
    asked = []

    def find_weights(name, dataset, *, trainable):
        asked.append((name, dataset))
        raise InputError("none")

    monkeypatch.setattr(pretrained, "find_weights", find_weights)
    error_of(mk.load_model, "lenet5")
    error_of(mk.load_model, "cnn_2conv", dataset="fashion_mnist")
    error_of(mk.create_model, "mlp_128", weights="fashion_mnist")
    sets = "mnist", "fashion_mnist", "fashion_mnist"
    assert asked == list(zip(("lenet5", "cnn_2conv", "mlp_128"), sets, strict=True))


@pytest.mark.parametrize("dataset", [None, "kmnist", "weights.h5", 3])
def test_packaged_weights_are_for_known_data_sets(dataset):
    expected = "Invalid `dataset`. Expected one of: mnist, fashion_mnist. Received: "
    assert error_of(mk.load_model, "cnn_tiny", dataset=dataset) == f"{expected}{dataset!r}."


@ignore_other_layers
def test_the_layers_that_do_not_fit_are_not_all_listed():
    path = pretrained.find_weights("lenet5", "mnist")
    text = error_of(mk.create_model, "cnn_tiny", weights=path)
    assert "Layer 'conv_1_1' expected 1 variables, but received 2" in text
    assert "List of objects" not in text


# The head, the rescaling, and names that are paths too


def test_packaged_weights_take_pixels_to_255_with_rescaling():
    plain = mk.create_model("mlp_128", weights="mnist")
    scaling = mk.create_model("mlp_128", weights="mnist", include_rescaling=True)
    bytes_ = np.random.default_rng(0).integers(0, 256, (5, 28, 28, 1)).astype("float32")
    np.testing.assert_allclose(
        scaling.predict_on_batch(bytes_), plain.predict_on_batch(bytes_ / 255), atol=1e-6
    )


def test_another_number_of_classes_gets_a_new_head_and_says_so_once(capsys):
    loading._say_new_head.cache_clear()
    trained = mk.create_model("lenet5", weights="mnist")
    model = mk.create_model("lenet5", weights="mnist", num_classes=5)
    mk.create_model("lenet5", weights="mnist", num_classes=5)
    assert model.output_shape == (None, 5)
    for ours, theirs in zip(model.layers[:-1], trained.layers[:-1], strict=True):
        for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)
    assert capsys.readouterr().err == (
        "mnist_keras: the packaged weights of 'lenet5' have 10 classes. The classification layer for 5 classes has new "
        "weights; train it before use.\n"
    )


def test_features_do_not_depend_on_the_number_of_classes():
    few, many = (
        mk.create_model("mlp_128", weights="mnist", include_top=False, num_classes=n)
        for n in (3, 40)
    )
    for a, b in zip(few.get_weights(), many.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.slow
def test_an_ensemble_has_no_new_head():
    text = error_of(mk.create_model, "cnn_accurate_ensemble", weights="mnist", num_classes=3)
    assert (
        "Expected 10 for an ensemble with packaged weights. Received: 3. Use create_model('cnn_accurate',"
        in text
    )


def test_logits_of_packaged_weights():
    model = mk.create_model("mlp_128", weights="mnist", classifier_activation=None)
    assert model.layers[-1].activation is keras.activations.linear


def test_a_name_is_a_name_even_where_a_folder_is_called_so(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lenet5").mkdir()
    assert loading.find_model("lenet5") is None
    assert capsys.readouterr().err == (
        "mnist_keras: 'lenet5' means the registered model, not the path; for the path, write ./lenet5\n"
    )
    for path in ("./lenet5", tmp_path / "lenet5"):
        assert "The directory" in error_of(loading.find_model, path)
    assert not capsys.readouterr().err


@pytest.mark.parametrize("name", [["x"], None, 5])
def test_a_name_of_another_type(name):
    assert error_of(mk.create_model, name).startswith(
        "Invalid `name`. Expected a registered name: cnn_2conv, "
    )


@pytest.mark.parametrize(
    "error", [MemoryError(), RecursionError("too deep"), ImportError("No module named 'torch'")]
)
def test_what_a_file_asks_for_beyond_this_machine_is_a_sentence(tmp_path, monkeypatch, error):
    def load(path):
        raise error

    (path := tmp_path / "big.keras").touch()
    monkeypatch.setattr(keras.models, "load_model", load)
    text = error_of(mk.load_model, path)
    assert text.startswith(f"{path} is not a model that Keras can load.")
    assert text.endswith(f"Keras says: {str(error) or type(error).__name__}")


@pytest.mark.parametrize("source", [42, None, ["lenet5"]])
def test_what_is_neither_a_name_nor_a_path(source):
    assert error_of(mk.load_model, source) == (
        f"Invalid `source`. Expected a name or a path. Received: {source!r}. Expected a run directory, a .keras file, "
        "or a registered name (`mnist-keras models` lists them)."
    )
