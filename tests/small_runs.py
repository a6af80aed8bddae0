"""Small trainings, and the configuration of a run: what the tests of `training` share."""

import functools
import os
import signal

import keras
import numpy as np
import tensorflow as tf

from mnist_keras.data.image_data import from_arrays


def small_data(digits, n=256):
    return from_arrays(
        digits.train_images[:n],
        digits.train_labels[:n],
        digits.test_images,
        digits.test_labels,
        digits.class_names,
        name="digits",
        source="memory",
    )


def dense_net(*, regularizer=None, batch_norm=False, dropout=0.0, seed=0):
    keras.utils.set_random_seed(seed)
    layers = [keras.Input((28, 28, 1)), keras.layers.Flatten()]
    layers += [keras.layers.Dense(16, activation="relu", kernel_regularizer=regularizer)]
    if batch_norm:
        layers.append(keras.layers.BatchNormalization())
    if dropout:
        layers += [
            keras.layers.Dropout(dropout),
            keras.layers.Dense(16),
            keras.layers.Dropout(dropout),
        ]
    return keras.Sequential([*layers, keras.layers.Dense(10, activation="softmax")])


def distance(a, b):
    return max(
        float(np.abs(x - y).max()) for x, y in zip(a.get_weights(), b.get_weights(), strict=True)
    )


def assert_same_bits(a, b):
    for x, y in zip(a.get_weights(), b.get_weights(), strict=True):
        np.testing.assert_array_equal(x, y)


@functools.cache  # TensorFlow's collectives of a second strategy collide with the first one's
def mirrored(replicas):
    # Collective groups of two sizes cannot live in one process, so replicas reduce on one device.
    return tf.distribute.MirroredStrategy(
        [f"CPU:{index}" for index in range(replicas)],
        cross_device_ops=tf.distribute.ReductionToOneDevice(),
    )


class StopAt(keras.callbacks.Callback):
    """Sends this process a signal at a step."""

    def __init__(self, step, number=signal.SIGINT):
        super().__init__()
        self.at, self.number, self.seen = step, number, 0

    def on_train_batch_end(self, batch, logs=None):
        self.seen += 1
        if self.seen == self.at:
            os.kill(os.getpid(), self.number)


CONFIG = {
    "model": {"name": "mlp_128", "architecture": "a1"},
    "recipe": {
        "learning_rate": 1e-3,
        "schedule": "constant",
        "batch_size": 128,
        "epochs": 3,
        "augmentation": {"rotation": 10.0},
    },
    "data": {"name": "mnist", "source": "idx", "sha256": {"train_images": "b2"}},
    "validation": None,
    "seed": 0,
    "precision": "float32",
    "jit": True,
    "class_weight": {},
    "versions": {"keras": "3.15.1", "numpy": "2.4.0", "pillow": "12.3.0"},
    "command": ["mnist-keras", "train"],
}


def changed(**changes):
    return {**CONFIG, **changes}
