"""Tries settings of the process that might speed up training: allocators, threads, rounding.

    python benchmarks/settings.py --data-dir DIR    # two minutes; results/settings.csv

Allocators that are not installed are skipped (Debian: libtcmalloc-minimal4, libjemalloc2). Each setting has its own
processes, which take turns; `relative` is the median over the turns of a step's time relative to a plain process.
"""

import os
import time
from pathlib import Path

import pandas as pd
from command import Parser, first_images, load_to_time, run_command, update_class
from turns import OwnProcess, seconds_of

from mnist_keras._cpu import VARIABLE

LIBRARIES = Path("/usr/lib/x86_64-linux-gnu")
SETTINGS: dict[str, dict[str, str]] = {
    "plain": {},
    "tcmalloc": {"LD_PRELOAD": str(LIBRARIES / "libtcmalloc_minimal.so.4")},
    "jemalloc": {"LD_PRELOAD": str(LIBRARIES / "libjemalloc.so.2")},
    "one thread": {"TF_NUM_INTRAOP_THREADS": "1", "OMP_NUM_THREADS": "1"},
    "one thread between operations": {"TF_NUM_INTEROP_THREADS": "1"},
    "four threads": {"TF_NUM_INTRAOP_THREADS": "4"},
    "glibc keeps freed memory": {
        "MALLOC_TRIM_THRESHOLD_": "1000000000",
        "MALLOC_MMAP_THRESHOLD_": "1000000000",
    },
    "oneDNN rounds to bfloat16": {"TF_SET_ONEDNN_FPMATH_MODE": "BF16", VARIABLE: "1"},
}
MODELS = ("mlp_128", "cnn_fast")
TURNS, EPOCHS, IMAGES = 3, 4, 12_800


def main() -> None:
    args = Parser(__doc__, quick=True, stand_in=True).parse_args()
    data = first_images(load_to_time(args), IMAGES)
    before, times = dict(os.environ), []
    for turn in range(1 if args.quick else TURNS):
        for name, environment in SETTINGS.items():
            if not Path(environment.get("LD_PRELOAD", "/")).exists():
                continue
            os.environ.update(environment)  # before the process starts
            with OwnProcess("settings", data) as process:
                steps = process.call("time_steps")
            os.environ.clear()
            os.environ.update(before)
            times += [(name, turn, model, seconds) for model, seconds in steps.items()]
            print(name, {model: f"{1000 * x:.3f} ms" for model, x in steps.items()}, flush=True)
    table = pd.DataFrame(times, columns=["setting", "turn", "model", "seconds"])
    plain = table[table["setting"] == "plain"].set_index(["turn", "model"])["seconds"]
    keys = pd.MultiIndex.from_frame(table[["turn", "model"]])
    table["ratio"] = table["seconds"].to_numpy() / plain.loc[keys].to_numpy()
    groups = table.groupby(["setting", "model"], sort=False)
    rows = pd.DataFrame(
        {
            "step_ms": (1000 * groups["seconds"].median()).map("{:.3f}".format),
            "relative": groups["ratio"].median().map("{:.2f}".format),
        }
    ).reset_index()
    update_class(args.out / "settings.csv", rows)
    print(rows.to_string(index=False))


def time_steps(data) -> dict[str, float]:
    """Returns the median seconds of a training step of each model, in float32."""
    from ours import Ours

    found = {}
    for model in MODELS:
        ours = Ours(model, data.train, precision="float32")
        ours.epoch()
        time.sleep(0.2)
        epochs = sorted(seconds_of(ours.epoch) for _ in range(EPOCHS))
        found[model] = epochs[len(epochs) // 2] / ours.loop.source.steps_per_epoch
    return found


if __name__ == "__main__":
    run_command(main)
