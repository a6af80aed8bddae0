"""Ours and Keras's `fit`, each as its users run it: an epoch at a time, or to an accuracy."""

import keras
import numpy as np
import tensorflow as tf
from stopwatch import Stopwatch, Timed

from mnist_keras import create_model, get_model_spec
from mnist_keras.distribution import choose_jit, choose_precision, precision_policy
from mnist_keras.loop import TrainingLoop
from mnist_keras.pipeline import make_batch_source
from mnist_keras.prediction import predict_probabilities
from mnist_keras.recipes import compile_model


def predict_labels(model: keras.Model, images: np.ndarray) -> np.ndarray:
    return predict_probabilities(model, images).argmax(axis=1)


class Ours(Timed):
    """A registered net and its recipe in the loop that `train` runs.

    Args:
        name: Name in the registry.
        data: An `ImageData`.
        seed: Of weights and batches.
        **changes: Fields of the recipe that are other than the net's own.

    Attributes:
        precision: Policy of the net's layers, chosen if the recipe says "auto".
        jit: Whether XLA compiles the steps, chosen likewise.
    """

    def __init__(self, name, data, *, seed=0, **changes):
        spec = get_model_spec(name)
        recipe = spec.recipe.replace(**changes)
        convolutional = spec.builder not in {"build_mlp", "build_softmax_regression"}
        self.precision = choose_precision(recipe.precision, convolutional=convolutional)
        keras.utils.set_random_seed(seed)
        with precision_policy(self.precision):
            self.model = spec.build()
        self.source = make_batch_source(
            data.train_images,
            data.train_labels,
            batch_size=recipe.batch_size,
            augmentation=recipe.augmentation,
        )
        compile_model(self.model, recipe, recipe.epochs * self.source.steps_per_epoch)
        self.jit = choose_jit(
            recipe.jit,
            self.model,
            num_replicas=1,
            augmented=self.source.augmentation is not None,
        )
        self.loop = TrainingLoop(
            self.model,
            tf.distribute.get_strategy(),
            self.source,
            seed=seed,
            one_hot=recipe.label_smoothing > 0,
            jit=self.jit,
        )
        self.epochs_done = 0

    def epoch(self) -> None:
        self.epochs_done += 1
        self.loop.run(self.epochs_done)

    def predict(self, images: np.ndarray) -> np.ndarray:
        return predict_labels(self.model, images)


class Fit(Timed):
    """The same net with `compile` and `fit`, from float32 arrays in memory, its fastest documented way in."""

    def __init__(self, name, data, *, batch_size, optimizer):
        self.batch_size = batch_size
        self.images = data.train_images[..., None].astype("float32") / 255
        self.labels = data.train_labels
        self.model = create_model(name)
        self.model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])

    def epoch(self) -> None:
        self.model.fit(self.images, self.labels, batch_size=self.batch_size, epochs=1, verbose=0)

    def predict(self, images: np.ndarray) -> np.ndarray:
        return predict_labels(self.model, images)


def train_cnn_fast(data, *, seed: int) -> list[tuple[float, float]]:
    """Trains `cnn_fast` by its recipe to the last step; returns the curve, one point."""
    watch = Stopwatch(lambda: ours.predict(data.test_images), data.test_labels)
    ours = Ours("cnn_fast", data, seed=seed)
    ours.loop.run(get_model_spec("cnn_fast").recipe.epochs)
    watch.look()
    return watch.curve


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
