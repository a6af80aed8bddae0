"""The first and the last layer of every registered model."""

from collections.abc import Sequence

import keras

from mnist_keras._validation import check_integer, invalid


def start(
    input_shape: Sequence[int], include_rescaling: bool, *, least: int = 1
) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """Returns the input of a net, and what its first layer takes.

    Raises:
        InputError: If the shape is none of an image, or the image is smaller than `least` pixels.
    """
    shape = tuple(input_shape) if isinstance(input_shape, Sequence) else input_shape
    legal = (
        isinstance(shape, tuple)
        and len(shape) == 3
        and all(isinstance(size, int) and size > 0 for size in shape)
        and min(shape[:2]) >= least
    )
    if not legal:
        raise invalid(
            "input_shape",
            expected=f"(height, width, channels), height and width of at least {least}",
            received=repr(input_shape),
        )
    inputs = keras.Input(shape, name="image")  # exported models call their input by this name
    if include_rescaling:
        return inputs, keras.layers.Rescaling(1 / 255, name="rescaling")(inputs)
    return inputs, inputs


def check_widths(name: str, widths: Sequence[int]) -> list[int]:
    """Returns the widths of layers as whole numbers from 1.

    Raises:
        InputError: If they are not.
    """
    if not isinstance(widths, Sequence) or isinstance(widths, str):
        raise invalid(name, expected="a sequence of whole numbers", received=repr(widths))
    return [check_integer(name, width, minimum=1) for width in widths]


def classify(x: keras.KerasTensor, num_classes: int, activation: str | None) -> keras.KerasTensor:
    """Returns the output of a net's classifying layer.

    Raises:
        InputError: If there are fewer than two classes, or the activation is another than "softmax" or None.
    """
    check_integer("num_classes", num_classes, minimum=2)
    if activation not in ("softmax", None):
        raise invalid(
            "classifier_activation", expected="'softmax' or None", received=repr(activation)
        )
    # float32 under any policy: a softmax in bfloat16 has three significant digits.
    return keras.layers.Dense(
        num_classes, activation=activation, dtype="float32", name="predictions"
    )(x)
