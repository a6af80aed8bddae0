"""A LiteRT file names its classes and fits a microcontroller."""

import zipfile

from exported import export_to

import mnist_keras as mk


def test_cnn_tiny_fits_a_microcontroller(tmp_path, digits):
    done = export_to(tmp_path, "litert_int8", mk.load_model("cnn_tiny"), data=digits)
    assert done.num_bytes < 20_000


def test_a_litert_file_carries_the_names_of_the_classes(tmp_path, model):
    names = [f"kind {i}" for i in range(10)]
    path = export_to(tmp_path, "litert", model, data="digits", class_names=names).path
    with zipfile.ZipFile(path) as archive:
        assert archive.read("labels.txt").decode().splitlines() == names
