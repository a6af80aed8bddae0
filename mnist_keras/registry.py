"""The registered nets: one table, and what makes, lists and loads them.

Importing this room does not import Keras, so that a command line can check a name at once.
"""

import dataclasses
import fnmatch
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mnist_keras import pretrained
from mnist_keras._validation import InputError, invalid, unknown
from mnist_keras.recipes import RECIPES, Recipe, get_recipe

if TYPE_CHECKING:
    import keras

WIDE_PARAMETERS = 50_000  # between 784-10, which bfloat16 does not speed up, and 784-128-10


@dataclasses.dataclass(frozen=True)
class ModelSpec:
    """A registered net.

    Attributes:
        name: Name in the registry.
        description: The layers in one line.
        builder: Name of the function in `mnist_keras.models`.
        arguments: Arguments of the builder.
        num_parameters: Number of parameters at 28x28 pixels and 10 classes.
        source: Where the architecture comes from.
        claimed_accuracy: Test accuracy on MNIST that the source claims, in [0, 1]; None if it claims none.
        recipe: How it is trained.
    """

    name: str
    description: str
    builder: str
    arguments: Mapping[str, Any]
    num_parameters: int
    source: str
    claimed_accuracy: float | None
    recipe: Recipe

    def build(self, **overrides: Any) -> "keras.Model":
        """Returns a new model, its weights drawn from Keras's global seed."""
        from mnist_keras import models

        return getattr(models, self.builder)(**{**self.arguments, "name": self.name, **overrides})


MODELS: dict[str, ModelSpec] = {
    spec.name: spec
    for spec in (
        ModelSpec(
            name="cnn_2conv",
            description="conv 3x3x32 ReLU - conv 3x3x32 ReLU - max-pool - softmax 10",
            builder="build_cnn",
            arguments={"filters": (32, 32)},
            num_parameters=55_658,
            source="two-convolution tutorial net, trained by SGD",
            claimed_accuracy=0.97,
            recipe=RECIPES["cnn_2conv"],
        ),
        ModelSpec(
            name="cnn_fast",
            description="conv 5x5x24 - pool - ReLU - conv 3x3x32 - pool - ReLU - 256 - softmax 10",
            builder="build_fast_cnn",
            arguments={},
            num_parameters=215_194,
            source="net of train_mnist_fast (PyTorch); one epoch, its 99.04 % is a mean of many runs",
            claimed_accuracy=0.9904,
            recipe=RECIPES["cnn_fast"],
        ),
        ModelSpec(
            name="lenet5",
            description="conv 5x5x6 - pool - conv 5x5x16 - pool - 120 - 84 tanh - softmax 10",
            builder="build_lenet5",
            arguments={},
            num_parameters=61_706,
            source="LeCun et al. 1998",
            claimed_accuracy=0.9905,
            recipe=RECIPES["lenet5"],
        ),
        ModelSpec(
            name="mlp_1024_128",
            description="784 - 1024 ReLU - 128 ReLU - softmax 10",
            builder="build_mlp",
            arguments={"hidden_units": (1024, 128)},
            num_parameters=936_330,
            source="1024-128 TensorFlow net; no accuracy claimed, 98.0 % set as its goal here",
            claimed_accuracy=None,
            recipe=RECIPES["mlp_1024_128"],
        ),
        ModelSpec(
            name="mlp_128",
            description="784 - 128 ReLU - softmax 10",
            builder="build_mlp",
            arguments={"hidden_units": (128,)},
            num_parameters=101_770,
            source="Keras quick-start net",
            claimed_accuracy=0.97,
            recipe=RECIPES["mlp_128"],
        ),
        ModelSpec(
            name="mlp_128_64_dropout",
            description="784 - 128 ReLU - dropout 0.2 - 64 ReLU - dropout 0.2 - softmax 10",
            builder="build_mlp",
            arguments={"hidden_units": (128, 64), "dropout": 0.2},
            num_parameters=109_386,
            source="dropout net, Adam, 10 epochs, batch 64; 98.03 % claimed on training images",
            claimed_accuracy=0.9785,
            recipe=RECIPES["mlp_128_64_dropout"],
        ),
        ModelSpec(
            name="mlp_deep",
            description="784 - 1024 ReLU - 512 ReLU - 256 ReLU, dropout 0.2 after each - softmax 10",
            builder="build_mlp",
            arguments={"hidden_units": (1024, 512, 256), "dropout": 0.2},
            num_parameters=1_462_538,
            source="deep net whose source claims the accuracy alone; widths are ours",
            claimed_accuracy=0.9811,
            recipe=RECIPES["mlp_deep"],
        ),
        ModelSpec(
            name="softmax_regression",
            description="784 - softmax 10",
            builder="build_softmax_regression",
            arguments={},
            num_parameters=7_850,
            source="multinomial logistic regression, the baseline",
            claimed_accuracy=None,
            recipe=RECIPES["softmax_regression"],
        ),
    )
}


