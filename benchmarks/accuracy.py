"""Trains every registered model by its recipe, several seeds each, and writes what each seed reaches.

    python benchmarks/accuracy.py --data-dir DIR                     # what is missing in results/accuracy.csv
    python benchmarks/accuracy.py --data-dir DIR --recipes lenet5    # only some recipes
    python benchmarks/accuracy.py --data-dir DIR --out runs/here     # everything on your machine
    python benchmarks/accuracy.py --data-dir DIR --packaged          # scores the packaged weights: results/packaged.csv

A seed that has a row is trained again only if its model or recipe has changed; one that was interrupted continues in
its run directory. Sums have another order on another number of cores, so the last bits depend on it: the committed rows
are from one core, `taskset -c 0 python benchmarks/accuracy.py ...` on Linux.
"""

import shutil
from pathlib import Path

import numpy as np
import tables
from command import ROOT, Parser, load_published, matching, read_rows, run_command, update_rows
from entries import ENTRIES, KEY, entries, recipe_name

from mnist_keras._validation import check_integer
from mnist_keras.cli.doctor import examine
from mnist_keras.models.pretrained import DATASETS, list_weights, load_card
from mnist_keras.models.registry import get_model_spec
from mnist_keras.training.run_directory import RunDirectory

PLOTTED = ("lenet5", 0)  # model and seed whose confusion matrix is kept beside the rows
REFERENCE = "lenet5"  # which the packaged weights for MNIST are compared with
SCORES = ("negative_log_likelihood", "brier_score", "expected_calibration_error")


def main() -> None:
    names = dict.fromkeys(recipe for _, recipe, *_ in ENTRIES)
    parser = Parser(__doc__)
    parser.add_argument("--recipes", nargs="+", choices=names, default=names, metavar="NAME")
    parser.add_argument("--seeds", type=int, metavar="N", help="of each recipe")
    parser.add_argument("--packaged", action="store_true", help="score the packaged weights")
    args = parser.parse_args()
    if args.seeds is not None:
        check_integer("--seeds", args.seeds, minimum=1)
    out = args.out
    if args.packaged:
        score_packaged(args, out / "packaged.csv")
        return
    runs = args.out / "runs" if args.out else ROOT / "runs" / "accuracy"
    for entry in entries().query("recipe in @args.recipes").itertuples():
        data = load_published(entry.data, args.data_dir)
        add_rows(entry, args.seeds or entry.seeds, data, out, runs)
    print(tables.fill("accuracy.csv", tables.entries(out)))


def add_rows(entry, num_seeds: int, data, out: Path, runs: Path) -> None:
    """Writes the rows that an entry lacks, as it is now, among the others."""
    path, key = out / "accuracy.csv", {name: getattr(entry, name) for name in KEY}
    folder, spec = runs / f"{entry.recipe}-{entry.digest}", get_model_spec(entry.net)
    for seed in range(num_seeds) if entry.seeds else [f"0 to {spec.num_members - 1}"]:
        if len(matching(read_rows(path), {**key, "seed": str(seed)})):
            continue
        model, seconds = make_model(entry, seed, data, folder)
        if model is None:
            print(f"{entry.net} waits for the runs of seeds {seed} of {spec.trained_as}")
            continue
        row = {**key, "seed": str(seed), **seed_cells(model, data, seconds)}
        order = [(net, recipe, data) for net, recipe, data, _ in ENTRIES]
        update_rows(path, [row], keys=["net", "recipe", "data", "seed"], order=order)
        if (entry.net, seed) == PLOTTED:
            shutil.copy(f"{folder}-{seed}/plots/confusion_matrix.png", out)
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


def score_packaged(args, path: Path) -> None:
    """Writes a row for each of the packaged weights that were trained by the wanted recipes."""
    order = list(dict.fromkeys((data, model) for data in DATASETS for model, *_ in ENTRIES))
    for dataset, model in order:
        card = load_card(model, dataset) if model in list_weights(dataset) else None
        if card and recipe_name(model, card["recipe"]) in args.recipes:
            row = packaged_row(card, load_published(dataset, args.data_dir))
            update_rows(path, [row], keys=["data", "net"], order=order)
            print(f"{model} on {dataset}: {float(row['accuracy']):.2%}", flush=True)


def packaged_row(card: dict, data) -> dict[str, str]:
    """Returns the row of packaged weights: shares, nats, and for the comparison numbers of images.

    The views are the images and their neighbors shifted by a pixel. The temperature is the card's.
    """
    import mnist_keras as mk

    name, temperature = card["name"], card["temperature"]
    model = mk.create_model(name, weights=data.name)
    scores, views = mk.evaluate(model, data.test), mk.evaluate(model, data.test, shift=1)
    low, high = scores.accuracy_ci95
    row = {"net": name, "data": data.name, "recipe": recipe_name(name, card["recipe"])}
    row |= {"seed": str(card["seed"]), "accuracy": f"{scores.accuracy:.4f}"}
    row |= {"ci95_low": f"{low:.4f}", "ci95_high": f"{high:.4f}"}
    row["errors_in_first_half"], row["errors_in_second_half"] = errors_by_half(scores)
    row["accuracy_of_views"] = f"{views.accuracy:.4f}"
    row |= dict.fromkeys(("only_this_right", "only_lenet5_right", "mcnemar_p_value"), "")
    if data.name == "mnist" and name != REFERENCE:
        reference = mk.evaluate(mk.create_model(REFERENCE, weights=data.name), data.test)
        found = mk.compare(scores.labels, scores.predictions, reference.predictions)
        row["only_this_right"] = str(found.only_a_correct)
        row["only_lenet5_right"] = str(found.only_b_correct)
        row["mcnemar_p_value"] = f"{found.p_value:.2g}"
    row |= {**score_cells(scores), "temperature": f"{temperature:.3f}" if temperature else ""}
    row |= dict.fromkeys((f"{score}_at_temperature" for score in SCORES), "")
    if temperature:
        scaled = mk.apply_temperature(scores.probabilities, temperature)
        row |= score_cells(mk.evaluate_predictions(scores.labels, scaled), "_at_temperature")
    return row


if __name__ == "__main__":
    run_command(main)
