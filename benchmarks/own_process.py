"""Processes that hold one contestant's library and no other: a neighbour in the process costs time.

With TensorFlow in its process, PyTorch's training of a small dense net was measured to be 10 to 25 % slower.
"""

import importlib
import multiprocessing
from concurrent.futures import ProcessPoolExecutor

import numpy as np

_room: dict = {}  # of the process: "module", "data", and "contestants" by name


class OwnProcess:
    """A fresh process with the data in memory, in which one call runs at a time; times are taken inside.

    It is spawned rather than forked: it imports the module and nothing that the caller had imported.

    Args:
        module: Name of a module among the benchmarks.
        data: An `ImageData`.
    """

    def __init__(self, module: str, data):
        context = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(1, context, _enter, (module, data))

    def __enter__(self) -> "OwnProcess":
        return self

    def __exit__(self, *error) -> None:
        self._pool.shutdown()

    def call(self, function: str, **arguments):
        """Returns what the module's function returns for the data and the arguments."""
        return self._run(_call, function, arguments)

    def contestants(self, task: str) -> dict[str, "Remote"]:
        """Makes what the module's `CONTESTANTS` has for a task, and lets go of those of the task before."""
        return {name: Remote(self, name) for name in self._run(_make, task)}

    def modules(self) -> set[str]:
        """Returns the packages that the process has imported."""
        return self._run(_packages)

    def _run(self, function, *arguments):
        return self._pool.submit(function, *arguments).result()


class Remote:
    """A contestant in a process of its own."""

    def __init__(self, process: OwnProcess, name: str):
        self._process, self._name = process, name

    def time_epoch(self) -> float:
        return self._process._run(_time_epoch, self._name)

    def predict(self, images: np.ndarray) -> np.ndarray:
        return self._process._run(_predict, self._name, images)


def _enter(module, data):
    _room.update(module=importlib.import_module(module), data=data)


def _call(function, arguments):
    return getattr(_room["module"], function)(_room["data"], **arguments)


def _make(task):
    _room.pop("contestants", None)
    makers = _room["module"].CONTESTANTS.get(task, {})
    _room["contestants"] = {name: make(_room["data"]) for name, make in makers.items()}
    return list(makers)


def _time_epoch(name):
    return _room["contestants"][name].time_epoch()


def _predict(name, images):
    return _room["contestants"][name].predict(images)


def _packages():
    import sys

    return {name.partition(".")[0] for name in sys.modules}
