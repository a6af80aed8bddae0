"""Tries a net and a recipe: trains on all but the last 10,000 training images and counts the errors on those.

    python benchmarks/trial.py --data-dir DIR mlp_deep --recipe '{"augmentation": "elastic", "epochs": 40}'
    python benchmarks/trial.py --data-dir DIR build_deep_cnn --arguments '{"dropout": 0.4}' --recipe '{"epochs": 14}'

The test images are not looked at: recipes are chosen by these rows, appended to results/trials.csv. `--recipe` takes a
name, or fields; those that it leaves out are those of the registered net's recipe, or of `Recipe(precision="auto")`.
The temperature that is fitted on the held-out images is for nets of the same recipe, trained on all the images.
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import tabular
from accuracy import digest, load_published
from command import run_command
from tabular import read_rows, write_rows

from mnist_keras._validation import InputError, check_integer, check_seed, invalid
from mnist_keras.cli.doctor import examine

RESULTS = tabular.RESULTS / "trials.csv"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("net", help="a registered name, or the name of a public builder")
    parser.add_argument(
        "--data-dir", type=Path, required=True, help="directory of the data's files"
    )
    parser.add_argument("--data", default="mnist", help="name of the data set (default: mnist)")
    parser.add_argument("--arguments", default="{}", help="of the builder, as JSON")
    parser.add_argument("--recipe", default="{}", help="a name, or fields as JSON")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--held-out", type=int, default=10_000, metavar="N", help="images")
    parser.add_argument("--out", type=Path, default=RESULTS, help="CSV file that gets the row")
    args = parser.parse_args()
    read_rows(args.out)  # fails now, not after the training, if it is no file
    row = try_out(args)
    write_rows(args.out, [*read_rows(args.out), row], columns=list(row))
    print(json.dumps(row))


def try_out(args: argparse.Namespace) -> dict[str, str]:
    """Trains and returns the trial's row."""
    import keras

    import mnist_keras as mk
    from mnist_keras.models.recipes import get_recipe
    from mnist_keras.models.registry import get_trainable_spec
    from mnist_keras.training.devices import choose_precision, precision_policy

    builders = [name for name in mk.__all__ if name.startswith("build_")]
    spec = None if args.net in builders else get_trainable_spec(args.net)
    base = spec.recipe if spec else mk.Recipe(precision="auto")
    own = args.recipe.startswith("{")
    recipe = base.replace(**fields_of(args.recipe, "--recipe")) if own else get_recipe(args.recipe)
    builder = spec.builder if spec else args.net
    arguments = {**(spec.arguments if spec else {}), **fields_of(args.arguments, "--arguments")}
    keras.utils.set_random_seed(check_seed(args.seed))
    wide = spec.is_wide if spec else True
    with precision_policy(choose_precision(recipe.precision, wide=wide)):
        model = build(getattr(mk, builder), arguments)
    data = load_published(args.data, args.data_dir)
    images, labels = data.train_images, data.train_labels
    n = len(images) - check_integer("--held-out", args.held_out, minimum=1, maximum=len(images) - 1)
    splits = (images[:n], labels[:n]), (images[n:], labels[n:])
    run = mk.train(model, splits, recipe=recipe, seed=args.seed, verbose=0)
    scores, plain = run.evaluation, mk.Recipe().to_dict()
    temperature = mk.fit_temperature(scores.labels, scores.probabilities)
    scaled = mk.apply_temperature(scores.probabilities, temperature)
    calibrated = mk.evaluate_predictions(scores.labels, scaled)
    return {
        "data": args.data,
        "net": args.net,
        "arguments": json.dumps(arguments),
        "recipe": json.dumps({k: v for k, v in recipe.to_dict().items() if v != plain[k]}),
        "digest": digest(builder, arguments, recipe),
        "seed": str(args.seed),
        "held_out": str(args.held_out),
        "precision": run.model.dtype_policy.name,
        "parameters": str(run.model.count_params()),
        "held_out_errors": str(run.metrics["num_errors"]),
        "held_out_accuracy": f"{run.metrics['accuracy']:.4f}",
        "negative_log_likelihood": f"{run.metrics['negative_log_likelihood']:.5f}",
        "temperature": f"{temperature:.3f}",
        "likelihood_at_temperature": f"{calibrated.negative_log_likelihood:.5f}",
        "train_accuracy": f"{run.metrics['train_accuracy']:.5f}",
        "cores": str(examine()["cpu"]["cores"]),
        "seconds": f"{run.metrics['train_seconds']:.0f}",
    }


def fields_of(text: str, option: str) -> dict:
    """Returns the fields of an option's JSON object."""
    try:
        fields = json.loads(text)
    except ValueError as error:
        raise InputError(f"{option} is not JSON: {error}. Received: {text}") from None
    if not isinstance(fields, dict):
        raise invalid(option, expected='a JSON object like {"epochs": 3}', received=text)
    return fields


def build(builder: Callable, arguments: dict):
    """Returns the builder's model."""
    try:
        return builder(**arguments)
    except InputError:
        raise
    except (TypeError, ValueError) as error:  # an argument that it or Keras does not have
        raise InputError(f"{builder.__name__} cannot be called so: {error}.") from None


if __name__ == "__main__":
    run_command(main)
