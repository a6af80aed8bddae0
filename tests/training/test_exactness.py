"""Every recipe, interrupted and resumed, ends with the bits of a run left alone."""

import os
import signal

import keras
import numpy as np
import pytest

import mnist_keras as mk
from mnist_keras.models.recipes import RECIPES
from mnist_keras.models.registry import MODELS
from mnist_keras.training.train import train

MODEL_OF = {"mlp_deep_elastic": "mlp_deep", "cnn_accurate_fashion": "cnn_accurate"}


def stop_at(step):
    def count(batch, logs):
        seen.append(batch)
        if len(seen) == step:
            os.kill(os.getpid(), signal.SIGTERM)

    seen: list = []
    return keras.callbacks.LambdaCallback(on_train_batch_end=count)


@pytest.mark.full
@pytest.mark.parametrize("name", sorted(RECIPES))
def test_a_resumed_run_of_every_recipe_has_the_bits_of_one_left_alone(tmp_path, no_pictures, name):
    model = MODEL_OF.get(name, name)
    assert model in MODELS
    data = mk.load_data("digits")
    few = data.train_images[:48], data.train_labels[:48]
    changes = {"batch_size": 16, "epochs": 2, "validation_size": 0}
    recipe = RECIPES[name].replace(**changes)
    options = {"recipe": recipe, "strategy": "none", "verbose": 0}
    tests = data.test_images[:50], data.test_labels[:50]
    whole = train(model, (few, tests), **options)
    options |= {"run_dir": tmp_path / "run"}
    with pytest.raises(SystemExit):
        train(model, (few, tests), callbacks=[stop_at(4)], **options)  # of six
    resumed = train(model, (few, tests), resume=True, **options)
    for mine, theirs in zip(whole.model.get_weights(), resumed.model.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert resumed.history["loss"] == whole.history["loss"]
