"""The registered models: one table, and functions to look up its entries.

Importing this module does not import Keras, so that the command line can check a name at once.
"""

import abc
import dataclasses
import fnmatch
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mnist_keras._validation import InputError, check_flags, invalid, unknown
from mnist_keras.models.recipes import RECIPES, FrozenDict, Recipe
from mnist_keras.models.ways import DIGITS

if TYPE_CHECKING:
    import keras

WIDE_PARAMETERS = 50_000  # between 784-10, which bfloat16 does not speed up, and 784-128-10


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelSpec(abc.ABC):
    """A registered model.

    Attributes:
        name: Name in the registry.
        description: The layers in one line.
        num_parameters: Number of parameters for 28x28 pixels and 10 classes.
        source: Where the architecture comes from.
        claimed_accuracy: Test accuracy on MNIST that the source reports, in [0, 1]; None if it reports none.
        recipe: How to train it.
        convolutional: Whether it has convolutions.
    """

    name: str
    description: str
    num_parameters: int
    source: str
    recipe: Recipe
    claimed_accuracy: float | None = None
    convolutional: bool = False

    @property
    def is_wide(self) -> bool:
        """Whether its matrix products are large enough for bfloat16 to be faster."""
        return self.convolutional or self.num_parameters >= WIDE_PARAMETERS

    @property
    def trained_as(self) -> str:
        """The name of the model that `train` trains: the member of an ensemble, otherwise the model itself."""
        return self.name

    @abc.abstractmethod
    def build(self, *, include_top: bool = True, **overrides: Any) -> "keras.Model":
        """Returns a new model, with initial weights drawn from Python's random state, as in Keras.

        Raises:
            InputError: If an argument is invalid.
        """

    def check_top(self, include_top: bool) -> None:
        """Checks that an ensemble keeps its classification layers.

        Raises:
            InputError: If `include_top` is no boolean, or False for an ensemble.
        """
        check_flags(include_top=include_top)
        if not include_top and self.trained_as != self.name:
            raise invalid(
                "include_top",
                expected="True for an ensemble, whose members vote by their probabilities",
                received=False,
                hint=f"For features, use create_model({self.trained_as!r}, include_top=False).",
            )


@dataclasses.dataclass(frozen=True, kw_only=True)
class ArchitectureSpec(ModelSpec):
    """A registered model that a public function builds.

    Attributes:
        builder: Name of the function in `models.builders`.
        arguments: Arguments of the builder.
    """

    builder: str
    arguments: Mapping[str, Any] = dataclasses.field(default_factory=FrozenDict)

    def build(self, *, include_top: bool = True, **overrides: Any) -> "keras.Model":
        from mnist_keras.models import builders

        arguments = {**self.arguments, "name": self.name, "include_top": include_top, **overrides}
        if overrides.get("num_classes", 10) != 10:
            arguments.pop("hidden_classes", None)  # they are ways of writing ten digits
        return getattr(builders, self.builder)(**arguments)


@dataclasses.dataclass(frozen=True, kw_only=True)
class EnsembleSpec(ModelSpec):
    """An ensemble of models that are trained separately, each from its own seed.

    Attributes:
        member: Name of the registered model that is trained.
        num_members: Number of members.
    """

    member: str
    num_members: int

    @property
    def trained_as(self) -> str:
        return self.member

    def build(self, *, include_top: bool = True, **overrides: Any) -> "keras.Model":
        from mnist_keras.models.ensemble import build_ensemble

        self.check_top(include_top)
        name = overrides.pop("name", self.name)
        members = [MODELS[self.member].build(**overrides) for _ in range(self.num_members)]
        return build_ensemble(members, name=name)


