"""Times ours and the peers side by side: one process, the same MNIST, turn by turn.

    python benchmarks/speed.py --data-dir DIR           # about a quarter of an hour on two cores
    python benchmarks/speed.py --data-dir DIR --quick   # a few steps of everything, written to runs/speed

Writes `speed.csv`, `speed_curves.csv` and `speed.png` to benchmarks/results. It needs the extra `bench`; PyTorch's CPU
build comes with `pip install torch --index-url https://download.pytorch.org/whl/cpu`.

What is counted is the same for all. An epoch: its wall time, after a first one that is given apart (tracing falls into
it). A training to 99 %: from the uint8 arrays in memory to the end of the first epoch with 99.0 % of the test images
right; making the net, converting the arrays and tracing are in it, imports and every evaluation are not. The test
images only stop the peers, each at its first epoch that is good enough; `cnn_fast` ends where its recipe ends. A
contestant whose counted runs have taken more than `PATIENCE` seconds is not repeated; the column `repeats` tells.
"""

import argparse
import csv
import dataclasses
import importlib.metadata
import importlib.util
import math
import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
COLUMNS = ("task", "contestant", "metric", "median", "ratio_to_ours", "repeats")
TARGET = 0.99  # of the test images
PATIENCE = 60  # seconds
VERSIONS = ("mnist-keras", "tensorflow", "keras", "torch", "scikit-learn", "numpy")
WIDE_MLP = (784, 1024, 128, 10)  # `mlp_1024_128`


@dataclasses.dataclass(frozen=True)
class Work:
    """How much of everything is measured.

    Attributes:
        repeats: Counted runs of each contestant, as long as patience lasts.
        max_epochs: Of a peer on its way to 99 %; as many as the peer's source trains if None.
        num_steps: Batches by which the pipeline is timed.
        num_calls: Predictions of one image that are timed; memory is watched over 20 times as many.
        product_seconds: For a matrix product of one size.
        transforms: Names in `rates.TRANSFORMS`; all if None.
        nets: Registered nets whose pipeline is timed; all if None.
        predicting: Nets whose prediction is timed.
    """

    repeats: int = 3
    max_epochs: int | None = None
    num_steps: int = 300
    num_calls: int = 500
    product_seconds: float = 1.0
    transforms: tuple[str, ...] | None = None
    nets: tuple[str, ...] | None = None
    predicting: tuple[str, ...] = ("mlp_128", "cnn_fast")


QUICK = Work(
    repeats=1,
    max_epochs=1,
    num_steps=2,
    num_calls=20,
    product_seconds=0.01,
    transforms=("plain", "affine"),
    nets=("mlp_128",),
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

    import tensorflow as tf
    from curves import plot_curves, write_curves
    from rates import measure_pipeline, measure_prediction

    from mnist_keras import load_data

    tf.get_logger().setLevel("ERROR")  # every net is traced on purpose
    load = os.getloadavg()[0]
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
    time_epochs_of_mlp_128(results, data, work)
    time_epochs_of_mlp_1024_128(results, data, work)
    time_epochs_of_cnn_2conv(results, data, work)
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
    from mnist_keras.doctor import examine

    cpu = examine()["cpu"]
    instructions = [name for name, there in (cpu["instructions"] or {}).items() if there]
    facts = {
        "cpu": cpu["model"],
        "cores": cpu["cores"],
        "load_average_before": f"{load:.2f}",
        "instructions": " ".join(instructions),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in VERSIONS},
    }
    return [("machine", "", name, value, "", "") for name, value in facts.items()]


def take_turns(runs: dict[str, Callable[[int], object]], repeats: int) -> None:
    """Calls each with the number of the repeat, one after the other, as long as patience lasts."""
    spent = dict.fromkeys(runs, 0.0)
    for repeat in range(repeats):
        for name, run in runs.items():
            if spent[name] < PATIENCE:
                start = time.perf_counter()
                run(repeat)
                spent[name] += time.perf_counter() - start


def time_to_target(results: Results, data, work: Work) -> list[tuple]:
    """Notes the seconds to 99 %; returns the rows of speed_curves.csv."""
    from contestants import train_cnn_fast, train_keras_example
    from peers_torch import train_pytorch_example
    from stopwatch import seconds_to

    limit = {} if work.max_epochs is None else {"max_epochs": work.max_epochs}
    trainings = {
        "ours": lambda seed: train_cnn_fast(data, seed=seed),
        "keras_example": lambda seed: train_keras_example(data, seed=seed, target=TARGET, **limit),
        "pytorch_example": lambda seed: train_pytorch_example(
            data, seed=seed, target=TARGET, **limit
        ),
    }
    curves = []

    def run(name, seed):
        curve = trainings[name](seed)
        curves.extend((name, seed, seconds, accuracy) for seconds, accuracy in curve)
        if seed == 0:  # what else a process does once is in it
            results.add("to_99_percent", name, "first_seconds", seconds_to(TARGET, curve))
        results.add("to_99_percent", name, "seconds", seconds_to(TARGET, curve))
        results.add("to_99_percent", name, "training_seconds", curve[-1][0])
        results.add("to_99_percent", name, "test_accuracy", curve[-1][1])
        print(f"{name}, seed {seed}: {curve[-1][1]:.2%} in {curve[-1][0]:.1f} s", flush=True)

    take_turns({name: lambda seed, name=name: run(name, seed) for name in trainings}, work.repeats)
    return curves


