"""An evaluation of a model: that of its probabilities, with the names of its classes, and clear errors."""

import keras
import numpy as np
import pytest
from errors import error_of
from small_models import net, noise

import mnist_keras as mk
from mnist_keras.data.image_data import from_arrays
from mnist_keras.evaluation.evaluate import evaluate, evaluate_test
from mnist_keras.inference.prediction import predict_probabilities


@pytest.fixture(scope="module")
def images():
    return noise()


def image_data(images, labels):
    return from_arrays(images, labels, images, labels, name="drawings", source="memory")


def test_evaluate_is_the_evaluation_of_the_probabilities(images):
    model, labels = net(), np.arange(37) % 10
    names = [f"class {label}" for label in range(10)]
    evaluation = evaluate(
        model, images, labels, class_names=names, dataset="noise", split="validation"
    )
    probabilities = predict_probabilities(model, images)
    expected = mk.evaluate_predictions(
        labels, probabilities, class_names=names, dataset="noise", split="validation"
    )
    assert evaluation.to_dict() == expected.to_dict()
    assert evaluation.accuracy == (probabilities.argmax(axis=1) == labels).mean()
    np.testing.assert_array_equal(evaluation.probabilities, expected.probabilities)


def test_names_of_classes_that_the_data_lack_are_their_numbers(images):
    data = from_arrays(
        *(images, np.arange(37) % 2) * 2, ("cat", "dog"), name="pets", source="memory"
    )
    evaluation = evaluate_test(net(num_classes=4), data)
    assert evaluation.class_names == ("cat", "dog", "2", "3")
    assert evaluation.dataset == "pets"
    few = from_arrays(*(images, np.zeros(37, int)) * 2, tuple("abcd"), name="few", source="memory")
    assert evaluate_test(net(num_classes=2), few).class_names == ("a", "b")


def test_an_evaluation_takes_shifted_views(images):
    model, labels = net(), np.arange(37) % 10
    expected = predict_probabilities(model, images, shift=1)
    evaluation = evaluate(model, images, labels, shift=1)
    np.testing.assert_allclose(evaluation.probabilities, expected, atol=1e-6)
    assert evaluation.split == "test, views shifted by 1"
    assert evaluation.report().startswith("Evaluation on 37 test images, views shifted by 1")


BAD = {
    "size": (
        lambda x, y: evaluate(net(), x[:, :20, :20], y),
        "Invalid `images`. Expected images of the model's input shape (28, 28, 1). "
        "Received: images of shape (20, 20).",
    ),
    "labels": (
        lambda x, y: evaluate(net(), x, y[1:]),
        "Invalid `labels`. Expected 37 labels, one for each image. Received: 36.",
    ),
    "label range": (
        lambda x, y: evaluate(net(num_classes=5), x, y),
        "The model 'mlp' has 5 classes, but the data has an image of class 9. Expected labels in [0, 4]",
    ),
    "one-hot": (
        lambda x, y: evaluate(net(), x, np.eye(10)[y] / 2),
        "For the class with the highest score, pass labels.argmax(axis=-1).",
    ),
    "more classes in the data than in the net": (
        lambda x, y: evaluate_test(net(num_classes=5, name="narrow"), image_data(x, y)),
        "The model 'narrow' has 5 classes, but drawings has an image of class 9. Expected labels in "
        "[0, 4]: choose data with the classes that the model was trained on, or another model.",
    ),
    "two outputs": (
        lambda x, y: evaluate(
            keras.Model((net := mk.build_mlp((4,), name="two")).input, [net.output] * 2), x, y
        ),
        "Invalid `model`. Expected a model with one output of shape (n, num_classes). Received: ",
    ),
    "model without a shape": (
        lambda x, y: evaluate(keras.Sequential([keras.layers.Dense(10)], name="mine"), x, y),
        "Invalid `model`. Expected a model that knows its input shape. Received: 'mine', which does not. "
        "Begin it with keras.Input((28, 28, 1)).",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_has_a_clear_error(images, case):
    call, text = BAD[case]
    assert text in error_of(call, images, np.arange(37) % 10)
