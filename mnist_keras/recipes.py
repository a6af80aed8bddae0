"""How a net is trained: the frozen `Recipe` and the table of the registered nets' recipes.

Importing this room costs nothing: Keras objects are made from a recipe in `training`.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

from mnist_keras._validation import (
    check_choice,
    check_integer,
    check_number,
    invalid,
    unknown,
)

OPTIMIZERS = (
    "adadelta",
    "adafactor",
    "adagrad",
    "adam",
    "adamax",
    "adamw",
    "ftrl",
    "lamb",
    "lion",
    "muon",
    "nadam",
    "rmsprop",
    "sgd",
)
SCHEDULES = ("constant", "cosine", "one_cycle")
PRECISIONS = ("auto", "float32", "mixed_bfloat16", "mixed_float16")


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How a net is trained; equal recipes, data and seeds give equal weights.

    Attributes:
        optimizer: Name of a Keras optimizer, or what `keras.optimizers.serialize` returns, for one with arguments
            of its own: `{"class_name": "SGD", "config": {"momentum": 0.9}}`. Its learning rate and weight decay
            come from the fields below.
        learning_rate: Learning rate; the highest one if a schedule changes it.
        schedule: "constant"; "cosine", a half cosine from `learning_rate` to 0 (Loshchilov and Hutter, 2017, eq. 5
            without restarts); "one_cycle", a linear rise from a 25th over the first quarter of the steps, then a
            half cosine to 0 (after Smith and Topin, 2018).
        batch_size: Images per step over all replicas together. The epoch's last, smaller batch is left out.
        epochs: Passes over the training images.
        weight_decay: Decoupled weight decay of the optimizer; 0 for none.
        label_smoothing: Probability mass moved from the true class to all classes, in `[0, 1)`.
        augmentation: Name or configuration of an augmentation, see `mnist_keras.augmentation`; None for none.
        ema_momentum: Momentum of the exponential moving average of the weights, in `(0, 1)`, whose result
            replaces the weights at the end; None for no averaging.
        precision: "float32", "mixed_bfloat16", "mixed_float16", or "auto" for what suits the device.
        jit: Whether XLA compiles the training loop; "auto" for what suits the net and the device.
        validation_size: How many of the last training images are held out for validation.
    """

    optimizer: str | Mapping[str, Any] = "adam"
    learning_rate: float = 1e-3
    schedule: str = "constant"
    batch_size: int = 128
    epochs: int = 10
    weight_decay: float = 0.0
    label_smoothing: float = 0.0
    augmentation: str | Mapping[str, Any] | None = None
    ema_momentum: float | None = None
    precision: str = "float32"
    jit: bool | str = "auto"
    validation_size: int = 0

    def __post_init__(self):
        if isinstance(self.optimizer, str):
            if self.optimizer not in OPTIMIZERS:
                raise unknown("optimizer", self.optimizer, OPTIMIZERS)
        elif not (isinstance(self.optimizer, Mapping) and "class_name" in self.optimizer):
            raise invalid(
                "optimizer",
                expected="a name, or a dictionary as `keras.optimizers.serialize` returns it",
                received=repr(self.optimizer),
            )
        check_number("learning_rate", self.learning_rate, minimum=0, above=True)
        check_choice("schedule", self.schedule, SCHEDULES)
        check_integer("batch_size", self.batch_size, minimum=1)
        check_integer("epochs", self.epochs, minimum=1)
        check_number("weight_decay", self.weight_decay, minimum=0)
        check_number("label_smoothing", self.label_smoothing, minimum=0, maximum=0.999)
        if not (self.augmentation is None or isinstance(self.augmentation, str | Mapping)):
            raise invalid(
                "augmentation",
                expected="a name, a dictionary or None",
                received=repr(self.augmentation),
            )
        if self.ema_momentum is not None:
            check_number("ema_momentum", self.ema_momentum, minimum=0, maximum=0.999999, above=True)
        check_choice("precision", self.precision, PRECISIONS)
        if not (isinstance(self.jit, bool) or self.jit == "auto"):
            raise invalid("jit", expected="True, False or 'auto'", received=repr(self.jit))
        check_integer("validation_size", self.validation_size, minimum=0)

    def to_dict(self) -> dict[str, Any]:
        """Returns the fields as a dictionary that JSON can hold."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> "Recipe":
        """Returns the recipe with these fields; those left out have their defaults.

        Raises:
            InputError: If a field is unknown or its value is not legal.
        """
        if not isinstance(fields, Mapping):
            raise invalid("recipe", expected="a dictionary of fields", received=repr(fields))
        names = [field.name for field in dataclasses.fields(cls)]
        for name in fields:
            if name not in names:
                raise unknown("recipe field", name, names)
        return cls(**fields)

    def replace(self, **changes: Any) -> "Recipe":
        """Returns this recipe with some fields changed."""
        return Recipe.from_dict({**self.to_dict(), **changes})


RECIPES: dict[str, Recipe] = {
    # The sources of the documented nets fix optimizer, learning rate and batch size where a comment says so.
    "softmax_regression": Recipe(),
    "mlp_128": Recipe(),  # Adam 1e-3, mini-batches
    "cnn_2conv": Recipe(optimizer="sgd", learning_rate=0.05, batch_size=64, epochs=5),  # SGD
    "mlp_128_64_dropout": Recipe(batch_size=64),  # Adam 1e-3, 10 epochs, batch 64
    "mlp_1024_128": Recipe(schedule="cosine"),
    "mlp_deep": Recipe(schedule="cosine", epochs=15),
    "lenet5": Recipe(learning_rate=2e-3, schedule="cosine", augmentation="affine", epochs=15),
}


def get_recipe(name: str) -> Recipe:
    """Returns the named recipe.

    Raises:
        InputError: If there is no recipe of that name.
    """
    if name not in RECIPES:
        raise unknown("recipe", name, RECIPES)
    return RECIPES[name]
