"""What is trained for the tables of accuracy: models, recipes and datasets."""

import hashlib
import json
from collections.abc import Mapping

import pandas as pd

from mnist_keras._validation import InputError
from mnist_keras.models.recipes import RECIPES, Recipe, get_recipe
from mnist_keras.models.registry import get_model_spec

DOCUMENTED = (  # models, simplest first
    *("softmax_regression", "mlp_128", "mlp_128_64_dropout", "mlp_1024_128", "mlp_deep"),
    *("cnn_2conv", "lenet5", "cnn_fast"),
)
ENTRIES = (  # model, recipe, dataset, how many seeds are trained: none of an ensemble, whose members vote
    *((name, name, "mnist", 5) for name in DOCUMENTED),
    ("mlp_deep", "mlp_deep_elastic", "mnist", 5),
    ("cnn_tiny", "cnn_tiny", "mnist", 5),
    ("cnn_accurate", "cnn_accurate", "mnist", 5),
    ("cnn_accurate_ensemble", "cnn_accurate", "mnist", 0),
    ("cnn_accurate", "cnn_accurate_fashion", "fashion_mnist", 3),
)
KEY = ["data", "net", "recipe", "digest", "parameters"]  # columns that tell an entry's rows


def entries() -> pd.DataFrame:
    """Returns the entries with models and recipes as they are now; the title says what is not the usual."""
    rows = []
    for net, recipe, data, seeds in ENTRIES:
        spec, own = get_model_spec(net), get_model_spec(net).recipe is get_recipe(recipe)
        title = f"`{net}`" if own else f"`{net}`, recipe `{recipe}`,"
        title = f"{title} on `{data}`" if data != "mnist" else title.removesuffix(",")
        row = {"data": data, "net": net, "recipe": recipe, "seeds": seeds, "title": title}
        row |= {"digest": model_digest(net, get_recipe(recipe)), "layers": spec.description}
        row |= {"parameters": str(spec.num_parameters), "claim": spec.claimed_accuracy}
        rows.append(row)
    return pd.DataFrame(rows)


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
