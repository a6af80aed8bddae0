"""A model for another use: without its top, with a new head, on the user's tensor."""

import keras

from mnist_keras._validation import invalid
from mnist_keras.models.inspection import find_hidden_layer


def image_shape(tensor: keras.KerasTensor) -> tuple[int, ...]:
    """Returns the shape of the images that a tensor stands for.

    Raises:
        InputError: If it is not a Keras tensor, or not one of images.
    """
    if not isinstance(tensor, keras.KerasTensor) or len(tensor.shape) != 4:
        received = getattr(tensor, "shape", None)
        raise invalid(
            "input_tensor",
            expected="a KerasTensor of shape (n, height, width, channels), as keras.Input returns",
            received=type(tensor).__name__
            if received is None
            else f"{type(tensor).__name__} of shape {received}",
        )
    return tuple(tensor.shape[1:])


def without_top(model: keras.Model) -> keras.Model:
    """Returns the part of a registered model before its classification layers."""
    top = find_hidden_layer(model) or model.layers[-1]
    return keras.Model(model.input, top.input, name=model.name)


def with_pooling(model: keras.Model, pooling: str) -> keras.Model:
    """Returns the mean or the maximum of each of the last feature maps of a model.

    Raises:
        InputError: If it has no convolutions.
    """
    maps = [layer for layer in model.layers if len(layer.output.shape) == 4]
    if not any(isinstance(layer, keras.layers.Conv2D) for layer in maps):
        raise invalid(
            "pooling",
            expected=f"None for {model.name!r}, which has no convolutions",
            received=pooling,
        )
    kinds = {"avg": keras.layers.GlobalAveragePooling2D, "max": keras.layers.GlobalMaxPooling2D}
    pooled = kinds[pooling](name=f"{pooling}_pool")(maps[-1].output)
    return keras.Model(model.input, pooled, name=model.name)


def with_new_head(trained: keras.Model, fresh: keras.Model) -> keras.Model:
    """Returns the new model with all weights of the trained one except for the classification layers."""
    top = find_hidden_layer(trained) or trained.layers[-1]
    for layer in trained.layers[: trained.layers.index(top)]:
        fresh.get_layer(layer.name).set_weights(layer.get_weights())
    return fresh


def on_tensor(model: keras.Model, tensor: keras.KerasTensor, *, prefix: str = "") -> keras.Model:
    """Returns a copy of a model that reads a tensor: from the inputs of the tensor to the outputs of the model.

    It holds the layers of both, not a model inside a model. The names of the copied layers begin with `prefix`.
    """
    if isinstance(model, keras.Sequential):
        model = keras.Model(model.inputs[0], model.outputs[0], name=model.name)
    returned: list[keras.KerasTensor] = []

    def clone(layer):
        return type(layer).from_config({**layer.get_config(), "name": f"{prefix}{layer.name}"})

    def call(layer, *args, **kwargs):
        returned.append(layer(*args, **kwargs))
        return returned[-1]

    copy = keras.models.clone_model(
        model, input_tensors=tensor, clone_function=clone, call_function=call
    )
    copy.set_weights(model.get_weights())
    sources = keras.utils.get_source_inputs(tensor)
    inputs = sources[0] if len(sources) == 1 else sources
    return keras.Model(inputs, returned[-1], name=model.name)
