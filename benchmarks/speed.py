"""Times ours and the peers side by side: the same machine, the same MNIST, turn by turn.

    python benchmarks/speed.py --data-dir DIR           # about half an hour on two cores
    python benchmarks/speed.py --data-dir DIR --quick   # a few steps of everything, written to runs/speed

Writes `speed.csv`, `speed_curves.csv` and `speed.png` to benchmarks/results, of which `report.py` makes the README's
block. It needs the extra `bench`; PyTorch's CPU build comes with `pip install torch --index-url
https://download.pytorch.org/whl/cpu`.

What is counted is the same for all. Ours, Keras's, PyTorch's and scikit-learn's contestants run in a process each (with
TensorFlow in its process PyTorch trains small nets more slowly); one contestant works at a time, while the others'
processes wait, and each is timed where it runs. An epoch: its wall time, after a first one that is given apart (tracing
falls into it). A training to 99 %: from the uint8 arrays in memory to the trained weights; making the net, converting
the arrays and tracing are in it, imports and every evaluation are not. `cnn_fast` is trained to its recipe's last step,
whatever that gives: it counts as a training to 99 % if the mean accuracy of its seeds is 99.0 % or more. The test
images only stop the peers, each at the end of its first epoch with 99.0 % of them right. `times_slower_than_ours` is a
peer's median of these `seconds` over ours. `first_seconds`, given apart, is each one's first training in its process,
which pays for what a process does once. A contestant whose counted runs have taken more than a part's patience is not
repeated; the column `repeats` tells.
"""

import argparse
import contextlib
import csv
import dataclasses
import importlib.metadata
import importlib.util
import itertools
import math
import os
import platform
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from goals import EPOCHS

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
COLUMNS = ("task", "contestant", "metric", "median", "ratio_to_ours", "repeats")
TARGET = 0.99  # of the test images
PATIENCE = 40  # seconds, for epochs
EPOCHS_PER_REPEAT = 3  # epochs are short
REST = 0.5  # seconds between two turns: threads that wait for work spin for up to 0.2 s
TARGET_PATIENCE = 900  # seconds, for trainings to 99 %
VERSIONS = ("mnist-keras", "tensorflow", "keras", "torch", "scikit-learn", "numpy")
MODULES = ("ours", "peers_keras", "peers_torch", "peers_sklearn")  # a process each
WIDE_MLP = (784, 1024, 128, 10)  # `mlp_1024_128`


@dataclasses.dataclass(frozen=True)
class Work:
    """How much of everything is measured.

    Attributes:
        repeats: Counted runs of each contestant, as long as patience lasts.
        seeds: Trainings of `cnn_fast`.
        max_epochs: Of a peer on its way to 99 %; as many as the peer's source trains if None.
        num_steps: Batches by which the pipeline is timed.
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
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

    from curves import plot_curves, write_curves
    from own_process import OwnProcess

    from mnist_keras import load_data

    load = os.getloadavg()[0]
    data = load_data("mnist", data_dir=args.data_dir)
    work = Work(repeats=args.repeats)
    if args.quick:
        data, work = first_images(data, QUICK_IMAGES), QUICK
    out = args.out or (ROOT / "runs" / "speed" if args.quick else RESULTS)
    out.mkdir(parents=True, exist_ok=True)

    results = Results()
    with contextlib.ExitStack() as stack:
        processes = {module: stack.enter_context(OwnProcess(module, data)) for module in MODULES}
        curves = time_to_target(results, processes, work)
        write_curves(out / "speed_curves.csv", curves)
        plot_curves(out / "speed.png", curves, target=TARGET)
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
    with (out / "speed.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows([*machine_rows(load), *results.rows()])
    print((out / "speed.csv").read_text(encoding="utf-8"), end="")


def first_images(data, count: int):
    return dataclasses.replace(
        data,
        train_images=data.train_images[:count],
        train_labels=data.train_labels[:count],
        test_images=data.test_images[:count],
        test_labels=data.test_labels[:count],
    )


def machine_rows(load: float) -> list[tuple]:
    """Returns what the times depend on, as rows of speed.csv.

    Args:
        load: Processes that wanted a core in the minute before. Others' work slows PyTorch and scikit-learn, whose
            threads wait for each other, far more than TensorFlow: above some 0.3 the ratios say little.
    """
    from mnist_keras import get_model_spec
    from mnist_keras.distribution import choose_precision
    from mnist_keras.doctor import examine

    cpu = examine()["cpu"]
    precision = get_model_spec("cnn_fast").recipe.precision
    instructions = [name for name, there in (cpu["instructions"] or {}).items() if there]
    facts = {
        "cpu": cpu["model"],
        "cores": cpu["cores"],
        "load_average_before": f"{load:.2f}",
        "instructions": " ".join(instructions),
        "system": f"{platform.system()} {platform.machine()}",
        "precision_of_cnn_fast": choose_precision(precision, convolutional=True),
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in VERSIONS},
    }
    return [("machine", "", name, value, "", "") for name, value in facts.items()]


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


def time_to_target(results: Results, processes: dict, work: Work) -> list[tuple]:
    """Notes the seconds to 99 %; returns the rows of speed_curves.csv."""
    from stopwatch import seconds_to

    task = "to_99_percent"
    limit = {} if work.max_epochs is None else {"max_epochs": work.max_epochs}
    peers = {"target": TARGET, **limit}
    trainings = {
        "ours": partial(processes["ours"].call, "train_cnn_fast"),
        "keras_example": partial(processes["peers_keras"].call, "train_keras_example", **peers),
        "pytorch_example": partial(processes["peers_torch"].call, "train_pytorch_example", **peers),
    }
    curves = []

    def run(name, seed):
        curve = trainings[name](seed=seed)
        curves.extend((name, seed, seconds, accuracy) for seconds, accuracy in curve)
        training_seconds, accuracy = curve[-1]
        seconds = training_seconds if name == "ours" else seconds_to(TARGET, curve)
        if seed == 0:
            results.add(task, name, "first_seconds", seconds)
        results.add(task, name, "seconds", seconds)
        results.add(task, name, "training_seconds", training_seconds)
        results.add(task, name, "test_accuracy", accuracy)
        print(f"{name}, seed {seed}: {accuracy:.2%} in {training_seconds:.1f} s", flush=True)

    turns = {
        name: (partial(run, name), work.seeds if name == "ours" else work.repeats)
        for name in trainings
    }
    take_turns(turns, TARGET_PATIENCE)
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
    """Notes the best rates that a matrix product reaches, in operations a second by dtype."""
    from own_process import OwnProcess

    with OwnProcess("rates", data) as process:
        rates = process.call("matrix_rates", seconds=work.product_seconds)
    for dtype, rate in rates.items():
        results.add("matrix_product", dtype, "gflops", rate / 1e9)
    return rates


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
    main()
