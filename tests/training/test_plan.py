"""What a training does is decided before it starts: what does not fit is refused, and nothing is written."""

import json

import keras
import numpy as np
import pytest
from small_runs import dense_net, mirrored, small_data

import mnist_keras as mk
from mnist_keras._validation import InputError
from mnist_keras.training.devices import precision_policy
from mnist_keras.training.train import train


def test_a_batch_that_replicas_do_not_divide_is_refused(digits):
    strategy = mirrored(4)
    with strategy.scope():
        model = dense_net()
    with pytest.raises(
        InputError, match=r"a multiple of the 4 replicas.*Received: 30. Use 28 or 32"
    ):
        train(model, small_data(digits), recipe=mk.Recipe(batch_size=30), verbose=0)


def test_the_images_of_each_replica_are_printed(digits, capsys):
    options = {"recipe": mk.Recipe(batch_size=64, epochs=1), "verbose": 2}
    train("softmax_regression", small_data(digits), strategy="mirrored", **options)
    assert "4 replicas: 64 images in each step, 16 on each\n" in capsys.readouterr().out
    train("softmax_regression", small_data(digits), strategy="none", **options)
    assert "replicas" not in capsys.readouterr().out


def test_a_given_model_keeps_its_precision(digits, tmp_path, no_pictures):
    with precision_policy("mixed_bfloat16"):
        model = mk.build_mlp((8,))
    options = {"recipe": mk.Recipe(epochs=1), "run_dir": tmp_path / "run", "verbose": 0}
    with pytest.raises(InputError) as caught:
        train(model, digits, precision="float32", **options)
    assert str(caught.value) == (
        "Invalid `precision`. Expected None or 'mixed_bfloat16', in which the model was built. "
        "Received: 'float32'."
    )
    train(model, digits, **options)
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["precision"] == config["recipe"]["precision"] == "mixed_bfloat16"


def test_a_model_of_another_strategy_is_refused(digits):
    with pytest.raises(InputError, match="The model was built outside the strategy"):
        train(dense_net(), small_data(digits), strategy=mirrored(2), verbose=0)


BAD = {
    "checkpoint steps": (
        ("mlp_128", {"checkpoint_steps": 0}),
        "Invalid `checkpoint_steps`. Expected an integer of at least 1. Received: 0.",
    ),
    "checkpoint seconds": (
        ("mlp_128", {"checkpoint_seconds": 0}),
        "Invalid `checkpoint_seconds`. Expected a number above 0. Received: 0.",
    ),
    "kept checkpoints": (("mlp_128", {"keep_checkpoints": 0}), "Invalid `keep_checkpoints`."),
    "model name": (("mlp128", {}), "Unknown model 'mlp128'. Did you mean 'mlp_128'?"),
    "model type": ((5, {}), "Invalid `model`. Expected a keras.Model, or a registered name"),
    "recipe name": (("mlp_128", {"recipe": "mlp128"}), "Unknown recipe 'mlp128'"),
    "recipe type": (("mlp_128", {"recipe": 5}), "Invalid `recipe`"),
    "strategy": (("mlp_128", {"strategy": "tpu"}), "Invalid `strategy`. Expected one of: auto"),
    "precision": (("mlp_128", {"precision": "float8"}), "Invalid `precision`"),
    "seed": (("mlp_128", {"seed": -1}), "Invalid `seed`. Expected an integer of at least 0"),
    "large seed": (("mlp_128", {"seed": 2**32}), "at most 4294967295. Received: 4294967296."),
    "verbose": (("mlp_128", {"verbose": 3}), "Invalid `verbose`. Expected 0, 1, 2 or 'auto'."),
    "callback": (
        ("mlp_128", {"callbacks": keras.callbacks.EarlyStopping()}),
        "Invalid `callbacks`. Expected a list of keras.callbacks.Callback objects. Received: <",
    ),
    "validation": (("mlp_128", {"validation_size": 10**6}), "fewer than the 256 training images"),
    "batch": (
        ("mlp_128", {"recipe": mk.Recipe(batch_size=300)}),
        "at most the 256 training images",
    ),
    "resume": (("mlp_128", {"resume": True}), "Invalid `run_dir`"),
    "class weight": (
        ("mlp_128", {"class_weight": {10: 1.0}}),
        "Invalid `class_weight`. Expected a dictionary with labels in [0, 9] as keys. Received: [10].",
    ),
    "class weights": (("mlp_128", {"class_weight": [1, 2]}), "Received: [1, 2]."),
    "negative class weight": (
        ("mlp_128", {"class_weight": {3: -1.0}}),
        "Invalid `class_weight[3]`. Expected a number of at least 0. Received: -1.0.",
    ),
    "validation images alone": (
        ("mlp_128", {"validation_data": np.zeros((1, 28, 28))}),
        "Invalid `validation_data`. Expected (images, labels). Received: ndarray.",
    ),
    "validation labels": (
        ("mlp_128", {"validation_data": (np.zeros((1, 28, 28)), [10])}),
        "Expected images of at most 10 classes, as the model has. Received: 11 classes in validation data.",
    ),
    "validation image size": (
        ("mlp_128", {"validation_data": (np.zeros((1, 20, 20)), [1])}),
        "Expected images of the model's input shape (28, 28, 1). Received: images of shape (20, 20).",
    ),
    "augmentation": (("mlp_128", {"recipe": mk.Recipe(augmentation="flip")}), "augmentation"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_arguments_have_a_clear_error(digits, tmp_path, case):
    (model, options), text = BAD[case]
    run_dir = None if "resume" in options else tmp_path / "run"
    with pytest.raises(InputError) as caught:
        train(model, small_data(digits), **{"verbose": 0, "run_dir": run_dir, **options})
    assert text in str(caught.value)
    assert not (tmp_path / "run").exists(), "nothing may be written"


def test_bad_data_has_a_clear_error(digits):
    (x, y), _ = digits
    for data, text in [
        ((x.astype(np.float32) / 127.5 - 1, y), "Map them from [-1, 1] to [0, 1]: "),
        ((x, keras.utils.to_categorical(y) / 2), "argmax"),
        ((x, y[:-1]), "one for each image"),
        ((x[:0], y[:0]), "at least one image"),
        (np.zeros(3), "Invalid `data`"),
        (((x, y, x), (x, y)), "Invalid `data`. Expected a name, a path, an ImageData, (images, "),
        ("mnits", "Unknown dataset 'mnits'. Did you mean 'mnist'?"),
    ]:
        with pytest.raises(InputError) as caught:
            train("mlp_128", data, verbose=0)
        assert text in str(caught.value)
    with pytest.raises(InputError, match="input shape"):
        train(dense_net(), (x[:, :20, :20], y), verbose=0)
    narrow = mk.build_mlp((8,), num_classes=5)
    with pytest.raises(
        InputError, match=r"at most 5 classes, as the model has\. Received: 10 classes in digits"
    ):
        train(narrow, digits, verbose=0)


def test_a_recipes_fields_are_arguments_too(digits):
    run = train(
        "mlp_128", small_data(digits), epochs=2, batch_size=64, learning_rate=0.01, verbose=0
    )
    assert len(run.history["loss"]) == 2
    assert run.history["learning_rate"] == pytest.approx([0.01, 0.01])
    options = {"epochs": 1, "batch_size": 64, "scale_learning_rate": True}
    run = train("mlp_128", small_data(digits), verbose=0, **options)
    assert run.history["learning_rate"] == pytest.approx([0.0005]), "the recipe's 1e-3 is for 128"
