"""`mnist-keras data`: the report, JSON and a picture of examples."""

import json

import numpy as np
import pytest
from data_files import small_arrays, write_npz
from PIL import Image

from mnist_keras.cli.main import main


@pytest.fixture
def path(tmp_path):
    return write_npz(tmp_path / "set" / "own.npz", small_arrays(side=28))


def test_the_report(path, capsys):
    assert main(["data", str(path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"{path}: 12 training and 6 test images of 28x28 pixels, 3 classes, from npz"
    assert lines[1].startswith("read: own.npz[x_train], own.npz[y_train]")
    assert lines[2] == "training: 12 images (0 4, 1 4, 2 4)"


def test_json_and_a_sheet(path, capsys, tmp_path):
    sheet = tmp_path / "sheet.png"
    assert main(["data", str(path), "--json", "--out", str(sheet)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["splits"]["train"]["counts"] == [4, 4, 4]
    assert found["source"] == "npz"
    with Image.open(sheet) as picture:
        assert picture.format == "PNG"
        assert np.asarray(picture.convert("L")).std() > 20


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["nowhere"], "Unknown dataset 'nowhere'."),
        (
            ["{path}", "--out", "sheet.jpg"],
            "Invalid `--out`. Expected a file name that ends in .png",
        ),
        (
            ["digits", "--data-dir", "."],
            "Invalid `--data-dir`. Expected no --data-dir for 'digits', which comes with scikit-learn. Received: '.'.",
        ),
    ],
)
def test_bad_input_is_status_2(path, capsys, monkeypatch, tmp_path, arguments, text):
    monkeypatch.chdir(tmp_path)
    assert main(["data", *(x.format(path=path) for x in arguments)]) == 2
    assert text in capsys.readouterr().err


def test_it_needs_no_tensorflow(path):
    import subprocess
    import sys

    code = (
        f"import sys; from mnist_keras.cli.main import main; main(['data', {str(path)!r}]); "
        "print({'tensorflow', 'keras'} & set(sys.modules))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.endswith("set()\n")
