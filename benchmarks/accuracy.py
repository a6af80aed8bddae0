"""Trains every registered net by its recipe, some seeds of it, and writes what each seed reaches.

    python benchmarks/accuracy.py --data-dir DIR                     # what is missing of results/accuracy.csv
    python benchmarks/accuracy.py --data-dir DIR --recipes lenet5    # of some recipes alone
    python benchmarks/accuracy.py --data-dir DIR --out runs/here     # all of it on your machine; runs/here/accuracy.csv

A seed whose row is there is not trained again unless its net or recipe has changed; one that was interrupted goes on in
its run directory, under runs/accuracy or DIR/runs of `--out`. The recipes were chosen on training images held out
(results/trials.csv); what is scored is the saved model, the weights of the last step. `cnn_accurate_ensemble` is the
vote of the seeds of `cnn_accurate`. Bits depend on the number of cores, by the order of sums: the committed rows are of
one, which on Linux `taskset -c 0 python benchmarks/accuracy.py ...` keeps to. `tables.py` makes README's table from the
rows, `package_weights.py` packages a run's weights.
"""

import argparse
import dataclasses
import hashlib
import json
import shutil
import statistics
from collections.abc import Mapping
from pathlib import Path

import tabular
from command import run_command
from tabular import ROOT, markdown_table, read_rows, write_rows

from mnist_keras._validation import InputError
from mnist_keras.cli.doctor import examine
from mnist_keras.data.catalog import DATASETS, altered
from mnist_keras.evaluation.metrics import Evaluation, wilson_interval
from mnist_keras.models.recipes import RECIPES, Recipe, get_recipe
from mnist_keras.models.registry import ModelSpec, get_model_spec
from mnist_keras.training.run_directory import RunDirectory

RESULTS = tabular.RESULTS / "accuracy.csv"
PLOTTED = ("lenet5", 0)  # net and seed whose confusion matrix is kept beside the rows
NUM_TEST_IMAGES = 10_000
SCORES = ("negative_log_likelihood", "brier_score", "expected_calibration_error")
NETS = (  # the documented nets, simplest first
    "softmax_regression",
    "mlp_128",
    "mlp_128_64_dropout",
    "mlp_1024_128",
    "mlp_deep",
    "cnn_2conv",
    "lenet5",
    "cnn_fast",
)


@dataclasses.dataclass(frozen=True)
class Entry:
    """A net, how it is trained, and on what.

    Attributes:
        net: Name in the registry.
        recipe_name: Name of a recipe; the net's own has its name.
        data: Name of the data set.
        seeds: How many seeds are trained by default; an ensemble votes with those of its members.
    """

    net: str
    recipe_name: str
    data: str = "mnist"
    seeds: int = 5

    @property
    def recipe(self) -> Recipe:
        return get_recipe(self.recipe_name)

    @property
    def spec(self) -> ModelSpec:
        return get_model_spec(self.net)

    @property
    def key(self) -> dict[str, str]:
        """What tells the rows of this entry, as it is now, from others."""
        return {
            "data": self.data,
            "net": self.net,
            "recipe": self.recipe_name,
            "digest": net_digest(self.spec.trained_as, self.recipe),
            "parameters": str(self.spec.num_parameters),
        }

    @property
    def title(self) -> str:
        own = self.recipe is self.spec.recipe
        title = f"`{self.net}`" if own else f"`{self.net}` by `{self.recipe_name}`"
        return title if self.data == "mnist" else f"{title} on `{self.data}`"

    def rows_in(self, rows: list[dict[str, str]]) -> list[dict[str, str]]:
        """Returns the rows of this entry as it is now, a row a seed."""
        return [row for row in rows if self.key.items() <= row.items()]


def digest(builder: str, arguments: Mapping, recipe: Recipe) -> str:
    """Returns a name for a net and its recipe that changes with either."""
    fields = json.dumps([builder, dict(arguments), recipe.to_dict()], sort_keys=True)
    return hashlib.sha256(fields.encode()).hexdigest()[:8]


def net_digest(net: str, recipe: Recipe) -> str:
    """Returns the digest of a registered net and a recipe."""
    spec = get_model_spec(net)
    return digest(spec.builder, spec.arguments, recipe)


