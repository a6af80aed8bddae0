"""Seconds of a training, evaluations left out, and the accuracies reached on the way."""

import contextlib
import math
import time
from collections.abc import Callable, Iterator

import numpy as np


def seconds_of(function: Callable[[], object]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


class Timed:
    """A contestant whose `epoch` is timed where it runs."""

    def epoch(self) -> None:
        raise NotImplementedError

    def time_epoch(self) -> float:
        return seconds_of(self.epoch)


class Stopwatch:
    """Counts a training from the arrays in memory on, and stands still while the test images are looked at.

    Args:
        predict: Returns the predicted labels of the test images.
        labels: Labels of the test images.

    Attributes:
        curve: Seconds and test accuracy at each look.
    """

    def __init__(self, predict: Callable[[], np.ndarray], labels: np.ndarray):
        self.predict, self.labels = predict, labels
        self.curve: list[tuple[float, float]] = []
        self._started, self._paused = time.perf_counter(), 0.0

    @contextlib.contextmanager
    def pause(self) -> Iterator[None]:
        begun = time.perf_counter()
        yield
        self._paused += time.perf_counter() - begun

    def look(self) -> float:
        """Notes seconds and test accuracy; returns the accuracy."""
        seconds = time.perf_counter() - self._started - self._paused
        with self.pause():
            accuracy = float(np.mean(self.predict() == self.labels))
        self.curve.append((seconds, accuracy))
        return accuracy


def seconds_to(target: float, curve: list[tuple[float, float]]) -> float:
    """Returns the seconds at the first look with this accuracy; infinite if there is none."""
    return next((seconds for seconds, accuracy in curve if accuracy >= target), math.inf)