MODELS: Mapping[str, ModelSpec] = {
    spec.name: spec
    for spec in (
        ArchitectureSpec(
            name="cnn_2conv",
            description="conv 3x3x32 ReLU - conv 3x3x32 ReLU - max-pool - softmax 10",
            builder="build_cnn",
            arguments=FrozenDict({"filters": (32, 32)}),
            num_parameters=55_658,
            source="two-convolution tutorial model, trained by SGD",
            claimed_accuracy=0.97,
            convolutional=True,
            recipe=RECIPES["cnn_2conv"],
        ),
        ArchitectureSpec(
            name="cnn_accurate",
            description="conv 5x5x32 32 - pool - 64 64 - pool - 128 128 - pool - 256, batch norm - 10",
            num_parameters=586_794,
            source="ours, after Simonyan and Zisserman 2015",
            builder="build_deep_cnn",
            arguments=FrozenDict({"dropout": 0.1, "batch_norm": True}),
            convolutional=True,
            recipe=RECIPES["cnn_accurate"],
        ),
        EnsembleSpec(
            name="cnn_accurate_ensemble",
            description="mean of the probabilities of five `cnn_accurate`, each of another seed",
            num_parameters=5 * 586_794,
            source="ours",
            convolutional=True,
            recipe=RECIPES["cnn_accurate"],
            member="cnn_accurate",
            num_members=5,
        ),
        ArchitectureSpec(
            name="cnn_fast",
            description="crop - conv 5x5x16 - pool - ReLU - 3x3x32 - pool - ReLU - 256 - softmax 10",
            builder="build_fast_cnn",
            num_parameters=138_954,
            source="ours, after train_mnist_fast (PyTorch), whose 99.04% after one epoch is a mean of many runs",
            convolutional=True,
            recipe=RECIPES["cnn_fast"],
        ),
        ArchitectureSpec(
            name="cnn_real_world",
            description="`cnn_accurate` with 16 hidden classes, the ways of writing, that add up to 10",
            builder="build_deep_cnn",
            arguments=FrozenDict({"dropout": 0.1, "batch_norm": True, "hidden_classes": DIGITS}),
            num_parameters=588_496,
            source="ours, for digits from outside MNIST",
            convolutional=True,
            recipe=RECIPES["cnn_real_world"],
        ),
        ArchitectureSpec(
            name="cnn_tiny",
            description="conv 5x5x8 3x3x8 - pool - 16 16 - pool - 20 - pool, batch norm - softmax 10",
            builder="build_deep_cnn",
            arguments=FrozenDict(
                {
                    "stages": ((8, 8), (16, 16), (20,)),
                    "hidden_units": 0,
                    "dropout": 0.0,
                    "batch_norm": True,
                }
            ),
            num_parameters=9_194,
            source="ours, for a microcontroller",
            convolutional=True,
            recipe=RECIPES["cnn_tiny"],
        ),
        ArchitectureSpec(
            name="lenet5",
            description="conv 5x5x6 - pool - conv 5x5x16 - pool - 120 - 84 tanh - softmax 10",
            builder="build_lenet5",
            num_parameters=61_706,
            source="LeCun et al. 1998",
            claimed_accuracy=0.9905,
            convolutional=True,
            recipe=RECIPES["lenet5"],
        ),
        ArchitectureSpec(
            name="mlp_1024_128",
            description="784 - 1024 ReLU - 128 ReLU - softmax 10",
            builder="build_mlp",
            arguments=FrozenDict({"hidden_units": (1024, 128)}),
            num_parameters=936_330,
            source="1024-128 TensorFlow model; no accuracy claimed, 98.0% set as its goal here",
            recipe=RECIPES["mlp_1024_128"],
        ),
        ArchitectureSpec(
            name="mlp_128",
            description="784 - 128 ReLU - softmax 10",
            builder="build_mlp",
            arguments=FrozenDict({"hidden_units": (128,)}),
            num_parameters=101_770,
            source="Keras quick-start model",
            claimed_accuracy=0.97,
            recipe=RECIPES["mlp_128"],
        ),
        ArchitectureSpec(
            name="mlp_128_64_dropout",
            description="784 - 128 ReLU - dropout 0.2 - 64 ReLU - dropout 0.2 - softmax 10",
            builder="build_mlp",
            arguments=FrozenDict({"hidden_units": (128, 64), "dropout": 0.2}),
            num_parameters=109_386,
            source="dropout model, Adam, 10 epochs, batch 64; 98.03% claimed on training images",
            claimed_accuracy=0.9785,
            recipe=RECIPES["mlp_128_64_dropout"],
        ),
        ArchitectureSpec(
            name="mlp_deep",
            description="784 - 1024 ReLU - 512 ReLU - 256 ReLU, dropout 0.2 after each - softmax 10",
            builder="build_mlp",
            arguments=FrozenDict({"hidden_units": (1024, 512, 256), "dropout": 0.2}),
            num_parameters=1_462_538,
            source="deep model whose source gives only the accuracy; the widths are ours",
            claimed_accuracy=0.9811,
            recipe=RECIPES["mlp_deep"],
        ),
        ArchitectureSpec(
            name="softmax_regression",
            description="784 - softmax 10",
            builder="build_softmax_regression",
            num_parameters=7_850,
            source="multinomial logistic regression, the baseline",
            recipe=RECIPES["softmax_regression"],
        ),
    )
}


def list_models(pattern: str = "*") -> list[str]:
    """Returns the names of the registered models that match a shell pattern, sorted.

    Example:
        >>> list_models("mlp*")
        ['mlp_1024_128', 'mlp_128', 'mlp_128_64_dropout', 'mlp_deep']
    """
    return sorted(fnmatch.filter(MODELS, pattern))


def get_model_spec(name: str) -> ModelSpec:
    """Returns the entry of a registered model.

    Raises:
        InputError: If no model has that name; the message suggests the closest one.
    """
    if not isinstance(name, str):
        raise invalid(
            "name", expected=f"a registered name: {', '.join(sorted(MODELS))}", received=repr(name)
        )
    if name not in MODELS:
        raise unknown("model", name, MODELS)
    return MODELS[name]


def get_trainable_spec(name: str) -> ModelSpec:
    """Returns the entry of a registered model that `train` can train.

    Raises:
        InputError: If no model has that name, or it is an ensemble, whose members are trained separately.
    """
    spec = get_model_spec(name)
    if spec.trained_as != name:
        raise InputError(
            f"{name!r} is an ensemble; its members are trained one by one. Expected a single model: train "
            f"{spec.trained_as!r} with a seed for each and pass the models to build_ensemble, or load the packaged "
            f"weights: create_model({name!r}, weights='mnist')."
        )
    return spec
