"""Times ours and the peers side by side: the same machine, the same MNIST, turn by turn.

    python benchmarks/speed.py --data-dir DIR           # about half an hour on two cores
    python benchmarks/speed.py --data-dir DIR --quick   # a few steps of everything, written to runs/speed

Writes `speed.csv`, `speed_curves.csv` and `speed.png` to benchmarks/results, of which `report.py` makes the README's
block. It needs the extra `bench`; PyTorch's CPU build comes with `pip install torch --index-url
https://download.pytorch.org/whl/cpu`.

What is counted is the same for all. With TensorFlow in its process PyTorch trains small nets more slowly: ours,
Keras's, PyTorch's and scikit-learn's contestants run in processes of their own; one contestant works at a time, while
the others' processes wait, and each is timed where it runs. An epoch: its wall time, after a first one that is given
apart (tracing falls into it). A training to 99 %: in a fresh process, from the uint8 arrays in memory to the trained
weights; making the net, converting the arrays, tracing and what a library does once in a process are in it, imports and
every evaluation are not. `cnn_fast` is trained to its recipe's last step, whatever that gives: it counts as a training
to 99 % if the mean accuracy of its seeds is 99.0 % or more. The test images only stop the peers, each at the end of its
first epoch with 99.0 % of them right. `times_slower_than_ours` is a peer's median of these `seconds` over ours. A
contestant whose counted runs have taken more than a part's patience is not repeated; the column `repeats` tells.
"""

import argparse
import contextlib
import dataclasses
import importlib.util
import itertools
import math
import os
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import machine
from command import run_command
from goals import EPOCHS
from tabular import RESULTS, ROOT, named, write_rows

COLUMNS = ("task", "contestant", "metric", "median", "ratio_to_ours", "repeats")
TARGET = 0.99  # of the test images
PATIENCE = 40  # seconds, for epochs
EPOCHS_PER_REPEAT = 3  # epochs are short
REST = 0.5  # seconds between two turns: threads that wait for work spin for up to 0.2 s
TARGET_PATIENCE = 900  # seconds, for trainings to 99 %
MODULES = ("ours", "peers_keras", "peers_torch", "peers_sklearn")  # a process each
PRODUCTS = (  # rows, inner, columns
    (128, 784, 1024),
    (1024, 1024, 1024),
    (2048, 2048, 2048),
    (4096, 4096, 4096),
)
WIDE_MLP = (784, 1024, 128, 10)  # `mlp_1024_128`


@dataclasses.dataclass(frozen=True)
class Work:
    """How much of everything is measured.

    Attributes:
        repeats: Counted runs of each contestant, as long as patience lasts.
        seeds: Trainings of `cnn_fast`.
        max_epochs: Of a peer on its way to 99 %; as many as the peer's source trains if None.
        num_steps: Batches by which the pipeline is timed.
        share_seconds: For the share of a step of one net that goes by in waiting for batches.
        num_calls: Predictions of one image that are timed; memory is watched over 20 times as many.
        product_seconds: For a matrix product of one size.
        transforms: Names in `rates.TRANSFORMS`; all if None.
        nets: Registered nets whose pipeline is timed; all if None.
        predicting: Nets whose prediction is timed.
    """

    repeats: int = 3
    seeds: int = 10
    max_epochs: int | None = None
    num_steps: int = 300
    share_seconds: float = 20.0
    num_calls: int = 500
    product_seconds: float = 1.0
    transforms: tuple[str, ...] | None = None
    nets: tuple[str, ...] | None = None
    predicting: tuple[str, ...] = ("mlp_128", "cnn_fast")


QUICK = Work(
    repeats=1,
    seeds=2,
    max_epochs=1,
    num_steps=2,
    share_seconds=0.0,
    num_calls=20,
    product_seconds=0.01,
    transforms=("plain", "affine"),
    nets=("mlp_128", "lenet5"),
    predicting=("mlp_128",),
)
QUICK_IMAGES = 256  # one batch of `cnn_fast`


