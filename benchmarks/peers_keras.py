"""Keras's `fit`: the documented models with it, and Keras's own MNIST example."""

import time
from functools import partial

import keras
import tensorflow as tf
from keras import layers
from turns import Contestant, train_to

from mnist_keras import create_model

tf.get_logger().setLevel("ERROR")  # every model is traced on purpose


def as_input(images):
    return images[..., None].astype("float32") / 255


def predict_labels(model: keras.Model, images):
    return model.predict(as_input(images), batch_size=1000, verbose=0).argmax(axis=1)


def make(name, batch_size, data, optimizer="adam", **options) -> Contestant:
    """The same model with `compile` and `fit`, from float32 arrays in memory, as its users run it."""
    images, labels, model = as_input(data.train.images), data.train.labels, create_model(name)
    loss = "sparse_categorical_crossentropy"
    model.compile(optimizer, loss, metrics=["accuracy"], **options)
    epoch = partial(model.fit, images, labels, batch_size=batch_size, verbose=0)
    return Contestant(epoch, partial(predict_labels, model))


def train_keras_example(data, *, seed: int, target: float) -> list[tuple[float, float]]:
    """Trains Keras's `mnist_convnet` example: Adam, batch 128, 10% held out, at most 15 epochs.

    The example also validates on the held-out images, which changes nothing and whose time would not count.

    Reference:
        https://keras.io/examples/vision/mnist_convnet
    """
    start = time.perf_counter()
    keras.utils.set_random_seed(seed)
    seen = round(0.9 * len(data.train))
    images = as_input(data.train.images[:seen])
    labels = keras.utils.to_categorical(data.train.labels[:seen], data.num_classes)
    convolutions = [layers.Conv2D(32, 3, activation="relu"), layers.MaxPooling2D(2)]
    convolutions += [layers.Conv2D(64, 3, activation="relu"), layers.MaxPooling2D(2)]
    dense = [layers.Flatten(), layers.Dropout(0.5), layers.Dense(10, activation="softmax")]
    model = keras.Sequential([keras.Input((28, 28, 1)), *convolutions, *dense])
    model.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
    epoch = partial(model.fit, images, labels, batch_size=128, verbose=0)
    example = Contestant(epoch, partial(predict_labels, model))
    return train_to(target, example, data.test, epochs=15, start=start)


CONTESTANTS = {
    "epoch_mlp_128": {
        "fit": partial(make, "mlp_128", 128),
        "fit_32_steps": partial(make, "mlp_128", 128, steps_per_execution=32),
    },
    "epoch_mlp_1024_128": {"fit": partial(make, "mlp_1024_128", 128)},
    "epoch_cnn_2conv": {
        "fit": lambda data: make("cnn_2conv", 64, data, keras.optimizers.SGD(0.05))
    },
}
