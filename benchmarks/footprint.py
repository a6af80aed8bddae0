"""Measures start-up time and peak memory, each in fresh processes.

    python benchmarks/footprint.py --data-dir DIR             # writes benchmarks/results/footprint.csv

Times are medians over fresh interpreters, less what the interpreter takes by itself for the import. Memory is the peak
resident set of `mnist-keras train mlp_128` less that of `import tensorflow`.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import tabular
from command import run_command
from tabular import write_rows

RESULTS = tabular.RESULTS / "footprint.csv"
REPEATS = 7


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", type=Path, required=True, help="directory with MNIST's files")
    data_dir = parser.parse_args().data_dir.resolve()
    interpreter = median_seconds("-c", "pass")
    with tempfile.TemporaryDirectory() as directory:
        train = ["-m", "mnist_keras", "train", "mlp_128", "--data", "mnist", "--quiet"]
        train += ["--data-dir", str(data_dir), "--run-dir", str(Path(directory) / "run")]
        tensorflow_peak = peak_megabytes("-c", "import tensorflow")
        train_peak = peak_megabytes(*train)
    import_seconds = median_seconds("-c", "import mnist_keras") - interpreter
    measured = {  # what -> value and limit
        "import_mnist_keras_seconds": (import_seconds, 0.1),
        "help_seconds": (median_seconds("-m", "mnist_keras", "--help"), 0.5),
        "import_tensorflow_peak_megabytes": (tensorflow_peak, ""),
        "train_mlp_128_extra_peak_megabytes": (train_peak - tensorflow_peak, 200),
    }
    rows = [
        {"what": what, "measured": f"{value:.3f}", "limit": limit}
        for what, (value, limit) in measured.items()
    ]
    write_rows(RESULTS, rows, columns=rows[0])
    print(RESULTS.read_text(encoding="utf-8"), end="")


def median_seconds(*arguments: str) -> float:
    seconds = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def peak_megabytes(*arguments: str) -> float:
    """Returns the peak resident set of a Python process, in 10**6 bytes."""
    quiet = os.open(os.devnull, os.O_WRONLY)
    actions = [(os.POSIX_SPAWN_DUP2, quiet, 1), (os.POSIX_SPAWN_DUP2, quiet, 2)]
    command = [sys.executable, *arguments]
    process = os.posix_spawn(sys.executable, command, os.environ, file_actions=actions)
    _, status, usage = os.wait4(process, 0)
    if status:
        raise RuntimeError(f"{command} failed with status {os.waitstatus_to_exitcode(status)}")
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, KiB on Linux
    return usage.ru_maxrss * unit / 1e6


if __name__ == "__main__":
    run_command(main)
