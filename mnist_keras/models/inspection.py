"""The structure, the input and the output of a model, registered or not."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from typing import Any

import keras

from mnist_keras._validation import InputError, invalid
from mnist_keras.models.layers import HIDDEN_LAYER


def returns_logits(model: keras.Model) -> bool:
    """Returns whether the model ends neither in a softmax nor in a mean of models that end in one."""
    last = owner = model
    while isinstance(last, keras.Model):  # a model may end in a model
        owner = last
        inner = [layer for layer in last.layers if isinstance(layer, keras.Model)]
        last = getattr(last, "operations", last.layers)[-1]
        if inner and isinstance(last, keras.layers.Average):
            return any(map(returns_logits, inner))
    if isinstance(last, keras.layers.Dense) and (hidden := find_hidden_layer(owner)):
        last = hidden  # the layer behind it adds its probabilities up
    is_softmax = type(last).__name__ == "Softmax"  # the layer, or the operation of `keras.ops`
    return not (is_softmax or getattr(last, "activation", None) is keras.activations.softmax)


def find_hidden_layer(model: keras.Model) -> keras.layers.Layer | None:
    """Returns the softmax over hidden classes, or None if the model has none."""
    return next((layer for layer in model.layers if layer.name == HIDDEN_LAYER), None)


def input_scale(model: keras.Model) -> float:
    """Returns the factor for pixels in [0, 1] that this model needs: 255 if it begins by scaling down, else 1."""
    first = model
    while isinstance(first, keras.Model):
        layers = (x for x in first.layers if not isinstance(x, keras.layers.InputLayer))
        first = next(layers, None)
    # 1/255 to [0, 1] and 1/127.5 to [-1, 1] are for pixels to 255; a 2 to [-1, 1] is not.
    scales_down = isinstance(first, keras.layers.Rescaling) and first.scale < 0.1
    return 255.0 if scales_down else 1.0


def check_backend(what: str) -> None:
    """Checks that Keras runs on TensorFlow.

    Args:
        what: The public function that needs it.

    Raises:
        InputError: If Keras runs on another backend.
    """
    if (backend := keras.backend.backend()) != "tensorflow":
        raise InputError(
            f"{what} needs Keras's TensorFlow backend. Received: KERAS_BACKEND={backend}. Unset it, or use the models, "
            "their weights and make_dataset, which work on any backend, with Keras's own fit and evaluate."
        )


def check_classifier(model: keras.Model) -> None:
    """Checks that a model has one input of known shape and one output, a row of classes for each image.

    Raises:
        InputError: If it is not a model, or has another form.
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
    if model.output_shape[1] == 1:
        raise invalid(
            "model",
            expected="a model with an output for each class, at least two",
            received=f"{model.name!r} with output shape {model.output_shape}",
            hint='For two classes, end it with Dense(2, activation="softmax").',
        )


def check_input_shape(
    model: keras.Model, image_shape: Sequence[int], *, name: str = "images", hint: str = ""
) -> tuple[int, ...]:
    """Returns the model's input shape for one image of shape `(height, width)`.

    Args:
        model: Any model.
        image_shape: Height and width of an image.
        name: The argument that holds the images, for the error.
        hint: What to do, for the error.

    Raises:
        InputError: If the model takes images of another shape or in color, or `check_classifier` rejects it.
    """
    height, width = image_shape
    check_classifier(model)
    expected = tuple(model.input_shape[1:])
    if None in expected or len(expected) > 3 or (len(expected) == 3 and expected[-1] != 1):
        raise invalid(
            "model",
            expected="a model of gray images of one size, with the input shape (height, width, 1), (height, width) or "
            "(height * width,)",
            received=f"{model.name!r} with the input shape {expected}",
            hint=f"Build it with input_shape=({height}, {width}, 1).",
        )
    if expected not in ((height, width), (height, width, 1), (height * width,)):
        raise invalid(
            name,
            expected=f"images of the model's input shape {expected}",
            received=f"images of shape {(height, width)}",
            hint=hint,
        )
    return expected


def feature_model(model: keras.Model) -> keras.Model:
    """Returns the part of a classifier before its last layer with weights; its output is the features of an image.

    Raises:
        InputError: If there is no single such layer: in an ensemble, each member has one.
    """
    layer = next((x for x in reversed(model.layers) if x.weights or _merges(x)), None)
    if layer is None or _merges(layer):
        raise invalid(
            "model",
            expected="a model with one last hidden layer",
            received=f"{model.name!r}, which has several or none",
            hint="Take one member of an ensemble.",
        )
    if not isinstance(layer, keras.Model):
        return keras.Model(model.inputs[0], layer.input)
    if isinstance(model, keras.Sequential):
        before = model.layers[: model.layers.index(layer)]
        inputs = keras.Input(batch_shape=model.input_shape)
        return keras.Sequential([inputs, *before, feature_model(layer)])
    # What the inner model is called with; its `input` is its own.
    given: list[keras.KerasTensor] = []

    def call(called, *args, **kwargs):
        given.extend(args if called is layer else ())
        return called(*args, **kwargs)

    outer = keras.models.clone_model(model, clone_function=lambda x: x, call_function=call)
    return keras.Model(outer.inputs[0], feature_model(layer)(given[0]))


def _merges(layer: keras.Layer) -> bool:
    return isinstance(layer.input, list) and len(layer.input) > 1


def architecture(model: keras.Model) -> str:
    """Returns a digest that is the same for equal architectures: the classes and options of their layers."""
    layers = [[type(layer).__name__, _without_names(layer.get_config())] for layer in model.layers]
    return hashlib.sha256(json.dumps(layers, sort_keys=True, default=str).encode()).hexdigest()


def _without_names(config: Any) -> Any:
    # Keras numbers the names that it makes: the same code gives "dense_1" once and "dense_3" later.
    if isinstance(config, dict):
        named = config.get("class_name") == "DTypePolicy"  # its name says what it is
        return {
            key: value if named else _without_names(value)
            for key, value in config.items()
            if key != "name"
        }
    if isinstance(config, list | tuple):
        return [_without_names(value) for value in config]
    return config


def as_float32(model: keras.Model) -> keras.Model:
    if not isinstance(model, keras.Sequential) and type(model).__name__ != "Functional":
        return model  # a custom model class, which alone knows its configuration
    # Custom layers need not be registered with Keras.
    classes = {type(layer).__name__: type(layer) for layer in flatten_layers(model)}
    with keras.saving.custom_object_scope(classes):
        copy = type(model).from_config(_with_float32_policies(model.get_config()))
    copy.set_weights(model.get_weights())
    return copy


def _with_float32_policies(config: Any) -> Any:
    if isinstance(config, dict):
        if config.get("class_name") == "DTypePolicy":
            return {**config, "config": {"name": "float32"}}
        return {key: _with_float32_policies(value) for key, value in config.items()}
    if isinstance(config, list | tuple):
        return type(config)(_with_float32_policies(value) for value in config)
    return config


def flatten_layers(layer: keras.Layer) -> Iterator[keras.Layer]:
    """Yields a model or layer and the layers inside it."""
    yield layer
    for inner in getattr(layer, "layers", ()):
        yield from flatten_layers(inner)
