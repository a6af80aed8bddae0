"""Trains every registered model by its recipe, several seeds each, and writes what each seed reaches.

    python benchmarks/accuracy.py --data-dir DIR                     # what is missing in results/accuracy.csv
    python benchmarks/accuracy.py --data-dir DIR --recipes lenet5    # only some recipes
    python benchmarks/accuracy.py --data-dir DIR --out runs/here     # everything on your machine
    python benchmarks/accuracy.py --data-dir DIR --packaged          # scores the packaged weights: results/packaged.csv

A seed with a row is trained again only if its model or recipe has changed. An interrupted training continues in its run
directory. The number of cores changes the order of sums, and so the last bits: the committed rows are from one core,
with `taskset -c 0 python benchmarks/accuracy.py ...` on Linux.
"""

import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from command import RESULTS, Parser, load_published, matching, read_rows, run_command, update_rows

from mnist_keras._validation import InputError, check_integer
from mnist_keras.cli.doctor import examine
from mnist_keras.evaluation.metrics import wilson_interval
from mnist_keras.models.pretrained import DATASETS, list_weights, load_card
from mnist_keras.models.recipes import RECIPES, Recipe, get_recipe
from mnist_keras.models.registry import get_model_spec
from mnist_keras.training.run_directory import RunDirectory

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
KEY = ["data", "net", "recipe", "digest", "parameters"]  # they identify the rows of an entry
PLOTTED = ("lenet5", 0)  # model and seed whose confusion matrix is kept beside the rows
REFERENCE = "lenet5"  # which the packaged weights for MNIST are compared with
SCORES = ("negative_log_likelihood", "brier_score", "expected_calibration_error")
NUM_TEST_IMAGES = 10_000
RUNS = RESULTS.parents[1] / "runs" / "accuracy"  # beside the committed rows, not among them


def main() -> None:
    names = dict.fromkeys(recipe for _, recipe, *_ in ENTRIES)
    parser = Parser(__doc__)
    parser.add_argument("--recipes", nargs="+", choices=names, default=names, metavar="NAME")
    parser.add_argument("--seeds", type=int, metavar="N", help="number of seeds of each recipe")
    parser.add_argument("--packaged", action="store_true", help="score the packaged weights")
    args = parser.parse_args()
    if args.seeds is not None:
        check_integer("--seeds", args.seeds, minimum=1)
    if args.packaged:
        score_packaged(args)
        return
    for entry in entries().query("recipe in @args.recipes").itertuples():
        add_rows(entry, args.seeds or entry.seeds, args)
    columns = ["title", "parameters", "mean", "deviation", "seconds"]
    print(summary(args.out)[columns].to_string(index=False))


def entries() -> pd.DataFrame:
    """Returns the entries with the current models and recipes; titles name what is not the default."""
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
    """Returns the name of the recipe with these fields: the model's own if it has them, otherwise another."""
    names = [name for name, recipe in RECIPES.items() if recipe.to_dict() == fields]
    if not names:
        raise InputError(f"The recipe of {model}'s run is not a registered one.")
    return model if model in names else names[0]


def add_rows(entry, num_seeds: int, args) -> None:
    """Trains the seeds that have no row of the current model and recipe, and writes their rows."""
    path, key = args.out / "accuracy.csv", {name: getattr(entry, name) for name in KEY}
    runs = RUNS if args.out == RESULTS else args.out / "runs"
    folder, spec = runs / f"{entry.recipe}-{entry.digest}", get_model_spec(entry.net)
    data = load_published(entry.data, args.data_dir)
    for seed in range(num_seeds) if entry.seeds else [f"0 to {spec.num_members - 1}"]:
        if len(matching(read_rows(path), {**key, "seed": str(seed)})):
            continue
        model, seconds = make_model(entry, seed, data, folder)
        if model is None:
            print(f"{entry.net}: skipped; {spec.trained_as} lacks finished runs of seeds {seed}")
            continue
        row = {**key, "seed": str(seed), **seed_cells(model, data, seconds)}
        order = [(net, recipe, data) for net, recipe, data, _ in ENTRIES]
        update_rows(path, [row], keys=["net", "recipe", "data", "seed"], order=order)
        if (entry.net, seed) == PLOTTED:
            shutil.copy(f"{folder}-{seed}/plots/confusion_matrix.png", args.out)
        print(f"{entry.title}, seed {seed}: {float(row['accuracy']):.2%}", flush=True)


def make_model(entry, seed: int | str, data, folder: Path):
    """Returns a seed's model and the seconds of its training; no ensemble if a member's run is not finished."""
    from mnist_keras import build_ensemble, load_model, train

    if entry.seeds:
        options = {"recipe": entry.recipe, "seed": seed, "run_dir": f"{folder}-{seed}"}
        run = train(entry.net, data, resume=True, verbose=0, **options)
        return load_model(run.run_dir), run.metrics["train_seconds"]
    seeds = range(get_model_spec(entry.net).num_members)
    members = [RunDirectory(f"{folder}-{member}") for member in seeds]
    if not all(member.is_finished for member in members):
        return None, 0.0
    model = build_ensemble([load_model(member.path) for member in members], name=entry.net)
    return model, sum(member.read_metrics()["train_seconds"] for member in members)


