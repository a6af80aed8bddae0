"""Measures how long MNIST takes to load from each format, and how much memory, each in a fresh process.

    python benchmarks/readers.py --data-dir DIR    # writes benchmarks/results/readers.csv and docs/data_formats.md

MNIST's 70,000 images are written in each format into a temporary directory (about 1 GB in all, one after the other).
A small file of the format is read first, so that the libraries are in memory. Memory is the peak resident set while
loading less that before, as a multiple of the images' 54.9 MB. Seconds are one reading, with the files in the system's
cache. Linux only.
"""

import argparse
import csv
import gzip
import io
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tabular
from command import run_command
from tabular import markdown_table, with_block, write_rows

from mnist_keras import load_data
from mnist_keras.data.image_data import from_arrays
from mnist_keras.data.readers import ARCHIVES, READERS

RESULTS = tabular.RESULTS / "readers.csv"
PAGE = tabular.ROOT / "docs" / "data_formats.md"
SPLITS = ("train", "test")
MEASURE = """
import sys, time
from mnist_keras import load_data

def memory(field):
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(field)) * 1024

load_data(sys.argv[2])
with open("/proc/self/clear_refs", "w") as file:
    file.write("5")  # the peak starts anew
before, start = memory("VmRSS"), time.perf_counter()
data = load_data(sys.argv[1])
seconds = time.perf_counter() - start
pixels = data.train_images.nbytes + data.test_images.nbytes
assert pixels == 70_000 * 784, "not all of MNIST"
print(data.source, f"{seconds:.2f}", f"{(memory('VmHWM') - before) / pixels:.2f}")
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", type=Path, required=True, help="directory with MNIST's files")
    args = parser.parse_args()
    data = load_data("mnist", data_dir=args.data_dir)
    few = from_arrays(
        *(data.train_images[:200], data.train_labels[:200]),
        *(data.test_images[:50], data.test_labels[:50]),
        data.class_names,
        name="few",
        source="memory",
    )
    rows = [measure(name, data, few) for name in FORMATS]
    write_rows(RESULTS, rows, columns=rows[0])
    text = with_block(PAGE.read_text(encoding="utf-8"), "formats", make_block(rows))
    PAGE.write_text(text, encoding="utf-8")


def measure(name: str, data, few) -> dict[str, str]:
    """Returns the row of a format."""
    with tempfile.TemporaryDirectory() as directory, tempfile.TemporaryDirectory() as small:
        path = FORMATS[name](data, Path(directory))
        size = sum(file.stat().st_size for file in Path(directory).rglob("*") if file.is_file())
        command = [sys.executable, "-c", MEASURE, str(path), str(FORMATS[name](few, Path(small)))]
        shown = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    reader, seconds, memory = shown.split()
    row = {"format": name, "reader": reader, "megabytes": f"{size / 1e6:.1f}"}
    row |= {"seconds": seconds, "memory_per_pixel_byte": memory}
    print(" ".join(row.values()), flush=True)
    return row


def make_block(rows: list[dict[str, str]]) -> str:
    """Returns the page's block: the table of readers, and what was measured."""
    formats = [(f"`{reader.name}`", f"{reader.layout}.") for reader in READERS]
    table = markdown_table({"reader": "left", "what it reads": "left"}, formats)
    titles = {"MNIST as": "left", "MB": "right", "seconds": "right", "memory": "right"}
    keys = ("format", "megabytes", "seconds", "memory_per_pixel_byte")
    measured = markdown_table(titles, [[row[key] for key in keys] for row in rows])
    return (
        f"{table}\n\n{ARCHIVES}.\n\n`benchmarks/readers.py` loads MNIST's 70,000 images from each format in a fresh "
        "process. Memory is the peak while loading, as a multiple of the images' bytes; 1.3 is the goal.\n\n"
        f"{measured}"
    )


def arrays_of(data) -> dict[str, np.ndarray]:
    return {
        "train_images": data.train_images,
        "train_labels": data.train_labels.astype(np.uint8),
        "test_images": data.test_images,
        "test_labels": data.test_labels.astype(np.uint8),
    }


def write_idx(data, directory: Path, suffix: str = "") -> Path:
    for key, array in arrays_of(data).items():
        header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
        content = header + array.tobytes()
        name = f"{key.replace('_', '-')}-idx{array.ndim}-ubyte{suffix}"
        (directory / name).write_bytes(gzip.compress(content, 6) if suffix else content)
    return directory


def write_npz(data, directory: Path) -> Path:
    np.savez_compressed(directory / "mnist.npz", **arrays_of(data))
    return directory


def write_npy(data, directory: Path) -> Path:
    for key, array in arrays_of(data).items():
        np.save(directory / f"{key}.npy", array)
    return directory


def write_mat(data, directory: Path) -> Path:
    import scipy.io

    arrays = arrays_of(data)
    scipy.io.savemat(directory / "mnist.mat", arrays, do_compression=True)
    return directory


def write_csv(data, directory: Path) -> Path:
    arrays = arrays_of(data)
    for split in SPLITS:
        images, labels = arrays[f"{split}_images"], arrays[f"{split}_labels"]
        with (directory / f"mnist_{split}.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["label", *(f"pixel{i}" for i in range(784))])
            writer.writerows([y, *x.ravel().tolist()] for x, y in zip(images, labels, strict=True))
    return directory


def write_parquet(data, directory: Path) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    arrays = arrays_of(data)
    for split in SPLITS:
        pictures = [{"bytes": png(x), "path": None} for x in arrays[f"{split}_images"]]
        table = pa.table({"image": pictures, "label": arrays[f"{split}_labels"].astype(np.int64)})
        pq.write_table(table, directory / f"{split}-00000-of-00001.parquet")
    return directory


def write_folder(data, directory: Path) -> Path:
    arrays = arrays_of(data)
    for split in SPLITS:
        images, labels = arrays[f"{split}_images"], arrays[f"{split}_labels"]
        for i, (image, label) in enumerate(zip(images, labels, strict=True)):
            folder = directory / split / str(label)
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{i:05}.png").write_bytes(png(image))
    return directory


def png(image: np.ndarray) -> bytes:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(image).save(file, format="PNG")
    return file.getvalue()


def zipped(write: Callable) -> Callable:
    def write_zip(data, directory: Path) -> Path:
        path = directory / "mnist.zip"
        with tempfile.TemporaryDirectory() as content, zipfile.ZipFile(path, "w", 8) as archive:
            write(data, Path(content))
            for file in sorted(Path(content).rglob("*")):
                archive.write(file, file.relative_to(content))
        return path

    return write_zip


FORMATS: dict[str, Callable] = {
    "IDX": write_idx,
    "IDX, gzip": lambda data, directory: write_idx(data, directory, ".gz"),
    "NPZ": write_npz,
    "NPY": write_npy,
    "MATLAB": write_mat,
    "CSV": write_csv,
    "Parquet of PNG": write_parquet,
    "folder of PNG": write_folder,
    "zip of CSV": zipped(write_csv),
    "zip of PNG": zipped(write_folder),
}

if __name__ == "__main__":
    run_command(main)
