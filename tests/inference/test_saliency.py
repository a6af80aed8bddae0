import keras
import numpy as np
import pytest
from errors import error_of

from mnist_keras import build_cnn, build_mlp
from mnist_keras.inference.saliency import compute_saliency, log_odds_gradients


def linear_model(weights, *, activation=None, rescale=None):
    """A model of 4x4 images whose scores are the weights' products with the pixels."""
    layers = [keras.Input((4, 4, 1))]
    if rescale:
        layers.append(keras.layers.Rescaling(rescale))
    layers += [keras.layers.Flatten(), keras.layers.Dense(2, activation=activation)]
    model = keras.Sequential(layers)
    model.layers[-1].set_weights([np.array(weights, np.float32).reshape(2, 16).T, np.zeros(2)])
    return model


@pytest.mark.parametrize("activation", [None, "softmax"])
@pytest.mark.parametrize("scale", [1.0, 40.0])  # at 40, a float32 softmax is 1 exactly
def test_the_gradient_of_a_linear_model_is_its_weights(activation, scale):
    weights = np.zeros((2, 16), np.float32)
    weights[0, 5], weights[1, 6] = scale, scale / 2
    images = np.zeros((1, 4, 4), np.float32)
    images[0, 1, 1] = 1
    gradients, predictions = log_odds_gradients(
        linear_model(weights, activation=activation), images, np.array([0])
    )
    expected = (weights[0] - weights[1]).reshape(1, 4, 4)
    np.testing.assert_allclose(gradients, expected, rtol=1e-4)
    assert predictions.tolist() == [0]
    saliency = compute_saliency(linear_model(weights, activation=activation), images)
    np.testing.assert_allclose(saliency, expected * images, rtol=1e-4)


def test_the_gradient_equals_differences_of_the_log_odds():
    model = build_cnn((2, 2), num_classes=3, input_shape=(8, 8, 1))
    images = np.random.default_rng(0).uniform(0.2, 0.8, (1, 8, 8)).astype(np.float32)

    def odds(pixels):
        p = model(pixels[..., None]).numpy()[0].astype(float)
        return np.log(p[1] / (p[0] + p[2]))

    gradients, _ = log_odds_gradients(model, images, np.array([1]))
    for y, x in ((0, 0), (3, 4), (7, 7)):
        step = np.zeros_like(images)
        step[0, y, x] = 1e-2
        slope = (odds(images + step) - odds(images - step)) / 2e-2
        assert gradients[0, y, x] == pytest.approx(slope, abs=2e-2)


def test_the_map_is_smoother_than_a_single_gradient_and_belongs_to_the_image_alone():
    keras.utils.set_random_seed(0)
    model = build_cnn((4, 4), input_shape=(12, 12, 1))
    images = np.full((3, 12, 12), 0.5, np.float32)
    images[1:] = np.random.default_rng(0).uniform(size=(2, 12, 12))
    classes = model(images[..., None]).numpy().argmax(axis=1)
    single = log_odds_gradients(model, images, classes)[0] * images
    smooth = compute_saliency(model, images)
    assert roughness(smooth[0]) < 0.8 * roughness(single[0])
    np.testing.assert_allclose(
        compute_saliency(model, images[1:]), smooth[1:], rtol=1e-5, atol=1e-6
    )


def roughness(saliency):
    """The mean step between neighbors, in parts of the mean strength."""
    return np.abs(np.diff(saliency, axis=0)).mean() / np.abs(saliency).mean()


def test_occlusion_finds_the_pixel_that_decides():
    weights = np.zeros((2, 16), np.float32)
    weights[0, 5] = 3
    images = np.full((1, 4, 4), 255, np.uint8)
    model = linear_model(weights, activation="softmax")
    saliency = compute_saliency(model, images, method="occlusion")
    assert saliency.shape == (1, 4, 4)
    assert saliency[0, 1, 1] == pytest.approx(3, abs=1e-3)
    assert np.count_nonzero(saliency > 1e-3) == 1  # a square of one pixel, a sixth of the side


@pytest.mark.slow
def test_pixels_to_255_and_a_rescaling_give_the_same():
    weights = np.random.default_rng(0).normal(size=(2, 16))
    images = np.random.default_rng(1).integers(0, 256, (3, 4, 4), dtype=np.uint8)
    plain = compute_saliency(linear_model(weights), images)
    rescaled = compute_saliency(linear_model(weights, rescale=1 / 255), images)
    np.testing.assert_allclose(plain, rescaled, atol=1e-5)
    as_floats = compute_saliency(linear_model(weights), images[..., None] / np.float32(255))
    np.testing.assert_allclose(plain, as_floats, atol=1e-5)


def test_bad_input_has_a_clear_error():
    model, images = build_mlp((4,)), np.zeros((1, 28, 28))
    assert "Invalid `method`. Expected one of: gradient, occlusion." in error_of(
        compute_saliency, model, images, method="lime"
    )
    assert "Expected images of the model's input shape (28, 28, 1)" in error_of(
        compute_saliency, model, np.zeros((1, 8, 8))
    )
