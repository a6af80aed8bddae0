"""Contestants in processes of their own that take turns, and the clock that times them there.

A process holds the library of its contestants and no other: with TensorFlow in its process, PyTorch's training of a
small dense model was measured to be 10 to 25% slower.
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


class Contestant(NamedTuple):
    """What trains an epoch more, what returns the labels of images, and the most epochs on the way to an accuracy."""

    epoch: Callable[[], object]
    predict: Callable[[np.ndarray], np.ndarray]
    max_epochs: int = 1


def take_turns(runs: dict[str, tuple[Callable[[int], object], int]], patience: float) -> None:
    """Calls each with the number of the repeat, as often as given, in turns; none again after some seconds."""
    spent = dict.fromkeys(runs, 0.0)
    for repeat in range(max(repeats for _, repeats in runs.values())):
        for name, (run, repeats) in runs.items():
            if repeat < repeats and spent[name] < patience:
                time.sleep(REST)
                spent[name] += seconds_of(functools.partial(run, repeat))


class OwnProcess(ProcessPoolExecutor):
    """A fresh process with a module of the benchmarks; spawned, so that it holds nothing of the caller's.

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
def contestant(task: str, name: str) -> Contestant:
    return _here["module"].CONTESTANTS[task][name](_here["data"])


def names_of(data, *, task: str) -> list[str]:
    return list(_here["module"].CONTESTANTS.get(task, {}))


def time_epoch(data, *, task: str, name: str) -> float:
    """Returns the seconds of a contestant's next epoch; it is made before the first."""
    return seconds_of(contestant(task, name).epoch)


def measure_accuracy(data, *, task: str, name: str) -> float:
    return accuracy_of(contestant(task, name), data.test)


def accuracy_of(contestant: Contestant, test) -> float:
    return float(np.mean(contestant.predict(test.images) == test.labels))


def train_to(data, *, target: float, task: str, name: str, seed: int) -> list[tuple[float, float]]:
    """Trains to an accuracy on the test images; returns the curve: seconds and accuracy after each epoch.

    Seconds run from before the contestant is made, and stand still while the test images are looked at.
    """
    start, curve = time.perf_counter(), []
    made = _here["module"].CONTESTANTS[task][name](data, seed=seed)
    while len(curve) < made.max_epochs and (not curve or curve[-1][1] < target):
        made.epoch()
        now = time.perf_counter()
        curve.append((now - start, accuracy_of(made, data.test)))
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
