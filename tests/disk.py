"""A source that stands for a large dataset on disk, and a small model to train on it."""

import threading

import keras
import numpy as np


class Disk:
    """A source with random access that fabricates images from their number, and notes how it is read."""

    def __init__(self, length, *, fail_at=None):
        self.length, self.fail_at = length, fail_at
        self.most, self.threads = 0, set()

    def __len__(self):
        return self.length

    def __getitems__(self, rows):
        if self.fail_at in rows:
            raise OSError("the disk is gone")
        self.most = max(self.most, len(rows))
        self.threads.add(threading.get_ident())
        return [self.element(row) for row in rows]

    @staticmethod
    def element(row):
        image = np.full((28, 28), row * 2654435761 % 251, np.uint8)
        image[row % 28] = row % 256
        return image, row * 7 % 10


def in_memory(source, length):
    elements = [source.element(row) for row in range(length)]
    return np.stack([x for x, _ in elements]), np.array([y for _, y in elements])


def net(*, dropout=0.0):
    keras.utils.set_random_seed(0)
    layers = [keras.Input((28, 28, 1)), keras.layers.Flatten(), keras.layers.Dense(16, "relu")]
    layers += [keras.layers.Dropout(dropout), keras.layers.Dense(10, "softmax")]
    return keras.Sequential(layers)
