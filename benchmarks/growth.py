"""Measures what an image costs as the data grows: in memory, and read from ArrayRecord files.

    python benchmarks/growth.py --data-dir DIR           # about a quarter of an hour on two cores
    python benchmarks/growth.py --data-dir DIR --quick   # a few images of everything, written to runs/growth

Writes benchmarks/results/growth.csv. `mlp_128` is trained at batch 128 on MNIST's training images, repeated. Each
measurement has a process of its own, and the sizes take turns. Times are of whole epochs, the first one, into which
tracing falls, not counted: the median of five in memory, one from files, and then the median of the processes. Memory
is a process's peak resident set, TensorFlow's own included; one that trains from files has read every image twice.
The files lie in a temporary directory, PNG images as TensorFlow Datasets stores them, and are written before in another
process; what the machine keeps of them in its file cache is in no process's memory.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import machine
from command import run_command
from goals import GROWTH_LIMIT
from tabular import RESULTS, ROOT, named, write_rows

COLUMNS = ("data", "images", "metric", "median", "ratio_to_first", "limit", "repeats", "machine")
SIZES = {"memory": (60_000, 120_000, 300_000, 600_000, 1_200_000), "records": (60_000, 600_000)}
QUICK_SIZES = {"memory": (256, 512), "records": (256, 512)}
EPOCHS = {"memory": 6, "records": 2}  # the first of them is not counted
SHARD_IMAGES = 60_000  # of a file; array_record copies a file's index at every read of it
BATCH_SIZE = 128


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", type=Path, required=True, help="directory with MNIST's files")
    parser.add_argument("--repeats", type=int, default=3, help="processes of each (default: 3)")
    parser.add_argument("--quick", action="store_true", help="once, with few images: a smoke test")
    parser.add_argument("--out", type=Path, help="directory of the results")
    parser.add_argument("--step", choices=["write", "memory", "records"], help=argparse.SUPPRESS)
    parser.add_argument("--images", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--files", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.step == "write":
        write_files(args.data_dir, args.images, args.files)
        return
    if args.step:
        print(json.dumps(measure(args.step, args.data_dir, args.images, args.files)))
        return

    if not args.quick:
        machine.wait_for_quiet()
    sizes, repeats = (QUICK_SIZES, 1) if args.quick else (SIZES, args.repeats)
    values: dict[tuple[str, int, str], list[float]] = {}
    with tempfile.TemporaryDirectory() as directory:
        for count in sizes["records"]:
            run_step("write", args.data_dir, count, Path(directory))
        for _ in range(repeats):
            for data, counts in sizes.items():
                for count in counts:
                    measured = run_step(data, args.data_dir, count, Path(directory))
                    for metric, value in json.loads(measured).items():
                        values.setdefault((data, count, metric), []).append(value)
                    print(f"{data}, {count:,} images: {measured.strip()}", flush=True)
    out = args.out or (ROOT / "runs" / "growth" if args.quick else RESULTS)
    out.mkdir(parents=True, exist_ok=True)
    found = named(COLUMNS, [(*row, machine.summary()) for row in rows(values)])
    write_rows(out / "growth.csv", found, columns=COLUMNS)
    print((out / "growth.csv").read_text(encoding="utf-8"), end="")


def run_step(step: str, data_dir: Path, count: int, files: Path) -> str:
    """Runs a step in a fresh process; returns the last line that it prints."""
    command = [sys.executable, __file__, "--step", step, "--images", str(count)]
    command += ["--data-dir", str(data_dir), "--files", str(files)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr}")
    return (done.stdout.splitlines() or [""])[-1]


def rows(values: dict[tuple[str, int, str], list[float]]) -> list[tuple]:
    """Returns the rows of growth.csv; what memory grows by is a row of its own."""
    result = []
    first: dict[tuple[str, str], float] = {}
    for (data, count, metric), measured in values.items():
        median = statistics.median(measured)
        base = first.setdefault((data, metric), median)
        held = metric == "microseconds_per_image" or data == "records"
        limit, ratio = (f"{GROWTH_LIMIT:.2f}" if held else ""), f"{median / base:.3f}"
        result.append((data, count, metric, f"{median:.5g}", ratio, limit, len(measured)))
        if metric == "peak_megabytes" and data == "records" and median is not base:
            growth = f"{median - base:.1f}"
            result.append((data, count, "growth_megabytes", growth, "", "", len(measured)))
    return result


def repeated(data_dir: Path, count: int):
    """Returns MNIST's training images and labels, over and over."""
    import numpy as np

    from mnist_keras import load_data

    (images, labels), _ = load_data("mnist", data_dir=data_dir)
    times = -(-count // len(images))
    return np.concatenate([images] * times)[:count], np.concatenate([labels] * times)[:count]


def write_files(data_dir: Path, count: int, directory: Path) -> None:
    """Writes ArrayRecord files as TensorFlow Datasets does, below a directory for the number of images."""
    import tensorflow as tf
    import tensorflow_datasets as tfds

    images, labels = repeated(data_dir, count)
    features = {
        "image": tfds.features.Image(shape=(28, 28, 1)),
        "label": tfds.features.ClassLabel(num_classes=10),
    }
    columns = {"image": images[..., None], "label": labels}
    tfds.dataset_builders.store_as_tfds_dataset(
        "digits",
        version="1.0.0",
        features=tfds.features.FeaturesDict(features),
        split_datasets={"train": tf.data.Dataset.from_tensor_slices(columns)},
        data_dir=directory / str(count),
        file_format="array_record",
        download_config=tfds.download.DownloadConfig(num_shards=-(-count // SHARD_IMAGES)),
        disable_shuffling=True,
    )


def measure(data: str, data_dir: Path, count: int, files: Path) -> dict[str, float]:
    """Trains for some epochs; returns the time per image and the peak of this process's memory."""
    import tensorflow as tf

    from mnist_keras import create_model, get_model_spec, open_records
    from mnist_keras.data.batches import make_batch_source
    from mnist_keras.data.splits import as_split
    from mnist_keras.training.compile import compile_model
    from mnist_keras.training.devices import choose_jit
    from mnist_keras.training.loop import TrainingLoop

    if data == "memory":
        source = make_batch_source(as_split(*repeated(data_dir, count)), batch_size=BATCH_SIZE)
    else:
        records = open_records("digits", data_dir=files / str(count))
        source = make_batch_source(records, batch_size=BATCH_SIZE)
    model = create_model("mlp_128")
    compile_model(model, get_model_spec("mlp_128").recipe.replace(batch_size=BATCH_SIZE), 1)
    jit = choose_jit("auto", model, num_replicas=1)
    loop = TrainingLoop(model, tf.distribute.get_strategy(), source, seed=0, jit=jit)
    seconds = []
    for number in range(1, EPOCHS[data] + 1):  # of this many epochs, all but the last are done
        begun = time.perf_counter()
        loop.run(number)
        seconds.append(time.perf_counter() - begun)
    images = source.steps_per_epoch * BATCH_SIZE
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, KiB on Linux
    return {
        "microseconds_per_image": 1e6 * statistics.median(seconds[1:]) / images,
        "peak_megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6,
    }


if __name__ == "__main__":
    run_command(main)
