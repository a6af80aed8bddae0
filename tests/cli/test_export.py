"""`mnist-keras export`: what it writes and prints, and what it refuses before TensorFlow is loaded."""

import pytest

from mnist_keras.cli import export, main
from mnist_keras.inference.export import EXPORT_FORMATS


@pytest.fixture(autouse=True)
def empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MNIST_KERAS_DATA_DIR", raising=False)


def test_a_packaged_model_is_written_and_its_proof_printed(tmp_path, capsys):
    command = ["export", "mlp_128", "--format", "litert", "--out", "x.tflite", "--data", "digits"]
    assert main.main(command) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"x.tflite: litert, {(tmp_path / 'x.tflite').stat().st_size:,} bytes"
    assert lines[1].startswith("On 1,000 images: 0 labels differ from Keras's, accuracy ")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("mlp_128", "--format", "tensorrt", "--out", "x"), "Unknown export format 'tensorrt'."),
        (("mlp_129", "--format", "litert", "--out", "x.tflite"), "Did you mean 'mlp_128'?"),
        (
            ("mlp_128", "--format", "litert", "--out", "x.bin"),
            "Expected a path that ends in .tflite",
        ),
        (
            ("mlp_128", "--format", "saved_model", "--out", "."),
            "Invalid `--out`. Expected a path that does not exist yet. Received: ., which exists.",
        ),
    ],
)
def test_wrong_input_ends_with_status_2(capsys, arguments, said):
    assert main.main(["export", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("mnist-keras export: ") and said in err and err.count("\n") == 1


@pytest.mark.slow
def test_a_run_is_proved_on_the_data_it_was_trained_on(tmp_path, capsys):
    train = ["train", "mlp_128", "--data", "digits", "--epochs", "3", "--run-dir", "run", "--quiet"]
    assert main.main(train) == 0
    assert main.main(["export", "run", "--format", "onnx_int8", "--out", "x.onnx"]) == 0
    assert "On 1,797 images" in capsys.readouterr().out


def test_the_help_names_the_formats_that_there_are():
    assert tuple(EXPORT_FORMATS) == export.FORMATS
