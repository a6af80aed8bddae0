"""Plots of images: captions that are apart, the worst errors first, and bad input named."""

import re

import numpy as np
import pytest
from plots import FASHION, assert_text_is_apart, random_case

from mnist_keras._validation import InputError
from mnist_keras.evaluation.image_plots import plot_errors, plot_predictions


@pytest.mark.parametrize("names", [None, FASHION, ["a rather long class name"] * 10])
def test_predictions_are_captioned(names):
    images, labels, probabilities = random_case()
    ax = plot_predictions(images, probabilities, labels=labels, class_names=names)
    assert len(ax.images) == len(ax.texts) == 24
    assert_text_is_apart(ax)
    wrong = probabilities.argmax(axis=1)[:24] != labels[:24]
    assert [text.get_weight() == "bold" for text in ax.texts] == wrong.tolist()
    if names == FASHION:
        predicted, true = ax.texts[0].get_text().split("\n")
        assert predicted.startswith(FASHION[probabilities[0].argmax()])
        assert true == f"true: {FASHION[labels[0]]}"


def test_predictions_of_few_float_images_without_labels():
    images, _, probabilities = random_case(num_examples=3)
    ax = plot_predictions(images[..., None] / np.float32(255), probabilities)
    assert len(ax.images) == 3
    assert "true" not in ax.texts[0].get_text()
    np.testing.assert_allclose(ax.images[0].get_array() * 255, images[0], atol=1e-4)
    assert ax.images[0].get_clim() == (0, 1)


def test_errors_are_the_most_confident_first():
    images, labels, probabilities = random_case()
    ax = plot_errors(images, labels, probabilities, max_errors=5)
    wrong = np.flatnonzero(probabilities.argmax(axis=1) != labels)
    worst = wrong[np.argsort(-probabilities[wrong].max(axis=1))][:5]
    for shown, index in zip(ax.images, worst, strict=True):
        np.testing.assert_array_equal(shown.get_array(), images[index])
    assert ax.get_title() == f"Most confident errors: 5 of {len(wrong)}"
    assert_text_is_apart(ax)


def test_errors_when_there_are_none():
    ax = plot_errors(np.zeros((2, 8, 8), np.uint8), [0, 1], np.eye(2))
    assert ax.get_title() == "No errors in 2 images"
    assert not ax.images


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"images": np.zeros((3, 28, 28, 5))}, "Invalid `images`. Expected shape (n, height"),
        ({"images": np.zeros((2, 28, 28))}, "Expected 3 images, as many as predictions."),
        ({"labels": [0, 1]}, "Expected 3 labels, one for each image. Received: 2."),
        ({"labels": None}, "Invalid `labels`. Expected a label for each image. Received: None."),
        ({"probabilities": np.ones((3, 2))}, "Invalid `probabilities`. Expected values in [0, 1]"),
        ({"class_names": ["a"]}, "Invalid `class_names`. Expected 2 names, one for each class"),
        ({"max_errors": 0}, "Invalid `max_errors`. Expected an integer of at least 1"),
    ],
)
def test_bad_input_is_named(change, text):
    case = {
        "images": np.zeros((3, 28, 28)),
        "labels": [0, 1, 1],
        "probabilities": np.eye(2)[[0, 1, 0]],
    }
    with pytest.raises(InputError, match=re.escape(text)):
        plot_errors(**(case | change))
