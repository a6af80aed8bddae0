"""Trains every registered model by its recipe, several seeds each, and writes what each seed reaches.

    python benchmarks/accuracy.py --data-dir DIR                     # what is missing in results/accuracy.csv
    python benchmarks/accuracy.py --data-dir DIR --recipes lenet5    # only some recipes
    python benchmarks/accuracy.py --data-dir DIR --out runs/here     # everything on your machine
    python benchmarks/accuracy.py --data-dir DIR --packaged          # scores the packaged weights: results/packaged.csv

A seed that has a row is trained again only if its model or recipe has changed; one that was interrupted continues in
its run directory. Sums have another order on another number of cores, so the last bits depend on it: the committed rows
are from one core, `taskset -c 0 python benchmarks/accuracy.py ...` on Linux.
"""

import dataclasses
import shutil
from pathlib import Path

import tables
from command import load_published, make_parser, results_directory, run_command
from entries import ENTRIES, Entry, recipe_name
from tabular import ROOT, matching, read_rows, update_rows

from mnist_keras._validation import check_integer
from mnist_keras.cli.doctor import examine
from mnist_keras.models.pretrained import DATASETS, list_weights, load_card
from mnist_keras.training.run_directory import RunDirectory

PLOTTED = ("lenet5", 0)  # model and seed whose confusion matrix is kept beside the rows
REFERENCE = "lenet5"  # which the packaged weights for MNIST are compared with
SCORES = ("negative_log_likelihood", "brier_score", "expected_calibration_error")


def main() -> None:
    names = dict.fromkeys(entry.recipe_name for entry in ENTRIES)
    parser = make_parser(__doc__)
    parser.add_argument("--recipes", nargs="+", choices=names, default=names, metavar="NAME")
    parser.add_argument("--seeds", type=int, metavar="N", help="of each recipe")
    parser.add_argument("--packaged", action="store_true", help="score the packaged weights")
    args = parser.parse_args()
    if args.seeds is not None:
        check_integer("--seeds", args.seeds, minimum=1)
    out = results_directory(args, "accuracy")
    if args.packaged:
        for dataset in DATASETS:
            score_packaged(dataset, args, out / "packaged.csv")
        return
    ledger = Ledger(out, args.out / "runs" if args.out else ROOT / "runs" / "accuracy")
    for entry in ENTRIES:
        if entry.recipe_name in args.recipes:
            data = load_published(entry.data, args.data_dir)
            if entry.votes:
                ledger.add_vote(entry, data)
            else:
                ledger.train_seeds(entry, args.seeds or entry.seeds, data)
    print(tables.fill("accuracy.csv", tables.entries(out)))


