"""`load_data` with the name of a known dataset: where it is looked for, and in which order."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from data_files import IDX_NAMES, assert_holds, small_arrays, write_idx_set, write_npz
from errors import error_of

from mnist_keras._validation import InputError
from mnist_keras.data import datasets, downloads
from mnist_keras.data.datasets import NotFoundError, find_data, load_data

ARRAYS = small_arrays()
UNPUBLISHED = (
    "differs from MNIST as published in train_images, train_labels, test_images, test_labels"
)
pytestmark = pytest.mark.usefixtures("bare_machine")


def other(arrays=ARRAYS):
    """Returns the arrays with other pixels, to tell one place from another."""
    return arrays | {"train_images": 255 - arrays["train_images"]}


def test_digits():
    data = load_data("digits")
    assert data.name == "digits"
    assert data.source == "scikit-learn"
    assert data.train_images.shape == (1437, 28, 28)
    assert data.test_images.shape == (360, 28, 28)
    assert np.bincount(data.test_labels).min() >= 34
    assert load_data("auto", source="scikit-learn").sha256 == data.sha256


def test_importing_loads_nothing_heavy():
    heavy = {"tensorflow", "tensorflow_datasets", "keras", "PIL", "sklearn"}
    code = f"import sys, mnist_keras.data.datasets; print(set(sys.modules) & {heavy})"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "set()"


# Where a known set is looked for


@pytest.mark.parametrize("folder", ["mnist", "."])
@pytest.mark.parametrize("zipped", [False, True])
def test_data_dir(tmp_path, folder, zipped, capsys):
    write_idx_set(tmp_path / "data" / folder, ARRAYS, zipped=zipped)
    data = load_data("mnist", data_dir=tmp_path / "data")
    assert_holds(data)
    assert (data.name, data.source, data.num_classes) == ("mnist", "idx", 10)
    shown = capsys.readouterr().err
    assert shown.startswith("mnist_keras: ")
    assert shown.count("\n") == 1
    assert UNPUBLISHED in shown


@pytest.mark.parametrize("path", ["mnist/mnist.npz", "mnist.npz"])
def test_data_dir_with_npz(tmp_path, path):
    write_npz(tmp_path / "data" / path, ARRAYS)
    data = load_data("mnist", data_dir=tmp_path / "data")
    assert_holds(data)
    assert data.source == "npz"


def test_data_dir_stands_before_the_variable_and_that_before_the_caches(tmp_path, monkeypatch):
    write_idx_set(tmp_path / "given", ARRAYS)
    write_idx_set(tmp_path / "variable", other())
    write_idx_set(tmp_path / "keras" / "datasets" / "mnist", ARRAYS)
    assert_holds(load_data("mnist"))
    assert load_data("mnist").source == "keras"
    monkeypatch.setenv("MNIST_KERAS_DATA_DIR", str(tmp_path / "variable"))
    assert_holds(load_data("mnist"), other())
    assert_holds(load_data("auto"), other())
    assert_holds(load_data("mnist", data_dir=tmp_path / "given"))
    assert find_data("mnist") == ("idx", tmp_path / "variable")
    assert find_data("kmnist", data_dir=tmp_path / "given") == ("idx", tmp_path / "given")


def test_source_selects(tmp_path):
    write_idx_set(tmp_path / "data", ARRAYS)
    write_npz(tmp_path / "data" / "mnist.npz", other())
    assert_holds(load_data("mnist", data_dir=tmp_path / "data", source="idx"))
    assert_holds(load_data("mnist", data_dir=tmp_path / "data", source="npz"), other())
    assert_holds(load_data("mnist", data_dir=tmp_path / "data"))


@pytest.mark.parametrize("name", ["mnist", "auto", "kmnist", "emnist/letters"])
def test_a_data_dir_without_the_set_is_an_error(tmp_path, name, monkeypatch):
    write_idx_set(tmp_path / "variable", ARRAYS)
    monkeypatch.setenv("MNIST_KERAS_DATA_DIR", str(tmp_path / "variable"))
    first = "emnist-letters-train-images-idx3-ubyte" if "/" in name else "train-images-idx3-ubyte"
    with pytest.raises(
        NotFoundError, match=rf"has no [\w -]+\. Expected {first}, .*Put the files in {tmp_path}"
    ):
        load_data(name, data_dir=tmp_path)


@pytest.mark.parametrize("data_dir", ["nowhere", ""])
def test_a_data_dir_that_is_none(data_dir):
    with pytest.raises(
        InputError, match=rf"Invalid `data_dir`. Expected a directory. Received: '{data_dir}'"
    ):
        load_data("mnist", data_dir=data_dir)


@pytest.mark.parametrize("data_dir", ["~no-such-user/data", "x" * 300, 5])
def test_a_data_dir_that_cannot_be(data_dir):
    with pytest.raises(InputError, match=r"Invalid `data_dir`. Expected a directory. Received: "):
        load_data("mnist", data_dir=data_dir)


@pytest.mark.parametrize("name", ["mnist", "auto"])
def test_a_variable_that_names_what_cannot_be_read(monkeypatch, name):
    monkeypatch.setenv("MNIST_KERAS_DATA_DIR", "x" * 300)
    with pytest.raises(InputError, match=r"x/mnist/train-.* cannot be read: File name too long"):
        load_data(name)


def test_a_cache_of_another_user_is_none(monkeypatch):
    find_set = datasets.find_set

    def refuse(name, prefix, root, *source):
        if root == downloads.keras_cache():
            raise PermissionError(13, "Permission denied", str(root))
        return find_set(name, prefix, root, *source)

    def refuse_glob(path, pattern):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(datasets, "find_set", refuse)
    monkeypatch.setattr(Path, "glob", refuse_glob)
    assert load_data("auto").name == "digits"


def test_without_a_home_the_caches_are_below_here(monkeypatch):
    monkeypatch.delenv("KERAS_HOME")
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)  # as without HOME and an account
    assert downloads.keras_cache() == Path("~/.keras/datasets")
    assert find_data("mnist") is None


def test_mnist_never_falls_back_and_says_where_to_put_what(tmp_path, monkeypatch):
    with pytest.raises(NotFoundError) as caught:
        load_data("mnist")
    assert str(caught.value) == (
        "MNIST was not found on this machine and could not be downloaded (no connection to anywhere). "
        "Put its files into a directory and pass it as `data_dir` (--data-dir), or set the "
        "environment variable MNIST_KERAS_DATA_DIR to it. Expected train-images-idx3-ubyte, "
        "train-labels-idx1-ubyte, t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte, each with or without "
        ".gz. Or mnist.npz."
    )
    monkeypatch.setenv("MNIST_KERAS_DATA_DIR", str(tmp_path))
    with pytest.raises(
        NotFoundError, match=rf"not found in {tmp_path} \(MNIST_KERAS_DATA_DIR\) and could"
    ):
        load_data("mnist")
    with pytest.raises(
        NotFoundError, match=r"Kuzushiji-MNIST was not found .* and could not be downloaded"
    ):
        load_data("kmnist")


def test_auto_falls_back_to_the_digits_with_one_line(capsys):
    assert load_data("auto").name == "digits"
    assert capsys.readouterr().err == (
        "mnist_keras: MNIST was not found on this machine and could not be downloaded (no connection to "
        "anywhere). Using scikit-learn's 1,797 digits of 8x8 pixels instead.\n"
    )


@pytest.mark.parametrize("source", ["idx", "npz", "keras", "tfds"])
def test_auto_with_a_source_does_not_fall_back(source):
    with pytest.raises(NotFoundError, match=r"MNIST was not found on this machine"):
        load_data("auto", source=source)


def test_damaged_files_are_no_reason_to_fall_back(tmp_path, monkeypatch):
    write_idx_set(tmp_path / "variable", ARRAYS)
    (tmp_path / "variable" / IDX_NAMES["test_images"]).write_bytes(b"")
    monkeypatch.setenv("MNIST_KERAS_DATA_DIR", str(tmp_path / "variable"))
    with pytest.raises(InputError, match=r"t10k-images-idx3-ubyte is not an IDX file"):
        load_data("auto")


def test_keras_mnist_from_its_cache_and_a_cut_off_one_left_out(tmp_path, monkeypatch, capsys):
    path = write_npz(tmp_path / "keras" / "datasets" / "mnist.npz", ARRAYS)
    monkeypatch.setattr(downloads, "KERAS_SHA256", downloads.file_sha256(path))
    data = load_data("mnist")
    assert_holds(data)
    assert data.source == "keras"
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(NotFoundError):
        load_data("mnist")
    assert (
        "mnist.npz is ignored: it is not the published file, and may be truncated."
        in capsys.readouterr().err
    )


def test_keras_mnist_is_downloaded_where_tfds_fails(tmp_path, monkeypatch):
    monkeypatch.setattr(
        downloads, "download_keras_mnist", lambda: write_npz(tmp_path / "mnist.npz", ARRAYS)
    )
    for name, source in (("mnist", "auto"), ("auto", "auto"), ("mnist", "keras")):
        data = load_data(name, source=source)
        assert_holds(data)
        assert (data.name, data.source) == ("mnist", "keras")


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
def test_keras_cache_of_fashion_mnist_has_a_dash(tmp_path, name):
    write_idx_set(tmp_path / "keras" / "datasets" / "fashion-mnist", ARRAYS)
    assert find_data(name) == (
        ("keras", tmp_path / "keras" / "datasets" / "fashion-mnist")
        if name == "fashion_mnist"
        else None
    )


# Names


def test_unknown_name():
    with pytest.raises(InputError) as caught:
        load_data("fashon_mnist")
    assert str(caught.value).startswith(
        "Unknown dataset 'fashon_mnist'. Did you mean 'fashion_mnist'? Expected one"
    )
    assert f"{Path('fashon_mnist').absolute()} does not exist." in str(caught.value)


def test_a_path_that_cannot_be():
    with pytest.raises(InputError, match=r"x cannot be read: File name too long\."):
        load_data("x" * 300)
    with pytest.raises(InputError, match=r"Unknown dataset '~no-such-user/data'\."):
        load_data("~no-such-user/data")


@pytest.mark.parametrize("name", [None, 5, ""])
def test_no_name(name):
    with pytest.raises(
        InputError, match=r"Invalid `name`. Expected the name of a dataset or a path"
    ):
        load_data(name)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"name": "mnist", "source": "web"},
            "Invalid `source`. Expected one of: auto, idx, npz, npy, mat, csv, parquet",
        ),
        (
            {"name": "mnist", "source": "csv"},
            "Expected one of: auto, idx, npz, tfds, keras. Received: 'csv'",
        ),
        ({"name": "digits", "source": "tfds"}, "Expected one of: auto, scikit-learn"),
        (
            {"name": "digits", "data_dir": "."},
            "Expected None for 'digits', which comes with scikit-learn",
        ),
        (
            {"name": "mnist", "source": "keras", "data_dir": "."},
            "Expected None with source='keras'",
        ),
        (
            {"name": ".", "data_dir": "."},
            "Invalid `data_dir`. Expected None with a path. Received: '.'",
        ),
        (
            {"name": ".", "source": "tfds"},
            "Expected one of: auto, idx, npz, npy, mat, csv, parquet, folder, table. Received: 'tfds'",
        ),
    ],
)
def test_arguments_that_do_not_go_together(arguments, message):
    with pytest.raises(InputError, match=message):
        load_data(**arguments)


def test_tfds_with_a_data_dir_of_other_files(tmp_path):
    pytest.importorskip("tensorflow_datasets")
    write_idx_set(tmp_path / "mnist", ARRAYS, zipped=True)
    with pytest.raises(
        InputError, match=r"is missing or not the published file, which TensorFlow Datasets needs"
    ):
        load_data("mnist", source="tfds", data_dir=tmp_path)


def test_labels_out_of_range_for_a_known_set(tmp_path):
    write_idx_set(tmp_path, ARRAYS | {"test_labels": ARRAYS["test_labels"] + np.uint8(9)})
    with pytest.raises(
        InputError, match=r"Invalid `test_labels`. Expected values in \[0, 9\]. .* maximum=11"
    ):
        load_data("mnist", data_dir=tmp_path)


def test_a_known_set_without_its_test_set(tmp_path):
    write_npz(
        tmp_path / "mnist.npz", {key: x for key, x in ARRAYS.items() if key.startswith("train")}
    )
    with pytest.raises(
        InputError, match=r"mnist.npz lacks the test set of MNIST. Expected train-images"
    ):
        load_data("mnist", data_dir=tmp_path)


# The real data


def test_loading_mnist_takes_little_more_than_its_arrays(real_dir):
    code = (
        "import resource; from mnist_keras.data.datasets import load_data\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "load_data('mnist')\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    environment = os.environ | {"MNIST_KERAS_DATA_DIR": str(real_dir)}
    shown = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    unit = 1 if sys.platform == "darwin" else 1024
    assert int(shown.stdout) * unit < 65e6  # the arrays have 55 million bytes


def test_strokes_are_drawn_here(monkeypatch):
    monkeypatch.setattr(datasets, "STROKES_SIZES", (12, 5))
    data = datasets.load_data("strokes")
    assert (data.name, data.source, data.num_classes) == ("strokes", "generated", 10)
    assert data.train_images.shape == (12, 28, 28) and data.test_images.shape == (5, 28, 28)
    assert not np.array_equal(data.train_images[:5], data.test_images)
    assert data.sha256 == datasets.load_data("strokes", source="generated").sha256
    assert error_of(datasets.load_data, "strokes", data_dir="x").startswith("Invalid `data_dir`.")
