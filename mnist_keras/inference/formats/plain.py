"""A model as a list of plain steps, for runtimes that know few layers: batch normalization folded, dropout removed.

The steps compute what the model computes, up to rounding, with fewer and simpler operations:
- a convolution or dense layer, its batch normalization and its activation become one step,
- even across a max-pool between them, because an increasing function can be applied before or after it,
- a crop becomes part of the convolution after it,
- and a model of models, such as an ensemble, becomes the mean of several lists of steps.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import keras
import numpy as np

from mnist_keras._validation import InputError
from mnist_keras.models.inspection import input_scale, returns_logits

ACTIVATIONS = ("linear", "relu", "tanh", "softmax")
LAYERS = (
    "Activation, Average, AveragePooling2D, BatchNormalization, Conv2D, Cropping2D, Dense, Dropout, Flatten, "
    "MaxPooling2D, ReLU, Rescaling, Reshape, Softmax"
)


@dataclass(frozen=True)
class Step:
    """One operation on an array of shape `(height, width, channels)` or `(features,)`.

    Attributes:
        kind: "conv", "dense", "max_pool", "average_pool", "affine" or "activation".
        output_shape: Shape of its output for one image.
        input_shape: Shape of its input.
        kernel: Float32 weights, `(height, width, inputs, outputs)` or `(inputs, outputs)`; of an affine step the
            factor of each channel.
        bias: Float32, one number for each output; of an affine step what is added.
        activation: The function that is applied last: "linear", "relu", "tanh" or "softmax".
        size: Height and width of a pool's windows.
        strides: Steps of a convolution's or pool's windows, down and to the right.
        padding: Rows of zeros above and columns of zeros to the left of a convolution's input; negative where it
            leaves out rows and columns.
    """

    kind: str
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    kernel: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))
    bias: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))
    activation: str = "linear"
    size: tuple[int, int] = (1, 1)
    strides: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class PlainModel:
    """The probabilities are the mean over `branches`, each run on `pixels * scale + offset`, pixels from 0 to 255."""

    scale: float
    offset: float
    branches: tuple[tuple[Step, ...], ...]


def as_pixels(step: Step) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Returns a step's input and output shape as height, width and channels; a dense layer's is one pixel."""
    given, returned = step.input_shape, step.output_shape
    if step.kind == "dense":
        return (1, 1, *given), (1, 1, *returned)
    return given, returned


class UnknownLayerError(InputError):
    """A layer has no plain step; the text names it."""


def _unknown(layer: keras.Layer, what: str = "") -> UnknownLayerError:
    return UnknownLayerError(
        f"The layer {layer.name!r} ({type(layer).__name__}{what}) cannot be exported to this format. It knows: "
        f"{LAYERS}; activations {', '.join(ACTIVATIONS)}. saved_model takes any layer, and litert and onnx take most."
    )


def to_plain(model: keras.Model) -> PlainModel:
    """Returns a classifier as plain steps; logits get a softmax.

    Raises:
        UnknownLayerError: If a layer is not among those that have a plain step.
    """
    chains = [list(chain) for chain in _branches(model)]
    scalings = {_take_scaling(chain) for chain in chains}
    if len(scalings) > 1:
        raise UnknownLayerError(f"The members of {model.name!r} scale their pixels differently.")
    scale, offset = scalings.pop()
    scale *= input_scale(model) / 255
    branches = [_merge(list(_steps(chain))) for chain in chains]
    if returns_logits(model):
        branches = [_end_in_softmax(steps) for steps in branches]
    if offset == 0 and all(steps[0].kind in ("conv", "dense") for steps in branches):
        for steps in branches:
            steps[0] = replace(steps[0], kernel=steps[0].kernel * scale)
        scale = 1.0
    return PlainModel(scale, offset, tuple(tuple(map(_as_float32, steps)) for steps in branches))


def _as_float32(step: Step) -> Step:
    return replace(step, kernel=step.kernel.astype(np.float32), bias=step.bias.astype(np.float32))


def _branches(model) -> list[Iterator[keras.Layer]]:
    layers = [layer for layer in model.layers if not isinstance(layer, keras.layers.InputLayer)]
    *members, last = layers
    if isinstance(last, keras.layers.Average) and all(isinstance(m, keras.Model) for m in members):
        return [_chain(member) for member in members]
    return [_chain(model)]


def _chain(model) -> Iterator[keras.Layer]:
    """Yields the layers of a model; they are a chain if each takes and returns one array."""
    for layer in getattr(model, "operations", model.layers):
        if isinstance(layer, keras.Model):
            yield from _chain(layer)
        elif not isinstance(layer, keras.layers.InputLayer):
            yield layer


def _take_scaling(chain) -> tuple[float, float]:
    """Removes a Rescaling that comes first, and returns its factor and summand."""
    if not isinstance(chain[0], keras.layers.Rescaling):
        return 1.0, 0.0
    first = chain.pop(0)
    return float(first.scale), float(first.offset)


def _steps(chain) -> Iterator[Step]:
    crop = None
    for layer in chain:
        if crop is not None:
            yield _cropped(crop, layer)
            crop = None
        elif type(layer) is keras.layers.Cropping2D:
            crop = layer
        else:
            yield from _steps_of(layer)
    if crop is not None:
        raise _unknown(crop)


