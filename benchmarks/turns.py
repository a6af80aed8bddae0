"""Contestants in processes of their own that take turns, and the clock that times them there.

A process holds the library of its contestants and no other: with TensorFlow in its process, PyTorch's training of a
small dense model was measured to be 10 to 25% slower.
"""

import importlib
import math
import multiprocessing
import os
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor

import numpy as np

from mnist_keras import _cpu

REST = 0.5  # seconds between two turns: threads that wait for work spin for up to 0.2 s

_here: dict = {}  # in such a process: "module", "data", and of a task "makers" and "contestants" by name


def take_turns(runs: dict[str, tuple[Callable[[int], object], int]], patience: float) -> None:
    """Calls each with the number of the repeat, as often as given, in turns; none again after some seconds."""
    spent = dict.fromkeys(runs, 0.0)
    for repeat in range(max(repeats for _, repeats in runs.values())):
        for name, (run, repeats) in runs.items():
            if repeat < repeats and spent[name] < patience:
                time.sleep(REST)
                spent[name] += seconds_of(lambda run=run, repeat=repeat: run(repeat))


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


def enter(data, *, task: str) -> list[str]:
    """Lets go of the contestants of the task before; returns the names of those of this one."""
    _here.update(makers=_here["module"].CONTESTANTS.get(task, {}), contestants={})
    return list(_here["makers"])


def time_epoch(data, *, name: str) -> float:
    """Returns the seconds of a contestant's next epoch; it is made before the first."""
    if name not in _here["contestants"]:
        _here["contestants"][name] = _here["makers"][name](data)
    return seconds_of(_here["contestants"][name].epoch)


def measure_accuracy(data, *, name: str) -> float:
    predictions = _here["contestants"][name].predict(data.test.images)
    return float(np.mean(predictions == data.test.labels))


def seconds_of(function: Callable[[], object]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def best_rates(multiply: Callable, draw: Callable, *, sizes, seconds: float) -> dict[str, float]:
    """Returns the best rate of a library's matrix product over several sizes, in operations a second by dtype."""
    rates: dict[str, float] = {}
    for dtype in ("float32", "bfloat16"):
        for rows, inner, columns in sizes:
            a, b = draw((rows, inner), dtype), draw((inner, columns), dtype)
            multiply(a, b)
            end = time.perf_counter() + seconds
            while time.perf_counter() < end:
                duration = seconds_of(lambda a=a, b=b: multiply(a, b))
                rate = 2 * rows * inner * columns / duration
                rates[dtype] = max(rates.get(dtype, 0.0), rate)
    return rates


class Stopwatch:
    """Counts a training from the arrays in memory on, and stands still while the test images are looked at.

    `curve` has seconds and test accuracy at each look.
    """

    def __init__(self, predict: Callable[[], np.ndarray], labels: np.ndarray):
        self.predict, self.labels = predict, labels
        self.curve: list[tuple[float, float]] = []
        self._start = time.perf_counter()

    def look(self) -> float:
        """Notes seconds and test accuracy; returns the accuracy."""
        begun = time.perf_counter()
        accuracy = float(np.mean(self.predict() == self.labels))
        self.curve.append((begun - self._start, accuracy))
        self._start += time.perf_counter() - begun
        return accuracy


def seconds_to(target: float, curve: list[tuple[float, float]]) -> float:
    """Returns the seconds at the first look with this accuracy; infinite if there is none."""
    return next((seconds for seconds, accuracy in curve if accuracy >= target), math.inf)
