"""`export_model`: proved in the runtime of each format, whole or not there, and clear about what it refuses."""

import os
import signal
import subprocess
import sys

import keras
import numpy as np
import pytest
from errors import error_of
from exported import export_to

import mnist_keras as mk
from mnist_keras._files import TEMPORARY
from mnist_keras._validation import MissingExtraError
from mnist_keras.inference import export
from mnist_keras.inference.export import EXPORT_FORMATS, export_model
from mnist_keras.inference.formats import litert, onnx, saved_model

QUICK = ("cnn_tiny", "mlp_128")  # in `make test`; the others run in `make test-full`
MODELS = [
    pytest.param(name, marks=[] if name in QUICK else pytest.mark.full) for name in mk.list_models()
]


# Every model in every format


@pytest.mark.parametrize("name", EXPORT_FORMATS)
@pytest.mark.parametrize("trained", MODELS)
def test_every_model_goes_into_every_format(tmp_path, digits, trained, name):
    done = export_to(tmp_path, name, mk.load_model(trained), data=digits)
    spec = EXPORT_FORMATS[name]
    assert done.path.exists() and done.num_bytes > 0
    assert done.num_images == min(len(digits[0]), 10_000 if spec.tolerance is None else 1_000)
    if spec.tolerance is None:
        assert done.accuracy >= done.keras_accuracy - 0.005
    else:
        assert done.num_other_labels <= (spec.precision != "float32")
        assert done.largest_difference <= spec.tolerance


# What the files hold


@pytest.mark.parametrize("module", [saved_model, litert, onnx])
def test_one_image_and_many_give_the_same(tmp_path, model, digits, module):
    name = module.__name__.rpartition(".")[2]
    path = export_to(tmp_path, name, model, data=digits).path
    images = digits[0][:7]
    singly = np.concatenate([module.run(path, image[None]) for image in images])
    np.testing.assert_allclose(module.run(path, images), singly, atol=1e-6)


@pytest.mark.parametrize(
    "build",
    [
        lambda: mk.build_cnn((4,), include_rescaling=True),
        lambda: mk.build_mlp((8,), classifier_activation=None),
        lambda: keras.Sequential(
            [keras.Input((784,)), keras.layers.Dense(8, "silu"), keras.layers.Dense(10, "softmax")]
        ),
        lambda: mk.build_ensemble([mk.build_mlp((8,)), mk.build_mlp((4,))]),
    ],
    ids=["rescaling", "logits", "flat input and silu", "ensemble"],
)
@pytest.mark.parametrize("name", ["saved_model", "litert", "onnx"])
def test_other_inputs_outputs_and_layers(tmp_path, build, name):
    keras.utils.set_random_seed(1)
    assert export_to(tmp_path, name, build(), data="digits").num_other_labels == 0


# Bad input


def test_an_unknown_format_is_named_with_its_neighbor(tmp_path, model):
    text = error_of(export_model, model, tmp_path / "x", format="lite_rt")
    assert text.startswith("Unknown export format 'lite_rt'. Did you mean 'litert'?")
    assert "Unknown export format None." in error_of(export_model, model, tmp_path, format=None)


def test_a_path_that_exists_is_left_alone(tmp_path, model):
    path = tmp_path / "mine.onnx"
    path.write_text("mine")
    text = error_of(export_model, model, path, format="onnx")
    assert (
        text
        == f"Invalid `path`. Expected a path that does not exist yet. Received: {path}, which exists. "
        "Choose another path, or delete it first."
    )
    assert path.read_text() == "mine"


def test_a_path_that_cannot_be_written_is_a_sentence(tmp_path, model):
    (tmp_path / "file").write_text("mine")
    path = tmp_path / "file" / "x.tflite"
    text = error_of(export_model, model, path, format="litert", data="digits")
    assert text == f"{path} cannot be written: Not a directory. Choose another path."


def test_the_suffix_is_the_formats(tmp_path, model):
    text = error_of(export_model, model, tmp_path / "x.bin", format="litert")
    assert text.startswith("Invalid `path`. Expected a path that ends in .tflite. Received: ")


def test_a_missing_extra_is_named_with_its_command(tmp_path, model, monkeypatch):
    monkeypatch.setattr(export.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"pip install \"mnist-keras\[export\]\""):
        export_model(model, tmp_path / "x.onnx", format="onnx")


def test_what_is_no_classifier_is_refused(tmp_path):
    assert "Expected a keras.Model" in error_of(export_model, "cnn_tiny", tmp_path / "x")
    images = keras.Sequential([keras.Input((28, 28, 1)), keras.layers.ReLU()])
    assert "one output of shape (n, num_classes)" in error_of(export_model, images, tmp_path / "x")
    one = keras.Sequential(
        [keras.Input((28, 28, 1)), keras.layers.Flatten(), keras.layers.Dense(1)]
    )
    assert "an output for each class, at least two" in error_of(export_model, one, tmp_path / "x")


def test_data_of_another_shape_are_refused(tmp_path, model):
    data = (np.zeros((20, 8, 8), np.uint8), np.arange(20) % 2)
    text = error_of(export_model, model, tmp_path / "x", data=data)
    assert text == (
        "Invalid `data`. Expected images of the model's input shape (28, 28, 1). Received: images of shape (8, 8). "
        "Pass what it was trained on: data=(images, labels) or a dataset's name, on the command line --data."
    )


