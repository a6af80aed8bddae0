"""How well the digits of fonts are read whose packages no model was trained on (results/fonts.csv lists them).

    python benchmarks/held_out_fonts.py --data-dir DIR            # results/held_out_fonts.csv
    python benchmarks/held_out_fonts.py --data-dir DIR --quick    # few images; runs/held_out_fonts

Digits of a font drawn at random are framed as they are printed ("clean"), or worn as photos and small scans wear them.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from command import run_command
from tabular import RESULTS, ROOT

sys.path.insert(0, str(ROOT / "tools"))

MODELS = ("mlp_128", "lenet5", "cnn_tiny", "cnn_accurate", "cnn_real_world")
COUNT, QUICK_COUNT = 5000, 100
SEED = 21  # another than those of training


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", type=Path, required=True, help="directory of MNIST's files")
    parser.add_argument("--quick", action="store_true", help="with few images: a smoke test")
    parser.add_argument("--out", type=Path, help="directory of the results")
    args = parser.parse_args()
    out = args.out or (ROOT / "runs" / "held_out_fonts" if args.quick else RESULTS)

    from real_world_data import RealWorldData

    from mnist_keras import load_data, load_model, predict_probabilities

    mnist = load_data("mnist", data_dir=args.data_dir)
    source = RealWorldData(SEED, (mnist.test_images, mnist.test_labels), held_out=True)
    count, rows = QUICK_COUNT if args.quick else COUNT, []
    for look, worn in (("clean", 0.0), ("worn", 1.0)):
        images, marks = source.make("fonts", count, worn=worn)
        digits = -1 - marks
        for name in MODELS:
            answers = predict_probabilities(load_model(name), images).argmax(axis=1)
            accuracy = np.mean(answers == digits)
            rows.append(
                {"look": look, "model": name, "images": count, "accuracy": round(accuracy, 4)}
            )
    table = pd.DataFrame(rows)
    out.mkdir(parents=True, exist_ok=True)
    table.to_csv(out / "held_out_fonts.csv", index=False)
    print(table.pivot_table(index="model", columns="look", values="accuracy").to_string())


if __name__ == "__main__":
    run_command(main)
