"""How well models read digits in fonts that no model was trained on (results/fonts.csv lists them).

    python benchmarks/held_out_fonts.py --data-dir DIR            # results/held_out_fonts.csv
    python benchmarks/held_out_fonts.py --data-dir DIR --quick    # few images; runs/held_out_fonts

Each digit is from a random font: either as printed ("clean"), or degraded as by a photo or a small scan.
"""

import sys

import numpy as np
import pandas as pd
from command import ROOT, Parser, run_command, write_rows

sys.path.insert(0, str(ROOT / "tools"))

MODELS = ("mlp_128", "lenet5", "cnn_tiny", "cnn_accurate", "cnn_real_world")
COUNT, QUICK_COUNT = 5000, 100
SEED = 21  # another than those of training


def main() -> None:
    args = Parser(__doc__, quick=True).parse_args()

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
            rows.append((look, name, count, np.mean(answers == digits)))
    table = pd.DataFrame(rows, columns=["look", "model", "images", "accuracy"]).round(4)
    write_rows(args.out / "held_out_fonts.csv", table)
    print(table.pivot_table(index="model", columns="look", values="accuracy").to_string())


if __name__ == "__main__":
    run_command(main)
