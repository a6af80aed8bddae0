"""The folder for the Hugging Face Hub: its card as `huggingface_hub` reads it, and loaded without this package."""

import subprocess
import sys

import keras
import numpy as np
import pytest
from errors import error_of

import mnist_keras as mk
from mnist_keras.inference.export import export_model


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("hub") / "cnn_tiny"
    return export_model(mk.load_model("cnn_tiny"), path, format="hub", data="digits").path


def test_the_hub_reads_the_card(folder):
    import huggingface_hub

    card = huggingface_hub.ModelCard.load(folder / "README.md")
    assert card.data.library_name == "keras"
    assert card.data.pipeline_tag == "image-classification"
    assert card.data.metrics == ["accuracy"] and "mnist-keras" in card.data.tags
    (result,) = card.data.eval_results
    assert (result.task_type, result.dataset_name, result.metric_type) == (
        *("image-classification", "digits", "accuracy"),
    )
    data = mk.load_data("digits")
    evaluation = mk.evaluate(mk.load_model("cnn_tiny"), data.test_images, data.test_labels)
    assert result.metric_value == pytest.approx(evaluation.accuracy, abs=1e-4)
    assert "9,194 parameters" in card.text


@pytest.mark.slow
def test_the_folder_loads_where_this_package_is_not_known(folder):
    code = f"""
import sys, keras, numpy as np
pixels = np.random.default_rng(0).integers(0, 256, (3, 28, 28, 1)).astype("float32")
models = map(keras.saving.load_model, ({str(folder)!r}, {str(folder / "model.keras")!r}))
answers = [model.predict(pixels, verbose=0) for model in models]
assert np.array_equal(*answers) and np.allclose(answers[0].sum(axis=1), 1)
print("mnist_keras" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "False\n"), done.stderr


def test_a_path_on_the_hub_is_handed_on_to_keras(folder, monkeypatch):
    import huggingface_hub

    asked = []

    def download(repo_id, **_):
        asked.append(repo_id)
        return str(folder)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    model = mk.load_model("hf://me/cnn_tiny")
    assert asked == ["me/cnn_tiny"] and model.input_shape == (None, 28, 28, 1)


def test_a_path_on_the_hub_that_cannot_be_had_is_a_sentence(monkeypatch):
    def load(path):
        raise ConnectionError("no network")

    monkeypatch.setattr(keras.models, "load_model", load)
    text = error_of(mk.load_model, "hf://me/none")
    assert text.startswith("hf://me/none is not a model that Keras can load.")
    assert text.endswith("Keras says: no network")


@pytest.mark.parametrize(
    "build",
    [
        lambda: mk.build_mlp((8,), include_rescaling=True),
        lambda: mk.build_mlp((8,), classifier_activation=None),
        lambda: keras.Sequential([keras.Input((784,)), keras.layers.Dense(10, "softmax")]),
        lambda: mk.build_ensemble([mk.build_mlp((8,)), mk.build_mlp((4,))]),
    ],
    ids=["rescaling", "logits", "flat input", "ensemble"],
)
def test_other_inputs_and_outputs(tmp_path, build):
    done = export_model(build(), tmp_path / "x", format="hub", data="digits")
    assert done.num_other_labels == 0
    pixels = np.full((1, 28, 28, 1), 255, np.float32)
    served = keras.saving.load_model(tmp_path / "x" / "model.keras")
    np.testing.assert_allclose(served.predict_on_batch(pixels).sum(), 1, rtol=1e-5)


class Doubled(keras.layers.Layer):
    def call(self, x):
        return 2 * x


@pytest.mark.parametrize(
    "layer",
    [
        keras.layers.Lambda(lambda x: 2 * x, name="mine"),
        keras.layers.Dense(4, activation=lambda x: 2 * x, name="mine"),
    ],
)
def test_a_function_of_the_users_own_is_named(layer, tmp_path):
    layers = [keras.layers.Flatten(), layer, keras.layers.Dense(10, "softmax")]
    model = keras.Sequential([keras.Input((28, 28, 1)), *layers])
    text = error_of(export_model, model, tmp_path / "x", format="hub", data="digits")
    assert text.startswith(f"The layer 'mine' ({type(layer).__name__}) has a function of your own")
    assert not (tmp_path / "x").exists()


def test_a_layer_of_the_users_own_is_named(tmp_path):
    layers = [Doubled(name="twice"), keras.layers.Flatten(), keras.layers.Dense(10, "softmax")]
    model = keras.Sequential([keras.Input((28, 28, 1)), *layers])
    text = error_of(export_model, model, tmp_path / "x", format="hub", data="digits")
    assert text.startswith("The layer 'twice' (Doubled) is a class of your own, which Keras cannot")
    assert not (tmp_path / "x").exists()
