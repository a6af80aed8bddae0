"""Small valid files of every format that datasets come in, for the tests of the readers."""

import csv
import gzip
import hashlib
import struct
from pathlib import Path

import numpy as np
from PIL import Image

NUM_TRAIN, NUM_TEST, SIDE = 12, 6, 5


def small_arrays(side: int = SIDE) -> dict[str, np.ndarray]:
    """Returns random images, 12 to train on and 6 to test on, of three classes."""
    rng = np.random.default_rng(0)
    return {
        "train_images": rng.integers(0, 256, (NUM_TRAIN, side, side), dtype=np.uint8),
        "train_labels": np.arange(NUM_TRAIN, dtype=np.uint8) % 3,
        "test_images": rng.integers(0, 256, (NUM_TEST, side, side), dtype=np.uint8),
        "test_labels": np.arange(NUM_TEST, dtype=np.uint8) % 3,
    }


IDX_NAMES = {
    "train_images": "train-images-idx3-ubyte",
    "train_labels": "train-labels-idx1-ubyte",
    "test_images": "t10k-images-idx3-ubyte",
    "test_labels": "t10k-labels-idx1-ubyte",
}


def idx_bytes(array: np.ndarray) -> bytes:
    header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    return header + array.tobytes()


def write_idx_set(
    directory: Path, arrays: dict[str, np.ndarray], *, zipped: bool = False, names=IDX_NAMES
) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    for key, array in arrays.items():
        content = idx_bytes(array)
        if zipped:
            (directory / f"{names[key]}.gz").write_bytes(gzip.compress(content, mtime=0))
        else:
            (directory / names[key]).write_bytes(content)
    return directory


def write_npz(path: Path, arrays: dict[str, np.ndarray], *, compressed: bool = True) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    save = np.savez_compressed if compressed else np.savez
    save(
        path,
        **{f"{'xy'[key.endswith('labels')]}_{key.split('_')[0]}": x for key, x in arrays.items()},
    )
    return path


def write_csv(
    path: Path, images: np.ndarray, labels: np.ndarray | None = None, *, header: bool = True
) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = images.reshape(len(images), -1)
    columns = [f"pixel{i}" for i in range(rows.shape[1])]
    if labels is not None:
        rows, columns = np.column_stack([labels, rows]), ["label", *columns]
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerows(([columns] if header else []) + rows.tolist())
    return path


def write_folder(
    directory: Path, images: np.ndarray, labels: np.ndarray, *, suffix: str = ".png"
) -> Path:
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        folder = directory / str(label)
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / f"{number:03}{suffix}")
    return directory


def write_records(
    directory: Path,
    splits: dict[str, tuple[np.ndarray, np.ndarray]],
    *,
    name: str = "digits",
    num_classes: int = 10,
    file_format: str = "array_record",
    image_key: str = "image",
) -> Path:
    """Writes a dataset of TensorFlow Datasets; returns the directory of its files."""
    import tensorflow as tf
    import tensorflow_datasets as tfds

    height, width = next(iter(splits.values()))[0].shape[1:]
    features = {
        image_key: tfds.features.Image(shape=(height, width, 1)),
        "label": tfds.features.ClassLabel(num_classes=num_classes),
    }
    builder = tfds.dataset_builders.store_as_tfds_dataset(
        name,
        version="1.0.0",
        features=tfds.features.FeaturesDict(features),
        split_datasets={
            split: tf.data.Dataset.from_tensor_slices(
                {image_key: images[..., None], "label": labels}
            )
            for split, (images, labels) in splits.items()
        },
        data_dir=directory,
        file_format=file_format,
        disable_shuffling=True,
    )
    return builder.data_path


def assert_holds(data, arrays=None):
    """Checks that data are these arrays, `small_arrays()` unless others are given, and have their hashes."""
    for key, array in (arrays or small_arrays()).items():
        np.testing.assert_array_equal(getattr(data, key), array)
        assert data.sha256[key] == hashlib.sha256(idx_bytes(array)).hexdigest()
