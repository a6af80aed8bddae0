"""Times this library and others on the same machine and the same MNIST, in turns.

    python benchmarks/speed.py --data-dir DIR                             # half an hour on two cores
    python benchmarks/speed.py --data-dir DIR --quick                     # the headline ratios; runs/speed
    python benchmarks/speed.py --data-dir DIR --quick --stand-in avx2     # as on a CPU of a slower class

It writes speed.csv, and in full speed_curves.csv and speed.png, and needs PyTorch: the extra `bench`, or the CPU build
with `pip install torch --index-url https://download.pytorch.org/whl/cpu`. docs/results/speed.md says what is counted.
Slow trainers get fewer repeats; the column `repeats` counts them. Rows of other classes of CPU stay; all rows of this
class are replaced. With --quick, epochs are shorter and scaled to whole ones, and the seconds of PyTorch's example are
those of part of an epoch, times the epochs that it needed in the full runs.
"""

import contextlib
import importlib.util
import math
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import command
import machine
import pandas as pd
import tables
import turns
from turns import OwnProcess

from mnist_keras import _cpu
from mnist_keras._validation import InputError

COLUMNS = ["task", "contestant", "metric", "median", "ratio_to_ours", "repeats"]
CURVES = ["contestant", "seed", "seconds", "test_accuracy"]
TRAINERS = {  # the column `contestant` -> its module, which has a process of its own, and options of its `make`
    "ours": ("ours", {}),
    "ours_xla": ("ours", {"jit": True}),
    "ours_bfloat16": ("ours", {"precision": "mixed_bfloat16"}),
    "fit": ("peers_keras", {}),
    "fit_32_steps": ("peers_keras", {"steps_per_execution": 32}),
    "pytorch_dataloader": ("peers_torch", {}),
    "pytorch_resident": ("peers_torch", {"resident": True}),
    "pytorch_resident_fused": ("peers_torch", {"resident": True, "fused": True}),
    "scikit_learn": ("baselines", {}),
}
LOOPS = ("pytorch_dataloader", "pytorch_resident", "pytorch_resident_fused")
EPOCHS = {  # model -> who trains it, and the images of an epoch with --quick
    "mlp_128": (("ours", "ours_xla", "fit", "fit_32_steps", *LOOPS, "scikit_learn"), 60_000),
    "mlp_1024_128": (("ours", "ours_bfloat16", "fit", *LOOPS), 12_800),
    "cnn_2conv": (("ours", "ours_bfloat16", "fit", *LOOPS[:2]), 6_400),
}
QUICK_TRAINERS = ("ours", "ours_bfloat16", "fit", "pytorch_dataloader")
EXAMPLES = {  # trained to 99%: the column `contestant` -> its module, and what the plot calls it
    "ours": ("ours", "mnist_keras: cnn_fast"),
    "keras_example": ("peers_keras", "Keras: mnist_convnet, fit"),
    "pytorch_example": ("peers_torch", "PyTorch: official MNIST example"),
}
TARGET, TO_TARGET = 0.99, "to_99_percent"  # of the test images
EXAMPLE_PART = 6_400, 500  # images of PyTorch's example with --quick, to train on and to test on
EXAMPLE_EPOCHS = 4  # that it needs to 99%; results/speed_curves.csv
REPEATS, SEEDS = 3, 10  # of each trainer, of `cnn_fast`
EPOCHS_PER_REPEAT = 3  # since they are short
TARGET_PATIENCE, PATIENCE = 240, 40  # seconds, for trainings to 99%, for epochs
PRODUCTS = ((128, 784, 1024), *((n, n, n) for n in (1024, 2048, 4096)))  # rows, inner, columns
PRODUCT_SECONDS = 1.0
# Of a training step of `mlp_1024_128` per image: the output, the gradient of the weights and, but for the first layer,
# that of the inputs each cost two operations per weight.
WIDE, WIDE_OPERATIONS = "epoch_mlp_1024_128", 2 * (2 * 784 * 1024 + 3 * (1024 * 128 + 128 * 10))


