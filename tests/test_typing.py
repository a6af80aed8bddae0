"""A user's program passes `mypy --strict`, and completion shows the public names."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import mnist_keras

PROGRAM = """
import keras  # type: ignore[import-untyped]  # Keras has no types
import numpy as np

import mnist_keras as mk
from mnist_keras import ImageData, Recipe, train

data: ImageData = mk.load_data("digits")
recipe = Recipe(epochs=1).replace(batch_size=64)
run = train("mlp_128", data, recipe=recipe, verbose=0)
accuracy: float = run.evaluation.accuracy
names: list[str] = mk.list_models("cnn*")
probabilities: np.ndarray = mk.predict_probabilities(run.model, data.test_images)
model: keras.Model = mk.build_mlp((32,), num_classes=3)
print(accuracy, names, probabilities.shape, model.name)
"""
WRONG = """
import mnist_keras as mk

mk.list_models(5)
mk.load_date("digits")
"""


def mypy(path, text):
    path.write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file", "", str(path)]
    # An editable installation is found by an import hook, which mypy does not run.
    environment = {**os.environ, "MYPYPATH": str(Path(mnist_keras.__file__).parents[1])}
    return subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=path.parent, env=environment
    )


@pytest.mark.slow
def test_a_program_passes_mypy_in_strict_mode(tmp_path):
    done = mypy(tmp_path / "program.py", PROGRAM)
    ours = [line for line in done.stdout.splitlines() if "program.py" in line and "error" in line]
    assert not ours, done.stdout
    wrong = mypy(tmp_path / "wrong.py", WRONG).stdout
    assert 'Argument 1 to "list_models" has incompatible type "int"; expected "str"' in wrong
    assert 'has no attribute "load_date"' in wrong
