"""Keras's `fit`: the documented models with it, and Keras's own MNIST example."""

from functools import partial

import keras
import tensorflow as tf
from keras import layers
from turns import Contestant

from mnist_keras import create_model

tf.get_logger().setLevel("ERROR")  # every model is traced on purpose


def as_input(images):
    return images[..., None].astype("float32") / 255


def fit(model: keras.Model, images, labels, batch_size: int, max_epochs: int = 1) -> Contestant:
    """Trains from float32 arrays in memory, as users of `fit` do."""
    epoch = partial(model.fit, as_input(images), labels, batch_size=batch_size, verbose=0)
    predict = partial(model.predict, batch_size=1000, verbose=0)
    return Contestant(epoch, lambda tested: predict(as_input(tested)).argmax(axis=1), max_epochs)


def make(name, batch_size, data, optimizer="adam", **options) -> Contestant:
    """The same model as ours."""
    model = create_model(name)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"], **options)
    return fit(model, data.train.images, data.train.labels, batch_size)


def make_example(data, *, seed: int) -> Contestant:
    """Keras's `mnist_convnet` example: Adam, batch 128, 10% held out, at most 15 epochs.

    The example also validates on the held-out images, which changes nothing and whose time would not count.

    Reference:
        https://keras.io/examples/vision/mnist_convnet
    """
    keras.utils.set_random_seed(seed)
    seen = round(0.9 * len(data.train))
    labels = keras.utils.to_categorical(data.train.labels[:seen], data.num_classes)
    convolutions = [layers.Conv2D(32, 3, activation="relu"), layers.MaxPooling2D(2)]
    convolutions += [layers.Conv2D(64, 3, activation="relu"), layers.MaxPooling2D(2)]
    dense = [layers.Flatten(), layers.Dropout(0.5), layers.Dense(10, activation="softmax")]
    model = keras.Sequential([keras.Input((28, 28, 1)), *convolutions, *dense])
    model.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
    return fit(model, data.train.images[:seen], labels, 128, max_epochs=15)


CONTESTANTS = {
    "to_99_percent": {"keras_example": make_example},
    "epoch_mlp_128": {
        "fit": partial(make, "mlp_128", 128),
        "fit_32_steps": partial(make, "mlp_128", 128, steps_per_execution=32),
    },
    "epoch_mlp_1024_128": {"fit": partial(make, "mlp_1024_128", 128)},
    "epoch_cnn_2conv": {
        "fit": lambda data: make("cnn_2conv", 64, data, keras.optimizers.SGD(0.05))
    },
}
