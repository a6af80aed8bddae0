"""The model that a run saves: in float32, with the same weights, whatever its layers."""

import keras
import numpy as np
import pytest

import mnist_keras as mk


def test_a_model_is_saved_in_float32_with_the_same_weights(run):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = mk.create_model("mlp_128_64_dropout")
    finally:
        keras.config.set_dtype_policy("float32")
    run.save_model(model)
    saved = keras.models.load_model(run.model)
    assert {layer.compute_dtype for layer in saved.layers} == {"float32"}
    for ours, theirs in zip(model.get_weights(), saved.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_sequential_model_is_saved(run):
    model = keras.Sequential(
        [keras.Input((28, 28, 1)), keras.layers.Flatten(), keras.layers.Dense(10)]
    )
    run.save_model(model)
    images = np.random.default_rng(0).random((3, 28, 28, 1), np.float32)
    saved = keras.models.load_model(run.model)
    np.testing.assert_array_equal(saved(images), model(images))


class Doubling(keras.layers.Layer):
    """A layer that Keras does not know by name."""

    def call(self, inputs):
        return 2 * inputs


@pytest.mark.parametrize("nested", [False, True])
def test_a_model_with_a_layer_of_the_users_own_is_saved(run, nested):
    doubling = [Doubling()]
    if nested:
        doubling = [keras.Sequential([keras.Input((28, 28, 1)), *doubling])]
    model = keras.Sequential([keras.Input((28, 28, 1)), *doubling, keras.layers.Flatten()])
    run.save_model(model)
    saved = keras.models.load_model(run.model, custom_objects={"Doubling": Doubling})
    images = np.random.default_rng(0).random((3, 28, 28, 1), np.float32)
    np.testing.assert_array_equal(saved(images), model(images))
