"""Makes and loads models: registered nets with new or packaged weights, runs and files.

Importing this room does not import Keras, so that a command line can check a name at once.
"""

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mnist_keras._files import input_errors
from mnist_keras._validation import InputError, check_choice, invalid
from mnist_keras.models import pretrained
from mnist_keras.models.registry import get_model_spec

if TYPE_CHECKING:
    import keras

# What Keras, h5py and zipfile raise for a damaged file.
_UNREADABLE = (
    *(OSError, ValueError, TypeError, LookupError, AttributeError, RuntimeError),
    zipfile.BadZipFile,
)
_MODEL_SOURCES = "Expected a run directory, a .keras file, or a registered name (`mnist-keras models` lists them)."


def create_model(
    name: str,
    *,
    weights: str | Path | None = None,
    num_classes: int = 10,
    include_top: bool = True,
    input_shape: Sequence[int] = (28, 28, 1),
) -> "keras.Model":
    """Returns a registered net as a new `keras.Model`.

    Args:
        name: Name in the registry, see `list_models`.
        weights: None for new weights; "mnist" or "fashion_mnist" for the packaged ones; or the path of a
            `.weights.h5` or `.keras` file.
        num_classes: Number of classes; packaged weights have 10.
        include_top: Whether the classifying layer is there; without it the model returns features.
        input_shape: Shape of one image, `(height, width, channels)`.

    Returns:
        A model with input `(n, *input_shape)`, float32 in [0, 1], and output `(n, num_classes)`, probabilities.

    Raises:
        InputError: If a name is unknown, or the weights are not for this net.

    Example:
        >>> create_model("mlp_128").count_params()
        101770
    """
    spec = get_model_spec(name)
    spec.check_top(include_top)
    if weights is None:
        return spec.build(num_classes=num_classes, include_top=include_top, input_shape=input_shape)
    path = _find_weights(spec, weights)
    model = spec.build(num_classes=num_classes, input_shape=input_shape)
    try:
        model.load_weights(path)
    except _UNREADABLE as error:
        # Keras goes on with all objects that do not fit, over hundreds of lines.
        reason, *_ = str(error).partition("\n\nList of objects")
        raise InputError(
            f"The weights in {path} cannot be loaded or do not fit {name!r} with num_classes={num_classes} and "
            f"input_shape={tuple(input_shape)}. Packaged weights have 10 classes and (28, 28, 1). Keras says: {reason}"
        ) from error
    if include_top:
        return model
    import keras

    from mnist_keras.models.inspection import find_hidden_layer

    top = find_hidden_layer(model) or model.layers[-1]
    return keras.Model(model.input, top.input, name=name)


def _find_weights(spec, weights):
    """Returns the path of packaged weights or of a file of the user's."""
    if isinstance(weights, str) and weights in pretrained.DATASETS:
        return pretrained.find_weights(spec.name, weights, trainable=spec.trained_as)
    try:
        if isinstance(weights, str | Path) and (path := Path(weights)).is_file():
            return path
    except OSError:  # a name too long
        pass
    raise invalid(
        "weights",
        expected=f"None, one of: {', '.join(pretrained.DATASETS)}, or the path of a weights file",
        received=repr(str(weights)),
    )


def load_model(source: str | Path, *, dataset: str = "mnist") -> "keras.Model":
    """Returns the model of a run directory, of a `.keras` file, or a registered net with its packaged weights.

    Args:
        source: A run directory, the path of a `.keras` file, or a name from `list_models`.
        dataset: What a registered net's packaged weights were trained on: "mnist" or "fashion_mnist".

    Raises:
        InputError: If there is no such thing, it is not a model that Keras can read, or the dataset is another.
    """
    check_choice("dataset", dataset, pretrained.DATASETS)
    path = find_model(source)
    if path is None:
        return create_model(str(source), weights=dataset)
    import keras

    try:
        return keras.models.load_model(path)
    except _UNREADABLE as error:
        raise InputError(
            f"{path} is not a model that Keras can load. {_MODEL_SOURCES} Keras says: {error}"
        ) from error


def find_model(source: str | Path) -> Path | None:
    """Returns the file that `load_model` reads, or None for a registered net; imports no Keras.

    Raises:
        InputError: If there is neither.
    """
    path = Path(source)
    with input_errors(path, "read", _MODEL_SOURCES):
        return _find_model(path)


def _find_model(path: Path) -> Path | None:
    if path.is_dir():
        if (path / "model.keras").is_file():
            return path / "model.keras"
        if not (path / "config.json").is_file():
            raise InputError(f"The directory {path} holds no run. {_MODEL_SOURCES}")
        raise InputError(
            f"The directory {path} holds no finished run: there is no model.keras. Finish the run with `mnist-keras "
            "train ... --resume`, or start it anew with --overwrite."
        )
    if path.exists():
        return path
    if path.suffix or len(path.parts) > 1:
        raise InputError(f"There is no model at {path}. {_MODEL_SOURCES}")
    get_model_spec(str(path))
    return None
