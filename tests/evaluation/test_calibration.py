"""Calibration: the bins of the error, and the temperature that mends it."""

import numpy as np
import pytest
from scipy.special import softmax

from mnist_keras._validation import InputError
from mnist_keras.evaluation.calibration import (
    apply_temperature,
    calibration_bins,
    expected_calibration_error,
    fit_temperature,
)


def test_calibration_bins_are_open_below_and_closed_above():
    labels = np.array([0, 1, 1, 0])
    probabilities = np.array([[0.5, 0.5], [0.5, 0.5], [0.25, 0.75], [0.0, 1.0]])
    confidence, accuracy, count = calibration_bins(labels, probabilities, num_bins=4)
    assert count.tolist() == [0, 2, 1, 1]
    np.testing.assert_array_equal(confidence, [np.nan, 0.5, 0.75, 1.0])
    np.testing.assert_array_equal(accuracy, [np.nan, 0.5, 1.0, 0.0])
    error = expected_calibration_error(labels, probabilities, num_bins=4)
    assert error == pytest.approx((0.0 * 2 + 0.25 + 1.0) / 4)


def test_calibration_error_needs_a_bin():
    with pytest.raises(InputError, match="Invalid `num_bins`"):
        expected_calibration_error([0, 1], [[0.9, 0.1], [0.2, 0.8]], num_bins=0)


def drawn(temperature, *, n=20_000, seed=0):
    """Labels drawn from a softmax of some logits, and the probabilities that a model `temperature` too sure gives."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(scale=2.0, size=(n, 4))
    cumulated = softmax(logits, axis=1).cumsum(axis=1)
    labels = (generator.random((n, 1)) > cumulated[:, :-1]).sum(axis=1)
    return labels, softmax(logits * temperature, axis=1)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_the_temperature_of_a_model_that_is_too_sure_is_found(temperature):
    labels, probabilities = drawn(temperature)
    assert fit_temperature(labels, probabilities) == pytest.approx(temperature, rel=0.03)


def test_a_temperature_lessens_the_calibration_error_and_keeps_every_class():
    labels, probabilities = drawn(3.0)
    scaled = apply_temperature(probabilities, fit_temperature(labels, probabilities))
    assert expected_calibration_error(labels, scaled) < 0.02
    assert expected_calibration_error(labels, probabilities) > 0.1
    np.testing.assert_array_equal(scaled.argsort(axis=1), probabilities.argsort(axis=1))


def test_a_temperature_divides_the_logits():
    logits = np.array([[1.0, 3.0, -2.0]])
    scaled = apply_temperature(softmax(logits, axis=1), 2.0)
    np.testing.assert_allclose(scaled, softmax(logits / 2.0, axis=1), rtol=1e-12)


def test_probabilities_of_0_and_1_have_a_temperature_within_the_bounds():
    sure = np.eye(3)
    assert fit_temperature([0, 1, 2], sure) <= 1
    assert 1 < fit_temperature([0, 1, 1], sure) <= 20
    assert np.isfinite(apply_temperature(sure, 20.0)).all()


@pytest.mark.parametrize("temperature", [0, -1.0, 1e-310, float("nan"), "hot"])
def test_a_temperature_is_not_close_to_0(temperature):
    text = r"Invalid `temperature`\. Expected a number of at least 0\.001\. Received: "
    with pytest.raises(InputError, match=text):
        apply_temperature([[0.5, 0.5]], temperature)


def test_a_temperature_is_fitted_to_labels_of_the_same_images():
    with pytest.raises(InputError, match="Invalid `labels`"):
        fit_temperature([0], [[0.5, 0.5], [0.5, 0.5]])
