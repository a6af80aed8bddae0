"""Trains every registered net by its recipe, some seeds of it, and writes what each seed reaches.

    python benchmarks/accuracy.py --data-dir DIR                     # what is missing of results/accuracy.csv
    python benchmarks/accuracy.py --data-dir DIR --recipes lenet5    # of some recipes alone
    python benchmarks/accuracy.py --data-dir DIR --again             # all of it anew, for instance on another machine

A seed whose row is there is not trained again unless its recipe has changed; one that was interrupted goes on in its
run directory under runs/accuracy. The recipes were chosen on training images held out; each run reads the test images
once, with the weights of its last step. The means are printed as a table.
"""

import argparse
import csv
import dataclasses
import hashlib
import json
import shutil
import statistics
from pathlib import Path

from documented import CONFUSION_MATRIX, NETS, NUM_TEST_IMAGES
from report import read_rows

from mnist_keras.evaluation import wilson_interval
from mnist_keras.recipes import Recipe, get_recipe
from mnist_keras.registry import get_model_spec

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "accuracy.csv"
SCORES = (  # of metrics.json
    "negative_log_likelihood",
    "brier_score",
    "expected_calibration_error",
    "train_accuracy",
)


@dataclasses.dataclass(frozen=True)
class Entry:
    """A net, how it is trained, and on what.

    Attributes:
        net: Name in the registry.
        recipe_name: Name of a recipe; the net's own has its name.
        seeds: How many seeds are trained by default.
    """

    net: str
    recipe_name: str
    seeds: int = 5

    @property
    def recipe(self) -> Recipe:
        return get_recipe(self.recipe_name)

    @property
    def key(self) -> dict[str, str]:
        """What tells the rows of this entry, as it is now, from others."""
        fields = json.dumps(self.recipe.to_dict(), sort_keys=True)
        return {
            "net": self.net,
            "recipe": self.recipe_name,
            "recipe_digest": hashlib.sha256(fields.encode()).hexdigest()[:8],
            "parameters": str(get_model_spec(self.net).num_parameters),
        }

    @property
    def title(self) -> str:
        own = self.net == self.recipe_name
        return f"`{self.net}`" if own else f"`{self.net}` by `{self.recipe_name}`"


ENTRIES = tuple(Entry(name, name) for name in NETS)


def main() -> None:
    names = [entry.recipe_name for entry in ENTRIES]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", type=Path, required=True, help="directory with MNIST's files")
    parser.add_argument("--recipes", nargs="+", choices=names, default=names, metavar="NAME")
    parser.add_argument("--seeds", type=int, metavar="N", help="of each; default: 5")
    parser.add_argument("--again", action="store_true", help="train the seeds that are there, too")
    parser.add_argument("--runs-dir", type=Path, default=ROOT / "runs" / "accuracy")
    args = parser.parse_args()

    from mnist_keras import load_data

    data = load_data("mnist", data_dir=args.data_dir)
    for entry in ENTRIES:
        if entry.recipe_name not in args.recipes:
            continue
        for seed in range(args.seeds or entry.seeds):
            if args.again or find_row(read_rows(RESULTS), entry, seed) is None:
                run = train_seed(entry, seed, data, args.runs_dir, overwrite=args.again)
                write_rows(with_row(read_rows(RESULTS), make_row(entry, seed, run)))
                print(
                    f"{entry.recipe_name}, seed {seed}: {run.metrics['accuracy']:.2%}", flush=True
                )
                if (entry.net, seed) == ("lenet5", 0):
                    shutil.copy(run.run_dir / "plots" / "confusion_matrix.png", CONFUSION_MATRIX)
    print(make_table(read_rows(RESULTS)))


def train_seed(entry: Entry, seed: int, data, runs_dir: Path, *, overwrite: bool):
    """Returns the run of a seed, trained to its end."""
    from mnist_keras import train

    name = f"{entry.recipe_name}-{entry.key['recipe_digest']}-{seed}"
    return train(
        entry.net,
        data,
        recipe=entry.recipe,
        seed=seed,
        run_dir=runs_dir / name,
        resume=not overwrite,
        overwrite=overwrite,
        verbose=0,
    )


def make_row(entry: Entry, seed: int, run) -> dict[str, str]:
    """Returns a seed's row: accuracies are shares, the likelihood is in nats."""
    wrong = run.evaluation.predictions != run.evaluation.labels
    half = len(wrong) // 2  # of MNIST: students wrote the first one, census staff the second one
    return {
        **entry.key,
        "seed": str(seed),
        "accuracy": f"{run.metrics['accuracy']:.4f}",
        "errors": str(wrong.sum()),
        "errors_in_first_half": str(wrong[:half].sum()),
        **{name: f"{run.metrics[name]:.5f}" for name in SCORES},
        "train_seconds": f"{run.metrics['train_seconds']:.1f}",
    }


def find_row(rows: list[dict[str, str]], entry: Entry, seed: int) -> dict[str, str] | None:
    """Returns the row of a seed, if it was trained by the recipe as it is now."""
    key = {**entry.key, "seed": str(seed)}
    return next((row for row in rows if key.items() <= row.items()), None)


def with_row(rows: list[dict[str, str]], new: dict[str, str]) -> list[dict[str, str]]:
    """Returns the rows with a new one, in the entries' order; that of the same recipe and seed goes."""
    order = [entry.recipe_name for entry in ENTRIES]
    same = new["recipe"], new["seed"]
    rows = [x for x in rows if x["recipe"] in order and (x["recipe"], x["seed"]) != same] + [new]
    return sorted(rows, key=lambda row: (order.index(row["recipe"]), int(row["seed"])))


def write_rows(rows: list[dict[str, str]]) -> None:
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    with RESULTS.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def make_table(rows: list[dict[str, str]]) -> str:
    """Returns a Markdown table with a line for each entry that has rows."""
    lines = [
        "| net | layers | parameters | seeds | test accuracy, % | 95 % interval | training images, % | seconds "
        "| claim, % |",
        "|---|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for entry in ENTRIES:
        own = [row for row in rows if entry.key.items() <= row.items()]
        if not own:
            continue
        spec = get_model_spec(entry.net)
        accuracies = [float(row["accuracy"]) for row in own]
        mean = statistics.mean(accuracies)
        spread = f" ± {100 * statistics.stdev(accuracies):.2f}" if len(own) > 1 else ""
        low, high = wilson_interval(round(mean * NUM_TEST_IMAGES), NUM_TEST_IMAGES)
        trained = statistics.mean(float(row["train_accuracy"]) for row in own)
        seconds = statistics.median(float(row["train_seconds"]) for row in own)
        claim = "" if spec.claimed_accuracy is None else f"{100 * spec.claimed_accuracy:.2f}"
        lines.append(
            f"| {entry.title} | {spec.description} | {spec.num_parameters:,} | {len(own)} "
            f"| {100 * mean:.2f}{spread} | {100 * low:.2f} to {100 * high:.2f} "
            f"| {100 * trained:.2f} | {seconds:.0f} | {claim} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
