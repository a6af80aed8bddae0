"""Own data all the way: labels keep their meaning between data and models, odd things are said, splits are used."""

import json

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from data_files import write_folder
from sklearn.utils import Bunch

import mnist_keras as mk
from mnist_keras import _validation
from mnist_keras.cli import main
from mnist_keras.data.datasets import load_data
from mnist_keras.data.image_data import as_image_data, from_arrays


@pytest.fixture(scope="module")
def model():
    """A trained model of ten classes."""
    return mk.load_model("cnn_tiny")


@pytest.fixture(autouse=True)
def nothing_said_before():
    _validation.say_once.cache_clear()


def rows_of(digits, *labels, count=10):
    chosen = np.concatenate([np.flatnonzero(digits.train_labels == x)[:count] for x in labels])
    return digits.train_images[chosen], digits.train_labels[chosen]


def test_a_folder_of_two_digits_is_scored_by_a_model_of_ten(tmp_path, digits, model, capsys):
    write_folder(tmp_path, *rows_of(digits, 3, 5))
    data = load_data(tmp_path)
    assert data.class_names == ("3", "5")
    right = mk.evaluate(model, *rows_of(digits, 3, 5)).accuracy
    assert right > 0.8
    assert mk.evaluate(model, data.train).accuracy == right
    assert main.main(["evaluate", "cnn_tiny", "--data", str(tmp_path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["num_examples"] == 20, "all pictures, not a fifth"
    assert found["accuracy"] == right
    assert main.main(["compare", "cnn_tiny", "cnn_tiny", "--data", str(tmp_path)]) == 0
    assert f"{right:.2%}" in capsys.readouterr().out


def test_a_model_of_ten_that_is_trained_on_two_digits_keeps_its_classes(tmp_path, digits):
    write_folder(tmp_path, *rows_of(digits, 3, 5, count=40))
    keras.utils.set_random_seed(0)
    run = mk.train(mk.build_mlp((32,)), tmp_path, batch_size=8, epochs=3, verbose=0)
    assert run.evaluation.accuracy > 0.8
    assert set(np.unique(run.evaluation.labels)) == {3, 5}
    assert run.metrics["train_accuracy"] > 0.8


def test_a_run_knows_its_class_names(tmp_path, digits, capsys):
    images, labels = rows_of(digits, 0, 1, 4, count=40)
    names = np.array(["zero", "one", "", "", "four"])[labels]
    write_folder(tmp_path / "all", images, names)
    write_folder(tmp_path / "some", images[40:], names[40:])
    write_folder(tmp_path / "last", images[:40], names[:40])
    run_dir = tmp_path / "run"
    arguments = ["--data", str(tmp_path / "all"), "--epochs", "8", "--batch-size", "8", "--quiet"]
    assert main.main(["train", "mlp_128", *arguments, "--run-dir", str(run_dir)]) == 0
    config = json.loads((run_dir / "config.json").read_text())
    assert config["class_names"] == ["four", "one", "zero"]
    for folder in ("some", "last"):
        capsys.readouterr()
        data = str(tmp_path / folder)
        assert main.main(["evaluate", str(run_dir), "--data", data, "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["accuracy"] > 0.8, folder
    assert main.main(["evaluate", str(run_dir), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["num_examples"] == 24, "only what was held out"


def test_strings_come_back_as_class_names(digits):
    images, labels = rows_of(digits, 0, 1, count=40)
    words = np.array(["zero", "one"])[labels]
    run = mk.train("softmax_regression", (images, words), batch_size=8, epochs=1, verbose=0)
    assert run.evaluation.class_names == ("one", "zero")
    scored = mk.evaluate(run.model, images[:40], words[:40], class_names=["one", "zero"])
    assert set(scored.labels) == {1}


@pytest.mark.parametrize("form", ["DataFrame", "tf.data", "Bunch", "dictionary of splits"])
def test_train_evaluate_and_make_dataset_take_objects(digits, form):
    images, labels = rows_of(digits, 0, 1, count=20)
    frame = pd.DataFrame(images.reshape(-1, 784)).assign(label=labels)
    data = {
        "DataFrame": frame,
        "tf.data": tf.data.Dataset.from_tensor_slices((images, labels)).batch(7),
        "Bunch": Bunch(data=images.reshape(-1, 784), target=labels),
        "dictionary of splits": {"train": (images, labels), "test": (images, labels)},
    }[form]
    run = mk.train("softmax_regression", data, batch_size=8, epochs=1, verbose=0)
    assert run.evaluation.num_examples in (8, 40)
    if form != "dictionary of splits":
        assert mk.evaluate(run.model, data).num_examples == 40
        x, y = next(iter(mk.make_dataset(data, batch_size=40)))
        np.testing.assert_allclose(x[..., 0] * 255, images, atol=1e-4)
        assert y.numpy().tolist() == labels.tolist()


def test_the_validation_split_of_the_data_is_used(digits):
    images, labels = rows_of(digits, 0, 1, count=20)
    data = from_arrays(
        *(images, labels, images, labels),
        validation_images=images[:10],
        validation_labels=labels[:10],
        name="own",
        source="memory",
    )
    options = {"batch_size": 8, "epochs": 1, "verbose": 0}
    assert "val_accuracy" in mk.train("softmax_regression", data, **options).history
    held_out = mk.train("softmax_regression", data, validation_size=5, **options)
    assert "val_accuracy" in held_out.history, "what the caller asks for goes first"


def test_dark_ink_is_said_once(digits, model, capsys):
    inverse = 255 - digits.test_images[:50]
    mk.predict_probabilities(model, inverse)
    mk.predict_probabilities(model, inverse)
    assert capsys.readouterr().err == (
        "mnist_keras: The images look inverted (dark ink on a light background). Pass 255 - images. A model that was "
        "trained on light ink reads them wrongly.\n"
    )
    mk.evaluate(model, np.float32(inverse / 255), digits.test_labels[:50])
    assert "Pass 1 - images." in capsys.readouterr().err
    _validation.say_once.cache_clear()
    arrays = (inverse, digits.test_labels[:50])
    mk.train("softmax_regression", (arrays, arrays), batch_size=8, epochs=1, verbose=0)
    assert capsys.readouterr().err.count("Pass 255 - images.") == 1, "once in all"
    mk.predict_probabilities(model, digits.test_images[:50])
    assert capsys.readouterr().err == ""


def test_gaps_are_said_for_a_registered_model_alone(digits, capsys):
    images, labels = rows_of(digits, 0, 1, count=20)
    gaps = (images, labels * 2), (images, labels * 2)
    options = {"batch_size": 8, "epochs": 1, "verbose": 0}
    run = mk.train("softmax_regression", gaps, **options)
    assert run.model.output_shape[-1] == 3
    assert capsys.readouterr().err.startswith(
        "mnist_keras: No image has the label 1, so a model for these labels has 3 classes, 1 of them without "
        "examples. np.unique(labels, return_inverse=True)[1] closes the gap."
    )
    assert mk.train(mk.build_mlp((4,)), gaps, **options).model.output_shape[-1] == 10
    assert capsys.readouterr().err == ""


def test_with_class_names_leaves_what_does_not_fit(digits):
    split = as_image_data(rows_of(digits, 0, 1)).train
    assert split.with_class_names(["0"]) is split
    assert split.with_class_names(["0", "1"]) is split
    assert split.with_class_names(["1", "0"]).labels.tolist() == (1 - split.labels).tolist()


def test_classes_that_a_run_does_not_know_are_said(tmp_path, digits, capsys):
    images, labels = rows_of(digits, 0, 1, count=20)
    write_folder(tmp_path / "own", images, np.array(["cat", "dog"])[labels])
    write_folder(tmp_path / "others", images, np.array(["cow", "dog"])[labels])
    run_dir = str(tmp_path / "run")
    arguments = ["--data", str(tmp_path / "own"), "--epochs", "1", "--batch-size", "8", "--quiet"]
    assert main.main(["train", "softmax_regression", *arguments, "--run-dir", run_dir]) == 0
    assert capsys.readouterr().err == ""
    assert main.main(["evaluate", run_dir, "--data", str(tmp_path / "others")]) == 0
    assert f"The run {run_dir} has no class cow, only cat, dog" in capsys.readouterr().err
    assert main.main(["evaluate", run_dir, "--data", str(tmp_path / "own")]) == 0
    assert capsys.readouterr().err == ""