def list_models(pattern: str = "*") -> list[str]:
    """Returns the names of the registered nets that match a shell pattern, sorted.

    Example:
        >>> list_models("mlp*")
        ['mlp_1024_128', 'mlp_128', 'mlp_128_64_dropout', 'mlp_deep']
    """
    return sorted(fnmatch.filter(MODELS, pattern))


def get_model_spec(name: str) -> ModelSpec:
    """Returns the entry of a registered net.

    Raises:
        InputError: If no net has that name; the text names the nearest.
    """
    if name not in MODELS:
        raise unknown("model", name, MODELS)
    return MODELS[name]


def choose_recipe(
    model: "str | keras.Model",
    recipe: Recipe | str | None,
    precision: str | None,
    validation_size: int | None,
) -> Recipe:
    """Returns how a net is trained: the recipe, or the net's own, with the precision and the size that are given.

    Raises:
        InputError: If there is no such net or recipe, or a model is given that was built in another precision.
    """
    import keras

    if recipe is None:
        recipe = get_model_spec(model).recipe if isinstance(model, str) else Recipe()
    elif isinstance(recipe, str):
        recipe = get_recipe(recipe)
    elif not isinstance(recipe, Recipe):
        raise invalid("recipe", expected="a Recipe, a name or None", received=repr(recipe))
    if isinstance(model, keras.Model):
        own = model.dtype_policy.name
        if precision not in (None, "auto", own):
            expected = f"None or {own!r}, in which the model was built"
            raise invalid("precision", expected=expected, received=repr(precision))
        precision = own
    changes: dict[str, Any] = {"precision": precision, "validation_size": validation_size}
    return recipe.replace(**{key: x for key, x in changes.items() if x is not None})


def convolves(name: str) -> bool:
    """Returns whether a registered net has convolutions."""
    return get_model_spec(name).builder not in {"build_mlp", "build_softmax_regression"}


def is_wide(model: "str | keras.Model") -> bool:
    """Returns whether this is the name of a net with enough to multiply for bfloat16 to bring speed."""
    if not isinstance(model, str):
        return False
    return convolves(model) or get_model_spec(model).num_parameters >= WIDE_PARAMETERS


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
    if weights is None:
        return spec.build(num_classes=num_classes, include_top=include_top, input_shape=input_shape)
    if weights in pretrained.DATASETS:
        path = pretrained.find_weights(name, str(weights))
    else:
        path = Path(weights)
        if not path.is_file():
            raise invalid(
                "weights",
                expected=f"None, one of: {', '.join(pretrained.DATASETS)}, or the path of a weights file",
                received=repr(str(weights)),
            )
    model = spec.build(num_classes=num_classes, input_shape=input_shape)
    try:
        model.load_weights(path)
    except _UNREADABLE as error:
        raise InputError(
            f"The weights in {path} cannot be loaded or do not fit {name!r} with num_classes={num_classes} and "
            f"input_shape={tuple(input_shape)}. Packaged weights have 10 classes and (28, 28, 1). Keras says: {error}"
        ) from error
    if include_top:
        return model
    import keras

    return keras.Model(model.input, model.layers[-1].input, name=name)


def load_model(source: str | Path) -> "keras.Model":
    """Returns the model of a run directory, of a `.keras` file, or a registered net with its packaged weights.

    Args:
        source: A run directory, the path of a `.keras` file, or a name from `list_models`.

    Raises:
        InputError: If there is no such thing, or it is not a model that Keras can read.
    """
    path = find_model(source)
    if path is None:
        return create_model(str(source), weights="mnist")
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
    try:
        return _find_model(path)
    except OSError as error:  # a name too long, or a directory that is not ours to look into
        raise InputError(f"{path} cannot be read: {error.strerror}. {_MODEL_SOURCES}") from error


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


# What Keras, h5py and zipfile raise for a damaged file.
_UNREADABLE = (
    *(OSError, ValueError, TypeError, LookupError, AttributeError, RuntimeError),
    zipfile.BadZipFile,
)
_MODEL_SOURCES = "Expected a run directory, a .keras file, or a registered name (`mnist-keras models` lists them)."
