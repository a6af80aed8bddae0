"""load_data: known sets, the order of lookup, the user's own files."""

import gzip
import hashlib
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from data_files import (
    IDX_NAMES,
    NUM_TEST,
    idx_bytes,
    small_arrays,
    write_csv,
    write_folder,
    write_idx_set,
    write_npz,
)
from errors import error_of

from mnist_keras._validation import InputError
from mnist_keras.data import datasets, downloads
from mnist_keras.data.catalog import DATASETS
from mnist_keras.data.datasets import NotFoundError, find_data, load_data
from mnist_keras.data.downloads import DownloadError

DATA_DIR = os.environ.get("MNIST_KERAS_DATA_DIR")
ARRAYS = small_arrays()
UNPUBLISHED = (
    "differs from MNIST as published in train_images, train_labels, test_images, test_labels"
)


@pytest.fixture(autouse=True)
def bare_machine(tmp_path, monkeypatch):
    """No variable, no cache, no network."""
    monkeypatch.delenv("MNIST_KERAS_DATA_DIR", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "tfds"))

    def probe(url):
        raise DownloadError("no connection to anywhere")

    monkeypatch.setattr(downloads, "probe", probe)


@pytest.fixture(scope="session")
def real_dir():
    if not DATA_DIR:
        pytest.skip(
            "needs the environment variable MNIST_KERAS_DATA_DIR, which names the real files"
        )
    return Path(DATA_DIR)


def other(arrays=ARRAYS):
    """Returns the arrays with other pixels, to tell one place from another."""
    return arrays | {"train_images": 255 - arrays["train_images"]}


def assert_holds(data, arrays=ARRAYS):
    for key, array in arrays.items():
        np.testing.assert_array_equal(getattr(data, key), array)
        assert data.sha256[key] == hashlib.sha256(idx_bytes(array)).hexdigest()


# What comes back


def test_image_data_unpacks_as_keras_does(tmp_path):
    data = load_data(write_idx_set(tmp_path / "set", ARRAYS))
    (x_train, y_train), (x_test, y_test) = data
    assert x_train is data.train_images
    assert y_test is data.test_labels
    assert x_train.dtype == x_test.dtype == np.uint8
    assert y_train.dtype == y_test.dtype == np.int64
    assert data.input_shape == (5, 5, 1)
    assert data.num_classes == 3
    assert data.class_names == ("0", "1", "2")
    assert data.name == str(tmp_path / "set")
    with pytest.raises(AttributeError):
        data.name = "another"


def test_with_test_split_holds_out_a_fifth_of_each_class(tmp_path):
    arrays = {
        "train_images": np.zeros((50, 3, 3), np.uint8),
        "train_labels": np.arange(50, dtype=np.uint8) % 5,
    }
    arrays["train_images"][:, 0, 0] = np.arange(50)
    data = load_data(write_npz(tmp_path / "a.npz", arrays))
    assert data.test_images.shape == (0, 3, 3)
    assert set(data.sha256) == {"train_images", "train_labels"}
    split = data.with_test_split()
    assert np.bincount(split.test_labels).tolist() == [2] * 5
    assert np.bincount(split.train_labels).tolist() == [8] * 5
    held_out, kept = split.test_images[:, 0, 0], split.train_images[:, 0, 0]
    assert sorted([*held_out, *kept]) == list(range(50))
    assert (np.diff(kept.astype(int)) > 0).all(), "the order stays"
    assert split.with_test_split() is split
    assert split.sha256 == data.with_test_split().sha256, "the same every time"


def test_with_test_split_of_too_few_images(tmp_path):
    arrays = {key: x for key, x in ARRAYS.items() if key.startswith("train")}
    arrays["train_labels"] = np.arange(12, dtype=np.uint8)
    data = load_data(write_npz(tmp_path / "a.npz", arrays))
    with pytest.raises(
        InputError,
        match=r"a.npz has only one image of the class 0, 1, .*, 9, and no test images. Expected test",
    ):
        data.with_test_split()


