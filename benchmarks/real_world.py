"""Counts the errors of `cnn_real_world` and `cnn_accurate` on each digit of MNIST's test images, by seed.

    python benchmarks/real_world.py RUN... --without-strokes RUN... --data-dir DIR   # results/real_world.csv

The packaged weights are seed 0 of `cnn_real_world`; each RUN is another seed, made by tools/train_real_world.py with or
without digits drawn by strokes. The five seeds of `cnn_accurate` are the members of `cnn_accurate_ensemble`; they were
trained on MNIST alone.
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd
from command import Parser, load_published, run_command, write_rows

from mnist_keras.cli.terminal import typed_path


def main() -> None:
    parser = Parser(__doc__)
    parser.add_argument("runs", nargs="*", type=typed_path, metavar="RUN", help="run directories")
    parser.add_argument(
        "--without-strokes",
        nargs="*",
        type=typed_path,
        default=[],
        metavar="RUN",
        help="run directories",
    )
    args = parser.parse_args()

    from mnist_keras import load_model, predict_probabilities
    from mnist_keras.models.ways import DIGITS

    test = load_published("mnist", args.data_dir).test
    members = load_model("cnn_accurate_ensemble").layers
    members = [layer for layer in members if layer.name.startswith("member_")]
    models = [("cnn_accurate", seed, member) for seed, member in enumerate(members)]
    models += [("cnn_real_world", 0, load_model("cnn_real_world"))]
    kinds = {"cnn_real_world": args.runs, "without strokes": args.without_strokes}
    for kind, runs in kinds.items():
        for run in runs:
            seed = json.loads((run / "config.json").read_text("utf-8"))["seed"]
            models.append((kind, seed, load_model(run)))
    rows = []
    for name, seed, model in models:
        probabilities = predict_probabilities(model, test.images)
        # A run's model has ways of writing as hidden classes.
        if model.output_shape[-1] > test.num_classes:
            ways = np.array(DIGITS)
            digits = [probabilities[:, ways == digit].sum(axis=1) for digit in range(10)]
            probabilities = np.stack(digits, axis=1)
        wrong = test.labels[probabilities.argmax(axis=1) != test.labels]
        errors = np.bincount(wrong, minlength=10)
        accuracy = 1 - len(wrong) / len(test)
        of_digits = {f"errors_of_{digit}": count for digit, count in enumerate(errors)}
        rows.append({"model": name, "seed": seed, "accuracy": f"{accuracy:.4f}", **of_digits})
    write_rows(args.out / "real_world.csv", rows)
    print(pd.DataFrame(rows).to_string(index=False))


def errors_by_digit(results: Path) -> pd.DataFrame:
    """Returns the seeds' mean errors on each digit of MNIST's test images."""
    means = pd.read_csv(results / "real_world.csv").groupby("model").mean()
    means = means.filter(like="errors_of_").T
    means.loc["errors_of_all"] = means.sum()
    return means.rename(lambda name: name.removeprefix("errors_of_")).reset_index(names="digit")


if __name__ == "__main__":
    run_command(main)
