"""The same small dataset in every form that datasets come in, each written by the format's own library."""

import bz2
import gzip
import io
import json
import lzma
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from data_files import (
    IDX_NAMES,
    idx_bytes,
    small_arrays,
    write_csv,
    write_folder,
    write_idx_set,
    write_npz,
)
from PIL import Image

ARRAYS = small_arrays(side=28)
PARTS = ("train", "test")


class Form(NamedTuple):
    """A form: the reader that answers, and what writes it into a directory and returns the path to load."""

    reader: str
    write: Callable[[Path], Path]
    by_class: bool = False  # read class after class


def png(image: np.ndarray, file_format: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.fromarray(image).save(file, format=file_format)
    return file.getvalue()


def idx_named(pattern: str, **kinds: str) -> Callable[[Path], Path]:
    names = {
        f"{split}_{kind}": pattern.format(split=split, kind=kind, rank=rank)
        for split in PARTS
        for kind, rank in (("images", 3), ("labels", 1))
    }
    return lambda directory: write_idx_set(directory, ARRAYS, names=names)


def emnist_idx(name: str, first: int = 0) -> Callable[[Path], Path]:
    def write(directory: Path) -> Path:
        arrays = {
            key: x.swapaxes(1, 2).copy() if x.ndim == 3 else x + np.uint8(first)
            for key, x in ARRAYS.items()
        }
        names = {
            key: f"emnist-{name}-{key.replace('_', '-')}-idx{x.ndim}-ubyte"
            for key, x in arrays.items()
        }
        return write_idx_set(directory / "EMNIST" / "raw", arrays, names=names, zipped=True)

    return write


def qmnist(directory: Path) -> Path:
    for split in PARTS:
        labels = np.zeros((len(ARRAYS[f"{split}_labels"]), 8), ">i4")
        labels[:, 0] = ARRAYS[f"{split}_labels"]
        labels[:, 1:] = 77
        header = bytes([0, 0, 12, 2]) + np.array(labels.shape, ">u4").tobytes()
        name = directory / f"qmnist-{split}-labels-idx2-int.gz"
        name.write_bytes(gzip.compress(header + labels.tobytes()))
        images = idx_bytes(ARRAYS[f"{split}_images"])
        (directory / f"qmnist-{split}-images-idx3-ubyte.gz").write_bytes(gzip.compress(images))
    return directory


def torchvision(directory: Path) -> Path:
    raw = directory / "MNIST" / "raw"
    write_idx_set(raw, ARRAYS)
    write_idx_set(raw, ARRAYS, zipped=True)
    return directory


def kaggle_idx(directory: Path) -> Path:
    """Each file once with a dot in its name, and once in a folder of its own."""
    for key, name in IDX_NAMES.items():
        content = idx_bytes(ARRAYS[key])
        (directory / name.replace("-idx", ".idx")).write_bytes(content)
        (directory / name).mkdir()
        (directory / name / name).write_bytes(content)
    return directory


def npz_keys(pattern: str, *, column: bool = False) -> Callable[[Path], Path]:
    def write(directory: Path) -> Path:
        arrays = {
            pattern.format(split=key.split("_")[0], kind=key.split("_")[1]): x[:, None]
            if column and x.ndim == 1
            else x
            for key, x in ARRAYS.items()
        }
        np.savez_compressed(directory / "set.npz", **arrays)
        return directory / "set.npz"

    return write


def kuzushiji(directory: Path) -> Path:
    for key, x in ARRAYS.items():
        split, kind = key.split("_")
        np.savez_compressed(directory / f"kmnist-{split}-{kind.replace('images', 'imgs')}.npz", x)
    return directory


def npy(directory: Path) -> Path:
    for key, x in ARRAYS.items():
        split, kind = key.split("_")
        np.save(directory / f"{'xy'[kind == 'labels']}_{split}.npy", x)
    return directory


def emnist_mat(directory: Path) -> Path:
    import scipy.io

    def part(split: str) -> dict[str, np.ndarray]:
        images = ARRAYS[f"{split}_images"].swapaxes(1, 2).reshape(-1, 784)
        return {"images": images, "labels": ARRAYS[f"{split}_labels"][:, None] + 1.0}

    mapping = np.array([[1, 65, 97], [2, 66, 98], [3, 67, 99]])
    dataset = {"train": part("train"), "test": part("test"), "mapping": mapping}
    scipy.io.savemat(directory / "emnist-letters.mat", {"dataset": dataset}, do_compression=True)
    return directory / "emnist-letters.mat"


def csv_pair(directory: Path) -> Path:
    for split in PARTS:
        write_csv(
            directory / f"mnist_{split}.csv", ARRAYS[f"{split}_images"], ARRAYS[f"{split}_labels"]
        )
    return directory


def csv_label_last(directory: Path) -> Path:
    import pandas as pd

    for split, ending in zip(PARTS, (";", "\t"), strict=True):
        flat = ARRAYS[f"{split}_images"].reshape(-1, 784)
        frame = pd.DataFrame(flat, columns=[f"pixel{i}" for i in range(784)])
        frame["class"] = ARRAYS[f"{split}_labels"]
        frame.to_csv(directory / f"{split}.csv", sep=ending, index_label="id")
    return directory


def hub_table(split: str):
    """The table of one split as the Hub has it, without the library `datasets`."""
    import pyarrow as pa

    images = [{"bytes": png(x), "path": None} for x in ARRAYS[f"{split}_images"]]
    features = {
        "label": {"names": ["0", "1", "2"], "_type": "ClassLabel"},
        "image": {"_type": "Image"},
    }
    table = pa.table(
        {
            "image": pa.array(images, pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
            "label": pa.array(ARRAYS[f"{split}_labels"].astype(np.int64)),
        }
    )
    return table.replace_schema_metadata(
        {"huggingface": json.dumps({"info": {"features": features}})}
    )


def hub(directory: Path) -> Path:
    import pyarrow.parquet as pq

    (directory / "mnist").mkdir()
    for split in PARTS:
        table, half = hub_table(split), len(ARRAYS[f"{split}_labels"]) // 2
        for i, part in enumerate((table.slice(0, half), table.slice(half))):
            pq.write_table(part, directory / "mnist" / f"{split}-{i:05}-of-00002.parquet")
    return directory


def flat_parquet(directory: Path) -> Path:
    import pandas as pd

    for split in PARTS:
        flat = ARRAYS[f"{split}_images"].reshape(-1, 784)
        frame = pd.DataFrame(flat, columns=[str(i) for i in range(784)])
        frame.insert(0, "label", ARRAYS[f"{split}_labels"])
        frame.to_parquet(directory / f"{split}.parquet")
    return directory


def folders(*names: str, suffix: str = ".png") -> Callable[[Path], Path]:
    def write(directory: Path) -> Path:
        for split, name in zip(PARTS, names, strict=True):
            images, labels = ARRAYS[f"{split}_images"], ARRAYS[f"{split}_labels"]
            write_folder(directory / name, images, labels, suffix=suffix)
        return directory

    return write


def pictures_and_table(directory: Path) -> Path:
    for split in PARTS:
        rows = ["filename,label"]
        (directory / split).mkdir()
        images, labels = ARRAYS[f"{split}_images"], ARRAYS[f"{split}_labels"]
        for i, (image, label) in enumerate(zip(images, labels, strict=True)):
            (directory / split / f"{i:03}.png").write_bytes(png(image))
            rows.append(f"{i:03}.png,{label}")
        (directory / split / f"{split}.csv").write_text("\n".join(rows))
    return directory


def zipped(write: Callable[[Path], Path]) -> Callable[[Path], Path]:
    def write_zip(directory: Path) -> Path:
        (directory / "content").mkdir()
        write(directory / "content")
        path = directory / "archive.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in sorted((directory / "content").rglob("*")):
                archive.write(file, f"set/{file.relative_to(directory / 'content')}")
            archive.writestr("__MACOSX/set/._train.csv", b"Mac OS X")
        shutil.rmtree(directory / "content")
        return path

    return write_zip


def tarred(suffix: str) -> Callable[[Path], Path]:
    def write_tar(directory: Path) -> Path:
        (directory / "content").mkdir()
        folders("training", "testing")(directory / "content")
        path = directory / f"mnist_png.tar{suffix}"
        with tarfile.open(path, f"w:{suffix[1:]}") as archive:
            archive.add(directory / "content", arcname="mnist_png")
        shutil.rmtree(directory / "content")
        return path

    return write_tar


def compressed(compress, suffix: str) -> Callable[[Path], Path]:
    def write(directory: Path) -> Path:
        path = write_csv(directory / "train.csv", ARRAYS["train_images"], ARRAYS["train_labels"])
        path.with_name(path.name + suffix).write_bytes(compress(path.read_bytes()))
        path.unlink()
        return path.with_name(path.name + suffix)

    return write


FORMS = {
    "idx": Form("idx", lambda directory: write_idx_set(directory, ARRAYS)),
    "idx, compressed": Form("idx", lambda directory: write_idx_set(directory, ARRAYS, zipped=True)),
    "idx, with a dot": Form("idx", idx_named("{split}-{kind}.idx{rank}-ubyte")),
    "idx, other names": Form("idx", idx_named("written-by-us.{split}.{kind}")),
    "torchvision": Form("idx", torchvision),
    "Kaggle's idx": Form("idx", kaggle_idx),
    "emnist letters, idx": Form("idx", emnist_idx("letters", first=1)),
    "emnist byclass, idx": Form("idx", emnist_idx("byclass")),
    "emnist mnist, idx": Form("idx", emnist_idx("mnist")),
    "qmnist": Form("idx", qmnist),
    "npz of Keras": Form("npz", lambda d: write_npz(d / "mnist.npz", ARRAYS)),
    "npz of MedMNIST": Form("npz", npz_keys("{split}_{kind}", column=True)),
    "npz of Kuzushiji": Form("npz", kuzushiji),
    "npy": Form("npy", npy),
    "emnist letters, mat": Form("mat", emnist_mat),
    "csv": Form("csv", csv_pair),
    "csv, label last": Form("csv", csv_label_last),
    "csv, gz": Form("csv", compressed(gzip.compress, ".gz")),
    "csv, xz": Form("csv", compressed(lzma.compress, ".xz")),
    "csv, bz2": Form("csv", compressed(bz2.compress, ".bz2")),
    "parquet of the Hub": Form("parquet", hub),
    "parquet of pixels": Form("parquet", flat_parquet),
    "folder": Form("folder", folders("train", "test"), by_class=True),
    "folder of mnist_png": Form("folder", folders("training", "testing"), by_class=True),
    "folder of Kaggle": Form("folder", folders("trainingSet", "testSet"), by_class=True),
    "folder, bmp": Form("folder", folders("train", "test", suffix=".bmp"), by_class=True),
    "folder, tiff": Form("folder", folders("train", "test", suffix=".TIFF"), by_class=True),
    "folder, pgm": Form("folder", folders("train", "test", suffix=".pgm"), by_class=True),
    "pictures and a table": Form("table", pictures_and_table),
    "zip of idx": Form("idx", zipped(lambda d: write_idx_set(d, ARRAYS, zipped=True))),
    "zip of csv": Form("csv", zipped(csv_pair)),
    "zip of npz": Form("npz", zipped(lambda d: write_npz(d / "mnist.npz", ARRAYS))),
    "zip of parquet": Form("parquet", zipped(hub)),
    "zip of pictures": Form("folder", zipped(folders("train", "test")), by_class=True),
    "tar": Form("folder", tarred(""), by_class=True),
    "tar.gz": Form("folder", tarred(".gz"), by_class=True),
    "tar.xz": Form("folder", tarred(".xz"), by_class=True),
}