def test_unlabeled_images_alone_are_none_to_train_on(tmp_path):
    path = write_csv(tmp_path / "test.csv", ARRAYS["test_images"])
    with pytest.raises(
        InputError,
        match=r"test.csv holds 6 images without labels. Expected labels, to train or to evaluate on;",
    ):
        load_data(path).with_test_split()


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


# EMNIST


def emnist_files(name):
    """Returns the names of the published files."""
    config = name.removeprefix("emnist/")
    return {
        f"{split}_{kind}": f"emnist-{config}-{split}-{kind}-idx{rank}-ubyte"
        for split in ("train", "test")
        for kind, rank in (("images", 3), ("labels", 1))
    }


@pytest.mark.parametrize("name", [name for name in DATASETS if name.startswith("emnist/")])
@pytest.mark.parametrize("folder", ["emnist/{}", "emnist", "."])
def test_emnist_files_are_delivered_upright_with_labels_from_0(tmp_path, name, folder, capsys):
    first = int(name == "emnist/letters")
    published = {
        key: x.swapaxes(1, 2).copy() if x.ndim == 3 else x + np.uint8(first)
        for key, x in ARRAYS.items()
    }
    directory = tmp_path / folder.format(name.removeprefix("emnist/"))
    write_idx_set(directory, published, zipped=True, names=emnist_files(name))
    data = load_data(name, data_dir=tmp_path)
    assert_holds(data)
    assert data.num_classes == len(DATASETS[name].class_names)
    assert data.class_names[0] == ("a" if first else "0")
    assert not capsys.readouterr().err, "its pixels' hashes are not known"


def test_emnist_letters_with_a_label_below_the_first(tmp_path):
    write_idx_set(tmp_path, ARRAYS, names=emnist_files("emnist/letters"))
    with pytest.raises(
        InputError, match=r"Invalid `train_labels`. Expected values in \[0, 25\]. .*minimum=-1"
    ):
        load_data("emnist/letters", data_dir=tmp_path)


@pytest.mark.slow
def test_emnist_from_tfds(tmp_path, monkeypatch):
    """The real builder prepares a small archive; its examples come back in the archive's order."""
    import tensorflow_datasets as tfds

    arrays = small_arrays(side=28)
    published = {
        key: x.swapaxes(1, 2).copy() if x.ndim == 3 else x + np.uint8(1)
        for key, x in arrays.items()
    }
    names = {key: f"{name}.gz" for key, name in emnist_files("emnist/letters").items()}
    archive = tmp_path / "data" / "emnist" / "gzip.zip"
    archive.parent.mkdir(parents=True)
    with zipfile.ZipFile(archive, "w") as file:
        for key, array in published.items():
            file.writestr(f"gzip/{names[key]}", gzip.compress(idx_bytes(array)))
    builder = tfds.builder_cls("emnist")
    config = next(config for config in builder.BUILDER_CONFIGS if config.name == "letters")
    monkeypatch.setattr(config, "train_examples", len(arrays["train_labels"]))
    monkeypatch.setattr(config, "test_examples", NUM_TEST)
    [(url, info)] = builder.url_infos.items()
    assert url == DATASETS["emnist/letters"].url
    checksum = downloads.file_sha256(archive)
    info = type(info)(size=archive.stat().st_size, checksum=checksum, filename="gzip.zip")
    monkeypatch.setattr(builder, "url_infos", {url: info})
    # A download that is there already, complete
    manual = tmp_path / "tfds" / "downloads" / "manual" / "emnist"
    manual.mkdir(parents=True)
    archive.rename(manual / "gzip.zip")
    monkeypatch.setattr(downloads, "probe", lambda url: None)
    for _ in range(2):  # prepared, then from the cache
        data = load_data("emnist/letters")
        assert_holds(data, arrays)
        assert (data.source, data.num_classes) == ("tfds", 26)
    assert find_data("emnist/letters") == ("tfds", tmp_path / "tfds" / "emnist" / "letters")


