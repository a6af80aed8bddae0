"""Keras's `fit`: the documented models with it, and Keras's own MNIST example."""

import keras
import tensorflow as tf
from keras import layers
from turns import Stopwatch

from mnist_keras import create_model

tf.get_logger().setLevel("ERROR")  # every model is traced on purpose


def as_input(images):
    return images[..., None].astype("float32") / 255


def predict_labels(model: keras.Model, images):
    return model.predict(as_input(images), batch_size=1000, verbose=0).argmax(axis=1)


class Fit:
    """The same model with `compile` and `fit`, from float32 arrays in memory, as its users run it."""

    def __init__(self, name, data, *, batch_size, optimizer, **options):
        self.batch_size = batch_size
        self.images, self.labels = as_input(data.train.images), data.train.labels
        self.model = create_model(name)
        loss = "sparse_categorical_crossentropy"
        self.model.compile(optimizer(), loss, metrics=["accuracy"], **options)

    def epoch(self) -> None:
        self.model.fit(self.images, self.labels, batch_size=self.batch_size, epochs=1, verbose=0)

    def predict(self, images):
        return predict_labels(self.model, images)


def train_keras_example(data, *, seed: int, target: float) -> list[tuple[float, float]]:
    """Trains Keras's `mnist_convnet` example: Adam, batch 128, 10% held out, at most 15 epochs.

    The example also validates on the held-out images, which changes nothing and whose time would not count.

    Reference:
        https://keras.io/examples/vision/mnist_convnet
    """
    watch = Stopwatch(lambda: predict_labels(model, data.test.images), data.test.labels)
    keras.utils.set_random_seed(seed)
    seen = round(0.9 * len(data.train))
    images = as_input(data.train.images[:seen])
    labels = keras.utils.to_categorical(data.train.labels[:seen], data.num_classes)
    convolutions = [layers.Conv2D(32, 3, activation="relu"), layers.MaxPooling2D(2)]
    convolutions += [layers.Conv2D(64, 3, activation="relu"), layers.MaxPooling2D(2)]
    dense = [layers.Flatten(), layers.Dropout(0.5), layers.Dense(10, activation="softmax")]
    model = keras.Sequential([keras.Input((28, 28, 1)), *convolutions, *dense])

    def stop_at_target(epoch, logs):
        model.stop_training = watch.look() >= target

    look = keras.callbacks.LambdaCallback(on_epoch_end=stop_at_target)
    model.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
    model.fit(images, labels, batch_size=128, epochs=15, callbacks=[look], verbose=0)
    return watch.curve


def _maker(name, batch_size=128, optimizer=keras.optimizers.Adam, **options):
    return lambda data: Fit(name, data, batch_size=batch_size, optimizer=optimizer, **options)


CONTESTANTS = {
    "epoch_mlp_128": {
        "fit": _maker("mlp_128"),
        "fit_32_steps": _maker("mlp_128", steps_per_execution=32),
    },
    "epoch_mlp_1024_128": {"fit": _maker("mlp_1024_128")},
    "epoch_cnn_2conv": {"fit": _maker("cnn_2conv", 64, lambda: keras.optimizers.SGD(0.05))},
}
