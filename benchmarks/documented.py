"""Trains every documented net by its recipe and writes what it reaches.

    python benchmarks/documented.py --data-dir DIR    # benchmarks/results/documented.csv, the README's table

Every seed is a run of its own under runs/documented, so an interrupted benchmark goes on where it stopped. The recipes
were chosen on training images held out; each run reads the test images once, with the weights of its last epoch.
`package_weights.py` puts a run's weights into the package.
"""

import argparse
import csv
import shutil
import statistics
from pathlib import Path

from report import with_block

from mnist_keras.evaluation import wilson_interval
from mnist_keras.registry import get_model_spec

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "documented.csv"
CONFUSION_MATRIX = RESULTS.with_name("confusion_matrix.png")  # of `lenet5`
README = ROOT / "README.md"
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
SEEDS = range(5)
NUM_TEST_IMAGES = 10_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", type=Path, required=True, help="directory with MNIST's files")
    parser.add_argument("--runs-dir", type=Path, default=ROOT / "runs" / "documented")
    args = parser.parse_args()

    from mnist_keras import load_data

    data = load_data("mnist", data_dir=args.data_dir)
    rows = []
    for name in NETS:
        runs = [train_seed(name, seed, data, args.runs_dir) for seed in SEEDS]
        rows.append(make_row(name, [run.metrics for run in runs]))
        write_rows(rows)
        print(f"{name}: {float(rows[-1]['mean']):.2%}", flush=True)
    shutil.copy(args.runs_dir / "lenet5-0" / "plots" / "confusion_matrix.png", CONFUSION_MATRIX)
    README.write_text(with_table(README.read_text(encoding="utf-8"), rows), encoding="utf-8")


def train_seed(name, seed, data, runs_dir):
    """Returns the finished run of a seed, training what is missing of it."""
    from mnist_keras import train

    return train(name, data, seed=seed, run_dir=runs_dir / f"{name}-{seed}", resume=True, verbose=0)


def make_row(name: str, metrics: list[dict]) -> dict[str, str]:
    """Returns a net's row of documented.csv; accuracies are shares of the test images."""
    spec = get_model_spec(name)
    accuracies = [run["accuracy"] for run in metrics]
    mean = statistics.mean(accuracies)
    low, high = wilson_interval(round(mean * NUM_TEST_IMAGES), NUM_TEST_IMAGES)
    return {
        "net": name,
        "parameters": str(spec.num_parameters),
        **{f"seed_{seed}": f"{x:.4f}" for seed, x in zip(SEEDS, accuracies, strict=True)},
        "mean": f"{mean:.5f}",
        "deviation": f"{statistics.stdev(accuracies):.5f}",
        "ci95_low": f"{low:.4f}",
        "ci95_high": f"{high:.4f}",
        "train_accuracy": f"{statistics.mean(run['train_accuracy'] for run in metrics):.4f}",
        "seconds": f"{statistics.median(run['train_seconds'] for run in metrics):.1f}",
        "claim": "" if spec.claimed_accuracy is None else f"{spec.claimed_accuracy:.4f}",
    }


def write_rows(rows: list[dict[str, str]]) -> None:
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    with RESULTS.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def read_rows() -> list[dict[str, str]]:
    with RESULTS.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def with_table(readme: str, rows: list[dict[str, str]]) -> str:
    """Returns the README with the table between its two markers made from the rows."""
    return with_block(readme, RESULTS.name, make_table(rows))


def make_table(rows: list[dict[str, str]]) -> str:
    """Returns the rows as a Markdown table."""
    lines = [
        "| net | layers | parameters | test accuracy, % | 95 % interval | training images, % | seconds | claim, % |",
        "|---|---|--:|--:|--:|--:|--:|--:|",
    ]
    for row in rows:
        claim = f"{100 * float(row['claim']):.2f}" if row["claim"] else ""
        lines.append(
            f"| `{row['net']}` | {get_model_spec(row['net']).description} | {int(row['parameters']):,} "
            f"| {100 * float(row['mean']):.2f} ± {100 * float(row['deviation']):.2f} "
            f"| {100 * float(row['ci95_low']):.2f} to {100 * float(row['ci95_high']):.2f} "
            f"| {100 * float(row['train_accuracy']):.2f} | {float(row['seconds']):.0f} | {claim} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
