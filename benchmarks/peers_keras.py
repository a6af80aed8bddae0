"""Keras's `fit`: the documented nets with it, and Keras's own MNIST example."""

import keras
import numpy as np
import tensorflow as tf
from stopwatch import Stopwatch, Timed

from mnist_keras import create_model

BATCH_SIZE = 1000  # images at a time where a net is looked at

tf.get_logger().setLevel("ERROR")  # every net is traced on purpose


def predict_labels(model: keras.Model, images: np.ndarray) -> np.ndarray:
    inputs = images[..., None].astype("float32") / 255
    return model.predict(inputs, batch_size=BATCH_SIZE, verbose=0).argmax(axis=1)


class Fit(Timed):
    """The same net with `compile` and `fit`, from float32 arrays in memory, as its users run it."""

    def __init__(self, name, data, *, batch_size, optimizer, **options):
        self.batch_size = batch_size
        self.images = data.train_images[..., None].astype("float32") / 255
        self.labels = data.train_labels
        self.model = create_model(name)
        loss = "sparse_categorical_crossentropy"
        self.model.compile(optimizer, loss, metrics=["accuracy"], **options)

    def epoch(self) -> None:
        self.model.fit(self.images, self.labels, batch_size=self.batch_size, epochs=1, verbose=0)

    def predict(self, images: np.ndarray) -> np.ndarray:
        return predict_labels(self.model, images)


class _UntilTarget(keras.callbacks.Callback):
    """Looks at the test images after each epoch, and ends the training once they are known well enough."""

    def __init__(self, watch, target):
        super().__init__()
        self.watch, self.target = watch, target

    def on_test_begin(self, logs=None):
        self.validation = self.watch.pause()
        self.validation.__enter__()

    def on_test_end(self, logs=None):
        self.validation.__exit__(None, None, None)

    def on_epoch_end(self, epoch, logs=None):
        if self.watch.look() >= self.target:
            self.model.stop_training = True


def train_keras_example(
    data, *, seed: int, target: float, max_epochs: int = 15
) -> list[tuple[float, float]]:
    """Trains Keras's own `mnist_convnet` example: Adam, batch 128, 10 % held out, at most 15 epochs.

    Reference:
        https://keras.io/examples/vision/mnist_convnet
    """
    watch = Stopwatch(lambda: predict_labels(model, data.test_images), data.test_labels)
    keras.utils.set_random_seed(seed)
    layers = keras.layers
    images = data.train_images[..., None].astype("float32") / 255
    labels = keras.utils.to_categorical(data.train_labels, data.num_classes)
    model = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.Dense(data.num_classes, activation="softmax"),
        ]
    )
    model.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        images,
        labels,
        batch_size=128,
        epochs=max_epochs,
        validation_split=0.1,
        callbacks=[_UntilTarget(watch, target)],
        verbose=0,
    )
    return watch.curve


def _make(name, optimizer, **options):
    return lambda data: Fit(name, data, optimizer=optimizer(), **options)


CONTESTANTS = {
    "epoch_mlp_128": {
        "fit": _make("mlp_128", keras.optimizers.Adam, batch_size=128),
        "fit_32_steps": _make(
            "mlp_128", keras.optimizers.Adam, batch_size=128, steps_per_execution=32
        ),
    },
    "epoch_mlp_1024_128": {"fit": _make("mlp_1024_128", keras.optimizers.Adam, batch_size=128)},
    "epoch_cnn_2conv": {
        "fit": _make("cnn_2conv", lambda: keras.optimizers.SGD(0.05), batch_size=64)
    },
}
