"""A model as a TensorFlow graph of constants, the input of LiteRT's and ONNX's converters."""

from collections.abc import Iterable
from functools import partial

import keras
import numpy as np
import tensorflow as tf

from mnist_keras._validation import InputError
from mnist_keras.inference.formats.plain import PlainModel, Step, UnknownLayerError, to_plain
from mnist_keras.inference.prediction import probabilities_function

_ACTIVATIONS = {
    "linear": tf.identity,
    "relu": tf.nn.relu,
    "tanh": tf.tanh,
    "softmax": tf.nn.softmax,
}


def constant_function(model: keras.Model, image_shape: tuple[int, int]):
    """Returns the concrete function from float32 "pixels" from 0 to 255 to class probabilities, without variables.

    If the model has plain steps, they become the graph, because converters fold less batch normalization.
    """
    try:
        plain = to_plain(model)
    except UnknownLayerError:
        run = _with_constants(model, image_shape)
    else:
        run = partial(run_plain, plain)

    @tf.function(autograph=False)
    def probabilities(pixels):
        return run(pixels)

    return probabilities.get_concrete_function(
        tf.TensorSpec((None, *image_shape), tf.float32, name="pixels")
    )


def _with_constants(model, image_shape):
    to_probabilities = probabilities_function(model, image_shape, 255)
    weights = [
        [variable.numpy() for variable in variables]
        for variables in (model.trainable_variables, model.non_trainable_variables)
    ]

    def call(images, training):
        constants = [list(map(tf.constant, arrays)) for arrays in weights]
        return model.stateless_call(*constants, images, training=training)[0]

    return lambda pixels: to_probabilities(call, pixels)


def run_plain(plain: PlainModel, pixels: tf.Tensor) -> tf.Tensor:
    """Returns the class probabilities of float32 pixels from 0 to 255, of shape `(n, height, width)`."""
    inputs = pixels if plain.scale == 1 else pixels * np.float32(plain.scale)
    inputs = inputs + np.float32(plain.offset) if plain.offset else inputs
    votes = []
    for steps in plain.branches:
        x = inputs
        for step in steps:
            if x.shape[1:] != step.input_shape:
                x = tf.reshape(x, (-1, *step.input_shape))
            x = _run_step(step, x)
        votes.append(x)
    return tf.add_n(votes) / len(votes) if len(votes) > 1 else votes[0]


def _run_step(step: Step, x: tf.Tensor) -> tf.Tensor:
    if step.kind == "conv":
        x = _crop(step, x)
        x = tf.nn.bias_add(tf.nn.conv2d(x, step.kernel, step.strides, _padding(step)), step.bias)
    elif step.kind == "dense":
        x = tf.nn.bias_add(tf.matmul(x, step.kernel), step.bias)
    elif step.kind == "affine":
        x = x * step.kernel + step.bias
    elif step.kind != "activation":
        pool = tf.nn.max_pool2d if step.kind == "max_pool" else tf.nn.avg_pool2d
        x = pool(x, step.size, step.strides, "VALID")
    return _ACTIVATIONS[step.activation](x)


def _crop(step: Step, x: tf.Tensor) -> tf.Tensor:
    """Returns the part of its input that a convolution with negative padding reads."""
    if min(step.padding) >= 0:
        return x
    top, left = (-number for number in step.padding)
    sizes = zip(step.output_shape, step.strides, step.kernel.shape, strict=False)
    height, width = ((returned - 1) * stride + window for returned, stride, window in sizes)
    return x[:, top : top + height, left : left + width]


def _padding(step: Step) -> str:
    same = min(step.padding) >= 0 and all(
        -(-given // stride) == returned
        for given, stride, returned in zip(
            step.input_shape, step.strides, step.output_shape[:2], strict=False
        )
    )
    return "SAME" if same else "VALID"


def unknown_operations(function, runtime: str, types: Iterable[str]) -> InputError:
    """Returns the error that names operations of a graph that a runtime does not know, and where they are."""
    operations = [x for x in function.graph.get_operations() if x.type in set(types)]
    places = ", ".join(f"{x.type} ({x.name})" for x in operations) or ", ".join(types)
    return InputError(
        f"{runtime} does not know an operation of this model: {places}. Replace the layer, or export to "
        "'saved_model', which supports any operation."
    )
