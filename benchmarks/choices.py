"""Trains every documented net in float32 and in bfloat16, with XLA and without: is what "auto" chooses the fastest?

    python benchmarks/choices.py --data-dir DIR                  # a quarter of an hour; results/choices.csv
    python benchmarks/choices.py --data-dir DIR --nets mlp_128   # the rows of some nets alone
    python benchmarks/choices.py --data-dir DIR --quick          # one net, a few steps; runs/choices

`seconds` are those of the recipe's training, from the arrays in memory to the trained weights, tracing and compiling
included, imports not; medians of three, each in a fresh process, in turn. A training ends before it takes longer than
`CAP` seconds, but not before its second epoch's end: `steps_trained` of its `steps` are measured then, and the rest is
counted at `step_ms`, the time of a step after the first epoch. XLA with a convolution, dropout or augmentation is
known to be many times slower: it is measured once, on epochs of a hundredth of the images. `first_seconds` end with the
first epoch. `chosen_by` says "auto" where `precision="auto"` with `jit="auto"` choose the row, and "recipe" where the
net's own recipe does; `ratio_to_best` is over the net's fastest row, `ratio_to_best_of_precision` over its fastest one
of that precision.
"""

import argparse
import dataclasses
import itertools
import statistics
import time
from pathlib import Path

import machine
from accuracy import NETS
from command import run_command
from own_process import OwnProcess
from speed import QUICK_IMAGES, first_images
from tabular import RESULTS, ROOT, read_rows, write_rows

PRECISIONS = ("float32", "mixed_bfloat16")
CAP = 5  # seconds
REPEATS = 3
SLOW_PARTS = 100  # of the images, one of which is an epoch where XLA is slow


