"""Keras's Adam and batch normalization in TensorFlow's fused kernels: the same results in one operation, not a dozen.

Both change only how steps are traced: models and optimizers stay Keras's own, and are saved as such.
"""

import contextlib
import functools
from collections.abc import Iterator

import keras
import tensorflow as tf

from mnist_keras.models.inspection import flatten_layers

# Private attributes of Keras 3.15.
ADAM_INTERNALS = ("update_step", "_get_variable_index", "_momentums", "_velocities")
NORM_INTERNALS = ("moving_mean", "moving_variance", "gamma", "beta", "input_spec")
HALF_CHANNELS = 16  # oneDNN normalizes multiples of it fast in bfloat16, other numbers by far slower reference code


@contextlib.contextmanager
def fused_kernels(model: keras.Model) -> Iterator[None]:
    """Makes training steps of a compiled model that are traced inside use both fused kernels where possible."""
    with fused_adam(model.optimizer), fused_batch_norm(model):
        yield


@contextlib.contextmanager
def fused_adam(optimizer: keras.optimizers.Optimizer) -> Iterator[None]:
    """Makes steps that are traced inside update the variables by the fused kernel if the optimizer is an Adam.

    Small models spend much of a step on Keras's update. The weights agree with Keras's to rounding. Optimizers other
    than `Adam` and `AdamW`, and those with `amsgrad`, are skipped. Afterwards, the optimizer is unchanged: what is
    saved with the model is Keras's.

    Args:
        optimizer: A built optimizer, possibly inside a `LossScaleOptimizer`.

    Reference:
        Kingma and Ba, 2015, "Adam: A Method for Stochastic Optimization", the order of computation at the end of
        section 2.
    """
    adam = getattr(optimizer, "inner_optimizer", optimizer)
    known = type(adam) in (keras.optimizers.Adam, keras.optimizers.AdamW) and not adam.amsgrad
    if not (known and all(hasattr(adam, name) for name in ADAM_INTERNALS)):
        yield  # Keras's own update: slower, but correct whatever Keras renames
        return
    by_keras = adam.update_step

    def update_step(gradient, variable, learning_rate):
        if isinstance(gradient, tf.IndexedSlices):  # the rows of an embedding
            by_keras(gradient, variable, learning_rate)
            return
        dtype, index = variable.dtype, adam._get_variable_index(variable)
        step = tf.cast(adam.iterations + 1, dtype)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=adam._momentums[index].value.handle,
            v=adam._velocities[index].value.handle,
            beta1_power=tf.pow(tf.cast(adam.beta_1, dtype), step),
            beta2_power=tf.pow(tf.cast(adam.beta_2, dtype), step),
            lr=tf.cast(learning_rate, dtype),
            beta1=tf.cast(adam.beta_1, dtype),
            beta2=tf.cast(adam.beta_2, dtype),
            epsilon=tf.cast(adam.epsilon, dtype),
            grad=tf.cast(gradient, dtype),
        )

    adam.update_step = update_step
    try:
        yield
    finally:
        del adam.update_step


@contextlib.contextmanager
def fused_batch_norm(model: keras.Model) -> Iterator[None]:
    """Makes training steps that are traced inside normalize images by the fused kernel.

    Keras's layer computes in float32 by a dozen operations over the whole batch, on CPU in about the time of a 3x3
    convolution; the fused kernel takes little more than the ReLU after it. It computes in the layer's own precision, or
    in float32 where the number of channels makes it slow in half precision. Outputs, gradients and moving averages
    agree with Keras's to rounding. It skips subclasses, layers of other shapes than `(n, height, width, channels)`,
    synchronized layers, layers with `renorm`, and weights that are not float32.

    Args:
        model: A built model; its layers are unchanged afterwards.

    Reference:
        Ioffe and Szegedy, 2015, "Batch Normalization", algorithm 1.
    """
    layers = list(dict.fromkeys(filter(_is_fusible, flatten_layers(model))))  # each once
    for layer in layers:
        layer.call = functools.partial(_normalize, layer, layer.call)
    try:
        yield
    finally:
        for layer in layers:
            del layer.call


def _is_fusible(layer):
    return (
        type(layer) is keras.layers.BatchNormalization
        and layer.built
        and "call" not in vars(layer)  # fused by a training around this one, or the user's own
        and layer.variable_dtype == "float32"
        and all(hasattr(layer, name) for name in NORM_INTERNALS)
        and layer.compute_dtype in ("float32", "bfloat16", "float16")
        and layer.input_spec.ndim == 4
        and layer.axis in (-1, 3)
        and layer.scale
        and layer.center
        and not (layer.synchronized or layer.renorm)
    )


def _normalize(layer, by_keras, inputs, training=None, mask=None):
    if not (training and layer.trainable) or mask is not None:
        return by_keras(inputs, training=training, mask=mask)
    dtype = "float32" if inputs.shape[-1] % HALF_CHANNELS else layer.compute_dtype
    outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
        x=tf.cast(inputs, dtype),
        scale=tf.convert_to_tensor(layer.gamma),
        offset=tf.convert_to_tensor(layer.beta),
        mean=tf.zeros([0]),
        variance=tf.zeros([0]),
        epsilon=layer.epsilon,
        is_training=True,
    )
    # The kernel divides by n - 1, where Keras's moving average is of the variance with n.
    n = tf.cast(tf.size(inputs) / tf.size(mean), tf.float32)
    variance *= (n - 1) / n
    for average, value in ((layer.moving_mean, mean), (layer.moving_variance, variance)):
        average.assign(average * layer.momentum + value * (1 - layer.momentum))
    return tf.cast(outputs, layer.compute_dtype)
