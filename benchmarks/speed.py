"""Times ours and its peers on the same machine and the same MNIST, in turns.

    python benchmarks/speed.py --data-dir DIR                             # half an hour on two cores
    python benchmarks/speed.py --data-dir DIR --quick                     # the headline ratios; runs/speed
    python benchmarks/speed.py --data-dir DIR --quick --stand-in avx2     # as on a CPU of a slower class

It writes speed.csv, and in full speed_curves.csv and speed.png, and needs PyTorch: the extra `bench`, or the CPU build
with `pip install torch --index-url https://download.pytorch.org/whl/cpu`. docs/results/speed.md says what is counted.
A contestant that has used up its patience is not repeated; the column `repeats` tells. Rows of other classes of CPU
stay; all rows of this class are replaced. With --quick, epochs are shorter and scaled to whole ones, and the seconds of
PyTorch's example are those of part of an epoch, times the epochs that it needed in the full runs.
"""

import contextlib
import importlib.util
import math
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import machine
import pandas as pd
import turns
from command import first_images, load_to_time, make_parser, results_directory, run_command
from tabular import update_class, write_rows
from turns import OwnProcess

from mnist_keras import _cpu
from mnist_keras._validation import InputError

COLUMNS = ["task", "contestant", "metric", "median", "ratio_to_ours", "repeats"]
CURVES = ["contestant", "seed", "seconds", "test_accuracy"]
REPEATS, SEEDS = 3, 10  # of each contestant, of `cnn_fast`
EPOCHS = 3  # of a repeat, since they are short
PRODUCT_SECONDS = 1.0
TARGET, TO_TARGET = 0.99, "to_99_percent"  # of the test images
TARGET_PATIENCE, PATIENCE = 240, 40  # seconds, for trainings to 99%, for epochs
TASKS = {  # -> images of an epoch with --quick
    "epoch_mlp_128": 60_000,
    "epoch_mlp_1024_128": 12_800,
    "epoch_cnn_2conv": 6_400,
}
QUICK_CONTESTANTS = ("ours", "ours_bfloat16", "fit", "pytorch_dataloader")
EXAMPLE_PART = 6_400, 500  # images of PyTorch's example with --quick, to train on and to test on
EXAMPLE_EPOCHS = 4  # that it needs to 99%; results/speed_curves.csv
MODULES = ("ours", "peers_keras", "peers_torch", "baselines")  # a process each
TRAININGS = {  # to 99%: contestant -> its module, and what the plot calls it
    "ours": ("ours", "mnist_keras: cnn_fast"),
    "keras_example": ("peers_keras", "Keras: mnist_convnet, fit"),
    "pytorch_example": ("peers_torch", "PyTorch: official MNIST example"),
}
PRODUCTS = ((128, 784, 1024), *((n, n, n) for n in (1024, 2048, 4096)))  # rows, inner, columns
# Of a training step of `mlp_1024_128` per image: the output, the gradient of the weights and, but for the first layer,
# that of the inputs each cost two operations per weight.
WIDE, WIDE_OPERATIONS = "epoch_mlp_1024_128", 2 * (2 * 784 * 1024 + 3 * (1024 * 128 + 128 * 10))


class Results(dict[tuple[str, str, str], list[float]]):
    """Values by task, contestant and metric, in the order in which they came."""

    def add(self, task: str, contestant: str, **metrics: float) -> None:
        for metric, value in metrics.items():
            self.setdefault((task, contestant, metric), []).append(value)

    def median(self, *key: str) -> float:
        return pd.Series(self.get(key, []), dtype=float).median()

    def rows(self) -> pd.DataFrame:
        """Returns the rows of speed.csv; a ratio is the contestant's median over ours."""
        rows = []
        for (task, name, metric), values in self.items():
            median, ours = self.median(task, name, metric), self.median(task, "ours", metric)
            ratio = f"{median / ours:.3f}" if ours and math.isfinite(ours) else ""
            rows.append((task, name, metric, f"{median:.5g}", ratio, str(len(values))))
        return pd.DataFrame(rows, columns=COLUMNS)