def _cropped(crop: keras.layers.Cropping2D, layer: keras.Layer) -> Step:
    """Returns a convolution that leaves out the border of its input."""
    if type(layer) is not keras.layers.Conv2D or layer.padding != "valid":
        raise _unknown(crop, " before a layer other than a Conv2D with padding='valid'")
    (step,) = _steps_of(layer)
    (top, _), (left, _) = crop.cropping
    return replace(step, input_shape=tuple(crop.input.shape[1:]), padding=(-top, -left))


def _steps_of(layer: keras.Layer) -> Iterator[Step]:
    layers = keras.layers
    if not isinstance(layer, layers.Layer) or isinstance(layer.input, list):
        raise _unknown(layer)
    given, returned = tuple(layer.input.shape[1:]), tuple(layer.output.shape[1:])
    shapes: dict[str, Any] = {"input_shape": given, "output_shape": returned}
    # What a subclass of Keras's own does is unknown.
    kind = type(layer)
    if kind in (layers.Dropout, layers.Flatten, layers.Reshape):
        return
    if kind in (layers.Conv2D, layers.Dense):
        yield _weighted(layer, shapes)
    elif kind in (layers.MaxPooling2D, layers.AveragePooling2D):
        if layer.padding != "valid":
            raise _unknown(layer, f", padding {layer.padding!r}")
        name = "max_pool" if kind is layers.MaxPooling2D else "average_pool"
        yield Step(name, **shapes, size=layer.pool_size, strides=layer.strides)
    elif kind is layers.BatchNormalization:
        if layer.axis not in (-1, len(given)):
            raise _unknown(layer, f", axis {layer.axis}")
        factor = 1 / np.sqrt(layer.moving_variance.numpy().astype(np.float64) + layer.epsilon)
        factor *= layer.gamma.numpy() if layer.scale else 1.0
        offset = (layer.beta.numpy() if layer.center else 0.0) - layer.moving_mean.numpy() * factor
        yield Step("affine", **shapes, kernel=factor, bias=offset)
    elif kind in (layers.ReLU, layers.Activation, layers.Softmax):
        yield Step("activation", **shapes, activation=_activation(layer))
    else:
        raise _unknown(layer)


def _weighted(layer, shapes) -> Step:
    kernel = layer.kernel.numpy().astype(np.float64)
    bias = layer.bias.numpy().astype(np.float64) if layer.use_bias else np.zeros(kernel.shape[-1])
    shapes = {**shapes, "kernel": kernel, "bias": bias, "activation": _activation(layer)}
    if kernel.ndim == 2:
        if len(shapes["input_shape"]) != 1:
            raise _unknown(layer, f" of input shape {shapes['input_shape']}")
        return Step("dense", **shapes)
    if layer.groups != 1 or layer.dilation_rate != (1, 1) or layer.data_format != "channels_last":
        raise _unknown(layer, ", with groups, dilation or channels first")
    padding = (0, 0)
    if layer.padding == "same":
        sizes = zip(
            layer.kernel_size,
            layer.strides,
            shapes["input_shape"],
            shapes["output_shape"],
            strict=False,
        )
        padding = tuple(max((n - 1) * s + k - given, 0) // 2 for k, s, given, n in sizes)
    return Step("conv", **shapes, strides=layer.strides, padding=padding)


def _activation(layer) -> str:
    if isinstance(layer, keras.layers.ReLU):
        options = (layer.max_value, layer.negative_slope, layer.threshold)
        name = "relu" if options == (None, 0, 0) else f"ReLU{options}"
    elif isinstance(layer, keras.layers.Softmax):
        name = "softmax"
    else:
        name = getattr(layer.activation, "__name__", repr(layer.activation))
    if name not in ACTIVATIONS or (name == "softmax" and len(layer.output.shape) != 2):
        raise _unknown(layer, f", activation {name}")
    return name


def _merge(steps: list[Step]) -> list[Step]:
    """Moves affine steps and activations into the weights before them."""
    merged: list[Step] = []
    for step in steps:
        target = _takes(merged, step)
        if target is None:
            merged.append(step)
        elif step.kind == "activation":
            merged[target] = replace(merged[target], activation=step.activation)
        else:
            before = merged[target]
            merged[target] = replace(
                before,
                kernel=before.kernel * step.kernel,
                bias=before.bias * step.kernel + step.bias,
            )
    return merged


def _takes(merged: list[Step], step: Step) -> int | None:
    """Returns the index of the step that `step` can become a part of, if there is one."""
    if step.kind not in ("activation", "affine"):
        return None
    is_affine = step.kind == "affine"
    increasing = (step.kernel > 0).all() if is_affine else step.activation in ("relu", "tanh")
    index = len(merged) - 1
    while increasing and index > 0 and merged[index].kind == "max_pool":
        index -= 1
    if index < 0 or merged[index].activation != "linear":
        return None
    return index if merged[index].kind in ("conv", "dense", "affine") else None


def _end_in_softmax(steps: list[Step]) -> list[Step]:
    last = steps[-1]
    if last.activation == "linear":
        return [*steps[:-1], replace(last, activation="softmax")]
    return [*steps, Step("activation", last.output_shape, last.output_shape, activation="softmax")]
