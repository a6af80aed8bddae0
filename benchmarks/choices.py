"""Trains every documented model in float32 and in bfloat16, with XLA and without: does "auto" choose the fastest?

    python benchmarks/choices.py --data-dir DIR                    # 15 minutes; results/choices.csv
    python benchmarks/choices.py --data-dir DIR --models mlp_128   # replaces only the rows of some models
    python benchmarks/choices.py --data-dir DIR --quick            # one model, a few steps; runs/choices

`seconds` run from the arrays in memory to the trained weights, tracing and compiling included. A training ends before
it takes longer than `CAP`, but not before its second epoch is done; steps that were not trained count as `step_ms`.
"""

import itertools
import statistics
import time

import machine
import pandas as pd
from command import first_images, load_to_time, make_parser, results_directory, run_command
from entries import DOCUMENTED
from tabular import update_rows
from turns import OwnProcess, seconds_of

CAP = 5  # seconds
REPEATS = 3
SLOW_PARTS = 100  # of the images; one is an epoch where XLA is known to be many times slower
KEYS = ["net", "precision", "xla"]
FORMATS = {"step_ms": "{:.4g}", **dict.fromkeys(("steps", "steps_trained", "repeats"), "{:.0f}")}


def main() -> None:
    parser = make_parser(__doc__, quick=True)
    parser.add_argument("--models", nargs="+", choices=DOCUMENTED, default=sorted(DOCUMENTED))
    args = parser.parse_args()
    path, data = results_directory(args, "choices") / "choices.csv", load_to_time(args)
    variants = itertools.product(args.models, ("float32", "mixed_bfloat16"), (False, True))
    if args.quick:
        variants = itertools.product(["mlp_128"], ["float32"], (False, True))
    trainings = []
    for repeat, variant in itertools.product(range(1 if args.quick else REPEATS), list(variants)):
        slow = variant[-1] and xla_is_slow(variant[0])
        if slow and repeat:
            continue
        with OwnProcess("choices", data) as process:
            trainings.append(process.call("train_once", variant=variant, slow=slow))
        print(f"{variant}: {trainings[-1]['seconds']:.1f} s", flush=True)
    rows = make_rows(trainings)
    update_rows(path, rows, keys=KEYS, order=[(model,) for model in sorted(DOCUMENTED)])
    print(rows.drop(columns="machine").to_string(index=False))


def xla_is_slow(model: str) -> bool:
    from mnist_keras.models.registry import get_model_spec

    spec = get_model_spec(model)
    return spec.convolutional or bool(spec.arguments.get("dropout") or spec.recipe.augmentation)


def train_once(data, *, variant: tuple[str, str, bool], slow: bool) -> dict:
    """Trains a model, in a precision and with XLA or not, in this process: by its recipe or until the cap."""
    from ours import Ours

    from mnist_keras import get_model_spec

    model, precision, jit = variant
    recipe = get_model_spec(model).recipe
    steps = recipe.epochs * (len(data.train) // recipe.batch_size)
    if slow:
        data = first_images(data, max(recipe.batch_size, len(data.train) // SLOW_PARTS))
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
    choosers = {"auto": {"precision": "auto", "jit": "auto"}, "recipe": {}}
    chosen = {who: Ours(model, data.train, **changes) for who, changes in choosers.items()}
    chosen_by = [who for who, x in chosen.items() if (x.precision, x.jit) == (precision, jit)]
    return {
        **{"net": model, "precision": precision, "xla": "yes" if jit else "no"},
        "chosen_by": " ".join(chosen_by),
        "seconds": first + sum(epochs) + (steps - done) * step_seconds,
        "first_seconds": first,
        "step_ms": 1000 * step_seconds,
        "steps": steps,
        "steps_trained": min(done, steps),
    }


def make_rows(trainings: list[dict]) -> pd.DataFrame:
    """Returns a row for each model, precision and XLA: medians, and how much slower it is than the fastest."""
    groups = pd.DataFrame(trainings).groupby([*KEYS, "chosen_by"], sort=False)
    table = groups.median().assign(
        steps_trained=groups["steps_trained"].min(), repeats=groups.size()
    )
    table = table.reset_index()
    for column, keys in (("ratio_to_best", KEYS[:1]), ("ratio_to_best_of_precision", KEYS[:2])):
        table[column] = table["seconds"] / table.groupby(keys)["seconds"].transform("min")
    for column in table.select_dtypes("number"):
        table[column] = table[column].map(FORMATS.get(column, "{:.3f}").format)
    return table.assign(machine=machine.summary())


if __name__ == "__main__":
    run_command(main)
