"""A small model that looks at a candidate and its surroundings, and decides whether it is one whole digit.

tools/train_segments.py trained it on the candidates in drawn rows of digits: whole digits, parts of digits, pairs,
letters and scribbles.
"""

import functools
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from mnist_keras.data.readers.pictures import IMAGE_SIZE
from mnist_keras.models.builders import build_deep_cnn
from mnist_keras.models.pretrained import check_weights, load_card_file

WEIGHTS = Path(__file__).with_name("segments.weights.h5")
CARD = WEIGHTS.with_name("segments.json")
NOT_ONE_DIGIT = 10  # the class after the ten digits
BATCH_SIZE = 500  # candidates; larger batches take more memory and are no faster


def build_segment_model() -> keras.Model:
    """Returns the untrained model; its input is a candidate's window in [0, 1]."""
    return build_deep_cnn(
        ((32,), (48, 48), (64, 64)),
        hidden_units=96,
        dropout=0.2,
        input_shape=(IMAGE_SIZE, IMAGE_SIZE, 2),
        num_classes=NOT_ONE_DIGIT + 1,
        name="segments",
    )


def read_segments(windows: np.ndarray) -> np.ndarray:
    """Returns the probabilities of the ten digits and of "not one whole digit" for each candidate.

    Args:
        windows: uint8 array of shape `(n, 28, 28, 2)`, see `Candidate.window`.

    Returns:
        float32 array of shape `(n, 11)`; rows sum to 1.
    """
    starts = range(0, len(windows), BATCH_SIZE)
    batches = [_predictor()(windows[start : start + BATCH_SIZE]).numpy() for start in starts]
    return np.concatenate(batches)


@functools.cache
def _predictor():
    model = build_segment_model()
    model.load_weights(check_weights(WEIGHTS, load_card_file(CARD)))
    signature = [tf.TensorSpec((None, *model.input_shape[1:]), tf.uint8)]

    @tf.function(input_signature=signature, autograph=False)
    def predict(windows):
        return model(tf.cast(windows, tf.float32) / 255, training=False)

    return predict
