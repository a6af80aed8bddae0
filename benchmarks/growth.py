"""Measures what an image costs as the data grows: in memory, and read from ArrayRecord files.

    python benchmarks/growth.py --data-dir DIR           # 15 minutes on two cores; results/growth.csv
    python benchmarks/growth.py --data-dir DIR --quick   # a few images; runs/growth

`mlp_128` is trained at batch size 128 on repeated copies of MNIST's training images. Each measurement runs in its own
process, and the sizes take turns. Times are medians of whole epochs after the first. Memory is the peak resident set of
a process, including TensorFlow. Another process writes the files before, with PNG images, as TensorFlow Datasets does.
"""

import statistics
import tempfile
from pathlib import Path

import machine
import numpy as np
from command import Parser, Results, load_to_time, run_command, write_rows
from turns import OwnProcess, seconds_of

COLUMNS = ["data", "images", "metric", "median", "ratio_to_first", "repeats"]
SIZES = {"memory": (60_000, 120_000, 300_000, 600_000, 1_200_000), "records": (60_000, 600_000)}
QUICK_SIZES = {"memory": (256, 512), "records": (256, 512)}
EPOCHS = {"memory": 6, "records": 2}  # the first of them is not counted
REPEATS = 3  # processes of each
SHARD_IMAGES = 60_000  # of a file; array_record copies a file's index at every read of it
BATCH_SIZE = 128


def main() -> None:
    args, results = Parser(__doc__, quick=True).parse_args(), Results()
    load_to_time(args)  # fails here, not in the processes, if the data is not MNIST
    sizes, repeats = (QUICK_SIZES, 1) if args.quick else (SIZES, REPEATS)
    cases = [(kind, images) for kind in sizes for images in sizes[kind]]
    with tempfile.TemporaryDirectory() as directory:

        def call(function, **arguments):
            with OwnProcess("growth", args.data_dir) as process:
                return process.call(function, directory=Path(directory), **arguments)

        for images in sizes["records"]:
            call("write_files", images=images)
        for kind, images in repeats * cases:
            found = call("measure", kind=kind, images=images)
            results.add(kind, images, **found)
            print(f"{kind}, {images:,} images: {found}", flush=True)
    rows = results.rows(COLUMNS, reference=sizes["memory"][0])
    write_rows(args.out / "growth.csv", rows.assign(machine=machine.summary()))
    print(rows.to_string(index=False))


def repeated(data_dir: Path, count: int):
    """Returns copies of MNIST's training images, `count` in all."""
    from mnist_keras import load_data

    images = load_data("mnist", data_dir=data_dir).train
    return images.take(np.arange(count) % len(images))


def write_files(data_dir: Path, *, images: int, directory: Path) -> None:
    """Writes a number of images as ArrayRecord files of TensorFlow Datasets."""
    import tensorflow as tf
    import tensorflow_datasets as tfds

    data = repeated(data_dir, images)
    image, label = tfds.features.Image(shape=(28, 28, 1)), tfds.features.ClassLabel(num_classes=10)
    columns = {"image": data.images[..., None], "label": data.labels}
    tfds.dataset_builders.store_as_tfds_dataset(
        "digits",
        version="1.0.0",
        features=tfds.features.FeaturesDict({"image": image, "label": label}),
        split_datasets={"train": tf.data.Dataset.from_tensor_slices(columns)},
        data_dir=directory / str(images),
        file_format="array_record",
        download_config=tfds.download.DownloadConfig(num_shards=-(-images // SHARD_IMAGES)),
        disable_shuffling=True,
    )


def measure(data_dir: Path, *, kind: str, images: int, directory: Path) -> dict[str, float]:
    """Trains for some epochs; returns the time per image and the peak of this process's memory."""
    from ours import Ours

    from mnist_keras import open_records

    records, folder = kind == "records", directory / str(images)
    data = open_records("digits", data_dir=folder) if records else repeated(data_dir, images)
    ours = Ours("mlp_128", data, batch_size=BATCH_SIZE)
    seconds = [seconds_of(ours.epoch) for _ in range(EPOCHS[kind])]
    counted = ours.loop.source.steps_per_epoch * BATCH_SIZE
    per_image = 1e6 * statistics.median(seconds[1:]) / counted
    return {"microseconds_per_image": per_image, "peak_megabytes": machine.peak_megabytes()}


if __name__ == "__main__":
    run_command(main)
