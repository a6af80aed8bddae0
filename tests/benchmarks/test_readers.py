"""The benchmark of readers: each format is written so that its reader recognizes it and reads the same images."""

import numpy as np
import pytest

import mnist_keras as mk


@pytest.fixture(scope="module")
def readers(benchmark):
    return benchmark("readers")


def test_every_format_is_read_by_the_reader_in_the_file(readers, benchmark, tmp_path):
    tabular = benchmark("command")
    rows = tabular.read_rows(tabular.RESULTS / "readers.csv")
    assert rows["format"].tolist() == list(readers.FORMATS)
    data = readers.first_images(mk.load_data("digits").with_test_split(), 40)
    for name, reader in zip(rows["format"], rows["reader"], strict=True):
        directory = tmp_path / name
        directory.mkdir()
        found = mk.load_data(readers.FORMATS[name](data, directory))
        assert found.source.split()[0] == reader, name
        for split, expected in ((found.train, data.train), (found.test, data.test)):
            assert len(split) == 40, name
            np.testing.assert_array_equal(np.sort(split.labels), np.sort(expected.labels))
            assert split.images.sum() == expected.images.sum(), name
