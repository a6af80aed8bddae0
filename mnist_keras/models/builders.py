"""Builders of the architectures: plain `keras.Model`s of stock Keras layers.

The input is float32 in [0, 1], light ink on a dark background, of shape `(n, 28, 28, 1)` unless `input_shape` says
otherwise. The output is class probabilities of shape `(n, num_classes)`, in float32 under any precision policy. Only
Keras is imported here, so the builders also work on its JAX and PyTorch backends.
"""

from collections.abc import Sequence

import keras

from mnist_keras._validation import check_flags, check_integer, check_number, invalid
from mnist_keras.models.layers import check_widths, classify, start

INPUT_SHAPE = (28, 28, 1)


def build_softmax_regression(
    *,
    input_shape: Sequence[int] = INPUT_SHAPE,
    num_classes: int = 10,
    classifier_activation: str | None = "softmax",
    include_top: bool = True,
    include_rescaling: bool = False,
    name: str | None = None,
) -> keras.Model:
    """Builds multinomial logistic regression on the pixels: 784 - softmax 10.

    It has 7,850 parameters. With `include_top=False`, it returns the flattened pixels.

    Args:
        input_shape: Shape of one image, `(height, width, channels)`.
        num_classes: Number of classes, at least 2.
        classifier_activation: Activation of the last layer: "softmax" for probabilities, None for logits.
        include_top: Whether to include the classification layer; without it, the model returns features.
        include_rescaling: Whether to begin with a `Rescaling(1/255)`, for pixels in [0, 255].
        name: Name of the model.

    Returns:
        A `keras.Model` with input `(n, *input_shape)` and output `(n, num_classes)`.

    Raises:
        InputError: If an argument is invalid.

    Reference:
        Bishop, 2006, "Pattern Recognition and Machine Learning", section 4.3.4.
    """
    return build_mlp(
        (),
        input_shape=input_shape,
        num_classes=num_classes,
        classifier_activation=classifier_activation,
        include_top=include_top,
        include_rescaling=include_rescaling,
        name=name or "softmax_regression",
    )


def build_mlp(
    hidden_units: Sequence[int] = (128,),
    *,
    dropout: float = 0.0,
    activation: str = "relu",
    input_shape: Sequence[int] = INPUT_SHAPE,
    num_classes: int = 10,
    classifier_activation: str | None = "softmax",
    include_top: bool = True,
    include_rescaling: bool = False,
    name: str | None = None,
) -> keras.Model:
    """Builds a multilayer perceptron: flattened pixels, dense hidden layers, a classification layer.

    The default, 784 - 128 ReLU - 10, has 101,770 parameters.

    Args:
        hidden_units: Width of each hidden layer.
        dropout: Fraction of a hidden layer's outputs that training sets to 0, in `[0, 1)`.
        activation: Activation of the hidden layers.
        input_shape: Shape of one image, `(height, width, channels)`.
        num_classes: Number of classes, at least 2.
        classifier_activation: Activation of the last layer: "softmax" for probabilities, None for logits.
        include_top: Whether to include the classification layer; without it, the model returns features.
        include_rescaling: Whether to begin with a `Rescaling(1/255)`, for pixels in [0, 255].
        name: Name of the model.

    Returns:
        A `keras.Model` with input `(n, *input_shape)` and output `(n, num_classes)`.

    Raises:
        InputError: If an argument is invalid.

    Example:
        >>> build_mlp((128, 64), dropout=0.2).count_params()
        109386
    """
    check_number("dropout", dropout, minimum=0, maximum=0.999)
    inputs, x = start(input_shape, include_rescaling)
    x = keras.layers.Flatten(name="flatten")(x)
    for index, units in enumerate(check_widths("hidden_units", hidden_units), start=1):
        x = keras.layers.Dense(units, activation=activation, name=f"dense_{index}")(x)
        if dropout:
            x = keras.layers.Dropout(dropout, name=f"dropout_{index}")(x)
    outputs = classify(x, include_top, num_classes, classifier_activation)
    return keras.Model(inputs, outputs, name=name or "mlp")