def test_tfds_with_a_data_dir_of_other_files(tmp_path):
    pytest.importorskip("tensorflow_datasets")
    write_idx_set(tmp_path / "mnist", ARRAYS, zipped=True)
    with pytest.raises(
        InputError, match=r"is missing or not the published file, which TensorFlow Datasets needs"
    ):
        load_data("mnist", source="tfds", data_dir=tmp_path)


# The user's own files


def test_path_of_every_format(tmp_path):
    assert_holds(load_data(write_idx_set(tmp_path / "idx", ARRAYS, zipped=True)))
    assert_holds(load_data(str(write_npz(tmp_path / "npz" / "a.npz", ARRAYS))))
    assert_holds(load_data(tmp_path / "npz"))
    write_csv(tmp_path / "csv" / "train.csv", ARRAYS["train_images"], ARRAYS["train_labels"])
    write_csv(tmp_path / "csv" / "test.csv", ARRAYS["test_images"], ARRAYS["test_labels"])
    assert_holds(load_data(tmp_path / "csv"))
    large = small_arrays(side=28)
    write_folder(tmp_path / "folder", large["train_images"], large["train_labels"])
    data = load_data(tmp_path / "folder")
    np.testing.assert_array_equal(
        data.train_images[data.train_labels == 1], large["train_images"][1::3]
    )
    sources = [load_data(tmp_path / source).source for source in ("idx", "npz", "csv", "folder")]
    assert sources == ["idx", "npz", "csv", "folder"]


def test_unlabeled_test_images(tmp_path):
    write_csv(tmp_path / "train.csv", ARRAYS["train_images"], ARRAYS["train_labels"])
    write_csv(tmp_path / "test.csv", ARRAYS["test_images"])
    data = load_data(tmp_path)
    assert data.test_labels is None
    assert len(data.test_images) == NUM_TEST
    assert "test_labels" not in data.sha256
    alone = load_data(tmp_path / "test.csv")
    assert alone.train_images.shape == (0, 5, 5)
    assert alone.class_names == ()
    np.testing.assert_array_equal(alone.test_images, ARRAYS["test_images"])


def test_home_is_expanded(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    write_idx_set(tmp_path / "data", ARRAYS)
    assert_holds(load_data("~/data"))
    assert_holds(load_data("mnist", data_dir="~/data"))
    monkeypatch.setenv("MNIST_KERAS_DATA_DIR", "~/data")
    assert_holds(load_data("mnist"))


def test_training_and_test_images_of_two_shapes(tmp_path):
    arrays = ARRAYS | {"test_images": np.zeros((NUM_TEST, 4, 4), np.uint8)}
    with pytest.raises(
        InputError, match=r"training images of shape \(5, 5\) and test images of shape \(4, 4\)"
    ):
        load_data(write_npz(tmp_path / "a.npz", arrays))


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (
            ARRAYS["train_labels"].astype(np.int64) - 1,
            "a.npz has the label -1. Expected 0 or above.",
        ),
        (
            ARRAYS["train_labels"][:-1],
            "holds 12 images and 11 labels of the train split. Expected as",
        ),
        (
            ARRAYS["train_labels"] + 0.5,
            "has labels of dtype float64 and shape (12,). Expected integers",
        ),
        (np.full((12, 3), 0.5), "has labels of dtype float64 and shape (12, 3). Expected integers"),
    ],
)
def test_labels_of_another_kind(tmp_path, labels, message):
    path = write_npz(tmp_path / "a.npz", ARRAYS | {"train_labels": labels})
    assert message in error_of(load_data, path)


@pytest.mark.parametrize(
    "change",
    [
        lambda x: x[:, None],
        lambda x: np.eye(3, dtype=np.uint8)[x],
        lambda x: x.astype(np.float32),
        lambda x: x.astype(str),
    ],
)
def test_labels_that_surely_mean_a_class(tmp_path, change):
    arrays = {key: change(x) if x.ndim == 1 else x for key, x in ARRAYS.items()}
    assert_holds(load_data(write_npz(tmp_path / "a.npz", arrays)))