def recipe_name(net: str, fields: Mapping) -> str:
    """Returns the name of the recipe with these fields by which a net was trained: its own, or another."""
    names = [name for name, recipe in RECIPES.items() if recipe.to_dict() == fields]
    if not names:
        raise InputError(f"The recipe of {net}'s run is not a registered one.")
    return net if net in names else names[0]


@dataclasses.dataclass(frozen=True)
class Ledger:
    """What was trained.

    Attributes:
        rows: The CSV file.
        runs: Directory of the run directories.
    """

    rows: Path = RESULTS
    runs: Path = ROOT / "runs" / "accuracy"

    def run_directory(self, entry: Entry, seed: int) -> Path:
        return self.runs / f"{entry.recipe_name}-{entry.key['digest']}-{seed}"

    def find_row(self, entry: Entry, seed: str) -> dict[str, str] | None:
        """Returns the row of a seed, if net and recipe are what they were."""
        rows = entry.rows_in(read_rows(self.rows))
        return next((row for row in rows if row["seed"] == seed), None)

    def add_row(self, new: dict[str, str]) -> None:
        """Writes a row beside the others, in the entries' order; that of the same net, recipe and seed goes."""
        order = [(entry.net, entry.recipe_name, entry.data) for entry in ENTRIES]

        def trained(row):
            return row["net"], row["recipe"], row["data"]

        def place(row):
            return order.index(trained(row)), int(row["seed"].split()[0])  # of a vote its first

        rows = [row for row in read_rows(self.rows) if trained(row) in order]
        rows = [row for row in rows if place(row) != place(new)] + [new]
        write_rows(self.rows, sorted(rows, key=place), columns=list(new))
        print(
            f"{new['net']} by {new['recipe']}, seed {new['seed']}: {float(new['accuracy']):.2%}",
            flush=True,
        )


ENTRIES = (
    *(Entry(name, name) for name in NETS),
    Entry("mlp_deep", "mlp_deep_elastic"),
    Entry("cnn_tiny", "cnn_tiny"),
    Entry("cnn_accurate", "cnn_accurate"),
    Entry("cnn_accurate_ensemble", "cnn_accurate"),
    Entry("cnn_accurate", "cnn_accurate_fashion", data="fashion_mnist", seeds=3),
)


def main() -> None:
    names = dict.fromkeys(entry.recipe_name for entry in ENTRIES)
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", type=Path, required=True, help="of the data sets' files")
    parser.add_argument("--recipes", nargs="+", choices=names, default=names, metavar="NAME")
    parser.add_argument("--seeds", type=int, metavar="N", help="of each; default: 5, of clothes 3")
    parser.add_argument("--out", type=Path, metavar="DIR", help="of the rows, and of the runs")
    args = parser.parse_args()
    if args.seeds is not None and args.seeds < 1:
        parser.error(f"--seeds must be at least 1, not {args.seeds}")
    ledger = Ledger(args.out / "accuracy.csv", args.out / "runs") if args.out else Ledger()

    from mnist_keras import load_model

    for entry in ENTRIES:
        if entry.recipe_name not in args.recipes:
            continue
        data = load_published(entry.data, args.data_dir)
        if entry.spec.trained_as != entry.net:
            add_vote(entry, data, ledger)
            continue
        for seed in range(args.seeds or entry.seeds):
            if ledger.find_row(entry, str(seed)) is None:
                run = train_seed(entry, seed, data, ledger)
                model, seconds = load_model(run.run_dir), run.metrics["train_seconds"]
                ledger.add_row(make_row(entry, str(seed), model, data, seconds))
                if (entry.net, seed) == PLOTTED:
                    shutil.copy(run.run_dir / "plots" / "confusion_matrix.png", ledger.rows.parent)
    print(make_table(read_rows(ledger.rows)))


def load_published(name: str, data_dir: Path):
    """Returns a data set as it was published: rows of other images must not bear its name."""
    from mnist_keras import load_data

    data = load_data(name, data_dir=data_dir)
    if name in DATASETS and altered(name, data.sha256):
        raise InputError(
            f"{data_dir} holds another {name} than the published one: the SHA-256 of its arrays differ. Expected the "
            "published files, so that the results are of them."
        )
    return data