def seed_cells(model, data, seconds: float) -> dict[str, str]:
    """Returns the cells of a seed: accuracies are shares, the likelihood is in nats."""
    from mnist_keras import evaluate
    from mnist_keras.evaluation.evaluate import measure_accuracy

    scores = evaluate(model, data.test)
    row = {"accuracy": f"{scores.accuracy:.4f}", "errors": str(scores.num_errors)}
    row |= {"errors_in_first_half": errors_by_half(scores)[0], **score_cells(scores)}
    row["train_accuracy"] = f"{measure_accuracy(model, data.train):.5f}"
    return row | {"train_seconds": f"{seconds:.1f}", "cores": str(examine()["cpu"]["cores"])}


def errors_by_half(scores) -> list[str]:
    """Returns the errors in each half of the images: of MNIST's, students wrote the first, census staff the second."""
    wrong = scores.predictions != scores.labels
    return [str(half.sum()) for half in np.array_split(wrong, 2)]


def score_cells(scores, suffix: str = "") -> dict[str, str]:
    return {f"{name}{suffix}": f"{getattr(scores, name):.5f}" for name in SCORES}


def summary(results: Path) -> pd.DataFrame:
    """Returns a row for each entry, from the seeds of the current model and recipe."""
    rows = entries().merge(read_rows(results / "accuracy.csv"))
    numbers = dict.fromkeys(["accuracy", "train_accuracy", "train_seconds"], float)
    rows = rows.astype({**numbers, "parameters": int})
    table = rows.groupby(["title", "layers", "parameters", "claim"], sort=False, dropna=False).agg(
        mean=("accuracy", "mean"),
        deviation=("accuracy", "std"),
        trained=("train_accuracy", "mean"),
        seconds=("train_seconds", "median"),
        errors=("errors", ", ".join),
        cores=("cores", lambda cores: ", ".join(sorted(set(cores)))),
    )
    table["deviation"] = table["deviation"].map(" ± {:.2%}".format, na_action="ignore")
    bounds = [wilson_interval(round(x * NUM_TEST_IMAGES), NUM_TEST_IMAGES) for x in table["mean"]]
    return table.assign(**pd.DataFrame(bounds, table.index, ["low", "high"])).reset_index()


def score_packaged(args) -> None:
    """Writes a row for each model with packaged weights, if it was trained by one of the chosen recipes."""
    order = list(dict.fromkeys((data, model) for data in DATASETS for model, *_ in ENTRIES))
    for dataset, model in order:
        card = load_card(model, dataset) if model in list_weights(dataset) else None
        if card and recipe_name(model, card["recipe"]) in args.recipes:
            row = packaged_row(card, load_published(dataset, args.data_dir))
            update_rows(args.out / "packaged.csv", [row], keys=["data", "net"], order=order)
            print(f"{model} on {dataset}: {float(row['accuracy']):.2%}", flush=True)


def packaged_row(card: dict, data) -> dict[str, str]:
    """Returns the row of packaged weights: shares, nats, and numbers of images for the comparison.

    The views are the images and copies shifted by a pixel. The temperature is the model card's.
    """
    import mnist_keras as mk

    name, temperature = card["name"], card["temperature"]
    model = mk.create_model(name, weights=data.name)
    scores, views = mk.evaluate(model, data.test), mk.evaluate(model, data.test, shift=1)
    first, second = errors_by_half(scores)
    low, high = scores.accuracy_ci95
    row = {"net": name, "data": data.name, "recipe": recipe_name(name, card["recipe"])}
    row |= {"seed": str(card["seed"]), "accuracy": f"{scores.accuracy:.4f}"}
    row |= {"ci95_low": f"{low:.4f}", "ci95_high": f"{high:.4f}"}
    row |= {"errors_in_first_half": first, "errors_in_second_half": second}
    row["accuracy_of_views"] = f"{views.accuracy:.4f}"
    compared, other, p_value = "", "", ""
    if data.name == "mnist" and name != REFERENCE:
        reference = mk.evaluate(mk.create_model(REFERENCE, weights=data.name), data.test)
        found = mk.compare(scores.labels, scores.predictions, reference.predictions)
        compared, other = found.only_a_correct, found.only_b_correct
        p_value = f"{found.p_value:.2g}"
    row |= {"only_this_right": str(compared), "only_lenet5_right": str(other)}
    row |= {"mcnemar_p_value": p_value, **score_cells(scores)}
    row["temperature"] = f"{temperature:.3f}" if temperature else ""
    cooled = dict.fromkeys((f"{score}_at_temperature" for score in SCORES), "")
    if temperature:
        scaled = mk.apply_temperature(scores.probabilities, temperature)
        cooled = score_cells(mk.evaluate_predictions(scores.labels, scaled), "_at_temperature")
    return row | cooled


if __name__ == "__main__":
    run_command(main)
