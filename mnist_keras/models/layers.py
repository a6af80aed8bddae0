"""The first and the last layer of every registered model."""

from collections.abc import Sequence

import keras

from mnist_keras._validation import check_flags, check_integer, invalid

HIDDEN_LAYER = (
    "hidden_classes"  # name of the softmax over hidden classes, whose sums are the probabilities
)


def start(
    input_shape: Sequence[int], include_rescaling: bool, *, least: int = 1
) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """Returns the input of a model, and the tensor that its first layer takes.

    Raises:
        InputError: If the shape is not an image's, or height or width is below `least` pixels.
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
    check_flags(include_rescaling=include_rescaling)
    if include_rescaling:
        return inputs, keras.layers.Rescaling(1 / 255, name="rescaling")(inputs)
    return inputs, inputs


def check_widths(name: str, widths: Sequence[int]) -> list[int]:
    """Returns the widths of layers as positive integers.

    Raises:
        InputError: If they are not.
    """
    if not isinstance(widths, Sequence) or isinstance(widths, str):
        raise invalid(name, expected="a sequence of integers", received=repr(widths))
    return [check_integer(name, width, minimum=1) for width in widths]


def classify(
    x: keras.KerasTensor,
    include_top: bool,
    num_classes: int,
    activation: str | None,
    hidden_classes: Sequence[int] | None = None,
) -> keras.KerasTensor:
    """Returns the output of a model's classification layer, or without the top `x`, the features.

    With hidden classes, a softmax over them comes first, and a fixed layer sums their probabilities for each class. A
    hidden class of -1 belongs to no class: its probability is divided equally.

    Raises:
        InputError: If `include_top` is no boolean, there are fewer than two classes, the activation is neither
            "softmax" nor None, or the hidden classes do not cover all classes.
    """
    check_flags(include_top=include_top)
    if not include_top:
        return x
    check_integer("num_classes", num_classes, minimum=2)
    if activation not in ("softmax", None):
        raise invalid(
            "classifier_activation", expected="'softmax' or None", received=repr(activation)
        )
    # float32 under any policy: a softmax in bfloat16 has three significant digits.
    if hidden_classes is None:
        return keras.layers.Dense(
            num_classes, activation=activation, dtype="float32", name="predictions"
        )(x)
    if set(hidden_classes) - {-1} != set(range(num_classes)):
        raise invalid(
            "hidden_classes",
            expected=f"for each hidden class a number from 0 to {num_classes - 1} or -1, each number at least once",
            received=repr(hidden_classes),
        )
    hidden = keras.layers.Dense(
        len(hidden_classes), activation="softmax", dtype="float32", name=HIDDEN_LAYER
    )(x)
    shares = [
        [1 / num_classes if owner < 0 else float(owner == label) for label in range(num_classes)]
        for owner in hidden_classes
    ]
    probabilities = keras.layers.Dense(
        num_classes,
        use_bias=False,
        trainable=False,
        kernel_initializer=keras.initializers.Constant(shares),
        dtype="float32",
        name="predictions",
    )(hidden)
    return probabilities if activation else keras.ops.log(probabilities)
