"""The known datasets: their names, classes, download addresses and published hashes."""

import hashlib
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

HASHED_AT_ONCE = 4096  # images

_DIGITS = tuple("0123456789")
_EMNIST_URL = "https://biometrics.nist.gov/cs_links/EMNIST/gzip.zip"


@dataclass(frozen=True)
class DatasetSpec:
    """What is known about a dataset.

    Attributes:
        title: Its name in a sentence.
        class_names: The name of each label.
        url: Where TFDS's files come from; empty if there is no download.
        sha256: SHA-256 of the raw published IDX files, by array, if they are known.
        idx_prefix: What the published files' names begin with.
        transposed: Whether the published images lie on their side, mirrored.
        first_label: The lowest published label; labels are delivered from 0.
    """

    title: str
    class_names: tuple[str, ...]
    url: str = ""
    sha256: Mapping[str, str] = field(default_factory=dict)
    idx_prefix: str = ""
    transposed: bool = False
    first_label: int = 0


DATASETS: Mapping[str, DatasetSpec] = {
    "mnist": DatasetSpec(
        "MNIST",
        _DIGITS,
        "https://storage.googleapis.com/cvdf-datasets/mnist/train-images-idx3-ubyte.gz",
        {
            "train_images": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            "train_labels": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            "test_images": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            "test_labels": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        },
    ),
    "fashion_mnist": DatasetSpec(
        "Fashion-MNIST",
        (
            *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
            *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
        ),
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/train-images-idx3-ubyte.gz",
        {
            "train_images": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
            "train_labels": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
            "test_images": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
            "test_labels": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        },
    ),
    "kmnist": DatasetSpec(
        "Kuzushiji-MNIST",
        ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
        "http://codh.rois.ac.jp/kmnist/dataset/kmnist/train-images-idx3-ubyte.gz",
    ),
    "emnist/digits": DatasetSpec(
        "EMNIST Digits", _DIGITS, _EMNIST_URL, idx_prefix="emnist-digits-", transposed=True
    ),
    "emnist/letters": DatasetSpec(
        "EMNIST Letters",
        tuple("abcdefghijklmnopqrstuvwxyz"),
        _EMNIST_URL,
        idx_prefix="emnist-letters-",
        transposed=True,
        first_label=1,
    ),
    "emnist/balanced": DatasetSpec(
        "EMNIST Balanced",
        tuple("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabdefghnqrt"),
        _EMNIST_URL,
        idx_prefix="emnist-balanced-",
        transposed=True,
    ),
    "emnist/byclass": DatasetSpec(
        "EMNIST ByClass",
        tuple("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"),
        _EMNIST_URL,
        idx_prefix="emnist-byclass-",
        transposed=True,
    ),
    "emnist/bymerge": DatasetSpec(
        "EMNIST ByMerge",
        tuple("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabdefghnqrt"),
        _EMNIST_URL,
        idx_prefix="emnist-bymerge-",
        transposed=True,
    ),
    "emnist/mnist": DatasetSpec(
        "EMNIST MNIST", _DIGITS, _EMNIST_URL, idx_prefix="emnist-mnist-", transposed=True
    ),
    "digits": DatasetSpec("scikit-learn's digits", _DIGITS),
    "strokes": DatasetSpec("digits drawn by strokes", _DIGITS),
}


def altered(name: str, sha256: Mapping[str, str]) -> list[str]:
    """Returns the arrays of a set that are not the published ones, by their SHA-256, where that is known."""
    return [key for key, published in DATASETS[name].sha256.items() if sha256[key] != published]


def published_as(sha256: str) -> set[tuple[str, str]]:
    """Returns the names of the set and of its array that have this SHA-256 as a raw IDX file."""
    return {
        (name, key)
        for name, spec in DATASETS.items()
        for key, published in spec.sha256.items()
        if published == sha256
    }


def idx_sha256(array: np.ndarray) -> str:
    """Returns the SHA-256 of an array as an uncompressed IDX file."""
    digest = hashlib.sha256(struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape))
    payload = np.uint8 if array.dtype.kind in "iu" else array.dtype  # the user's own may be floats
    # A copy of all of it would double the memory.
    for start in range(0, len(array), HASHED_AT_ONCE):
        digest.update(np.ascontiguousarray(array[start : start + HASHED_AT_ONCE], payload).data)
    return digest.hexdigest()
