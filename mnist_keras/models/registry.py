"""The registered nets: one table, and how its entries are found and trained.

Importing this room does not import Keras, so that a command line can check a name at once.
"""

import dataclasses
import fnmatch
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mnist_keras._validation import InputError, invalid, unknown
from mnist_keras.models.recipes import RECIPES, Recipe

if TYPE_CHECKING:
    import keras

WIDE_PARAMETERS = 50_000  # between 784-10, which bfloat16 does not speed up, and 784-128-10


@dataclasses.dataclass(frozen=True)
class ModelSpec:
    """A registered net.

    Attributes:
        name: Name in the registry.
        description: The layers in one line.
        builder: Name of the public function that builds it.
        arguments: Arguments of the builder.
        num_parameters: Number of parameters at 28x28 pixels and 10 classes.
        source: Where the architecture comes from.
        claimed_accuracy: Test accuracy on MNIST that the source claims, in [0, 1]; None if it claims none.
        recipe: How it is trained.
        member: Name of the nets that vote, each trained apart from another seed; None for a plain net.
        num_members: How many of them vote.
    """

    name: str
    description: str
    builder: str
    arguments: Mapping[str, Any]
    num_parameters: int
    source: str
    claimed_accuracy: float | None
    recipe: Recipe
    member: str | None = None
    num_members: int = 1

    def build(self, *, include_top: bool = True, **overrides: Any) -> "keras.Model":
        """Returns a new model, its weights drawn from Keras's global seed.

        Raises:
            InputError: If an argument is not legal, or an ensemble is to be without its classifying layers.
        """
        from mnist_keras.models import builders
        from mnist_keras.models.ensemble import build_ensemble

        self.check_top(include_top)
        arguments = {**self.arguments, "name": self.name, "include_top": include_top, **overrides}
        if self.member is None:
            return getattr(builders, self.builder)(**arguments)
        member = MODELS[self.member]
        members = [member.build(**overrides) for _ in range(self.num_members)]
        return build_ensemble(members, name=arguments["name"])

    def check_top(self, include_top: bool) -> None:
        """Checks that an ensemble is not asked for without its classifying layers.

        Raises:
            InputError: If it is.
        """
        if self.member and not include_top:
            raise invalid(
                "include_top",
                expected="True for an ensemble, whose members vote by their probabilities",
                received=False,
                hint=f"The features of {self.member!r} are to be had.",
            )


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
            name="cnn_accurate",
            description="conv 5x5x32 32 - pool - 64 64 - pool - 128 128 - pool - 256, batch norm - 10",
            num_parameters=586_794,
            source="ours, after Simonyan and Zisserman 2015",
            builder="build_deep_cnn",
            arguments={"dropout": 0.1, "batch_norm": True},
            claimed_accuracy=None,
            recipe=RECIPES["cnn_accurate"],
        ),
        ModelSpec(
            name="cnn_accurate_ensemble",
            description="mean of the probabilities of five `cnn_accurate`, each of another seed",
            num_parameters=5 * 586_794,
            source="ours",
            builder="build_ensemble",
            arguments={},
            claimed_accuracy=None,
            recipe=RECIPES["cnn_accurate"],
            member="cnn_accurate",
            num_members=5,
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
            name="cnn_tiny",
            description="conv 5x5x8 3x3x8 - pool - 16 16 - pool - 20 - pool, batch norm - softmax 10",
            builder="build_deep_cnn",
            arguments={
                "stages": ((8, 8), (16, 16), (20,)),
                "hidden_units": 0,
                "dropout": 0.0,
                "batch_norm": True,
            },
            num_parameters=9_194,
            source="ours, for a microcontroller",
            claimed_accuracy=None,
            recipe=RECIPES["cnn_tiny"],
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


def get_trainable_spec(name: str) -> ModelSpec:
    """Returns the entry of a registered net that `train` can train.

    Raises:
        InputError: If no net has that name, or it is an ensemble, whose members are trained one by one.
    """
    spec = get_model_spec(name)
    if spec.member:
        raise InputError(
            f"{name!r} is a vote of {spec.num_members} nets, which are trained one by one. Expected a single net: "
            f"train {spec.member!r} with a seed for each and hand the models to build_ensemble, or take the packaged "
            f"weights: create_model({name!r}, weights='mnist')."
        )
    return spec


def convolves(name: str) -> bool:
    """Returns whether a registered net has convolutions."""
    return get_model_spec(name).builder not in {"build_mlp", "build_softmax_regression"}


def is_wide(model: "str | keras.Model") -> bool:
    """Returns whether this is the name of a net with enough to multiply for bfloat16 to bring speed."""
    if not isinstance(model, str):
        return False
    return convolves(model) or get_model_spec(model).num_parameters >= WIDE_PARAMETERS
