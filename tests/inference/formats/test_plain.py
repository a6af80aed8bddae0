"""A model as plain steps: what can be folded is folded, and what has no plain step is named."""

import keras
import numpy as np
import pytest
from errors import error_of

from mnist_keras.inference.export import export_model
from mnist_keras.inference.formats import plain


def test_batch_normalization_anywhere_strides_and_logits(tmp_path):
    """Where it can't be folded, it is a step of its own: first, after a ReLU, or negative before a max-pool."""
    keras.utils.set_random_seed(0)
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Rescaling(1 / 127.5, offset=-1),
            layers.BatchNormalization(),
            layers.Conv2D(4, (3, 5), strides=2, padding="same", activation="relu"),
            layers.BatchNormalization(),
            layers.Conv2D(5, 4, strides=(1, 2), padding="same"),
            layers.MaxPooling2D((2, 3), strides=(1, 2)),
            layers.BatchNormalization(),
            layers.Activation("tanh"),
            layers.AveragePooling2D(2),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.Dense(10),
        ]
    )
    generator = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            shape = layer.gamma.shape
            layer.set_weights([generator.normal(size=shape) for _ in range(3)] + [np.ones(shape)])
    kinds = [step.kind for step in plain.to_plain(model).branches[0]]
    assert kinds == [
        "affine",
        "conv",
        "affine",
        "conv",
        "max_pool",
        "affine",
        "average_pool",
        "dense",
    ]
    export_model(model, tmp_path / "x.c", format="c", data="digits")


def test_a_crop_is_part_of_the_convolution_after_it(tmp_path):
    layers = keras.layers
    crop = layers.Cropping2D(((1, 4), (3, 0)))
    convolution = layers.Conv2D(3, (3, 5), strides=(2, 1), activation="relu")
    model = keras.Sequential(
        [keras.Input((28, 28, 1)), crop, convolution, layers.Flatten(), layers.Dense(10)]
    )
    step, *_ = plain.to_plain(model).branches[0]
    assert (step.kind, step.input_shape, step.padding) == ("conv", (28, 28, 1), (-1, -3))
    export_model(model, tmp_path / "x.c", format="c", data="digits")


@pytest.mark.parametrize(
    ("layer", "named"),
    [
        (
            keras.layers.Cropping2D(2, name="crop"),
            "'crop' (Cropping2D before a layer other than a Conv2D with padding='valid')",
        ),
        (keras.layers.GlobalAveragePooling2D(name="gap"), "'gap' (GlobalAveragePooling2D)"),
        (
            keras.layers.Conv2D(2, 3, activation="gelu", name="conv"),
            "'conv' (Conv2D, activation gelu)",
        ),
        (
            keras.layers.MaxPooling2D(2, padding="same", name="pool"),
            "(MaxPooling2D, padding 'same')",
        ),
        (keras.layers.ReLU(6, name="relu6"), "'relu6' (ReLU, activation ReLU(6, 0.0, 0.0))"),
    ],
)
def test_an_unknown_layer_is_named(tmp_path, layer, named):
    model = keras.Sequential(
        [keras.Input((28, 28, 1)), layer, keras.layers.Flatten(), keras.layers.Dense(10)]
    )
    text = error_of(export_model, model, tmp_path / "x.c", format="c", data="digits")
    assert named in text and "cannot be exported to this format" in text


def test_a_branch_is_named(tmp_path):
    image = keras.Input((28, 28, 1))
    x = keras.layers.Conv2D(4, 3, padding="same")(image)
    x = keras.layers.Flatten()(keras.layers.Add(name="skip")([image, x]))
    model = keras.Model(image, keras.layers.Dense(10)(x))
    text = error_of(export_model, model, tmp_path / "x.c", format="c", data="digits")
    assert text.startswith("The layer 'skip' (Add) cannot be exported")
