"""A small model, and images of noise for it."""

import keras
import numpy as np

import mnist_keras as mk


def net(seed=0, **options):
    keras.utils.set_random_seed(seed)
    return mk.build_mlp((16,), **options)


def noise():
    return np.random.default_rng(0).integers(0, 256, (37, 28, 28), np.uint8)
