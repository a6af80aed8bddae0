"""What every net takes and returns: the first and the last layer of ours, and how to tell those of other people's."""

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


def returns_logits(model: keras.Model) -> bool:
    """Returns whether the model ends neither in a softmax nor in a mean of models that do."""
    last = model
    while isinstance(last, keras.Model):  # a model may end in a model
        inner = [layer for layer in last.layers if isinstance(layer, keras.Model)]
        last = getattr(last, "operations", last.layers)[-1]
        if inner and isinstance(last, keras.layers.Average):
            return any(map(returns_logits, inner))
    is_softmax = type(last).__name__ == "Softmax"  # the layer, or the operation of `keras.ops`
    return not (is_softmax or getattr(last, "activation", None) is keras.activations.softmax)


def input_scale(model: keras.Model) -> float:
    """Returns what pixels in [0, 1] are multiplied by for this model: 255 if it begins by scaling them down, else 1."""
    first = model
    while isinstance(first, keras.Model):
        layers = (x for x in first.layers if not isinstance(x, keras.layers.InputLayer))
        first = next(layers, None)
    # 1/255 to [0, 1] and 1/127.5 to [-1, 1] are for pixels to 255; a 2 to [-1, 1] is not.
    scales_down = isinstance(first, keras.layers.Rescaling) and first.scale < 0.1
    return 255.0 if scales_down else 1.0


def check_classifier(model: keras.Model) -> None:
    """Checks that a model has one input of known shape and one output, a row of classes per image.

    Raises:
        InputError: If it is no model, or another one.
    """
    if not isinstance(model, keras.Model):
        raise invalid(
            "model",
            expected="a keras.Model",
            received=repr(model),
            hint="load_model() returns one from a name or a path.",
        )
    input_shape = getattr(model, "input_shape", None)
    if input_shape is None:
        raise invalid(
            "model",
            expected="a model that knows its input shape",
            received=f"{model.name!r}, which does not",
            hint="Begin it with keras.Input((28, 28, 1)).",
        )
    if not isinstance(input_shape, tuple):
        raise invalid(
            "model",
            expected="a model with one input",
            received=f"{model.name!r} with input shapes {input_shape}",
        )
    if not (isinstance(model.output_shape, tuple) and len(model.output_shape) == 2):
        raise invalid(
            "model",
            expected="a model with one output of shape (n, num_classes)",
            received=f"{model.name!r} with output shape {model.output_shape}",
        )


def check_input_shape(model: keras.Model, image_shape: Sequence[int]) -> tuple[int, ...]:
    """Returns the shape in which the model takes one image of shape `(height, width)`.

    Raises:
        InputError: If the model takes other images, or `check_classifier` refuses it.
    """
    height, width = image_shape
    check_classifier(model)
    expected = tuple(model.input_shape[1:])
    if expected not in ((height, width), (height, width, 1), (height * width,)):
        raise invalid(
            "images",
            expected=f"images of the model's input shape {expected}",
            received=f"images of shape {(height, width)}",
        )
    return expected
