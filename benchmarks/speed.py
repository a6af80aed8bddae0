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
import dataclasses
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
from tabular import RESULTS, read_rows, write_rows
from turns import OwnProcess

from mnist_keras import _cpu
from mnist_keras._validation import InputError

KEY = ["task", "contestant", "metric"]
CURVES = ("contestant", "seed", "seconds", "test_accuracy")
REPEATS, SEEDS = 3, 10  # of each contestant, of `cnn_fast`
PRODUCT_SECONDS = 1.0
TARGET = 0.99  # of the test images
TARGET_PATIENCE, PATIENCE = 900, 40  # seconds, for trainings to 99%, for epochs
EPOCHS_PER_REPEAT = 3  # epochs are short
TASKS = {  # -> images of an epoch with --quick
    "epoch_mlp_128": 60_000,
    "epoch_mlp_1024_128": 12_800,
    "epoch_cnn_2conv": 6_400,
}
QUICK_CONTESTANTS = {"ours", "ours_bfloat16", "fit", "pytorch_dataloader"}
QUICK_SEEDS, EXAMPLE_PART = 3, 6_400  # images of an epoch of PyTorch's example
MODULES = ("ours", "peers_keras", "peers_torch", "peers_sklearn")  # a process each
PRODUCTS = ((128, 784, 1024), *((n, n, n) for n in (1024, 2048, 4096)))  # rows, inner, columns
# Of a training step of `mlp_1024_128` per image: the output, the gradient of the weights and, but for the first layer,
# that of the inputs each cost two operations per weight.
WIDE_OPERATIONS = 2 * (2 * 784 * 1024 + 3 * (1024 * 128 + 128 * 10))


class Results:
    """Values by task, contestant and metric, in the order in which they came."""

    def __init__(self):
        self.values: dict[tuple[str, str, str], list[float]] = {}

    def add(self, task: str, contestant: str, **metrics: float) -> None:
        for metric, value in metrics.items():
            self.values.setdefault((task, contestant, metric), []).append(value)

    def of(self, *key: str) -> pd.Series:
        return pd.Series(self.values.get(key, []), dtype=float)

    def rows(self) -> pd.DataFrame:
        """Returns the rows of speed.csv; a ratio is the contestant's median over ours."""
        rows = []
        for (task, contestant, metric), values in self.values.items():
            median = pd.Series(values).median()
            ours = self.of(task, "ours", metric).median()
            ratio = f"{median / ours:.3f}" if ours and math.isfinite(ours) else ""
            rows.append((task, contestant, metric, f"{median:.5g}", ratio, str(len(values))))
        return pd.DataFrame(rows, columns=[*KEY, "median", "ratio_to_ours", "repeats"])


def main() -> None:
    quick = "only the headline ratios, in some minutes"
    args = make_parser(__doc__, quick=quick, stand_in=True).parse_args()
    if importlib.util.find_spec("torch") is None:
        raise InputError('PyTorch is missing. Install it with: pip install "mnist-keras[bench]"')
    out, data = results_directory(args, "speed"), load_to_time(args, part=None)
    load, results = machine.load(), Results()
    measure = measure_headlines if args.quick else measure_everything
    for _ in measure(results, data, out):  # what is measured is saved as it comes
        rows = results.rows()
        table = pd.concat([machine_rows(load, args.quick), rows])
        update_class(out / "speed.csv", table, rows.columns)
    print(rows.to_string(index=False))


def update_class(path: Path, rows: pd.DataFrame, columns) -> None:
    """Writes the rows of this class of CPU; those of others stay, and all are in the order of the classes."""
    old, here = read_rows(path), machine.cpu()
    kept = old[old["class"] != here] if len(old) else old
    rows = pd.concat([kept, rows.assign(**{"class": here})], ignore_index=True)
    order = rows["class"].map(machine.CLASSES.index).sort_values(kind="stable").index
    write_rows(path, rows.loc[order], columns=["class", *columns])