def test_a_model_of_features_is_refused(tmp_path):
    features = mk.create_model("cnn_tiny", include_top=False)
    assert error_of(export_model, features, tmp_path / "x", data="digits") == (
        f"Invalid `data`. Expected images of the model's {features.output_shape[1]} classes. Received: 10 classes in "
        "digits. If the model has classes that the data lack, pass `class_names`."
    )


def test_data_of_more_classes_than_the_model_has_are_refused(tmp_path):
    three = mk.build_mlp((8,), num_classes=3)
    text = error_of(export_model, three, tmp_path / "x.c", format="c", data="digits")
    assert text == (
        "Invalid `data`. Expected images of at most 3 classes, as the model has. Received: 10 classes in digits. "
        "Pass what it was trained on: data=(images, labels) or a dataset's name, on the command line --data."
    )


@pytest.mark.parametrize("shape", [(28, 28, 3), (None, None, 1)])
def test_a_model_of_colors_or_of_any_size_is_refused(tmp_path, shape):
    layers = [keras.layers.Conv2D(2, 3), keras.layers.GlobalAveragePooling2D()]
    model = keras.Sequential(
        [keras.Input(shape), *layers, keras.layers.Dense(10, "softmax")], name="other"
    )
    text = error_of(export_model, model, tmp_path / "x.c", format="c", data="digits")
    assert text == (
        "Invalid `model`. Expected a model of gray images of one size, with the input shape (height, width, 1), "
        f"(height, width) or (height * width,). Received: 'other' with the input shape {shape}. Build it with "
        "input_shape=(28, 28, 1)."
    )


@pytest.mark.parametrize(
    ("names", "received"), [(5, "5"), (["a"], "1"), ([str(i) for i in range(11)], "11")]
)
def test_class_names_that_do_not_fit_are_refused(tmp_path, model, names, received):
    text = error_of(
        export_model, model, tmp_path / "x.c", format="c", data="digits", class_names=names
    )
    assert text == (
        f"Invalid `class_names`. Expected 10 names, one for each class. Received: {received}."
    )


def test_int8_is_not_proved_on_images_that_the_model_cannot_read(tmp_path, model):
    text = error_of(export_model, model, tmp_path / "x.onnx", format="onnx_int8", data="digits")
    assert text.startswith("Invalid `data`. Expected images like the model's training data")
    assert not (tmp_path / "x.onnx").exists()


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda p: np.roll(p, 1, axis=1), " differ by "),
        (lambda p: p + np.float32("nan"), "not finite"),
    ],
)
def test_an_export_that_answers_otherwise_is_removed(tmp_path, model, monkeypatch, change, found):
    run = litert.run
    monkeypatch.setattr(litert, "run", lambda *arguments: change(run(*arguments)))
    text = error_of(export_model, model, tmp_path / "x.tflite", format="litert", data="digits")
    assert text.startswith(
        "The export to 'litert' gives different answers than Keras, so it was removed"
    )
    assert found in text
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("num_images", "changed", "allowed"),
    [(10_000, 100, 10), (5_000, 1, 5), (1_000, 9, 6), (360, 0, 0)],
)
def test_what_int8_may_lose(num_images, changed, allowed):
    """0.1 points, and of few images what chance explains."""
    done = export.Export("x", "onnx_int8", 1, num_images, changed, 0.1, 0.9, 0.9)
    assert export._may_lose(done) == pytest.approx(allowed, abs=0.5)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["saved_model", "litert"])
def test_a_killed_export_leaves_nothing(tmp_path, name):
    """Killed while the proof runs, when everything is written."""
    code = f"""
import os, signal, mnist_keras as mk
from mnist_keras.inference.formats import {EXPORT_FORMATS[name].module} as module
module.run = lambda *arguments: os.kill(os.getpid(), signal.SIGKILL)
mk.export_model(mk.build_mlp((8,)), {str(tmp_path / "x.tflite")!r}, format={name!r}, data="digits")
"""
    environment = {**os.environ, "TMPDIR": str(tmp_path.parent)}
    done = subprocess.run([sys.executable, "-c", code], check=False, env=environment, stderr=-1)
    assert done.returncode == -signal.SIGKILL
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize(("name", "copy"), [("hub", "copytree"), ("c", "copyfile")])
def test_an_export_that_is_killed_while_it_is_published_is_not_there(tmp_path, name, copy):
    """Killed when half of it is in the folder: under another name, which is not the export's."""
    path = tmp_path / f"x{EXPORT_FORMATS[name].suffix}"
    code = f"""
import os, pathlib, signal, mnist_keras as mk
from mnist_keras.inference import export

def half(source, target, **_):
    pathlib.Path(target).write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)

export.shutil.{copy} = half
mk.export_model(mk.build_mlp((8,)), {str(path)!r}, format={name!r}, data="digits")
"""
    done = subprocess.run([sys.executable, "-c", code], check=False, stderr=-1)
    assert done.returncode == -signal.SIGKILL
    assert not path.exists()
    assert all(file.name.startswith(TEMPORARY) for file in tmp_path.iterdir())
