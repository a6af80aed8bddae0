"""Four logical CPUs for the replicas of `MirroredStrategy`; real data where it is at hand."""

import importlib
import os
import random
import shutil
import signal
from pathlib import Path

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # started in the background of a script
    signal.signal(signal.SIGINT, signal.default_int_handler)  # what the tests of Ctrl-C expect
if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:  # by nohup
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pytest
import tensorflow as tf

tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 4
)


@pytest.fixture(autouse=True)
def same_weights():
    """Draws the same initial weights in every run; Keras takes the seeds of its layers from Python's generator."""
    random.seed(0)
    np.random.seed(0)


@pytest.fixture(scope="module")
def benchmark():
    """Imports a file of the benchmarks by its name."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parents[1] / "benchmarks"))
        yield importlib.import_module


@pytest.fixture(scope="module")
def browser():
    """Chromium without a window, run by Playwright."""
    if (program := shutil.which("chromium")) is None:
        pytest.skip("chromium is not installed")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def data_dir():
    """Directory with MNIST and Fashion-MNIST."""
    directory = os.environ.get("MNIST_KERAS_DATA_DIR")
    if not directory:
        pytest.skip("MNIST_KERAS_DATA_DIR is not set")
    return directory
