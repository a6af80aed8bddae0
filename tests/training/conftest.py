"""Fixtures of several tests of `training`: data, a run on disk, and runs that draw nothing."""

import pytest
from small_runs import CONFIG

from mnist_keras.data.datasets import load_data
from mnist_keras.training import outcome
from mnist_keras.training.run_directory import RunDirectory


@pytest.fixture
def no_pictures(monkeypatch):
    """Leaves out what a run draws and writes for readers, which takes seconds and is tested elsewhere."""
    for name in ("save_plots", "write_report"):
        monkeypatch.setattr(outcome, name, lambda *args, **kwargs: None)


@pytest.fixture(scope="module")
def digits():
    return load_data("digits")


@pytest.fixture
def run(tmp_path):
    directory = RunDirectory(tmp_path / "runs" / "first")
    directory.start(CONFIG)
    return directory
