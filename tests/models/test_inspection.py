"""What a model takes and returns is found out for other people's models as well."""

import keras
import numpy as np
import pytest
from errors import error_of

import mnist_keras as mk
from mnist_keras._validation import InputError
from mnist_keras.models.builders import build_mlp
from mnist_keras.models.inspection import (
    architecture,
    check_input_shape,
    feature_model,
    input_scale,
    returns_logits,
)
from mnist_keras.training.devices import precision_policy


def net(shape, *layers):
    return keras.Sequential([keras.Input(shape), *layers])


def test_logits_are_told_from_probabilities_in_nets_of_the_users_own():
    layers = keras.layers
    dense = [layers.Flatten(), layers.Dense(3)]
    assert returns_logits(net((4, 4, 1), *dense))
    assert returns_logits(net((4, 4, 1), layers.Flatten(), layers.Dense(3, activation="linear")))
    assert not returns_logits(net((4, 4, 1), *dense, layers.Softmax()))
    assert not returns_logits(net((4, 4, 1), *dense, layers.Activation("softmax")))
    logits = net((4, 4, 1), *dense)
    inputs = keras.Input((4, 4, 1))
    assert not returns_logits(keras.Model(inputs, keras.ops.softmax(logits(inputs))))
    probabilities = net((4, 4, 1), *dense, layers.Softmax())
    for inner, expected in ((logits, True), (probabilities, False)):
        assert returns_logits(net((4, 4, 1), inner)) is expected
        assert returns_logits(keras.Model(inputs, inner(inputs))) is expected


@pytest.mark.parametrize(
    ("scale", "offset", "expected"), [(1 / 255, 0, 255), (1 / 127.5, -1, 255), (2, -1, 1)]
)
def test_the_pixels_that_a_net_of_the_users_own_takes(scale, offset, expected):
    first = net((4, 4, 1), keras.layers.Rescaling(scale, offset), keras.layers.Flatten())
    assert input_scale(first) == input_scale(net((4, 4, 1), first)) == expected


@pytest.mark.parametrize("shape", [(4, 6, 1), (4, 6), (24,)])
def test_the_shapes_that_a_net_may_take_an_image_in(shape):
    assert check_input_shape(net(shape, keras.layers.Flatten()), (4, 6)) == shape


def test_images_of_another_size_are_an_error():
    with pytest.raises(InputError) as caught:
        check_input_shape(net((28, 28, 1), keras.layers.Flatten()), (20, 20))
    assert str(caught.value) == (
        "Invalid `images`. Expected images of the model's input shape (28, 28, 1). "
        "Received: images of shape (20, 20)."
    )


def test_a_net_without_an_input_shape_is_an_error():
    model = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(10)], name="mine")
    with pytest.raises(InputError) as caught:
        check_input_shape(model, (28, 28))
    assert str(caught.value) == (
        "Invalid `model`. Expected a model that knows its input shape. Received: 'mine', which does not. "
        "Begin it with keras.Input((28, 28, 1))."
    )


def test_features_are_what_the_last_layer_with_weights_takes():
    images = np.random.default_rng(0).uniform(size=(3, 28, 28, 1)).astype(np.float32)
    model = build_mlp((6,), dropout=0.5)
    features = feature_model(model)(images).numpy()
    kernel, bias = model.layers[-1].get_weights()
    logits = features @ kernel + bias
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(model(images).numpy(), expected, rtol=1e-4)


def test_a_model_without_weights_has_no_features():
    model = keras.Sequential([keras.Input((2, 2, 1)), keras.layers.Flatten()])
    assert "Expected a model with one last hidden layer" in error_of(feature_model, model)


def test_architecture_tells_layers_apart_and_not_names():
    first, second = mk.build_mlp((8,), name="a"), mk.build_mlp((8,), name="b")
    assert architecture(first) == architecture(second)
    others = [
        mk.build_mlp((9,)),
        mk.build_mlp((8,), dropout=0.1),
        mk.build_mlp((8,), activation="tanh"),
    ]
    assert len({architecture(model) for model in [first, *others]}) == 4


def test_architecture_tells_precisions_apart():
    with precision_policy("mixed_bfloat16"):
        mixed = mk.build_mlp((8,))
    assert architecture(mixed) != architecture(mk.build_mlp((8,)))
