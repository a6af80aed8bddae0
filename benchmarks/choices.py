"""Trains every documented model in both precisions, with XLA and oneDNN and without: is the fastest way chosen?

    python benchmarks/choices.py --data-dir DIR                    # ten minutes; results/choices.csv
    python benchmarks/choices.py --data-dir DIR --models mlp_128   # replaces only the rows of some models
    python benchmarks/choices.py --data-dir DIR --stand-in avx2    # as on a CPU of a slower class
    python benchmarks/choices.py --data-dir DIR --quick            # one model, a few steps; runs/choices

`seconds` run from the arrays in memory to the trained weights, including tracing and compiling. A training is cut off
at `CAP` seconds, and `step_ms` is added for each step that it left out. Rows of other classes of CPU stay.
"""

import itertools
import statistics
import time
from pathlib import Path

import machine
import pandas as pd
from accuracy import DOCUMENTED
from command import Parser, first_images, load_to_time, read_rows, run_command, update_rows
from turns import OwnProcess, seconds_of

from mnist_keras import _cpu
from mnist_keras.models.registry import get_model_spec

CAP, REPEATS = 2, 2  # seconds, trainings of each
PARTS = {False: 12_800, True: 3_200}  # images between two looks at the clock, by convolutions
KEYS = ["class", "net", "precision", "onednn", "xla"]
YES = {True: "yes", False: "no"}


def main() -> None:
    parser = Parser(__doc__, quick=True, stand_in=True)
    parser.add_argument("--models", nargs="+", choices=DOCUMENTED, default=sorted(DOCUMENTED))
    args = parser.parse_args()
    path, data = args.out / "choices.csv", load_to_time(args)
    trainings, models = [], ["mlp_128"] if args.quick else args.models
    for _, onednn in itertools.product(range(1 if args.quick else REPEATS), (True, False)):
        with OwnProcess("choices", data, {_cpu.VARIABLE: str(int(onednn))}) as process:
            process.call("train_once", variant=("mlp_128", "float32", False), onednn=onednn)
            for variant in variants(models, onednn):
                trainings.append(process.call("train_once", variant=variant, onednn=onednn))
                if onednn is not chooses_onednn(variant[0]):
                    trainings[-1]["chosen_by"] = ""
                print(f"oneDNN {onednn}, {variant}: {trainings[-1]['seconds']:.1f} s", flush=True)
        rows = make_rows(trainings)
        order = list(itertools.product(machine.CLASSES, sorted(DOCUMENTED)))
        update_rows(path, rows, keys=KEYS, order=order)
    print(rows.drop(columns="machine").to_string(index=False))


def chooses_onednn(model: str) -> bool:
    """Returns whether the command line trains a model through oneDNN on this class of CPU."""
    _cpu.forget_choice()
    environment = machine.environment("ours", convolutional=get_model_spec(model).convolutional)
    return environment.get(_cpu.VARIABLE) == "1" if environment else bool(_cpu.uses_onednn())


def variants(models: list[str], onednn: bool) -> list[tuple[str, str, bool]]:
    """Returns what is trained: bfloat16 with oneDNN alone, and XLA unless it is known to be slow."""
    found = [(model, "float32", False) for model in models]
    for model in models:
        spec = get_model_spec(model)
        slow = spec.arguments.get("dropout") or spec.recipe.augmentation
        if onednn is chooses_onednn(model) and not (spec.convolutional or slow):
            found.append((model, "float32", True))
        if onednn and _cpu.cpu_class() in _cpu.BFLOAT16_CLASSES:
            found.append((model, "mixed_bfloat16", False))
    return found


def train_once(data, *, variant: tuple[str, str, bool], onednn: bool) -> dict:
    """Trains a model in this process, by its recipe or until the cap; `variant` is its name, precision and XLA."""
    from ours import Ours

    model, precision, jit = variant
    spec = get_model_spec(model)
    steps = spec.recipe.epochs * (len(data.train) // spec.recipe.batch_size)
    data = first_images(data, PARTS[spec.convolutional])
    start = time.perf_counter()
    ours = Ours(model, data.train, precision=precision, jit=jit)
    ours.epoch()
    first, per_epoch = time.perf_counter() - start, ours.loop.source.steps_per_epoch
    epochs: list[float] = []  # after the first, into which compiling falls
    while (done := per_epoch * (1 + len(epochs))) < steps:
        if epochs and first + sum(epochs) + max(epochs) >= CAP:
            break
        epochs.append(seconds_of(ours.epoch))
    step = statistics.median(epochs or [first]) / per_epoch
    ways = {"auto": {"precision": "auto", "jit": "auto"}, "recipe": {}}
    chosen = {who: Ours(model, data.train, **changes) for who, changes in ways.items()}
    chosen_by = [who for who, way in chosen.items() if (way.precision, way.jit) == variant[1:]]
    cells = {"class": machine.cpu(), "net": model, "precision": precision}
    cells |= {"onednn": YES[onednn], "xla": YES[jit], "chosen_by": " ".join(chosen_by)}
    seconds = first + sum(epochs) + (steps - done) * step
    times = {"seconds": seconds, "first_seconds": first, "step_ms": 1000 * step}
    return {**cells, **times, "steps": steps, "steps_trained": min(done, steps)}


def make_rows(trainings: list[dict]) -> pd.DataFrame:
    """Returns a row for each way to train a model: medians, and how much slower it is than the fastest."""
    groups = pd.DataFrame(trainings).groupby([*KEYS, "chosen_by"], sort=False)
    table = groups.median().astype({"steps": int, "steps_trained": int})
    table = table.assign(repeats=groups.size()).reset_index()
    for column, keys in (("ratio_to_best", KEYS[:2]), ("ratio_to_best_of_precision", KEYS[:3])):
        table[column] = table["seconds"] / table.groupby(keys)["seconds"].transform("min")
    return table.round(3).assign(machine=machine.summary())


def chosen(results: Path) -> pd.DataFrame:
    """Returns what `train` chooses on each class of CPU, and the fastest choice that was measured."""
    rows, keys = read_rows(results / "choices.csv").astype({"seconds": float}), ["class", "net"]
    best = rows.loc[rows.groupby(keys)["seconds"].idxmin()]
    chosen = rows[rows["chosen_by"].str.contains("auto")]
    return chosen.merge(best, on=keys, suffixes=("", "_best"))


if __name__ == "__main__":
    run_command(main)