def build_cnn(
    filters: Sequence[int] = (32, 32),
    *,
    kernel_size: int = 3,
    dropout: float = 0.0,
    activation: str = "relu",
    input_shape: Sequence[int] = INPUT_SHAPE,
    num_classes: int = 10,
    classifier_activation: str | None = "softmax",
    include_top: bool = True,
    include_rescaling: bool = False,
    name: str | None = None,
) -> keras.Model:
    """Builds a plain convolutional model: convolutions, one 2x2 max-pool, a classification layer.

    The default, conv 3x3x32 ReLU - conv 3x3x32 ReLU - max-pool - linear 10, has 55,658 parameters.
    Convolutions are "valid": each removes `kernel_size - 1` pixels from the height and the width.

    Args:
        filters: Number of filters of each convolution, at least one convolution.
        kernel_size: Height and width of the kernels, in pixels.
        dropout: Fraction of the pooled features that training sets to 0, in `[0, 1)`.
        activation: Activation of the convolutions.
        input_shape: Shape of one image, `(height, width, channels)`.
        num_classes: Number of classes, at least 2.
        classifier_activation: Activation of the last layer: "softmax" for probabilities, None for logits.
        include_top: Whether to include the classification layer; without it, the model returns features.
        include_rescaling: Whether to begin with a `Rescaling(1/255)`, for pixels in [0, 255].
        name: Name of the model.

    Returns:
        A `keras.Model` with input `(n, *input_shape)` and output `(n, num_classes)`.

    Raises:
        InputError: If an argument is invalid, or the image is too small for the convolutions.
    """
    check_number("dropout", dropout, minimum=0, maximum=0.999)
    check_integer("kernel_size", kernel_size, minimum=1)
    filters = check_widths("filters", filters)
    if not filters:
        raise invalid("filters", expected="at least one convolution", received="()")
    inputs, x = start(input_shape, include_rescaling, least=len(filters) * (kernel_size - 1) + 2)
    for index, count in enumerate(filters, start=1):
        x = keras.layers.Conv2D(count, kernel_size, activation=activation, name=f"conv_{index}")(x)
    x = keras.layers.MaxPooling2D(name="max_pool")(x)
    x = keras.layers.Flatten(name="flatten")(x)
    if dropout:
        x = keras.layers.Dropout(dropout, name="dropout")(x)
    outputs = classify(x, include_top, num_classes, classifier_activation)
    return keras.Model(inputs, outputs, name=name or "cnn")


