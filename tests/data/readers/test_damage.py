"""Damage of every kind: files with flipped, missing or added bytes load as consistent data, or are refused."""

import functools

import numpy as np
import pytest
from data_formats import FORMS
from hypothesis import HealthCheck, given, settings, strategies as st

from mnist_keras._validation import InputError
from mnist_keras.data.readers import read_path

FUZZED = (
    *(
        "idx",
        "idx, compressed",
        "qmnist",
        "npz of Keras",
        "npy",
        "emnist letters, mat",
        "csv, label last",
        "parquet of the Hub",
    ),
    *(
        "parquet of pixels",
        "folder",
        "folder, tiff",
        "pictures and a table",
        "zip of npz",
        "tar.gz",
        "csv, bz2",
    ),
)
PLACES = st.one_of(st.integers(0, 63), st.integers(-64, -1), st.integers(0, 1 << 20))
EDITS = st.lists(
    st.tuples(
        st.sampled_from(["flip", "insert", "delete", "truncate"]),
        PLACES,
        st.binary(min_size=1, max_size=8),
    ),
    min_size=1,
    max_size=4,
)


def damaged(content, edits):
    for edit, place, filling in edits:
        cut = place % max(len(content), 1)
        head, tail = content[:cut], content[cut:]
        if edit == "flip":
            flipped = bytes(a ^ b for a, b in zip(tail, filling, strict=False))
            content = head + flipped + tail[len(flipped) :]
        elif edit == "insert":
            content = head + filling + tail
        elif edit == "delete":
            content = head + tail[len(filling) :]
        else:
            content = head
    return content


@functools.cache
def valid_files(form, directory):
    """Writes a small valid dataset; returns what to load, and the files to damage with their contents."""
    directory.mkdir()
    path = FORMS[form].write(directory)
    files = sorted(file for file in directory.rglob("*") if file.is_file())
    return path, [(file, file.read_bytes()) for file in files]


def loads_or_is_refused(directory, form, which, edits):
    """The property: damaged files load as consistent data or raise the documented error."""
    path, files = valid_files(form, directory)
    file, content = files[which % len(files)]
    file.write_bytes(damaged(content, edits))
    try:
        _, raw = read_path(path)
    except InputError as error:
        assert (
            str(directory) in str(error) or "Invalid `" in str(error) or "The columns" in str(error)
        )
    else:
        assert len(raw.train_images) == len(raw.train_labels)
        assert raw.train_images.dtype in (np.uint8, np.float32)
        assert raw.train_labels.dtype == np.int64
        assert raw.test_labels is None or len(raw.test_images) == len(raw.test_labels)
    finally:
        file.write_bytes(content)


QUIET = {"deadline": None, "database": None, "suppress_health_check": list(HealthCheck)}


@pytest.fixture(scope="module")
def fuzz_dir(tmp_path_factory):
    return tmp_path_factory.mktemp("damaged")


@pytest.mark.parametrize("form", FUZZED)
@settings(max_examples=60, derandomize=True, **QUIET)
@given(which=st.integers(0, 5), edits=EDITS)
def test_damaged_files_load_or_are_refused(fuzz_dir, form, which, edits):
    loads_or_is_refused(fuzz_dir / form, form, which, edits)


@pytest.mark.full
@pytest.mark.parametrize("form", FUZZED)
@settings(max_examples=5_000, **QUIET)
@given(which=st.integers(0, 50), edits=EDITS)
def test_many_damaged_files_load_or_are_refused(fuzz_dir, form, which, edits):
    loads_or_is_refused(fuzz_dir / form, form, which, edits)
