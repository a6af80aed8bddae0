"""How a model is trained: the frozen `Recipe` and the table of the named recipes."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from mnist_keras._files import input_errors
from mnist_keras._html import escape, table
from mnist_keras._validation import (
    InputError,
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
    "lion",
    "muon",
    "nadam",
    "rmsprop",
    "sgd",
)
SCHEDULES = ("constant", "cosine", "one_cycle")
ALWAYS_SHOWN = ("optimizer", "learning_rate", "batch_size", "epochs")  # other fields if changed
PRECISIONS = ("auto", "float32", "mixed_bfloat16", "mixed_float16")


class FrozenDict(dict):
    """A read-only dictionary, so that the tables of recipes and models cannot be changed by accident."""

    def _refuse(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise TypeError(
            "The entries of a recipe or a registered model cannot be changed. Use recipe.replace(...)."
        )

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse

    def __reduce__(self):  # copies and pickles are built again, not item by item
        return type(self), (dict(self),)


def _frozen(value: Any) -> Any:
    if isinstance(value, Mapping):
        return FrozenDict({key: _frozen(inner) for key, inner in value.items()})
    return tuple(map(_frozen, value)) if isinstance(value, list | tuple) else value


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How to train a model; the same recipe, data and seed give the same weights.

    Attributes:
        optimizer: Name of a Keras optimizer; or, for one with other arguments, what `keras.optimizers.serialize`
            returns: `{"class_name": "SGD", "config": {"momentum": 0.9}}`. The learning rate and the weight decay come
            from the fields below.
        learning_rate: Learning rate; the peak if there is a schedule.
        schedule: "constant"; "cosine", a half cosine from `learning_rate` to 0 (Loshchilov and Hutter, 2017, eq. 5
            without restarts); "one_cycle", a linear rise from a 25th over the first quarter of the steps, then a
            half cosine to 0 (after Smith and Topin, 2018).
        batch_size: Images per step over all replicas together. An incomplete batch at the end of an epoch is skipped.
        epochs: Passes over the training images.
        weight_decay: Decoupled weight decay of the optimizer; 0 for none.
        label_smoothing: Probability mass moved from the true class to all classes, in `[0, 1)`.
        augmentation: Name or configuration of an augmentation, see `mnist_keras.data.augmentation`; None for none.
        ema_momentum: Momentum, in `(0, 1)`, of an exponential moving average of the weights, which replaces the weights
            at the end; None for no averaging.
        precision: "float32", "mixed_bfloat16", "mixed_float16", or "auto" to choose by the device.
        jit: Whether to compile the training loop with XLA; "auto" to choose by the model and the device.
        validation_size: Number of training images, from the end, to hold out for validation.
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
        elif not (
            isinstance(self.optimizer, Mapping)
            and isinstance(self.optimizer.get("class_name"), str)
            and isinstance(self.optimizer.get("config"), Mapping)
        ):
            raise invalid(
                "optimizer",
                expected="a name, or a dictionary as `keras.optimizers.serialize` returns it",
                received=repr(self.optimizer),
            )
        check_choice("schedule", self.schedule, SCHEDULES)
        numbers = {
            "learning_rate": check_number(
                "learning_rate", self.learning_rate, minimum=0, above=True
            ),
            "batch_size": check_integer("batch_size", self.batch_size, minimum=1),
            "epochs": check_integer("epochs", self.epochs, minimum=1),
            "weight_decay": check_number("weight_decay", self.weight_decay, minimum=0),
            "label_smoothing": check_number(
                "label_smoothing", self.label_smoothing, minimum=0, maximum=0.999
            ),
            "validation_size": check_integer("validation_size", self.validation_size, minimum=0),
        }
        if not (self.augmentation is None or isinstance(self.augmentation, str | Mapping)):
            raise invalid(
                "augmentation",
                expected="a name, a dictionary or None",
                received=repr(self.augmentation),
            )
        if self.ema_momentum is not None:
            numbers["ema_momentum"] = check_number(
                "ema_momentum", self.ema_momentum, minimum=0, maximum=0.999999, above=True
            )
        check_choice("precision", self.precision, PRECISIONS)
        if not (isinstance(self.jit, bool) or self.jit == "auto"):
            raise invalid("jit", expected="True, False or 'auto'", received=repr(self.jit))
        frozen = {name: _frozen(getattr(self, name)) for name in ("optimizer", "augmentation")}
        for name, value in {**numbers, **frozen}.items():  # plain Python numbers, for JSON
            object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        fields = dataclasses.fields(self)
        shown = {
            field.name: value
            for field in fields
            if (value := getattr(self, field.name)) != field.default or field.name in ALWAYS_SHOWN
        }
        return f"Recipe({', '.join(f'{name}={value!r}' for name, value in shown.items())})"

    def _repr_html_(self) -> str:
        return table([(name, escape(value)) for name, value in self.to_dict().items()])

    def to_dict(self) -> dict[str, Any]:
        """Returns the fields as a dictionary for JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> "Recipe":
        """Returns the recipe with these fields; missing fields get their defaults.

        Raises:
            InputError: If a field is unknown or its value is invalid.
        """
        if not isinstance(fields, Mapping):
            raise invalid("recipe", expected="a dictionary of fields", received=repr(fields))
        names = [field.name for field in dataclasses.fields(cls)]
        for name in fields:
            if name not in names:
                raise unknown("recipe field", name, names)
        return cls(**fields)

    def replace(self, **changes: Any) -> "Recipe":
        """Returns a copy of this recipe with some fields changed."""
        return Recipe.from_dict({**self.to_dict(), **changes})

    def for_batch_size(self, batch_size: int) -> "Recipe":
        """Returns this recipe for another batch size, its learning rate scaled in proportion.

        With twice the images in a step, there are half as many steps, and each should move the weights twice as far.
        The rule holds for SGD with a warm-up, such as the schedule "one_cycle" includes, up to a batch size that
        depends on the task. For Adam it is less well founded, so try the square root of the ratio too.

        Raises:
            InputError: If the batch size is invalid.

        Reference:
            Goyal et al., 2017, "Accurate, Large Minibatch SGD: Training ImageNet in 1 Hour", section 2.1.

        Example:
            >>> Recipe(batch_size=128, learning_rate=0.1).for_batch_size(512).learning_rate
            0.4
        """
        ratio = check_integer("batch_size", batch_size, minimum=1) / self.batch_size
        return self.replace(batch_size=batch_size, learning_rate=ratio * self.learning_rate)


