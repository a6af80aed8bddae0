"""The calibration of a classifier's probabilities: its error, and the temperature that corrects it."""

from __future__ import annotations  # help() shows the names of types, not what they stand for

import numpy as np
from numpy.typing import ArrayLike

from mnist_keras._validation import check_integer, check_number, check_probabilities, check_scores

NUM_CALIBRATION_BINS = 15  # Guo et al., 2017, use 15 throughout
TEMPERATURES = (0.05, 20.0)  # beyond these limits, rows are practically one-hot or uniform
TINY = float(np.finfo(np.float32).tiny)  # a float32 softmax underflows to 0, which has no logarithm


def calibration_bins(
    labels: np.ndarray, probabilities: np.ndarray, num_bins: int = NUM_CALIBRATION_BINS
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Bins examples by their confidence, as `expected_calibration_error` does; takes checked arrays.

    Returns:
        Mean confidence, accuracy and number of examples of each bin; the first two of an empty bin
        are NaN. Bin i of m holds confidences in (i / m, (i + 1) / m].
    """
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == labels
    bins = np.digitize(confidence, np.linspace(0.0, 1.0, num_bins + 1)[1:-1], right=True)
    count = np.bincount(bins, minlength=num_bins)
    divisor = np.where(count > 0, count, np.nan)
    return (
        np.bincount(bins, weights=confidence, minlength=num_bins) / divisor,
        np.bincount(bins, weights=correct, minlength=num_bins) / divisor,
        count,
    )


def expected_calibration_error(
    labels: ArrayLike, probabilities: ArrayLike, *, num_bins: int = NUM_CALIBRATION_BINS
) -> float:
    """Computes the top-label expected calibration error.

    Args:
        labels: Integer array of shape `(n,)`, values in `[0, num_classes)`.
        probabilities: Float array of shape `(n, num_classes)`; rows sum to 1.
        num_bins: Number of equal-width confidence bins.

    Returns:
        Weighted mean |accuracy - confidence| over the bins, in `[0, 1]`; 0 is best.

    Raises:
        InputError: If the lengths differ or a row does not sum to 1.

    Reference:
        Guo et al., 2017, "On Calibration of Modern Neural Networks", eq. 3.
    """
    labels, probabilities = check_scores(labels, probabilities)
    num_bins = check_integer("num_bins", num_bins, minimum=1)
    return calibration_error(labels, probabilities, num_bins)


def calibration_error(
    labels: np.ndarray, probabilities: np.ndarray, num_bins: int = NUM_CALIBRATION_BINS
) -> float:
    """Returns the expected calibration error of arrays that were already checked."""
    confidence, accuracy, count = calibration_bins(labels, probabilities, num_bins)
    return float(np.nansum(np.abs(accuracy - confidence) * count) / count.sum())


def fit_temperature(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """Fits the temperature that gives the labels the highest likelihood.

    Fit it on images that are used neither for training nor for scoring.

    Args:
        labels: Integer array of shape `(n,)`, values in `[0, num_classes)`.
        probabilities: Float array of shape `(n, num_classes)`; rows sum to 1.

    Returns:
        The temperature in [0.05, 20] with the lowest negative log-likelihood: above 1 if the model is overconfident.

    Raises:
        InputError: If the arrays don't match, or aren't labels and probabilities.

    Reference:
        Guo et al., 2017, "On Calibration of Modern Neural Networks", eq. 9.

    Example:
        temperature = fit_temperature(held_out_labels, predict_probabilities(model, held_out_images))
        probabilities = apply_temperature(predict_probabilities(model, images), temperature)
    """
    from scipy.optimize import minimize_scalar

    labels, probabilities = check_scores(labels, probabilities)
    rows = np.arange(len(labels))

    def loss(log_temperature: float) -> float:
        scaled = _scale(probabilities, float(np.exp(log_temperature)))
        return float(-np.log(np.maximum(scaled[rows, labels], TINY)).mean())

    bounds = tuple(np.log(TEMPERATURES))
    return float(np.exp(minimize_scalar(loss, bounds=bounds, method="bounded").x))


def apply_temperature(probabilities: ArrayLike, temperature: float) -> np.ndarray:
    """Returns the probabilities of a softmax at another temperature; the most probable class does not change.

    Args:
        probabilities: Float array of shape `(n, num_classes)`; rows sum to 1.
        temperature: Divisor of the logits, at least 0.001; 1 changes nothing.

    Returns:
        A float64 array of shape `(n, num_classes)`; rows sum to 1.

    Raises:
        InputError: If `probabilities` are not valid probabilities, or the temperature is too low.
    """
    temperature = check_number("temperature", temperature, minimum=0.001)
    return _scale(check_probabilities(probabilities), temperature)


def _scale(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    from scipy.special import softmax

    return softmax(np.log(np.maximum(probabilities, TINY)) / temperature, axis=1)