def main() -> None:
    args = make_parser(__doc__, quick=True, stand_in=True).parse_args()
    if importlib.util.find_spec("torch") is None:
        raise InputError('PyTorch is missing. Install it with: pip install "mnist-keras[bench]"')
    out, data = results_directory(args, "speed"), load_to_time(args, part=None)
    load, results = machine.load(), Results()
    for _ in measure(results, data, out, quick=args.quick):  # what is measured is saved as it comes
        table = pd.concat([machine_rows(load, args.quick), results.rows()])
        update_class(out / "speed.csv", table, COLUMNS)
    print(results.rows().to_string(index=False))
    import tables  # late: the contestants' processes import this module, too

    here = tables.headlines(out).query("`class` == @machine.cpu()")
    print(f"\n{tables.fill('headlines', here)}\n\nload before: {load:.2f}; {machine.summary()}")


def measure(results: Results, data, out: Path, *, quick: bool) -> Iterator[None]:
    """Notes seconds to 99%, epochs and predictions; in full also what the input pipeline gives."""
    for task in TASKS:
        time_epochs(results, task, data, quick=quick)
        yield
    curves = train_to_target(results, data, quick=quick)
    if not quick:
        write_rows(out / "speed_curves.csv", curves)
        plot_curves(out / "speed.png", curves)
        rate_product(results, data)
    yield

    _cpu.choose_onednn()  # as on import; the processes above forgot it
    import rates  # TensorFlow, from here on in this process

    if not quick:
        rates.measure_pipeline(results, data)
        rates.measure_prediction(results, data)
    rates.measure_throughput(results, data, 1 if quick else REPEATS)
    yield


def machine_rows(load: float, quick: bool) -> pd.DataFrame:
    """Returns what the times depend on, as rows; the load is the one before."""
    from mnist_keras import get_model_spec
    from mnist_keras.training.devices import choose_precision

    precision = choose_precision(get_model_spec("cnn_fast").recipe.precision, wide=True)
    facts = {**machine.facts(), "summary": machine.summary(), "load_average_before": f"{load:.2f}"}
    facts |= {"precision_of_cnn_fast": precision, "run": "quick" if quick else "full"}
    return pd.DataFrame({"task": "machine", "metric": list(facts), "median": list(facts.values())})


def time_epochs(results: Results, task: str, data, *, quick: bool) -> None:
    """Notes seconds of the epochs after the first, and the accuracy after all of them.

    If quick, epochs are shorter and scaled to whole ones, and some contestants are left out.
    """
    part = first_images(data, TASKS[task]) if quick else data
    scale, repeats = len(data.train) / len(part.train), 1 if quick else REPEATS
    with contextlib.ExitStack() as stack:
        homes: dict[str, OwnProcess] = {}
        for module in MODULES:
            environment = machine.environment(module, convolutional="cnn" in task)
            process = stack.enter_context(OwnProcess(module, part, environment))
            homes |= dict.fromkeys(process.call("names_of", task=task), process)
        if _cpu.cpu_class() not in _cpu.BFLOAT16_CLASSES:
            homes.pop("ours_bfloat16", None)
        names = [name for name in homes if not quick or name in QUICK_CONTESTANTS]

        def run(name, repeat=None):
            seconds = homes[name].call("time_epoch", task=task, name=name)
            if repeat is not None:  # not the first epoch, which traces and compiles
                results.add(task, name, epoch_seconds=scale * seconds)

        for name in names:
            run(name)
        turns.take_turns({x: (partial(run, x), EPOCHS * repeats) for x in names}, PATIENCE)
        for name in names:
            epochs = 1 + len(results[task, name, "epoch_seconds"])
            accuracy = homes[name].call("measure_accuracy", task=task, name=name)
            results.add(task, name, test_accuracy=accuracy, epochs_trained=epochs)
            seconds = results.median(task, name, "epoch_seconds")
            print(f"{task}, {name}: {seconds:.3f} s an epoch", flush=True)


def train(name: str, data, seed: int, target: float = TARGET) -> list[tuple[float, float]]:
    """Returns the curve of a training in a fresh process."""
    module, _ = TRAININGS[name]
    with OwnProcess(module, data, machine.environment(module, convolutional=True)) as process:
        time.sleep(turns.REST)
        return process.call("train_to", target=target, task=TO_TARGET, name=name, seed=seed)


