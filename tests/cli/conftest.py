"""An empty folder to work in, the command in this process, and two trained runs."""

import pytest

from mnist_keras.cli import main


@pytest.fixture
def empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("MNIST_KERAS_DATA_DIR", raising=False)
    return tmp_path


@pytest.fixture
def run(capsys):
    """Runs the command in this process; returns its exit status, output and errors."""

    def run(*arguments):
        capsys.readouterr()
        try:
            status = main.main([str(argument) for argument in arguments])
        except SystemExit as stop:
            status = stop.code
        return status, *capsys.readouterr()

    return run


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two trained runs."""
    root = tmp_path_factory.mktemp("runs")
    for name in ("mlp_128", "softmax_regression"):
        command = ["train", name, "--data", "digits", "--epochs", "2", "--quiet"]
        assert main.main([*command, "--run-dir", str(root / name)]) == 0
    return root / "mlp_128", root / "softmax_regression"