def train_seed(entry: Entry, seed: int, data, ledger: Ledger):
    """Returns the run of a seed, trained to its end."""
    from mnist_keras import train

    run_dir = ledger.run_directory(entry, seed)
    return train(
        entry.net, data, recipe=entry.recipe, seed=seed, run_dir=run_dir, resume=True, verbose=0
    )


def add_vote(entry: Entry, data, ledger: Ledger) -> None:
    """Writes the row of an ensemble, if it is missing and every member has its row and its run."""
    from mnist_keras import build_ensemble, load_model

    member = dataclasses.replace(entry, net=entry.spec.trained_as)
    seeds = range(entry.spec.num_members)
    name = f"0 to {seeds[-1]}"
    if ledger.find_row(entry, name):
        return
    rows = [ledger.find_row(member, str(seed)) for seed in seeds]
    runs = [ledger.run_directory(member, seed) for seed in seeds]
    if not all(rows) or not all(RunDirectory(run).is_finished for run in runs):
        print(f"{entry.net} waits for the runs of seeds {name} of {member.net}")
        return
    model = build_ensemble([load_model(run) for run in runs], name=entry.net)
    seconds = sum(float(row["train_seconds"]) for row in rows)
    ledger.add_row(make_row(entry, name, model, data, seconds))


def make_row(entry: Entry, seed: str, model, data, seconds: float) -> dict[str, str]:
    """Returns a seed's row: accuracies are shares, the likelihood is in nats."""
    from mnist_keras import evaluate
    from mnist_keras.evaluation.evaluate import measure_accuracy

    evaluation = evaluate(model, data.test_images, data.test_labels)
    halves = errors_by_half(evaluation)
    trained = measure_accuracy(model, data.train)
    return {
        **entry.key,
        "seed": seed,
        "accuracy": f"{evaluation.accuracy:.4f}",
        "errors": str(sum(halves)),
        "errors_in_first_half": str(halves[0]),
        **score_cells(evaluation),
        "train_accuracy": f"{trained:.5f}",
        "train_seconds": f"{seconds:.1f}",
        "cores": str(examine()["cpu"]["cores"]),
    }


def errors_by_half(evaluation: Evaluation) -> tuple[int, int]:
    """Returns the errors in each half of the images; of MNIST's, students wrote the first, census staff the second."""
    wrong = evaluation.predictions != evaluation.labels
    half = len(wrong) // 2
    return int(wrong[:half].sum()), int(wrong[half:].sum())


def score_cells(evaluation: Evaluation) -> dict[str, str]:
    """Returns the scores of the probabilities as cells of a CSV file."""
    return {name: f"{getattr(evaluation, name):.5f}" for name in SCORES}


def make_table(rows: list[dict[str, str]]) -> str:
    """Returns a Markdown table with a line for each entry that has rows."""
    columns = {
        **dict.fromkeys(("net", "layers"), "left"),
        **dict.fromkeys(("parameters", "seeds", "test accuracy, %", "95% interval"), "right"),
        **dict.fromkeys(("training images, %", "seconds (cores)", "claim, %"), "right"),
    }
    found = {entry: entry.rows_in(rows) for entry in ENTRIES}
    return markdown_table(columns, [_cells(entry, own) for entry, own in found.items() if own])


def _cells(entry, own):
    spec = entry.spec
    accuracies = [float(row["accuracy"]) for row in own]
    mean = statistics.mean(accuracies)
    spread = f" ± {100 * statistics.stdev(accuracies):.2f}" if len(own) > 1 else ""
    low, high = wilson_interval(round(mean * NUM_TEST_IMAGES), NUM_TEST_IMAGES)
    trained = statistics.mean(float(row["train_accuracy"]) for row in own)
    seconds = statistics.median(float(row["train_seconds"]) for row in own)
    return (
        entry.title,
        spec.description,
        f"{spec.num_parameters:,}",
        "one vote" if spec.trained_as != spec.name else len(own),
        f"{100 * mean:.2f}{spread}",
        f"{100 * low:.2f} to {100 * high:.2f}",
        f"{100 * trained:.2f}",
        f"{seconds:.0f} ({', '.join(sorted({row['cores'] for row in own}))})",
        "" if spec.claimed_accuracy is None else f"{100 * spec.claimed_accuracy:.2f}",
    )


if __name__ == "__main__":
    run_command(main)
