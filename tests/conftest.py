"""Four logical CPUs for the replicas of `MirroredStrategy`; real data where it is at hand."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import pytest
import tensorflow as tf

tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 4
)


@pytest.fixture(scope="session")
def data_dir():
    """Directory with MNIST and Fashion-MNIST."""
    directory = os.environ.get("MNIST_KERAS_DATA_DIR")
    if not directory:
        pytest.skip("MNIST_KERAS_DATA_DIR is not set")
    return directory
