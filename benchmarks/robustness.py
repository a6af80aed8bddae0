"""Measures packaged models on changed test images: attacked, shifted, rotated, corrupted.

    python benchmarks/robustness.py --data-dir DIR                  # results/robustness.csv, minutes on two cores
    python benchmarks/robustness.py --data-dir DIR --models lenet5  # only its rows

`evaluate_robustness` says what the changes are. It takes 1,000 of MNIST's 10,000 test images, evenly spaced, so an
accuracy has a 95% interval of at most 3.1 points to either side; all models see the same images. Nothing is trained.
The picture of docs/results/robustness.md is made from the file; `tables.py` makes the table.
"""

from pathlib import Path

from command import RESULTS, ROOT, Parser, load_published, read_rows, run_command, update_rows

MODELS = ("softmax_regression", "mlp_128", "lenet5", "cnn_fast", "cnn_tiny", "cnn_accurate")
KEYS = ["model", "change", "strength"]
PICTURE = ROOT / "docs" / "results" / "robustness.png"


def main() -> None:
    parser = Parser(__doc__)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=MODELS, metavar="MODEL")
    args = parser.parse_args()

    from mnist_keras import evaluate_robustness, load_model

    test = load_published("mnist", args.data_dir).test
    for name in args.models:
        result = evaluate_robustness(load_model(name), test)
        print(f"{name}\n{result.report()}", flush=True)
        rows = [
            {
                **{"model": name, "change": row["change"], "strength": str(row["strength"])},
                **{"accuracy": f"{row['accuracy']:.4f}", "num_images": str(result.num_images)},
            }
            for row in result.rows
        ]
        order = [(model,) for model in MODELS]
        update_rows(args.out / "robustness.csv", rows, keys=KEYS, order=order)
    draw(
        args.out / "robustness.csv", PICTURE if args.out == RESULTS else args.out / "robustness.png"
    )


def draw(rows: Path, path: Path) -> None:
    """Draws the accuracies of all models in a file."""
    from mnist_keras import Robustness, plot_robustness

    results = {}
    for name, own in read_rows(rows).astype({"accuracy": float}).groupby("model", sort=False):
        records = own[["change", "strength", "accuracy"]].to_dict("records")
        for record in records:
            if record["change"] not in ("none", "mnist_c"):
                record["strength"] = float(record["strength"])
        results[name] = Robustness("mnist", int(own["num_images"].iloc[0]), records)
    plot_robustness(results).figure.savefig(path)


if __name__ == "__main__":
    run_command(main)