@dataclasses.dataclass(frozen=True)
class Training:
    """What a training in a fresh process took.

    Attributes:
        steps: Of the whole recipe.
        steps_trained: Of these, how many were trained.
        first_seconds: From the arrays to the end of the first epoch.
        seconds: To the end of the recipe; steps that were not trained counted like those after the first epoch.
        step_seconds: A step's after the first epoch; of the first epoch if there is no other.
        chosen: Precision and XLA as (precision, jit) by who chooses them, "auto" and "recipe".
    """

    steps: int
    steps_trained: int
    first_seconds: float
    seconds: float
    step_seconds: float
    chosen: dict[str, tuple[str, bool]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", type=Path, required=True, help="directory with MNIST's files")
    parser.add_argument("--quick", action="store_true", help="once, with few images: a smoke test")
    parser.add_argument("--nets", nargs="+", metavar="NET", help="replace the rows of these alone")
    parser.add_argument("--out", type=Path, help="directory of the results")
    args = parser.parse_args()

    from mnist_keras import load_data

    data = load_data("mnist", data_dir=args.data_dir)
    nets, precisions, repeats = args.nets or sorted(NETS), PRECISIONS, REPEATS
    if unknown := sorted({*nets} - {*NETS}):
        parser.error(f"unknown nets: {', '.join(unknown)} (expected: {', '.join(sorted(NETS))})")
    if args.quick:
        data, nets, precisions, repeats = (
            first_images(data, QUICK_IMAGES),
            ["mlp_128"],
            ["float32"],
            1,
        )
    out = args.out or (ROOT / "runs" / "choices" if args.quick else RESULTS)
    out.mkdir(parents=True, exist_ok=True)

    if not args.quick:
        machine.wait_for_quiet()
    trainings: dict[tuple, list[Training]] = {}
    variants = list(itertools.product(nets, precisions, (False, True)))
    for repeat, (net, precision, jit) in itertools.product(range(repeats), variants):
        slow = jit and xla_is_slow(net)
        if slow and repeat:
            continue
        with OwnProcess("choices", data) as process:
            training = process.call("train_once", net=net, precision=precision, jit=jit, slow=slow)
        trainings.setdefault((net, precision, jit), []).append(training)
        print(f"{net}, {precision}, XLA {jit}: {training.seconds:.1f} s", flush=True)
    rows = make_rows(trainings)
    if args.nets:
        others = [row for row in read_rows(out / "choices.csv") if row["net"] not in nets]
        rows = sorted([*others, *rows], key=lambda row: row["net"])
    write_rows(out / "choices.csv", rows, columns=rows[0])
    print(as_text([{key: row[key] for key in row if key != "machine"} for row in rows]))


def xla_is_slow(net: str) -> bool:
    from mnist_keras.models.registry import get_model_spec

    spec = get_model_spec(net)
    return spec.convolutional or bool(spec.arguments.get("dropout") or spec.recipe.augmentation)


def train_once(data, *, net: str, precision: str, jit: bool, slow: bool) -> Training:
    """Trains a net in this process, by its recipe or until another epoch would be too long."""
    import tensorflow as tf
    from ours import Ours

    from mnist_keras import get_model_spec

    tf.get_logger().setLevel("ERROR")
    recipe = get_model_spec(net).recipe
    steps = recipe.epochs * (len(data.train_images) // recipe.batch_size)
    if slow:
        data = first_images(data, max(recipe.batch_size, len(data.train_images) // SLOW_PARTS))
    start = time.perf_counter()
    ours = Ours(net, data, precision=precision, jit=jit)
    ours.epoch()
    first = time.perf_counter() - start
    done = steps_per_epoch = ours.source.steps_per_epoch
    epochs: list[float] = []
    # One after the first in any case, whose time the compiler's is not in.
    while done < steps and (not epochs or first + sum(epochs) + max(epochs) < CAP):
        epochs.append(ours.time_epoch())
        done += steps_per_epoch
    step_seconds = (statistics.median(epochs) if epochs else first) / steps_per_epoch
    seconds = first + sum(epochs) + (steps - done) * step_seconds
    choosers = {"auto": {"precision": "auto", "jit": "auto"}, "recipe": {}}
    chosen = {who: Ours(net, data, **changes) for who, changes in choosers.items()}
    return Training(
        steps,
        min(done, steps),
        first,
        seconds,
        step_seconds,
        {who: (ours.precision, ours.jit) for who, ours in chosen.items()},
    )


def make_rows(trainings: dict[tuple, list[Training]]) -> list[dict[str, str]]:
    """Returns the rows of choices.csv.

    Args:
        trainings: By net, precision and whether XLA compiles.
    """
    seconds = {
        key: statistics.median(training.seconds for training in runs)
        for key, runs in trainings.items()
    }
    rows = []
    for (net, precision, jit), runs in trainings.items():
        own = seconds[net, precision, jit]
        chosen = runs[0].chosen
        of_net = {key[1:]: value for key, value in seconds.items() if key[0] == net}
        of_precision = [value for key, value in of_net.items() if key[0] == precision]
        rows.append(
            {
                "net": net,
                "precision": precision,
                "xla": "yes" if jit else "no",
                "chosen_by": " ".join(who for who in chosen if chosen[who] == (precision, jit)),
                "seconds": f"{own:.3f}",
                "first_seconds": f"{statistics.median(x.first_seconds for x in runs):.3f}",
                "step_ms": f"{1000 * statistics.median(x.step_seconds for x in runs):.4g}",
                "steps": str(runs[0].steps),
                "steps_trained": str(min(x.steps_trained for x in runs)),
                "repeats": str(len(runs)),
                "ratio_to_best": f"{own / min(of_net.values()):.3f}",
                "ratio_to_best_of_precision": f"{own / min(of_precision):.3f}",
                "machine": machine.summary(),
            }
        )
    return rows


def as_text(rows: list[dict[str, str]]) -> str:
    lines = [list(rows[0]), *(list(row.values()) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


if __name__ == "__main__":
    run_command(main)
