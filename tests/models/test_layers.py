"""The last layer: hidden classes add up to the classes."""

import keras
import numpy as np
from errors import error_of

import mnist_keras as mk
from mnist_keras.models.inspection import find_hidden_layer, returns_logits


def test_hidden_classes_add_up_to_the_classes():
    owners = (0, 0, 1, 2, -1)
    options = {"stages": ((2,),), "hidden_units": 4, "input_shape": (8, 8, 1), "num_classes": 3}
    model = mk.build_deep_cnn(hidden_classes=owners, **options)
    images = np.random.default_rng(0).random((5, 8, 8, 1), np.float32)
    hidden = keras.Model(model.input, model.get_layer("hidden_classes").output)
    ways = np.asarray(hidden(images))
    expected = np.stack([ways[:, 0] + ways[:, 1], ways[:, 2], ways[:, 3]], axis=1) + ways[:, 4:] / 3
    np.testing.assert_allclose(model(images), expected, atol=1e-6)
    assert find_hidden_layer(model) is hidden.layers[-1] and not returns_logits(model)
    inputs = keras.Input((8, 8, 1))
    assert not returns_logits(keras.Model(inputs, model(inputs))), "a model in a model"
    logits = mk.build_deep_cnn(hidden_classes=owners, classifier_activation=None, **options)
    logits.set_weights(model.get_weights())
    assert returns_logits(logits)
    np.testing.assert_allclose(keras.ops.softmax(logits(images)), expected, atol=1e-5)
    assert not model.get_layer("predictions").trainable_variables


def test_hidden_classes_must_cover_the_classes():
    for owners in ((0, 1), (0, 1, 3, 2), (0, 1, 2, -2)):
        assert error_of(mk.build_deep_cnn, hidden_classes=owners, num_classes=3) == (
            "Invalid `hidden_classes`. Expected for each hidden class a number from 0 to 2 or -1, each number at "
            f"least once. Received: {owners!r}."
        )