def time_epochs(results: Results, task: str, contestants: dict, data, work: Work) -> None:
    """Notes seconds of the first epoch and of later ones, and the accuracy after all of them."""

    def run(name, metric):
        start = time.perf_counter()
        contestants[name].epoch()
        results.add(task, name, metric, time.perf_counter() - start)

    for name in contestants:
        run(name, "first_epoch_seconds")
    take_turns(
        {name: lambda _, name=name: run(name, "epoch_seconds") for name in contestants},
        work.repeats,
    )
    for name, contestant in contestants.items():
        accuracy = (contestant.predict(data.test_images) == data.test_labels).mean()
        results.add(task, name, "test_accuracy", float(accuracy))
        seconds = results.median(task, name, "epoch_seconds")
        print(f"{task}, {name}: {seconds:.3f} s an epoch", flush=True)


def time_epochs_of_mlp_128(results: Results, data, work: Work) -> None:
    from contestants import Fit, Ours, ScikitLearn
    from peers_torch import PlainLoop, make_mlp

    adam = {"batch_size": 128, "optimizer": "adam"}
    contestants = {
        "ours": Ours("mlp_128", data, batch_size=128),
        "fit": Fit("mlp_128", data, **adam),
        "pytorch_dataloader": PlainLoop(make_mlp(128), data, **adam),
        "pytorch_resident": PlainLoop(make_mlp(128), data, **adam, resident=True),
        "pytorch_resident_fused": PlainLoop(make_mlp(128), data, **adam, resident=True, fused=True),
        "scikit_learn": ScikitLearn(data, hidden_units=(128,), batch_size=128),
    }
    time_epochs(results, "epoch_mlp_128", contestants, data, work)


def time_epochs_of_mlp_1024_128(results: Results, data, work: Work) -> None:
    """Times the wide dense net, and its rate as a share of what a matrix product reaches."""
    from contestants import Fit, Ours
    from peers_torch import PlainLoop, make_mlp
    from rates import matrix_rate, training_operations

    task, adam = "epoch_mlp_1024_128", {"batch_size": 128, "optimizer": "adam"}
    contestants = {
        "ours": Ours("mlp_1024_128", data, batch_size=128, precision="float32"),
        "ours_bfloat16": Ours("mlp_1024_128", data, batch_size=128, precision="mixed_bfloat16"),
        "fit": Fit("mlp_1024_128", data, **adam),
        "pytorch_resident": PlainLoop(make_mlp(1024, 128), data, **adam, resident=True),
        "pytorch_resident_fused": PlainLoop(
            make_mlp(1024, 128), data, **adam, resident=True, fused=True
        ),
    }
    ceilings = dict.fromkeys(("float32", "bfloat16"), 0.0)

    def find_ceilings():
        for dtype in ceilings:
            ceilings[dtype] = max(ceilings[dtype], matrix_rate(dtype, seconds=work.product_seconds))

    find_ceilings()  # before and after: the machine's clock may change in between
    time_epochs(results, task, contestants, data, work)
    find_ceilings()
    for dtype, rate in ceilings.items():
        results.add("matrix_product", dtype, "gflops", rate / 1e9)
    operations = training_operations(WIDE_MLP) * len(data.train_images)
    for name in contestants:
        rate = operations / results.median(task, name, "epoch_seconds")
        dtype = "bfloat16" if name == "ours_bfloat16" else "float32"
        results.add(task, name, "gflops", rate / 1e9)
        results.add(task, name, f"share_of_{dtype}_product", rate / ceilings[dtype])


def time_epochs_of_cnn_2conv(results: Results, data, work: Work) -> None:
    from contestants import Fit, Ours
    from keras.optimizers import SGD
    from peers_torch import PlainLoop, make_cnn_2conv

    sgd = {"batch_size": 64, "optimizer": "sgd"}
    contestants = {
        "ours": Ours("cnn_2conv", data, batch_size=64),
        "fit": Fit("cnn_2conv", data, batch_size=64, optimizer=SGD(0.05)),
        "pytorch_dataloader": PlainLoop(make_cnn_2conv(), data, **sgd),
        "pytorch_resident": PlainLoop(make_cnn_2conv(), data, **sgd, resident=True),
    }
    time_epochs(results, "epoch_cnn_2conv", contestants, data, work)


if __name__ == "__main__":
    main()
