"""Measures packaged models on changed test images: attacked, shifted, rotated, corrupted.

    python benchmarks/robustness.py --data-dir DIR                  # results/robustness.csv, minutes on two cores
    python benchmarks/robustness.py --data-dir DIR --models lenet5  # its rows alone

`evaluate_robustness` says what the changes are. It takes 1,000 of MNIST's 10,000 test images, evenly spaced, so an
accuracy has a 95% interval of at most 3.1 points to either side; all models see the same images. Nothing is trained.
The picture and the table of docs/results/robustness.md are made from the file.
"""

import argparse
from pathlib import Path

import pandas as pd
from command import run_command

from mnist_keras._files import replace_file

MODELS = ("softmax_regression", "mlp_128", "lenet5", "cnn_fast", "cnn_tiny", "cnn_accurate")
ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
PAGE = ROOT / "docs" / "results" / "robustness.md"
BEGIN, END = "<!-- robustness.csv: begin -->", "<!-- robustness.csv: end -->"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("--data-dir", type=Path, required=True, help="directory with mnist/")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=MODELS, metavar="MODEL")
    parser.add_argument("--out", type=Path, default=RESULTS, help="directory of the results")
    args = parser.parse_args()

    from mnist_keras import evaluate_robustness, load_data, load_model

    test = load_data("mnist", data_dir=args.data_dir).test
    path = args.out / "robustness.csv"
    rows = read_rows(path) if path.exists() else pd.DataFrame()
    for name in args.models:
        result = evaluate_robustness(load_model(name), test)
        print(f"{name}\n{result.report()}", flush=True)
        measured = pd.DataFrame(result.rows).assign(model=name, num_images=result.num_images)
        others = rows[rows["model"] != name] if len(rows) else rows
        rows = pd.concat([others, measured]).sort_values("model", key=_order, kind="stable")
        with replace_file(path) as temporary:
            columns = ["model", "change", "strength", "accuracy", "num_images"]
            rows.to_csv(temporary, columns=columns, index=False, float_format="%.4f")
    if args.out == RESULTS:
        rows = read_rows(path)
        draw(rows, PAGE.with_suffix(".png"))
        PAGE.write_text(remake(PAGE.read_text(encoding="utf-8"), rows), encoding="utf-8")


def read_rows(path: Path) -> pd.DataFrame:
    """Returns the rows of the file; strengths are text."""
    return pd.read_csv(path, dtype={"strength": str}, keep_default_na=False)


def draw(rows: pd.DataFrame, path: Path) -> None:
    """Writes the picture of all models."""
    from mnist_keras import Robustness, plot_robustness

    results = {}
    for name, own in rows.groupby("model", sort=False):
        records = own[["change", "strength", "accuracy"]].to_dict("records")
        for record in records:
            if record["change"] not in ("none", "mnist_c"):
                record["strength"] = float(record["strength"])
        results[name] = Robustness("mnist", int(own["num_images"].iloc[0]), records)
    plot_robustness(results).figure.savefig(path)


def remake(page: str, rows: pd.DataFrame) -> str:
    """Returns the page with its table made anew."""
    table = rows.pivot_table("accuracy", ["change", "strength"], "model", sort=False)
    names = [name for name in MODELS if name in table]
    lines = [f"| change | strength | {' | '.join(f'`{name}`' for name in names)} |"]
    lines.append("|---|--:|" + "--:|" * len(names))
    for (change, strength), accuracies in table[names].iterrows():
        cells = " | ".join(f"{accuracy:.1%}" for accuracy in accuracies)
        lines.append(f"| {WORDS[change]} | {strength.replace('_', ' ')} | {cells} |")
    before, rest = page.split(BEGIN)
    after = rest.split(END)[1]
    return f"{before}{BEGIN}\n{chr(10).join(lines)}\n{END}{after}"


WORDS = {
    "none": "none",
    "fgsm": "FGSM",
    "pgd": "PGD",
    "shift": "shift, pixels",
    "rotation": "rotation, degrees",
    "mnist_c": "MNIST-C",
}


def _order(names: pd.Series) -> pd.Series:
    return names.map(MODELS.index)


if __name__ == "__main__":
    run_command(main)