class Results:
    """Values by (task, contestant, metric), in the order in which they came."""

    def __init__(self):
        self.values: dict[tuple[str, str, str], list[float]] = {}

    def add(self, task: str, contestant: str, metric: str, value: float) -> None:
        self.values.setdefault((task, contestant, metric), []).append(value)

    def median(self, task: str, contestant: str, metric: str) -> float:
        return statistics.median(self.values[task, contestant, metric])

    def rows(self) -> list[tuple]:
        """Returns the rows of speed.csv; a ratio is the contestant's median over ours."""
        rows = []
        for (task, contestant, metric), values in self.values.items():
            median, ratio = self.median(task, contestant, metric), ""
            if self.values.get((task, "ours", metric)):
                ours = self.median(task, "ours", metric)
                ratio = f"{median / ours:.3f}" if ours and math.isfinite(ours) else ""
            rows.append((task, contestant, metric, f"{median:.5g}", ratio, len(values)))
        return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", type=Path, required=True, help="directory with MNIST's files")
    parser.add_argument("--repeats", type=int, default=3, help="counted runs of each (default: 3)")
    parser.add_argument("--quick", action="store_true", help="once, with few images: a smoke test")
    parser.add_argument("--out", type=Path, help="directory of the results")
    args = parser.parse_args()
    if importlib.util.find_spec("torch") is None:
        parser.error('PyTorch is missing. Install it with: pip install "mnist-keras[bench]"')

    from curves import plot_curves, write_curves
    from own_process import OwnProcess

    from mnist_keras import load_data

    load = os.getloadavg()[0] if args.quick else machine.wait_for_quiet()
    data = load_data("mnist", data_dir=args.data_dir)
    work = Work(repeats=args.repeats)
    if args.quick:
        data, work = first_images(data, QUICK_IMAGES), QUICK
    out = args.out or (ROOT / "runs" / "speed" if args.quick else RESULTS)
    out.mkdir(parents=True, exist_ok=True)

    results = Results()
    curves = time_to_target(results, data, work)
    write_curves(out / "speed_curves.csv", curves)
    plot_curves(out / "speed.png", curves, target=TARGET)
    with contextlib.ExitStack() as stack:
        processes = {module: stack.enter_context(OwnProcess(module, data)) for module in MODULES}
        ceilings = matrix_rates(results, data, work)
        for task in EPOCHS:
            time_epochs(results, task, processes, data, work)
        note_rates(results, ceilings, len(data.train_images) // 128 * 128)

    from rates import (  # TensorFlow, from here on in this process
        measure_pipeline,
        measure_prediction,
    )

    measure_pipeline(results, data, work)
    measure_prediction(results, data, work)
    rows = [*machine_rows(load), *results.rows()]
    write_rows(out / "speed.csv", named(COLUMNS, rows), columns=COLUMNS)
    print((out / "speed.csv").read_text(encoding="utf-8"), end="")


def first_images(data, count: int):
    train, test = (split.take(range(min(count, len(split)))) for split in (data.train, data.test))
    return dataclasses.replace(data, train=train, test=test)


def machine_rows(load: float) -> list[tuple]:
    """Returns what the times depend on, as rows of speed.csv.

    Args:
        load: Processes that wanted a core in the minute before.
    """
    from mnist_keras import get_model_spec
    from mnist_keras.training.devices import choose_precision

    precision = get_model_spec("cnn_fast").recipe.precision
    found = {
        **machine.facts(),
        "summary": machine.summary(),
        "load_average_before": f"{load:.2f}",
        "precision_of_cnn_fast": choose_precision(precision, wide=True),
    }
    return [("machine", "", name, value, "", "") for name, value in found.items()]


def take_turns(runs: dict[str, tuple[Callable[[int], object], int]], patience: float) -> None:
    """Calls each with the number of the repeat, one after the other, as long as patience lasts.

    Args:
        runs: What is called, and how often, by name.
        patience: Seconds, after which a contestant is not called again.
    """
    spent = dict.fromkeys(runs, 0.0)
    for repeat in range(max(repeats for _, repeats in runs.values())):
        for name, (run, repeats) in runs.items():
            if repeat < repeats and spent[name] < patience:
                time.sleep(REST)
                start = time.perf_counter()
                run(repeat)
                spent[name] += time.perf_counter() - start


def time_to_target(results: Results, data, work: Work) -> list[tuple]:
    """Notes the seconds to 99 %, each training in a fresh process; returns the rows of speed_curves.csv."""
    from own_process import OwnProcess
    from stopwatch import seconds_to

    task = "to_99_percent"
    limit = {} if work.max_epochs is None else {"max_epochs": work.max_epochs}
    peers = {"target": TARGET, **limit}
    trainings = {  # module, function, arguments
        "ours": ("ours", "train_cnn_fast", {}),
        "keras_example": ("peers_keras", "train_keras_example", peers),
        "pytorch_example": ("peers_torch", "train_pytorch_example", peers),
    }
    curves = []

    def run(name, seed):
        module, function, arguments = trainings[name]
        with OwnProcess(module, data) as process:
            time.sleep(REST)
            curve = process.call(function, seed=seed, **arguments)
        curves.extend((name, seed, seconds, accuracy) for seconds, accuracy in curve)
        training_seconds, accuracy = curve[-1]
        seconds = training_seconds if name == "ours" else seconds_to(TARGET, curve)
        results.add(task, name, "seconds", seconds)
        results.add(task, name, "training_seconds", training_seconds)
        results.add(task, name, "test_accuracy", accuracy)
        print(f"{name}, seed {seed}: {accuracy:.2%} in {training_seconds:.1f} s", flush=True)

    in_turn = -(-work.seeds // work.repeats)  # of ours in each turn, so that all turns have some

    def run_ours(repeat):
        for seed in range(repeat * in_turn, min((repeat + 1) * in_turn, work.seeds)):
            run("ours", seed)

    runs = {name: partial(run, name) for name in trainings} | {"ours": run_ours}
    take_turns({name: (runs[name], work.repeats) for name in trainings}, TARGET_PATIENCE)
    accuracies = results.values[task, "ours", "test_accuracy"]
    results.add(task, "ours", "test_accuracy_mean", statistics.mean(accuracies))
    results.add(task, "ours", "test_accuracy_deviation", statistics.stdev(accuracies))
    for peer in ("keras_example", "pytorch_example"):
        ratio = results.median(task, peer, "seconds") / results.median(task, "ours", "seconds")
        results.add(task, peer, "times_slower_than_ours", ratio)
    return curves


def time_epochs(results: Results, task: str, processes: dict, data, work: Work) -> None:
    """Notes seconds of the first epoch and of later ones, and the accuracy after all of them."""
    contestants = {}
    for process in processes.values():
        contestants |= process.contestants(task)

    def run(name, metric, repeat=0):
        results.add(task, name, metric, contestants[name].time_epoch())

    for name in contestants:
        run(name, "first_epoch_seconds")
    epochs = EPOCHS_PER_REPEAT * work.repeats
    turns = {name: (partial(run, name, "epoch_seconds"), epochs) for name in contestants}
    take_turns(turns, PATIENCE)
    for name, contestant in contestants.items():
        accuracy = (contestant.predict(data.test_images) == data.test_labels).mean()
        results.add(task, name, "test_accuracy", float(accuracy))
        done = 1 + len(results.values[task, name, "epoch_seconds"])
        results.add(task, name, "epochs_trained", done)
        seconds = results.median(task, name, "epoch_seconds")
        print(f"{task}, {name}: {seconds:.3f} s an epoch", flush=True)


def matrix_rates(results: Results, data, work: Work) -> dict[str, float]:
    """Notes the best rates that a matrix product reaches in either library, in operations a second by dtype."""
    from own_process import OwnProcess

    best: dict[str, float] = {}
    for module, library in (("rates", "tensorflow"), ("peers_torch", "pytorch")):
        with OwnProcess(module, data) as process:
            rates = process.call("matrix_rates", sizes=PRODUCTS, seconds=work.product_seconds)
        for dtype, rate in rates.items():
            results.add(f"matrix_product_{library}", dtype, "gflops", rate / 1e9)
            best[dtype] = max(best.get(dtype, 0.0), rate)
    for dtype, rate in best.items():
        results.add("matrix_product", dtype, "gflops", rate / 1e9)
    return best


def training_operations(widths: tuple[int, ...]) -> int:
    """Returns the operations of a dense net's training step per image: products with weights, there and back.

    Forward, gradient of the weights and gradient of the inputs each cost two operations per weight; the images have no
    gradient.
    """
    weights = [a * b for a, b in itertools.pairwise(widths)]
    return 2 * (3 * sum(weights) - weights[0])


def note_rates(results: Results, ceilings: dict[str, float], num_images: int) -> None:
    """Notes the rate of the wide dense net, and its share of what a matrix product reaches."""
    task = "epoch_mlp_1024_128"
    operations = training_operations(WIDE_MLP) * num_images
    for name in [key[1] for key in results.values if key[0] == task and key[2] == "epoch_seconds"]:
        rate = operations / results.median(task, name, "epoch_seconds")
        dtype = "bfloat16" if name == "ours_bfloat16" else "float32"
        results.add(task, name, "gflops", rate / 1e9)
        results.add(task, name, f"share_of_{dtype}_product", rate / ceilings[dtype])


if __name__ == "__main__":
    run_command(main)
