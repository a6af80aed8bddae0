"""Models for another use: on a tensor of the user's, pooled, under another name, from the Hub."""

import keras
import numpy as np
import pytest
from errors import error_of

import mnist_keras as mk
from mnist_keras.models.adapting import on_tensor


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mlp_128", "cnn_tiny", "cnn_real_world"])
def test_a_model_reads_a_tensor_of_a_bigger_model(name, tmp_path):
    trained = mk.load_model(name)
    large = keras.Input((56, 56, 1), name="large")
    halved = keras.layers.AveragePooling2D(2, name="halve")(large)
    model = mk.create_model(name, weights="mnist", input_tensor=halved)
    assert [layer.name for layer in model.layers[:2]] == ["large", "halve"]
    names = [layer.name for layer in trained.layers[1:]]
    assert [layer.name for layer in model.layers[2:]] == names  # not a model in a model
    images = np.random.default_rng(0).random((3, 28, 28, 1), np.float32)
    expected = trained.predict_on_batch(images)
    doubled = images.repeat(2, axis=1).repeat(2, axis=2)
    np.testing.assert_allclose(model.predict_on_batch(doubled), expected, atol=1e-5)
    model.save(tmp_path / "x.keras")
    loaded = keras.models.load_model(tmp_path / "x.keras")
    np.testing.assert_allclose(loaded.predict_on_batch(doubled), expected, atol=1e-5)


def test_a_tensor_says_the_shape_and_members_stay_members():
    model = mk.create_model("cnn_tiny", input_tensor=keras.Input((32, 32, 1), name="mine"))
    assert model.input_shape == (None, 32, 32, 1) and model.inputs[0].name == "mine"
    ensemble = mk.build_ensemble([mk.build_mlp((4,)), mk.build_mlp((4,))])
    image = keras.Input((28, 28, 1))
    images = np.random.default_rng(0).random((3, 28, 28, 1), np.float32)
    received = on_tensor(ensemble, image).predict_on_batch(images)
    np.testing.assert_allclose(received, ensemble.predict_on_batch(images), atol=1e-6)


def test_two_models_share_an_input():
    image = keras.Input((28, 28, 1), name="image")
    bodies = [
        mk.create_model(name, include_top=False, input_tensor=image, name=f"{name}_body")
        for name in ("mlp_128", "lenet5")
    ]
    assert [body.name for body in bodies] == ["mlp_128_body", "lenet5_body"]
    assert [body.layers[-1].name for body in bodies] == ["mlp_128_body_dense_1", "lenet5_body_f6"]
    both = keras.layers.Concatenate()([body.output for body in bodies])
    assert keras.Model(image, keras.layers.Dense(3)(both)).output_shape == (None, 3)


@pytest.mark.parametrize(("pooling", "reduce"), [("avg", np.mean), ("max", np.max)])
@pytest.mark.parametrize("weights", [None, "mnist"])
def test_pooled_features(pooling, reduce, weights):
    options = {"weights": weights, "include_top": False}
    model = mk.create_model("cnn_accurate", pooling=pooling, **options)
    assert model.output_shape == (None, 128)
    images = np.random.default_rng(0).random((2, 28, 28, 1), np.float32)
    maps = keras.Model(model.input, model.layers[-1].input).predict_on_batch(images)
    expected = reduce(maps, axis=(1, 2))
    np.testing.assert_allclose(model.predict_on_batch(images), expected, rtol=1e-4, atol=1e-6)


def test_a_name_of_its_own():
    for options in ({}, {"weights": "mnist"}, {"weights": "mnist", "include_top": False}):
        assert mk.create_model("mlp_128", name="reader", **options).name == "reader"


@pytest.mark.parametrize("name", ["", "a/b", 3])
def test_a_name_that_is_none_is_refused(name):
    assert error_of(mk.create_model, "mlp_128", name=name) == (
        f'Invalid `name`. Expected a text without "/", or None. Received: {name!r}.'
    )


# Keras warns before its error.
@pytest.mark.filterwarnings("ignore:Skipping nested container:UserWarning")
def test_what_does_not_fit_is_said():
    text = error_of(mk.create_model, "lenet5", include_top=False, pooling="mean")
    assert text.startswith("Invalid `pooling`. Expected one of: avg, max. Received: 'mean'.")
    text = error_of(mk.create_model, "lenet5", pooling="avg")
    assert text == (
        "Invalid `pooling`. Expected None with the classification layer. Received: 'avg'. Pass include_top=False for "
        "features."
    )
    text = error_of(mk.create_model, "mlp_128", include_top=False, pooling="avg")
    assert text == (
        "Invalid `pooling`. Expected None for 'mlp_128', which has no convolutions. Received: avg."
    )
    for tensor, received in ((np.zeros((1, 28, 28, 1)), "ndarray"), (keras.Input((784,)), "784)")):
        text = error_of(mk.create_model, "mlp_128", input_tensor=tensor)
        assert text.startswith(
            "Invalid `input_tensor`. Expected a KerasTensor of shape (n, height,"
        )
        assert received in text
    image = keras.Input((32, 32, 1))
    text = error_of(mk.create_model, "mlp_128", weights="mnist", input_tensor=image)
    assert "do not fit 'mlp_128' with num_classes=10 and input_shape=(32, 32, 1)." in text
