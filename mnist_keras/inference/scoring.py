"""Calibrated probabilities of prepared images, and how much each looks like a digit."""

from typing import TYPE_CHECKING

import numpy as np

from mnist_keras.inference.prediction import predict_checked
from mnist_keras.inference.writing import Writing, add_up, hidden_model, weigh_ways
from mnist_keras.models.ways import NOT_A_DIGIT

if TYPE_CHECKING:
    import keras


class Scorer:
    """Scores images with a model, using its hidden classes if they are ways of writing a digit.

    Args:
        model: A classifier of 28x28 gray images.
        temperature: Divisor of the logits.
    """

    def __init__(self, model: "keras.Model", temperature: float):
        self.model, self.temperature = model, temperature
        self.ways = hidden_model(model)

    def score(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns how much each image looks like a digit, in [0, 1], and its probabilities, of ways if known.

        The images were checked already.
        """
        if self.ways is None:
            probabilities = self._calibrate(predict_checked(self.model, images))
            return probabilities.max(axis=1), probabilities
        hidden = predict_checked(self.ways, images)
        return 1 - hidden[:, NOT_A_DIGIT], self._calibrate(hidden)

    def add_up(self, answers: np.ndarray) -> np.ndarray:
        """Returns the classes' probabilities, each image on its own, without assuming a school of writing."""
        return answers if self.ways is None else add_up(answers).astype(np.float32)

    def weigh(self, answers: np.ndarray, writing: str) -> tuple[np.ndarray, Writing | None]:
        """Returns the classes' probabilities, given the school of the writer, and that school."""
        if self.ways is None:
            return answers, None
        probabilities, taken = weigh_ways(answers, writing)
        return probabilities.astype(np.float32), taken

    def _calibrate(self, probabilities: np.ndarray) -> np.ndarray:
        from scipy.special import softmax

        if self.temperature == 1:
            return probabilities
        # A float32 softmax underflows to 0, which has no logarithm.
        tiny = np.finfo(np.float32).tiny
        return softmax(np.log(np.maximum(probabilities, tiny)) / self.temperature, axis=1)
