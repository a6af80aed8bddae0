"""Runs each library in its own process, and times what trains there.

With TensorFlow in its process, PyTorch's training of a small dense model was measured to be 10 to 25% slower. So
speed.py starts a process for each library. It imports a module whose `make` and `make_example` return a `Trainer`.
"""

import functools
import importlib
import multiprocessing
import os
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import NamedTuple

import numpy as np

from mnist_keras import _cpu

REST = 0.5  # seconds between two turns: threads that wait for work spin for up to 0.2 s

_here: dict = {}  # in such a process: "module" and "data"


class Trainer(NamedTuple):
    """A model in training: functions that train another epoch and predict labels, and the largest number of epochs."""

    epoch: Callable[[], object]
    predict: Callable[[np.ndarray], np.ndarray]
    max_epochs: int = 1

    def accuracy(self, test) -> float:
        return float(np.mean(self.predict(test.images) == test.labels))


def take_turns(runs: dict[str, tuple[Callable[[int], object], int]], patience: float) -> None:
    """Calls functions with the number of the repeat, in turns, as often as given or until `patience` is used up."""
    spent = dict.fromkeys(runs, 0.0)
    for repeat in range(max(repeats for _, repeats in runs.values())):
        for name, (run, repeats) in runs.items():
            if repeat < repeats and spent[name] < patience:
                time.sleep(REST)
                spent[name] += seconds_of(functools.partial(run, repeat))


class OwnProcess(ProcessPoolExecutor):
    """A fresh process that has imported a module of the benchmarks, and holds nothing of this process.

    `environment` is set before the module is imported, in place of what was chosen on `import mnist_keras`.
    """

    def __init__(self, module: str, data, environment: dict[str, str] | None = None):
        context, arguments = multiprocessing.get_context("spawn"), (module, data, environment or {})
        _cpu.forget_choice()  # what this process chose is no choice of the user's
        super().__init__(1, context, _import, arguments)

    def call(self, function: str, **arguments):
        """Returns what a function of the module, or of this one, returns for the data and the arguments."""
        return self.submit(_call, function, arguments).result()


def _import(module, data, environment):
    _cpu.forget_choice()
    os.environ.update(environment)
    _here.update(module=importlib.import_module(module), data=data)


def _call(function, arguments):
    found = getattr(_here["module"], function, None) or globals()[function]
    return found(_here["data"], **arguments)


@functools.cache
def trainer(**options) -> Trainer:
    return _here["module"].make(_here["data"], **options)


def time_epoch(data, **options) -> float:
    """Returns the seconds of a trainer's next epoch; the first call also makes the trainer."""
    return seconds_of(trainer(**options).epoch)


def measure_accuracy(data, **options) -> float:
    return trainer(**options).accuracy(data.test)


def train_to(data, *, target: float, seed: int) -> list[tuple[float, float]]:
    """Trains the module's example to an accuracy on the test images; returns seconds and accuracy after each epoch.

    The clock starts before the model is built and pauses while the test images are evaluated.
    """
    start, curve = time.perf_counter(), []
    example = _here["module"].make_example(data, seed=seed)
    while len(curve) < example.max_epochs and (not curve or curve[-1][1] < target):
        example.epoch()
        now = time.perf_counter()
        curve.append((now - start, example.accuracy(data.test)))
        start += time.perf_counter() - now
    return curve


def seconds_of(function: Callable[[], object]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def product_rate(data, *, sizes, seconds: float) -> float:
    """Returns the best rate of the library's matrix product over several sizes, in operations a second."""
    (multiply, draw), rates = _here["module"].PRODUCT, []
    for rows, inner, columns in sizes:
        a, b, end = draw((rows, inner)), draw((inner, columns)), time.perf_counter() + seconds
        while time.perf_counter() < end:
            duration = seconds_of(functools.partial(multiply, a, b))
            rates.append(2 * rows * inner * columns / duration)
    return max(rates)
