"""The published files of the known datasets are recognized by their hashes; EMNIST is turned upright."""

import gzip
import zipfile

import numpy as np
import pytest
from data_files import NUM_TEST, assert_holds, idx_bytes, small_arrays, write_idx_set

from mnist_keras._validation import InputError
from mnist_keras.data import downloads
from mnist_keras.data.catalog import DATASETS
from mnist_keras.data.datasets import find_data, load_data

ARRAYS = small_arrays()
pytestmark = pytest.mark.usefixtures("bare_machine")


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
