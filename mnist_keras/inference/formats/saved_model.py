"""TensorFlow's SavedModel: pixels in, probabilities and labels out, loaded without Keras and without this package."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from mnist_keras.inference.prediction import probabilities_function

CLASS_NAMES = "class_names.txt"  # among the assets; one name a line
BATCH_SIZE = 500  # images


def write(
    model: keras.Model,
    path: Path,
    *,
    image_shape: tuple[int, int],
    class_names: Sequence[str],
    **_,  # precision, images and data, which this format does not need
) -> None:
    """Writes a model as a SavedModel directory.

    Its signatures are "serving_default", for float32 pixels from 0 to 255, and "uint8"; both return "probabilities"
    and "labels".
    """
    with tempfile.TemporaryDirectory() as directory:
        names = Path(directory) / CLASS_NAMES
        names.write_text("".join(f"{name}\n" for name in class_names), encoding="utf-8")
        served = _Served(model, image_shape, names)
        functions = {
            "serving_default": served.predict.get_concrete_function(
                _pixels(image_shape, tf.float32)
            ),
            "uint8": served.predict.get_concrete_function(_pixels(image_shape, tf.uint8)),
        }
        tf.saved_model.save(served, str(path), signatures=functions)


def run(path: Path, images: np.ndarray) -> np.ndarray:
    """Returns the probabilities that a SavedModel gives for uint8 images."""
    loaded = tf.saved_model.load(str(path))
    parts = []
    for start in range(0, len(images), BATCH_SIZE):
        pixels = tf.constant(images[start : start + BATCH_SIZE])
        answer = loaded.signatures["serving_default"](tf.cast(pixels, tf.float32))
        raw = loaded.signatures["uint8"](pixels)["probabilities"]
        assert np.array_equal(raw, answer["probabilities"]), "both signatures compute the same"
        parts.append(answer["probabilities"].numpy())
    return np.concatenate(parts)


def _pixels(image_shape, dtype):
    return tf.TensorSpec((None, *image_shape), dtype, name="pixels")


class _Served(tf.Module):
    def __init__(self, model, image_shape, names: Path):
        super().__init__()
        self._variables = [variable.value for variable in model.weights]
        self.class_names = tf.saved_model.Asset(str(names))
        to_probabilities = probabilities_function(model, image_shape, 255)

        @tf.function(autograph=False)
        def predict(pixels):
            probabilities = to_probabilities(model, pixels)
            return {"probabilities": probabilities, "labels": tf.argmax(probabilities, axis=-1)}

        self.predict = predict