def test_labels_of_a_file_become_class_names(tmp_path):
    arrays = {key: 300 + 5 * x.astype(int) if x.ndim == 1 else x for key, x in ARRAYS.items()}
    data = load_data(write_npz(tmp_path / "a.npz", arrays))
    assert_holds(data)
    assert data.class_names == ("300", "305", "310")


def test_a_validation_split_of_a_file_is_kept(tmp_path):
    arrays = {f"x_{split}": ARRAYS["test_images"] for split in ("train", "val", "test")}
    arrays |= {f"y_{split}": ARRAYS["test_labels"] for split in ("train", "val", "test")}
    np.savez(tmp_path / "a.npz", **arrays)
    data = load_data(tmp_path / "a.npz")
    np.testing.assert_array_equal(data.validation.images, ARRAYS["test_images"])
    assert data.validation.labels.tolist() == ARRAYS["test_labels"].tolist()
    assert data.with_test_split().validation is data.validation


def test_what_was_read_and_left_out(tmp_path):
    write_npz(tmp_path / "a.npz", ARRAYS)
    (tmp_path / "notes.txt").write_text("none")
    data = load_data(tmp_path)
    assert data.files == tuple(
        f"a.npz[{key}]" for key in ("x_train", "y_train", "x_test", "y_test")
    )
    assert data.left_out == ("notes.txt",)


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


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read any file"
)
def test_a_file_that_may_not_be_read(tmp_path):
    path = write_npz(tmp_path / "a.npz", ARRAYS)
    path.chmod(0)
    with pytest.raises(InputError, match=r"a.npz cannot be read: Permission denied"):
        load_data(path)


def test_what_the_file_system_refuses_names_the_file(tmp_path, monkeypatch):
    def refuse(path, **options):
        raise OSError(5, "Input/output error", str(path))

    monkeypatch.setattr(np, "load", refuse)
    with pytest.raises(InputError, match=r"a.npz cannot be read: Input/output error"):
        load_data(write_npz(tmp_path / "a.npz", ARRAYS))


# The real data


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
def test_real_files_have_the_published_hashes(real_dir, name, capsys):
    data = load_data(name, data_dir=real_dir)
    assert data.sha256 == DATASETS[name].sha256
    assert data.train_images.shape == (60000, 28, 28)
    assert np.bincount(data.test_labels).sum() == 10000
    mean, deviation = {"mnist": (0.1307, 0.3081), "fashion_mnist": (0.2860, 0.3530)}[name]
    assert data.train_images.mean() / 255 == pytest.approx(mean, abs=5e-5)
    assert data.train_images.std() / 255 == pytest.approx(deviation, abs=5e-5)
    assert not capsys.readouterr().err


def test_real_files_of_another_set_are_refused(real_dir):
    fashion = real_dir / "fashion_mnist"
    with pytest.raises(
        InputError,
        match=r"fashion_mnist holds the wrong files: its train_images are the train_images of "
        r"Fashion-MNIST. Expected the train_images of MNIST. Load it as 'fashion_mnist'",
    ):
        load_data("mnist", data_dir=fashion)
    with pytest.raises(InputError, match=r"are the train_images of MNIST. .* Load it as 'mnist'"):
        load_data("kmnist", data_dir=real_dir / "mnist")


def test_real_test_files_in_the_place_of_training_files_are_refused(real_dir, tmp_path):
    for kind, rank in (("images", 3), ("labels", 1)):
        source = real_dir / "mnist" / f"t10k-{kind}-idx{rank}-ubyte.gz"
        for stem in ("train", "t10k"):
            (tmp_path / f"{stem}-{kind}-idx{rank}-ubyte.gz").symlink_to(source)
    with pytest.raises(
        InputError,
        match=r"its train_images are the test_images of MNIST\. Expected the train_images of MNIST\.$",
    ):
        load_data("mnist", data_dir=tmp_path)


def test_a_path_with_real_files_gets_their_name(real_dir):
    data = load_data(real_dir / "fashion_mnist")
    assert data.name == "fashion_mnist"
    assert data.class_names[9] == "Ankle boot"


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