@dataclasses.dataclass(frozen=True)
class Ledger:
    """What was trained: the directory of accuracy.csv, and that of the run directories."""

    out: Path
    runs: Path

    def run_directory(self, entry: Entry, seed: int) -> Path:
        return self.runs / f"{entry.recipe_name}-{entry.key['digest']}-{seed}"

    def find_row(self, entry: Entry, seed: object) -> dict[str, str] | None:
        """Returns the row of a seed, if model and recipe are what they were."""
        rows = matching(read_rows(self.out / "accuracy.csv"), {**entry.key, "seed": str(seed)})
        return next(iter(rows.to_dict("records")), None)

    def train_seeds(self, entry: Entry, seeds: int, data) -> None:
        """Trains the seeds that have no row."""
        from mnist_keras import load_model, train

        for seed in range(seeds):
            if self.find_row(entry, seed):
                continue
            run_dir = self.run_directory(entry, seed)
            options = {"recipe": entry.recipe, "seed": seed, "run_dir": run_dir, "resume": True}
            run = train(entry.model, data, verbose=0, **options)
            self.add_row(entry, seed, load_model(run_dir), data, run.metrics["train_seconds"])
            if (entry.model, seed) == PLOTTED:
                shutil.copy(run_dir / "plots" / "confusion_matrix.png", self.out)

    def add_vote(self, entry: Entry, data) -> None:
        """Adds the row of an ensemble, if it is missing and every member has its row and its run."""
        from mnist_keras import build_ensemble, load_model

        member = dataclasses.replace(entry, model=entry.spec.trained_as)
        seeds = range(entry.spec.num_members)
        name = f"0 to {seeds[-1]}"
        if self.find_row(entry, name):
            return
        rows = [self.find_row(member, seed) for seed in seeds]
        runs = [self.run_directory(member, seed) for seed in seeds]
        if not all(rows) or not all(RunDirectory(run).is_finished for run in runs):
            print(f"{entry.model} waits for the runs of seeds {name} of {member.model}")
            return
        model = build_ensemble([load_model(run) for run in runs], name=entry.model)
        self.add_row(entry, name, model, data, sum(float(row["train_seconds"]) for row in rows))

    def add_row(self, entry: Entry, seed: object, model, data, seconds: float) -> None:
        """Writes a seed's row among the others: accuracies are shares, the likelihood is in nats."""
        from mnist_keras import evaluate
        from mnist_keras.evaluation.evaluate import measure_accuracy

        scores = evaluate(model, data.test)
        row = {**entry.key, "seed": str(seed), "accuracy": f"{scores.accuracy:.4f}"}
        row |= {"errors": str(scores.num_errors), "errors_in_first_half": by_half(scores)[0]}
        row |= score_cells(scores)
        row["train_accuracy"] = f"{measure_accuracy(model, data.train):.5f}"
        row |= {"train_seconds": f"{seconds:.1f}", "cores": str(examine()["cpu"]["cores"])}
        order = [(entry.model, entry.recipe_name, entry.data) for entry in ENTRIES]
        keys = ["net", "recipe", "data", "seed"]
        update_rows(self.out / "accuracy.csv", [row], keys=keys, order=order)
        print(f"{entry.title}, seed {seed}: {scores.accuracy:.2%}", flush=True)


def by_half(scores) -> tuple[str, str]:
    """Returns the errors in each half of the images: of MNIST's, students wrote the first, census staff the second."""
    wrong = scores.predictions != scores.labels
    half = len(wrong) // 2
    return str(wrong[:half].sum()), str(wrong[half:].sum())


def score_cells(scores, suffix: str = "") -> dict[str, str]:
    return {f"{name}{suffix}": f"{getattr(scores, name):.5f}" for name in SCORES}


def score_packaged(dataset: str, args, path: Path) -> None:
    """Writes a row for each of a dataset's packaged weights that were trained by the wanted recipes."""
    from mnist_keras import create_model, evaluate

    models = list(dict.fromkeys(entry.model for entry in ENTRIES))
    cards = [load_card(model, dataset) for model in models if model in list_weights(dataset)]
    cards = [card for card in cards if recipe_name(card["name"], card["recipe"]) in args.recipes]
    data = load_published(dataset, args.data_dir) if cards else None
    reference = None
    if cards and dataset == "mnist":
        reference = evaluate(create_model(REFERENCE, weights=dataset), data.test).predictions
    order = [(dataset, model) for dataset in DATASETS for model in models]
    for card in cards:
        row = packaged_row(card, data, reference)
        update_rows(path, [row], keys=["data", "net"], order=order)
        print(f"{row['net']} on {dataset}: {float(row['accuracy']):.2%}", flush=True)


def packaged_row(card: dict, data, reference) -> dict[str, str]:
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
    row["errors_in_first_half"], row["errors_in_second_half"] = by_half(scores)
    row["accuracy_of_views"] = f"{views.accuracy:.4f}"
    row |= dict.fromkeys(("only_this_right", "only_lenet5_right", "mcnemar_p_value"), "")
    if reference is not None and name != REFERENCE:
        found = mk.compare(scores.labels, scores.predictions, reference)
        row["only_this_right"] = str(found.only_a_correct)
        row["only_lenet5_right"] = str(found.only_b_correct)
        row["mcnemar_p_value"] = f"{found.p_value:.2g}"
    row |= {**score_cells(scores), "temperature": f"{temperature:.3f}" if temperature else ""}
    if not temperature:
        return row | {f"{score}_at_temperature": "" for score in SCORES}
    scaled = mk.apply_temperature(scores.probabilities, temperature)
    return row | score_cells(mk.evaluate_predictions(scores.labels, scaled), "_at_temperature")


if __name__ == "__main__":
    run_command(main)