_ACCURATE = Recipe(
    optimizer="adamw",
    learning_rate=4e-3,
    schedule="one_cycle",
    batch_size=64,
    epochs=30,
    weight_decay=0.05,
    label_smoothing=0.05,
    augmentation={"rotation": 15.0, "shift": 2.5, "zoom": 0.15, "shear": 8.0},
    precision="auto",
)
RECIPES: dict[str, Recipe] = {
    # A comment on a recipe names the settings that the source of its model prescribes.
    "softmax_regression": Recipe(),
    "mlp_128": Recipe(),  # Adam 1e-3, mini-batches
    "cnn_accurate": _ACCURATE,
    # On 400,000 images; see tools/train_real_world.py.
    "cnn_real_world": _ACCURATE.replace(epochs=4),
    "cnn_accurate_fashion": _ACCURATE.replace(
        augmentation={"shift": 1.0, "flip": 0.5}  # clothes are centered and hang upright
    ),
    "cnn_tiny": Recipe(
        learning_rate=5e-3,
        schedule="one_cycle",
        epochs=30,
        augmentation={"rotation": 8.0, "shift": 1.5, "zoom": 0.08, "shear": 5.0},
        precision="auto",
    ),
    "cnn_fast": Recipe(
        # Betas, learning rate and batch size of `train_mnist_fast`; label smoothing is ours: 0.2 points.
        optimizer={"class_name": "Adam", "config": {"beta_1": 0.7, "beta_2": 0.9}},
        learning_rate=1e-2,
        schedule="one_cycle",
        batch_size=256,
        epochs=1,
        label_smoothing=0.05,
        precision="auto",
    ),
    "cnn_2conv": Recipe(optimizer="sgd", learning_rate=0.05, batch_size=64, epochs=5),  # SGD
    "mlp_128_64_dropout": Recipe(batch_size=64),  # Adam 1e-3, 10 epochs, batch 64
    "mlp_1024_128": Recipe(schedule="cosine"),
    "mlp_deep": Recipe(schedule="cosine", epochs=15),
    "mlp_deep_elastic": Recipe(
        learning_rate=2e-3,
        schedule="one_cycle",
        batch_size=256,
        epochs=80,
        augmentation={"rotation": 10.0, "shift": 1.0, "zoom": 0.1, "elastic_alpha": 24.0},
        precision="auto",
    ),
    "lenet5": Recipe(learning_rate=3e-3, schedule="cosine", augmentation="affine", epochs=20),
}


def get_recipe(name: str) -> Recipe:
    """Returns the named recipe.

    Raises:
        InputError: If there is no recipe of that name.
    """
    if name not in RECIPES:
        raise unknown("recipe", name, RECIPES)
    return RECIPES[name]


def load_recipe(source: str) -> Recipe:
    """Returns a named recipe, or one from a `.json` file of its fields.

    Raises:
        InputError: If there is no such recipe or file, or the fields are invalid.
    """
    if not source.endswith(".json"):
        return get_recipe(source)
    advice = f"Expected a JSON file of a recipe's fields, or one of: {', '.join(RECIPES)}."
    with input_errors(f"The recipe {source}", "read", advice, also=(ValueError, RecursionError)):
        fields = json.loads(Path(source).read_text(encoding="utf-8"))
    return Recipe.from_dict(fields)


def change_recipe(recipe: Recipe, *, scale_learning_rate: bool = False, **changes: Any) -> Recipe:
    """Returns a recipe with single fields changed.

    Args:
        recipe: The recipe to start from.
        scale_learning_rate: Whether a changed batch size scales the learning rate, see `Recipe.for_batch_size`.
        changes: Fields of the recipe; None leaves a field unchanged.

    Raises:
        InputError: If a value is invalid, or the learning rate is to be scaled without a batch size or is given too.
    """
    given = {name: value for name, value in changes.items() if value is not None}
    if scale_learning_rate:
        if "batch_size" not in given or "learning_rate" in given:
            raise InputError(
                "Scaling the learning rate needs a batch_size, and no learning_rate: that is the recipe's, times the "
                "batch size over the recipe's. Leave learning_rate out, or do not scale it."
            )
        recipe = recipe.for_batch_size(given["batch_size"])
    return recipe.replace(**given)
