"""Predicts class probabilities, with one compiled function for each model."""

from __future__ import annotations  # help() shows the names of types, not what they stand for

import functools
import weakref
from collections.abc import Callable, Sequence

import keras
import numpy as np
import tensorflow as tf

from mnist_keras._validation import check_images, check_integer, check_polarity
from mnist_keras.models.inspection import (
    check_backend,
    check_input_shape,
    input_scale,
    returns_logits,
)

BATCH_SIZE = 500  # images; larger batches leave the second-level cache and are no faster on CPU


def predict_probabilities(
    model: keras.Model, images, *, batch_size: int = BATCH_SIZE, shift: int = 0
) -> np.ndarray:
    """Predicts class probabilities for images.

    Args:
        model: A classifier of gray images; logits are passed through a softmax.
        images: Array of shape `(n, height, width)` or `(n, height, width, 1)`: uint8, or floats in [0, 1].
        batch_size: Number of images in a batch.
        shift: Averages over nine views: the image itself, and the image shifted by this many pixels in eight
            directions, with black at the edges. This takes nine times as long. 0 for only the image itself.

    Returns:
        A float32 array of shape `(n, num_classes)`; rows sum to 1.

    Raises:
        InputError: If the images are invalid, or not of the size that the model takes, or the shift is invalid.
    """
    images = check_images(images)
    check_polarity(images)
    check_integer("batch_size", batch_size, minimum=1)
    return Predictor(model, images.shape[1:], shift=shift).in_batches(images, batch_size)


def predict_checked(model: keras.Model, images: np.ndarray) -> np.ndarray:
    """Returns what `predict_probabilities` does, for images that were already checked."""
    return Predictor(model, images.shape[1:]).in_batches(images)


class Predictor:
    """Predicts class probabilities for batches of images that were already checked.

    Args:
        model: A classifier of gray images.
        image_shape: Height and width of the images.
        shift: See `predict_probabilities`.

    Raises:
        InputError: If the model takes other images, or the shift is invalid.
    """

    def __init__(self, model: keras.Model, image_shape: Sequence[int], *, shift: int = 0):
        check_backend("predict_probabilities")
        check_input_shape(model, image_shape)
        check_integer("shift", shift, minimum=0, maximum=min(image_shape) - 1)
        self._model, self._shift = model, shift

    def __call__(self, images: np.ndarray) -> np.ndarray:
        predict = _compiled(self._model, images.shape[1:], images.dtype)
        if not self._shift:
            return predict(tf.constant(images)).numpy()
        views = _shifted_views(images, self._shift)
        return np.mean([predict(tf.constant(view)).numpy() for view in views], axis=0)

    def in_batches(self, images: np.ndarray, batch_size: int = BATCH_SIZE) -> np.ndarray:
        """Predicts any number of images."""
        starts = range(0, len(images), batch_size)
        return np.concatenate([self(images[start : start + batch_size]) for start in starts])


def _shifted_views(images, shift) -> list[np.ndarray]:
    """Returns the images, and the same images shifted in each of eight directions."""
    height, width = images.shape[1:]
    padded = np.pad(images, [(0, 0), (shift, shift), (shift, shift)])
    starts = (shift, 0, 2 * shift)
    return [padded[:, y : y + height, x : x + width] for y in starts for x in starts]


_functions: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()


def _compiled(model, image_shape, dtype):
    functions = _functions.setdefault(model, {})
    key = (tuple(image_shape), np.dtype(dtype).name)
    if key not in functions:
        functions[key] = _compile(model, tuple(image_shape), dtype)
    return functions[key]


def _compile(model, image_shape, dtype):
    to_probabilities = probabilities_function(model, image_shape, 255 if dtype == np.uint8 else 1)
    # A weak reference: the function must not keep its own key alive. A partial: TensorFlow counts the traces of
    # functions by their code, and would warn about retracing if a process predicts with several models.
    predict = functools.partial(_predict, weakref.ref(model), to_probabilities)
    signature = [tf.TensorSpec((None, *image_shape), dtype)]
    return tf.function(predict, input_signature=signature, autograph=False)


def _predict(model_reference, to_probabilities, images):
    return to_probabilities(model_reference(), images)


def probabilities_function(
    model: keras.Model, image_shape: Sequence[int], white: float
) -> Callable[[keras.Model, tf.Tensor], tf.Tensor]:
    """Returns the function from a model and pixels of shape `(n, *image_shape)` to class probabilities.

    Args:
        model: A classifier; the function is for it, or for the same layers with other weights.
        image_shape: Height and width.
        white: The value of a white pixel: 255, or 1.

    Raises:
        InputError: If the model takes other images.
    """
    shape = check_input_shape(model, image_shape)
    scale = input_scale(model) / white
    logits = returns_logits(model)

    def to_probabilities(model, pixels):
        images = tf.reshape(tf.cast(pixels, tf.float32) * scale, (-1, *shape))
        outputs = model(images, training=False)
        probabilities = tf.cast(outputs, tf.float32)
        if logits:
            return tf.nn.softmax(probabilities)
        if outputs.dtype == tf.float32:
            return probabilities
        return probabilities / tf.reduce_sum(probabilities, axis=-1, keepdims=True)

    return to_probabilities