def measure_everything(results, data, out: Path) -> Iterator[None]:
    curves = train_to_target(results, data, SEEDS, REPEATS)
    write_rows(out / "speed_curves.csv", curves, columns=CURVES)
    plot_curves(out / "speed.png", curves)
    ceilings = matrix_rates(results, data, PRODUCT_SECONDS)
    for task in TASKS:
        time_epochs(results, task, data, REPEATS)
    note_rates(results, ceilings, len(data.train) // 128 * 128)

    import rates  # TensorFlow, from here on in this process

    rates.measure_pipeline(results, data, quick=False)
    rates.measure_prediction(results, data, quick=False)
    rates.measure_throughput(results, data, quick=False)
    yield


def measure_headlines(results, data, out: Path) -> Iterator[None]:
    """Notes our epochs beside those of `fit` and PyTorch, on parts of the images, and the seconds to 99%."""
    for task, count in TASKS.items():
        part = first_images(data, count)
        time_epochs(results, task, part, 1, QUICK_CONTESTANTS, len(data.train) / len(part.train))
        yield
    train_to_target(results, data, QUICK_SEEDS, 1, example_part=EXAMPLE_PART)
    yield
    import rates

    rates.measure_throughput(results, data, quick=True)
    yield


def machine_rows(load: float, quick: bool) -> pd.DataFrame:
    """Returns what the times depend on, as rows; the load is that of the minute before."""
    from mnist_keras import get_model_spec
    from mnist_keras.training.devices import choose_precision

    precision = choose_precision(get_model_spec("cnn_fast").recipe.precision, wide=True)
    facts = {**machine.facts(), "summary": machine.summary(), "load_average_before": f"{load:.2f}"}
    facts |= {"precision_of_cnn_fast": precision, "run": "quick" if quick else "full"}
    return pd.DataFrame({"task": "machine", "metric": list(facts), "median": list(facts.values())})


def train_to_target(
    results: Results, data, num_seeds: int, repeats: int, example_part: int = 0
) -> pd.DataFrame:
    """Notes the seconds to 99%, each training in a fresh process; returns the rows of speed_curves.csv.

    With `example_part`, only so many images are trained by PyTorch's example, once; and none by Keras's.
    """
    task, curves = "to_99_percent", []
    trainings = {
        "ours": ("ours", "train_cnn_fast", {}),
        "keras_example": ("peers_keras", "train_keras_example", {"target": TARGET}),
        "pytorch_example": ("peers_torch", "train_pytorch_example", {"target": TARGET}),
    }
    if example_part:
        del trainings["keras_example"]
    environments = {
        "ours": machine.our_environment(convolutional=True),
        "keras_example": machine.peer_environment(),
    }

    def run(name, seed):
        module, function, arguments = trainings[name]
        with OwnProcess(module, data, environments.get(name)) as process:
            time.sleep(turns.REST)
            curve = process.call(function, seed=seed, **arguments)
        curves.extend((name, seed, f"{x:.3f}", f"{accuracy:.4f}") for x, accuracy in curve)
        end, accuracy = curve[-1]
        seconds = end if name == "ours" else turns.seconds_to(TARGET, curve)
        metrics = {"seconds": seconds, "training_seconds": end, "test_accuracy": accuracy}
        results.add(task, name, **metrics)
        print(f"{name}, seed {seed}: {accuracy:.2%} in {end:.1f} s", flush=True)

    seeds = range(num_seeds)

    def run_ours(repeat):  # some of the seeds in each turn
        for seed in seeds[repeat::repeats]:
            run("ours", seed)

    def estimate(repeat):
        part = first_images(data, example_part)
        part = dataclasses.replace(part, test=part.test.take(range(min(500, len(part.test)))))
        with OwnProcess("peers_torch", part) as process:
            ((seconds, _),) = process.call("train_pytorch_example", seed=0, target=0.0)
        whole = seconds * len(data.train) / len(part.train)
        results.add(task, "pytorch_example", epoch_seconds=whole, seconds=whole * example_epochs())

    runs = {name: (partial(run, name), repeats) for name in trainings}
    if example_part:
        runs["pytorch_example"] = (estimate, 1)
    turns.take_turns(runs | {"ours": (run_ours, repeats)}, TARGET_PATIENCE)
    accuracies = results.of(task, "ours", "test_accuracy")
    if accuracies.mean() < TARGET:
        results.values[task, "ours", "seconds"] = [math.inf] * len(accuracies)
    moments = {"mean": accuracies.mean(), "deviation": accuracies.std()}
    results.add(task, "ours", **{f"test_accuracy_{name}": x for name, x in moments.items()})
    for peer in list(trainings)[1:]:
        theirs, ours = (results.of(task, name, "seconds").median() for name in (peer, "ours"))
        # Without the accuracy, no time counts: 0 is a missed goal, NaN would be one that was not measured.
        ratio = theirs / ours if math.isfinite(ours) else 0.0
        results.add(task, peer, times_slower_than_ours=ratio)
    return pd.DataFrame(curves, columns=CURVES)


def example_epochs() -> float:
    """Returns how many epochs PyTorch's example needed to 99%: the median of the full runs."""
    curves = read_rows(RESULTS / "speed_curves.csv").query("contestant == 'pytorch_example'")
    return float(curves.groupby("seed").size().median())


def plot_curves(path: Path, curves: pd.DataFrame) -> None:
    """Draws a line for each training and a mark for each look at the test images."""
    import seaborn as sns
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, NullLocator, PercentFormatter

    names = {
        "ours": "mnist_keras: cnn_fast",
        "keras_example": "Keras: mnist_convnet, fit",
        "pytorch_example": "PyTorch: official MNIST example",
    }
    table = curves.astype({"seconds": float, "test_accuracy": float})
    table["training"] = table["contestant"].map(names)
    figure = Figure(figsize=(8, 4.5), dpi=100, layout="constrained")  # inches, dots per inch
    axes = figure.subplots()
    marks = {"hue": "training", "style": "training", "markers": ["*", "o", "s"], "dashes": False}
    lines = {"x": "seconds", "y": "test_accuracy", "units": "seed", "estimator": None}
    sns.lineplot(table, **lines, **marks, markersize=11, palette="colorblind", ax=axes)
    axes.axhline(TARGET, color="0.4", linestyle="--", linewidth=1)
    axes.set(xscale="log", ylim=(0.97, 0.9955), ylabel="accuracy on the test images")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.set_xlabel("seconds from loaded arrays to trained weights, tracing included")
    figure.savefig(path)


def time_epochs(
    results: Results, task: str, data, repeats: int, names: set[str] | None = None, scale: float = 1
) -> None:
    """Notes seconds of the first epoch and of later ones, and the accuracy after all of them.

    `names` leaves out other contestants; `scale` is that of a whole epoch.
    """
    convolutional = "cnn" in task
    environments = {
        "ours": machine.our_environment(convolutional=convolutional),
        "peers_keras": machine.peer_environment(),
    }
    with contextlib.ExitStack() as stack:
        processes = [
            stack.enter_context(OwnProcess(module, data, environments.get(module)))
            for module in (MODULES[:3] if names else MODULES)
        ]
        homes = {
            name: process
            for process in processes
            for name in process.call("enter", task=task)
            if names is None or name in names
            if name != "ours_bfloat16" or _cpu.cpu_class() in _cpu.BFLOAT16_CLASSES
        }
        _time_epochs(results, task, homes, repeats, scale)


def _time_epochs(results, task, homes, repeats, scale):
    def run(name, metric, repeat=0):
        seconds = homes[name].call("time_epoch", name=name)
        results.add(task, name, **{metric: scale * seconds})

    for name in homes:
        run(name, "first_epoch_seconds")
    epochs = EPOCHS_PER_REPEAT * repeats
    turns.take_turns({x: (partial(run, x, "epoch_seconds"), epochs) for x in homes}, PATIENCE)
    for name, home in homes.items():
        seconds = results.of(task, name, "epoch_seconds")
        accuracy = home.call("measure_accuracy", name=name)
        results.add(task, name, test_accuracy=accuracy, epochs_trained=1 + len(seconds))
        print(f"{task}, {name}: {seconds.median():.3f} s an epoch", flush=True)


def matrix_rates(results: Results, data, seconds: float) -> dict[str, float]:
    """Notes the best rates that a matrix product reaches in either library, in operations a second by dtype."""
    best: dict[str, float] = {}
    for module, library in (("ours", "tensorflow"), ("peers_torch", "pytorch")):
        with OwnProcess(module, data) as process:
            rates = process.call("matrix_rates", sizes=PRODUCTS, seconds=seconds)
        for dtype, rate in rates.items():
            results.add(f"matrix_product_{library}", dtype, gflops=rate / 1e9)
            best[dtype] = max(best.get(dtype, 0.0), rate)
    for dtype, rate in best.items():
        results.add("matrix_product", dtype, gflops=rate / 1e9)
    return best


def note_rates(results: Results, ceilings: dict[str, float], num_images: int) -> None:
    """Notes the rate of the wide dense model, and its share of what a matrix product reaches."""
    task = "epoch_mlp_1024_128"
    for name in [key[1] for key in results.values if key[::2] == (task, "epoch_seconds")]:
        seconds = results.of(task, name, "epoch_seconds").median()
        dtype = "bfloat16" if name == "ours_bfloat16" else "float32"
        rate = WIDE_OPERATIONS * num_images / seconds
        share = {f"share_of_{dtype}_product": rate / ceilings[dtype]}
        results.add(task, name, gflops=rate / 1e9, **share)


if __name__ == "__main__":
    run_command(main)
