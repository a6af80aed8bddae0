"""What is trained for the tables of accuracy: models, recipes and datasets."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping

from mnist_keras._validation import InputError
from mnist_keras.models.recipes import RECIPES, Recipe, get_recipe
from mnist_keras.models.registry import ModelSpec, get_model_spec

DOCUMENTED = (  # models, simplest first
    *("softmax_regression", "mlp_128", "mlp_128_64_dropout", "mlp_1024_128", "mlp_deep"),
    *("cnn_2conv", "lenet5", "cnn_fast"),
)


@dataclasses.dataclass(frozen=True)
class Entry:
    """A model by the name of its recipe, a dataset, and how many seeds are trained: for an ensemble, its members'."""

    model: str
    recipe_name: str
    data: str = "mnist"
    seeds: int = 5

    @property
    def spec(self) -> ModelSpec:
        return get_model_spec(self.model)

    @property
    def recipe(self) -> Recipe:
        return get_recipe(self.recipe_name)

    @property
    def votes(self) -> bool:
        """Whether it is an ensemble, of which only the members are trained."""
        return self.spec.trained_as != self.model

    @property
    def key(self) -> dict[str, str]:
        """The cells that tell its rows, of the model and recipe as they are now, from all others."""
        return {
            "data": self.data,
            "net": self.model,
            "recipe": self.recipe_name,
            "digest": model_digest(self.model, self.recipe),
            "parameters": str(self.spec.num_parameters),
        }

    @property
    def title(self) -> str:
        own = self.recipe is self.spec.recipe
        title = f"`{self.model}`" if own else f"`{self.model}`, recipe `{self.recipe_name}`"
        comma = "" if own else ","
        return title if self.data == "mnist" else f"{title}{comma} on `{self.data}`"


ENTRIES = (
    *(Entry(name, name) for name in DOCUMENTED),
    Entry("mlp_deep", "mlp_deep_elastic"),
    Entry("cnn_tiny", "cnn_tiny"),
    Entry("cnn_accurate", "cnn_accurate"),
    Entry("cnn_accurate_ensemble", "cnn_accurate"),
    Entry("cnn_accurate", "cnn_accurate_fashion", data="fashion_mnist", seeds=3),
)


def digest(builder: str, arguments: Mapping, recipe: Recipe) -> str:
    """Returns a short name for an architecture and a recipe, which changes with either."""
    fields = json.dumps([builder, dict(arguments), recipe.to_dict()], sort_keys=True)
    return hashlib.sha256(fields.encode()).hexdigest()[:8]


def model_digest(model: str, recipe: Recipe) -> str:
    """Returns the digest of a registered model, or of an ensemble's members, and a recipe."""
    spec = get_model_spec(get_model_spec(model).trained_as)
    return digest(spec.builder, spec.arguments, recipe)


def recipe_name(model: str, fields: Mapping) -> str:
    """Returns the name of the recipe with these fields by which a model was trained: its own, or another."""
    names = [name for name, recipe in RECIPES.items() if recipe.to_dict() == fields]
    if not names:
        raise InputError(f"The recipe of {model}'s run is not a registered one.")
    return model if model in names else names[0]