def train_to_target(results: Results, data, *, quick: bool) -> pd.DataFrame:
    """Notes the seconds to 99%, each training in a fresh process; returns the rows of speed_curves.csv.

    If quick, Keras's example is left out, and the seconds of PyTorch's are estimated.
    """
    curves: list[tuple] = []

    def run(name, seed):
        curve = train(name, data, seed)
        curves.extend((name, seed, *point) for point in curve)
        end, accuracy = curve[-1]
        print(f"{name}, seed {seed}: {accuracy:.2%} in {end:.1f} s", flush=True)
        seconds = end if name == "ours" or accuracy >= TARGET else math.inf
        results.add(TO_TARGET, name, seconds=seconds, test_accuracy=accuracy)

    def estimate(repeat):
        part = first_images(data, *EXAMPLE_PART)
        ((seconds, _),) = train("pytorch_example", part, 0, target=0.0)
        seconds *= EXAMPLE_EPOCHS * len(data.train) / len(part.train)
        results.add(TO_TARGET, "pytorch_example", seconds=seconds)

    peers = {name: (partial(run, name), REPEATS) for name in TRAININGS if name != "ours"}
    peers = {"pytorch_example": (estimate, REPEATS)} if quick else peers
    turns.take_turns({"ours": (partial(run, "ours"), SEEDS), **peers}, TARGET_PATIENCE)
    accuracies = pd.Series(results[TO_TARGET, "ours", "test_accuracy"])
    mean, deviation = accuracies.mean(), accuracies.std()
    results.add(TO_TARGET, "ours", test_accuracy_mean=mean, test_accuracy_deviation=deviation)
    if mean < TARGET:  # then no time counts
        results[TO_TARGET, "ours", "seconds"] = [math.inf] * len(accuracies)
    for peer in peers:
        theirs, ours = (results.median(TO_TARGET, x, "seconds") for x in (peer, "ours"))
        # A missed goal is 0; NaN would be one that was not measured.
        ratio = theirs / ours if mean >= TARGET else 0.0
        results.add(TO_TARGET, peer, times_slower_than_ours=ratio)
    return pd.DataFrame(curves, columns=CURVES).round({"seconds": 3, "test_accuracy": 4})


def plot_curves(path: Path, curves: pd.DataFrame) -> None:
    """Draws a line for each training and a mark for each look at the test images."""
    import seaborn as sns
    from matplotlib.ticker import LogLocator, NullLocator, PercentFormatter

    from mnist_keras.evaluation.figures import new_axes

    table = curves.assign(training=[TRAININGS[name][1] for name in curves["contestant"]])
    axes = new_axes(None, height=4.5)
    marks = {"hue": "training", "style": "training", "markers": ["*", "o", "s"], "dashes": False}
    lines = {"x": "seconds", "y": "test_accuracy", "units": "seed", "estimator": None}
    sns.lineplot(table, **lines, **marks, markersize=11, palette="colorblind", ax=axes)
    axes.axhline(TARGET, color="0.4", linestyle="--", linewidth=1)
    axes.set(xscale="log", ylim=(0.97, 0.9955), ylabel="accuracy on the test images")
    axes.set_xlabel("seconds from loaded arrays to trained weights, tracing included")
    axes.xaxis.set(major_locator=LogLocator(subs=(1, 2, 5)), minor_locator=NullLocator())
    axes.xaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.figure.savefig(path)


def rate_product(results: Results, data) -> None:
    """Notes the best rate of a matrix product in either library, and the share of it that the wide model reaches."""
    best = 0.0
    for module in ("ours", "peers_torch"):
        with OwnProcess(module, data) as process:
            best = max(best, process.call("product_rate", sizes=PRODUCTS, seconds=PRODUCT_SECONDS))
    results.add("matrix_product", "float32", gflops=best / 1e9)
    images = len(data.train) // 128 * 128
    rate = WIDE_OPERATIONS * images / results.median(WIDE, "ours", "epoch_seconds")
    results.add(WIDE, "ours", share_of_float32_product=rate / best)


if __name__ == "__main__":
    run_command(main)
