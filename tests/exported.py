"""Exports a model into a format, where its compiler is installed."""

import shutil

import pytest

from mnist_keras.inference.export import EXPORT_FORMATS, export_model
from mnist_keras.inference.formats import c


def export_to(tmp_path, name, model, **options):
    if EXPORT_FORMATS[name].module == "c" and not any(map(shutil.which, c.COMPILERS)):
        pytest.skip("gcc is not installed")
    return export_model(
        model, tmp_path / f"exported{EXPORT_FORMATS[name].suffix}", format=name, **options
    )
