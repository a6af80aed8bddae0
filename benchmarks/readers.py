"""Measures how long MNIST takes to load from each format, and how much memory, each in a fresh process.

    python benchmarks/readers.py --data-dir DIR    # results/readers.csv

MNIST's 70,000 images are written in each format into a temporary directory (about 1 GB in all, one after the other).
A small file of the format is read first, so that the libraries are in memory. Memory is how much the peak
resident set grows while loading, as a multiple of the images' 54.9 MB. Each format is timed once, with its files in the
system's cache. Linux only.
"""

import gzip
import io
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from command import Parser, first_images, load_published, run_command, write_rows

from mnist_keras.data.readers import READERS

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
    args = Parser(__doc__).parse_args()
    data = load_published("mnist", args.data_dir)
    write_rows(args.out / "readers.csv", [measure(name, data) for name in FORMATS])


def measure(name: str, data) -> dict[str, str]:
    """Returns the row of a format."""
    write = FORMATS[name]
    with tempfile.TemporaryDirectory() as directory, tempfile.TemporaryDirectory() as small:
        path, few = write(data, Path(directory)), write(first_images(data, 200), Path(small))
        size = sum(file.stat().st_size for file in Path(directory).rglob("*") if file.is_file())
        command = [sys.executable, "-c", MEASURE, path, few]
        shown = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    reader, seconds, memory = shown.split()
    row = {"format": name, "reader": reader, "megabytes": f"{size / 1e6:.1f}"}
    row |= {"seconds": seconds, "memory_per_pixel_byte": memory}
    print(" ".join(row.values()), flush=True)
    return row


def arrays_of(data) -> dict[str, np.ndarray]:
    return {
        f"{part}_{kind}": array
        for part, split in {"train": data.train, "test": data.test}.items()
        for kind, array in (("images", split.images), ("labels", split.labels.astype(np.uint8)))
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

    scipy.io.savemat(directory / "mnist.mat", arrays_of(data), do_compression=True)
    return directory


def write_csv(data, directory: Path) -> Path:
    for part, split in {"train": data.train, "test": data.test}.items():
        table = pd.DataFrame(split.images.reshape(len(split), -1)).add_prefix("pixel")
        table.insert(0, "label", split.labels)
        table.to_csv(directory / f"mnist_{part}.csv", index=False)
    return directory


def write_parquet(data, directory: Path) -> Path:
    for part, split in {"train": data.train, "test": data.test}.items():
        pictures = [{"bytes": png(image), "path": None} for image in split.images]
        table = pd.DataFrame({"image": pictures, "label": split.labels.astype(np.int64)})
        table.to_parquet(directory / f"{part}-00000-of-00001.parquet", index=False)
    return directory


def write_folder(data, directory: Path) -> Path:
    for part, split in {"train": data.train, "test": data.test}.items():
        for number, (image, label) in enumerate(zip(split.images, split.labels, strict=True)):
            folder = directory / part / str(label)
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{number:05}.png").write_bytes(png(image))
    return directory


def png(image: np.ndarray) -> bytes:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(image).save(file, format="PNG")
    return file.getvalue()


def zipped(write: Callable) -> Callable:
    def write_zip(data, directory: Path) -> Path:
        with tempfile.TemporaryDirectory() as content:
            write(data, Path(content))
            return Path(shutil.make_archive(str(directory / "mnist"), "zip", content))

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


def formats(results: Path) -> pd.DataFrame:
    """Returns the layouts that the library reads."""
    return pd.DataFrame([{"name": reader.name, "layout": reader.layout} for reader in READERS])


if __name__ == "__main__":
    run_command(main)
