"""Trains with Keras's `fit`: this library's models, and Keras's own MNIST example."""

from functools import partial

import keras
import tensorflow as tf
from keras import layers
from turns import Trainer

from mnist_keras import create_model, get_model_spec

tf.get_logger().setLevel("ERROR")  # every model is traced on purpose


def as_input(images):
    return images[..., None].astype("float32") / 255


def fit(model: keras.Model, images, labels, batch_size: int, max_epochs: int = 1) -> Trainer:
    """Trains from float32 arrays in memory, as users of `fit` do."""
    epoch = partial(model.fit, as_input(images), labels, batch_size=batch_size, verbose=0)
    predict = partial(model.predict, batch_size=1000, verbose=0)
    return Trainer(epoch, lambda tested: predict(as_input(tested)).argmax(axis=1), max_epochs)


def make(data, model: str, **options) -> Trainer:
    """A registered model with the optimizer and the batch size of its recipe."""
    made, recipe = create_model(model), get_model_spec(model).recipe
    optimizer = keras.optimizers.get(recipe.optimizer)
    optimizer.learning_rate = recipe.learning_rate
    made.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"], **options)
    return fit(made, data.train.images, data.train.labels, recipe.batch_size)


def make_example(data, *, seed: int) -> Trainer:
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
