"""An ensemble is an ordinary model: the mean of its members' probabilities."""

import keras
import numpy as np
import pytest

import mnist_keras as mk
from mnist_keras._validation import InputError


@pytest.fixture(scope="module")
def members():
    models = []
    for seed in range(3):
        keras.utils.set_random_seed(seed)
        models.append(mk.create_model("mlp_128"))
    return models


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 256, (7, 28, 28), np.uint8)


def test_its_probabilities_are_the_mean_of_the_members(members, images):
    model = mk.build_ensemble(members, name="vote")
    expected = np.mean([mk.predict_probabilities(member, images) for member in members], axis=0)
    np.testing.assert_allclose(mk.predict_probabilities(model, images), expected, atol=1e-6)
    assert model.name == "vote"
    assert (model.input_shape, model.output_shape) == ((None, 28, 28, 1), (None, 10))
    assert model.output.dtype == "float32"
    assert model.count_params() == 3 * 101_770


def test_the_members_stay_as_they_are(members, images):
    before = mk.predict_probabilities(members[0], images)
    model = mk.build_ensemble(members)
    for variable in model.trainable_variables:
        variable.assign(keras.ops.zeros_like(variable))
    np.testing.assert_array_equal(mk.predict_probabilities(members[0], images), before)


def test_it_is_saved_and_loaded_like_any_other(members, images, tmp_path):
    model = mk.build_ensemble(members)
    model.save(tmp_path / "vote.keras")
    loaded = mk.load_model(tmp_path / "vote.keras")
    np.testing.assert_allclose(
        mk.predict_probabilities(loaded, images), mk.predict_probabilities(model, images), atol=1e-6
    )


def test_members_that_take_pixels_to_255(images):
    models = [mk.build_mlp((4,), include_rescaling=True) for _ in range(2)]
    model = mk.build_ensemble(models)
    expected = np.mean([mk.predict_probabilities(member, images) for member in models], axis=0)
    np.testing.assert_allclose(mk.predict_probabilities(model, images), expected, atol=1e-6)


def test_bad_members_have_a_clear_error(members):
    small = mk.build_mlp((2,), input_shape=(8, 8, 1))
    logits = mk.build_mlp((2,), classifier_activation=None, name="no_softmax")
    inputs = keras.Input((28, 28, 1))
    two = keras.Model([inputs, keras.Input((1,))], members[0](inputs), name="two")
    unbuilt = keras.Sequential([keras.layers.Flatten()], name="unbuilt")
    for given, text in (
        (None, r"Expected at least two keras\.Models\. Received: NoneType\."),
        (members[0], r"Expected at least two keras\.Models\. Received: Functional\."),
        ([members[0], two], r"Expected a model with one input\. Received: 'two' with input shapes"),
        ([unbuilt, unbuilt], r"a model that knows its input shape\. Received: 'unbuilt', which"),
        ([], r"Invalid `members`\. Expected at least two keras\.Models\. Received: nothing\."),
        (members[:1], r"at least two keras\.Models\. Received: Functional\."),
        (["lenet5", "mlp_128"], r"Received: str, str\."),
        (
            [members[0], small],
            r"one input and one output shape\. Received: \(None, 28, 28, 1\) to \(None, 10\), \(None, 8, 8, 1\)",
        ),
        (
            [members[0], mk.build_mlp((2,), include_rescaling=True)],
            r"models with the same pixel range\. Received: models with and without a Rescaling",
        ),
        ([members[0], logits], r"Received: logits from no_softmax\. Build them with classifier_a"),
    ):
        with pytest.raises(InputError, match=text):
            mk.build_ensemble(given)
