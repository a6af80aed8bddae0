"""Makes and loads models: registered models with new or packaged weights, runs and files.

Importing this module does not import Keras, so that the command line can check a name at once.
"""

import functools
import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mnist_keras._files import check_path, input_errors
from mnist_keras._validation import InputError, check_choice, invalid, say
from mnist_keras.models import pretrained
from mnist_keras.models.registry import MODELS, get_model_spec

if TYPE_CHECKING:
    import keras

# What Keras, h5py and zipfile raise for a damaged file.
_UNREADABLE = (
    *(OSError, ValueError, TypeError, LookupError, AttributeError, RuntimeError),
    zipfile.BadZipFile,
)
NUM_PACKAGED_CLASSES = 10
POOLINGS = ("avg", "max")
HUB = "hf://"  # Keras's prefix for the Hugging Face Hub
_MODEL_SOURCES = "Expected a run directory, a .keras file, or a registered name (`mnist-keras models` lists them)."


def create_model(
    model: str,
    /,
    *,
    weights: str | Path | None = None,
    num_classes: int = 10,
    include_top: bool = True,
    input_shape: Sequence[int] = (28, 28, 1),
    include_rescaling: bool = False,
    classifier_activation: str | None = "softmax",
    pooling: str | None = None,
    input_tensor: "keras.KerasTensor | None" = None,
    name: str | None = None,
) -> "keras.Model":
    """Returns a registered model as a new `keras.Model`.

    Args:
        model: Name in the registry, see `list_models`.
        weights: None for new weights; "mnist" or "fashion_mnist" for the packaged ones; or the path of a
            `.weights.h5` or `.keras` file.
        num_classes: Number of classes. Packaged weights have 10. With another number, the classification layer gets new
            weights and must be trained; a notice on stderr says so.
        include_top: Whether to include the classification layer. Without it, the model returns features, and
            `num_classes` does not matter.
        input_shape: Shape of one image, `(height, width, channels)`; ignored with `input_tensor`, which has its own.
        include_rescaling: Whether to begin with `Rescaling(1/255)`, for pixels in [0, 255].
        classifier_activation: "softmax" for probabilities, None for logits.
        pooling: Without the top, "avg" or "max" returns the mean or the maximum of each of the last feature maps.
        input_tensor: A Keras tensor that the model reads: `keras.Input(...)`, or the output of a layer.
        name: Name of the model; None for the registered one. With `input_tensor`, the names of the layers begin with
            it, so that several models can share an input.

    Returns:
        A model with input `(n, *input_shape)`, float32 in [0, 1], and output `(n, num_classes)`, probabilities.

    Raises:
        InputError: If a name is unknown, or the weights are not for this model.

    Example:
        >>> create_model("mlp_128").count_params()
        101770
    """
    spec = get_model_spec(model)
    spec.check_top(include_top)
    _check_pooling(pooling, include_top)
    from mnist_keras.models import adapting

    options: dict[str, Any] = {"input_shape": input_shape, "include_rescaling": include_rescaling}
    options["classifier_activation"] = classifier_activation
    if name is not None and (not isinstance(name, str) or not name or "/" in name):
        raise invalid("name", expected='a text without "/", or None', received=repr(name))
    options |= {"name": name} if name else {}
    if input_tensor is not None:
        options["input_shape"] = adapting.image_shape(input_tensor)
    if weights is None:
        made = spec.build(num_classes=num_classes, include_top=include_top, **options)
    else:
        made = _with_weights(spec, weights, num_classes, include_top, options)
    if pooling:
        made = adapting.with_pooling(made, pooling)
    if input_tensor is None:
        return made
    return adapting.on_tensor(made, input_tensor, prefix=f"{name}_" if name else "")


def _check_pooling(pooling, include_top):
    if pooling is None:
        return
    check_choice("pooling", pooling, POOLINGS)
    if include_top:
        raise invalid(
            "pooling",
            expected="None with the classification layer",
            received=repr(pooling),
            hint="Pass include_top=False for features.",
        )


