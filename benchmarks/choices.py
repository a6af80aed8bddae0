"""Trains every documented model in both precisions, with XLA and oneDNN and without: is the fastest way chosen?

    python benchmarks/choices.py --data-dir DIR                    # ten minutes; results/choices.csv
    python benchmarks/choices.py --data-dir DIR --models mlp_128   # replaces only the rows of some models
    python benchmarks/choices.py --data-dir DIR --stand-in avx2    # as on a CPU of a slower class
    python benchmarks/choices.py --data-dir DIR --quick            # one model, a few steps; runs/choices

`seconds` run from the arrays in memory to the trained weights, tracing and compiling included. A training ends before
it takes longer than `CAP`; steps that were not trained count as `step_ms`. Rows of other classes of CPU stay.
"""

import itertools
import statistics
import time

import machine
import pandas as pd
from command import Parser, first_images, load_to_time, run_command, update_rows
from entries import DOCUMENTED
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
    """Returns what is trained: XLA once and where it is not known to be slow, bfloat16 where oneDNN has it."""
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
    """Trains a model, in a precision and with XLA or not, in this process: by its recipe or until the cap."""
    from ours import Ours

    model, precision, jit = variant
    spec = get_model_spec(model)
    steps = spec.recipe.epochs * (len(data.train) // spec.recipe.batch_size)
    data = first_images(data, PARTS[spec.convolutional])
    start = time.perf_counter()
    ours = Ours(model, data.train, precision=precision, jit=jit)
    ours.epoch()
    first = time.perf_counter() - start
    done = steps_per_epoch = ours.loop.source.steps_per_epoch
    epochs: list[float] = []
    # At least one epoch after the first, into which compiling falls.
    while done < steps and (not epochs or first + sum(epochs) + max(epochs) < CAP):
        epochs.append(seconds_of(ours.epoch))
        done += steps_per_epoch
    step_seconds = (statistics.median(epochs) if epochs else first) / steps_per_epoch
    chosen_by = []
    for who, changes in {"auto": {"precision": "auto", "jit": "auto"}, "recipe": {}}.items():
        chosen = Ours(model, data.train, **changes)
        if (chosen.precision, chosen.jit) == variant[1:]:
            chosen_by.append(who)
    return {
        **{"class": machine.cpu(), "net": model, "precision": precision},
        **{"onednn": YES[onednn], "xla": YES[jit], "chosen_by": " ".join(chosen_by)},
        "seconds": first + sum(epochs) + (steps - done) * step_seconds,
        "first_seconds": first,
        "step_ms": 1000 * step_seconds,
        "steps": steps,
        "steps_trained": min(done, steps),
    }


def make_rows(trainings: list[dict]) -> pd.DataFrame:
    """Returns a row for each way to train a model: medians, and how much slower it is than the fastest."""
    groups = pd.DataFrame(trainings).groupby([*KEYS, "chosen_by"], sort=False)
    table = groups.median().astype({"steps": int, "steps_trained": int})
    table = table.assign(repeats=groups.size()).reset_index()
    for column, keys in (("ratio_to_best", KEYS[:2]), ("ratio_to_best_of_precision", KEYS[:3])):
        table[column] = table["seconds"] / table.groupby(keys)["seconds"].transform("min")
    return table.round(3).assign(machine=machine.summary())


if __name__ == "__main__":
    run_command(main)
