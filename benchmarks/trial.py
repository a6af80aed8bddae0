"""Tries a model and a recipe: trains without the last 10,000 training images and counts the errors on them.

    python benchmarks/trial.py --data-dir DIR mlp_deep --recipe '{"augmentation": "elastic", "epochs": 40}'
    python benchmarks/trial.py --data-dir DIR build_deep_cnn --arguments '{"dropout": 0.4}' --recipe '{"epochs": 14}'

Recipes are chosen by these rows, which are appended to results/trials.csv, and never by the test images. Other fields
are those of the registered model's recipe, or of `Recipe(precision="auto")` for a builder.
"""

import argparse
import contextlib
import json
from pathlib import Path

import pandas as pd
from accuracy import digest
from command import Parser, load_published, read_rows, run_command, write_rows

from mnist_keras._validation import InputError, check_integer, check_seed, invalid
from mnist_keras.cli.doctor import examine
from mnist_keras.models.recipes import Recipe, get_recipe
from mnist_keras.models.registry import get_model_spec, get_trainable_spec


def main() -> None:
    parser = Parser(__doc__)
    parser.add_argument("model", help="a registered name, or the name of a public builder")
    parser.add_argument("--data", default="mnist", help="name of the dataset (default: mnist)")
    parser.add_argument("--arguments", default="{}", help="arguments of the builder, as JSON")
    parser.add_argument("--recipe", default="{}", help="name of a recipe, or its fields as JSON")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--held-out", type=int, default=10_000, metavar="N", help="images")
    args = parser.parse_args()
    path = args.out / "trials.csv"
    read_rows(path)  # fails now, not after the training, if it cannot be read
    row = try_out(args)
    write_rows(path, pd.concat([read_rows(path), pd.DataFrame([row])]), columns=row)
    print(json.dumps(row))


def try_out(args: argparse.Namespace) -> dict[str, str]:
    """Trains and returns the trial's row."""
    import keras

    import mnist_keras as mk
    from mnist_keras.training.devices import choose_precision, precision_policy

    builder, arguments, recipe, wide = args.model, {}, mk.Recipe(precision="auto"), True
    if not (builder.startswith("build_") and builder in mk.__all__):
        spec = get_trainable_spec(args.model)
        builder, arguments, recipe, wide = spec.builder, spec.arguments, spec.recipe, spec.is_wide
    if args.recipe.startswith("{"):
        recipe = recipe.replace(**fields_of(args.recipe, "--recipe"))
    else:
        recipe = get_recipe(args.recipe)
    arguments = {**arguments, **fields_of(args.arguments, "--arguments")}
    keras.utils.set_random_seed(check_seed(args.seed))
    try:
        with precision_policy(choose_precision(recipe.precision, wide=wide)):
            model = getattr(mk, builder)(**arguments)
    except InputError:
        raise
    except (TypeError, ValueError) as error:  # an argument that it or Keras does not have
        raise InputError(f"{builder} cannot be called so: {error}.") from None
    data = load_published(args.data, args.data_dir)
    last = len(data.train) - 1
    count = len(data.train) - check_integer("--held-out", args.held_out, minimum=1, maximum=last)
    splits = data.train.take(range(count)), data.train.take(range(count, last + 1))
    run = mk.train(model, splits, recipe=recipe, seed=args.seed, verbose=0)
    scores, defaults = run.evaluation, mk.Recipe().to_dict()
    temperature = mk.fit_temperature(scores.labels, scores.probabilities)
    scaled = mk.apply_temperature(scores.probabilities, temperature)
    calibrated = mk.evaluate_predictions(scores.labels, scaled)
    return {
        "data": args.data,
        "net": args.model,
        "arguments": json.dumps(arguments),
        "recipe": json.dumps({k: v for k, v in recipe.to_dict().items() if v != defaults[k]}),
        "digest": digest(builder, arguments, recipe),
        "seed": args.seed,
        "held_out": args.held_out,
        "precision": run.model.dtype_policy.name,
        "parameters": run.model.count_params(),
        "held_out_errors": scores.num_errors,
        "held_out_accuracy": f"{scores.accuracy:.4f}",
        "negative_log_likelihood": f"{scores.negative_log_likelihood:.5f}",
        "temperature": f"{temperature:.3f}",
        "likelihood_at_temperature": f"{calibrated.negative_log_likelihood:.5f}",
        "train_accuracy": f"{run.metrics['train_accuracy']:.5f}",
        "cores": examine()["cpu"]["cores"],
        "seconds": f"{run.metrics['train_seconds']:.0f}",
    }


def fields_of(text: str, option: str) -> dict:
    """Returns the fields of an option's JSON object."""
    with contextlib.suppress(ValueError):
        if isinstance(fields := json.loads(text), dict):
            return fields
    raise invalid(option, expected='a JSON object like {"epochs": 3}', received=text)


def trials(results: Path) -> pd.DataFrame:
    settings = dict.fromkeys(["arguments", "recipe"], lambda text: describe(json.loads(text)))
    return pd.read_csv(results / "trials.csv", converters=settings)


def changes(results: Path) -> pd.DataFrame:
    """Returns the trials of `cnn_accurate` on MNIST, and what each changes in the packaged model's settings."""
    spec = get_model_spec("cnn_accurate")
    shipped = {**spec.arguments, **spec.recipe.to_dict(), "seed": 0}

    def changed(row):
        recipe = Recipe.from_dict(json.loads(row["recipe"])).to_dict()
        settings = {**json.loads(row["arguments"]), **recipe, "seed": row["seed"]}
        other = {key: value for key, value in settings.items() if value != shipped.get(key)}
        return describe(other) or "nothing"

    rows = pd.read_csv(results / "trials.csv").query("net == 'cnn_accurate' and data == 'mnist'")
    return rows.assign(changed=rows.apply(changed, axis=1))


def describe(settings: dict) -> str:
    """Returns settings in words; those of an augmentation in parentheses."""
    text = json.dumps(settings)[1:-1].replace("null", "none")
    return text.translate(str.maketrans("{}", "()", '":'))


if __name__ == "__main__":
    run_command(main)