def main() -> None:
    args = command.Parser(__doc__, quick=True, stand_in=True).parse_args()
    if importlib.util.find_spec("torch") is None:
        raise InputError('PyTorch is missing. Install it with: pip install "mnist-keras[bench]"')
    data = command.load_to_time(args, part=None)
    load, results = machine.load(), command.Results()
    for _ in measure(results, data, args.out, quick=args.quick):
        rows = results.rows(COLUMNS, "ours")
        table = pd.concat([machine_rows(load, args.quick), rows])
        command.update_class(args.out / "speed.csv", table[COLUMNS])
    print(rows.to_string(index=False))
    here = headlines(args.out).query("`class` == @machine.cpu()")
    print(f"\n{tables.fill('headlines', here)}\n\nload before: {load:.2f}; {machine.summary()}")


def measure(results: command.Results, data, out: Path, *, quick: bool) -> Iterator[None]:
    """Notes epochs, seconds to 99% and predictions, and in full also the input pipeline; yields after each part."""
    for model in EPOCHS:
        time_epochs(results, model, data, quick=quick)
        yield
    curves = train_to_target(results, data, quick=quick)
    if not quick:
        command.write_rows(out / "speed_curves.csv", curves)
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
    """Returns what the times depend on, as rows; `load` was measured before."""
    from mnist_keras import get_model_spec
    from mnist_keras.training.devices import choose_precision

    precision = choose_precision(get_model_spec("cnn_fast").recipe.precision, wide=True)
    facts = {**machine.facts(), "summary": machine.summary(), "load_average_before": f"{load:.2f}"}
    facts |= {"precision_of_cnn_fast": precision, "run": "quick" if quick else "full"}
    return pd.DataFrame({"task": "machine", "metric": list(facts), "median": list(facts.values())})


def time_epochs(results: command.Results, model: str, data, *, quick: bool) -> None:
    """Notes seconds of the epochs after the first, and the accuracy after all of them.

    If quick, epochs are shorter and scaled to whole ones, and some trainers are left out.
    """
    (names, images), task = EPOCHS[model], f"epoch_{model}"
    part = command.first_images(data, images) if quick else data
    scale, repeats = len(data.train) / len(part.train), 1 if quick else REPEATS
    calls, processes = {}, {}
    with contextlib.ExitStack() as stack:
        for name in names:
            module, options = TRAINERS[name]
            slow = name == "ours_bfloat16" and _cpu.cpu_class() not in _cpu.BFLOAT16_CLASSES
            if slow or (quick and name not in QUICK_TRAINERS):
                continue
            if module not in processes:
                environment = machine.environment(module, convolutional="cnn" in model)
                processes[module] = stack.enter_context(OwnProcess(module, part, environment))
            calls[name] = partial(processes[module].call, model=model, **options)

        def run(name, repeat):
            seconds = calls[name]("time_epoch")
            results.add(task, name, epoch_seconds=scale * seconds)

        for call in calls.values():
            call("time_epoch")  # the first epoch, which traces and compiles
        runs = {name: (partial(run, name), EPOCHS_PER_REPEAT * repeats) for name in calls}
        turns.take_turns(runs, PATIENCE)
        for name, call in calls.items():
            epochs = 1 + len(results[task, name, "epoch_seconds"])
            results.add(task, name, test_accuracy=call("measure_accuracy"), epochs_trained=epochs)
            seconds = results.median(task, name, "epoch_seconds")
            print(f"{task}, {name}: {seconds:.3f} s an epoch", flush=True)


def train(name: str, data, seed: int, target: float = TARGET) -> list[tuple[float, float]]:
    """Returns the curve of an example's training in a fresh process."""
    module, _ = EXAMPLES[name]
    with OwnProcess(module, data, machine.environment(module, convolutional=True)) as process:
        time.sleep(turns.REST)
        return process.call("train_to", target=target, seed=seed)


