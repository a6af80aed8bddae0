"""One compiled function per model: the same numbers for every kind of input, and no leak."""

import gc
import weakref

import keras
import numpy as np
import pytest
from errors import error_of
from small_models import net, noise

from mnist_keras._validation import InputError
from mnist_keras.inference import prediction
from mnist_keras.inference.prediction import predict_probabilities
from mnist_keras.training.devices import precision_policy


@pytest.fixture(scope="module")
def images():
    return noise()


def test_shape_type_and_sums(images):
    probabilities = predict_probabilities(net(), images)
    assert probabilities.shape == (37, 10) and probabilities.dtype == np.float32
    assert probabilities.min() >= 0
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)


def test_probabilities_are_those_of_the_model(images):
    model = net(dropout=0.5)  # which predictions are made without
    expected = model(images[..., None] / np.float32(255), training=False)
    np.testing.assert_allclose(predict_probabilities(model, images), expected, atol=1e-6)


def test_every_kind_of_input_gives_the_same(images):
    model = net()
    expected = predict_probabilities(model, images)
    for variant in (
        images[..., None],
        images / 255,
        (images / 255).astype(np.float32),
        (images / 255)[..., None],
    ):
        np.testing.assert_allclose(predict_probabilities(model, variant), expected, atol=1e-6)


def test_logits_get_a_softmax(images):
    probabilities = predict_probabilities(net(), images)
    logits = predict_probabilities(net(classifier_activation=None), images)
    np.testing.assert_allclose(logits, probabilities, atol=1e-6)


def test_a_net_that_rescales_gets_pixels_to_255(images):
    expected = predict_probabilities(net(), images)
    model = net(include_rescaling=True)
    np.testing.assert_allclose(predict_probabilities(model, images), expected, atol=1e-6)
    np.testing.assert_allclose(predict_probabilities(model, images / 255), expected, atol=1e-6)


@pytest.mark.parametrize("shape", [(28, 28, 1), (28, 28), (784,)])
def test_nets_of_the_users_own_take_images_in_their_shape(images, shape):
    keras.utils.set_random_seed(0)
    layers = keras.layers
    model = keras.Sequential([keras.Input(shape), layers.Flatten(), layers.Dense(10, "softmax")])
    expected = model(images.reshape(37, *shape) / np.float32(255))
    np.testing.assert_allclose(predict_probabilities(model, images), expected, atol=1e-6)


@pytest.mark.parametrize("batch_size", [1, 10, 36, 37, 1000])
def test_the_batch_size_changes_nothing(images, batch_size):
    model = net()
    np.testing.assert_allclose(
        predict_probabilities(model, images, batch_size=batch_size),
        predict_probabilities(model, images),
        atol=1e-6,
    )


def test_one_trace_for_each_kind_of_pixels_whatever_the_number_of_images(images):
    model = net()
    for n in (1, 2, 36, 37):
        predict_probabilities(model, images[:n])
        predict_probabilities(model, images[:n], batch_size=5)
        predict_probabilities(model, images[:n] / 255)
    functions = prediction._functions[model]
    assert len(functions) == 2
    assert [f.experimental_get_tracing_count() for f in functions.values()] == [1, 1]


def test_new_weights_are_used(images):
    model, other = net(seed=0), net(seed=1)
    predict_probabilities(model, images)
    model.set_weights(other.get_weights())
    np.testing.assert_array_equal(
        predict_probabilities(model, images), predict_probabilities(other, images)
    )


def test_a_model_that_is_no_longer_used_is_freed(images):
    model = net()
    predict_probabilities(model, images)
    before, reference = len(prediction._functions), weakref.ref(model)
    del model
    gc.collect()
    assert reference() is None
    assert len(prediction._functions) < before


def test_float32_comes_of_mixed_precision(images):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = net()
    finally:
        keras.config.set_dtype_policy("float32")
    probabilities = predict_probabilities(model, images)
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)


def test_a_softmax_in_half_precision_gives_rows_that_sum_to_1(images):
    with precision_policy("mixed_bfloat16"):
        model = keras.Sequential(
            [keras.Input((28, 28, 1)), keras.layers.Flatten(), keras.layers.Dense(10, "softmax")]
        )
    assert model(images[..., None] / np.float32(255)).dtype == "bfloat16"
    probabilities = predict_probabilities(model, images)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)


BAD = {
    "size": (
        lambda x, y: predict_probabilities(net(), x[:, :20, :20]),
        "Invalid `images`. Expected images of the model's input shape (28, 28, 1). "
        "Received: images of shape (20, 20).",
    ),
    "one image": (
        lambda x, y: predict_probabilities(net(), x[0, :20, :18]),
        "Add an axis to a single image, images[None].",
    ),
    "colors": (
        lambda x, y: predict_probabilities(net(), np.stack([x] * 5, axis=-1)),
        "Invalid `images`. Expected shape (n, height, width) or (n, height, width, 1). "
        "Received: shape=(37, 28, 28, 5), dtype=uint8.",
    ),
    "range": (
        lambda x, y: predict_probabilities(net(), x.astype(np.float32) / 127.5 - 1),
        "Map them from [-1, 1] to [0, 1]: (images + 1) / 2.",
    ),
    "nan": (
        lambda x, y: predict_probabilities(net(), np.full((1, 28, 28), np.nan)),
        "Expected float pixels that are finite and in [0, 1].",
    ),
    "integers": (
        lambda x, y: predict_probabilities(net(), x.astype(int) * 257),
        "(images // 257).astype('uint8')",
    ),
    "none": (lambda x, y: predict_probabilities(net(), x[:0]), "Expected at least one image"),
    "batch size": (
        lambda x, y: predict_probabilities(net(), x, batch_size=0),
        "Invalid `batch_size`. Expected an integer of at least 1. Received: 0.",
    ),
    "a name instead of a model": (
        lambda x, y: predict_probabilities("mlp_128", x),
        "Invalid `model`. Expected a keras.Model. Received: 'mlp_128'. load_model() returns one",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_has_a_clear_error(images, case):
    call, text = BAD[case]
    assert text in error_of(call, images, np.arange(37) % 10)


def test_shifted_views_are_averaged(images):
    model = net()
    probabilities = predict_probabilities(model, images, shift=2, batch_size=10)
    padded = np.pad(images, [(0, 0), (2, 2), (2, 2)])
    views = [padded[:, y : y + 28, x : x + 28] for y in (0, 2, 4) for x in (0, 2, 4)]
    expected = np.mean([predict_probabilities(model, view) for view in views], axis=0)
    np.testing.assert_allclose(probabilities, expected, atol=1e-6)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("shift", [-1, 28, 0.5, "1"])
def test_a_shift_leaves_something_of_the_image(images, shift):
    expected = "Invalid `shift`. Expected an integer of at least 0 and at most 27. Received: "
    with pytest.raises(InputError) as caught:
        predict_probabilities(net(), images, shift=shift)
    assert str(caught.value) == f"{expected}{shift!r}."


def test_many_models_are_each_traced_once_and_nothing_is_said_of_retracing(images, caplog):
    traces = []

    class Counting(keras.layers.Layer):
        def call(self, x):
            traces.append(self.name)
            return x

    for _ in range(8):
        inputs = keras.Input((28, 28, 1))
        outputs = keras.layers.Dense(3, "softmax")(keras.layers.Flatten()(Counting()(inputs)))
        model = keras.Model(inputs, outputs)
        built = len(traces)
        for _ in range(3):
            predict_probabilities(model, images)
        assert len(traces) == built + 1
    assert "retracing" not in caplog.text
