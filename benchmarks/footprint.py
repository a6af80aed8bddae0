"""Measures start-up time and peak memory, each in fresh processes.

    python benchmarks/footprint.py --data-dir DIR    # a minute; results/footprint.csv

Times are medians over fresh interpreters; that of the import leaves out the interpreter's own start. Memory is the peak
resident set of `mnist-keras train mlp_128` above that of `import tensorflow`.
"""

import resource
import statistics
import subprocess
import sys
import tempfile

import pandas as pd
from command import Parser, run_command, write_rows
from machine import peak_megabytes
from turns import seconds_of

REPEATS = 7


def main() -> None:
    args = Parser(__doc__).parse_args()
    start, imported = median_seconds("-c", "pass"), median_seconds("-c", "import mnist_keras")
    help_seconds = median_seconds("-m", "mnist_keras", "--help")
    run("-c", "import tensorflow")
    tensorflow = peak_megabytes(resource.RUSAGE_CHILDREN)
    with tempfile.TemporaryDirectory() as directory:
        train = ["-m", "mnist_keras", "train", "mlp_128", "--data", "mnist", "--quiet"]
        run(*train, "--data-dir", str(args.data_dir), "--run-dir", f"{directory}/run")
    trained = peak_megabytes(resource.RUSAGE_CHILDREN)  # the largest child so far is this one
    measured = [
        ("import_mnist_keras_seconds", imported - start, "0.1"),
        ("help_seconds", help_seconds, "0.5"),
        ("import_tensorflow_peak_megabytes", tensorflow, ""),
        ("train_mlp_128_extra_peak_megabytes", trained - tensorflow, "200"),
    ]
    rows = pd.DataFrame(measured, columns=["what", "measured", "limit"]).round(3)
    write_rows(args.out / "footprint.csv", rows)
    print(rows.to_string(index=False))


def run(*arguments: str) -> None:
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)


def median_seconds(*arguments: str) -> float:
    return statistics.median(seconds_of(lambda: run(*arguments)) for _ in range(REPEATS))


if __name__ == "__main__":
    run_command(main)