def build_fast_cnn(
    filters: Sequence[int] = (16, 32),
    *,
    hidden_units: int = 256,
    crop: int = 2,
    input_shape: Sequence[int] = INPUT_SHAPE,
    num_classes: int = 10,
    classifier_activation: str | None = "softmax",
    include_top: bool = True,
    include_rescaling: bool = False,
    name: str | None = None,
) -> keras.Model:
    """Builds a small, quick model: crop - conv 5x5 - pool - ReLU - conv 3x3 - pool - ReLU - dense ReLU - 10.

    The default has 138,954 parameters. Pooling comes before the ReLU, which gives the same result at a quarter of the
    cost. The border of MNIST's images is blank, so the model crops two pixels of it. With that and with 16 instead of
    24 filters in the first convolution, a step takes about half as long.

    Args:
        filters: Number of filters of the 5x5 and of the 3x3 convolution.
        hidden_units: Width of the dense layer.
        crop: Pixels that the model cuts off on each side of the image.
        input_shape: Shape of one image, `(height, width, channels)`.
        num_classes: Number of classes, at least 2.
        classifier_activation: Activation of the last layer: "softmax" for probabilities, None for logits.
        include_top: Whether to include the classification layer; without it, the model returns features.
        include_rescaling: Whether to begin with a `Rescaling(1/255)`, for pixels in [0, 255].
        name: Name of the model.

    Returns:
        A `keras.Model` with input `(n, *input_shape)` and output `(n, num_classes)`.

    Raises:
        InputError: If an argument is invalid, or the cropped image is smaller than 12x12.

    Reference:
        The model of the repository `train_mnist_fast` (PyTorch), 99.04% after one epoch: `filters=(24, 32), crop=0`.
    """
    filters = check_widths("filters", filters)
    if len(filters) != 2:
        raise invalid("filters", expected="two numbers, one for each convolution", received=filters)
    check_integer("hidden_units", hidden_units, minimum=1)
    check_integer("crop", crop, minimum=0)
    inputs, x = start(input_shape, include_rescaling, least=12 + 2 * crop)
    layers = keras.layers
    if crop:
        x = layers.Cropping2D(crop, name="crop")(x)
    for index, (count, kernel_size) in enumerate(zip(filters, (5, 3), strict=True), start=1):
        x = layers.Conv2D(count, kernel_size, name=f"conv_{index}")(x)
        x = layers.MaxPooling2D(2, name=f"max_pool_{index}")(x)
        x = layers.ReLU(name=f"relu_{index}")(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(hidden_units, activation="relu", name="dense")(x)
    outputs = classify(x, include_top, num_classes, classifier_activation)
    return keras.Model(inputs, outputs, name=name or "fast_cnn")


def build_deep_cnn(
    stages: Sequence[Sequence[int]] = ((32, 32), (64, 64), (128, 128)),
    *,
    hidden_units: int = 256,
    dropout: float = 0.3,
    batch_norm: bool = False,
    hidden_classes: Sequence[int] | None = None,
    input_shape: Sequence[int] = INPUT_SHAPE,
    num_classes: int = 10,
    classifier_activation: str | None = "softmax",
    include_top: bool = True,
    include_rescaling: bool = False,
    name: str | None = None,
) -> keras.Model:
    """Builds a deep convolutional model of stages: 3x3 convolutions, a 2x2 max-pool, ReLU, dropout; then a dense layer.

    The very first convolution is 5x5. All convolutions keep the height and the width, and each is followed by a ReLU;
    the last ReLU of a stage comes after the pool, where it costs a quarter. The default has 584,682 parameters. He's
    initialization keeps the variance through the ReLUs, with or without batch normalization. `mnist_keras.train` uses
    TensorFlow's fused kernel for batch normalization, at almost no cost; on CPUs, Keras's own `fit` spends much of its
    time on it.

    Args:
        stages: Number of filters of each convolution, stage by stage.
        hidden_units: Width of the dense layer; 0 for none.
        dropout: Fraction of a stage's and of the dense layer's outputs that training sets to 0, in `[0, 1)`.
        batch_norm: Whether batch normalization comes before each ReLU.
        hidden_classes: For each hidden class, the class that it belongs to, or -1 for none. A softmax over the hidden
            classes comes first, and their probabilities are summed for each class. None for no hidden classes.
        input_shape: Shape of one image, `(height, width, channels)`.
        num_classes: Number of classes, at least 2.
        classifier_activation: Activation of the last layer: "softmax" for probabilities, None for logits.
        include_top: Whether to include the classification layer; without it, the model returns features.
        include_rescaling: Whether to begin with a `Rescaling(1/255)`, for pixels in [0, 255].
        name: Name of the model.

    Returns:
        A `keras.Model` with input `(n, *input_shape)` and output `(n, num_classes)`.

    Raises:
        InputError: If an argument is invalid, or the image is too small for the pools.

    Reference:
        Simonyan and Zisserman, 2015, "Very Deep Convolutional Networks for Large-Scale Image Recognition" (stages);
        He et al., 2015, "Delving Deep into Rectifiers", eq. 10 (initialization).
    """
    check_number("dropout", dropout, minimum=0, maximum=0.999)
    check_integer("hidden_units", hidden_units, minimum=0)
    check_flags(batch_norm=batch_norm)
    if not isinstance(stages, Sequence) or not all(
        isinstance(s, Sequence) and s for s in stages or [()]
    ):
        expected = "a sequence of stages, each with the filters of at least one convolution"
        hint = "One convolution a stage: ((32,), (64,))."
        raise invalid("stages", expected=expected, received=repr(stages), hint=hint)
    inputs, x = start(input_shape, include_rescaling, least=2 ** len(stages))
    layers, drawn = keras.layers, {"kernel_initializer": "he_normal", "use_bias": not batch_norm}

    def activate(x, name):
        x = layers.BatchNormalization(name=f"{name}_norm")(x) if batch_norm else x
        return layers.ReLU(name=f"{name}_relu")(x)

    for number, stage in enumerate(stages, start=1):
        filters = check_widths("stages", stage)
        for index, count in enumerate(filters, start=1):
            name_of, size = f"conv_{number}_{index}", 5 if number == index == 1 else 3
            x = layers.Conv2D(count, size, padding="same", name=name_of, **drawn)(x)
            if index == len(filters):
                x = layers.MaxPooling2D(2, name=f"max_pool_{number}")(x)
            x = activate(x, name_of)
        x = layers.Dropout(dropout, name=f"dropout_{number}")(x) if dropout else x
    x = layers.Flatten(name="flatten")(x)
    if hidden_units:
        x = activate(layers.Dense(hidden_units, name="dense", **drawn)(x), "dense")
        x = layers.Dropout(dropout, name="dropout_dense")(x) if dropout else x
    outputs = classify(x, include_top, num_classes, classifier_activation, hidden_classes)
    return keras.Model(inputs, outputs, name=name or "deep_cnn")


def build_lenet5(
    *,
    activation: str = "tanh",
    input_shape: Sequence[int] = INPUT_SHAPE,
    num_classes: int = 10,
    classifier_activation: str | None = "softmax",
    include_top: bool = True,
    include_rescaling: bool = False,
    name: str | None = None,
) -> keras.Model:
    """Builds LeNet-5: conv 5x5x6 - pool - conv 5x5x16 - pool - 120 - 84 - 10.

    It has 61,706 parameters. Differences from the paper: the first convolution pads the 28x28 image, which the paper
    centers in 32x32; the pools average without trainable coefficients; the second convolution sees all six maps, not
    the subsets of table I; the activation is a plain tanh, not 1.7159 tanh(2x/3); the output is a softmax, not radial
    basis functions.

    Args:
        activation: Activation of the hidden layers.
        input_shape: Shape of one image, `(height, width, channels)`.
        num_classes: Number of classes, at least 2.
        classifier_activation: Activation of the last layer: "softmax" for probabilities, None for logits.
        include_top: Whether to include the classification layer; without it, the model returns features.
        include_rescaling: Whether to begin with a `Rescaling(1/255)`, for pixels in [0, 255].
        name: Name of the model.

    Returns:
        A `keras.Model` with input `(n, *input_shape)` and output `(n, num_classes)`.

    Raises:
        InputError: If an argument is invalid, or the image is smaller than 12x12.

    Reference:
        LeCun et al., 1998, "Gradient-Based Learning Applied to Document Recognition", section II-B.
    """
    inputs, x = start(input_shape, include_rescaling, least=12)
    layers = keras.layers
    x = layers.Conv2D(6, 5, padding="same", activation=activation, name="c1")(x)
    x = layers.AveragePooling2D(2, name="s2")(x)
    x = layers.Conv2D(16, 5, activation=activation, name="c3")(x)
    x = layers.AveragePooling2D(2, name="s4")(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(120, activation=activation, name="c5")(x)
    x = layers.Dense(84, activation=activation, name="f6")(x)
    outputs = classify(x, include_top, num_classes, classifier_activation)
    return keras.Model(inputs, outputs, name=name or "lenet5")