def train_to_target(results: command.Results, data, *, quick: bool) -> pd.DataFrame:
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
        part = command.first_images(data, *EXAMPLE_PART)
        ((seconds, _),) = train("pytorch_example", part, 0, target=0.0)
        seconds *= EXAMPLE_EPOCHS * len(data.train) / len(part.train)
        results.add(TO_TARGET, "pytorch_example", seconds=seconds)

    others = {name: (partial(run, name), REPEATS) for name in EXAMPLES if name != "ours"}
    others = {"pytorch_example": (estimate, REPEATS)} if quick else others
    turns.take_turns({"ours": (partial(run, "ours"), SEEDS), **others}, TARGET_PATIENCE)
    accuracies = pd.Series(results[TO_TARGET, "ours", "test_accuracy"])
    mean, deviation = accuracies.mean(), accuracies.std()
    results.add(TO_TARGET, "ours", test_accuracy_mean=mean, test_accuracy_deviation=deviation)
    if mean < TARGET:  # then no time counts
        results[TO_TARGET, "ours", "seconds"] = [math.inf] * len(accuracies)
    for name in others:
        theirs, ours = (results.median(TO_TARGET, x, "seconds") for x in (name, "ours"))
        # A missed goal is 0; NaN would be one that was not measured.
        ratio = theirs / ours if mean >= TARGET else 0.0
        results.add(TO_TARGET, name, times_slower_than_ours=ratio)
    return pd.DataFrame(curves, columns=CURVES).round({"seconds": 3, "test_accuracy": 4})


def plot_curves(path: Path, curves: pd.DataFrame) -> None:
    """Draws a line for each training and a mark for each evaluation."""
    import seaborn as sns
    from matplotlib.ticker import LogLocator, NullLocator, PercentFormatter

    from mnist_keras.evaluation.figures import new_axes

    table = curves.assign(training=[EXAMPLES[name][1] for name in curves["contestant"]])
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


def rate_product(results: command.Results, data) -> None:
    """Notes the best rate of a matrix product in TensorFlow or PyTorch, and which share of it `WIDE` reaches."""
    best = 0.0
    for module in ("ours", "peers_torch"):
        with OwnProcess(module, data) as process:
            best = max(best, process.call("product_rate", sizes=PRODUCTS, seconds=PRODUCT_SECONDS))
    results.add("matrix_product", "float32", gflops=best / 1e9)
    images = len(data.train) // 128 * 128
    rate = WIDE_OPERATIONS * images / results.median(WIDE, "ours", "epoch_seconds")
    results.add(WIDE, "ours", share_of_float32_product=rate / best)


def headlines(results: Path) -> pd.DataFrame:
    """Returns for each class of CPU the seconds to 99%, and how many times as long the other libraries take."""
    epochs = {"keys": "epoch_(?P<model>.*)/(?P<contestant>.*)/epoch_seconds"}
    table = tables.spread(results, "speed.csv", ["class"], ["model", "contestant"], **epochs)
    for model in ("mlp_128", "mlp_1024_128", "cnn_2conv"):
        ours = table.filter(regex=f"^{model}_ours(_bfloat16)?$").min(axis=1)  # the faster precision
        for peer in ("fit", "pytorch_dataloader"):
            table[f"{model}_{peer}"] /= ours
    to_target = {"keys": "to_99_percent/(?P<contestant>.*)/(?P<metric>seconds|times.*)"}
    target = tables.spread(results, "speed.csv", ["class"], ["contestant", "metric"], **to_target)
    return table.merge(target, on="class")


def machines(results: Path) -> pd.DataFrame:
    """Returns the machine of each class of CPU; all results of a class must be from one."""
    rows = pd.read_csv(results / "speed.csv").query("task == 'machine'")
    facts = rows.pivot(index="class", columns="metric", values="median")
    others = pd.read_csv(results / "choices.csv").groupby("class")["machine"].unique()
    for cpu, summary in facts["summary"].items():
        if len(names := {summary, *others.get(cpu, ())}) > 1:
            raise InputError(
                f"The results of the class {cpu} are from different machines or versions. Run speed.py and choices.py "
                "on one:\n" + "\n".join(sorted(names))
            )
    return facts.loc[rows["class"].unique()].reset_index()


if __name__ == "__main__":
    command.run_command(main)
