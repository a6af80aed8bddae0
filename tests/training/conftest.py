"""Runs that draw nothing."""

import pytest

from mnist_keras.training import outcome


@pytest.fixture
def no_pictures(monkeypatch):
    """Leaves out what a run draws and writes for readers, which takes seconds and is tested elsewhere."""
    for name in ("save_plots", "write_report"):
        monkeypatch.setattr(outcome, name, lambda *args, **kwargs: None)