def _with_weights(spec, weights, num_classes, include_top, options):
    from mnist_keras.models.adapting import with_new_head, without_top

    packaged = isinstance(weights, str) and weights in pretrained.DATASETS
    path = _find_weights(spec, weights)
    own_classes = NUM_PACKAGED_CLASSES if packaged else num_classes
    model = spec.build(num_classes=own_classes, **options)
    try:
        model.load_weights(path)
    except _UNREADABLE as error:
        # Keras then lists all objects that do not fit, over hundreds of lines.
        reason, *_ = str(error).partition("\n\nList of objects")
        raise InputError(
            f"The weights in {path} cannot be loaded or do not fit {spec.name!r} with num_classes={own_classes} and "
            f"input_shape={tuple(options['input_shape'])}. Packaged weights have 10 classes and (28, 28, 1). Keras "
            f"says: {reason}"
        ) from error
    if not include_top:
        return without_top(model)
    if num_classes == own_classes:
        return model
    if spec.trained_as != spec.name:
        raise invalid(
            "num_classes",
            expected=f"{own_classes} for an ensemble with packaged weights",
            received=num_classes,
            hint=f"Use create_model({spec.trained_as!r}, num_classes={num_classes}, weights={weights!r}).",
        )
    _say_new_head(spec.name, num_classes)
    return with_new_head(model, spec.build(num_classes=num_classes, **options))


@functools.cache  # once for each model and number
def _say_new_head(name: str, num_classes: int) -> None:
    say(
        f"the packaged weights of {name!r} have {NUM_PACKAGED_CLASSES} classes. The classification layer for "
        f"{num_classes} classes has new weights; train it before use."
    )


def _find_weights(spec, weights):
    """Returns the path of packaged weights or of the user's file."""
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
    """Loads the model of a run directory or a `.keras` file, or a registered model with its packaged weights.

    Args:
        source: A run directory, the path of a `.keras` file, or a name from `list_models`. A registered name always
            means the model, even if there is a folder with that name. For the folder, pass `./NAME` or a `Path`.
            `hf://USER/REPOSITORY` is passed on to Keras, which loads it from the Hugging Face Hub with the package
            `huggingface_hub`.
        dataset: Dataset that a registered model's packaged weights were trained on: "mnist" or "fashion_mnist".

    Raises:
        InputError: If there is no such model, Keras cannot read it, or there are no packaged weights for the dataset.
    """
    check_choice("dataset", dataset, pretrained.DATASETS)
    path = find_model(source)
    if path is None:
        return create_model(str(source), weights=dataset)
    import keras

    try:
        return keras.models.load_model(path)
    # Whatever a file asks for: too much memory, another backend, unknown classes.
    except Exception as error:
        reason = str(error).partition("\n\nList of objects")[0] or type(error).__name__
        if reason.startswith("File not found") and Path(path).is_file():
            reason = "the file is not a zip archive, as .keras files are."  # says it less clearly
        raise InputError(
            f"{path} is not a model that Keras can load. {_MODEL_SOURCES} Keras says: {reason}"
        ) from error


def find_model(source: str | Path) -> str | Path | None:
    """Returns what `load_model` passes to Keras, or None for a registered model; does not import Keras.

    A registered name always means the model, even if there is a file or folder with that name.

    Raises:
        InputError: If there is neither.
    """
    if isinstance(source, str) and source.startswith(HUB):
        return source
    path = check_path("source", source, expected="a name or a path", hint=_MODEL_SOURCES)
    if isinstance(source, str) and source in MODELS:
        if path.exists():
            say(
                f"{source!r} means the registered model, not the path; for the path, write ./{source}"
            )
        return None
    with input_errors(path, "read", _MODEL_SOURCES):
        return _find_model(path)


def read_class_names(model: Path) -> list[str] | None:
    """Returns the names of the classes that a run was trained on, from the `config.json` next to its model file.

    None for a file that is not a run's, and for a run that has no usable names.
    """
    try:
        names = json.loads(model.with_name("config.json").read_text("utf-8"))["class_names"]
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return None
    usable = isinstance(names, list) and all(isinstance(name, str) for name in names)
    return names if usable else None


def _find_model(path: Path) -> Path | None:
    if path.is_dir():
        if (path / "model.keras").is_file():
            return path / "model.keras"
        if not (path / "config.json").is_file():
            raise InputError(f"The directory {path} holds no run. {_MODEL_SOURCES}")
        raise InputError(
            f"The directory {path} holds no finished run: there is no model.keras. Finish the run with `mnist-keras "
            "train ... --resume`, or start it again with --overwrite."
        )
    if path.exists():
        return path
    if path.suffix or len(path.parts) > 1:
        raise InputError(f"There is no model at {path}. {_MODEL_SOURCES}")
    get_model_spec(str(path))
    return None
