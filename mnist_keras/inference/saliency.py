"""Which pixels a model used: gradients of its answer, and the effect of hiding pixels."""

from __future__ import annotations  # help() shows the names of types, not what they stand for

import functools
import weakref

import keras
import numpy as np
import tensorflow as tf

from mnist_keras._validation import check_choice, check_images, check_polarity
from mnist_keras.inference.prediction import BATCH_SIZE, predict_checked
from mnist_keras.models.inspection import check_input_shape, input_scale, returns_logits

METHODS = ("gradient", "occlusion")
PATCH_SHARE = (
    6  # a hidden square has a sixth of the image's side: 5 of 28 pixels, wider than a stroke
)
# Smilkov et al., section 3, average at most 50 copies with noise of 0.1 to 0.2.
NOISY_COPIES = 32  # copies of each image, over which a gradient is averaged
NOISE = 0.15  # standard deviation of the noise, as a fraction of the range of pixels
TINY = float(np.finfo(np.float32).tiny)  # a float32 softmax underflows to 0, which has no logarithm


def compute_saliency(model: keras.Model, images, *, method: str = "gradient") -> np.ndarray:
    """Computes how much each pixel supports the predicted class.

    Args:
        model: A classifier of gray images.
        images: Array of shape `(n, height, width)` or `(n, height, width, 1)`: uint8, or floats in [0, 1].
        method: "gradient", the gradient of the class's log odds, averaged over noisy copies of the image, times the
            pixel; or "occlusion", the mean drop in log odds over all black squares that hide the pixel.

    Returns:
        A float32 array of shape `(n, height, width)`, in log odds; negative where a pixel counts against the class.

    Raises:
        InputError: If the images are invalid, or not of the size that the model takes.

    Reference:
        Shrikumar et al., 2016, "Not Just a Black Box" (gradient times input).
        Smilkov et al., 2017, "SmoothGrad: Removing Noise by Adding Noise" (the average).
        Zeiler and Fergus, 2014, "Visualizing and Understanding Convolutional Networks", section 4.2 (occlusion).
    """
    check_choice("method", method, METHODS)
    images = check_images(images)
    check_input_shape(model, images.shape[1:])
    check_polarity(images)
    classes = predict_checked(model, images).argmax(axis=1)
    return map_saliency(model, as_floats(images), classes, method)


def map_saliency(
    model: keras.Model, pixels: np.ndarray, classes: np.ndarray, method: str
) -> np.ndarray:
    """Returns what `compute_saliency` does for the given classes; takes checked images, float32 in [0, 1]."""
    if method == "gradient":
        return smooth_gradients(model, pixels, classes) * pixels
    return np.stack([_occlude(model, *pair) for pair in zip(pixels, classes, strict=True)])


def as_floats(images: np.ndarray) -> np.ndarray:
    """Returns images as float32 in [0, 1]."""
    return images.astype(np.float32) / 255 if images.dtype == np.uint8 else images


def smooth_gradients(model: keras.Model, images: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Returns the gradient of one class's log odds, averaged over noisy copies of each image.

    A single gradient changes its sign from pixel to pixel, so its map is speckled. The noise is the same for every
    image. The arguments are those of `log_odds_gradients`.
    """
    shape = (NOISY_COPIES, *images.shape[1:])
    noise = np.random.default_rng(0).normal(0, NOISE, shape).astype(np.float32)
    return np.stack(
        [
            log_odds_gradients(model, image + noise, np.full(NOISY_COPIES, label))[0].mean(axis=0)
            for image, label in zip(images, classes, strict=True)
        ]
    )


def log_odds_gradients(
    model: keras.Model, images: np.ndarray, classes: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the gradient of one class's log odds with respect to each image's pixels, and the predicted classes.

    Log odds keep a gradient where a softmax is saturated, and they are monotonic in the cross-entropy.

    Args:
        model: A classifier of gray images.
        images: float32 array of shape `(n, height, width)`, in [0, 1].
        classes: Integer array of shape `(n,)`.
    """
    function = _compiled(model, images.shape[1:])
    gradients, predictions = np.empty_like(images), np.empty(len(images), np.int64)
    for start in range(0, len(images), BATCH_SIZE):
        part = slice(start, start + BATCH_SIZE)
        parts = function(tf.constant(images[part]), tf.constant(classes[part], tf.int64))
        gradients[part], predictions[part] = (x.numpy() for x in parts)
    return gradients, predictions


_functions: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()


def _compiled(model, image_shape):
    functions = _functions.setdefault(model, {})
    if image_shape not in functions:
        differentiate = functools.partial(
            _differentiate,
            weakref.ref(model),  # the function must not keep its own key alive
            shape=check_input_shape(model, image_shape),
            scale=input_scale(model),
            logits=returns_logits(model),
        )
        signature = [tf.TensorSpec((None, *image_shape)), tf.TensorSpec((None,), tf.int64)]
        functions[image_shape] = tf.function(
            differentiate, input_signature=signature, autograph=False
        )
    return functions[image_shape]


def _differentiate(model_reference, images, classes, *, shape, scale, logits):
    with tf.GradientTape() as tape:
        tape.watch(images)
        inputs = tf.reshape(images * scale, (-1, *shape))
        outputs = tf.cast(model_reference()(inputs, training=False), tf.float32)
        scores = outputs if logits else tf.math.log(tf.maximum(outputs, TINY))
        odds = _log_odds(scores, classes)
    return tape.gradient(odds, images), tf.argmax(outputs, axis=-1)


def _log_odds(scores, classes):
    is_class = tf.one_hot(classes, scores.shape[-1], on_value=True, off_value=False)
    others = tf.where(is_class, tf.fill(tf.shape(scores), scores.dtype.min), scores)
    own = tf.gather(scores, classes, batch_dims=1)
    return own - tf.reduce_logsumexp(others, axis=-1)


def _occlude(model, image, label):
    height, width = image.shape
    side = max(round(max(height, width) / PATCH_SHARE), 1)
    corners = [
        (y, x)
        for y in range(1 - side, height, side // 2 or 1)
        for x in range(1 - side, width, side // 2 or 1)
    ]
    windows = [(slice(max(y, 0), y + side), slice(max(x, 0), x + side)) for y, x in corners]
    hidden = np.repeat(image[None], len(windows) + 1, axis=0)  # the last axis stays whole
    for copy, window in zip(hidden, windows, strict=False):
        copy[window] = 0
    probabilities = predict_checked(model, hidden).astype(np.float64)
    own = np.maximum(probabilities[:, label], TINY)
    others = np.maximum(np.delete(probabilities, label, axis=1).sum(axis=1), TINY)
    odds = np.log(own / others)
    loss, count = np.zeros(image.shape), np.zeros(image.shape)
    for window, odds_without in zip(windows, odds[:-1], strict=True):
        loss[window] += odds[-1] - odds_without
        count[window] += 1
    return (loss / count).astype(np.float32)
