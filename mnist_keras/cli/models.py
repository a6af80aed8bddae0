"""`mnist-keras models`: the registered models, with measured results first, then the claims of their sources."""

import argparse
import json
from typing import Any


def add_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> None:
    """Prints the models, the most accurate one last."""
    from mnist_keras.models.recipes import RECIPES
    from mnist_keras.models.registry import MODELS

    models = sorted(map(_describe, MODELS.values()), key=lambda model: model["test_accuracy"] or 0)
    if args.json:
        print(json.dumps(models, indent=2))
        return
    print(f"{'model':<22} {'MNIST test':>10} {'training':>9} {'parameters':>11} {'weights':>9}")
    for model in models:
        accuracy = f"{model['test_accuracy']:.2%}" if model["test_accuracy"] else "-"
        seconds = f"{model['train_seconds']:,.0f} s" if model["train_seconds"] else "-"
        size = f"{model['weight_bytes'] / 1000:,.0f} kB" if model["weight_bytes"] else "-"
        measured = f"{accuracy:>10} {seconds:>9} {model['num_parameters']:>11,} {size:>9}"
        print(f"{model['name']:<22} {measured}")
        print(f"  {model['description']}")
        notes = [f"weights for {', '.join(model['weights'])}"] if model["weights"] else []
        claim = model["claimed_accuracy"]
        notes += [f"its source reports {claim:.2%}"] if claim else []
        print(f"  {'; '.join(notes)}" if notes else "  no packaged weights")
    print("Measured with the packaged weights; see the cards in mnist_keras/models/weights.")
    print(
        f"Other recipes for `train --recipe`: {', '.join(sorted(RECIPES.keys() - MODELS.keys()))}"
    )


def _describe(spec: Any) -> dict[str, Any]:
    from mnist_keras.models.pretrained import DATASETS, list_weights, load_card, weights_path

    weights = [dataset for dataset in DATASETS if spec.name in list_weights(dataset)]
    card = load_card(spec.name) if "mnist" in weights else None
    return {
        "name": spec.name,
        "description": spec.description,
        "test_accuracy": card and card["results"]["test_accuracy"],
        "train_seconds": card and card["train_seconds"],
        "num_parameters": spec.num_parameters,
        "weight_bytes": card and weights_path(spec.name, "mnist").stat().st_size,
        "weights": weights,
        "claimed_accuracy": spec.claimed_accuracy,
        "source": spec.source,
        "member": spec.trained_as if spec.trained_as != spec.name else None,
        "recipe": spec.recipe.to_dict(),
    }
