"""A few random images under MNIST's names, and every process of a benchmark in this one."""

import contextlib
import importlib
import importlib.util

import numpy as np
import pytest
from data_files import write_idx_set

import mnist_keras as mk


@pytest.fixture(scope="module")
def random_mnist(tmp_path_factory):
    """Directory with 256 images to train on and 256 to test on, under the names of MNIST's files."""
    rng = np.random.default_rng(0)
    labels = np.arange(256, dtype=np.uint8) % 10
    arrays = {f"{split}_labels": labels for split in ("train", "test")}
    for split in ("train", "test"):
        arrays[f"{split}_images"] = rng.integers(0, 256, (256, 28, 28), dtype=np.uint8)
    return write_idx_set(tmp_path_factory.mktemp("random"), arrays)


@pytest.fixture(scope="module")
def data(random_mnist):
    return mk.load_data("mnist", data_dir=random_mnist)


@pytest.fixture
def here(benchmark, monkeypatch):
    """Makes every `OwnProcess` this process."""
    turns = benchmark("turns")

    class Here(contextlib.nullcontext):
        def __init__(self, module, data, environment=None):
            super().__init__(self)
            self.module, self.data = importlib.import_module(module), data

        def call(self, function, **arguments):
            return getattr(self.module, function)(self.data, **arguments)

    monkeypatch.setattr(turns, "REST", 0.0)
    for name in ("choices", "growth", "speed"):
        monkeypatch.setattr(benchmark(name), "OwnProcess", Here)
    return Here
